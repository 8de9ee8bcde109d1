r"""The chain of days: what stands for a day's records, so that nobody changes them quietly.

The law of this file: whoever has the records of a day and the hash of the entry before
can compute the entry's hash with SHA-256 and nothing of netwatch. Pure; it knows no
database and no clock.

The canonical form, version 1 (docs/chain.md has a worked example):

* A record is one line: a JSON array without blanks, in ASCII (others as ``\uXXXX``), the
  first element naming its kind; the line ends with a line feed.
* ``records``: SHA-256 of the lines of a day, sorted as bytes.
* A raw row's digest: SHA-256 of the line ``[key,start_ms,"…"]``, the text being the
  SHA-256 of the row's block in hex. ``observations``: SHA-256 of the digests (32 bytes
  each) of the day's rows, one behind the other, by ascending key.
* The entry's hash: SHA-256 of one line, ``["netwatch-chain-1", number, day, records,
  rows, first_key, last_key, observations, late, closed_ms, version, previous]``; hashes
  in hex, ``previous`` that of the entry before or null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

DAY_MS = 86_400_000
DIGEST_BYTES = 32
FORM = "netwatch-chain-1"

#: One field of a record.
Field = str | int | None


class DayHash(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the chain.

    A day has one when it is closed, and one more after each time that something was
    entered in it late; the newest speaks of the day as it is now.
    """

    number: int  # 1, 2, 3 … without a gap
    day: str  # UTC, ISO 8601
    records: str  # SHA-256 in hex, as are the others
    rows: int  # of raw observations
    first_key: int | None
    last_key: int | None
    observations: str
    late: int  # number of the newest late entry that touches the day; 0: none
    closed_ms: int  # UTC
    version: str  # of the software that closed it
    previous: str | None
    hash: str = ""

    @property
    def is_correction(self) -> bool:
        return self.late > 0


class ChainProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is not as it was when the day was closed.

    ``kind``: ``records``, ``observations``, ``entry`` (the chain itself was changed),
    ``missing`` (an entry is gone), ``late`` (entered after the day was closed, and said
    so), ``unreadable``.
    """

    day: str | None  # None: of no single day
    kind: str
    text: str


def name_day(number: int) -> str:
    """The date of a day counted from 1970-01-01.

    >>> name_day(0), name_day(20_731)
    ('1970-01-01', '2026-10-05')
    """
    return datetime.fromtimestamp(number * DAY_MS / 1000, UTC).date().isoformat()


def number_day(name: str) -> int:
    """The inverse of `name_day`; ValueError for what is no date.

    >>> number_day("2026-10-05")
    20731
    """
    instant = datetime.fromisoformat(f"{name}T00:00:00+00:00")
    return int(instant.timestamp()) * 1000 // DAY_MS


def encode_record(fields: Sequence[Field]) -> bytes:
    r"""A record as its line.

    >>> encode_record(["span", 1, "service:école", None])
    b'["span",1,"service:\\u00e9cole",null]\n'
    """
    return json.dumps(list(fields), separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def hash_records(lines: Iterable[bytes]) -> str:
    """What stands for all records of a day, in whatever order they come.

    >>> hash_records([b"b", b"a"]) == hash_records([b"a", b"b"])
    True
    """
    found = sha256()
    for line in sorted(lines):
        found.update(line)
    return found.hexdigest()


def digest_row(key: int, start_ms: int, block: bytes) -> bytes:
    """What stands for one row of raw observations, once it is gone too.

    >>> len(digest_row(1, 2, b"..."))
    32
    """
    return sha256(encode_record([key, start_ms, sha256(block).hexdigest()])).digest()


def hash_digests(digests: bytes) -> str:
    """What stands for all raw rows of a day.

    >>> hash_digests(b"")[:8]
    'e3b0c442'
    """
    return sha256(digests).hexdigest()


def hash_entry(entry: DayHash) -> str:
    """The hash that the entry should have; the one that it has is not looked at."""
    return sha256(
        encode_record(
            [
                FORM,
                entry.number,
                entry.day,
                entry.records,
                entry.rows,
                entry.first_key,
                entry.last_key,
                entry.observations,
                entry.late,
                entry.closed_ms,
                entry.version,
                entry.previous,
            ]
        )
    ).hexdigest()


def seal(entry: DayHash) -> DayHash:
    """The entry with its hash."""
    return msgspec.structs.replace(entry, hash=hash_entry(entry))


def check_links(entries: Sequence[DayHash]) -> list[ChainProblem]:
    """Each entry against its own hash and the one before; ``entries`` in the order of the store.

    >>> check_links([])
    []
    """
    problems: list[ChainProblem] = []
    previous: DayHash | None = None
    for entry in entries:
        expected = 1 if previous is None else previous.number + 1
        if entry.number != expected:
            gone = f"entry {expected}" + (f" to {entry.number - 1}" * (entry.number > expected + 1))
            problems.append(
                ChainProblem(
                    day=entry.day,
                    kind="missing",
                    text=f"{entry.day}: {gone} before it is gone from the chain",
                )
            )
        if entry.hash != hash_entry(entry):
            problems.append(
                ChainProblem(
                    day=entry.day,
                    kind="entry",
                    text=f"{entry.day}: entry {entry.number} of the chain was changed: "
                    "its own hash does not fit it",
                )
            )
        if entry.number == expected and entry.previous != (previous.hash if previous else None):
            problems.append(
                ChainProblem(
                    day=entry.day,
                    kind="entry",
                    text=f"{entry.day}: entry {entry.number} of the chain does not follow from "
                    "the one before: one of both was changed",
                )
            )
        previous = entry
    return problems


def check_rows(
    entry: DayHash, rows: Sequence[tuple[int, bytes]], kept: bytes | None, oldest_key: int | None
) -> str | None:
    """What is wrong with a closed day's raw rows, in words; None when nothing is.

    ``rows`` are key and digest of those that are there, by key; ``kept`` the digests
    that the day was closed with, if they still are; ``oldest_key`` that of the oldest row
    in the books: what lies before it may have left by its age, and is no fault.

    >>> entry = DayHash(number=1, day="2026-10-05", records="", rows=0, first_key=None,
    ...     last_key=None, observations=hash_digests(b""), late=0, closed_ms=0, version="",
    ...     previous=None)
    >>> check_rows(entry, [], b"", None)
    >>> check_rows(entry, [(5, bytes(32))], b"", 5)
    '1 raw rows, 0 were there'
    """
    if len(rows) > entry.rows:
        return f"{len(rows)} raw rows, {entry.rows} were there"
    if len(rows) == entry.rows:
        if hash_digests(b"".join(digest for _, digest in rows)) == entry.observations:
            return None
        return _name_changed(rows, kept, 0) or "a raw row was changed"
    gone = entry.rows - len(rows)
    # What leaves by age leaves from the oldest on, never out of the middle.
    newest_gone = entry.first_key if rows else entry.last_key
    if oldest_key is not None and newest_gone is not None and oldest_key <= newest_gone:
        return f"{gone} of {entry.rows} raw rows are gone, though older ones are kept"
    if not rows:
        return None
    if kept is None:
        return "the digests of the raw rows are gone, though rows are kept"
    return _name_changed(rows, kept, gone)


def _name_changed(
    rows: Sequence[tuple[int, bytes]], kept: bytes | None, skipped: int
) -> str | None:
    if kept is None:
        return None
    for index, (key, digest) in enumerate(rows, start=skipped):
        if kept[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES] != digest:
            return f"raw row {key} is not what was recorded"
    return None
