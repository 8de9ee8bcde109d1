"""The contract as an object: what was promised, from when, and what a breach costs.

Rule of this file: terms only. It knows the words of a contract (STANDARDS.md 3), not
what happened on the line; `sla` measures, `penalties` charges, `contract_problems` says
where the terms contradict one another. Shares are fractions of 1, money is decimal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from netwatch.records import Cause

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Period = Literal["month", "quarter", "year"]
Rounding = Literal["up", "down", "none"]
#: Whose hours a delay is counted in: the contract's calendar, or every hour that passes.
PenaltyClock = Literal["covered", "elapsed"]

#: How many monthly fees make the charge of a period.
MONTHS: dict[str, int] = {"incident": 1, "month": 1, "quarter": 3, "year": 12}


class Money(msgspec.Struct, frozen=True, kw_only=True):
    amount: Decimal
    currency: str


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a rule charges per incident, month, quarter or year.

    Either a ``share`` of the charge of that period (for an incident, of the month's) or
    an ``amount``.
    """

    per: Literal["incident", "month", "quarter", "year"]
    share: Fraction | None = None
    amount: Money | None = None


class PerTime(msgspec.Struct, frozen=True, kw_only=True, tag="per_time", tag_field="kind"):
    """So much for each day, hour or slice of a delay beyond a threshold.

    ``charge_share`` is of the charge V of ``charge_period``: V·R/30 is 1/30 of the
    month's. ``grace_ms`` None means the contract's own term: its restoration time for an
    incident, its yearly interruption for a year. The grace always runs in covered hours.
    """

    name: str
    scope: Literal["incident", "month", "year"] = "incident"
    unit_ms: int = HOUR_MS
    grace_ms: int | None = None
    clock: PenaltyClock = "covered"
    rounding: Rounding = "up"  # up: each unit begun counts whole
    amount: Money | None = None
    charge_share: Fraction | None = None
    charge_period: Period = "month"
    caps: tuple[Cap, ...] = ()
    waived_up_to: Money | None = None
    excludes: tuple[str, ...] = ()


class AvailabilityTiers(
    msgspec.Struct, frozen=True, kw_only=True, tag="availability_tier", tag_field="kind"
):
    """A share of the charge by the month's contractual availability.

    ``tiers`` are (threshold, share): the lowest threshold that the availability is
    *below* gives the share; an availability exactly on a threshold is not below it.
    One tier says "below 99.6 % → 50 %".
    """

    name: str
    tiers: tuple[tuple[Fraction, Fraction], ...]
    charge_period: Period = "month"
    caps: tuple[Cap, ...] = ()
    waived_up_to: Money | None = None
    excludes: tuple[str, ...] = ()


class DurationSlices(
    msgspec.Struct, frozen=True, kw_only=True, tag="duration_slice", tag_field="kind"
):
    """A share of the charge by how long an incident, or the month's interruption, was.

    ``slices`` are (from_ms, share): the greatest ``from_ms`` that the duration *exceeds*
    gives the share, so each slice holds its own upper end.
    """

    name: str
    slices: tuple[tuple[int, Fraction], ...]
    scope: Literal["incident", "month"] = "incident"
    clock: PenaltyClock = "covered"
    charge_period: Period = "month"
    caps: tuple[Cap, ...] = ()
    waived_up_to: Money | None = None
    excludes: tuple[str, ...] = ()


class ThroughputBelow(
    msgspec.Struct, frozen=True, kw_only=True, tag="throughput_below", tag_field="kind"
):
    """A share of the charge when too few valid tests reach the guaranteed rate.

    ``threshold`` None means the contract's own guaranteed share.
    """

    name: str
    direction: Literal["down", "up"]
    share: Fraction
    threshold: Fraction | None = None
    charge_period: Period = "month"
    caps: tuple[Cap, ...] = ()
    waived_up_to: Money | None = None
    excludes: tuple[str, ...] = ()


PenaltyRule = PerTime | AvailabilityTiers | DurationSlices | ThroughputBelow


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator promised from ``valid_from_ms`` on; None is "the contract is silent".

    Rates are bytes per second of application goodput. ``restore_from`` says which instant
    starts the restoration time; where no report is on record it is the detection.
    ``contract_year_starts`` gives the day and month on which the contract year begins;
    None is the first of January.
    """

    name: str | None = None
    valid_from_ms: int | None = None  # None: since ever
    availability: Fraction | None = None
    calendar: str | tuple[str, ...] = "S2"
    contract_year_starts: date | None = None
    intervene_within_ms: int | None = None  # GTI
    restore_within_ms: int | None = None  # GTR
    restore_from: Literal["reported", "detected"] = "reported"
    yearly_interruption_ms: int | None = None  # IMS
    counted_causes: tuple[Cause, ...] = (Cause.GATEWAY, Cause.ACCESS, Cause.UPSTREAM, Cause.DNS)
    recurrence_window_ms: int | None = None
    guaranteed_down: int | None = None
    guaranteed_up: int | None = None
    guaranteed_share: Fraction = Fraction(99, 100)
    max_rtt_us: int | None = None
    max_loss: Fraction | None = None
    monthly_fee: Money | None = None
    penalties: tuple[PenaltyRule, ...] = ()


class ContractPart(msgspec.Struct, frozen=True, kw_only=True):
    """The stretch ``[start_ms, end_ms)`` of a period in which one version was in force.

    ``share_of_period`` prorates a monthly charge.
    """

    contract: Contract
    start_ms: int
    end_ms: int
    share_of_period: Fraction


def contract_at(versions: Sequence[Contract], instant_ms: int) -> Contract | None:
    """The version in force: the one that began last, not after the instant.

    None before the first began.

    >>> old, new = Contract(name="old"), Contract(name="new", valid_from_ms=100)
    >>> [contract_at((new, old), at).name for at in (99, 100)]
    ['old', 'new']
    >>> contract_at((new,), 99) is None
    True
    """
    begun = [each for each in versions if _since(each) <= instant_ms]
    return max(begun, key=_since, default=None)


def contract_parts(
    versions: Sequence[Contract], start_ms: int, end_ms: int
) -> tuple[ContractPart, ...]:
    """The versions in force within ``[start_ms, end_ms)``, in order, without overlap.

    A time before the first version is in no part: nothing was promised then.

    >>> old, new = Contract(name="old"), Contract(name="new", valid_from_ms=30)
    >>> [(part.contract.name, part.start_ms, part.end_ms) for part in
    ...  contract_parts((old, new), 0, 100)]
    [('old', 0, 30), ('new', 30, 100)]
    """
    if end_ms <= start_ms:
        raise ValueError(f"a period ends after it begins, got {start_ms} to {end_ms}")
    changes = sorted({_since(each) for each in versions if start_ms < _since(each) < end_ms})
    parts = []
    for begin, end in zip([start_ms, *changes], [*changes, end_ms], strict=True):
        contract = contract_at(versions, begin)
        if contract is not None:
            share = Fraction(end - begin, end_ms - start_ms)
            parts.append(
                ContractPart(contract=contract, start_ms=begin, end_ms=end, share_of_period=share)
            )
    return tuple(parts)


def _since(contract: Contract) -> int:
    return -(2**63) if contract.valid_from_ms is None else contract.valid_from_ms
