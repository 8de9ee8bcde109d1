"""The spool over real books: what is handed out, what leaves, what survives."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netwatch.records import Receipt
from netwatch.store.chain import close_days
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.spool import Claim, Spool
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, batch, span

MINUTE = 60_000
MARGIN = 120_000


class Books:
    """A database of one run, written as far as a test says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = open_database(path, set_aside=lambda: SET_ASIDE).connection
        self.journal = Journal(self.connection)
        self.run_id = 0

    def begin(self, mono_ms: int = 0, *, clock: bool = True, boot_id: str = "boot-a") -> None:
        known = anchor(boot_id=boot_id, at_ms=mono_ms) if clock else None
        self.run_id, _ = self.journal.begin_run(boot_id, 1, "1", mono_ms, known)

    def write_to(self, mono_ms: int, *, since_ms: int = 0, clock: bool = True) -> None:
        known = anchor(at_ms=mono_ms) if clock else None
        self.journal.append(
            batch(mono_ms, span(since_ms, mono_ms), run_id=self.run_id, anchored=known)
        )

    def spool(self, outlet: str = "influx here") -> Spool:
        def call(work: Callable[[sqlite3.Connection], None]) -> None:
            work(self.connection)

        return Spool(self.path, outlet, call=call, margin_ms=MARGIN)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path / "netwatch.db")
    with contextlib.closing(made.connection):
        yield made


def at(minute: int) -> int:
    return OFFSET_MS + minute * MINUTE


def claim(from_minute: int, until_minute: int) -> Claim:
    return Claim(from_ms=at(from_minute), until_ms=at(until_minute))


def settle_all(spool: Spool, given: Claim) -> int:
    """As if every minute had had one line, and all were accepted; newest first, as they are sent."""
    starts = range(given.until_ms - MINUTE, given.from_ms - 1, -MINUTE)
    lines = [(start_ms, 1) for start_ms in starts]
    return spool.settle(lines, Receipt(accepted=len(lines), rejected=0))


def drain(spool: Spool) -> list[Claim]:
    claims: list[Claim] = []
    spool.refresh()
    while (given := spool.claim()) is not None:
        settle_all(spool, given)
        claims.append(given)
    return claims


def test_the_newest_minutes_come_first_then_history_backwards(books: Books) -> None:
    """And every minute up to the margin comes once."""
    books.begin()
    books.write_to(202 * MINUTE)
    claims = drain(books.spool())
    assert claims == [claim(195, 200), claim(135, 195), claim(75, 135), claim(15, 75), claim(0, 15)]


def test_new_minutes_come_before_the_history_that_still_waits(books: Books) -> None:
    """Dashboards live while a backlog drains."""
    books.begin()
    books.write_to(202 * MINUTE)
    spool = books.spool()
    spool.refresh()
    for _ in range(2):
        given = spool.claim()
        assert given is not None
        settle_all(spool, given)
    books.write_to(204 * MINUTE)
    spool.refresh()
    assert spool.claim() == claim(200, 202)


def test_what_no_receipt_covers_stays(books: Books) -> None:
    """Accepted and rejected leave; a minute of which a line is missing stays whole."""
    books.begin()
    books.write_to(7 * MINUTE)
    spool = books.spool()
    spool.refresh()
    assert spool.claim() == claim(0, 5)
    lines = [(at(minute), 3) for minute in (4, 3, 2, 1, 0)]
    assert spool.settle(lines, Receipt(accepted=0, rejected=0)) == 0
    assert spool.claim() == claim(0, 5)
    assert spool.settle(lines, Receipt(accepted=6, rejected=2)) == 2
    assert spool.depth.minutes == 3
    assert spool.depth.oldest_ms == at(0)
    assert spool.claim() == claim(0, 3)


def test_the_same_receipt_twice_changes_nothing(books: Books) -> None:
    """Settling is idempotent, and saving too."""
    books.begin()
    books.write_to(7 * MINUTE)
    spool = books.spool()
    spool.refresh()
    assert settle_all(spool, claim(2, 5)) == 3
    assert settle_all(spool, claim(2, 5)) == 0
    spool.save()
    spool.save()
    rows = books.connection.execute("SELECT * FROM outlet_settled").fetchall()
    assert rows == [("influx here", at(2), at(5))]


def test_a_saved_cursor_survives_a_restart_and_an_unsaved_one_sends_again(books: Books) -> None:
    """A power cut costs a second sending, never a minute."""
    books.begin()
    books.write_to(12 * MINUTE)
    before = books.spool()
    before.refresh()
    settle_all(before, claim(5, 10))
    before.save()
    settle_all(before, claim(2, 5))
    assert before.unsaved_minutes == 3
    after = books.spool()
    assert after.refresh().minutes == 5
    assert after.claim() == claim(0, 5)


def test_each_outlet_has_a_cursor_of_its_own(books: Books) -> None:
    """A bucket that is new gets the whole history."""
    books.begin()
    books.write_to(7 * MINUTE)
    first = books.spool()
    drain(first)
    first.save()
    assert books.spool().refresh().minutes == 0
    assert books.spool("influx elsewhere").refresh().minutes == 5


def test_nothing_is_claimed_while_this_boot_has_no_clock_but_what_was_before_is(
    books: Books,
) -> None:
    """Minutes whose instant is not known yet wait; history goes on."""
    books.begin()
    books.write_to(12 * MINUTE)
    books.journal.end_run(1, 12 * MINUTE, anchor(at_ms=12 * MINUTE))
    books.begin(20 * MINUTE, clock=False)
    books.write_to(40 * MINUTE, since_ms=20 * MINUTE, clock=False)
    spool = books.spool()
    assert drain(spool) == [claim(5, 10), claim(0, 5)]
    books.write_to(42 * MINUTE, since_ms=20 * MINUTE)
    assert drain(spool) == [claim(35, 40), claim(10, 35)]


def test_time_in_which_the_agent_was_off_is_sent_too(books: Books) -> None:
    """Minutes between two lives are unknown, and are there."""
    books.begin()
    books.write_to(4 * MINUTE)
    books.begin(100 * MINUTE)
    books.write_to(107 * MINUTE, since_ms=100 * MINUTE)
    claims = drain(books.spool())
    assert claims[0] == claim(100, 105)
    assert claims[-1].from_ms == at(0)
    assert sum(each.until_ms - each.from_ms for each in claims) == 105 * MINUTE


def test_what_is_entered_late_into_a_closed_day_is_sent_again(books: Books) -> None:
    """The minutes that it touches, and no others."""
    books.begin()
    books.write_to(1_600 * MINUTE)
    assert close_days(books.connection, at(1_600))
    spool = books.spool()
    drain(spool)
    spool.save()
    books.connection.execute(
        "INSERT INTO span VALUES (1, 'dns', ?, ?, ?, 'down', 'dns', NULL)",
        (70 * MINUTE + 5, 71 * MINUTE + 5, at(70) + 5),
    )
    spool = books.spool()
    assert spool.refresh().minutes == 2
    assert spool.claim() == claim(70, 72)
    settle_all(spool, claim(70, 72))
    spool.save()
    assert books.spool().refresh().minutes == 0


def test_books_without_any_instant_hand_out_nothing(books: Books) -> None:
    """No clock since ever, or no run at all."""
    spool = books.spool()
    assert spool.refresh().minutes == 0
    books.begin(clock=False)
    books.write_to(30 * MINUTE, clock=False)
    assert spool.refresh().oldest_ms is None
    assert spool.claim() is None


def test_a_clock_that_is_lost_for_a_while_sends_nothing_twice(books: Books) -> None:
    """NTP fails during a long outage: the cursor waits, and goes on where it was."""
    books.begin()
    books.write_to(12 * MINUTE)
    spool = books.spool()
    drain(spool)
    books.journal.append(batch(20 * MINUTE, span(13 * MINUTE, 20 * MINUTE), anchored=None))
    assert drain(spool) == []
    spool.save()
    assert drain(books.spool()) == []
    books.journal.append(batch(22 * MINUTE, span(20 * MINUTE, 22 * MINUTE)))
    assert drain(spool) == [claim(15, 20), claim(10, 15)]


def test_a_clock_that_was_put_back_has_its_minutes_sent_when_they_come(books: Books) -> None:
    """What was settled of a future that was none comes again once it is past."""
    books.begin()
    books.write_to(42 * MINUTE)
    spool = books.spool()
    drain(spool)
    earlier = OFFSET_MS - 30 * MINUTE
    moved = anchor(offset_ms=earlier, at_ms=50 * MINUTE)
    books.journal.append(batch(50 * MINUTE, span(42 * MINUTE, 50 * MINUTE), anchored=moved))
    moved = anchor(offset_ms=earlier, at_ms=72 * MINUTE)
    spool.refresh()
    books.journal.append(batch(72 * MINUTE, span(50 * MINUTE, 72 * MINUTE), anchored=moved))
    assert drain(spool) == [claim(35, 40), claim(18, 35)]
