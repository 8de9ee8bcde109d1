"""A line on paper: truth in, the verdicts of cadence and linkstate out.

A slow event loop on an invented clock stands in for sockets and network. Nothing of
netwatch is replaced: the real cadence and the real linkstate run in it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence

import msgspec

from netwatch.core.cadence import Cadence
from netwatch.core.linkstate import (
    Line,
    OutageRule,
    begin,
    go_blind,
    hear_round,
    hear_witness,
    regain_sight,
)
from netwatch.core.round_plan import CadenceTarget
from netwatch.core.timeline import Timeline
from netwatch.records import Cause, Role, Slot, Span

TARGETS = (
    CadenceTarget(id="box", role=Role.GATEWAY),
    CadenceTarget(id="hop", role=Role.FIRST_HOP),
    *(CadenceTarget(id=f"net{index}", role=Role.INTERNET) for index in range(6)),
)


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """From start to end nothing beyond ``where`` answers; `local` is our own cable."""

    start_ms: int
    end_ms: int
    where: str  # gateway, access, upstream, local


REACH = {"gateway": (), "access": ("box",), "upstream": ("box", "hop"), "local": ()}


def simulate(  # noqa: PLR0912, PLR0915 -- an event loop reads best in one piece
    cuts: Sequence[Cut],
    *,
    end_ms: int,
    seed: int = 0,
    loss: float = 0.0,
    rtt_ms: int = 20,
    dead: Sequence[str] = (),
    icmp_dropped: bool = False,
    targets: Sequence[CadenceTarget] = TARGETS,
    timeout_ms: int = 2_000,
    frozen: Sequence[tuple[int, int]] = (),
    check: Callable[[Line], None] | None = None,
) -> tuple[list[Span], int]:
    """Play the line; returns the spans and the number of probes sent.

    ``frozen``: stretches in which the agent does not run at all.
    """
    chance = random.Random(seed)
    rule = OutageRule()
    cadence = Cadence(
        targets,
        interval_ms=5_000,
        burst_interval_ms=1_000,
        timeout_ms=timeout_ms,
        start_ms=0,
        offset_ms=chance.randrange(5_000),
    )
    line, first = begin(0)
    timeline = Timeline(first[0])
    spans: dict[int, Span] = {}
    events: list[tuple[int, int, str, object]] = []
    counter = 0
    sent = 0

    def push(at_ms: int, kind: str, payload: object) -> None:
        nonlocal counter
        counter += 1
        heapq.heappush(events, (thaw(at_ms), counter, kind, payload))

    def thaw(at_ms: int) -> int:
        for start, end in frozen:
            if start <= at_ms < end:
                return end
        return at_ms

    def cut_at(at_ms: int) -> Cut | None:
        return next((cut for cut in cuts if cut.start_ms <= at_ms < cut.end_ms), None)

    def answers(target_id: str, at_ms: int) -> bool:
        cut = cut_at(at_ms)
        if cut is not None and target_id not in REACH[cut.where]:
            return False
        if icmp_dropped and target_id.startswith("net"):
            return False
        return target_id not in dead and chance.random() >= loss

    def enter(step: tuple[Line, tuple]) -> None:  # type: ignore[type-arg] # a test's shorthand
        nonlocal line
        line, changes = step
        timeline.apply(changes)
        timeline.extend(line.settled_ms)
        for span in timeline.take_moved():
            for start in [start for start in spans if start >= span.start_ms]:
                del spans[start]
            spans[span.start_ms] = span
        if check is not None:
            check(line)

    for cut in cuts:
        if cut.where == "local":
            push(cut.start_ms + 250, "blind", None)
            push(cut.end_ms + 250, "sight", None)
    push(0, "wake", None)
    asked = False
    while events:
        now, _, kind, payload = heapq.heappop(events)
        if now > end_ms:
            break
        if kind == "blind":
            enter(go_blind(line, now, cause=Cause.LOCAL, reason="carrier"))
        elif kind == "sight":
            enter(regain_sight(line, now))
        elif kind == "witness":
            asked_ms, carries = payload  # type: ignore[misc] # as pushed below
            asked = False
            if not carries:
                enter(hear_witness(line, asked_ms, rule))
        elif kind == "settle":
            slot, sent_ms, rtt_us = payload  # type: ignore[misc] # as pushed below
            assert isinstance(slot, Slot)
            cadence.settle(slot, sent_ms=sent_ms, rtt_us=rtt_us, reason="timeout", now_ms=now)
        elif kind == "wake":
            for slot in cadence.take_due(now):
                sent += 1
                cadence.sent(slot, now)
                if answers(slot.target_id, now):
                    push(now + rtt_ms, "settle", (slot, now, rtt_ms * 1000))
                else:
                    push(now + timeout_ms, "settle", (slot, now, None))
        for round_ in cadence.take_rounds():
            enter(hear_round(line, round_, rule))
        if cadence.bursting and cadence.burst_rounds >= 2 and not asked:
            asked = True
            cut = cut_at(now)
            push(now + 950, "witness", (now, cut is None))
        wake = max(cadence.wake_ms(), now + 1) if kind == "wake" else cadence.wake_ms()
        push(max(wake, now), "wake", None) if kind == "wake" or wake < _next_wake(events) else None
    timeline.extend(line.settled_ms)
    for span in timeline.take_moved():
        spans[span.start_ms] = span
    return [spans[start] for start in sorted(spans)], sent


def _next_wake(events: Sequence[tuple[int, int, str, object]]) -> int:
    return min((at for at, _, kind, _ in events if kind == "wake"), default=1 << 60)
