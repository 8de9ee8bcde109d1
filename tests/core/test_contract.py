"""Contract versions in time, and every contradiction with its exact sentence."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.contract import (
    HOUR_MS,
    AvailabilityTiers,
    Cap,
    Contract,
    DurationSlices,
    Money,
    PenaltyRule,
    PerTime,
    ThroughputBelow,
    contract_at,
    contract_parts,
)
from netwatch.core.contract_problems import find_problems
from netwatch.records import Cause

FEE = Money(amount=Decimal(300), currency="EUR")
FIVE = Money(amount=Decimal(5), currency="EUR")
CHF = Money(amount=Decimal(5), currency="CHF")
TIERS = AvailabilityTiers(
    name="tiers",
    tiers=((Fraction("0.9999"), Fraction("0.05")), (Fraction("0.995"), Fraction("0.1"))),
)
SLICES = DurationSlices(name="slices", slices=((0, Fraction(1, 10)), (4 * HOUR_MS, Fraction(1, 5))))
LATE = PerTime(name="late", grace_ms=0, amount=FIVE)


def of(*rules: PenaltyRule, **terms: object) -> tuple[str, ...]:
    return find_problems(
        msgspec.structs.replace(Contract(monthly_fee=FEE, penalties=rules), **terms)
    )


@given(
    st.lists(st.integers(0, 40), max_size=5, unique=True), st.integers(0, 20), st.integers(21, 40)
)
def test_at_every_instant_of_a_period_the_part_is_the_version_in_force(
    starts: list[int], begin: int, end: int
) -> None:
    versions = [Contract(name=str(start), valid_from_ms=start) for start in starts]
    parts = contract_parts(versions, begin, end)
    for instant in range(begin, end):
        inside = [part for part in parts if part.start_ms <= instant < part.end_ms]
        current = contract_at(versions, instant)
        assert [part.contract for part in inside] == ([] if current is None else [current])
    covered = sum(part.end_ms - part.start_ms for part in parts)
    assert sum((part.share_of_period for part in parts), Fraction(0)) == Fraction(
        covered, end - begin
    )


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="a period ends after it begins, got 5 to 5"):
        contract_parts((), 5, 5)


def test_a_sound_contract_with_every_kind_of_rule_has_no_problem() -> None:
    rate = ThroughputBelow(name="rate", direction="down", share=Fraction(1, 10))
    assert of(TIERS, SLICES, LATE, rate, guaranteed_down=12_500_000) == ()


def test_rules_travel_as_data_and_come_back_equal() -> None:
    """The kind is in the data; a fraction is written as its text."""
    rules = (TIERS, SLICES, LATE)
    text = msgspec.json.encode(rules, enc_hook=str)
    back = msgspec.json.decode(
        text,
        type=tuple[PenaltyRule, ...],
        dec_hook=lambda kind, value: kind(value),
    )
    assert back == rules


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (
            {"max_loss": Fraction(3, 2)},
            "max_loss: a share lies between 0 and 1 (99.85 % is 0.9985), got 1.5",
        ),
        (
            {"counted_causes": (Cause.ACCESS, Cause.AGENT)},
            "counted_causes: 'agent' is a failing of ours and never counts against the operator: "
            "take it out",
        ),
        (
            {"calendar": ("monday 08:00-18:00",)},
            'calendar: expected days and hours like "mon-fri 08:00-18:00" or '
            "\"fri 22:00-02:00\", got 'monday 08:00-18:00' ('monday' is no day: use mon, tue, wed, "
            "thu, fri, sat, sun or holidays)",
        ),
        (
            {"restore_within_ms": -1},
            "restore_within: a delay is not negative, got -1 ms",
        ),
        (
            {"intervene_within_ms": 5, "restore_within_ms": 4},
            "intervene_within: work cannot have to start after restore_within has passed",
        ),
    ],
)
def test_terms_that_cannot_be_are_named(terms: dict[str, object], sentence: str) -> None:
    assert of(**terms) == (sentence,)


def changed(rule: PenaltyRule, **terms: object) -> PenaltyRule:
    return msgspec.structs.replace(rule, **terms)


@pytest.mark.parametrize(
    ("rules", "sentences"),
    [
        ((LATE, LATE), ["penalty 'late': two rules have this name: name each once"]),
        (
            (changed(LATE, amount=None),),
            ["penalty 'late': takes either an amount or a share of the charge, got neither"],
        ),
        (
            (changed(LATE, charge_share=Fraction(1, 30)),),
            ["penalty 'late': takes either an amount or a share of the charge, got both"],
        ),
        (
            (changed(LATE, unit_ms=0),),
            ["penalty 'late': the unit must be longer than nothing, got 0 ms"],
        ),
        (
            (changed(LATE, grace_ms=None),),
            [
                "penalty 'late': counts from the restoration time, and restore_within is not set: "
                "set one of the two"
            ],
        ),
        (
            (changed(LATE, grace_ms=None, scope="year"),),
            [
                "penalty 'late': counts from the yearly interruption, and yearly_interruption is "
                "not set: set one"
            ],
        ),
        (
            (changed(LATE, amount=CHF),),
            ["penalty 'late': one contract is in one currency, got CHF and EUR"],
        ),
        (
            (changed(LATE, excludes=("late",)),),
            ["penalty 'late': excludes itself: take it out of excludes"],
        ),
        (
            (changed(LATE, excludes=("later",)),),
            [
                "penalty 'late': excludes 'later', which is no rule of this contract: use one of "
                "late"
            ],
        ),
        (
            (changed(TIERS, tiers=tuple(reversed(TIERS.tiers))),),
            [
                "penalty 'tiers': the steps of availability must go from the lesser breach to the "
                "greater, got 0.995 before 0.9999",
                "penalty 'tiers': a greater breach costs less than a lesser one, got 0.05 after 0.1",
            ],
        ),
        (
            (changed(TIERS, tiers=()),),
            ["penalty 'tiers': has no availability to compare with: give at least one"],
        ),
        (
            (changed(TIERS, tiers=((Fraction("99.5"), Fraction(1, 2)),)),),
            ["penalty 'tiers': the availability of a tier lies between 0 and 1 (99.5 % is 0.995)"],
        ),
        (
            (changed(SLICES, slices=((0, Fraction(1, 2)), (5, Fraction(1, 4)))),),
            ["penalty 'slices': a greater breach costs less than a lesser one, got 0.25 after 0.5"],
        ),
        (
            (ThroughputBelow(name="rate", direction="up", share=Fraction(1, 10)),),
            ["penalty 'rate': looks at the guaranteed rate, and guaranteed_up is not set: set it"],
        ),
        (
            (changed(LATE, caps=(Cap(per="month", amount=FIVE), Cap(per="month", amount=FEE))),),
            ["penalty 'late': has two caps per month: keep one"],
        ),
        (
            (changed(LATE, caps=(Cap(per="month"),)),),
            ["penalty 'late': the cap per month takes either a share of the charge or an amount"],
        ),
        (
            (changed(LATE, caps=(Cap(per="month", amount=FIVE),), waived_up_to=FIVE),),
            [
                "penalty 'late': can never be charged: it is capped at 5 per month and waived up to 5"
            ],
        ),
        (
            (TIERS, changed(TIERS, name="again")),
            [
                "penalty 'again': prices the availability of the month, as 'tiers' does already: "
                "let one exclude the other, or keep one"
            ],
        ),
        (
            (SLICES, changed(SLICES, name="again")),
            [
                "penalty 'again': prices the duration of the incident, as 'slices' does already: "
                "let one exclude the other, or keep one"
            ],
        ),
        (
            (
                changed(LATE, name="a", excludes=("b",)),
                changed(LATE, name="b", excludes=("c",)),
                changed(LATE, name="c", excludes=("a",)),
            ),
            ["penalty 'a': excludes in a circle (a → b → c → a): none of them can stand"],
        ),
        ((TIERS, changed(TIERS, name="again", excludes=("tiers",))), []),
        (
            (changed(LATE, name="a", excludes=("b",)), changed(LATE, name="b", excludes=("a",))),
            [],
        ),
    ],
)
def test_contradictory_rules_are_named(
    rules: tuple[PenaltyRule, ...], sentences: list[str]
) -> None:
    assert list(of(*rules)) == sentences


def test_a_share_of_an_unknown_charge_is_named() -> None:
    problems = find_problems(Contract(penalties=(TIERS, LATE)))
    assert problems == (
        "penalty 'tiers': is a share of the charge, and monthly_fee is not set: set it",
    )


def test_an_amount_below_nothing_is_named() -> None:
    owed = changed(LATE, amount=Money(amount=Decimal(-1), currency="EUR"))
    assert of(owed) == ("penalty 'late': an amount is not negative",)
