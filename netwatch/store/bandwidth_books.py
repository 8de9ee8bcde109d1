"""What the conduct of throughput tests needs of the books: slots, bytes, circumstances.

Rule of this file: rows in, rows out; writing is within the caller's transaction. A test is
entered as begun before it moves a byte: what never came to its own row was cut off, and
counts with what was set aside for it, until it is settled for less. What a test found is
in `throughput`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from netwatch.store.db import opened_read_only
from netwatch.store.throughput import BandwidthRow, append_skip, append_test

#: Counters that go on over restarts (table ``counter``).
BYTES_COUNTER = "bandwidth_bytes"  # label: down, up
TESTS_COUNTER = "bandwidth_tests"  # label: "ENGINE RESULT"
SKIPS_COUNTER = "bandwidth_skips"  # label: the reason


class Circumstance(msgspec.Struct, frozen=True, kw_only=True):
    """What went on around one test; None is "not known". See migrations/0006.sql."""

    run_id: int
    started_mono_ms: int
    started_ms: int | None
    ended_mono_ms: int
    due_ms: int | None
    asked_by: str
    down_reason: str | None = None
    up_reason: str | None = None
    down_detail: str | None = None
    up_detail: str | None = None
    streams: int | None = None
    port_speed_mbit: int | None = None
    pressure_permille: int | None = None
    child_cpu_ms: int | None = None
    child_peak_bytes: int | None = None
    temperature_mc: int | None = None
    interface: str | None = None
    before_down_bytes_per_second: int | None = None
    before_up_bytes_per_second: int | None = None
    during_down_bytes: int | None = None
    during_up_bytes: int | None = None
    after_down_bytes_per_second: int | None = None
    after_up_bytes_per_second: int | None = None
    counters: str | None = None
    down_loaded_samples: int | None = None
    up_loaded_samples: int | None = None


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A test that is about to move bytes."""

    run_id: int
    started_mono_ms: int
    started_ms: int | None
    due_ms: int | None
    reserved_bytes: int


class LastTest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest test with what went on around it, where that was recorded."""

    row: BandwidthRow
    around: Circumstance | None


_FIELDS = Circumstance.__struct_fields__
# A test that began before its run had a clock gets the offset that the run had later.
_STARTED = (
    "coalesce({table}.started_ms, {table}.started_mono_ms + (SELECT offset_ms FROM anchor"
    " WHERE anchor.run_id = {table}.run_id ORDER BY mono_ms LIMIT 1))"
)


def append_begun(connection: sqlite3.Connection, begun: Begun) -> None:
    """Enter that a test begins. Raises sqlite3.Error."""
    connection.execute(
        "INSERT INTO bandwidth_begun VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        msgspec.structs.astuple(begun),
    )


def append_skipped(
    connection: sqlite3.Connection, *, run_id: int, due_mono_ms: int, due_ms: int, reason: str
) -> None:
    """Enter a slot that was not run, and count it; again changes nothing. Raises sqlite3.Error."""
    if append_skip(
        connection, run_id=run_id, due_mono_ms=due_mono_ms, due_ms=due_ms, reason=reason
    ):
        _count(connection, [(SKIPS_COUNTER, reason, 1)])


def append_result(connection: sqlite3.Connection, row: BandwidthRow, around: Circumstance) -> None:
    """Enter a test, what went on around it, and the totals; again changes nothing.

    Raises sqlite3.Error.
    """
    known = connection.execute(
        "SELECT 1 FROM bandwidth_test WHERE run_id = ? AND started_mono_ms = ?",
        (row.run_id, row.started_mono_ms),
    ).fetchone()
    if known is not None:
        return
    append_test(connection, row)
    marks = ", ".join("?" * len(_FIELDS))
    connection.execute(
        f"INSERT INTO bandwidth_circumstance ({', '.join(_FIELDS)}) VALUES ({marks})",  # noqa: S608 - our own names
        msgspec.structs.astuple(around),
    )
    _count(
        connection,
        [
            (BYTES_COUNTER, "down", row.down_bytes),
            (BYTES_COUNTER, "up", row.up_bytes),
            (TESTS_COUNTER, f"{row.engine} {name_result(row)}", 1),
        ],
    )


def _count(connection: sqlite3.Connection, steps: list[tuple[str, str, int]]) -> None:
    connection.executemany(
        "INSERT INTO counter VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = value + excluded.value",
        steps,
    )


def name_result(row: BandwidthRow) -> str:
    """What a test came to, in a word: ``valid``, or why a direction of it does not count.

    >>> tested = BandwidthRow(run_id=1, started_mono_ms=0, started_ms=None, engine="iperf3",
    ...                       down_bytes_per_second=1, up_bytes_per_second=1)
    >>> name_result(tested)
    'valid'
    >>> name_result(msgspec.structs.replace(tested, up_invalid="busy_link"))
    'busy_link'
    """
    return row.down_invalid or row.up_invalid or "valid"


class BandwidthBooks:
    """Reads one database file; every method raises StoreError where it cannot be read.

    Books that were begun by an earlier netwatch and not opened by an agent since have
    nothing of this: then every answer is empty.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def sum_used(self, from_ms: int, to_ms: int) -> int:
        """Bytes of the tests begun in ``[from_ms, to_ms)`` (UTC), cut-off ones with what they
        were settled for, else with what was set aside. A test whose instant nobody knows
        counts in every month.
        """
        started = _STARTED.format(table="each")
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return 0
            set_aside = (
                "coalesce((SELECT settled_bytes FROM bandwidth_reserve AS reserve WHERE"
                " reserve.run_id = each.run_id"
                " AND reserve.started_mono_ms = each.started_mono_ms), reserved_bytes)"
                if _has_tables(connection, "bandwidth_reserve")
                else "reserved_bytes"
            )
            row = connection.execute(
                "SELECT coalesce(sum(bytes), 0) FROM ("  # noqa: S608 - our own names
                f" SELECT down_bytes + up_bytes AS bytes, {started} AS at FROM bandwidth_test AS each"
                f" UNION ALL SELECT {set_aside}, {started} FROM bandwidth_begun AS each"
                " WHERE NOT EXISTS (SELECT 1 FROM bandwidth_test AS test WHERE"
                " test.run_id = each.run_id AND test.started_mono_ms = each.started_mono_ms))"
                " WHERE at IS NULL OR at >= ? AND at < ?",
                (from_ms, to_ms),
            ).fetchone()
        return int(row[0])

    def read_handled(self, from_ms: int, to_ms: int) -> set[int]:
        """The slots of the range that have a row: tested, or skipped with a reason."""
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return set()
            rows = connection.execute(
                "SELECT due_ms FROM bandwidth_circumstance WHERE due_ms >= :from AND due_ms < :to"
                " UNION SELECT due_ms FROM bandwidth_skip WHERE due_ms >= :from AND due_ms < :to",
                {"from": from_ms, "to": to_ms},
            ).fetchall()
        return {row[0] for row in rows}

    def read_cut_off(self, from_ms: int, to_ms: int) -> set[int]:
        """The slots of the range whose test began and never came to an end."""
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return set()
            rows = connection.execute(
                "SELECT due_ms FROM bandwidth_begun AS begun WHERE due_ms >= ? AND due_ms < ?"
                " AND NOT EXISTS (SELECT 1 FROM bandwidth_test AS test WHERE"
                " test.run_id = begun.run_id AND test.started_mono_ms = begun.started_mono_ms)",
                (from_ms, to_ms),
            ).fetchall()
        return {row[0] for row in rows}

    def read_last_due(self) -> int | None:
        """The newest slot that has a row."""
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return None
            row = connection.execute(
                "SELECT max(due_ms) FROM (SELECT max(due_ms) AS due_ms FROM bandwidth_circumstance"
                " UNION ALL SELECT max(due_ms) FROM bandwidth_skip)"
            ).fetchone()
        return None if row[0] is None else int(row[0])

    def read_last(self, *, with_rate: bool = False) -> LastTest | None:
        """The newest test; with ``with_rate`` the newest that found a rate in any direction."""
        wanted = (
            "down_bytes_per_second IS NOT NULL OR up_bytes_per_second IS NOT NULL"
            if with_rate
            else "1"
        )
        started = _STARTED.format(table="each")
        columns = ", ".join(BandwidthRow.__struct_fields__)
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return None
            row = connection.execute(
                f"SELECT {columns}, {started} AS at FROM bandwidth_test AS each"  # noqa: S608 - our own names
                f" WHERE {wanted} ORDER BY at IS NULL, at DESC LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            *values, at_ms = row
            test = BandwidthRow(**dict(zip(BandwidthRow.__struct_fields__, values, strict=True)))
            found = connection.execute(
                f"SELECT {', '.join(_FIELDS)} FROM bandwidth_circumstance"  # noqa: S608 - our own names
                " WHERE run_id = ? AND started_mono_ms = ?",
                (test.run_id, test.started_mono_ms),
            ).fetchone()
        return LastTest(
            row=msgspec.structs.replace(test, started_ms=at_ms),
            around=None
            if found is None
            else Circumstance(**dict(zip(_FIELDS, found, strict=True))),
        )

    def read_last_of(self, engine: str) -> int | None:
        """When the newest test of an engine began (UTC); None where there is none."""
        started = _STARTED.format(table="each")
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return None
            row = connection.execute(
                f"SELECT max({started}) FROM bandwidth_test AS each WHERE engine = ?",  # noqa: S608 - our own names
                (engine,),
            ).fetchone()
        return None if row[0] is None else int(row[0])

    def read_loaded_windows(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """When our own tests loaded the line (UTC, half-open), as far as it touches the range.

        Whoever speaks of the line's latency leaves these out.
        """
        started = _STARTED.format(table="each")
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return []
            rows = connection.execute(
                "SELECT at, at + length FROM ("  # noqa: S608 - our own names
                f" SELECT {started} AS at, ended_mono_ms - started_mono_ms AS length"
                " FROM bandwidth_circumstance AS each) WHERE at < ? AND at + length > ? ORDER BY at",
                (to_ms, from_ms),
            ).fetchall()
        return [(start_ms, end_ms) for start_ms, end_ms in rows]

    def read_last_skip(self) -> tuple[int, str] | None:
        """The newest slot (UTC) that was not run, and why."""
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return None
            row = connection.execute(
                "SELECT due_ms, reason FROM bandwidth_skip WHERE due_ms IS NOT NULL"
                " ORDER BY due_ms DESC LIMIT 1"
            ).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def read_totals(self) -> Mapping[tuple[str, str], int]:
        """The counters of tests, their bytes and slots not run, by name and label."""
        with opened_read_only(self._path) as connection:
            if not _has_tables(connection):
                return {}
            rows = connection.execute(
                "SELECT name, label, value FROM counter WHERE name IN (?, ?, ?)",
                (BYTES_COUNTER, TESTS_COUNTER, SKIPS_COUNTER),
            ).fetchall()
        return {(name, label): value for name, label, value in rows}


def _has_tables(connection: sqlite3.Connection, newest: str = "bandwidth_begun") -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (newest,)).fetchone()
    return found is not None


def read_newest_run(connection: sqlite3.Connection) -> tuple[int, str] | None:
    """Number and boot of the newest run; None in books without any. Raises sqlite3.Error."""
    row = connection.execute("SELECT id, boot_id FROM run ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else (int(row[0]), str(row[1]))
