"""How far the totals have come, by run: rows of the totals' own table, which are no totals.

Rule of this file: the mark is written in the transaction that adds what it speaks of. What
follows from the marks is `store.uncounted`'s. It begins no transaction.
"""

from __future__ import annotations

import sqlite3

#: The name of such a row; its label is the run, its value an instant of it (monotonic).
COUNTED = "counted"


def enter_counted(
    connection: sqlite3.Connection, run_id: int, counted_mono_ms: int, *, caught_up: bool
) -> None:
    """The totals have this run up to there; if it caught up, all before it too.

    Raises sqlite3.Error.
    """
    connection.execute(
        "INSERT INTO counter VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
        (COUNTED, str(run_id), counted_mono_ms),
    )
    if caught_up:
        connection.execute(
            "DELETE FROM counter WHERE name = ? AND CAST(label AS INTEGER) < ?", (COUNTED, run_id)
        )


def read_counted(connection: sqlite3.Connection, before_run_id: int) -> dict[int, int]:
    """Up to where the totals have each run, from the last that had caught up, in order.

    Empty in books of a version that wrote no marks. Raises sqlite3.Error.
    """
    rows = connection.execute(
        "SELECT CAST(label AS INTEGER) AS run_id, value FROM counter"
        " WHERE name = ? AND run_id < ? ORDER BY run_id",
        (COUNTED, before_run_id),
    )
    return dict(rows.fetchall())
