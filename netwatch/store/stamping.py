"""From the monotonic scale of a boot to UTC: the anchors, and the rows that waited for one.

Rule of this file: a row once stamped keeps its instant; what no synchronised clock
told stays NULL. It runs inside the transaction of its caller and begins none.
"""

from __future__ import annotations

import sqlite3

from netwatch.core.clockline import SAME_OFFSET_MS
from netwatch.records import Anchor

#: Where the key of observation_minute has the run.
RUN_SHIFT = 40
_ALL = 1_000_000_000


def row_key(run_id: int, mono_ms: int) -> int:
    """The key of a row of observation_minute.

    >>> row_key(1, 5) - row_key(1, 0)
    5
    """
    return run_id << RUN_SHIFT | mono_ms


def read_last_anchor(connection: sqlite3.Connection, run_id: int) -> int | None:
    """The offset in force in a run; None before its first anchor."""
    row = connection.execute(
        "SELECT offset_ms FROM anchor WHERE run_id = ? ORDER BY mono_ms DESC LIMIT 1", (run_id,)
    ).fetchone()
    return None if row is None else int(row[0])


def read_offset_at(connection: sqlite3.Connection, run_id: int, mono_ms: int) -> int | None:
    """The offset that dates an instant of a run: the one in force then, else the first."""
    row = connection.execute(
        "SELECT offset_ms FROM anchor WHERE run_id = ?"
        " ORDER BY mono_ms > ?, abs(mono_ms - ?) LIMIT 1",
        (run_id, mono_ms, mono_ms),
    ).fetchone()
    return None if row is None else int(row[0])


def enter_anchor(connection: sqlite3.Connection, run_id: int, anchor: Anchor) -> int:
    """Record an anchor where the clock was stepped since the last; returns the offset in force."""
    offset_ms = read_last_anchor(connection, run_id)
    if offset_ms is not None and abs(offset_ms - anchor.offset_ms) < SAME_OFFSET_MS:
        return offset_ms
    connection.execute(
        "INSERT INTO anchor VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET offset_ms = excluded.offset_ms",
        (run_id, anchor.monotonic_ms, anchor.offset_ms),
    )
    return anchor.offset_ms


def read_unstamped_runs(connection: sqlite3.Connection, run_id: int) -> list[int]:
    """The runs of the same boot as ``run_id`` that have rows without UTC, oldest first.

    A boot whose name is not known is that run alone: its monotonic scale is nobody else's.
    """
    return [
        row[0]
        for row in connection.execute(
            """
            SELECT run.id FROM run, (SELECT boot_id FROM run WHERE id = :run) AS mine
            WHERE (run.id = :run OR run.boot_id = mine.boot_id AND run.boot_id <> 'unknown')
              AND (run.started_ms IS NULL
                   OR EXISTS (SELECT 1 FROM span WHERE run_id = run.id AND start_ms IS NULL)
                   OR EXISTS (SELECT 1 FROM observation_minute WHERE start_ms IS NULL
                              AND key >= run.id << 40 AND key < (run.id + 1) << 40))
            ORDER BY run.id
            """,
            {"run": run_id},
        )
    ]


def stamp_run(
    connection: sqlite3.Connection, run_id: int, anchor: Anchor, observation_rows: int = _ALL
) -> bool:
    """Give UTC to what has none in one run; True when nothing is left without.

    At most ``observation_rows`` of the raw rows are rewritten, so that a week without a
    clock does not become one transaction. Doing it twice changes nothing.
    """
    offset_ms = enter_anchor(connection, run_id, anchor)
    values = {"offset": offset_ms, "run": run_id, "limit": observation_rows}
    for statement in (
        "UPDATE run SET started_ms = coalesce(started_ms, started_mono_ms + :offset),"
        " ended_ms = coalesce(ended_ms, ended_mono_ms + :offset)"
        " WHERE id = :run AND (started_ms IS NULL OR ended_ms IS NULL)",
        "UPDATE span SET start_ms = start_mono_ms + :offset WHERE run_id = :run AND start_ms IS NULL",
        "UPDATE check_definition SET since_ms = since_mono_ms + :offset"
        " WHERE run_id = :run AND since_ms IS NULL",
    ):
        connection.execute(statement, values)
    stamped = connection.execute(
        "UPDATE observation_minute SET start_ms = start_mono_ms + :offset WHERE key IN"
        " (SELECT key FROM observation_minute WHERE start_ms IS NULL"
        "  AND key >= :run << 40 AND key < (:run + 1) << 40 ORDER BY key LIMIT :limit)",
        values,
    ).rowcount
    return stamped < observation_rows
