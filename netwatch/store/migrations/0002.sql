-- What people enter (exclusions, annotations), what throughput tests found, what was sent.
-- All append-only: a change of mind is a later row. Times are UTC milliseconds, but for
-- *_mono_ms (see 0001.sql).

CREATE TABLE exclusion (
    id INTEGER PRIMARY KEY,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL CHECK (to_ms > from_ms),
    kind TEXT NOT NULL,                  -- maintenance, customer, force_majeure
    reason TEXT NOT NULL,
    author TEXT NOT NULL,
    entered_ms INTEGER NOT NULL,
    notice_ms INTEGER                    -- when the operator gave notice
) STRICT;

CREATE TABLE exclusion_removal (
    exclusion_id INTEGER PRIMARY KEY REFERENCES exclusion (id),
    author TEXT NOT NULL,
    entered_ms INTEGER NOT NULL,
    reason TEXT
) STRICT;

-- NULL leaves what earlier rows of the incident said.
CREATE TABLE incident_annotation (
    id INTEGER PRIMARY KEY,
    incident_id TEXT NOT NULL,           -- its first instant: 20261006T071500Z
    author TEXT NOT NULL,
    entered_ms INTEGER NOT NULL,
    ticket TEXT,
    reported_ms INTEGER,
    closed_ms INTEGER,
    pauses TEXT,                         -- JSON: [{"start_ms": …, "end_ms": …, "reason": …}]
    answer TEXT,
    note TEXT,
    parent TEXT
) STRICT;
CREATE INDEX incident_annotation_of ON incident_annotation (incident_id);

CREATE TABLE bandwidth_test (
    run_id INTEGER NOT NULL,
    started_mono_ms INTEGER NOT NULL,
    started_ms INTEGER,                  -- NULL: no synchronised clock told it
    engine TEXT NOT NULL,
    server TEXT,
    down_bytes_per_second INTEGER,       -- application goodput; NULL: not measured
    up_bytes_per_second INTEGER,
    down_bytes INTEGER NOT NULL DEFAULT 0,  -- used, of the monthly budget
    up_bytes INTEGER NOT NULL DEFAULT 0,
    idle_rtt_us INTEGER,
    down_loaded_rtt_us INTEGER,
    up_loaded_rtt_us INTEGER,
    responsiveness_rpm INTEGER,
    down_invalid TEXT,                   -- device_limited, busy_link …; NULL: it counts
    up_invalid TEXT,
    PRIMARY KEY (run_id, started_mono_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX bandwidth_test_started ON bandwidth_test (started_ms);

CREATE TABLE bandwidth_skip (
    run_id INTEGER NOT NULL,
    due_mono_ms INTEGER NOT NULL,
    due_ms INTEGER,
    reason TEXT NOT NULL,                -- busy_link, data_budget, quiet_hours, overlap …
    PRIMARY KEY (run_id, due_mono_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX bandwidth_skip_due ON bandwidth_skip (due_ms);

-- Whom a month's report went to; the newest row of a recipient and version counts.
CREATE TABLE sent_report (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    month TEXT NOT NULL,
    version TEXT NOT NULL,               -- SHA-256 of the manifest
    recipient TEXT NOT NULL,
    sent INTEGER NOT NULL CHECK (sent IN (0, 1)),  -- 0: it was refused after all
    entered_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sent_report_of ON sent_report (month, version, recipient);

CREATE TRIGGER exclusion_stays BEFORE UPDATE ON exclusion
BEGIN SELECT RAISE(ABORT, 'the ledger of exclusions is append-only'); END;
CREATE TRIGGER exclusion_is_kept BEFORE DELETE ON exclusion
BEGIN SELECT RAISE(ABORT, 'the ledger of exclusions is append-only'); END;
CREATE TRIGGER exclusion_removal_stays BEFORE UPDATE ON exclusion_removal
BEGIN SELECT RAISE(ABORT, 'the ledger of exclusions is append-only'); END;
CREATE TRIGGER exclusion_removal_is_kept BEFORE DELETE ON exclusion_removal
BEGIN SELECT RAISE(ABORT, 'the ledger of exclusions is append-only'); END;
CREATE TRIGGER incident_annotation_stays BEFORE UPDATE ON incident_annotation
BEGIN SELECT RAISE(ABORT, 'the ledger of incidents is append-only'); END;
CREATE TRIGGER incident_annotation_is_kept BEFORE DELETE ON incident_annotation
BEGIN SELECT RAISE(ABORT, 'the ledger of incidents is append-only'); END;
