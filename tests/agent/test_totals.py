"""The totals of an agent that is cut off again and again: what the ledger has, to the millisecond."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.agent.recorder import format_key
from netwatch.core.ledger import clip_spans, sum_spans
from netwatch.core.outages import find_outages
from netwatch.records import Verdict
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.lives import Told
from netwatch.store.queries import Reader
from tests.adapters.store_samples import SET_ASIDE
from tests.agent.clock_world import EPOCH_MS, FakeClock, Life, read_ledger

HOUR_MS = 3_600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netwatch.db"


def begin_and_die(path: Path, clock: FakeClock) -> tuple[Told, dict[str, int]]:
    """A life that is entered and cut off before its first batch: what it heard, and the totals."""
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        run_id, _ = journal.begin_run(clock.boot_id, 1, "0.1.0", clock.mono_ms, clock.anchor())
        totals = {
            label: value
            for (name, label), value in journal.read_counters().items()
            if name == "link_ms"
        }
        return journal.read_told(run_id), totals


def assert_totals_are_the_ledger(path: Path, from_ms: int) -> None:
    """The totals with what the next life would add, against the ledger as reports read it."""
    told, totals = begin_and_die(
        path, FakeClock("last", EPOCH_MS + 99 * HOUR_MS, synchronised=True)
    )
    assert told.end_ms is not None
    for key, length_ms in told.uncounted.items():
        totals[format_key(key)] = totals.get(format_key(key), 0) + length_ms
    ledger = clip_spans(read_ledger(path, told.end_ms), from_ms, told.end_ms)
    expected = {format_key(key): ms for key, ms in sum_spans(ledger).items()}
    assert {key: ms for key, ms in totals.items() if ms} == expected


def count_incidents(path: Path) -> dict[str, int]:
    """The outages that the counters have, by cause."""
    counters = Reader(path).read_counters()
    return {label: value for (name, label), value in counters.items() if name == "incidents"}


def assert_incidents_are_the_ledgers(path: Path, expected: int) -> None:
    """As many as the ledger shows, after another life has begun and seen an answering line."""
    clock = FakeClock("boot-z", EPOCH_MS + 99 * HOUR_MS, synchronised=True)
    Life(path, clock).live(30)
    ledger = clip_spans(read_ledger(path, clock.wall_ms()), EPOCH_MS, clock.wall_ms())
    outages = find_outages(ledger)
    assert len(outages) == expected
    by_cause: dict[str, int] = {}
    for outage in outages:
        cause = outage.parts[0].cause.value
        by_cause[cause] = by_cause.get(cause, 0) + 1
    assert count_incidents(path) == by_cause


def put_forward(clock: FakeClock) -> Callable[[], None]:
    def put() -> None:
        clock.offset_ms += HOUR_MS

    return put


def test_lives_that_are_cut_off_lose_nothing_of_the_totals(path: Path) -> None:
    """Tails that no round had settled, pauses, and lives that died before their first batch."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)
    first_ms = clock.wall_ms()
    for seconds in (40, 7, 130, 1):
        Life(path, clock).live(seconds)
        clock.mono_ms += 3_000
        begin_and_die(path, clock)
        clock.mono_ms += 2_000
    Life(path, clock).live(60, clean=True)
    assert_totals_are_the_ledger(path, first_ms)


def test_lives_of_a_boot_that_learned_the_time_late(path: Path) -> None:
    """All of the time is there once; what two of them had not settled counts as not watched."""
    Life(path, FakeClock("boot-a", EPOCH_MS, synchronised=True)).live(100)
    clock = FakeClock("boot-b", EPOCH_MS + HOUR_MS, synchronised=False)
    for _ in range(2):
        Life(path, clock).live(50)
        clock.mono_ms += 4_000

    def synchronise() -> None:
        clock.kernel = True

    Life(path, clock).live(90, at={30: synchronise})
    told, totals = begin_and_die(path, clock)
    assert told.end_ms is not None
    whole_ms = sum(totals.values()) + sum(told.uncounted.values())
    assert whole_ms == told.end_ms - (EPOCH_MS + 1_000)


def test_time_that_a_clock_leaped_over_just_before_the_end_counts_once(path: Path) -> None:
    """The step is counted when it is seen; the seconds before it are settled later."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)
    Life(path, clock).live(100, at={98: put_forward(clock)})
    clock.mono_ms += 5_000
    Life(path, clock).live(60)
    assert_totals_are_the_ledger(path, EPOCH_MS + 1_000)


def test_what_a_boot_saw_that_never_learned_the_time_stays_as_seen(path: Path) -> None:
    """All of the time is in the totals once, of whatever kind."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)
    Life(path, clock).live(100)
    Life(path, FakeClock("boot-b", EPOCH_MS - HOUR_MS, synchronised=False)).live(70)
    last = FakeClock("boot-c", EPOCH_MS + HOUR_MS, synchronised=True)
    Life(path, last).live(50)
    told, totals = begin_and_die(path, last)
    assert told.end_ms is not None
    whole_ms = sum(totals.values()) + sum(told.uncounted.values())
    assert whole_ms == told.end_ms - (EPOCH_MS + 1_000)


def test_marks_of_how_far_the_totals_are_do_not_pile_up_and_are_no_totals(path: Path) -> None:
    """A life that has caught up takes the marks of those before it away."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)
    for _ in range(3):
        Life(path, clock).live(30)
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        marks = connection.execute("SELECT label FROM counter WHERE name = 'counted'").fetchall()
    assert marks == [("3",)]
    assert {name for name, _ in Reader(path).read_counters()} <= {"link_ms", "incidents", "seen"}
    assert ("link_ms", Verdict.UP.value) in Reader(path).read_counters()


def test_an_outage_in_the_seconds_that_nobody_had_settled_is_counted_by_the_next_life(
    path: Path,
) -> None:
    """Begun and ended just before the kill: in the ledger as spans, so in the incidents too."""
    Life(path, FakeClock("boot-a", EPOCH_MS, synchronised=True)).live(70, silent=range(62, 67))
    assert count_incidents(path) == {}
    assert_incidents_are_the_ledgers(path, 1)


def test_an_outage_that_went_on_into_the_kill_is_counted_by_the_next_life(path: Path) -> None:
    """Confirmed, entered, and not settled: time that was not watched ends it."""
    Life(path, FakeClock("boot-a", EPOCH_MS, synchronised=True)).live(70, silent=range(64, 71))
    assert count_incidents(path) == {}
    assert_incidents_are_the_ledgers(path, 1)


def test_an_outage_that_was_counted_is_not_counted_again_for_its_tail(path: Path) -> None:
    """Long since begun when the power went; and one that was over before."""
    silent = [*range(10, 20), *range(40, 91)]
    Life(path, FakeClock("boot-a", EPOCH_MS, synchronised=True)).live(90, silent=silent)
    assert sum(count_incidents(path).values()) == 2
    assert_incidents_are_the_ledgers(path, 2)


def test_lives_that_die_early_lose_no_incident_between_them(path: Path) -> None:
    """Two tails, each with an outage, and a life that died before its first batch."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)
    Life(path, clock).live(40, silent=range(30, 36))
    clock.mono_ms += 3_000
    begin_and_die(path, clock)
    clock.mono_ms += 2_000
    Life(path, clock).live(40, silent=range(34, 41))
    assert_incidents_are_the_ledgers(path, 2)
