"""Throughput tests in the books: what each found, and which slots were not run.

Rule of this file: rows in, rows out, within the caller's transaction. What makes a test
invalid is decided elsewhere; a slot that was not run has its row with its reason.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from netwatch.core.throughput import Direction, ThroughputTest
from netwatch.store.annals import has_tables
from netwatch.store.db import opened_read_only

# A test that began before its run had a clock gets the offset that the run had later.
_STARTED = (
    "coalesce(started_ms, started_mono_ms + (SELECT offset_ms FROM anchor"
    " WHERE anchor.run_id = bandwidth_test.run_id ORDER BY mono_ms LIMIT 1))"
)


class BandwidthRow(msgspec.Struct, frozen=True, kw_only=True):
    """One test as it is kept, both directions. None: not measured.

    ``*_invalid`` is a word of STANDARDS.md 2; a direction with neither a rate nor such a
    word was not tested.
    """

    run_id: int
    started_mono_ms: int
    started_ms: int | None  # UTC
    engine: str
    server: str | None = None
    down_bytes_per_second: int | None = None
    up_bytes_per_second: int | None = None
    down_bytes: int = 0
    up_bytes: int = 0
    idle_rtt_us: int | None = None
    down_loaded_rtt_us: int | None = None
    up_loaded_rtt_us: int | None = None
    responsiveness_rpm: int | None = None
    down_invalid: str | None = None
    up_invalid: str | None = None


_COLUMNS = ", ".join(BandwidthRow.__struct_fields__)


def append_test(connection: sqlite3.Connection, row: BandwidthRow) -> None:
    """Enter a test; the same one again changes nothing. Raises sqlite3.Error."""
    marks = ", ".join("?" * len(BandwidthRow.__struct_fields__))
    connection.execute(
        f"INSERT INTO bandwidth_test ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608 - our own names
        msgspec.structs.astuple(row),
    )


def append_skip(
    connection: sqlite3.Connection,
    *,
    run_id: int,
    due_mono_ms: int,
    due_ms: int | None,
    reason: str,
) -> bool:
    """Enter a slot that was not run; whether it was new: the same one again changes nothing.

    Raises sqlite3.Error.
    """
    done = connection.execute(
        "INSERT INTO bandwidth_skip VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (run_id, due_mono_ms, due_ms, reason),
    )
    return done.rowcount > 0


def read_test_starts(connection: sqlite3.Connection, from_ms: int) -> dict[tuple[int, int], int]:
    """The tests begun from then on (UTC): run and monotonic start of each, and its UTC start."""
    if not has_tables(connection):
        return {}
    rows = connection.execute(
        f"SELECT run_id, started_mono_ms, {_STARTED} AS started FROM bandwidth_test"  # noqa: S608 - our own names
        " WHERE (started_ms IS NULL OR started_ms >= :from_ms) AND started >= :from_ms",
        {"from_ms": from_ms},
    )
    return {(run_id, mono_ms): started for run_id, mono_ms, started in rows}


class ThroughputBooks:
    """Reads them back. Every method raises StoreError where the books cannot be read."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def read_tests(self, from_ms: int, to_ms: int) -> list[BandwidthRow]:
        """The tests begun in ``[from_ms, to_ms)`` (UTC), in order; ``started_ms`` is never None."""
        with opened_read_only(self._path) as connection:
            if not has_tables(connection):
                return []
            columns = _COLUMNS.replace("started_ms,", f"{_STARTED} AS started,")
            rows = connection.execute(
                f"SELECT {columns} FROM bandwidth_test"  # noqa: S608 - our own names
                " WHERE (started_ms IS NULL OR started_ms >= :from_ms AND started_ms < :to_ms)"
                " AND started >= :from_ms AND started < :to_ms ORDER BY started",
                {"from_ms": from_ms, "to_ms": to_ms},
            ).fetchall()
        fields = BandwidthRow.__struct_fields__
        return [BandwidthRow(**dict(zip(fields, row, strict=True))) for row in rows]

    def count_skips(self, from_ms: int, to_ms: int) -> Mapping[str, int]:
        """How many slots due in the range were not run, by reason."""
        with opened_read_only(self._path) as connection:
            if not has_tables(connection):
                return {}
            rows = connection.execute(
                "SELECT reason, count(*) FROM bandwidth_skip"
                " WHERE due_ms >= ? AND due_ms < ? GROUP BY reason ORDER BY reason",
                (from_ms, to_ms),
            ).fetchall()
        return dict(rows)


def split_directions(row: BandwidthRow) -> tuple[ThroughputTest, ...]:
    """A row as the report counts it: one test for each direction that was tried.

    >>> row = BandwidthRow(run_id=1, started_mono_ms=0, started_ms=5, engine="iperf3",
    ...                    down_bytes_per_second=10, up_invalid="test_server_failed")
    >>> [(test.direction, test.bytes_per_second, test.invalid) for test in split_directions(row)]
    [('down', 10, None), ('up', None, 'test_server_failed')]
    """
    tried: list[tuple[Direction, int | None, str | None]] = [
        ("down", row.down_bytes_per_second, row.down_invalid),
        ("up", row.up_bytes_per_second, row.up_invalid),
    ]
    assert row.started_ms is not None
    return tuple(
        ThroughputTest(
            at_ms=row.started_ms,
            direction=direction,
            bytes_per_second=rate,
            invalid=invalid,
            engine=row.engine,
            server=row.server,
        )
        for direction, rate, invalid in tried
        if rate is not None or invalid is not None
    )
