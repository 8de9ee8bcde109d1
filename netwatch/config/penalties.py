"""Penalty rules: which keys each kind takes, and tiers that make sense.

Rule of this file: the form of penalty rules, so that a contract typed wrongly is
found at the start and not in the first report. Their arithmetic is core's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from netwatch.config.model import ContractSettings, Money, Penalty
from netwatch.config.notes import Notes, Path, Refused, show_number, show_quoted, show_value
from netwatch.config.units import format_duration, parse_duration


class PenaltyKind(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a kind, beside those that all kinds take."""

    needed: tuple[str, ...]
    allowed: tuple[str, ...] = ()


#: The kinds, by the names of `core.contract`. Shares are of the charge of ``charge_period``.
PENALTY_KINDS: Mapping[str, PenaltyKind] = {
    # `amount`, or a `share` of the charge, or the charge / `divisor`, for each `per`
    # beyond `grace` (without one: beyond the contract's own term)
    "per_time": PenaltyKind(
        needed=("per",),
        allowed=("amount", "share", "divisor", "grace", "scope", "clock", "rounding"),
    ),
    # [[below 0.9999, 0.05], [below 0.995, 0.10] …]: the lowest that was missed counts
    "availability_tier": PenaltyKind(needed=("tiers",)),
    # [["10m", 0.05], ["45m", 0.10] …]: the longest that was exceeded counts
    "duration_slice": PenaltyKind(needed=("tiers",), allowed=("scope", "clock")),
    # fewer than `threshold` of the valid tests reach the guaranteed rate: `share`
    "throughput_below": PenaltyKind(needed=("direction", "share"), allowed=("threshold",)),
}
_OF_SOME_KINDS = (
    "scope",
    "clock",
    "direction",
    "tiers",
    "threshold",
    "share",
    "amount",
    "divisor",
    "per",
    "grace",
    "rounding",
)


def check_penalties(
    contract: ContractSettings, circuit_fee: Money | None, contract_at: Path, notes: Notes
) -> None:
    """Note every rule of one version that could not be computed.

    ``circuit_fee`` is the charge where the version has none of its own.
    """
    rules, at = contract.penalty, (*contract_at, "penalty")
    shared = [
        rule
        for rule in rules
        if rule is not None and (rule.amount is None or rule.cap or rule.incident_cap)
    ]
    fee_sound = notes.sound(("circuit",), "monthly_fee") and notes.sound(contract_at, "monthly_fee")
    if shared and contract.monthly_fee is None and circuit_fee is None and fee_sound:
        notes.refuse(
            at,
            'needs circuit.monthly_fee, of which penalties are shares: write monthly_fee = "49.00 EUR"',
        )
    names = [rule.name for rule in rules if rule is not None and rule.name is not None]
    for index, rule in enumerate(rules):
        if rule is None:
            continue
        here = (*at, index)
        if rule.name is not None and names.count(rule.name) > 1 and notes.sound(here, "name"):
            notes.refuse((*here, "name"), f"must be unique, got {show_quoted(rule.name)} twice")
        _check_excludes(rule, names, here, notes)
        _check_cap(rule, here, notes)
        if notes.sound(here, "kind"):
            _check_kind(rule, here, notes)
            _check_term(rule, contract, here, notes)


def _check_kind(rule: Penalty, at: Path, notes: Notes) -> None:
    kind = PENALTY_KINDS[rule.kind]
    for key in _OF_SOME_KINDS:
        if key in kind.needed and not notes.given((*at, key)):
            notes.refuse((*at, key), f'is missing: kind "{rule.kind}" needs it')
        if key not in kind.needed + kind.allowed and notes.given((*at, key)):
            notes.refuse((*at, key), f'is not used by kind "{rule.kind}": remove it')
    if "tiers" in kind.needed and notes.given((*at, "tiers")) and notes.sound(at, "tiers"):
        try:
            _check_tiers(rule)
        except Refused as refused:
            notes.refuse((*at, "tiers"), str(refused))
    if rule.kind == "per_time":
        _check_price(rule, at, notes)
    if rule.kind == "duration_slice" and rule.scope == "year" and notes.sound(at, "scope"):
        notes.refuse((*at, "scope"), 'must be "incident" or "month" for this kind, got "year"')


def _check_term(rule: Penalty, contract: ContractSettings, at: Path, notes: Notes) -> None:
    """What is counted from a term of the contract needs that term."""
    if rule.kind == "throughput_below" and rule.direction is not None:
        key = f"guaranteed_{rule.direction}"
        if getattr(contract, key) is None and notes.sound(at[:-2], key):
            notes.refuse(
                (*at, "direction"),
                f'"{rule.direction}" has no guaranteed rate: write {key} = "100 Mbit/s" in the contract',
            )
    terms = {"incident": "restore_within", "year": "yearly_interruption"}
    if rule.kind != "per_time" or notes.given((*at, "grace")) or rule.scope not in terms:
        return
    key = terms[rule.scope]
    if getattr(contract, f"{key}_ms") is None and notes.sound(at[:-2], key):
        notes.refuse(
            (*at, "grace"),
            f'is missing: write from when the delay counts, grace = "0s", or {key} in the contract',
        )


def _check_tiers(rule: Penalty) -> None:
    if not rule.tiers:
        raise Refused("must have a tier, got an empty list")
    by_share = rule.kind == "availability_tier"
    for bound, share in rule.tiers:
        if not 0 <= share <= 1:
            raise Refused(
                f"a tier's second value must be a share from 0 to 1, got {show_number(share)}"
            )
        if by_share and not 0 <= bound <= 1:
            raise Refused(
                "a tier's first value must be an availability from 0 to 1, "
                f"got {show_number(bound)}"
            )
        if not by_share and (bound != bound.to_integral_value() or bound < 1_000):
            raise Refused(
                f'a tier\'s first value must be a duration like "45m", got {show_value(bound)}'
            )
    for (bound, share), (next_bound, next_share) in itertools.pairwise(rule.tiers):
        worse = next_bound < bound if by_share else next_bound > bound
        if not worse or next_share < share:
            raise Refused(
                f"must go from the mildest to the worst, got {_show_bound(next_bound, by_share)} with "
                f"{show_number(next_share)} after {_show_bound(bound, by_share)} with {show_number(share)}"
            )


def _show_bound(bound: Decimal, by_share: bool) -> str:
    return show_number(bound) if by_share else format_duration(int(bound))


def _check_price(rule: Penalty, at: Path, notes: Notes) -> None:
    prices = [key for key in ("amount", "share", "divisor") if notes.given((*at, key))]
    if not prices:
        notes.refuse(
            (*at, "amount"), "is missing: write an amount, a share of the charge or its divisor"
        )
    for key in prices[1:]:
        notes.refuse((*at, key), f"cannot stand beside {prices[0]}: keep one of them")
    if rule.per is None or not notes.sound(at, "per") or rule.per in {"hour", "day"}:
        return
    try:
        sound = parse_duration(rule.per) >= 60_000
    except Refused:
        sound = False
    if not sound:
        notes.refuse(
            (*at, "per"),
            f'must be "hour", "day" or a slice like "30m", got {show_quoted(rule.per)}',
        )


def _check_cap(rule: Penalty, at: Path, notes: Notes) -> None:
    if rule.incident_cap is not None and rule.scope != "incident" and notes.sound(at, "scope"):
        notes.refuse((*at, "incident_cap"), f'is not for scope "{rule.scope}": remove it')
    if not notes.sound(at, "cap", "cap_per", "incident_cap"):
        return
    if rule.incident_cap is not None and rule.cap_per == "incident":
        notes.refuse(
            (*at, "incident_cap"), 'cannot stand beside cap_per = "incident": keep one of them'
        )
    if rule.cap is not None and rule.cap_per is None:
        notes.refuse((*at, "cap"), "needs cap_per: incident, month, quarter or year")
    if rule.cap_per is not None and rule.cap is None:
        notes.refuse((*at, "cap_per"), "needs cap, the greatest share of the charge of that time")


def _check_excludes(rule: Penalty, names: list[str], at: Path, notes: Notes) -> None:
    for index, excluded in enumerate(rule.excludes):
        here = (*at, "excludes", index)
        if excluded is None:
            continue  # refused as it is
        if excluded == rule.name:
            notes.refuse(here, "a rule cannot exclude itself: remove it")
        elif excluded not in names:
            hint = notes.suggest(excluded, names)
            notes.refuse(here, f"no penalty has the name {show_quoted(excluded)}{hint}")
