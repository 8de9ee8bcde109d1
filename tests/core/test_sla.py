"""Availability against a reference that goes through the seconds one by one."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.calendars import CoveredHours, build_calendar
from netwatch.core.contract import Contract, contract_parts
from netwatch.core.intervals import EMPTY, Intervals, normalise
from netwatch.core.sla import (
    NOTHING,
    Availability,
    Exclusion,
    add_up,
    available_time,
    combine,
    complete_spans,
    excluded_time,
    measure_availability,
    measure_contract,
)
from netwatch.records import CAUSES, Cause, Span, Verdict

END = 50
STATES: list[tuple[Verdict, Cause | None]] = [
    (Verdict.UP, None),
    *((verdict, cause) for verdict in Verdict for cause in CAUSES[verdict]),
]
State = tuple[Verdict, Cause | None]


@st.composite
def histories(draw: st.DrawFn) -> list[State]:
    """The state of each second of a period, in runs."""
    cuts = sorted({0, END, *draw(st.lists(st.integers(1, END - 1), max_size=8))})
    history: list[State] = []
    for start, end in pairwise(cuts):
        history += [draw(st.sampled_from(STATES))] * (end - start)
    return history


SETS = st.lists(st.tuples(st.integers(0, END), st.integers(0, END)), max_size=4).map(normalise)
CAUSE_SETS = st.sets(st.sampled_from(list(Cause)))


def spans_of(history: list[State]) -> tuple[Span, ...]:
    """A span for each run of equal seconds."""
    spans: list[Span] = []
    for second, (verdict, cause) in enumerate(history):
        if spans and (spans[-1].verdict, spans[-1].cause) == (verdict, cause):
            start = spans.pop().start_ms
        else:
            start = second
        spans.append(Span(verdict=verdict, cause=cause, start_ms=start, end_ms=second + 1))
    return tuple(spans)


def seconds(intervals: Intervals) -> set[int]:
    return {second for start, end in intervals for second in range(start, end)}


def ratio(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


@given(histories(), SETS, SETS, CAUSE_SETS)
def test_every_figure_is_the_one_that_counting_seconds_gives(
    history: list[State], covered: Intervals, excluded: Intervals, causes: set[Cause]
) -> None:
    figures = measure_availability(spans_of(history), covered, excluded, causes)
    inside = seconds(covered)
    left = inside - seconds(excluded)
    down = {
        second
        for second in inside
        if history[second][0] is not Verdict.UNKNOWN and history[second][1] in causes
    }
    unknown = {second for second in inside if history[second][0] is Verdict.UNKNOWN}
    assert figures.covered_ms == len(inside)
    assert figures.excluded_ms == len(inside) - len(left)
    assert figures.coverage == ratio(len(inside - unknown), len(inside))
    assert figures.measured == ratio(len(inside - unknown - down), len(inside - unknown))
    assert figures.high == ratio(len(inside - down), len(inside))
    assert figures.low == ratio(len(inside - down - unknown), len(inside))
    known = left - unknown
    assert figures.contractual == (ratio(len(left - down), len(left)) if known else None)
    assert figures.contractual_low == ratio(len(left - down - unknown), len(left))


@given(histories(), SETS, SETS, CAUSE_SETS)
def test_the_verdicts_add_up_to_the_covered_time_and_bounds_hold(
    history: list[State], covered: Intervals, excluded: Intervals, causes: set[Cause]
) -> None:
    figures = measure_availability(spans_of(history), covered, excluded, causes)
    parts = (figures.up_ms, figures.degraded_ms, figures.down_ms, figures.unknown_ms)
    assert sum(parts) == figures.covered_ms
    if figures.measured is not None:
        assert figures.low is not None
        assert figures.high is not None
        assert 0 <= figures.low <= figures.measured <= figures.high <= 1
    if figures.contractual is not None:
        assert figures.contractual_low is not None
        assert 0 <= figures.contractual_low <= figures.contractual <= 1
    if figures.coverage == 0:
        assert figures.measured is None
        assert figures.contractual is None
        assert figures.met(Fraction(0)) is None


@given(histories(), SETS, SETS, st.integers(0, END), st.integers(0, END))
def test_removing_an_outage_never_lowers_an_availability(
    history: list[State], covered: Intervals, excluded: Intervals, start: int, end: int
) -> None:
    healed = [
        (Verdict.UP, None) if start <= second < end and state[0] is Verdict.DOWN else state
        for second, state in enumerate(history)
    ]
    before = measure_availability(spans_of(history), covered, excluded)
    after = measure_availability(spans_of(healed), covered, excluded)
    for name in ("measured", "low", "high", "contractual", "contractual_low"):
        worse, better = getattr(before, name), getattr(after, name)
        assert (worse is None) == (better is None)
        assert worse is None or better >= worse
    assert before.coverage == after.coverage


@given(histories(), SETS, SETS, SETS)
def test_one_more_exclusion_never_raises_the_downtime_nor_touches_what_was_measured(
    history: list[State], covered: Intervals, excluded: Intervals, more: Intervals
) -> None:
    before = measure_availability(spans_of(history), covered, excluded)
    after = measure_availability(spans_of(history), covered, normalise([*excluded, *more]))
    assert after.counted_after_exclusions_ms <= before.counted_after_exclusions_ms
    for name in ("measured", "low", "high", "coverage", "counted_ms"):
        assert getattr(after, name) == getattr(before, name)


@given(histories(), SETS, st.integers(0, END), CAUSE_SETS)
def test_a_month_in_two_parts_has_the_figures_of_the_whole(
    history: list[State], covered: Intervals, cut: int, causes: set[Cause]
) -> None:
    spans = spans_of(history)
    halves = (
        tuple((max(s, 0), min(e, cut)) for s, e in covered if s < cut and max(s, 0) < min(e, cut)),
        tuple((max(s, cut), e) for s, e in covered if e > cut),
    )
    whole = combine(measure_availability(spans, half, EMPTY, causes) for half in halves)
    assert whole == measure_availability(spans, covered, EMPTY, causes)


@given(
    st.lists(st.tuples(st.integers(-10, END + 10), st.integers(1, 9)), max_size=6),
    st.integers(0, 20),
    st.integers(21, END),
)
def test_whatever_the_spans_they_fill_the_period_and_gaps_are_unknown(
    raw: list[tuple[int, int]], start: int, end: int
) -> None:
    taken: list[Span] = []
    at = -100
    for begin, length in sorted(raw):
        if begin >= at:
            taken.append(
                Span(verdict=Verdict.UP, cause=None, start_ms=begin, end_ms=begin + length)
            )
            at = begin + length
    whole = complete_spans(taken, start, end)
    assert (whole[0].start_ms, whole[-1].end_ms) == (start, end)
    assert all(before.end_ms == after.start_ms for before, after in pairwise(whole))
    assert sum(add_up(whole).values()) == end - start
    up = {second for span in taken for second in range(span.start_ms, span.end_ms)}
    assert seconds(available_time(whole)) == up & set(range(start, end))


def test_two_spans_that_claim_one_instant_are_refused() -> None:
    span = Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=5)
    other = Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=4, end_ms=6)
    with pytest.raises(ValueError, match=r"two spans claim the instant 4 \(UTC ms\)"):
        complete_spans([span, other], 0, 10)


def test_a_month_with_no_record_has_no_availability_and_no_coverage() -> None:
    """Not an error, and not 100 %."""
    figures = measure_availability(complete_spans([], 0, 100), ((0, 100),))
    assert figures.coverage == 0
    assert figures.measured is None
    assert figures.contractual is None
    assert (figures.low, figures.high) == (0, 1)


def test_a_calendar_that_covers_nothing_has_no_figure_at_all() -> None:
    figures = measure_availability(complete_spans([], 0, 100), EMPTY)
    assert figures == NOTHING
    names = ("coverage", "measured", "low", "high", "contractual", "contractual_low")
    assert {getattr(figures, name) for name in names} == {None}


def test_a_month_all_excluded_has_no_contractual_figure() -> None:
    up = Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=100)
    figures = measure_availability([up], ((0, 100),), ((0, 100),))
    assert figures.measured == 1
    assert figures.contractual is None


def test_degraded_time_counts_only_where_the_contract_names_its_cause() -> None:
    slow = Span(verdict=Verdict.DEGRADED, cause=Cause.LOSS, start_ms=0, end_ms=10)
    assert measure_availability([slow], ((0, 10),)).measured == 1
    assert measure_availability([slow], ((0, 10),), EMPTY, [Cause.LOSS]).measured == 0


def test_a_failing_of_ours_never_counts_though_a_contract_says_so() -> None:
    ours = Span(verdict=Verdict.UNKNOWN, cause=Cause.AGENT, start_ms=0, end_ms=10)
    figures = measure_availability([ours], ((0, 20),), EMPTY, [Cause.AGENT])
    assert figures.counted_ms == 0
    assert figures.unknown_ms == 20


def test_overlapping_exclusions_count_once_and_withdrawn_ones_not_at_all() -> None:
    def exclusion(name: str, start: int, end: int, withdrawn: int | None = None) -> Exclusion:
        return Exclusion(
            id=name,
            start_ms=start,
            end_ms=end,
            reason="works",
            author="town",
            entered_ms=5,
            withdrawn_ms=withdrawn,
        )

    entries = [exclusion("a", 0, 10), exclusion("b", 6, 12), exclusion("c", 20, 30, 40)]
    assert excluded_time(entries) == ((0, 12),)
    assert [entry.after_the_fact for entry in entries] == [True, False, False]


def test_a_contract_that_changes_in_mid_month_is_measured_by_each_version_in_its_time() -> None:
    """The second version no longer counts DNS failures, and covers mornings alone."""
    utc = ZoneInfo("UTC")
    hour = 3_600_000
    day = 24 * hour
    old = Contract(name="old")
    new = Contract(
        name="new",
        valid_from_ms=day,
        calendar=("mon-sun 00:00-12:00",),
        counted_causes=(Cause.ACCESS,),
    )
    spans = complete_spans(
        [
            Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=0, end_ms=6 * hour),
            Span(verdict=Verdict.UP, cause=None, start_ms=6 * hour, end_ms=day),
            Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=day, end_ms=day + 6 * hour),
            Span(verdict=Verdict.UP, cause=None, start_ms=day + 6 * hour, end_ms=2 * day),
        ],
        0,
        2 * day,
    )
    figures = measure_contract(
        spans,
        contract_parts((old, new), 0, 2 * day),
        lambda contract: CoveredHours(calendar=build_calendar(contract.calendar), zone=utc),
    )
    assert figures.covered_ms == 36 * hour
    assert figures.counted_ms == 6 * hour
    assert figures.measured == Fraction(30, 36)


def test_the_allowed_downtime_of_a_month_is_met_and_a_millisecond_more_is_not() -> None:
    """99.85 % of 30 days allows 64 minutes 48 seconds."""
    month = 30 * 86_400_000
    allowed = (64 * 60 + 48) * 1000

    def after(down_ms: int) -> Availability:
        outage = Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=0, end_ms=down_ms)
        rest = Span(verdict=Verdict.UP, cause=None, start_ms=down_ms, end_ms=month)
        return measure_availability([outage, rest], ((0, month),))

    target = Fraction("0.9985")
    assert after(allowed).met(target) is True
    assert after(allowed + 1).met(target) is False
    assert after(allowed).met(None) is None
