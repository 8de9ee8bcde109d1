"""The tables for whoever looks closer: events, targets, services.

Rule of this file: pure, from records to rows of words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

import msgspec

from netwatch.core.ledger import find_incidents
from netwatch.records import Role, Span, Verdict
from netwatch.snapshot import Snapshot, TargetSnapshot
from netwatch.web.formats import (
    format_date,
    format_duration,
    format_instant,
    format_loss,
    format_milliseconds,
)
from netwatch.web.speech import say, say_finest

_EVENTS_SHOWN = 12
#: A restart of the agent leaves a shorter gap than this: the ledger has it, the list would drown.
_SHORTEST_GAP_MS = 60_000


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list of events."""

    start: str
    duration: str
    verdict: str
    what: str
    cause: str
    ongoing: bool


class TargetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One target; ``state`` as of a path's node."""

    name: str
    role: str
    address: str
    state: str
    state_text: str
    median: str
    p95: str
    jitter: str
    loss: str
    since: str
    detail: str
    certificate: str


def build_events(spans: Sequence[Span], end_ms: int, lang: str, zone: tzinfo) -> list[Event]:
    """The newest outages, degradations and gaps in the measurement, the newest first.

    Outages are whole incidents. Time not measured before the first known moment is
    no event: the agent was not there yet.
    """
    found: list[tuple[int, int, Verdict, str]] = [
        (
            incident.start_ms,
            end_ms if incident.end_ms is None else incident.end_ms,
            Verdict.DOWN,
            say_finest(lang, "cause", incident.cause.value),
        )
        for incident in find_incidents(spans, now_ms=end_ms)
    ]
    known_from_ms = find_first_known_ms(spans)
    for span in _join_verdicts(spans):
        gap = span.verdict is Verdict.UNKNOWN
        before = known_from_ms is None or span.start_ms < known_from_ms
        if gap and (before or span.duration_ms < _SHORTEST_GAP_MS):
            continue
        if (gap or span.verdict is Verdict.DEGRADED) and span.cause is not None:
            cause = say_finest(lang, "cause", span.cause.value, span.reason)
            found.append((span.start_ms, span.end_ms, span.verdict, cause))
    found.sort(reverse=True)
    return [
        Event(
            start=format_instant(lang, start_ms, zone, end_ms),
            duration=format_duration(lang, stop_ms - start_ms),
            verdict=verdict.value,
            what=say(lang, f"short.{verdict.value}"),
            cause=cause,
            ongoing=stop_ms >= end_ms,
        )
        for start_ms, stop_ms, verdict, cause in found[:_EVENTS_SHOWN]
    ]


def find_first_known_ms(spans: Iterable[Span]) -> int | None:
    """The first instant at which anything was known; None where nothing ever was.

    >>> find_first_known_ms([Span(verdict=Verdict.UNKNOWN, cause=None, start_ms=0, end_ms=5)])
    >>> find_first_known_ms([Span(verdict=Verdict.DOWN, cause=None, start_ms=5, end_ms=9)])
    5
    """
    return next((span.start_ms for span in spans if span.verdict is not Verdict.UNKNOWN), None)


def _join_verdicts(spans: Iterable[Span]) -> list[Span]:
    """Neighbours of one verdict as one, with the cause of the longer: one event, not two."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last is not None and last.end_ms == span.start_ms and last.verdict is span.verdict:
            longer = last if last.duration_ms >= span.duration_ms else span
            joined[-1] = msgspec.structs.replace(longer, start_ms=last.start_ms, end_ms=span.end_ms)
        else:
            joined.append(span)
    return joined


def build_target_rows(
    snapshot: Snapshot, lang: str, zone: tzinfo, *, services: bool
) -> list[TargetRow]:
    """A row for each target, in the order of the configuration; services apart."""
    return [
        _build_row(target, snapshot, lang, zone)
        for target in snapshot.targets
        if (target.summary.role is Role.SERVICE) is services
    ]


def _build_row(target: TargetSnapshot, snapshot: Snapshot, lang: str, zone: tzinfo) -> TargetRow:
    summary = target.summary
    state = "unknown" if summary.answered is None else "ok" if summary.answered else "bad"
    text = say(lang, f"node.{state}")
    if state == "bad" and snapshot.facts.fault is not None:
        # Our own cable is out: what cannot be seen is not said to fail.
        state, text = "unknown", say(lang, "node.beyond")
    expires_ms = target.measures.get("certificate_expires_ms")
    return TargetRow(
        name=summary.target,
        role=say(lang, f"role.{summary.role.value}"),
        address=summary.address,
        state=state,
        state_text=text,
        median=format_milliseconds(lang, summary.median_us),
        p95=format_milliseconds(lang, summary.p95_us),
        jitter=format_milliseconds(lang, summary.jitter_us),
        loss=format_loss(lang, summary.lost, summary.sent),
        since="–"
        if target.since_ms is None
        else format_instant(lang, target.since_ms, zone, snapshot.at_ms),
        detail=target.detail or "–",
        certificate="–" if expires_ms is None else format_date(lang, expires_ms, zone, year=True),
    )
