"""Whether the books still say what the chain of days was closed with.

The law of this file: whatever differs is named with its day; what left by its age is no
fault; what came late is named too, though it was entered properly. Reads only.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from netwatch.core.chain import (
    DAY_MS,
    ChainProblem,
    DayHash,
    check_links,
    check_rows,
    hash_digests,
    hash_records,
    number_day,
)
from netwatch.store.chain import read_chain, read_newest_entry
from netwatch.store.chain_rows import (
    read_day_lines,
    read_day_rows,
    read_newest_late,
    read_oldest_key,
)
from netwatch.store.db import opened_read_only
from netwatch.store.retention import LEDGER_KEEP_MS

_TABLES_SINCE = 3


def verify_chain(path: Path | str, *, ledger_keep_ms: int = LEDGER_KEEP_MS) -> list[ChainProblem]:
    """Compute every closed day anew; what differs, in the order of the chain. Empty: all is well.

    Days that begin more than ``ledger_keep_ms`` before the newest record may have lost
    verdicts by their age: of these only raw rows and links are compared. The agent may
    go on writing meanwhile. Raises StoreError where the books cannot be read.
    """
    with opened_read_only(path) as connection:
        if not _has_chain(connection):
            return []
        problems: list[ChainProblem] = []
        try:
            entries = read_chain(connection)
        except (sqlite3.DataError, OverflowError, ValueError) as error:
            return [ChainProblem(day=None, kind="entry", text=f"the chain is unreadable: {error}")]
        problems += check_links(entries)
        problems += _check_end(connection, entries)
        problems += _check_digests(connection, entries)
        newest = connection.execute("SELECT max(ended_ms) FROM run").fetchone()[0]
        oldest_ms = (newest or 0) - ledger_keep_ms
        for name in dict.fromkeys(entry.day for entry in entries):
            problems += _check_day(connection, name, oldest_ms)
    return problems


def read_chain_end(path: Path | str) -> DayHash | None:
    """The newest entry of the chain, whose hash stands for all before it.

    None in books without a closed day, or whose chain cannot be read: `verify_chain`
    tells why. Raises StoreError where the books cannot be read.
    """
    with opened_read_only(path) as connection:
        if not _has_chain(connection):
            return None
        try:
            return next(reversed(read_chain(connection)), None)
        except (sqlite3.DataError, OverflowError, ValueError):
            return None


def _has_chain(connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return row is not None and int(row[0]) >= _TABLES_SINCE


def _check_end(connection: sqlite3.Connection, entries: list[DayHash]) -> Iterator[ChainProblem]:
    """Where closed time ends must be the end of the last closed day."""
    row = connection.execute("SELECT until_ms FROM chain_end").fetchone()
    ends = [(number_day(entry.day) + 1) * DAY_MS for entry in entries]
    if (None if row is None else row[0]) != max(ends, default=None):
        day = entries[-1].day if entries else None
        yield ChainProblem(
            day=day,
            kind="missing",
            text=f"{day or 'the chain'}: closed time ends elsewhere than the chain: "
            "entries at its end are gone",
        )
    days = {number_day(entry.day) for entry in entries}
    for number in sorted(set(range(min(days, default=0), max(days, default=-1) + 1)) - days)[:10]:
        yield ChainProblem(day=None, kind="missing", text=f"day {number} was never closed")


def _check_digests(
    connection: sqlite3.Connection, entries: list[DayHash]
) -> Iterator[ChainProblem]:
    """Digests that are kept beside an entry must be those that it speaks of."""
    for entry in entries:
        row = connection.execute(
            "SELECT digests FROM day_chain WHERE number = ?", (entry.number,)
        ).fetchone()
        if row is not None and row[0] is not None and hash_digests(row[0]) != entry.observations:
            yield ChainProblem(
                day=entry.day,
                kind="entry",
                text=f"{entry.day}: the digests kept with entry {entry.number} of the chain "
                "were changed",
            )


def _check_day(connection: sqlite3.Connection, name: str, oldest_ms: int) -> Iterator[ChainProblem]:
    """One day, in one short transaction: entry and records are of one moment."""
    day = number_day(name)
    with _one_moment(connection):
        chained = read_newest_entry(connection, day)
        if chained is None:
            return
        entry = chained.entry
        rows = read_day_rows(connection, day)
        wrong_rows = check_rows(entry, rows, chained.digests, read_oldest_key(connection))
        late = read_newest_late(connection, day)
        same = hash_records(read_day_lines(connection, day)) == entry.records
    if late > entry.late:
        yield ChainProblem(
            day=name, kind="late", text=f"{name}: something was written into it after it was closed"
        )
    elif entry.is_correction:
        yield ChainProblem(
            day=name,
            kind="late",
            text=f"{name}: something was written into it after it was closed, and it was "
            f"closed again (late entry {entry.late})",
        )
    if late < entry.late:
        yield ChainProblem(
            day=name, kind="missing", text=f"{name}: late entry {entry.late} is gone"
        )
    # With a late entry that is not closed over yet, the rest cannot be told apart from it.
    if not same and late <= entry.late and day * DAY_MS >= oldest_ms:
        yield ChainProblem(
            day=name,
            kind="records",
            text=f"{name}: its records (runs, verdicts, checks, tests, entries) are not those "
            "it was closed with",
        )
    if wrong_rows is not None and late <= entry.late:
        yield ChainProblem(day=name, kind="observations", text=f"{name}: {wrong_rows}")


@contextlib.contextmanager
def _one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")
