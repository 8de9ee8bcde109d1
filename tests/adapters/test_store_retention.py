"""What leaves the books: raw rows first, verdicts never before thirteen months."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.records import Cause, Verdict
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.queries import Reader
from netwatch.store.retention import (
    LEDGER_KEEP_MS,
    LOW_DISK_BYTES,
    STEP_ROWS,
    prune,
    read_used_bytes,
)
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, answered, batch, span

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
EVER = (OFFSET_MS - DAY_MS, OFFSET_MS + 2_000 * DAY_MS)
NO_BUDGET = 10**12


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A run from monotonic 0 on."""
    opened = open_database(tmp_path / "netwatch.db", set_aside=lambda: SET_ASIDE)
    with closing(opened.connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        yield journal


def fill_days(
    journal: Journal, days: int, rows_a_day: int = 4, run_id: int = 1, from_day: int = 0
) -> None:
    """Raw rows, and one span a day, alternating."""
    every = DAY_MS // rows_a_day
    journal.append_all(
        [
            batch(
                day * DAY_MS + row * every + every,
                span(
                    day * DAY_MS,
                    day * DAY_MS + row * every + every,
                    Verdict.DOWN if day % 2 else Verdict.UP,
                    Cause.ACCESS if day % 2 else None,
                ),
                run_id=run_id,
                observations=[
                    answered("box", day * DAY_MS + row * every + due)
                    for due in range(0, 60_000, 1_000)
                ],
            )
            for day in range(from_day, from_day + days)
            for row in range(rows_a_day)
        ]
    )


def days_of(path: Path) -> tuple[int, int]:
    """How many days have raw rows, and how many have spans."""
    reader = Reader(path)
    raw = {(due - OFFSET_MS) // DAY_MS for due, _ in reader.read_observations(*EVER)}
    return len(raw), len(reader.read_spans(*EVER, "link"))


def test_raw_rows_leave_by_age_and_verdicts_stay(journal: Journal, tmp_path: Path) -> None:
    """After a keep of ten days only ten days of raw rows are left, and every verdict."""
    fill_days(journal, 30)
    done = prune(journal._connection, OFFSET_MS + 30 * DAY_MS, 10 * DAY_MS, NO_BUDGET)
    assert (done.observation_rows, done.spans, done.finished) == (20 * 4, 0, True)
    assert days_of(tmp_path / "netwatch.db") == (10, 30)


def test_verdicts_leave_after_thirteen_months(journal: Journal, tmp_path: Path) -> None:
    """Spans older than thirteen months leave, those at the edge stay."""
    fill_days(journal, 420, rows_a_day=1)
    done = prune(journal._connection, OFFSET_MS + 420 * DAY_MS, 10 * DAY_MS, NO_BUDGET)
    assert done.finished
    assert days_of(tmp_path / "netwatch.db") == (10, LEDGER_KEEP_MS // DAY_MS)


def test_a_longer_keep_keeps_both(journal: Journal, tmp_path: Path) -> None:
    """With a keep beyond thirteen months verdicts stay as long as raw rows."""
    fill_days(journal, 420, rows_a_day=1)
    prune(journal._connection, OFFSET_MS + 420 * DAY_MS, 410 * DAY_MS, NO_BUDGET)
    assert days_of(tmp_path / "netwatch.db") == (410, 410)


def test_over_the_budget_the_oldest_raw_rows_leave(journal: Journal, tmp_path: Path) -> None:
    """Size costs raw rows, the oldest first, until it is within the budget; never a verdict."""
    fill_days(journal, 400, rows_a_day=8)
    connection = journal._connection
    budget = read_used_bytes(connection) // 2
    done = prune(connection, OFFSET_MS + 400 * DAY_MS, 400 * DAY_MS, budget)
    assert done.finished
    assert read_used_bytes(connection) <= budget
    raw, spans = days_of(tmp_path / "netwatch.db")
    assert spans == 400
    assert 60 < raw < 250
    newest = list(
        Reader(tmp_path / "netwatch.db").read_observations(OFFSET_MS + 399 * DAY_MS, EVER[1])
    )
    assert len(newest) == 8 * 60


def test_freed_pages_are_used_again(journal: Journal) -> None:
    """After pruning, as much again fits without the file growing."""
    fill_days(journal, 100, rows_a_day=8)
    connection = journal._connection
    before = connection.execute("PRAGMA page_count").fetchone()[0]
    prune(connection, OFFSET_MS + 100 * DAY_MS, 10 * DAY_MS, NO_BUDGET)
    fill_days(journal, 80, rows_a_day=8, from_day=100)
    assert connection.execute("PRAGMA page_count").fetchone()[0] <= before + 4


def test_one_call_is_bounded(journal: Journal) -> None:
    """A call does a bounded number of bounded transactions, and says that there is more."""
    fill_days(journal, 400, rows_a_day=8)
    connection = journal._connection
    now_ms = OFFSET_MS + 400 * DAY_MS
    done = prune(connection, now_ms, DAY_MS, NO_BUDGET, max_steps=2)
    assert (done.observation_rows, done.finished) == (2 * STEP_ROWS, False)
    while not done.finished:
        done = prune(connection, now_ms, DAY_MS, NO_BUDGET, max_steps=2)
    assert connection.execute("SELECT count(*) FROM observation_minute").fetchone()[0] == 8


def test_a_clock_gone_astray_empties_nothing(journal: Journal, tmp_path: Path) -> None:
    """A present far beyond what was recorded counts as the end of the records."""
    fill_days(journal, 30)
    prune(journal._connection, OFFSET_MS + 40_000 * DAY_MS, 20 * DAY_MS, NO_BUDGET)
    assert days_of(tmp_path / "netwatch.db") == (20, 30)


def test_old_runs_leave_with_their_last_record(journal: Journal, tmp_path: Path) -> None:
    """A run of which nothing is kept leaves with its anchors; the last one always stays."""
    fill_days(journal, 3)
    later = anchor(OFFSET_MS + 500 * DAY_MS, boot_id="boot-b")
    journal.begin_run("boot-b", 2, "0.1.0", 0, later)
    journal.append(batch(DAY_MS, run_id=2, anchored=later))
    journal.begin_run("boot-c", 3, "0.1.0", 0, anchor(OFFSET_MS + 1_000 * DAY_MS, boot_id="boot-c"))
    journal.append(
        batch(DAY_MS, run_id=3, anchored=anchor(OFFSET_MS + 1_000 * DAY_MS, boot_id="boot-c"))
    )
    connection = journal._connection
    done = prune(connection, OFFSET_MS + 1_001 * DAY_MS, DAY_MS, NO_BUDGET)
    assert done.runs == 1
    assert [run.id for run in Reader(tmp_path / "netwatch.db").read_runs(*EVER)] == [2, 3]
    assert connection.execute("SELECT DISTINCT run_id FROM anchor").fetchall() == [(2,), (3,)]


def test_rows_without_a_clock_leave_when_later_ones_are_old(journal: Journal) -> None:
    """Raw rows and spans that never got UTC leave once what was recorded after them is old."""
    connection = journal._connection
    journal.begin_run("boot-b", 2, "0.1.0", 0, None)
    journal.append(
        batch(DAY_MS, span(0, DAY_MS), run_id=2, observations=[answered("box", 5)], anchored=None)
    )
    later = anchor(OFFSET_MS + 10 * DAY_MS, boot_id="boot-c")
    journal.begin_run("boot-c", 3, "0.1.0", 0, later)
    journal.append(
        batch(DAY_MS, span(0, DAY_MS), run_id=3, observations=[answered("box", 5)], anchored=later)
    )
    last = anchor(OFFSET_MS + 900 * DAY_MS, boot_id="boot-d")
    journal.begin_run("boot-d", 4, "0.1.0", 0, last)
    journal.append(
        batch(DAY_MS, span(0, DAY_MS), run_id=4, observations=[answered("box", 5)], anchored=last)
    )
    prune(connection, OFFSET_MS + 901 * DAY_MS, 30 * DAY_MS, NO_BUDGET)
    assert connection.execute("SELECT run_id FROM observation_minute").fetchall() == [(4,)]
    assert connection.execute("SELECT run_id FROM span").fetchall() == [(4,)]


def test_books_without_any_clock_keep_everything(tmp_path: Path) -> None:
    """Where no instant is known nothing is known to be old."""
    opened = open_database(tmp_path / "netwatch.db", set_aside=lambda: SET_ASIDE)
    with closing(opened.connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, None)
        journal.append(batch(5, span(0, 5), observations=[answered("box", 1)], anchored=None))
        assert prune(connection, OFFSET_MS, 1, NO_BUDGET).observation_rows == 0


def test_size_counts_without_a_clock_too(journal: Journal, tmp_path: Path) -> None:
    """Where the clock is not synchronised nothing is too old, and what is too much leaves."""
    fill_days(journal, 400, rows_a_day=8)
    connection = journal._connection
    budget = read_used_bytes(connection) // 2
    assert prune(connection, None, 1, NO_BUDGET).observation_rows == 0
    assert prune(connection, None, 1, budget).finished
    assert read_used_bytes(connection) <= budget
    assert days_of(tmp_path / "netwatch.db")[1] == 400


def test_a_budget_that_the_verdicts_alone_exceed_takes_none_of_them(
    journal: Journal, tmp_path: Path
) -> None:
    """The ledger of thirteen months is kept whatever the size; raw rows are what there is to give."""
    fill_days(journal, 397, rows_a_day=4)
    done = prune(journal._connection, OFFSET_MS + 397 * DAY_MS, 400 * DAY_MS, 1)
    assert done.finished
    assert days_of(tmp_path / "netwatch.db") == (0, 397)


def test_a_disk_that_fills_up_costs_raw_rows_before_it_is_full(
    journal: Journal, tmp_path: Path
) -> None:
    """Nearly full, some of the oldest leave, so that what comes has pages; then no more of them."""
    chance = random.Random(4)

    def enter_days(days: range) -> None:
        """Eight rows a day of about a kilobyte each."""
        for day in days:
            journal.append(
                batch(
                    (day + 1) * DAY_MS,
                    span(0, (day + 1) * DAY_MS),
                    observations=[
                        answered("box", day * DAY_MS + at, chance.randrange(10**7))
                        for row in range(8)
                        for at in range(row * HOUR_MS, row * HOUR_MS + 400_000, 1_000)
                    ],
                )
            )

    enter_days(range(300))
    connection = journal._connection
    now_ms = OFFSET_MS + 400 * DAY_MS

    def prune_with(free_bytes: int) -> int:
        return prune(
            connection, now_ms, 400 * DAY_MS, NO_BUDGET, free_bytes=free_bytes
        ).observation_rows

    assert prune_with(LOW_DISK_BYTES) == 0
    assert 0 < prune_with(LOW_DISK_BYTES - 1) < 300 * 8
    assert prune_with(0) == 0
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    enter_days(range(300, 350))
    assert connection.execute("PRAGMA page_count").fetchone()[0] == pages
    raw, _ = days_of(tmp_path / "netwatch.db")
    assert 200 < raw < 350
    (whole,) = Reader(tmp_path / "netwatch.db").read_spans(*EVER, "link")
    assert whole.duration_ms == 350 * DAY_MS
