"""The ledger against a reference that looks at every millisecond by itself."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.ledger import (
    build_ledger,
    build_minutes,
    find_incidents,
    sum_spans,
)
from netwatch.core.linkstate import Change
from netwatch.core.timeline import Timeline
from netwatch.records import CAUSES, MINUTE_MS, Cause, Run, Span, Verdict
from tests.core.simulated_line import Cut, simulate

PERIOD = 300  # milliseconds, few enough to look at each


@st.composite
def spans(draw: st.DrawFn, verdicts: tuple[Verdict, ...]) -> Span:
    verdict = draw(st.sampled_from(verdicts))
    start = draw(st.integers(-50, PERIOD + 50))
    return Span(
        verdict=verdict,
        cause=draw(st.sampled_from(CAUSES[verdict])) if CAUSES[verdict] else None,
        start_ms=start,
        end_ms=start + draw(st.integers(0, 120)),
    )


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    starts = sorted(draw(st.lists(st.integers(-20, PERIOD), max_size=4)))
    return [
        Run(
            id=index,
            boot_id=draw(st.sampled_from(["a", "b"])),
            version="1",
            started_ms=start,
            ended_ms=draw(st.one_of(st.none(), st.integers(start, start + 100))),
            clean=draw(st.booleans()),
        )
        for index, start in enumerate(starts)
    ]


def verdict_at(at: int, link: list[Span], quality: list[Span]) -> tuple[Verdict, Cause | None]:
    """The reference without DNS: the first recorded span that covers the instant."""
    base = next((span for span in link if span.start_ms <= at < span.end_ms), None)
    if base is None:
        return Verdict.UNKNOWN, Cause.AGENT
    upper = next((span for span in quality if span.start_ms <= at < span.end_ms), None)
    if upper is not None and base.verdict is Verdict.UP:
        return upper.verdict, upper.cause
    return base.verdict, base.cause


@settings(max_examples=300, deadline=None)
@given(
    link=st.lists(spans((Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN)), max_size=8),
    quality=st.lists(spans((Verdict.DEGRADED,)), max_size=4),
    lives=runs(),
)
def test_each_millisecond_has_the_verdict_that_was_first_recorded_for_it(
    link: list[Span], quality: list[Span], lives: list[Run]
) -> None:
    """Against the slow reference; nothing covered is unknown, cause agent."""
    ledger = build_ledger({"link": link, "quality": quality}, lives, 0, PERIOD)
    for span in ledger:
        for at in range(span.start_ms, span.end_ms):
            assert (span.verdict, span.cause) == verdict_at(at, link, quality)


@settings(max_examples=300, deadline=None)
@given(
    link=st.lists(spans((Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN)), max_size=8),
    dns=st.lists(spans((Verdict.DOWN,)), max_size=4),
    quality=st.lists(spans((Verdict.DEGRADED,)), max_size=4),
    lives=runs(),
)
def test_the_entries_add_up_to_the_period_whatever_was_recorded(
    link: list[Span], dns: list[Span], quality: list[Span], lives: list[Run]
) -> None:
    """No hole, no overlap, no millisecond too many; every unknown of ours has its reason."""
    layers = {"link": link, "dns": dns, "quality": quality, "service:x": link}
    ledger = build_ledger(layers, lives, 0, PERIOD)
    assert ledger[0].start_ms == 0
    assert ledger[-1].end_ms == PERIOD
    for earlier, later in itertools.pairwise(ledger):
        assert earlier.end_ms == later.start_ms
        assert earlier.duration_ms > 0
    assert sum(sum_spans(ledger).values()) == PERIOD


def test_a_resolver_outage_beside_a_line_outage_is_that_outage() -> None:
    """Only a failing of all resolvers of three seconds within carried traffic is down by dns."""
    link = [
        Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=60_000),
        Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=60_000, end_ms=90_000),
        Span(verdict=Verdict.UP, cause=None, start_ms=90_000, end_ms=150_000),
    ]
    dns = [
        Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=20_000, end_ms=25_000),
        Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=59_400, end_ms=91_000),
    ]
    totals = sum_spans(build_ledger({"link": link, "dns": dns}, [], 0, 150_000))
    assert totals == {
        (Verdict.UP, None): 115_000,
        (Verdict.DOWN, Cause.DNS): 5_000,
        (Verdict.DOWN, Cause.ACCESS): 30_000,
    }


def test_the_gap_between_two_lives_says_how_the_first_one_ended() -> None:
    """A leave-taking is stopped, the same boot crashed, another boot power_loss."""

    def run(number: int, boot: str, start: int, end: int, *, clean: bool) -> Run:
        return Run(
            id=number, boot_id=boot, version="1", started_ms=start, ended_ms=end, clean=clean
        )

    lives = [
        run(1, "a", 100, 200, clean=True),
        run(2, "a", 300, 400, clean=False),
        run(3, "a", 500, 600, clean=False),
        run(4, "b", 700, 800, clean=False),
    ]
    link = [
        Span(verdict=Verdict.UP, cause=None, start_ms=one.started_ms or 0, end_ms=one.ended_ms or 0)
        for one in lives
    ]
    ledger = build_ledger({"link": link}, lives, 0, 1_000)
    reasons = [(span.start_ms, span.reason) for span in ledger if span.verdict is Verdict.UNKNOWN]
    assert reasons == [
        (0, "absent"),
        (200, "stopped"),
        (400, "crashed"),
        (600, "power_loss"),
        (800, "silent"),
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 200_000), st.booleans()), min_size=1, max_size=20))
def test_minutes_add_up_to_sixty_thousand(parts: list[tuple[int, bool]]) -> None:
    """Each whole minute that the spans cover has entries of 60 000 ms together."""
    at = 12_345
    covered: list[Span] = []
    for length, up in parts:
        verdict, cause = (Verdict.UP, None) if up else (Verdict.DOWN, Cause.ACCESS)
        covered.append(Span(verdict=verdict, cause=cause, start_ms=at, end_ms=at + length))
        at += length
    minutes = build_minutes(covered)
    first, last = -(-12_345 // MINUTE_MS), at // MINUTE_MS
    assert [minute.start_ms // MINUTE_MS for minute in minutes] == list(range(first, last))
    for minute in minutes:
        assert sum(entry.duration_ms for entry in minute.entries) == MINUTE_MS


def test_an_incident_is_one_though_its_cause_moves() -> None:
    """The longest part names it; one that lasts has no end."""
    parts = [
        Span(verdict=Verdict.DOWN, cause=Cause.GATEWAY, start_ms=0, end_ms=10),
        Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=10, end_ms=100),
        Span(verdict=Verdict.UP, cause=None, start_ms=100, end_ms=200),
        Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=200, end_ms=300),
    ]
    incidents = find_incidents(parts, now_ms=300)
    assert [(one.cause, one.start_ms, one.end_ms) for one in incidents] == [
        (Cause.ACCESS, 0, 100),
        (Cause.DNS, 200, None),
    ]


DAY_MS = 86_400_000


@settings(max_examples=3, deadline=None)
@given(
    cuts=st.lists(
        st.tuples(
            st.integers(0, DAY_MS),
            st.integers(500, 3_600_000),
            st.sampled_from(["gateway", "access", "upstream", "local"]),
        ),
        max_size=12,
    ),
    frozen=st.lists(st.tuples(st.integers(0, DAY_MS), st.integers(100, 600_000)), max_size=3),
    loss=st.sampled_from([0.0, 0.05]),
)
def test_a_simulated_day_adds_up_to_86_400_000_ms(
    cuts: list[tuple[int, int, str]], frozen: list[tuple[int, int]], loss: float
) -> None:
    """24 hours at speed through cadence, linkstate and ledger, whatever happened."""
    spans, _ = simulate(
        [Cut(start_ms=at, end_ms=at + length, where=where) for at, length, where in cuts],
        end_ms=DAY_MS,
        loss=loss,
        frozen=[(at, at + length) for at, length in frozen],
    )
    ledger = build_ledger({"link": spans}, [], 0, DAY_MS)
    assert sum(sum_spans(ledger).values()) == DAY_MS
    minutes = build_minutes(ledger)
    assert len(minutes) == 1_440
    assert all(
        sum(entry.duration_ms for entry in minute.entries) == MINUTE_MS for minute in minutes
    )


def test_a_timeline_refuses_to_rewrite_what_was_settled() -> None:
    """A change before all that is kept is a defect of the caller, and says so."""
    timeline = Timeline(Change(at_ms=1_000, verdict=Verdict.UNKNOWN, cause=Cause.AGENT))
    with pytest.raises(ValueError, match="999 would rewrite what was settled at 1000"):
        timeline.apply([Change(at_ms=999, verdict=Verdict.UP, cause=None)])
