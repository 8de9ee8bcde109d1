"""What a penalty rule has to charge: days, hours, slices and shares, before any price.

Rule of this file: from facts to bases, each a record from which the amount can be
recomputed by hand and said in any language. No money is reckoned here; that is
`penalties`. It knows no spans, zone or store.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import msgspec

from netwatch.core.contract import (
    AvailabilityTiers,
    Contract,
    DurationSlices,
    Money,
    PenaltyRule,
    PerTime,
    Rounding,
    ThroughputBelow,
)
from netwatch.core.incidents import Case
from netwatch.core.intervals import advance, clip, total


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the stretch that one version of the contract governed.

    ``cases`` are those whose restoration fell in it. ``charged_before`` is what each rule
    has already charged, by (rule, ``"month"``, ``"quarter"`` or ``"year"``), of the
    period that this stretch is in. ``share_of_month`` prorates the charge of rules that
    look at a month as a whole, when the contract changed inside it.
    """

    cases: tuple[Case, ...] = ()
    availability: Fraction | None = None  # contractual
    interruption_ms: int = 0  # counted in covered hours, after exclusions
    interruption_elapsed_ms: int = 0  # the same in all hours
    year_used_before_ms: int = 0  # of the IMS, when the stretch began
    year_used_ms: int = 0  # and when it ended
    tests_met: Mapping[str, Fraction] = {}  # direction: share of valid tests at the guarantee
    charged_before: Mapping[tuple[str, str], Decimal] = {}
    share_of_month: Fraction = Fraction(1)


class PenaltyBasis(msgspec.Struct, frozen=True, kw_only=True):
    """From what an amount follows: enough to recompute it, and to say it in any language."""

    kind: str
    scope: str  # incident, month, year
    incident: str | None = None
    recurrences: tuple[str, ...] = ()  # later incidents of the same chain
    duration_ms: int | None = None  # counted, of the incident, month or year
    grace_ms: int | None = None
    excess_ms: int | None = None
    unit_ms: int | None = None
    clock: str | None = None
    rounding: str | None = None
    units: Fraction | None = None  # R
    unit_amount: Money | None = None
    measured_share: Fraction | None = None  # availability, or tests at the guarantee
    threshold_share: Fraction | None = None
    slice_from_ms: int | None = None
    direction: str | None = None
    charge: Money | None = None  # V, prorated when share_of_month is given
    charge_period: str | None = None
    charge_share: Fraction | None = None
    share_of_month: Fraction | None = None
    computed: Money | None = None  # before caps, waiver and exclusivity
    capped_per: str | None = None  # the cap that bit last
    cap: Money | None = None
    waived_up_to: Money | None = None  # set when the rule's total was waived
    excluded_by: str | None = None  # the rule that stands instead
    missing: str | None = None  # why no amount: monthly_fee, availability, throughput, …


def count_units(excess_ms: int, unit_ms: int, rounding: Rounding) -> Fraction:
    """How many units a delay is; rounded up, a unit that has begun counts whole.

    >>> [count_units(90, 60, how) for how in ("up", "down", "none")]
    [Fraction(2, 1), Fraction(1, 1), Fraction(3, 2)]
    """
    exact = Fraction(max(0, excess_ms), unit_ms)
    if rounding == "up":
        return Fraction(math.ceil(exact))
    return Fraction(math.floor(exact)) if rounding == "down" else exact


def build_bases(rule: PenaltyRule, contract: Contract, facts: Facts) -> list[PenaltyBasis]:
    """What one rule finds to charge, not yet priced.

    A rule on incidents gives a basis for each one that it charges; a rule on the month or
    year always gives one.
    """
    if isinstance(rule, PerTime):
        return _per_time(rule, contract, facts)
    if isinstance(rule, DurationSlices):
        return _slices(rule, facts)
    if isinstance(rule, AvailabilityTiers):
        return [_tier(rule, facts)]
    return [_throughput(rule, contract, facts)]


def _per_time(rule: PerTime, contract: Contract, facts: Facts) -> list[PenaltyBasis]:
    basis = PenaltyBasis(
        kind="per_time",
        scope=rule.scope,
        unit_ms=rule.unit_ms,
        clock=rule.clock,
        rounding=rule.rounding,
        unit_amount=rule.amount,
        charge_share=rule.charge_share,
        charge_period=rule.charge_period if rule.charge_share is not None else None,
    )
    if rule.scope == "incident":
        late = (_late(rule, basis, contract, case) for case in facts.cases)
        return [each for each in late if each is not None]
    if rule.scope == "year":
        return [_beyond_the_year(rule, basis, contract, facts)]
    duration = facts.interruption_ms if rule.clock == "covered" else facts.interruption_elapsed_ms
    grace = rule.grace_ms or 0
    return [
        msgspec.structs.replace(
            basis,
            duration_ms=duration,
            grace_ms=grace,
            excess_ms=max(0, duration - grace),
            units=count_units(duration - grace, rule.unit_ms, rule.rounding),
        )
    ]


def _late(
    rule: PerTime, basis: PenaltyBasis, contract: Contract, case: Case
) -> PenaltyBasis | None:
    """One incident's delay beyond the grace; None when there is nothing to charge, or not yet."""
    if rule.grace_ms is None:
        grace, deadline = contract.restore_within_ms, case.deadline_ms
    else:
        grace, deadline = rule.grace_ms, advance(case.counted, case.start_ms, rule.grace_ms)
    if deadline is None or case.end_ms is None:
        return None
    kept = case.counted if rule.clock == "covered" else case.elapsed
    excess = total(clip(kept, deadline, case.end_ms))
    units = count_units(excess, rule.unit_ms, rule.rounding)
    if not units:
        return None
    return msgspec.structs.replace(
        basis,
        incident=case.incident_ids[0],
        recurrences=case.incident_ids[1:],
        duration_ms=total(kept),
        grace_ms=grace,
        excess_ms=excess,
        units=units,
    )


def _beyond_the_year(
    rule: PerTime, basis: PenaltyBasis, contract: Contract, facts: Facts
) -> PenaltyBasis:
    """What this stretch added beyond the year's allowance; units charged before stay charged."""
    grace = contract.yearly_interruption_ms if rule.grace_ms is None else rule.grace_ms
    if grace is None:
        return msgspec.structs.replace(basis, missing="yearly_interruption")
    before, after = (
        count_units(used - grace, rule.unit_ms, rule.rounding)
        for used in (facts.year_used_before_ms, facts.year_used_ms)
    )
    return msgspec.structs.replace(
        basis,
        duration_ms=facts.year_used_ms,
        grace_ms=grace,
        excess_ms=max(0, facts.year_used_ms - max(grace, facts.year_used_before_ms)),
        units=after - before,
    )


def _slices(rule: DurationSlices, facts: Facts) -> list[PenaltyBasis]:
    basis = PenaltyBasis(
        kind="duration_slice",
        scope=rule.scope,
        clock=rule.clock,
        charge_period=rule.charge_period,
    )
    covered = rule.clock == "covered"
    if rule.scope == "month":
        whole = facts.interruption_ms if covered else facts.interruption_elapsed_ms
        month = msgspec.structs.replace(basis, share_of_month=_partial(facts))
        return [_in_slice(rule, month, whole)]
    found = []
    for case in facts.cases:
        duration = total(case.counted if covered else case.elapsed)
        line = msgspec.structs.replace(
            basis, incident=case.incident_ids[0], recurrences=case.incident_ids[1:]
        )
        line = _in_slice(rule, line, duration)
        if line.charge_share and case.end_ms is not None:
            found.append(line)
    return found


def _in_slice(rule: DurationSlices, basis: PenaltyBasis, duration_ms: int) -> PenaltyBasis:
    beyond = [each for each in rule.slices if duration_ms > each[0]]
    start, part = max(beyond, default=(None, Fraction(0)))
    return msgspec.structs.replace(
        basis, duration_ms=duration_ms, slice_from_ms=start, charge_share=part
    )


def _tier(rule: AvailabilityTiers, facts: Facts) -> PenaltyBasis:
    basis = PenaltyBasis(
        kind="availability_tier",
        scope="month",
        measured_share=facts.availability,
        charge_period=rule.charge_period,
        share_of_month=_partial(facts),
    )
    if facts.availability is None:
        return msgspec.structs.replace(basis, missing="availability")
    below = [each for each in rule.tiers if facts.availability < each[0]]
    threshold, part = min(below, default=(None, Fraction(0)))
    return msgspec.structs.replace(basis, threshold_share=threshold, charge_share=part)


def _throughput(rule: ThroughputBelow, contract: Contract, facts: Facts) -> PenaltyBasis:
    threshold = contract.guaranteed_share if rule.threshold is None else rule.threshold
    basis = PenaltyBasis(
        kind="throughput_below",
        scope="month",
        direction=rule.direction,
        measured_share=facts.tests_met.get(rule.direction),
        threshold_share=threshold,
        charge_period=rule.charge_period,
        share_of_month=_partial(facts),
    )
    if basis.measured_share is None:
        return msgspec.structs.replace(basis, missing="throughput")
    part = rule.share if basis.measured_share < threshold else Fraction(0)
    return msgspec.structs.replace(basis, charge_share=part)


def _partial(facts: Facts) -> Fraction | None:
    return facts.share_of_month if facts.share_of_month != 1 else None
