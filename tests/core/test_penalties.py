"""Penalties to the cent: the table of real rules, then caps, floors and exclusivity."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from netwatch.core.incidents import Case
from netwatch.core.penalties import PenaltyLine, charge_penalties, round_to_cent, sum_amounts
from netwatch.core.penalty_bases import Facts

MINUTE_MS = 60_000
THIRTY_DAYS_MS = 30 * DAY_MS


def euros(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def contract(
    *rules: PenaltyRule, fee: str = "300", restore_within_ms: int | None = None
) -> Contract:
    return Contract(monthly_fee=euros(fee), penalties=rules, restore_within_ms=restore_within_ms)


def case(duration_ms: int, name: str = "i", deadline_ms: int | None = None) -> Case:
    """An incident from instant 0 whose every hour is covered."""
    return Case(
        incident_ids=(name,),
        start_ms=0,
        end_ms=duration_ms,
        deadline_ms=deadline_ms,
        counted=((0, duration_ms),),
        elapsed=((0, duration_ms),),
    )


def amounts(lines: tuple[PenaltyLine, ...]) -> list[str | None]:
    return [None if line.amount is None else str(line.amount.amount) for line in lines]


def down_for(hours: int) -> Facts:
    """The availability of a 30-day month with so many hours down."""
    return Facts(availability=1 - Fraction(hours * HOUR_MS, THIRTY_DAYS_MS))


V_R_30 = PerTime(
    name="V·R/30",
    unit_ms=DAY_MS,
    grace_ms=8 * HOUR_MS,
    clock="elapsed",
    charge_share=Fraction(1, 30),
)
HALF = AvailabilityTiers(name="below", tiers=((Fraction("0.996"), Fraction("0.50")),))
TIERS = AvailabilityTiers(
    name="tiers",
    tiers=(
        (Fraction("0.9999"), Fraction("0.05")),
        (Fraction("0.995"), Fraction("0.10")),
        (Fraction("0.99"), Fraction("0.20")),
    ),
)
PER_HOUR = PerTime(
    name="a day's charge an hour",
    unit_ms=HOUR_MS,
    grace_ms=0,
    charge_share=Fraction(1, 30),
    caps=(Cap(per="quarter", share=Fraction("0.275")),),
)
SLICES = DurationSlices(
    name="slices",
    slices=tuple(
        (minutes * MINUTE_MS, Fraction(percent, 100))
        for minutes, percent in (
            (10, 5),
            (45, 10),
            (240, 20),
            (480, 30),
            (720, 40),
            (960, 50),
            (1440, 100),
        )
    ),
)
V_R_1000 = PerTime(
    name="V·R/1000",
    unit_ms=DAY_MS,
    grace_ms=0,
    clock="elapsed",
    charge_share=Fraction(1, 1000),
    charge_period="year",
    waived_up_to=euros("1000"),
)


def test_two_days_beyond_eight_working_hours_cost_two_thirtieths() -> None:
    """V·R/30: working hours 8 to 18, the outage from 8:00; the grace is over at 16:00."""
    end = 16 * HOUR_MS + 2 * DAY_MS
    late = Case(
        incident_ids=("i",),
        start_ms=8 * HOUR_MS,
        end_ms=end,
        deadline_ms=None,
        counted=tuple(
            (8 * HOUR_MS + day * DAY_MS, min(18 * HOUR_MS + day * DAY_MS, end)) for day in range(3)
        ),
        elapsed=((8 * HOUR_MS, end),),
    )
    (line,) = charge_penalties(contract(V_R_30), Facts(cases=(late,)))
    assert line.basis.units == 2
    assert line.amount == euros("20.00")


def test_three_hours_down_in_thirty_days_is_below_the_threshold_and_costs_half() -> None:
    assert amounts(charge_penalties(contract(HALF), down_for(3))) == ["150.00"]
    assert amounts(charge_penalties(contract(HALF), down_for(2))) == ["0.00"]


def test_four_hours_down_in_thirty_days_fall_in_the_middle_tier() -> None:
    (line,) = charge_penalties(contract(TIERS), down_for(4))
    assert line.amount == euros("30.00")
    assert line.basis.threshold_share == Fraction("0.995")
    assert line.basis.charge == euros("300.00")


def test_six_hours_cost_six_days_charges_and_the_quarter_is_capped() -> None:
    (line,) = charge_penalties(contract(PER_HOUR), Facts(cases=(case(6 * HOUR_MS),)))
    assert line.amount == euros("60.00")
    (long,) = charge_penalties(contract(PER_HOUR), Facts(cases=(case(40 * HOUR_MS),)))
    assert long.amount == euros("247.50")
    assert (long.basis.computed, long.basis.capped_per) == (euros("400.00"), "quarter")


def test_five_hours_fall_in_the_slice_that_costs_a_fifth() -> None:
    (line,) = charge_penalties(contract(SLICES), Facts(cases=(case(5 * HOUR_MS),)))
    assert line.amount == euros("60.00")
    assert line.basis.slice_from_ms == 4 * HOUR_MS


def test_three_thousandths_of_the_year_are_under_the_floor_and_waived() -> None:
    """V = 3 600 €, R = 3: 10.80 €, and up to 1 000 € nothing is due."""
    facts = Facts(cases=(case(3 * DAY_MS),))
    (line,) = charge_penalties(contract(V_R_1000), facts)
    assert line.basis.charge == euros("3600.00")
    assert line.basis.computed == euros("10.80")
    assert line.amount == euros("0.00")
    assert line.basis.waived_up_to == euros("1000")
    for floor, due in (("10.80", "0.00"), ("10.79", "10.80")):
        rule = msgspec.structs.replace(V_R_1000, waived_up_to=euros(floor))
        assert amounts(charge_penalties(contract(rule), facts)) == [due]
    unwaived = msgspec.structs.replace(V_R_1000, waived_up_to=None)
    assert amounts(charge_penalties(contract(unwaived), facts)) == ["10.80"]


@pytest.mark.parametrize(
    ("minutes", "amount"),
    [
        (10, None),
        (11, "15.00"),
        (45, "15.00"),
        (46, "30.00"),
        (240, "30.00"),
        (480, "60.00"),
        (720, "90.00"),
        (960, "120.00"),
        (1440, "150.00"),
        (1441, "300.00"),
    ],
)
def test_each_slice_holds_its_own_upper_end(minutes: int, amount: str | None) -> None:
    lines = charge_penalties(contract(SLICES), Facts(cases=(case(minutes * MINUTE_MS),)))
    assert amounts(lines) == ([] if amount is None else [amount])


@pytest.mark.parametrize(
    ("availability", "amount"),
    [
        ("1", "0.00"),
        ("0.9999", "0.00"),
        ("0.99989999", "15.00"),
        ("0.995", "15.00"),
        ("0.99", "30.00"),
        ("0.98999", "60.00"),
        ("0", "60.00"),
    ],
)
def test_an_availability_on_a_threshold_is_not_below_it(availability: str, amount: str) -> None:
    facts = Facts(availability=Fraction(availability))
    assert amounts(charge_penalties(contract(TIERS), facts)) == [amount]


@pytest.mark.parametrize(
    ("rounding", "amount"), [("up", "8.00"), ("down", "4.00"), ("none", "6.00")]
)
def test_a_unit_that_has_begun_counts_as_the_contract_rounds(rounding: str, amount: str) -> None:
    """An hour and a half late, at 4 € for each started, full or exact hour."""
    rule = PerTime(name="late", amount=euros("4"), rounding=rounding)  # type: ignore[arg-type]  # of the list above
    late = case(5 * HOUR_MS + 30 * MINUTE_MS, deadline_ms=4 * HOUR_MS)
    lines = charge_penalties(contract(rule, restore_within_ms=4 * HOUR_MS), Facts(cases=(late,)))
    assert amounts(lines) == [amount]
    assert lines[0].basis.grace_ms == 4 * HOUR_MS
    assert lines[0].basis.excess_ms == 90 * MINUTE_MS


def test_a_restoration_on_its_deadline_costs_nothing() -> None:
    rule = PerTime(name="late", amount=euros("4"))
    on_time = case(4 * HOUR_MS, deadline_ms=4 * HOUR_MS)
    terms = contract(rule, restore_within_ms=4 * HOUR_MS)
    assert charge_penalties(terms, Facts(cases=(on_time,))) == ()
    assert charge_penalties(terms, Facts(cases=(case(9 * HOUR_MS),))) == ()  # no deadline at all


def test_each_started_slice_of_four_hours_costs_its_amount() -> None:
    rule = PerTime(name="slice", unit_ms=4 * HOUR_MS, grace_ms=HOUR_MS, amount=euros("50"))
    lines = charge_penalties(contract(rule), Facts(cases=(case(6 * HOUR_MS), case(HOUR_MS))))
    assert amounts(lines) == ["100.00"]


def test_the_months_interruption_may_be_charged_as_one() -> None:
    rule = PerTime(name="month", scope="month", grace_ms=2 * HOUR_MS, amount=euros("10"))
    facts = Facts(interruption_ms=5 * HOUR_MS, interruption_elapsed_ms=9 * HOUR_MS)
    assert amounts(charge_penalties(contract(rule), facts)) == ["30.00"]
    elapsed = msgspec.structs.replace(rule, clock="elapsed")
    assert amounts(charge_penalties(contract(elapsed), facts)) == ["70.00"]
    assert amounts(charge_penalties(contract(rule), Facts())) == ["0.00"]
    monthly = msgspec.structs.replace(SLICES, scope="month")
    assert amounts(charge_penalties(contract(monthly), facts)) == ["60.00"]


def test_only_what_this_month_adds_beyond_the_yearly_interruption_is_charged() -> None:
    rule = PerTime(name="IMS", scope="year", amount=euros("10"))
    terms = msgspec.structs.replace(contract(rule), yearly_interruption_ms=13 * HOUR_MS)

    def used(before: int, after: int) -> list[str | None]:
        facts = Facts(year_used_before_ms=before * MINUTE_MS, year_used_ms=after * MINUTE_MS)
        return amounts(charge_penalties(terms, facts))

    assert used(0, 13 * 60) == ["0.00"]
    assert used(12 * 60, 15 * 60 + 30) == ["30.00"]
    assert used(15 * 60 + 30, 15 * 60 + 59) == ["0.00"]  # that hour had begun, and was charged
    (line,) = charge_penalties(contract(rule), Facts(year_used_ms=99))
    assert (line.amount, line.basis.missing) == (None, "yearly_interruption")


@given(st.lists(st.integers(0, 5 * HOUR_MS), min_size=1, max_size=6))
def test_months_of_a_year_charge_together_what_the_year_charges_at_once(months: list[int]) -> None:
    rule = PerTime(name="IMS", scope="year", amount=euros("10"), grace_ms=2 * HOUR_MS)
    charged, used = Decimal(0), 0
    for added in months:
        (line,) = charge_penalties(
            contract(rule), Facts(year_used_before_ms=used, year_used_ms=used + added)
        )
        used += added
        assert line.amount is not None
        charged += line.amount.amount
    (whole,) = charge_penalties(contract(rule), Facts(year_used_ms=used))
    assert whole.amount is not None
    assert charged == whole.amount.amount


def test_too_few_tests_at_the_guaranteed_rate_cost_their_share() -> None:
    rule = ThroughputBelow(name="rate", direction="down", share=Fraction(1, 10))
    terms = contract(rule)
    met = Facts(tests_met={"down": Fraction(99, 100)})
    missed = Facts(tests_met={"down": Fraction(98, 100), "up": Fraction(1)})
    assert amounts(charge_penalties(terms, met)) == ["0.00"]
    assert amounts(charge_penalties(terms, missed)) == ["30.00"]
    (line,) = charge_penalties(terms, Facts(tests_met={"up": Fraction(0)}))
    assert (line.amount, line.basis.missing) == (None, "throughput")


def test_what_cannot_be_priced_says_what_is_missing_and_is_not_zero() -> None:
    (unknown,) = charge_penalties(contract(TIERS), Facts())
    assert (unknown.amount, unknown.basis.missing) == (None, "availability")
    free = Contract(penalties=(TIERS,))
    (no_fee,) = charge_penalties(free, down_for(4))
    assert (no_fee.amount, no_fee.basis.missing) == (None, "monthly_fee")
    assert sum_amounts([unknown, no_fee]) is None


def test_caps_hold_each_incident_then_the_month_then_the_quarter() -> None:
    rule = PerTime(
        name="late",
        grace_ms=0,
        amount=euros("10"),
        caps=(
            Cap(per="month", amount=euros("90")),
            Cap(per="incident", amount=euros("50")),
            Cap(per="quarter", amount=euros("100")),
        ),
    )
    cases = (case(8 * HOUR_MS, "a"), case(3 * HOUR_MS, "b"), case(4 * HOUR_MS, "c"))
    lines = charge_penalties(contract(rule), Facts(cases=cases))
    assert amounts(lines) == ["50.00", "30.00", "10.00"]
    assert [line.basis.capped_per for line in lines] == ["incident", None, "month"]
    earlier = Facts(cases=cases, charged_before={("late", "quarter"): Decimal(45)})
    lines = charge_penalties(contract(rule), earlier)
    assert amounts(lines) == ["50.00", "5.00", "0.00"]
    assert lines[2].basis.cap == euros("100")
    spent = Facts(cases=cases, charged_before={("late", "quarter"): Decimal(145)})
    assert amounts(charge_penalties(contract(rule), spent)) == ["0.00", "0.00", "0.00"]


@given(
    st.lists(st.integers(1, 30 * HOUR_MS), min_size=1, max_size=5),
    st.integers(0, 200),
    st.integers(0, 400),
    st.sampled_from(["up", "down", "none"]),
)
def test_no_cap_is_ever_passed_and_no_line_exceeds_what_was_computed(
    durations: list[int], per_incident: int, per_month: int, rounding: str
) -> None:
    rule = PerTime(
        name="late",
        grace_ms=HOUR_MS,
        rounding=rounding,  # type: ignore[arg-type]  # of the list above
        charge_share=Fraction(1, 7),
        caps=(
            Cap(per="incident", amount=euros(str(per_incident))),
            Cap(per="month", amount=euros(str(per_month))),
        ),
    )
    cases = tuple(case(duration, str(number)) for number, duration in enumerate(durations))
    lines = charge_penalties(contract(rule), Facts(cases=cases))
    total = Decimal(0)
    for line in lines:
        assert line.amount is not None
        assert line.basis.computed is not None
        assert 0 <= line.amount.amount <= min(line.basis.computed.amount, per_incident)
        total += line.amount.amount
    assert total <= per_month


@given(
    fee=st.decimals(0, 10_000, places=2),
    late_ms=st.integers(1, 20 * DAY_MS),
    divisor=st.sampled_from([30, 1000, 365]),
)
def test_a_days_share_is_the_decimal_reckoning_on_paper(
    fee: Decimal, late_ms: int, divisor: int
) -> None:
    rule = PerTime(name="days", unit_ms=DAY_MS, grace_ms=0, charge_share=Fraction(1, divisor))
    (line,) = charge_penalties(contract(rule, fee=str(fee)), Facts(cases=(case(late_ms),)))
    days = (Decimal(late_ms) / DAY_MS).to_integral_value(ROUND_CEILING)
    assert line.amount is not None
    assert line.amount.amount == (fee * days / divisor).quantize(Decimal("0.01"), ROUND_HALF_UP)


def exclusive(name: str, amount: str, *excludes: str) -> PerTime:
    return PerTime(name=name, grace_ms=0, amount=euros(amount), excludes=excludes)


def charged(*rules: PerTime) -> dict[str, str]:
    facts = Facts(cases=(case(HOUR_MS),))
    return {
        line.rule: line.basis.excluded_by or str(line.amount.amount)
        for line in charge_penalties(contract(*rules), facts)
        if line.amount is not None
    }


def test_a_rule_that_charges_sets_those_it_excludes_to_nothing() -> None:
    assert charged(exclusive("a", "5", "b"), exclusive("b", "9")) == {"a": "5.00", "b": "a"}
    assert charged(exclusive("a", "0", "b"), exclusive("b", "9")) == {"a": "0.00", "b": "9.00"}


def test_of_two_that_exclude_each_other_the_greater_stands_and_of_equals_the_first() -> None:
    pair = charged(exclusive("a", "5", "b"), exclusive("b", "9", "a"))
    assert pair == {"a": "b", "b": "9.00"}
    equals = charged(exclusive("a", "5", "b"), exclusive("b", "5", "a"))
    assert equals == {"a": "5.00", "b": "a"}


def test_an_excluded_rule_excludes_no_other() -> None:
    chain = charged(exclusive("a", "5", "b"), exclusive("b", "9", "c"), exclusive("c", "1"))
    assert chain == {"a": "5.00", "b": "a", "c": "1.00"}


def test_in_a_circle_the_greatest_stands() -> None:
    circle = charged(exclusive("a", "5", "b"), exclusive("b", "9", "c"), exclusive("c", "1", "a"))
    assert circle == {"a": "b", "b": "9.00", "c": "b"}


def test_an_excluded_line_keeps_what_it_would_have_been() -> None:
    facts = Facts(cases=(case(HOUR_MS),))
    lines = charge_penalties(contract(exclusive("a", "5", "b"), exclusive("b", "9")), facts)
    assert lines[1].amount == euros("0.00")
    assert lines[1].basis.computed == euros("9.00")
    assert sum_amounts(lines) == euros("5.00")


def test_part_of_a_month_bears_its_part_of_the_charge() -> None:
    facts = Facts(availability=Fraction("0.98"), share_of_month=Fraction(1, 3))
    (line,) = charge_penalties(contract(TIERS), facts)
    assert line.amount == euros("20.00")
    assert line.basis.charge == euros("100.00")


def test_amounts_of_two_currencies_have_no_sum() -> None:
    lines = [
        msgspec.structs.replace(line, amount=Money(amount=Decimal(1), currency=currency))
        for line, currency in zip(
            charge_penalties(contract(TIERS, HALF), down_for(4)), ("EUR", "CHF"), strict=True
        )
    ]
    with pytest.raises(ValueError, match="amounts in CHF and EUR have no sum"):
        sum_amounts(lines)


def test_half_a_cent_goes_up() -> None:
    assert [str(round_to_cent(Fraction(text))) for text in ("0.005", "0.0049", "2.675")] == [
        "0.01",
        "0.00",
        "2.68",
    ]


def test_an_incident_that_is_not_restored_is_not_charged_yet() -> None:
    running = msgspec.structs.replace(case(9 * HOUR_MS), end_ms=None)
    facts = Facts(cases=(running,))
    assert charge_penalties(contract(SLICES, PER_HOUR), facts) == ()


def test_a_chain_of_recurrences_is_one_line_that_names_them_all() -> None:
    chain = msgspec.structs.replace(case(5 * HOUR_MS), incident_ids=("first", "again"))
    (line,) = charge_penalties(contract(SLICES), Facts(cases=(chain,)))
    assert (line.basis.incident, line.basis.recurrences) == ("first", ("again",))
