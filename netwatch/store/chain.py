"""Closing days: each finished day's records become one entry of the chain.

The law of this file: an entry once made is never changed. What is written into a closed
day afterwards leaves a late entry (migrations/0003.sql), and the day gets one more entry
of the chain that includes it: late data is possible, quiet data is not. It runs in the
thread that owns the connection, and must not read a clock.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from netwatch import __version__
from netwatch.core.chain import DAY_MS, DayHash, hash_digests, hash_records, name_day, seal
from netwatch.store.chain_rows import (
    read_day_lines,
    read_day_rows,
    read_newest_late,
    read_oldest_key,
)
from netwatch.store.stamping import read_unstamped_runs

#: A day is closed that long after its end at the earliest: by then nothing is unsettled.
CLOSE_AFTER_MS = 3_600_000
#: Days with records that one call closes at most; days without cost next to nothing.
FULL_DAYS = 3
EMPTY_DAYS = 400


class ChainedDay(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the chain, and the digests of its raw rows as long as they are kept."""

    entry: DayHash
    digests: bytes | None


def close_days(
    connection: sqlite3.Connection,
    now_ms: int,
    *,
    full_days: int = FULL_DAYS,
    version: str = __version__,
) -> list[DayHash]:
    """Close the days that are over, and enter anew those that something came late to.

    Call it only with a synchronised clock, and again: one call closes at most
    ``full_days`` days with records, each in a transaction of its own, and returns their
    entries. A ``now_ms`` beyond what the books speak of counts as their end. While rows
    of this boot wait for their instant, nothing is closed. Raises sqlite3.Error.
    """
    newest = connection.execute(
        "SELECT id, ended_ms FROM run WHERE ended_ms IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    last_run = connection.execute("SELECT max(id) FROM run").fetchone()[0]
    if newest is None or read_unstamped_runs(connection, last_run):
        return []
    now_ms = min(now_ms, newest[1])
    closed: list[DayHash] = []
    full = 0
    for day in _find_corrected(connection, full_days):
        closed.append(_enter_day(connection, day, now_ms, version))
        full += 1
    first_day = _find_next(connection)
    for day in range(first_day, first_day + EMPTY_DAYS):
        if full >= full_days or (day + 1) * DAY_MS + CLOSE_AFTER_MS > now_ms:
            break
        entry = _enter_day(connection, day, now_ms, version)
        full += not _is_empty(connection, day)
        closed.append(entry)
    _forget_digests(connection)
    return closed


def read_chain(connection: sqlite3.Connection) -> list[DayHash]:
    """All entries, oldest first. Raises sqlite3.Error."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM day_chain ORDER BY number")  # noqa: S608 - our own names
    return [_build_entry(row) for row in rows]


def read_newest_entry(connection: sqlite3.Connection, day: int) -> ChainedDay | None:
    """What the chain says of a day now; None of one that is not closed."""
    row = connection.execute(
        f"SELECT {_COLUMNS}, digests FROM day_chain WHERE day = ? ORDER BY number DESC LIMIT 1",  # noqa: S608 - our own names
        (day,),
    ).fetchone()
    return None if row is None else ChainedDay(entry=_build_entry(row[:-1]), digests=row[-1])


_COLUMNS = (
    "number, day, records, rows, first_key, last_key, observations, late, closed_ms, version,"
    " previous, hash"
)


def _build_entry(row: tuple[Any, ...]) -> DayHash:
    fields: dict[str, Any] = dict(zip(DayHash.__struct_fields__, row, strict=True))
    return DayHash(**{**fields, "day": name_day(fields["day"])})


def _find_next(connection: sqlite3.Connection) -> int:
    """The first day that is not closed: that after the last, or that of the first record."""
    last = connection.execute("SELECT max(day) FROM day_chain").fetchone()[0]
    if last is not None:
        return int(last) + 1
    first_ms = connection.execute("SELECT min(started_ms) FROM run").fetchone()[0]
    return int(first_ms) // DAY_MS


def _find_corrected(connection: sqlite3.Connection, most: int) -> list[int]:
    """Closed days with a late entry that their newest entry of the chain does not have."""
    if connection.execute("SELECT 1 FROM late_entry LIMIT 1").fetchone() is None:
        return []
    rows = connection.execute(
        """
        SELECT day FROM (SELECT day, max(late) AS known FROM day_chain GROUP BY day)
        WHERE known < (SELECT max(id) FROM late_entry
                       WHERE from_ms < (day + 1) * :day AND until_ms > day * :day)
        ORDER BY day LIMIT :most
        """,
        {"day": DAY_MS, "most": most},
    )
    return [row[0] for row in rows.fetchall()]


def _enter_day(connection: sqlite3.Connection, day: int, now_ms: int, version: str) -> DayHash:
    """One transaction: the entry, and where closed time ends now."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        last = connection.execute(
            "SELECT number, hash FROM day_chain ORDER BY number DESC LIMIT 1"
        ).fetchone()
        rows = read_day_rows(connection, day)
        digests = b"".join(digest for _, digest in rows)
        entry = seal(
            DayHash(
                number=1 if last is None else last[0] + 1,
                day=name_day(day),
                records=hash_records(read_day_lines(connection, day)),
                rows=len(rows),
                first_key=rows[0][0] if rows else None,
                last_key=rows[-1][0] if rows else None,
                observations=hash_digests(digests),
                late=read_newest_late(connection, day),
                closed_ms=now_ms,
                version=version,
                previous=None if last is None else last[1],
            )
        )
        values = {**msgspec.structs.asdict(entry), "day": day, "digests": digests}
        connection.execute(
            f"INSERT INTO day_chain ({_COLUMNS}, digests) VALUES (:number, :day, :records, :rows,"  # noqa: S608 - our own names
            " :first_key, :last_key, :observations, :late, :closed_ms, :version, :previous, :hash,"
            " :digests)",
            values,
        )
        # Those of an entry that this one replaces: its rows are in this one's.
        connection.execute(
            "UPDATE day_chain SET digests = NULL WHERE day = ? AND number < ?", (day, entry.number)
        )
        connection.execute(
            "INSERT INTO chain_end VALUES (1, :end) ON CONFLICT DO UPDATE"
            " SET until_ms = max(until_ms, excluded.until_ms)",
            {"end": (day + 1) * DAY_MS},
        )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return entry


def _is_empty(connection: sqlite3.Connection, day: int) -> bool:
    return not connection.execute(
        "SELECT 1 FROM run WHERE started_ms < ? AND ended_ms >= ? LIMIT 1",
        ((day + 1) * DAY_MS, day * DAY_MS),
    ).fetchall()


def _forget_digests(connection: sqlite3.Connection) -> None:
    """Digests of days whose raw rows have all left are of no use any more."""
    oldest = read_oldest_key(connection)
    if oldest is not None:
        connection.execute(
            "UPDATE day_chain SET digests = NULL WHERE digests IS NOT NULL AND last_key < ?",
            (oldest,),
        )
