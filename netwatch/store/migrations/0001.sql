-- The books of one device. Times: *_mono_ms is CLOCK_MONOTONIC of the run's boot;
-- *_ms is UTC and NULL until a synchronised clock has told it (see "anchor").

-- One life of the agent. It is also the heartbeat: every commit moves ended_*.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_mono_ms INTEGER NOT NULL,
    ended_mono_ms INTEGER NOT NULL,      -- the last instant the books speak of
    started_ms INTEGER,
    ended_ms INTEGER,
    clean INTEGER NOT NULL DEFAULT 0,    -- 1: the process took its leave
    last_sequence INTEGER NOT NULL DEFAULT 0  -- of the batches: one sent twice is entered once
) STRICT;

-- UTC = monotonic + offset_ms, from mono_ms on; a new row only where the clock was stepped.
CREATE TABLE anchor (
    run_id INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    offset_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, mono_ms)
) STRICT, WITHOUT ROWID;

-- Verdicts. Within a run and layer they never overlap on the monotonic scale.
CREATE TABLE span (
    run_id INTEGER NOT NULL,
    layer TEXT NOT NULL,                 -- link, dns, quality, ipv6, service:NAME …
    start_mono_ms INTEGER NOT NULL,
    end_mono_ms INTEGER NOT NULL,
    start_ms INTEGER,
    verdict TEXT NOT NULL,
    cause TEXT,
    reason TEXT,
    PRIMARY KEY (run_id, layer, start_mono_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX span_unstamped ON span (run_id) WHERE start_ms IS NULL;

-- What the numbers in the blocks stand for. A changed target is a new row.
CREATE TABLE check_definition (
    id INTEGER PRIMARY KEY,
    check_id TEXT NOT NULL,
    kind TEXT,
    target TEXT,
    role TEXT,
    run_id INTEGER NOT NULL,
    since_mono_ms INTEGER NOT NULL,
    since_ms INTEGER
) STRICT;

-- Raw observations, what one commit brought in one row (netwatch/core/packing.py).
-- The key carries run and monotonic time, so that a row costs one page and no index.
CREATE TABLE observation_minute (
    key INTEGER PRIMARY KEY,             -- run_id << 40 | monotonic ms of the first due slot
    start_ms INTEGER,                    -- the same instant in UTC
    block BLOB NOT NULL,
    run_id INTEGER GENERATED ALWAYS AS (key >> 40) VIRTUAL,
    start_mono_ms INTEGER GENERATED ALWAYS AS (key & 1099511627775) VIRTUAL
) STRICT;
CREATE INDEX observation_unstamped ON observation_minute (key) WHERE start_ms IS NULL;

-- Totals that go on over restarts, moved in the transaction of what they count.
CREATE TABLE counter (
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, label)
) STRICT, WITHOUT ROWID;
