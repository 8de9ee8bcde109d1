-- What an outlet is done with (netwatch/store/spool.py): half-open stretches of whole UTC
-- minutes that never touch; all else that the books speak of is still to be sent.

CREATE TABLE outlet_settled (
    outlet TEXT NOT NULL,                -- kind and destination
    from_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL CHECK (until_ms > from_ms),
    PRIMARY KEY (outlet, from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE outlet_seen (
    outlet TEXT PRIMARY KEY,
    late INTEGER NOT NULL                -- newest late entry that made it send minutes again
) STRICT, WITHOUT ROWID;
