-- The chain of days (netwatch/core/chain.py): what was recorded cannot be changed quietly.

CREATE TABLE day_chain (
    number INTEGER PRIMARY KEY,          -- 1, 2, 3 … without a gap
    day INTEGER NOT NULL,                -- UTC, counted from 1970-01-01
    records TEXT NOT NULL,               -- SHA-256 in hex, as are the other hashes
    rows INTEGER NOT NULL,               -- of raw observations, and the keys of both ends
    first_key INTEGER,
    last_key INTEGER,
    observations TEXT NOT NULL,
    digests BLOB,                        -- 32 bytes a raw row; NULL once all rows have left
    late INTEGER NOT NULL,               -- newest late entry that touches the day, 0: none
    closed_ms INTEGER NOT NULL,
    version TEXT NOT NULL,
    previous TEXT,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX day_chain_day ON day_chain (day, number);

-- What was written into a day after it was closed: entered by triggers, in the very
-- transaction that did it, and part of the day's records from then on.
CREATE TABLE late_entry (
    id INTEGER PRIMARY KEY,
    record TEXT NOT NULL,                -- span, raw, run, anchor, check, or a table's name
    from_ms INTEGER NOT NULL,            -- the closed time that it touches
    until_ms INTEGER NOT NULL,
    before TEXT,                         -- JSON; NULL: it is new
    after TEXT
) STRICT;

-- Where closed time ends; one row, absent while no day is closed.
CREATE TABLE chain_end (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    until_ms INTEGER NOT NULL
) STRICT;

CREATE TRIGGER late_new_span AFTER INSERT ON span
WHEN new.start_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('span', new.start_ms,
         max(new.start_ms + 1, min(new.start_ms + new.end_mono_ms - new.start_mono_ms,
                                   (SELECT until_ms FROM chain_end))),
         NULL,
         json_array(new.run_id, new.layer, new.start_mono_ms, new.end_mono_ms, new.start_ms,
                    new.verdict, new.cause, new.reason));
END;

-- An open span grows every minute: that is late only where its old end lies in closed time.
CREATE TRIGGER late_span AFTER UPDATE ON span
WHEN (new.start_ms < (SELECT until_ms FROM chain_end)
      OR old.start_ms < (SELECT until_ms FROM chain_end))
     AND (old.start_ms IS NOT new.start_ms OR old.start_mono_ms <> new.start_mono_ms
          OR old.verdict <> new.verdict OR old.cause IS NOT new.cause
          OR old.reason IS NOT new.reason OR old.layer <> new.layer
          OR old.run_id <> new.run_id)
     OR old.end_mono_ms <> new.end_mono_ms
        AND old.start_ms IS NOT NULL
        AND min(old.end_mono_ms, new.end_mono_ms) + coalesce(
            (SELECT offset_ms FROM anchor WHERE run_id = old.run_id
             AND mono_ms < min(old.end_mono_ms, new.end_mono_ms)
             ORDER BY mono_ms DESC LIMIT 1),
            old.start_ms - old.start_mono_ms) < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after)
    SELECT 'span', low, max(low + 1, min(high, (SELECT until_ms FROM chain_end))),
           json_array(old.run_id, old.layer, old.start_mono_ms, old.end_mono_ms, old.start_ms,
                      old.verdict, old.cause, old.reason),
           json_array(new.run_id, new.layer, new.start_mono_ms, new.end_mono_ms, new.start_ms,
                      new.verdict, new.cause, new.reason)
    FROM (SELECT min(coalesce(old.start_ms, new.start_ms), coalesce(new.start_ms, old.start_ms),
                     max(old.end_mono_ms, new.end_mono_ms) + shift) AS low,
                 max(coalesce(old.start_ms, new.start_ms), coalesce(new.start_ms, old.start_ms),
                     max(old.end_mono_ms, new.end_mono_ms) + shift) AS high
          FROM (SELECT coalesce(
                    (SELECT offset_ms FROM anchor WHERE run_id = new.run_id
                     AND mono_ms < max(old.end_mono_ms, new.end_mono_ms)
                     ORDER BY mono_ms DESC LIMIT 1),
                    new.start_ms - new.start_mono_ms,
                    old.start_ms - old.start_mono_ms) AS shift));
END;

CREATE TRIGGER late_new_raw AFTER INSERT ON observation_minute
WHEN new.start_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('raw', new.start_ms, new.start_ms + 1, NULL, json_array(new.key, new.start_ms));
END;

CREATE TRIGGER late_raw AFTER UPDATE ON observation_minute
WHEN (new.start_ms < (SELECT until_ms FROM chain_end)
      OR old.start_ms < (SELECT until_ms FROM chain_end))
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('raw', min(coalesce(old.start_ms, new.start_ms), coalesce(new.start_ms, old.start_ms)),
         max(coalesce(old.start_ms, new.start_ms), coalesce(new.start_ms, old.start_ms)) + 1,
         json_array(old.key, old.start_ms), json_array(new.key, new.start_ms));
END;

CREATE TRIGGER late_run AFTER UPDATE ON run
WHEN old.started_ms IS NOT new.started_ms
         AND min(coalesce(old.started_ms, new.started_ms), new.started_ms)
             < (SELECT until_ms FROM chain_end)
     OR (old.ended_ms IS NOT new.ended_ms OR old.clean <> new.clean)
         AND min(coalesce(old.ended_ms, new.ended_ms), coalesce(new.ended_ms, old.ended_ms))
             < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after)
    SELECT 'run', low, max(low + 1, min(high, (SELECT until_ms FROM chain_end))),
           json_array(old.id, old.started_ms, old.ended_ms, old.clean),
           json_array(new.id, new.started_ms, new.ended_ms, new.clean)
    FROM (SELECT CASE WHEN old.started_ms IS NOT new.started_ms
                      THEN min(coalesce(old.started_ms, new.started_ms), new.started_ms)
                      ELSE min(coalesce(old.ended_ms, new.ended_ms),
                               coalesce(new.ended_ms, old.ended_ms)) END AS low,
                 max(coalesce(old.ended_ms, new.ended_ms),
                     coalesce(new.ended_ms, old.ended_ms)) AS high);
END;

CREATE TRIGGER late_anchor AFTER INSERT ON anchor
WHEN new.mono_ms + new.offset_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('anchor', new.mono_ms + new.offset_ms, (SELECT until_ms FROM chain_end), NULL,
         json_array(new.run_id, new.mono_ms, new.offset_ms));
END;

CREATE TRIGGER late_new_check AFTER INSERT ON check_definition
WHEN new.since_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('check', new.since_ms, (SELECT until_ms FROM chain_end), NULL,
         json_array(new.id, new.check_id, new.kind, new.target, new.role, new.since_ms));
END;

CREATE TRIGGER late_check AFTER UPDATE ON check_definition
WHEN min(coalesce(old.since_ms, new.since_ms), coalesce(new.since_ms, old.since_ms))
     < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('check',
         min(coalesce(old.since_ms, new.since_ms), coalesce(new.since_ms, old.since_ms)),
         (SELECT until_ms FROM chain_end),
         json_array(old.id, old.check_id, old.kind, old.target, old.role, old.since_ms),
         json_array(new.id, new.check_id, new.kind, new.target, new.role, new.since_ms));
END;

CREATE TRIGGER late_exclusion AFTER INSERT ON exclusion
WHEN new.entered_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('exclusion', new.entered_ms, new.entered_ms + 1, NULL, json_array(new.id, new.entered_ms));
END;

CREATE TRIGGER late_exclusion_removal AFTER INSERT ON exclusion_removal
WHEN new.entered_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('exclusion_removal', new.entered_ms, new.entered_ms + 1, NULL, json_array(new.exclusion_id, new.entered_ms));
END;

CREATE TRIGGER late_incident_annotation AFTER INSERT ON incident_annotation
WHEN new.entered_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('incident_annotation', new.entered_ms, new.entered_ms + 1, NULL, json_array(new.id, new.entered_ms));
END;

CREATE TRIGGER late_bandwidth_test AFTER INSERT ON bandwidth_test
WHEN new.started_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('bandwidth_test', new.started_ms, new.started_ms + 1, NULL, json_array(new.started_mono_ms, new.started_ms));
END;

CREATE TRIGGER late_bandwidth_skip AFTER INSERT ON bandwidth_skip
WHEN new.due_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('bandwidth_skip', new.due_ms, new.due_ms + 1, NULL, json_array(new.due_mono_ms, new.due_ms));
END;

CREATE TRIGGER late_sent_report AFTER INSERT ON sent_report
WHEN new.entered_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('sent_report', new.entered_ms, new.entered_ms + 1, NULL, json_array(new.id, new.entered_ms));
END;
