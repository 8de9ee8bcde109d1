-- What a test that is cut off can be settled by, beside what was set aside for it
-- (bandwidth_begun). Of the month's budget alone: no figure of the line rests on it, and the
-- chain of days does not hold it.
CREATE TABLE bandwidth_reserve (
    run_id INTEGER NOT NULL,             -- with started_mono_ms: the row of bandwidth_begun
    started_mono_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,               -- whose monotonic clock and counters these are
    port_speed_mbit INTEGER,             -- NULL: the port does not tell it
    interfaces TEXT,                     -- all of the machine, "lo=1 eth0=2": name, ifindex
    interface_bytes INTEGER,             -- what all of them had received and sent, whole frames
    settled_bytes INTEGER,               -- at most so many were moved; NULL: not settled
    settled_by TEXT,                     -- interfaces, time, reserve
    PRIMARY KEY (run_id, started_mono_ms)
) STRICT, WITHOUT ROWID;
