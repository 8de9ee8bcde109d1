"""What a month's figures lead to: throughput against the guarantee, the year, penalties.

Rule of this file: facts for `core.penalties` are gathered here, part by part of the
contract; nothing is priced here. A case is charged in the month in which it was restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from netwatch.core.calendars import contract_year
from netwatch.core.contract import Contract, ContractPart, contract_at, contract_parts
from netwatch.core.incidents import build_cases
from netwatch.core.intervals import Intervals, clip
from netwatch.core.penalties import PenaltyLine, charge_penalties
from netwatch.core.penalty_bases import Facts
from netwatch.core.sla import (
    NOTHING,
    Availability,
    combine,
    excluded_time,
    measure_availability,
    measure_contract,
)
from netwatch.core.throughput import Direction, ThroughputTest, summarise_tests
from netwatch.records import Span
from netwatch.report.build_incidents import IncidentBook
from netwatch.report.identity import iso_utc
from netwatch.report.inputs import ReportInputs
from netwatch.report.model import Throughput, ThroughputFigures, YearlyInterruption


def build_throughput(inputs: ReportInputs, start: int, until: int) -> Throughput:
    """Both directions, against the guarantee in force at the end of the period."""
    contract = contract_at(inputs.versions, max(start, until - 1)) or Contract()
    tests = [test for test in inputs.tests if start <= test.at_ms < until]
    share = contract.guaranteed_share
    return Throughput(
        down=_direction(tests, "down", contract.guaranteed_down, share),
        up=_direction(tests, "up", contract.guaranteed_up, share),
    )


def build_yearly(
    inputs: ReportInputs,
    spans: Sequence[Span],
    parts: Sequence[ContractPart],
    start: int,
    until: int,
) -> YearlyInterruption:
    """The contract year up to ``until``, with its coverage.

    Where the contract year begins within the month, only what follows is in it.
    """
    last = max(start, until - 1)
    contract = contract_at(inputs.versions, last) or Contract()
    since, _ = contract_year(contract.contract_year_starts, last, inputs.zone)
    before = inputs.year_before if since <= start else NOTHING
    inside = contract_parts(inputs.versions, since, until) if start < since < until else parts
    whole = combine(
        [before, measure_contract(spans, inside, inputs.hours_of, excluded_time(inputs.exclusions))]
    )
    return YearlyInterruption(
        used_ms=whole.counted_after_exclusions_ms,
        used_before_ms=before.counted_after_exclusions_ms,
        allowed_ms=contract.yearly_interruption_ms,
        start=iso_utc(since),
        until=iso_utc(until),
        coverage=whole.coverage,
    )


def build_penalties(
    inputs: ReportInputs, spans: Sequence[Span], parts: Iterable[ContractPart], book: IncidentBook
) -> tuple[PenaltyLine, ...]:
    """Every rule of every version that was in force, each on its part of the month.

    The yearly allowance goes on from `ReportInputs.year_before`; where the contract year
    begins anew within the month it is counted as one with the year that ends.
    """
    cases = build_cases(book.accounts, inputs.versions, inputs.hours_of, book.excluded)
    used = inputs.year_before.counted_after_exclusions_ms
    lines: list[PenaltyLine] = []
    for part in parts:
        figures = measure_contract(spans, [part], inputs.hours_of, book.excluded)
        facts = Facts(
            cases=tuple(
                case
                for case in cases
                if case.end_ms is not None and part.start_ms < case.end_ms <= part.end_ms
            ),
            availability=figures.contractual,
            interruption_ms=figures.counted_after_exclusions_ms,
            interruption_elapsed_ms=_elapsed(
                spans, part, book.excluded
            ).counted_after_exclusions_ms,
            year_used_before_ms=used,
            year_used_ms=used + figures.counted_after_exclusions_ms,
            tests_met=_tests_met(inputs.tests, part),
            charged_before=inputs.charged_before,
            share_of_month=part.share_of_period,
        )
        used = facts.year_used_ms
        lines += charge_penalties(part.contract, facts)
    return tuple(lines)


def _elapsed(spans: Sequence[Span], part: ContractPart, excluded: Intervals) -> Availability:
    return measure_availability(
        spans,
        ((part.start_ms, part.end_ms),),
        clip(excluded, part.start_ms, part.end_ms),
        part.contract.counted_causes,
    )


def _tests_met(tests: Sequence[ThroughputTest], part: ContractPart) -> dict[str, Fraction]:
    inside = [test for test in tests if part.start_ms <= test.at_ms < part.end_ms]
    shares = {
        "down": summarise_tests(inside, "down", part.contract.guaranteed_down).share_met,
        "up": summarise_tests(inside, "up", part.contract.guaranteed_up).share_met,
    }
    return {direction: share for direction, share in shares.items() if share is not None}


def _direction(
    tests: Sequence[ThroughputTest],
    direction: Direction,
    guaranteed: int | None,
    share: Fraction,
) -> ThroughputFigures:
    figures = summarise_tests(tests, direction, guaranteed, share)
    return ThroughputFigures(
        tests=figures.tests,
        valid=figures.valid,
        median=figures.median,
        p10=figures.p10,
        p20=figures.p20,
        p90=figures.p90,
        minimum=figures.minimum,
        maximum=figures.maximum,
        guaranteed=guaranteed,
        guaranteed_share=None if guaranteed is None else share,
        share_met=figures.share_met,
        met=figures.met,
    )
