"""The report of a month, computed from what was read.

Rule of this file: it puts the pure parts of `core` together into one `Report`, and rounds
only where the model says so. No store, clock, setting or language: equal inputs give
equal reports, which is how `verify` checks one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from netwatch.core.calendars import build_calendar, contract_year, covered_windows, month_window
from netwatch.core.contract import Contract, ContractPart, contract_at, contract_parts
from netwatch.core.intervals import Intervals, clip
from netwatch.core.penalties import sum_amounts
from netwatch.core.sla import (
    NOTHING,
    Availability,
    add_up,
    combine,
    complete_spans,
    excluded_time,
    measure_availability,
    measure_contract,
)
from netwatch.core.throughput import count_reasons
from netwatch.records import Span, Verdict
from netwatch.report.build_campaigns import build_campaigns
from netwatch.report.build_consequences import build_penalties, build_throughput, build_yearly
from netwatch.report.build_incidents import (
    build_exclusions,
    build_incident_book,
    build_incidents,
    summarise_incidents,
)
from netwatch.report.build_series import build_latency, build_series
from netwatch.report.build_terms import build_contract_section
from netwatch.report.identity import PeriodIdentity, iso_utc
from netwatch.report.inputs import ReportInputs
from netwatch.report.model import AvailabilityFigures, LedgerTotals, Report


def build_report(inputs: ReportInputs) -> Report:
    """The month's report; of a month that is not over, up to ``now_ms``.

    A month without any record gives a report of 0 % coverage. A month in the future gives
    one that covers nothing: every share in it is None. Raises ValueError for spans that
    overlap and for a calendar that cannot be read.
    """
    start, end = month_window(inputs.year, inputs.month, inputs.zone)
    until = max(start, min(end, inputs.now_ms))
    spans = complete_spans(inputs.spans, start, until)
    excluded = excluded_time(inputs.exclusions)
    parts = _parts(inputs.versions, start, until)
    # Beside the contract's own hours, time before its first version is shown all the same.
    every = _parts((*inputs.versions, Contract()), start, until)
    book = build_incident_book(inputs, start, until)
    by_contract = measure_contract(spans, parts, inputs.hours_of, excluded)
    contract = _figures(by_contract, *_commitment(inputs, spans, parts, excluded))
    lines = build_penalties(inputs, spans, parts, book)
    return Report(
        generated_at=iso_utc(inputs.now_ms),
        site=inputs.site,
        circuit=inputs.circuit,
        contract=build_contract_section(inputs, parts),
        period=PeriodIdentity(
            start=iso_utc(start),
            end=iso_utc(end),
            timezone=inputs.site.timezone,
            month=f"{inputs.year:04}-{inputs.month:02}",
            complete=until == end,
            until=iso_utc(until),
        ),
        rule=inputs.rule,
        ledger=_ledger(spans),
        availability=contract,
        calendars={
            "24/7": _calendar(inputs, spans, every, excluded, "24/7"),
            "contract": contract,
            "opening": _calendar(inputs, spans, every, excluded, inputs.opening_hours),
        },
        incidents=build_incidents(book, start, until),
        incident_summary=summarise_incidents(book, spans, start, until),
        yearly_interruption=build_yearly(inputs, spans, parts, start, until),
        throughput=build_throughput(inputs, start, until),
        latency=build_latency(inputs.targets, inputs.loss_timeout_ms),
        skipped=dict(sorted(inputs.skipped.items())),
        invalid=count_reasons(test.invalid for test in inputs.tests if start <= test.at_ms < until),
        exclusions=build_exclusions(inputs.exclusions, start, end),
        penalties=lines,
        penalties_total=sum_amounts(lines),
        campaigns=build_campaigns(inputs.campaigns, inputs.now_ms),
        simulated=inputs.simulated,
        evidence=inputs.evidence,
        method=inputs.method,
        series=build_series(inputs, spans, start, until),
    )


def measure_year_before(inputs: ReportInputs, spans: Iterable[Span]) -> Availability:
    """The contract year from its first day to the month, for `ReportInputs.year_before`.

    ``spans`` are the ledger of that time; what they do not cover is unknown.
    """
    start, _ = month_window(inputs.year, inputs.month, inputs.zone)
    first = contract_at(inputs.versions, start)
    since, _ = contract_year(first.contract_year_starts if first else None, start, inputs.zone)
    if since == start:
        return NOTHING
    return measure_contract(
        complete_spans(spans, since, start),
        _parts(inputs.versions, since, start),
        inputs.hours_of,
        excluded_time(inputs.exclusions),
    )


def _parts(versions: Sequence[Contract], start: int, until: int) -> tuple[ContractPart, ...]:
    return contract_parts(versions, start, until) if start < until else ()


def _ledger(spans: Iterable[Span]) -> LedgerTotals:
    totals = dict.fromkeys(Verdict, 0)
    causes: dict[Verdict, dict[str, int]] = {verdict: {} for verdict in Verdict}
    reasons: dict[str, int] = {}
    spans = tuple(spans)
    for (verdict, cause), duration in add_up(spans).items():
        totals[verdict] += duration
        if cause is not None:
            causes[verdict][cause.value] = duration
    for span in spans:
        if span.verdict is Verdict.UNKNOWN:
            reason = span.reason or "not_given"
            reasons[reason] = reasons.get(reason, 0) + span.duration_ms
    return LedgerTotals(
        up_ms=totals[Verdict.UP],
        degraded_ms=totals[Verdict.DEGRADED],
        down_ms=totals[Verdict.DOWN],
        unknown_ms=totals[Verdict.UNKNOWN],
        down_by_cause_ms=dict(sorted(causes[Verdict.DOWN].items())),
        degraded_by_cause_ms=dict(sorted(causes[Verdict.DEGRADED].items())),
        unknown_by_cause_ms=dict(sorted(causes[Verdict.UNKNOWN].items())),
        unknown_by_reason_ms=dict(sorted(reasons.items())),
    )


def _commitment(
    inputs: ReportInputs, spans: Sequence[Span], parts: Iterable[ContractPart], excluded: Intervals
) -> tuple[Fraction | None, bool | None, tuple[str, ...]]:
    """The target in force at the end, whether every part of the month met its own, the hours."""
    target: Fraction | None = None
    verdicts: list[bool | None] = []
    rules: tuple[str, ...] = ()
    for part in parts:
        target = part.contract.availability
        rules = inputs.hours_of(part.contract).calendar.rules
        figures = measure_contract(spans, [part], inputs.hours_of, excluded)
        if target is not None:
            verdicts.append(figures.met(target))
    met: bool | None = None
    if verdicts and None not in verdicts:
        met = all(verdicts)
    elif False in verdicts:
        met = False
    return target, met, rules


def _calendar(
    inputs: ReportInputs,
    spans: Sequence[Span],
    parts: Sequence[ContractPart],
    excluded: Intervals,
    spec: str | tuple[str, ...],
) -> AvailabilityFigures:
    """Another calendar's figures, by the causes that each part of the contract counts."""
    calendar = build_calendar(spec, inputs.holidays)
    figures = combine(
        measure_availability(
            spans,
            covered_windows(calendar, inputs.zone, part.start_ms, part.end_ms),
            clip(excluded, part.start_ms, part.end_ms),
            part.contract.counted_causes,
        )
        for part in parts
    )
    return _figures(figures, None, None, calendar.rules)


def _figures(
    figures: Availability, target: Fraction | None, met: bool | None, rules: tuple[str, ...]
) -> AvailabilityFigures:
    return AvailabilityFigures(
        measured=figures.measured,
        low=figures.low,
        high=figures.high,
        contractual=figures.contractual,
        contractual_low=figures.contractual_low,
        coverage=figures.coverage,
        target=target,
        met=met,
        covered_ms=figures.covered_ms,
        excluded_ms=figures.excluded_ms,
        up_ms=figures.up_ms,
        degraded_ms=figures.degraded_ms,
        down_ms=figures.down_ms,
        unknown_ms=figures.unknown_ms,
        counted_ms=figures.counted_ms,
        counted_after_exclusions_ms=figures.counted_after_exclusions_ms,
        rules=rules,
    )
