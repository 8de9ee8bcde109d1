"""Made-up probes of a story: what each check would have found, seeded.

Rule of this file: an observation never contradicts the story: who cannot answer then
does not. Pure; the times of a run's scale come in as an offset.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import tzinfo

import msgspec

from netwatch.core.calendars import local_time
from netwatch.core.intervals import Interval
from netwatch.core.scenario import Degradation, Outage, Story
from netwatch.records import Cause, Check, Observation, Outcome, Role

#: How many round trips a target has to draw from, and how much busier a line is by hour.
_POOL = 997
_BUSY_HOURS = range(8, 23)
_PEAK_HOURS = range(18, 23)
#: What still answers while the line is cut there.
_ANSWERING: Mapping[Cause, frozenset[Role]] = {
    Cause.GATEWAY: frozenset(),
    Cause.ACCESS: frozenset({Role.GATEWAY}),
    Cause.UPSTREAM: frozenset({Role.GATEWAY, Role.FIRST_HOP}),
}


class UsualRtt(msgspec.Struct, frozen=True, kw_only=True):
    base_us: int
    jitter_us: int
    loss: float


#: What goes on in a window: outages, degradations, the cable out.
_Trouble = tuple[Sequence[Outage], Sequence[Degradation], Sequence[Interval]]


class _Maker:
    """One check's own numbers."""

    def __init__(self, check: Check, usual: UsualRtt, offset_ms: int, seed: str) -> None:
        rng = random.Random(seed)  # noqa: S311 - samples, no secrets
        self.check = check
        self.usual = usual
        self.offset_ms = offset_ms
        quiet = [
            usual.base_us + int(usual.jitter_us * min(rng.gammavariate(2.0, 0.5), 12.0))
            for _ in range(_POOL)
        ]
        #: By how busy the hour is: 0, 1, 2.
        self.pools = [
            [
                base + (base - usual.base_us) * busy // 2 + usual.jitter_us * busy // 4
                for base in quiet
            ]
            for busy in range(3)
        ]


class Sampler:
    """Draws the observations of one window after the other."""

    def __init__(
        self,
        *,
        story: Story,
        checks: Sequence[Check],
        usual: Mapping[str, UsualRtt],
        zone: tzinfo,
        seed: int,
    ) -> None:
        self._story = story
        self._zone = zone
        self._rng = random.Random(seed)  # noqa: S311 - samples, no secrets
        self._makers = [
            _Maker(
                check,
                usual[check.id],
                index * check.every_ms // max(1, len(checks)),
                f"{seed}/{check.id}",
            )
            for index, check in enumerate(checks)
        ]

    def draw(self, from_ms: int, to_ms: int, offset_ms: int) -> list[Observation]:
        """What is due in ``[from_ms, to_ms)`` (UTC); ``offset_ms`` is UTC less the run's scale."""
        story = self._story
        outages = [
            each for each in story.outages if each.start_ms < to_ms and each.end_ms > from_ms
        ]
        degraded = [
            each for each in story.degradations if each.start_ms < to_ms and each.end_ms > from_ms
        ]
        cable = [part for part in story.cable_out if part[0] < to_ms and part[1] > from_ms]
        trouble = (outages, degraded, cable)
        hour = local_time(from_ms, self._zone).hour
        busy = (hour in _BUSY_HOURS) + (hour in _PEAK_HOURS)
        found: list[Observation] = []
        for maker in self._makers:
            every_ms = maker.check.every_ms
            first_ms = from_ms + (maker.offset_ms - from_ms) % every_ms
            due = range(first_ms, to_ms, every_ms)
            if any(trouble):
                found += [
                    self._draw_troubled(maker, at_ms, offset_ms, busy, trouble) for at_ms in due
                ]
            else:
                found += self._draw_quiet(maker, due, offset_ms, busy)
        return found

    def _draw_quiet(
        self, maker: _Maker, due: range, offset_ms: int, busy: int
    ) -> list[Observation]:
        check_id, answered = maker.check.id, Outcome.ANSWERED
        rtts = self._rng.choices(maker.pools[busy], k=len(due))
        found = [
            Observation(
                check_id=check_id,
                due_ms=at_ms - offset_ms,
                started_ms=at_ms - offset_ms + (rtt_us & 1),
                elapsed_ms=rtt_us // 1000,
                outcome=answered,
                measures={"rtt_us": rtt_us},
            )
            for at_ms, rtt_us in zip(due, rtts, strict=True)
        ]
        if due and self._rng.random() < maker.usual.loss * len(due):
            index = self._rng.randrange(len(due))
            found[index] = _lost(maker.check, due[index] - offset_ms)
        return found

    def _draw_troubled(
        self, maker: _Maker, at_ms: int, offset_ms: int, busy: int, trouble: _Trouble
    ) -> Observation:
        check, due_ms = maker.check, at_ms - offset_ms
        outages, degraded, cable = trouble
        if any(start_ms <= at_ms < end_ms for start_ms, end_ms in cable):
            return Observation(
                check_id=check.id,
                due_ms=due_ms,
                started_ms=due_ms,
                elapsed_ms=0,
                outcome=Outcome.UNKNOWN,
                reason="network_down",
            )
        if any(_silences(each, check) for each in outages if each.start_ms <= at_ms < each.end_ms):
            return _lost(check, due_ms)
        loss, added_us = maker.usual.loss, 0
        for each in degraded:
            if each.start_ms <= at_ms < each.end_ms and check.role is not Role.GATEWAY:
                loss, added_us = loss + each.loss, added_us + each.added_rtt_us
        if self._rng.random() < loss:
            return _lost(check, due_ms)
        rtt_us = self._rng.choice(maker.pools[busy]) + added_us
        return Observation(
            check_id=check.id,
            due_ms=due_ms,
            started_ms=due_ms + (rtt_us & 1),
            elapsed_ms=rtt_us // 1000,
            outcome=Outcome.ANSWERED,
            measures={"rtt_us": rtt_us},
        )


def _silences(outage: Outage, check: Check) -> bool:
    if outage.cause is Cause.DNS:
        return check.role is Role.RESOLVER
    return check.role not in _ANSWERING[outage.cause]


def _lost(check: Check, due_ms: int) -> Observation:
    return Observation(
        check_id=check.id,
        due_ms=due_ms,
        started_ms=due_ms,
        elapsed_ms=check.timeout_ms,
        outcome=Outcome.FAILED,
        reason="timeout",
    )
