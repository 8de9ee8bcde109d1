"""Which tests are a campaign's measurements, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec

from netwatch.core.campaign import Offer
from netwatch.core.campaign_record import (
    Campaign,
    CampaignBooks,
    Profile,
    RoundTrips,
    list_windows,
    match_tests,
    plan_slots,
)
from netwatch.core.campaign_verdict import CampaignVerdict, judge_campaign
from netwatch.core.throughput import ThroughputTest

PARIS = ZoneInfo("Europe/Paris")
FIRST = date(2026, 10, 19)  # the evening of the 25th has the night of the clock change behind it
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


def plan(profile: Profile, down: Offer, up: Offer = Offer()) -> Campaign:  # noqa: B008 - frozen
    return Campaign(
        id="C1", profile=profile, seed="s", first_day=FIRST, timezone="Europe/Paris",
        slots=plan_slots(profile, "s", FIRST, PARIS), down=down, up=up, wired=True,
        author="marie", entered_ms=0,
    )  # fmt: skip


def pair(at_ms: int, rate: int, invalid: str | None = None) -> Iterator[ThroughputTest]:
    yield ThroughputTest(at_ms=at_ms, direction="down", bytes_per_second=rate, invalid=invalid)
    yield ThroughputTest(at_ms=at_ms, direction="up", bytes_per_second=rate, invalid=invalid)


def judge(
    campaign: Campaign,
    tests: list[ThroughputTest],
    *,
    now_ms: int = 2_000_000_000_000,
    trips: RoundTrips = RoundTrips(),  # noqa: B008 - frozen
) -> CampaignVerdict:
    books = CampaignBooks(
        campaign=campaign, tests=match_tests(campaign, PARIS, tests), round_trips=trips
    )
    return judge_campaign(books, PARIS, now_ms)


PROOF = plan("proof", Offer(maximum=100, normal=80, minimum=50))


def test_a_test_belongs_to_the_slot_whose_five_minutes_it_begins_in() -> None:
    """Not one a moment before, nor one at their end; and other tests of the day to none."""
    slot = PROOF.slots[4]
    tests = [*pair(slot - 1, 1), *pair(slot + 5 * MINUTE_MS, 2), *pair(slot + 299_999, 3)]
    found = [test for test in match_tests(PROOF, PARIS, tests) if test.at_ms is not None]
    assert [(test.slot_ms, test.down, test.up) for test in found] == [(slot, 3, 3)]
    assert len(match_tests(PROOF, PARIS, tests)) == 30


def test_a_valid_test_again_within_the_slot_stands_for_one_that_failed() -> None:
    """But never for one that counts: a result is no reason to measure again."""
    tests = [test for slot in PROOF.slots for test in pair(slot, 100)]
    failed = [msgspec.structs.replace(test, invalid="test_server_failed") for test in tests[:2]]
    again = [*failed, *pair(PROOF.slots[0] + MINUTE_MS, 100), *tests[2:]]
    assert judge(PROOF, again).state == "no_breach"
    better = [*pair(PROOF.slots[0], 10), *pair(PROOF.slots[0] + MINUTE_MS, 100), *tests[2:]]
    lines = {line.code: line for line in judge(PROOF, better).lines}
    assert lines["normal"].found == 29
    assert lines["minimum"].found == 1


def test_a_breach_names_the_condition() -> None:
    """Four of thirty below the normal rate are one too many."""
    rates = [70] * 4 + [100] * 26
    tests = [
        test for slot, rate in zip(PROOF.slots, rates, strict=True) for test in pair(slot, rate)
    ]
    verdict = judge(PROOF, tests)
    assert verdict.state == "breach"
    assert [(line.code, line.direction, line.found, line.required, line.met)
            for line in verdict.lines] == [
        ("maximum", "down", 3, 2, True), ("normal", "down", 26, 27, False),
        ("minimum", "down", 0, 1, True),
    ]  # fmt: skip


def test_until_its_end_a_campaign_has_no_verdict() -> None:
    """Before it, it is planned; within it, what is missing may still come, what is wrong may not."""
    tests = [*pair(PROOF.slots[0], 1), *pair(PROOF.slots[1], 1, "busy_link")]
    assert judge(PROOF, [], now_ms=PROOF.slots[0] - 1).state == "planned"
    verdict = judge(PROOF, tests, now_ms=PROOF.slots[2])
    assert (verdict.state, verdict.measured) == ("under_way", 2)
    assert {problem.code for problem in verdict.problems} == {"cross_traffic"}
    assert {line.met for line in verdict.lines} == {None}


def test_without_a_cable_nothing_is_proven() -> None:
    tests = [test for slot in PROOF.slots for test in pair(slot, 1)]
    verdict = judge(msgspec.structs.replace(PROOF, wired=False), tests)
    assert verdict.state == "unproven"
    assert {line.met for line in verdict.lines} == {None}


PEAK = plan("peak", Offer(normal=100), Offer(normal=10))


def test_evenings_are_judged_by_hours_tests_and_round_trips() -> None:
    """80 of 100 in 80 % of the tests; 95 % of the round trips within the limit."""
    windows = list_windows(PEAK, PARIS)
    tests = [
        test
        for number, (start, _) in enumerate(windows)
        for test in pair(start + 1, 79 if number % 5 == 0 else 80)
    ]
    verdict = judge(PEAK, tests, trips=RoundTrips(sent=1_000, within=950))
    assert verdict.measured == 42
    assert [(line.code, line.direction, line.found_share, line.met) for line in verdict.lines] == [
        ("hours", None, None, True),
        ("tests", "down", Fraction(33, 42), False),
        ("tests", "up", Fraction(1), True),
        ("rtt", None, Fraction(95, 100), True),
    ]
    assert verdict.state == "breach"


def test_an_evening_hour_without_a_test_leaves_it_unproven() -> None:
    windows = list_windows(PEAK, PARIS)
    tests = [test for start, _ in windows[1:] for test in pair(start, 1)]
    verdict = judge(PEAK, tests)
    assert verdict.state == "unproven"
    (problem,) = verdict.problems
    assert (problem.code, problem.found, problem.required) == ("hours", 41, 42)
