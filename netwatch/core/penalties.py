"""What a breach costs: the contract's penalty rules applied to what was measured.

Rule of this file: each amount comes with its basis (`penalty_bases`). Amounts are computed as exact fractions and
rounded once, half up to the cent, where a line gets its amount. It knows no spans, zone
or store. A penalty is a proposal: nothing here is owed because it was computed.

The order of the reckoning: each rule gives its lines; each line is held to the caps of
the rule, the narrowest period first; a rule whose lines add up to no more than its floor
is waived; of rules that exclude one another one stands (see `settle_exclusivity`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from netwatch.core.contract import MONTHS, Cap, Contract, Money, PenaltyRule
from netwatch.core.penalty_bases import Facts, PenaltyBasis, build_bases

_PERIODS = ("incident", "month", "quarter", "year")


class PenaltyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the proposal; ``amount`` None when the basis says what is missing."""

    rule: str
    basis: PenaltyBasis
    amount: Money | None


def charge_penalties(contract: Contract, facts: Facts) -> tuple[PenaltyLine, ...]:
    """The lines of every rule, in the contract's order.

    A rule on incidents has a line for each one it charges; a rule on the month or year
    always has its line, at 0.00 where the commitment was kept.

    >>> from netwatch.core.contract import AvailabilityTiers
    >>> contract = Contract(
    ...     monthly_fee=Money(amount=Decimal(300), currency="EUR"),
    ...     penalties=(AvailabilityTiers(
    ...         name="below 99.6 %", tiers=((Fraction("0.996"), Fraction("0.5")),)),))
    >>> line, = charge_penalties(contract, Facts(availability=1 - Fraction(3, 720)))
    >>> line.amount
    Money(amount=Decimal('150.00'), currency='EUR')
    """
    lines: list[PenaltyLine] = []
    for rule in contract.penalties:
        drafts = [_price(rule, basis, contract) for basis in build_bases(rule, contract, facts)]
        lines += _waive(rule, _cap(rule, drafts, contract, facts))
    return settle_exclusivity(contract.penalties, lines)


def sum_amounts(lines: Sequence[PenaltyLine]) -> Money | None:
    """The total of the lines that have an amount; None without one.

    Raises ValueError when they are in different currencies: `find_problems` refuses such
    a contract first.
    """
    amounts = [line.amount for line in lines if line.amount is not None]
    if not amounts:
        return None
    currencies = {amount.currency for amount in amounts}
    if len(currencies) > 1:
        raise ValueError(f"amounts in {' and '.join(sorted(currencies))} have no sum")
    return Money(amount=sum((a.amount for a in amounts), Decimal(0)), currency=currencies.pop())


def round_to_cent(amount: Fraction) -> Decimal:
    """An exact amount, not negative, to the cent: half a cent goes up.

    >>> round_to_cent(Fraction("0.125")), round_to_cent(Fraction(20))
    (Decimal('0.13'), Decimal('20.00'))
    """
    return Decimal(math.floor(amount * 100 + Fraction(1, 2))).scaleb(-2)


def settle_exclusivity(
    rules: Sequence[PenaltyRule], lines: Sequence[PenaltyLine]
) -> tuple[PenaltyLine, ...]:
    """The lines with those of excluded rules set to nothing, and by whom.

    Only a rule that charges something excludes. Where two exclude each other the greater
    total stands (the earlier of equals); a rule that was itself excluded excludes no
    other. Among rules that exclude in a circle, which `find_problems` reports, the
    greatest stands.
    """
    totals = {rule.name: Decimal(0) for rule in rules}
    for line in lines:
        totals[line.rule] += line.amount.amount if line.amount else 0
    by_name = {rule.name: rule for rule in rules}
    order = sorted((name for name in totals if totals[name] > 0), key=lambda n: -totals[n])
    excludes = {
        name: {
            other
            for other in order
            if other != name
            and other in by_name[name].excludes
            and (name not in by_name[other].excludes or order.index(name) < order.index(other))
        }
        for name in order
    }
    excluded_by: dict[str, str] = {}
    left = list(order)
    while left:
        free = [name for name in left if not any(name in excludes[other] for other in left)]
        standing = free[0] if free else left[0]
        left.remove(standing)
        # In a circle the one that stands also ends those that would have excluded it.
        rivals = {other for other in left if standing in excludes[other]}
        for other in sorted((excludes[standing] | rivals) & set(left)):
            left.remove(other)
            excluded_by[other] = standing
    return tuple(
        msgspec.structs.replace(
            line,
            amount=_nothing(line.amount),
            basis=msgspec.structs.replace(line.basis, excluded_by=excluded_by[line.rule]),
        )
        if line.rule in excluded_by
        else line
        for line in lines
    )


def _price(rule: PenaltyRule, basis: PenaltyBasis, contract: Contract) -> PenaltyLine:
    if basis.missing is not None:
        return PenaltyLine(rule=rule.name, basis=basis, amount=None)
    units = Fraction(1) if basis.units is None else basis.units
    prorata = basis.share_of_month or Fraction(1)
    if basis.unit_amount is not None:
        exact = Fraction(basis.unit_amount.amount) * units * prorata
        currency = basis.unit_amount.currency
    elif contract.monthly_fee is None:
        basis = msgspec.structs.replace(basis, missing="monthly_fee")
        return PenaltyLine(rule=rule.name, basis=basis, amount=None)
    else:
        currency = contract.monthly_fee.currency
        charge = Fraction(contract.monthly_fee.amount) * MONTHS[rule.charge_period] * prorata
        exact = charge * (basis.charge_share or 0) * units
        basis = msgspec.structs.replace(
            basis, charge=Money(amount=round_to_cent(charge), currency=currency)
        )
    amount = Money(amount=round_to_cent(exact), currency=currency)
    basis = msgspec.structs.replace(basis, computed=amount)
    return PenaltyLine(rule=rule.name, basis=basis, amount=amount)


def _cap(
    rule: PenaltyRule, lines: Sequence[PenaltyLine], contract: Contract, facts: Facts
) -> list[PenaltyLine]:
    """Hold each line to the rule's caps; what earlier lines took leaves the later less."""
    spent = Decimal(0)
    capped = []
    for line in lines:
        held = line
        for cap in sorted(rule.caps, key=lambda each: _PERIODS.index(each.per)):
            limit = _limit(cap, contract)
            if limit is None or held.amount is None:
                continue
            left = limit.amount
            if cap.per != "incident":
                left -= spent + facts.charged_before.get((rule.name, cap.per), Decimal(0))
            if held.amount.amount > left:
                held = PenaltyLine(
                    rule=line.rule,
                    amount=Money(
                        amount=round_to_cent(Fraction(max(left, Decimal(0)))),
                        currency=limit.currency,
                    ),
                    basis=msgspec.structs.replace(held.basis, capped_per=cap.per, cap=limit),
                )
        spent += held.amount.amount if held.amount else 0
        capped.append(held)
    return capped


def _limit(cap: Cap, contract: Contract) -> Money | None:
    if cap.amount is not None:
        return cap.amount
    if cap.share is None or contract.monthly_fee is None:
        return None
    exact = cap.share * Fraction(contract.monthly_fee.amount) * MONTHS[cap.per]
    return Money(amount=round_to_cent(exact), currency=contract.monthly_fee.currency)


def _waive(rule: PenaltyRule, lines: Sequence[PenaltyLine]) -> list[PenaltyLine]:
    floor = rule.waived_up_to
    due = sum((line.amount.amount for line in lines if line.amount), Decimal(0))
    if floor is None or due > floor.amount or due == 0:
        return list(lines)
    return [
        msgspec.structs.replace(
            line,
            amount=_nothing(line.amount),
            basis=msgspec.structs.replace(line.basis, waived_up_to=floor),
        )
        for line in lines
    ]


def _nothing(amount: Money | None) -> Money | None:
    return None if amount is None else Money(amount=Decimal("0.00"), currency=amount.currency)
