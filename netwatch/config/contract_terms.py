"""From settings to the contract's terms, as the report reckons with them.

Rule of this file: pure; every setting of a contract has its term, and is read here alone
for the report. What the settings may say is checked where they are read.
"""

from __future__ import annotations

from datetime import date, tzinfo
from fractions import Fraction

from netwatch.config import model
from netwatch.config.units import parse_duration
from netwatch.core.calendars import day_start
from netwatch.core.contract import (
    DAY_MS,
    HOUR_MS,
    AvailabilityTiers,
    Cap,
    Contract,
    DurationSlices,
    Money,
    PenaltyRule,
    PerTime,
    ThroughputBelow,
)


def build_versions(circuit: model.Circuit, zone: tzinfo) -> tuple[Contract, ...]:
    """Every version of the contract, the present one last; each begins at a local midnight.

    >>> from datetime import UTC
    >>> circuit = model.Circuit(
    ...     contract=model.ContractSettings(since="1970-01-02"), earlier=(model.ContractSettings(),))
    >>> [version.valid_from_ms for version in build_versions(circuit, UTC)]
    [None, 86400000]
    """
    return tuple(
        build_contract(terms, circuit, zone) for terms in (*circuit.earlier, circuit.contract)
    )


def build_contract(terms: model.ContractSettings, circuit: model.Circuit, zone: tzinfo) -> Contract:
    """One version as a contract."""
    since = None if terms.since is None else day_start(date.fromisoformat(terms.since), zone)
    return Contract(
        name=circuit.reference,
        valid_from_ms=since,
        availability=_fraction(terms.availability),
        calendar=terms.calendar,
        contract_year_starts=None if terms.starts is None else date.fromisoformat(terms.starts),
        intervene_within_ms=_integer(terms.intervene_within_ms),
        restore_within_ms=_integer(terms.restore_within_ms),
        restore_from=terms.restore_from,
        yearly_interruption_ms=_integer(terms.yearly_interruption_ms),
        counted_causes=terms.counted_causes,
        recurrence_window_ms=_integer(terms.recurrence_window_ms),
        guaranteed_down=_integer(terms.guaranteed_down),
        guaranteed_up=_integer(terms.guaranteed_up),
        guaranteed_share=Fraction(terms.guaranteed_share),
        max_rtt_us=None if terms.max_rtt_ms is None else terms.max_rtt_ms * 1000,
        max_loss=_fraction(terms.max_loss),
        monthly_fee=build_money(terms.monthly_fee or circuit.monthly_fee),
        penalties=tuple(
            build_rule(penalty, number) for number, penalty in enumerate(terms.penalty, start=1)
        ),
    )


def build_rule(penalty: model.Penalty, number: int) -> PenaltyRule:
    """One penalty rule; one without a name gets that of its kind and its number."""
    name = penalty.name or f"{penalty.kind}-{number}"
    period, caps, excludes = penalty.charge_period, _build_caps(penalty), penalty.excludes
    floor = build_money(penalty.waived_up_to)
    if penalty.kind == "per_time":
        return PerTime(
            name=name,
            scope=penalty.scope,
            unit_ms=_unit_ms(penalty.per),
            grace_ms=_integer(penalty.grace),
            clock=penalty.clock,
            rounding=penalty.rounding,
            amount=build_money(penalty.amount),
            charge_share=_charge_share(penalty),
            charge_period=period,
            caps=caps,
            waived_up_to=floor,
            excludes=excludes,
        )
    if penalty.kind == "availability_tier":
        return AvailabilityTiers(
            name=name,
            tiers=tuple((Fraction(bound), Fraction(share)) for bound, share in penalty.tiers),
            charge_period=period,
            caps=caps,
            waived_up_to=floor,
            excludes=excludes,
        )
    if penalty.kind == "duration_slice":
        assert penalty.scope != "year"  # refused where the settings are read
        return DurationSlices(
            name=name,
            slices=tuple((int(bound), Fraction(share)) for bound, share in penalty.tiers),
            scope=penalty.scope,
            clock=penalty.clock,
            charge_period=period,
            caps=caps,
            waived_up_to=floor,
            excludes=excludes,
        )
    assert penalty.direction is not None  # refused where the settings are read
    return ThroughputBelow(
        name=name,
        direction=penalty.direction,
        share=Fraction(penalty.share or 0),
        threshold=_fraction(penalty.threshold),
        charge_period=period,
        caps=caps,
        waived_up_to=floor,
        excludes=excludes,
    )


def build_money(amount: model.Money | None) -> Money | None:
    """The same sum; None stays None."""
    return None if amount is None else Money(amount=amount.amount, currency=amount.currency)


def _build_caps(penalty: model.Penalty) -> tuple[Cap, ...]:
    caps: list[Cap] = []
    if penalty.incident_cap is not None:
        caps.append(Cap(per="incident", share=Fraction(penalty.incident_cap)))
    if penalty.cap is not None and penalty.cap_per is not None:
        caps.append(Cap(per=penalty.cap_per, share=Fraction(penalty.cap)))
    return tuple(caps)


def _charge_share(penalty: model.Penalty) -> Fraction | None:
    if penalty.divisor is not None:
        return Fraction(1, penalty.divisor)
    return _fraction(penalty.share)


def _unit_ms(per: str | None) -> int:
    assert per is not None  # refused where the settings are read
    return {"hour": HOUR_MS, "day": DAY_MS}.get(per) or int(parse_duration(per))


def _fraction(value: object) -> Fraction | None:
    return None if value is None else Fraction(str(value))


def _integer(value: int | None) -> int | None:
    """A plain one: settings have types of their own, that the evidence does not know."""
    return None if value is None else int(value)
