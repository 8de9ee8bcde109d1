-- What went on around each throughput test, and what tests were begun: beside bandwidth_test,
-- whose own columns are those that the chain of days has hashed since the first.

CREATE TABLE bandwidth_circumstance (
    run_id INTEGER NOT NULL,             -- with started_mono_ms: the row of bandwidth_test
    started_mono_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_mono_ms INTEGER NOT NULL,      -- the line was loaded in between
    due_ms INTEGER,                      -- the slot that it was made for; NULL: a person asked
    asked_by TEXT NOT NULL,              -- plan, campaign, person
    down_reason TEXT,                    -- finer than *_invalid: bandwidth.base.REASONS
    up_reason TEXT,
    down_detail TEXT,                    -- a sentence for a person
    up_detail TEXT,
    streams INTEGER,
    port_speed_mbit INTEGER,
    pressure_permille INTEGER,           -- how near our processor came to being the limit
    child_cpu_ms INTEGER,
    child_peak_bytes INTEGER,            -- resident
    temperature_mc INTEGER,              -- highest, thousandths of a degree Celsius
    interface TEXT,
    before_down_bytes_per_second INTEGER,  -- what others used, by the box's counters or our port's
    before_up_bytes_per_second INTEGER,
    during_down_bytes INTEGER,           -- of our port, whole frames
    during_up_bytes INTEGER,
    after_down_bytes_per_second INTEGER,
    after_up_bytes_per_second INTEGER,
    counters TEXT,                       -- where before_* and after_* were read: port, snmp, upnp
    down_loaded_samples INTEGER,
    up_loaded_samples INTEGER,
    PRIMARY KEY (run_id, started_mono_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX bandwidth_circumstance_due ON bandwidth_circumstance (due_ms);

-- Entered before a test moves its first byte. One that never got a row of its own was cut
-- off, and what was set aside for it counts as used.
CREATE TABLE bandwidth_begun (
    run_id INTEGER NOT NULL,
    started_mono_ms INTEGER NOT NULL,
    started_ms INTEGER,
    due_ms INTEGER,
    reserved_bytes INTEGER NOT NULL,
    PRIMARY KEY (run_id, started_mono_ms)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER late_bandwidth_circumstance AFTER INSERT ON bandwidth_circumstance
WHEN new.started_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('bandwidth_circumstance', new.started_ms, new.started_ms + 1, NULL,
         json_array(new.started_mono_ms, new.started_ms));
END;

CREATE TRIGGER late_bandwidth_begun AFTER INSERT ON bandwidth_begun
WHEN new.started_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('bandwidth_begun', new.started_ms, new.started_ms + 1, NULL,
         json_array(new.started_mono_ms, new.started_ms));
END;
