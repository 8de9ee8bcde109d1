"""Where the terms of a contract contradict themselves.

Rule of this file: it reads the terms alone and returns sentences (what is wrong, what was
given, what would do); it refuses nothing. A report of a contract with problems is still
made, and prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from netwatch.core.calendars import build_calendar
from netwatch.core.contract import (
    AvailabilityTiers,
    Contract,
    DurationSlices,
    Money,
    PenaltyRule,
    PerTime,
    ThroughputBelow,
)
from netwatch.records import CAUSES, Verdict


def find_problems(contract: Contract) -> tuple[str, ...]:
    """Every contradiction, in the order of the terms; none for a sound contract.

    >>> find_problems(Contract())
    ()
    >>> find_problems(Contract(availability=Fraction("99.85")))
    ('availability: a share lies between 0 and 1 (99.85 % is 0.9985), got 99.85',)
    """
    return (*_terms(contract), *_rules(contract))


def _terms(contract: Contract) -> Iterator[str]:
    for name in ("availability", "guaranteed_share", "max_loss"):
        value: Fraction | None = getattr(contract, name)
        if value is not None and not 0 <= value <= 1:
            yield (
                f"{name}: a share lies between 0 and 1 (99.85 % is 0.9985), got {_number(value)}"
            )
    try:
        build_calendar(contract.calendar)
    except ValueError as refused:
        yield f"calendar: {refused}"
    ours = [cause for cause in contract.counted_causes if cause in CAUSES[Verdict.UNKNOWN]]
    for cause in ours:
        yield (
            f"counted_causes: {cause.value!r} is a failing of ours and never counts against the "
            "operator: take it out"
        )
    for name in (
        "intervene_within_ms",
        "restore_within_ms",
        "yearly_interruption_ms",
        "recurrence_window_ms",
    ):
        delay: int | None = getattr(contract, name)
        if delay is not None and delay < 0:
            yield f"{name.removesuffix('_ms')}: a delay is not negative, got {delay} ms"
    if (
        contract.intervene_within_ms is not None
        and contract.restore_within_ms is not None
        and contract.intervene_within_ms > contract.restore_within_ms
    ):
        yield "intervene_within: work cannot have to start after restore_within has passed"


def _rules(contract: Contract) -> Iterator[str]:
    rules = contract.penalties
    names = [rule.name for rule in rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"penalty {name!r}: two rules have this name: name each once"
    for rule in rules:
        for problem in (*_price(rule, contract), *_bounds(rule, contract)):
            yield f"penalty {rule.name!r}: {problem}"
        for other in rule.excludes:
            if other == rule.name:
                yield f"penalty {rule.name!r}: excludes itself: take it out of excludes"
            elif other not in names:
                yield (
                    f"penalty {rule.name!r}: excludes {other!r}, which is no rule of this contract: "
                    f"use one of {', '.join(names)}"
                )
    yield from _circles({rule.name: rule for rule in rules})
    yield from _doubled(rules)


def _price(rule: PenaltyRule, contract: Contract) -> Iterator[str]:
    if isinstance(rule, PerTime):
        if (rule.amount is None) == (rule.charge_share is None):
            given = "neither" if rule.amount is None else "both"
            yield f"takes either an amount or a share of the charge, got {given}"
        if rule.unit_ms <= 0:
            yield f"the unit must be longer than nothing, got {rule.unit_ms} ms"
        if rule.grace_ms is None and rule.scope == "incident" and not contract.restore_within_ms:
            yield "counts from the restoration time, and restore_within is not set: set one of the two"
        if rule.grace_ms is None and rule.scope == "year" and not contract.yearly_interruption_ms:
            yield "counts from the yearly interruption, and yearly_interruption is not set: set one"
    if contract.monthly_fee is None and (
        not isinstance(rule, PerTime) or rule.charge_share is not None
    ):
        yield "is a share of the charge, and monthly_fee is not set: set it"
    money = [rule.waived_up_to, *(cap.amount for cap in rule.caps)]
    if isinstance(rule, PerTime):
        money.append(rule.amount)
    yield from _currencies(money, contract)


def _currencies(money: Sequence[Money | None], contract: Contract) -> Iterator[str]:
    amounts = [each for each in (contract.monthly_fee, *money) if each is not None]
    currencies = sorted({each.currency for each in amounts})
    if len(currencies) > 1:
        yield f"one contract is in one currency, got {' and '.join(currencies)}"
    if any(each.amount < 0 for each in amounts):
        yield "an amount is not negative"


def _bounds(rule: PenaltyRule, contract: Contract) -> Iterator[str]:
    if isinstance(rule, AvailabilityTiers):
        yield from _ladder([(-threshold, part) for threshold, part in rule.tiers], "availability")
        if any(not 0 < threshold <= 1 for threshold, _ in rule.tiers):
            yield "the availability of a tier lies between 0 and 1 (99.5 % is 0.995)"
    if isinstance(rule, DurationSlices):
        yield from _ladder([(Fraction(start), part) for start, part in rule.slices], "duration")
    if isinstance(rule, ThroughputBelow):
        guaranteed = (
            contract.guaranteed_down if rule.direction == "down" else contract.guaranteed_up
        )
        if guaranteed is None:
            yield f"looks at the guaranteed rate, and guaranteed_{rule.direction} is not set: set it"
    periods = [cap.per for cap in rule.caps]
    for period in sorted({each for each in periods if periods.count(each) > 1}):
        yield f"has two caps per {period}: keep one"
    for cap in rule.caps:
        if (cap.share is None) == (cap.amount is None):
            yield f"the cap per {cap.per} takes either a share of the charge or an amount"
        if (
            cap.amount is not None
            and rule.waived_up_to is not None
            and cap.per != "incident"
            and cap.amount.amount <= rule.waived_up_to.amount
        ):
            yield (
                f"can never be charged: it is capped at {cap.amount.amount} per {cap.per} and waived "
                f"up to {rule.waived_up_to.amount}"
            )


def _ladder(steps: Sequence[tuple[Fraction, Fraction]], what: str) -> Iterator[str]:
    """Steps from the lesser breach to the greater: each must be further, and cost more."""
    if not steps:
        yield f"has no {what} to compare with: give at least one"
    for before, after in pairwise(steps):
        if after[0] <= before[0]:
            yield (
                f"the steps of {what} must go from the lesser breach to the greater, got "
                f"{_number(abs(before[0]))} before {_number(abs(after[0]))}"
            )
        if after[1] < before[1]:
            yield (
                f"a greater breach costs less than a lesser one, got {_number(after[1])} after "
                f"{_number(before[1])}"
            )


def _circles(rules: Mapping[str, PenaltyRule]) -> Iterator[str]:
    """Circles of three rules or more that exclude one another one way.

    Two that exclude each other are no contradiction: the greater stands.
    """
    seen: set[frozenset[str]] = set()
    one_way = {
        name: [
            other
            for other in rule.excludes
            if other in rules and other != name and name not in rules[other].excludes
        ]
        for name, rule in rules.items()
    }

    def follow(path: list[str]) -> Iterator[list[str]]:
        for other in one_way[path[-1]]:
            if other == path[0]:
                yield path
            elif other not in path:
                yield from follow([*path, other])

    for name in rules:
        for path in follow([name]):
            if frozenset(path) not in seen:
                seen.add(frozenset(path))
                yield (
                    f"penalty {path[0]!r}: excludes in a circle ({' → '.join([*path, path[0]])}): "
                    "none of them can stand"
                )


def _doubled(rules: Sequence[PenaltyRule]) -> Iterator[str]:
    for index, rule in enumerate(rules):
        for other in rules[index + 1 :]:
            if other.name in rule.excludes or rule.name in other.excludes:
                continue
            if isinstance(rule, AvailabilityTiers) and isinstance(other, AvailabilityTiers):
                what = "the availability of the month"
            elif (
                isinstance(rule, DurationSlices)
                and isinstance(other, DurationSlices)
                and rule.scope == other.scope
            ):
                what = f"the duration of the {rule.scope}"
            else:
                continue
            yield (
                f"penalty {other.name!r}: prices {what}, as {rule.name!r} does already: "
                "let one exclude the other, or keep one"
            )


def _number(value: Fraction) -> str:
    return f"{float(value):.10g}"
