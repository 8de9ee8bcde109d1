"""Outages: the maximal stretches of ``down``, as the line shows them, without any contract.

Rule of this file: where the cause changes inside an outage it stays one, with parts, and
carries the cause that held longest (the first of equals). Unknown time ends an outage,
for nobody saw the line then; whether beginning and end were seen is kept. It knows no
clock, zone, store or contract: all is UTC. Degraded time is no outage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec

from netwatch.core.stats import share
from netwatch.records import Cause, Span, Verdict


class Part(msgspec.Struct, frozen=True, kw_only=True):
    cause: Cause
    start_ms: int
    end_ms: int


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A maximal stretch of down. ``end_ms`` None: it goes on where the spans end.

    ``start_seen`` is False when unknown time, or nothing, precedes: it may have begun
    earlier. ``end_seen`` is False when unknown time follows, or nothing yet.
    """

    id: str
    cause: Cause
    parts: tuple[Part, ...]
    start_ms: int
    end_ms: int | None
    last_ms: int  # the end, or the last instant that is known
    start_seen: bool
    end_seen: bool

    @property
    def duration_ms(self) -> int:
        """Of what was seen of it, whatever the month or the calendar."""
        return self.last_ms - self.start_ms


def incident_id(start_ms: int) -> str:
    """The name of the incident that begins then; it never changes.

    >>> incident_id(1_793_491_200_250), incident_id(1_793_491_200_000)
    ('20261101T000000.250Z', '20261101T000000Z')
    """
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=start_ms)
    text = moment.strftime("%Y%m%dT%H%M%S")
    return f"{text}.{start_ms % 1000:03d}Z" if start_ms % 1000 else f"{text}Z"


def find_outages(spans: Sequence[Span]) -> tuple[Outage, ...]:
    """The outages in spans that follow one another without gap (`sla.complete_spans`).

    Give spans from well before the month to well after it: an outage that the first or
    the last instant cuts is known only in part, and says so.

    >>> def down(cause, start, end):
    ...     return Span(verdict=Verdict.DOWN, cause=cause, start_ms=start, end_ms=end)
    >>> up = Span(verdict=Verdict.UP, cause=None, start_ms=40, end_ms=50)
    >>> outage, = find_outages([down(Cause.ACCESS, 0, 10), down(Cause.UPSTREAM, 10, 40), up])
    >>> outage.cause.value, len(outage.parts), outage.duration_ms, outage.start_seen
    ('upstream', 2, 40, False)
    """
    found: list[Outage] = []
    index = 0
    while index < len(spans):
        if spans[index].verdict is not Verdict.DOWN:
            index += 1
            continue
        first = index
        while index < len(spans) and spans[index].verdict is Verdict.DOWN:
            index += 1
        before = spans[first - 1] if first else None
        after = spans[index] if index < len(spans) else None
        found.append(_build_outage(spans[first:index], before, after))
    return tuple(found)


def mean_time_to_restore(outages: Iterable[Outage]) -> Fraction | None:
    """MTTR in ms, over the outages whose end was seen; None without one."""
    ended = [each.duration_ms for each in outages if each.end_seen]
    return share(sum(ended), len(ended))


def mean_time_between_failures(outages: Sequence[Outage], working_ms: int) -> Fraction | None:
    """MTBF in ms: the time known to have worked, over the outages that began in it.

    >>> mean_time_between_failures([], 5) is None
    True
    """
    return share(working_ms, len(outages))


def _build_outage(downs: Sequence[Span], before: Span | None, after: Span | None) -> Outage:
    parts: list[Part] = []
    held: dict[Cause, int] = {}
    for span in downs:
        if span.cause is None:
            raise ValueError(f"a span that is down has a cause, got none at {span.start_ms}")
        held[span.cause] = held.get(span.cause, 0) + span.duration_ms
        if parts and parts[-1].cause is span.cause:
            parts[-1] = msgspec.structs.replace(parts[-1], end_ms=span.end_ms)
        else:
            parts.append(Part(cause=span.cause, start_ms=span.start_ms, end_ms=span.end_ms))
    start, last = downs[0].start_ms, downs[-1].end_ms
    return Outage(
        id=incident_id(start),
        cause=max(held, key=lambda cause: held[cause]),
        parts=tuple(parts),
        start_ms=start,
        end_ms=None if after is None else last,
        last_ms=last,
        start_seen=before is not None and before.verdict is not Verdict.UNKNOWN,
        end_seen=after is not None and after.verdict is not Verdict.UNKNOWN,
    )
