"""The clock in the agent's life: late, stepped, slewed, lost and never there at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from netwatch.core.ledger import build_minutes, sum_spans
from netwatch.records import MINUTE_MS, Cause, Span, Verdict
from tests.agent.clock_world import EPOCH_MS, SECOND_MS, FakeClock, Life, read_ledger

HOUR_MS = 3_600_000
UNKNOWN_CLOCK = (Verdict.UNKNOWN, Cause.CLOCK)
UP = (Verdict.UP, None)
#: What the newest rounds have not settled when the agent leaves.
UNSETTLED_MS = 15_000


def tell(spans: Sequence[Span]) -> list[tuple[str, str | None, int]]:
    """Cause or verdict, reason, and the length in seconds, but for what no round had settled."""
    return [
        (
            each.cause.value if each.cause else each.verdict.value,
            each.reason,
            each.duration_ms // 1000,
        )
        for each in spans
        if each.reason not in {"unrecorded", "silent"} or each.duration_ms > UNSETTLED_MS
    ]


def assert_adds_up(spans: Sequence[Span]) -> None:
    """No hole, no overlap, nothing negative, and 60 000 ms in every minute."""
    assert all(one.end_ms == two.start_ms for one, two in itertools.pairwise(spans))
    assert all(span.duration_ms > 0 for span in spans)
    for minute in build_minutes(spans):
        assert sum(entry.duration_ms for entry in minute.entries) == MINUTE_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netwatch.db"


def test_what_was_measured_before_the_time_was_known_is_dated_once_it_is(path: Path) -> None:
    """Ten minutes without a clock that show no date, then one, and all of it is there."""
    clock = FakeClock("boot-a", EPOCH_MS - 777_777_000, synchronised=False)

    def synchronise() -> None:
        clock.offset_ms, clock.kernel = EPOCH_MS, True

    life = Life(path, clock)
    life.live(660, at={600: synchronise}, look_at=[590, 602])
    before, after, last = life.snapshots
    assert (before.is_dated, before.since_ms, before.verdict) == (False, None, Verdict.UP)
    assert "clock_unsynchronised" in before.notices
    assert after.is_dated
    assert after.since_ms is not None
    assert after.since_ms <= EPOCH_MS + 3 * SECOND_MS
    assert "clock_unsynchronised" not in last.notices
    ledger = life.ledgers[-1]
    assert_adds_up(ledger)
    assert sum_spans(ledger)[UP] >= 660_000 - UNSETTLED_MS
    assert Cause.CLOCK not in {span.cause for span in ledger}


def test_a_boot_that_never_knew_the_time_leaves_as_much_unknown_as_it_watched(path: Path) -> None:
    """Dated, cut off; five minutes without a clock, cut off; dated again an hour later."""
    Life(path, FakeClock("boot-a", EPOCH_MS, synchronised=True)).live(600)
    undated = Life(path, FakeClock("boot-b", EPOCH_MS - HOUR_MS, synchronised=False))
    undated.live(300, look_at=[200])
    assert undated.snapshots[0].since_ms is None
    last = Life(path, FakeClock("boot-c", EPOCH_MS + HOUR_MS, synchronised=True))
    last.live(120)
    ledger = read_ledger(path, EPOCH_MS + HOUR_MS + 100_000)
    assert_adds_up(ledger)
    assert tell(ledger)[-4:-1] == [
        ("agent", "power_loss", 2_697),
        ("clock", "unsynchronised", 301),
        ("agent", "starting", 1),
    ]
    assert sum_spans(last.ledgers[-1])[UNKNOWN_CLOCK] == 301_250
    # The totals have what was seen by the monotonic clock, and the rest once.
    assert last.totals["unknown agent"] >= 2_700_000
    assert abs(sum(last.totals.values()) - (HOUR_MS + 121_000)) <= 3 * UNSETTLED_MS


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS, 1_000, -1_000])
def test_a_step_while_running_cuts_the_open_span_there(path: Path, step_ms: int) -> None:
    """What was seen before keeps its date; what a clock leaps over is the clock's."""
    clock = FakeClock("boot-a", EPOCH_MS + 2 * HOUR_MS, synchronised=True)

    def step() -> None:
        clock.offset_ms += step_ms

    life = Life(path, clock)
    life.live(400, at={200: step}, look_at=[199, 201, 300])
    for ledger in life.ledgers:
        assert_adds_up(ledger)
    whole = read_ledger(path, EPOCH_MS + 4 * HOUR_MS)
    assert_adds_up(whole)
    stepped = [span.duration_ms for span in whole if span.reason == "stepped"]
    repeated_ms = 1_000 if step_ms == -1_000 else 0
    assert sum_spans(whole)[UP] >= 400_000 - UNSETTLED_MS - repeated_ms
    if step_ms > 0:
        assert stepped == [step_ms]
        assert life.totals["unknown clock"] == step_ms
    else:
        # Between what it told before, and what it told of an hour that nobody had told.
        assert [length_ms > 0 for length_ms in stepped] == ([] if repeated_ms else [True])
        assert "unknown clock" not in life.totals
    assert life.realigned == 1
    # The page and a report of the same books say the same.
    until_ms = life.snapshots[-1].at_ms - 2 * UNSETTLED_MS
    assert sum_spans(clip(life.ledgers[-1], until_ms)) == sum_spans(read_ledger(path, until_ms))


def clip(spans: Sequence[Span], until_ms: int) -> list[Span]:
    return [
        Span(
            verdict=span.verdict,
            cause=span.cause,
            start_ms=span.start_ms,
            end_ms=min(span.end_ms, until_ms),
        )
        for span in spans
        if span.start_ms < until_ms
    ]


def test_forward_and_back_again_counts_every_minute_once(path: Path) -> None:
    """Somebody sets the clock wrong where it is trusted, and right again two minutes later."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)

    def put(offset_ms: int) -> None:
        clock.offset_ms = offset_ms

    life = Life(path, clock)
    life.live(
        600,
        at={200: lambda: put(EPOCH_MS + HOUR_MS), 320: lambda: put(EPOCH_MS)},
        look_at=[250, 400],
    )
    for ledger in life.ledgers:
        assert_adds_up(ledger)
    whole = read_ledger(path, EPOCH_MS + 2 * HOUR_MS)
    assert_adds_up(whole)
    assert tell(whole)[1:-1] == [
        ("agent", "starting", 1),
        ("up", None, 198),
        ("clock", "stepped", 120),
        ("up", None, 280),
        ("clock", "stepped", 3_198),
        ("up", None, 120),
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_is_slewed_is_no_event(path: Path, sign: int) -> None:
    """500 ppm for twenty minutes: not a second of it unknown, not a span cut."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)

    def slew(second: int) -> None:
        clock.offset_ms = EPOCH_MS + sign * second // 2

    life = Life(path, clock)
    life.live(1_200, at={second: (lambda at=second: slew(at)) for second in range(1, 1_200)})
    ledger = life.ledgers[-1]
    assert_adds_up(ledger)
    assert [each[:2] for each in tell(ledger)] == [
        ("agent", "absent"),
        ("agent", "starting"),
        ("up", None),
    ]
    assert life.realigned == 0


def test_a_line_that_is_down_for_long_does_not_cost_its_dates(path: Path) -> None:
    """The kernel's word runs out, somebody sets the clock by hand: the last good tie holds."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)

    def lose() -> None:
        clock.kernel = False

    def set_by_hand() -> None:
        clock.offset_ms += 5 * HOUR_MS

    def synchronise() -> None:
        clock.offset_ms, clock.kernel = EPOCH_MS + 120, True

    life = Life(path, clock)
    life.live(900, at={100: lose, 300: set_by_hand, 800: synchronise}, look_at=[90, 200, 500, 802])
    held = [snapshot.clock_held_ms for snapshot in life.snapshots]
    assert held == [None, 101_000, 401_000, None, None]
    assert [snapshot.is_dated for snapshot in life.snapshots] == [True] * 5
    assert [snapshot.clock_synchronised for snapshot in life.snapshots] == [
        True, False, False, True, True,
    ]  # fmt: skip
    assert life.snapshots[2].at_ms == EPOCH_MS + 501_250
    assert "clock_held" in life.snapshots[2].notices
    for ledger in life.ledgers:
        assert_adds_up(ledger)
        assert Cause.CLOCK not in {span.cause for span in ledger}
    assert sum_spans(life.ledgers[-1])[UP] >= 900_000 - UNSETTLED_MS


def test_a_restart_while_nobody_tells_the_time_goes_on_with_the_boots_own(path: Path) -> None:
    """The agent is updated during an outage: its records are dated, by the same boot's tie."""
    clock = FakeClock("boot-a", EPOCH_MS, synchronised=True)
    Life(path, clock).live(100, clean=True)
    again = FakeClock("boot-a", EPOCH_MS + 9 * HOUR_MS, synchronised=False)
    again.mono_ms = clock.mono_ms + 20_000
    life = Life(path, again)
    life.live(100)
    assert life.snapshots[-1].at_ms == EPOCH_MS + again.mono_ms
    ledger = life.ledgers[-1]
    assert_adds_up(ledger)
    assert ("agent", "stopped", 20) in tell(ledger)
    assert Cause.CLOCK not in {span.cause for span in ledger}


def test_another_boots_tie_is_nobodys(path: Path) -> None:
    """After a power cut the monotonic clock begins anew: the tie of the boot before is void."""
    Life(path, FakeClock("boot-a", EPOCH_MS, synchronised=True)).live(60)
    life = Life(path, FakeClock("boot-b", EPOCH_MS + HOUR_MS, synchronised=False))
    life.live(60)
    assert not life.snapshots[-1].is_dated
    ledger = life.ledgers[-1]
    assert tell(ledger)[-1][:2] == ("clock", "unsynchronised")


def test_a_boot_whose_clock_went_back_adds_only_what_is_new(path: Path) -> None:
    """A trusted clock without a battery: the hour that was told stays, none is counted twice."""
    Life(path, FakeClock("boot-a", EPOCH_MS, synchronised=True)).live(600)
    life = Life(path, FakeClock("boot-b", EPOCH_MS + 300_000, synchronised=True))
    life.live(600)
    ledger = life.ledgers[-1]
    assert_adds_up(ledger)
    # What the first boot's last rounds had not settled stays unknown: it was that boot's time.
    assert tell(ledger)[1:] == [("agent", "starting", 1), ("up", None, 599), ("up", None, 298)]
    assert sum_spans(ledger)[UP] < 900_000
