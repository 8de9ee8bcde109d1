"""The incidents and exclusions of a month, as the report lists them.

Rule of this file: every incident that touches the month is listed with its whole length;
what of it lies in the month stands beside. Nothing is measured here that `core` does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from netwatch.core.contract import Contract, contract_at
from netwatch.core.incidents import Account, Annotation, settle_incidents
from netwatch.core.intervals import Intervals, total
from netwatch.core.outages import find_outages, mean_time_between_failures, mean_time_to_restore
from netwatch.core.sla import Exclusion, available_time, complete_spans, excluded_time
from netwatch.records import Span
from netwatch.report.identity import iso_utc
from netwatch.report.inputs import ReportInputs
from netwatch.report.model import (
    AnnotationEntry,
    ExclusionEntry,
    IncidentEntry,
    IncidentPart,
    IncidentSummary,
    Pause,
)


class IncidentBook(msgspec.Struct, frozen=True, kw_only=True):
    """Every incident that the given spans know, in the month or around it."""

    accounts: tuple[Account, ...]
    versions: tuple[Contract, ...]
    excluded: Intervals


def build_incident_book(inputs: ReportInputs, start: int, until: int) -> IncidentBook:
    """Settle all outages, those before the month too: one may be the first of a chain.

    Outages are looked for as far as the spans reach; what is known after ``now_ms`` is
    not looked at.
    """
    first = min([start, *(span.start_ms for span in inputs.spans)])
    last = max([until, *(min(span.end_ms, inputs.now_ms) for span in inputs.spans)])
    spans = complete_spans(inputs.spans, first, last) if first < last else ()
    excluded = excluded_time(inputs.exclusions)
    return IncidentBook(
        accounts=settle_incidents(
            find_outages(spans), inputs.annotations, inputs.versions, inputs.hours_of, excluded
        ),
        versions=inputs.versions,
        excluded=excluded,
    )


def build_incidents(book: IncidentBook, start: int, until: int) -> tuple[IncidentEntry, ...]:
    """Those that touch ``[start, until)``, in order."""
    return tuple(
        _entry(account, book.versions, start, until)
        for account in book.accounts
        if account.outage.start_ms < until and account.outage.last_ms > start
    )


def summarise_incidents(
    book: IncidentBook, spans: Iterable[Span], start: int, until: int
) -> IncidentSummary:
    """How many, MTTR over those restored in the period, MTBF over those begun in it."""
    outages = [account.outage for account in book.accounts]
    touching = [each for each in outages if each.start_ms < until and each.last_ms > start]
    restored = [each for each in touching if each.last_ms <= until]
    begun = [each for each in touching if each.start_ms >= start]
    return IncidentSummary(
        count=len(touching),
        mean_time_to_restore_ms=_nearest(mean_time_to_restore(restored)),
        mean_time_between_failures_ms=_nearest(
            mean_time_between_failures(begun, total(available_time(spans)))
        ),
    )


def build_exclusions(
    exclusions: Sequence[Exclusion], start: int, end: int
) -> tuple[ExclusionEntry, ...]:
    """The entries that touch the month, withdrawn ones too, with those that they overlap."""
    inside = [each for each in exclusions if each.start_ms < end and each.end_ms > start]
    return tuple(
        ExclusionEntry(
            id=each.id,
            started_at=iso_utc(each.start_ms),
            ended_at=iso_utc(each.end_ms),
            reason=each.reason,
            kind=each.kind,
            author=each.author,
            entered_at=iso_utc(each.entered_ms),
            notice_at=_iso(each.notice_ms),
            after_the_fact=each.after_the_fact,
            withdrawn_at=_iso(each.withdrawn_ms),
            overlaps=tuple(
                other.id
                for other in inside
                if other is not each
                and other.withdrawn_ms is None
                and other.start_ms < each.end_ms
                and other.end_ms > each.start_ms
            ),
        )
        for each in sorted(inside, key=lambda each: (each.start_ms, each.id))
    )


def _entry(account: Account, versions: Sequence[Contract], start: int, until: int) -> IncidentEntry:
    outage, merged = account.outage, account.merged
    contract = contract_at(versions, outage.start_ms)
    causes = contract.counted_causes if contract else ()
    return IncidentEntry(
        id=outage.id,
        cause=outage.cause.value,
        started_at=iso_utc(outage.start_ms),
        ended_at=_iso(outage.end_ms),
        duration_ms=outage.duration_ms,
        covered_ms=account.covered_ms,
        counted_ms=account.counted_ms,
        in_period_ms=min(outage.last_ms, until) - max(outage.start_ms, start),
        counted=any(part.cause in causes for part in outage.parts),
        start_seen=outage.start_seen,
        end_seen=outage.end_seen,
        parts=tuple(
            IncidentPart(
                cause=part.cause.value,
                started_at=iso_utc(part.start_ms),
                ended_at=iso_utc(part.end_ms),
                duration_ms=part.end_ms - part.start_ms,
            )
            for part in outage.parts
        ),
        clock_started_at=iso_utc(account.clock_start_ms),
        clock_from=account.clock_from,
        restore_deadline=_iso(account.deadline_ms),
        restore_met=account.restore_met,
        recurrence_of=account.recurrence_of,
        ticket=merged.ticket if merged else None,
        reported_at=_iso(merged.reported_ms) if merged else None,
        closed_at=_iso(merged.closed_ms) if merged else None,
        parent=merged.parent if merged else None,
        pauses=_pauses(merged),
        annotations=tuple(_annotation(entry) for entry in account.annotations),
    )


def _annotation(entry: Annotation) -> AnnotationEntry:
    return AnnotationEntry(
        author=entry.author,
        entered_at=iso_utc(entry.entered_ms),
        ticket=entry.ticket,
        reported_at=_iso(entry.reported_ms),
        closed_at=_iso(entry.closed_ms),
        pauses=_pauses(entry),
        answer=entry.answer,
        note=entry.note,
        parent=entry.parent,
    )


def _pauses(entry: Annotation | None) -> tuple[Pause, ...]:
    if entry is None:
        return ()
    return tuple(
        Pause(
            started_at=iso_utc(pause.start_ms), ended_at=iso_utc(pause.end_ms), reason=pause.reason
        )
        for pause in entry.pauses
    )


def _iso(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else iso_utc(instant_ms)


def _nearest(duration_ms: Fraction | None) -> int | None:
    """The whole millisecond, half a one up: rendering, as the model says."""
    return None if duration_ms is None else math.floor(duration_ms + Fraction(1, 2))
