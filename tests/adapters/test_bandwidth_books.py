"""The books of throughput tests: slots, bytes, circumstances, and the chain over them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from netwatch.store.bandwidth_books import (
    BandwidthBooks,
    Begun,
    Circumstance,
    append_begun,
    append_result,
    read_newest_run,
)
from netwatch.store.chain_verify import verify_chain
from netwatch.store.journal import Journal
from netwatch.store.throughput import BandwidthRow, append_skip
from tests.adapters.store_samples import OFFSET_MS, anchor
from tests.adapters.test_store_chain import close_all, kinds, make_days, open_books, tamper

DAY_MS = 86_400_000


def make_row(started_mono_ms: int = 5_000, **changes: object) -> BandwidthRow:
    row = BandwidthRow(
        run_id=1,
        started_mono_ms=started_mono_ms,
        started_ms=OFFSET_MS + started_mono_ms,
        engine="iperf3",
        down_bytes_per_second=12_000_000,
        up_bytes_per_second=6_000_000,
        down_bytes=150_000_000,
        up_bytes=80_000_000,
    )
    return msgspec.structs.replace(row, **changes)


def make_around(row: BandwidthRow, **changes: object) -> Circumstance:
    around = Circumstance(
        run_id=row.run_id,
        started_mono_ms=row.started_mono_ms,
        started_ms=row.started_ms,
        ended_mono_ms=row.started_mono_ms + 26_000,
        due_ms=None if row.started_ms is None else row.started_ms - 400,
        asked_by="plan",
        down_detail="“fine”",
    )
    return msgspec.structs.replace(around, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "netwatch.db"
    with closing(open_books(path)) as connection:
        Journal(connection).begin_run("boot-a", 1, "0.1.0", 0, anchor())
    return path


def enter(path: Path, row: BandwidthRow, around: Circumstance | None = None) -> None:
    with closing(open_books(path)) as connection:
        append_result(connection, row, make_around(row) if around is None else around)


def test_a_test_comes_back_as_it_was_entered(path: Path) -> None:
    row = make_row()
    enter(path, row)
    last = BandwidthBooks(path).read_last()
    assert last is not None
    assert (last.row, last.around) == (row, make_around(row))


def test_entering_a_test_twice_counts_it_once(path: Path) -> None:
    """Row, circumstance and totals."""
    enter(path, make_row())
    enter(path, make_row())
    books = BandwidthBooks(path)
    assert books.read_totals() == {
        ("bandwidth_bytes", "down"): 150_000_000,
        ("bandwidth_bytes", "up"): 80_000_000,
        ("bandwidth_tests", "iperf3 valid"): 1,
    }
    assert books.sum_used(0, 2**62) == 230_000_000


def test_a_test_cut_off_counts_until_it_has_a_row(path: Path) -> None:
    """What was set aside is used, and replaced by what was moved."""
    row = make_row()
    begun = Begun(
        run_id=1, started_mono_ms=5_000, started_ms=row.started_ms, due_ms=7, reserved_bytes=999
    )
    with closing(open_books(path)) as connection:
        append_begun(connection, begun)
    books = BandwidthBooks(path)
    assert books.sum_used(OFFSET_MS, OFFSET_MS + DAY_MS) == 999
    assert books.read_cut_off(0, 100) == {7}
    enter(path, row)
    assert books.sum_used(OFFSET_MS, OFFSET_MS + DAY_MS) == 230_000_000
    assert books.read_cut_off(0, 100) == set()


def test_a_test_without_an_instant_counts_in_every_month_until_it_has_one(path: Path) -> None:
    """A clock that was never set must not be a way around the budget."""
    enter(path, make_row(run_id=0, started_ms=None))  # of no run: nothing dates it
    books = BandwidthBooks(path)
    assert books.sum_used(0, 1) == 230_000_000
    enter(path, make_row(6_000, started_ms=None))  # of run 1, which has learned the time
    assert books.sum_used(OFFSET_MS, OFFSET_MS + DAY_MS) == 2 * 230_000_000
    assert books.sum_used(0, 1) == 230_000_000


def test_handled_slots_are_those_tested_and_those_skipped(path: Path) -> None:
    row = make_row()
    enter(path, row, make_around(row, due_ms=50))
    with closing(open_books(path)) as connection:
        append_skip(connection, run_id=1, due_mono_ms=-5, due_ms=60, reason="agent_off")
    books = BandwidthBooks(path)
    assert books.read_handled(0, 100) == {50, 60}
    assert books.read_handled(51, 60) == set()
    assert books.read_last_due() == 60
    assert books.read_last_skip() == (60, "agent_off")


def test_the_last_test_with_a_rate_is_found_behind_failures(path: Path) -> None:
    """What a test will take is reckoned from the last one that told."""
    enter(path, make_row())
    failed = make_row(
        9_000, down_bytes_per_second=None, up_bytes_per_second=None, down_invalid="test_failed"
    )
    enter(path, failed)
    books = BandwidthBooks(path)
    newest, told = books.read_last(), books.read_last(with_rate=True)
    assert newest is not None
    assert told is not None
    assert (newest.row.started_mono_ms, told.row.started_mono_ms) == (9_000, 5_000)
    assert books.read_last_of("iperf3") == OFFSET_MS + 9_000
    assert books.read_last_of("ndt7") is None


def test_loaded_windows_are_those_that_touch_the_range(path: Path) -> None:
    enter(path, make_row())
    books = BandwidthBooks(path)
    window = (OFFSET_MS + 5_000, OFFSET_MS + 31_000)
    assert books.read_loaded_windows(window[1] - 1, window[1] + 9) == [window]
    assert books.read_loaded_windows(window[1], window[1] + 9) == []
    assert books.read_loaded_windows(window[0] - 9, window[0]) == []


def test_books_of_an_earlier_version_have_nothing_of_it(tmp_path: Path) -> None:
    """Read before an agent has brought them up to date."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        connection.commit()
    books = BandwidthBooks(path)
    assert books.sum_used(0, 1) == 0
    assert books.read_handled(0, 1) == books.read_cut_off(0, 1) == set()
    assert books.read_last() is books.read_last_due() is books.read_last_skip() is None
    assert books.read_loaded_windows(0, 1) == []
    assert books.read_totals() == {}


def test_the_newest_run_is_whose_time_a_person_shares(path: Path) -> None:
    with closing(open_books(path)) as connection:
        assert read_newest_run(connection) == (1, "boot-a")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE bandwidth_circumstance SET down_detail = 'another sentence'",
        "UPDATE bandwidth_circumstance SET port_speed_mbit = 100",
        "UPDATE bandwidth_begun SET reserved_bytes = 0",
        "DELETE FROM bandwidth_circumstance",
    ],
)
def test_the_chain_holds_circumstances_too(tmp_path: Path, change: str) -> None:
    """What made a test count or not cannot be changed quietly afterwards."""
    path = tmp_path / "netwatch.db"
    make_days(path)
    row = make_row(7_000)
    begun = Begun(
        run_id=1, started_mono_ms=7_000, started_ms=row.started_ms, due_ms=7, reserved_bytes=999
    )
    with closing(open_books(path)) as connection:
        append_begun(connection, begun)
    enter(path, row)
    close_all(path, 3)
    assert verify_chain(path) == []
    tamper(path, change)
    assert kinds(path) == [("2026-10-01", "records")]
