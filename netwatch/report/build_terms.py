"""The contract as a report prints it: its terms, version by version, and their problems.

Rule of this file: terms are copied, not judged; `core.contract_problems` judges them.
"""

from __future__ import annotations

from collections.abc import Sequence

from netwatch.core.contract import ContractPart
from netwatch.core.contract_problems import find_problems
from netwatch.report.identity import ContractSection, ContractTerms, iso_utc
from netwatch.report.inputs import ReportInputs


def build_contract_section(inputs: ReportInputs, parts: Sequence[ContractPart]) -> ContractSection:
    """The terms in force at the end of the period, and every version when there were more."""
    versions = tuple(_terms(inputs, part) for part in parts)
    return ContractSection(
        terms=versions[-1] if versions else None,
        versions=versions if len(versions) > 1 else (),
    )


def _terms(inputs: ReportInputs, part: ContractPart) -> ContractTerms:
    contract = part.contract
    calendar = inputs.hours_of(contract).calendar
    return ContractTerms(
        name=contract.name,
        start=iso_utc(part.start_ms),
        end=iso_utc(part.end_ms),
        availability=contract.availability,
        calendar=calendar.name,
        calendar_rules=calendar.rules,
        intervene_within_ms=contract.intervene_within_ms,
        restore_within_ms=contract.restore_within_ms,
        restore_from=contract.restore_from,
        yearly_interruption_ms=contract.yearly_interruption_ms,
        counted_causes=tuple(cause.value for cause in contract.counted_causes),
        recurrence_window_ms=contract.recurrence_window_ms,
        guaranteed_down=contract.guaranteed_down,
        guaranteed_up=contract.guaranteed_up,
        guaranteed_share=contract.guaranteed_share,
        max_rtt_us=contract.max_rtt_us,
        max_loss=contract.max_loss,
        monthly_fee=contract.monthly_fee,
        penalties=contract.penalties,
        problems=find_problems(contract),
    )
