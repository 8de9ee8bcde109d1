"""What is entered into a minute after it was over: throughput tests, and the hashes of days.

Rule of this file: a test is entered when it has ended, under the instant of its beginning,
and a day's hash under the end of the books; whoever has sent that minute must send it
again. Reads only.
"""

from __future__ import annotations

import sqlite3

from netwatch.store.annals import has_tables
from netwatch.store.throughput import read_test_starts

#: Name of the record, and what tells it from others of its kind.
Key = tuple[str, int, int]


def read_afterthoughts(connection: sqlite3.Connection, from_ms: int) -> dict[Key, int]:
    """Those with an instant from then on, and that instant (UTC)."""
    if not has_tables(connection):
        return {}
    found: dict[Key, int] = {
        ("test", *key): at_ms for key, at_ms in read_test_starts(connection, from_ms).items()
    }
    rows = connection.execute(
        "SELECT number, closed_ms FROM day_chain WHERE closed_ms >= ?", (from_ms,)
    )
    found.update({("day", number, 0): at_ms for number, at_ms in rows})
    return found
