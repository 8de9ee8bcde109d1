"""What was entered into the books up to now, as a short text that changes when something is.

Rule of this file: it sees what can change the report of a month that is over: entries of
people, and corrections of days that were closed. Reads only, and little.
"""

from __future__ import annotations

from pathlib import Path

from netwatch.store.db import opened_read_only

#: Tables that are only ever added to.
_LEDGERS = (
    "exclusion",
    "exclusion_removal",
    "incident_annotation",
    "campaign",
    "campaign_removal",
    "late_entry",
)


def read_books_state(path: Path | str) -> str:
    """Equal texts: nothing was entered between. Raises StoreError where there are no books."""
    with opened_read_only(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
            if table in tables
            else 0
            for table in _LEDGERS
        ]
    return " ".join(map(str, counts))
