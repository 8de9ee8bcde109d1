"""The proof campaign: its plan, the check of its schedule and its verdict."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netwatch.core.campaign import (
    Offer,
    ProofMeasurement,
    ProofVerdict,
    check_schedule,
    judge_proof,
    plan_proof,
)

PARIS = ZoneInfo("Europe/Paris")
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
PLAN = plan_proof("school", date(2026, 10, 19), PARIS)
OFFER = Offer(maximum=100, normal=80, minimum=50)
SILENT = Offer()


def measured(rates: list[int]) -> list[ProofMeasurement]:
    return [
        ProofMeasurement(at_ms=at, down=rate, up=rate, wired=True, quiet=True)
        for at, rate in zip(PLAN, rates, strict=True)
    ]


def judge(rates: list[int]) -> ProofVerdict:
    return judge_proof(measured(rates), OFFER, SILENT, PARIS)


@example(seed="Ⱦ", first_day=date(2026, 2, 27), zone="America/Havana", hours=(0, 24))
@given(
    seed=st.text(max_size=5),
    first_day=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    zone=st.sampled_from(["Europe/Paris", "America/Havana", "Australia/Lord_Howe"]),
    hours=st.sampled_from([(0, 24), (8, 20), (9, 14)]),
)
def test_every_plan_keeps_the_rule_and_the_hours(
    seed: str, first_day: date, zone: str, hours: tuple[int, int]
) -> None:
    place = ZoneInfo(zone)
    plan = plan_proof(seed, first_day, place, from_hour=hours[0], to_hour=hours[1])
    assert len(plan) == 30
    assert check_schedule(plan, place) == ()
    local = [datetime.fromtimestamp(at / 1000, place) for at in plan]
    assert all(hours[0] <= each.hour < hours[1] for each in local)
    assert local[0].date() == first_day
    assert plan == plan_proof(seed, first_day, place, from_hour=hours[0], to_hour=hours[1])


def test_another_seed_gives_another_plan() -> None:
    assert plan_proof("library", date(2026, 10, 19), PARIS) != PLAN


def test_hours_that_are_too_short_for_a_plan_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match="10 measurements and a pause do not fit between 9 h and 12 h: use longer hours",
    ):
        plan_proof("school", date(2026, 10, 19), PARIS, from_hour=9, to_hour=12)


def test_each_broken_condition_of_the_schedule_is_named() -> None:
    def codes(instants: list[int]) -> list[str]:
        return [problem.code for problem in check_schedule(instants, PARIS)]

    day = 24 * HOUR_MS
    start = int(datetime(2026, 10, 19, 6, tzinfo=UTC).timestamp()) * 1000
    times = [*range(0, 25, 5), *range(200, 225, 5)]

    def on(*days: int) -> list[int]:
        return [start + each * day + minute * MINUTE_MS for each in days for minute in times]

    assert codes(on(0, 2, 4)) == []
    assert codes(on(0, 2, 13)) == []
    assert codes(on(0, 1, 4)) == ["free_day"]
    assert codes(on(0, 2, 14)) == ["within_days"]
    assert codes(on(0, 2)) == ["days"]
    assert codes(on(0, 2, 4)[1:]) == ["per_day"]
    close = on(0, 2, 4)
    close[1] -= 1
    assert codes(close) == ["gap"]
    early = on(0, 2, 4)
    early[5:10] = [at - 21 * MINUTE_MS for at in early[5:10]]
    assert codes(early) == ["pause"]
    assert codes([]) == ["days"]


def test_a_measurement_by_radio_under_traffic_or_not_made_proves_nothing() -> None:
    measurements = measured([10] * 30)
    measurements[3] = msgspec.structs.replace(measurements[3], wired=False, quiet=False, up=None)
    verdict = judge_proof(measurements, OFFER, OFFER, PARIS)
    assert [(problem.code, problem.at_ms) for problem in verdict.problems] == [
        (code, PLAN[3]) for code in ("wired", "cross_traffic", "not_measured")
    ]
    assert verdict.breach is None
    assert verdict.down.breaches == ("maximum", "normal", "minimum")


def test_a_line_that_keeps_all_three_conditions_to_the_unit_is_no_breach() -> None:
    """90 % on two days, the normal rate in 27 of 30, under the minimum on one day."""
    rates = [80] * 30
    rates[0], rates[10] = 90, 90
    rates[11], rates[20], rates[21] = 50, 49, 79
    verdict = judge(rates)
    assert verdict.breach is False
    assert verdict.down.days_reaching_maximum == 2
    assert verdict.down.reaching_normal == 27
    assert verdict.down.days_under_minimum == 1
    assert (verdict.up.days_reaching_maximum, verdict.up.breaches) == (None, ())


def test_each_condition_alone_is_a_breach() -> None:
    sound = [90] * 30
    maximum = [90] * 10 + [89] * 20
    assert judge(maximum).down.breaches == ("maximum",)
    normal = sound.copy()
    normal[0:4] = [79] * 4
    assert judge(normal).down.breaches == ("normal",)
    minimum = sound.copy()
    minimum[0], minimum[29] = 49, 49
    assert judge(minimum).down.breaches == ("minimum",)
    assert [judge(each).breach for each in (sound, maximum, normal, minimum)] == [
        False,
        True,
        True,
        True,
    ]


def test_a_breach_in_the_upload_alone_is_a_breach() -> None:
    verdict = judge_proof(measured([60] * 30), SILENT, OFFER, PARIS)
    assert verdict.breach is True
    assert verdict.down.breaches == ()


@given(st.lists(st.integers(0, 120), min_size=30, max_size=30), st.integers(0, 29))
def test_a_faster_measurement_never_makes_a_breach(rates: list[int], index: int) -> None:
    faster = rates.copy()
    faster[index] += 40
    assert set(judge(faster).down.breaches) <= set(judge(rates).down.breaches)
