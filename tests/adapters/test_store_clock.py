"""What the books keep of the clock: which tie dates what, and what earlier runs knew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.records import Cause, Verdict
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.lives import Told
from netwatch.store.queries import Reader
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, batch, open_journal, span

HOUR_MS = 3_600_000
ALWAYS = (OFFSET_MS - 10 * HOUR_MS, OFFSET_MS + 10 * HOUR_MS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netwatch.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with open_journal(path) as opened:
        yield opened


def test_a_span_dated_back_before_a_step_has_the_tie_of_that_time(
    journal: Journal, path: Path
) -> None:
    """An outage is confirmed seconds after it began; a step between must not move its beginning."""
    journal.append(batch(60_000, span(0, 60_000)))
    stepped = anchor(OFFSET_MS + HOUR_MS, at_ms=60_000)
    down = span(55_000, 90_000, Verdict.DOWN, Cause.ACCESS)
    journal.append(batch(90_000, span(0, 55_000), down, anchored=stepped))
    found = [
        (each.verdict.value, each.start_ms - OFFSET_MS, each.duration_ms)
        for each in Reader(path).read_spans(*ALWAYS, "link")
    ]
    assert found == [
        ("up", 0, 55_000),
        ("down", 55_000, 5_000),
        ("down", 60_000 + HOUR_MS, 30_000),
    ]


def test_a_small_move_of_the_clock_leaves_no_hole(journal: Journal, path: Path) -> None:
    """200 ms forward, then back: the spans adjoin, though the ties are kept."""
    for minute, moved_ms in ((1, 0), (2, 200), (3, 0)):
        tied = anchor(OFFSET_MS + moved_ms, at_ms=(minute - 1) * 60_000)
        journal.append(
            batch(
                minute * 60_000,
                span((minute - 1) * 60_000, minute * 60_000),
                anchored=tied,
            )
        )
    first, second, third = Reader(path).read_spans(*ALWAYS, "link")
    assert first.end_ms == second.start_ms == OFFSET_MS + 60_200
    assert second.end_ms == third.start_ms == OFFSET_MS + 120_000


def test_a_run_without_a_place_is_told_of_with_how_long_it_watched(
    journal: Journal, path: Path
) -> None:
    """The next run hears until when the time is accounted for, and what was watched since."""
    journal.append(batch(60_000, span(0, 60_000)))
    journal.begin_run("boot-b", 2, "0.1.0", 5_000, None)
    journal.append(batch(35_000, span(5_000, 35_000), run_id=2, anchored=None))
    third, _ = journal.begin_run("boot-c", 3, "0.1.0", 0, None)
    told = Told(end_ms=OFFSET_MS + 60_000, undated_ms=30_000, anchor=None)
    assert journal.read_told(third) == told
    lives = Reader(path).read_lives(OFFSET_MS, OFFSET_MS + HOUR_MS)
    assert [(life.id, life.started_ms) for life in lives] == [(1, OFFSET_MS), (2, None), (3, None)]


def test_a_run_hears_of_the_tie_of_its_own_boot_alone(journal: Journal) -> None:
    """A crash while nobody tells the time: the boot's last tie is in the books."""
    journal.append(batch(60_000, span(0, 60_000)))
    second, _ = journal.begin_run("boot-a", 2, "0.1.0", 70_000, None)
    assert journal.read_told(second).anchor == anchor()
    third, _ = journal.begin_run("boot-b", 3, "0.1.0", 5, None)
    assert journal.read_told(third).anchor is None
    assert journal.read_told(1) == Told(anchor=anchor())


def test_nameless_boots_share_no_tie(path: Path) -> None:
    """Where the kernel gives no boot id two runs may be of two boots."""
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run("unknown", 1, "0.1.0", 0, anchor(boot_id="unknown"))
        second, _ = journal.begin_run("unknown", 2, "0.1.0", 50, None)
        assert journal.read_told(second).anchor is None


def test_the_lives_of_a_range_have_their_neighbours(journal: Journal, path: Path) -> None:
    """Why a hole is there is known from what lies on both sides of it, however far."""
    journal.append(batch(60_000, span(0, 60_000)))
    for number in range(2, 6):
        boot = f"boot-{number}"
        tied = anchor(OFFSET_MS + number * HOUR_MS, boot_id=boot)
        journal.begin_run(boot, number, "0.1.0", 0, tied)
        journal.append(batch(60_000, span(0, 60_000), run_id=number, anchored=tied))
    start_ms = OFFSET_MS + 3 * HOUR_MS + 5 * 60_000
    lives = Reader(path).read_lives(start_ms, start_ms + 60_000)
    assert [life.id for life in lives] == [3, 4]
    assert [life.id for life in Reader(path).read_lives(0, 1)] == [1]
    assert [life.id for life in Reader(path).read_lives(OFFSET_MS + 100 * HOUR_MS, 2**60)] == [5]


def test_a_stepped_life_comes_in_pieces(journal: Journal, path: Path) -> None:
    """Each with its own place, and the leave at the end of the last."""
    journal.append(batch(60_000, span(0, 60_000)))
    back = anchor(OFFSET_MS - HOUR_MS, at_ms=60_000)
    journal.append(batch(90_000, span(60_000, 90_000), anchored=back))
    journal.end_run(1, 100_000, back)
    pieces = Reader(path).read_lives(*ALWAYS)
    assert [
        (
            piece.id,
            (piece.started_ms or 0) - OFFSET_MS,
            (piece.ended_ms or 0) - OFFSET_MS,
            piece.clean,
        )
        for piece in pieces
    ] == [(1, 0, 60_000, False), (1, 60_000 - HOUR_MS, 100_000 - HOUR_MS, True)]
