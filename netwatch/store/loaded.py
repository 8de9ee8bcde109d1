"""When our own throughput tests loaded the line, as far as the books can tell already.

Rule of this file: reads only. A test that was begun and has no row of its own is under
way, or was cut off: then all the time that it may take at most is taken for loaded. What
is left out because of it is for others to decide.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from netwatch.core.intervals import Intervals, normalise
from netwatch.store.db import opened_read_only

#: The most that a test of one engine may take, from its entry before the first byte to the
#: entry of what it found: both directions, the start of its process, what is looked at after.
LONGEST_MS = 90_000

# A test that began before its run had a clock gets the offset that the run had later.
_STARTED = (
    "coalesce(each.started_ms, each.started_mono_ms + (SELECT offset_ms FROM anchor"
    " WHERE anchor.run_id = each.run_id ORDER BY mono_ms LIMIT 1))"
)
_WITHOUT_ROW = (
    f"SELECT {_STARTED} AS at FROM bandwidth_begun AS each WHERE NOT EXISTS"  # noqa: S608 - our own names
    " (SELECT 1 FROM bandwidth_test AS test WHERE test.run_id = each.run_id"
    " AND test.started_mono_ms = each.started_mono_ms)"
)


def read_loaded_time(path: Path | str, from_ms: int, to_ms: int) -> Intervals:
    """The loaded time that touches ``[from_ms, to_ms)`` (UTC). Raises StoreError.

    Empty for books of an earlier netwatch that have nothing of it.
    """
    with opened_read_only(path) as connection:
        if not _has_tables(connection):
            return ()
        rows = connection.execute(
            "SELECT at, at + length FROM ("  # noqa: S608 - our own names
            f" SELECT {_STARTED} AS at, each.ended_mono_ms - each.started_mono_ms AS length"
            " FROM bandwidth_circumstance AS each"
            f" UNION ALL SELECT at, :longest FROM ({_WITHOUT_ROW}))"
            " WHERE at < :to AND at + length > :from",
            {"longest": LONGEST_MS, "from": from_ms, "to": to_ms},
        ).fetchall()
    return normalise(rows)


def hold_for_tests(connection: sqlite3.Connection, horizon_ms: int) -> int:
    """``horizon_ms``, or the beginning of a test that may be under way there (UTC).

    What is said of the line's latency from then on may not be known yet. A test that has
    no row when the longest is over was cut off, and holds nothing any more.
    """
    if not _has_tables(connection):
        return horizon_ms
    (at_ms,) = connection.execute(
        f"SELECT min(at) FROM ({_WITHOUT_ROW}) WHERE at < :horizon AND at > :horizon - :longest",  # noqa: S608 - our own names
        {"longest": LONGEST_MS, "horizon": horizon_ms},
    ).fetchone()
    return horizon_ms if at_ms is None else int(at_ms)


def _has_tables(connection: sqlite3.Connection) -> bool:
    return (
        connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'bandwidth_begun'").fetchone()
        is not None
    )
