"""What a database says of itself: that its records are made up.

Rule of this file: the mark is there from the first record on, or the records are real.
It must not know how records are made.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from netwatch.errors import StoreError, UsageError
from netwatch.store.db import opened_read_only

_KEY = "simulated"


def mark_simulated(connection: sqlite3.Connection, text: str) -> None:
    """Say that all in this database is made up, and from what. Raises sqlite3.Error."""
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_KEY, text),
    )


def read_simulated(path: Path | str) -> str | None:
    """What the records were made up from; None where they are real.

    Raises StoreError where there is no database of netwatch, or it cannot be read.
    """
    with opened_read_only(path) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
        return None if row is None else row[0]


def refuse_simulated(path: Path | str) -> None:
    """Nothing real is written behind what is made up: raises UsageError for a simulation.

    A file that is not there yet, or cannot be read, is for whoever opens it to judge.
    """
    try:
        simulated = Path(path).exists() and read_simulated(path) is not None
    except StoreError:
        return
    if simulated:
        raise UsageError(
            f"{path}: its records are simulated, and real ones are not written behind them: "
            "name another file in store.path, or move this one away"
        )
