"""A story of a line: what happened to it and to its agent, and the ledger that must follow.

The law of this file: the ledger that a story should give (`expect_ledger`) is reckoned
from the story alone, by another way than the program's, so that a simulated month tests
the store and the ledger. Pure; instants are UTC milliseconds; it knows no file and no
configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from netwatch.core.intervals import (
    Interval,
    Intervals,
    clip,
    difference,
    intersection,
    normalise,
    union,
)
from netwatch.core.ledger import MINIMUM_DNS_MS, join_equal
from netwatch.records import Cause, Span, Verdict

#: From the power coming back until the agent measures again.
BOOT_MS = 30_000


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """The line is down; those of gateway, access and upstream exclude one another."""

    cause: Cause
    start_ms: int
    end_ms: int


class Degradation(msgspec.Struct, frozen=True, kw_only=True):
    """The line carries traffic outside a threshold; two of them exclude one another."""

    cause: Cause  # loss or latency
    start_ms: int
    end_ms: int
    loss: float = 0.0  # share of the probes, on top of the usual
    added_rtt_us: int = 0


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """The agent does not run; two of them never overlap."""

    reason: Literal["stopped", "crashed", "power_loss"]
    start_ms: int
    end_ms: int


class LostClock(msgspec.Struct, frozen=True, kw_only=True):
    """The power blinks at the start, and the device does not know the time until the end.

    With ``never`` the power goes again at the end, before it was told: the records of
    that time have no place in it, and stay unknown. They never overlap an absence.
    """

    start_ms: int
    end_ms: int
    never: bool = False


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in ``[start_ms, end_ms)``; parts that lie outside are cut off."""

    start_ms: int
    end_ms: int
    outages: tuple[Outage, ...] = ()
    degradations: tuple[Degradation, ...] = ()
    absences: tuple[Absence, ...] = ()
    cable_out: Intervals = ()
    lost_clocks: tuple[LostClock, ...] = ()


class AgentLife(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the agent. ``clock_from_ms``: when it knew the time; None: never."""

    start_ms: int
    end_ms: int
    boot: int  # counted from 0
    clean: bool  # it took its leave
    clock_from_ms: int | None


def shorten_story(story: Story, end_ms: int) -> Story:
    """The same until an earlier end.

    >>> shorten_story(Story(start_ms=0, end_ms=9), 5).end_ms
    5
    """
    return msgspec.structs.replace(story, end_ms=min(story.end_ms, end_ms))


def plan_lives(story: Story) -> list[AgentLife]:
    """The runs of the agent, in order.

    >>> off = Absence(reason="crashed", start_ms=40, end_ms=60)
    >>> [(life.start_ms, life.end_ms, life.boot, life.clean)
    ...  for life in plan_lives(Story(start_ms=0, end_ms=100, absences=(off,)))]
    [(0, 40, 0, False), (60, 100, 0, True)]
    """
    lives: list[AgentLife] = []
    boot = 0
    at_ms = story.start_ms
    clock_from_ms: int | None = story.start_ms
    for pause in (*_list_pauses(story), None):
        end_ms = story.end_ms if pause is None else min(pause.start_ms, story.end_ms)
        if end_ms > at_ms:
            told_ms = None if clock_from_ms is None else max(at_ms, clock_from_ms)
            lives.append(
                AgentLife(
                    start_ms=at_ms,
                    end_ms=end_ms,
                    boot=boot,
                    clean=pause is None or end_ms < pause.start_ms or pause.reason == "stopped",
                    clock_from_ms=None if told_ms is None or told_ms >= end_ms else told_ms,
                )
            )
        if pause is None or pause.start_ms >= story.end_ms:
            break
        boot += pause.reason == "power_loss"
        at_ms = max(at_ms, pause.end_ms)
        clock_from_ms = pause.clock_from_ms
    return lives


class _Pause(msgspec.Struct, frozen=True, kw_only=True):
    reason: str
    start_ms: int
    end_ms: int
    clock_from_ms: int | None


def _list_pauses(story: Story) -> list[_Pause]:
    pauses = [
        _Pause(
            reason=each.reason,
            start_ms=each.start_ms,
            end_ms=each.end_ms,
            clock_from_ms=each.end_ms,
        )
        for each in story.absences
    ]
    for each in story.lost_clocks:
        first = _Pause(
            reason="power_loss",
            start_ms=each.start_ms,
            end_ms=each.start_ms + BOOT_MS,
            clock_from_ms=None if each.never else each.end_ms,
        )
        pauses.append(first)
        if each.never:
            again_ms = max(each.end_ms, first.end_ms)
            pauses.append(
                _Pause(
                    reason="power_loss",
                    start_ms=again_ms,
                    end_ms=again_ms + BOOT_MS,
                    clock_from_ms=again_ms + BOOT_MS,
                )
            )
    return sorted(pauses, key=lambda pause: pause.start_ms)


def paint_layers(story: Story, life: AgentLife) -> dict[str, list[Span]]:
    """What an agent that lived then would have entered, by layer: link, dns, quality.

    Every layer but `quality` covers the whole life.
    """
    from_ms, to_ms = life.start_ms, life.end_ms
    cable = clip(normalise(story.cable_out), from_ms, to_ms)
    link = _span_each(cable, Verdict.UNKNOWN, Cause.LOCAL, "carrier")
    taken = cable
    for outage in story.outages:
        if outage.cause is not Cause.DNS:
            parts = difference(clip(_one(outage), from_ms, to_ms), taken)
            link += _span_each(parts, Verdict.DOWN, outage.cause)
            taken = union(taken, parts)
    link += _span_each(difference(((from_ms, to_ms),), taken), Verdict.UP, None)
    dns_down = difference(clip(_dns_outages(story), from_ms, to_ms), cable)
    dns = _span_each(cable, Verdict.UNKNOWN, Cause.LOCAL, "carrier")
    dns += _span_each(dns_down, Verdict.DOWN, Cause.DNS)
    dns += _span_each(difference(((from_ms, to_ms),), union(cable, dns_down)), Verdict.UP, None)
    quality = [
        span
        for each in story.degradations
        for span in _span_each(clip(_one(each), from_ms, to_ms), Verdict.DEGRADED, each.cause)
    ]
    return {
        "link": _in_order(link),
        "dns": _in_order(dns),
        "quality": _in_order(quality),
    }


def expect_ledger(story: Story) -> list[Span]:
    """The ledger that the story's store must give: ordered, without hole, without reasons.

    >>> down = Outage(cause=Cause.ACCESS, start_ms=20, end_ms=30)
    >>> [(span.verdict.value, span.start_ms, span.end_ms)
    ...  for span in expect_ledger(Story(start_ms=0, end_ms=40, outages=(down,)))]
    [('up', 0, 20), ('down', 20, 30), ('up', 30, 40)]
    """
    whole: Intervals = ((story.start_ms, story.end_ms),)
    known = intersection(
        whole, normalise((life.start_ms, life.end_ms) for life in _placed_lives(story))
    )
    cable = intersection(normalise(story.cable_out), known)
    undated = intersection(difference(whole, known), _undated(story))
    spans = _span_each(undated, Verdict.UNKNOWN, Cause.CLOCK)
    spans += _span_each(difference(difference(whole, known), undated), Verdict.UNKNOWN, Cause.AGENT)
    spans += _span_each(cable, Verdict.UNKNOWN, Cause.LOCAL)
    carrying = difference(known, cable)
    for cause in (Cause.GATEWAY, Cause.ACCESS, Cause.UPSTREAM):
        down = normalise(
            (each.start_ms, each.end_ms) for each in story.outages if each.cause is cause
        )
        spans += _span_each(intersection(down, carrying), Verdict.DOWN, cause)
    down = normalise(
        (each.start_ms, each.end_ms) for each in story.outages if each.cause is not Cause.DNS
    )
    carrying = difference(carrying, down)
    # A shorter failing of the resolvers is no outage of the line (core.ledger).
    dns = tuple(
        part
        for part in intersection(_dns_outages(story), carrying)
        if part[1] - part[0] >= MINIMUM_DNS_MS
    )
    spans += _span_each(dns, Verdict.DOWN, Cause.DNS)
    carrying = difference(carrying, dns)
    for each in story.degradations:
        parts = intersection(_one(each), carrying)
        spans += _span_each(parts, Verdict.DEGRADED, each.cause)
        carrying = difference(carrying, parts)
    return _in_order(spans + _span_each(carrying, Verdict.UP, None))


def _placed_lives(story: Story) -> list[AgentLife]:
    """The lives whose records have a place in time: that boot knew it, then or later."""
    lives = plan_lives(story)
    told = {life.boot for life in lives if life.clock_from_ms is not None}
    return [life for life in lives if life.boot in told]


def _undated(story: Story) -> Intervals:
    """How long those lived who never knew the time, laid before the next that did."""
    found: list[Interval] = []
    placed = {(life.start_ms, life.boot) for life in _placed_lives(story)}
    waiting_ms = 0
    for life in plan_lives(story):
        if (life.start_ms, life.boot) in placed:
            found.append((life.start_ms - waiting_ms, life.start_ms))
            waiting_ms = 0
        else:
            waiting_ms += life.end_ms - life.start_ms
    if waiting_ms:  # whoever knows the time next has not come: all is open
        last_ms = max((life.end_ms for life in _placed_lives(story)), default=story.start_ms)
        found.append((last_ms, story.end_ms))
    return normalise(found)


def _dns_outages(story: Story) -> Intervals:
    return normalise(
        (each.start_ms, each.end_ms) for each in story.outages if each.cause is Cause.DNS
    )


def _one(event: Outage | Degradation) -> Intervals:
    return ((event.start_ms, event.end_ms),) if event.start_ms < event.end_ms else ()


def _span_each(
    parts: Iterable[Interval], verdict: Verdict, cause: Cause | None, reason: str | None = None
) -> list[Span]:
    return [
        Span(verdict=verdict, cause=cause, reason=reason, start_ms=start_ms, end_ms=end_ms)
        for start_ms, end_ms in parts
    ]


def _in_order(spans: Sequence[Span]) -> list[Span]:
    return join_equal(sorted(spans, key=lambda span: span.start_ms))
