"""Throughput figures and the peak-hour profile."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.peak_hours import ARCEP, BEAD, PeakProfile, judge_peak, peak_slots, plan_peak
from netwatch.core.stats import distribution, percentile
from netwatch.core.throughput import Direction, ThroughputTest, count_reasons, summarise_tests

PARIS = ZoneInfo("Europe/Paris")
MONDAY = date(2026, 10, 19)
SLOTS = peak_slots(MONDAY, PARIS, BEAD)


def speed_test(
    rate: int | None, invalid: str | None = None, at_ms: int = 0, direction: Direction = "down"
) -> ThroughputTest:
    return ThroughputTest(at_ms=at_ms, direction=direction, bytes_per_second=rate, invalid=invalid)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from([None, "busy_link"]))),
    st.integers(0, 99),
)
def test_a_test_that_is_not_valid_is_counted_and_enters_no_figure(
    tests: list[tuple[int, str | None]], guaranteed: int
) -> None:
    figures = summarise_tests(
        [speed_test(rate, invalid) for rate, invalid in tests], "down", guaranteed, Fraction(1, 2)
    )
    valid = [rate for rate, invalid in tests if invalid is None]
    assert (figures.tests, figures.valid) == (len(tests), len(valid))
    assert (figures.p10, figures.p20, figures.p90) == tuple(
        percentile(valid, percent) for percent in (10, 20, 90)
    )
    if not valid:
        assert (figures.median, figures.share_met, figures.met) == (None, None, None)
        return
    share = Fraction(sum(rate >= guaranteed for rate in valid), len(valid))
    assert figures.share_met == share
    assert figures.met is (share >= Fraction(1, 2))
    assert (figures.minimum, figures.maximum) == (min(valid), max(valid))


def test_directions_are_kept_apart_and_silence_of_the_contract_gives_no_verdict() -> None:
    tests = [speed_test(10), speed_test(90, direction="up"), speed_test(None)]
    down, up = (summarise_tests(tests, each) for each in ("down", "up"))
    assert (down.tests, down.valid, down.median, down.met) == (2, 1, 10, None)
    assert (up.tests, up.valid, up.median, up.share_met) == (1, 1, 90, None)
    assert summarise_tests(tests, "down", 10).met is None


def test_reasons_are_counted_in_order() -> None:
    counts = count_reasons(["overlap", "busy_link", None, "overlap"])
    assert list(counts.items()) == [("busy_link", 1), ("overlap", 2)]


@pytest.mark.parametrize(("profile", "hours"), [(BEAD, 42), (ARCEP, 35)])
def test_there_is_a_slot_for_each_busy_hour_of_a_week(profile: PeakProfile, hours: int) -> None:
    slots = peak_slots(MONDAY, PARIS, profile)
    assert len(slots) == hours
    local = [datetime.fromtimestamp(start / 1000, PARIS) for start, _ in slots]
    assert {each.hour for each in local} == set(range(profile.start_hour, profile.end_hour))
    assert {(end - start) for start, end in slots} == {3_600_000}


@given(st.text(max_size=5))
def test_a_plan_has_one_test_in_each_slot_with_room_to_end(seed: str) -> None:
    plan = plan_peak(seed, MONDAY, PARIS)
    assert plan == plan_peak(seed, MONDAY, PARIS)
    for at, (start, end) in zip(plan, SLOTS, strict=True):
        assert start <= at <= end - BEAD.test_ms


def test_eight_tests_in_ten_at_eighty_percent_are_enough_and_fewer_are_not() -> None:
    def met(slow: int) -> bool | None:
        tests = [
            speed_test(79 if index < slow else 80, at_ms=SLOTS[index][0]) for index in range(40)
        ]
        verdict = judge_peak(tests, distribution([]), SLOTS, committed_down=100, committed_up=None)
        assert verdict.up.met is None
        return verdict.down.met

    assert met(8) is True
    assert met(9) is False


def test_a_lost_packet_misses_the_round_trip_limit() -> None:
    def judged(answered: list[int], lost: int) -> bool | None:
        return judge_peak(
            [], distribution(answered, lost), SLOTS, committed_down=1, committed_up=1
        ).rtt_met

    assert judged([100_000] * 95 + [100_001] * 5, 0) is True
    assert judged([100_000] * 95, 5) is True
    assert judged([100_000] * 94, 6) is False
    assert judged([], 0) is None


def test_a_week_is_complete_when_every_hour_has_a_valid_test() -> None:
    def judged(tests: list[ThroughputTest]) -> tuple[int, bool]:
        verdict = judge_peak(tests, distribution([]), SLOTS, committed_down=1, committed_up=1)
        return verdict.hours_tested, verdict.complete

    every = [speed_test(5, at_ms=start) for start, _ in SLOTS]
    assert judged(every) == (42, True)
    assert judged([*every[1:], speed_test(5, "busy_link", at_ms=SLOTS[0][0])]) == (41, False)
    outside = speed_test(5, at_ms=SLOTS[0][0] - 1)
    assert judged([*every[1:], outside]) == (41, False)
    assert judged([]) == (0, False)


def test_the_least_whole_rate_that_reaches_the_share_is_the_floor() -> None:
    """80 % of 101 is 80.8: 80 does not reach it, 81 does."""
    for rate, share in ((80, 0), (81, 1)):
        verdict = judge_peak(
            [speed_test(rate, at_ms=SLOTS[0][0])],
            distribution([]),
            SLOTS,
            committed_down=101,
            committed_up=None,
        )
        assert verdict.down.share_met == share


def test_a_profile_without_thresholds_has_figures_and_no_verdict() -> None:
    slots = peak_slots(MONDAY, PARIS, ARCEP)
    verdict = judge_peak(
        [speed_test(5, at_ms=slots[0][0])],
        distribution([1]),
        slots,
        committed_down=10,
        committed_up=10,
        profile=ARCEP,
    )
    assert verdict.down.median == 5
    assert (verdict.down.met, verdict.rtt_share, verdict.rtt_met) == (None, None, None)
