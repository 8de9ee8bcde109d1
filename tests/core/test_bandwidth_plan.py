"""The plan of tests: what it owes to everyone, whatever the day and the settings."""

from __future__ import annotations

import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.bandwidth_plan import (
    BESIDE_CAMPAIGN_MS,
    DEFER_MS,
    TEST_MS,
    plan_after,
    plan_between,
    plan_day,
)
from netwatch.core.calendars import build_calendar, civil_date, covered_windows, day_start
from netwatch.core.intervals import Intervals
from netwatch.core.ndt7_pace import MAX_WAIT_MS, MIN_WAIT_MS, draw_ndt7_wait_ms

PARIS = ZoneInfo("Europe/Paris")
DAYS = st.dates(min_value=date(2026, 1, 1), max_value=date(2027, 12, 31))
DEVICES = st.text(alphabet="abcdefgh", min_size=1, max_size=6)
RULES = st.sampled_from(
    [
        (),
        ("mon-fri 08:30-11:30",),
        ("mon-sun 00:00-24:00",),
        ("mon-sun 22:00-06:00", "sat 01:30-04:00"),
        ("mon-sun 00:00-05:00", "mon-sun 06:00-24:00"),
    ]
)


def read_nothing(_from_ms: int, _to_ms: int) -> Intervals:
    return ()


def build_reader(rules: tuple[str, ...]):  # noqa: ANN201 - a closure of read_quiet's shape
    calendar = build_calendar(rules, name="quiet")
    return lambda from_ms, to_ms: covered_windows(calendar, PARIS, from_ms, to_ms)


@given(DEVICES, DAYS, st.integers(0, 48), RULES)
def test_a_day_has_its_number_of_tests_in_order_within_it(
    device: str, day: date, per_day: int, rules: tuple[str, ...]
) -> None:
    """As many as asked, on days of 23, 24 and 25 hours, none before or after the day."""
    start_ms, end_ms = day_start(day, PARIS), day_start(day + timedelta(days=1), PARIS)
    plan = plan_day(device, day, PARIS, per_day, build_reader(rules))
    assert len(plan) == per_day
    instants = [each.at_ms for each in plan]
    assert instants == sorted(instants)
    assert all(start_ms <= at_ms < end_ms for at_ms in instants)


@given(DEVICES, DAYS, st.integers(1, 24), RULES)
def test_no_test_runs_in_quiet_hours(
    device: str, day: date, per_day: int, rules: tuple[str, ...]
) -> None:
    """Neither begun, nor put off to a beginning, so late that it would run into them."""
    read_quiet = build_reader(rules)
    for planned in plan_day(device, day, PARIS, per_day, read_quiet):
        within = read_quiet(planned.at_ms, planned.at_ms + TEST_MS)
        assert (planned.skip == "quiet_hours") == bool(within)
        if planned.skip is None:
            assert planned.at_ms <= planned.until_ms <= planned.at_ms + DEFER_MS
            assert not read_quiet(planned.until_ms - 1, planned.until_ms - 1 + TEST_MS)


@given(DEVICES, DAYS, st.integers(1, 24))
def test_each_equal_part_of_the_day_has_one_test(device: str, day: date, per_day: int) -> None:
    """Counted from the device's own offset: no hour is left out for long, none is crowded."""
    start_ms, end_ms = day_start(day, PARIS), day_start(day + timedelta(days=1), PARIS)
    length_ms = end_ms - start_ms
    offset_ms = int(random.Random(f"{device}/offset").random() * length_ms / per_day)
    parts = [
        ((each.at_ms - start_ms - offset_ms) % length_ms) * per_day // length_ms
        for each in plan_day(device, day, PARIS, per_day, read_nothing)
    ]
    # A millisecond at an edge may belong to either side.
    assert len(set(parts)) >= per_day - 1


@given(DEVICES, DAYS, st.integers(1, 12), RULES, st.integers(0, 4 * 86_400_000))
def test_the_plan_is_the_same_however_it_is_asked_for(
    device: str, day: date, per_day: int, rules: tuple[str, ...], length_ms: int
) -> None:
    """In one piece or two: a restart changes nothing."""
    read_quiet = build_reader(rules)
    from_ms = day_start(day, PARIS)
    to_ms = from_ms + length_ms
    middle_ms = (from_ms + to_ms) // 2

    def plan(first_ms: int, last_ms: int):  # noqa: ANN202 - what plan_between gives
        return plan_between(
            device, first_ms, last_ms, PARIS, per_day=per_day, read_quiet=read_quiet
        )

    assert plan(from_ms, to_ms) == plan(from_ms, middle_ms) + plan(middle_ms, to_ms)


def test_devices_do_not_test_together() -> None:
    """Among 300 schools with the same settings, a minute holds no more than chance allows."""
    day = date(2026, 11, 24)
    start_ms = day_start(day, PARIS)
    minutes = [
        (each.at_ms - start_ms) // 60_000
        for number in range(300)
        for each in plan_day(f"ecole-{number}", day, PARIS, 4, read_nothing)
    ]
    assert max(minutes.count(minute) for minute in set(minutes)) <= 8  # 0.83 expected
    by_hour = [sum(1 for minute in minutes if minute // 60 == hour) for hour in range(24)]
    assert min(by_hour) >= 20  # 50 expected: no hour is spared


def test_a_days_test_gives_way_to_a_campaigns() -> None:
    """The campaign's slot stands, in quiet hours too; what is near it is skipped as overlap."""
    day = date(2026, 11, 24)
    quiet = build_reader(("mon-sun 00:00-24:00",))
    plain = plan_day("ecole", day, PARIS, 4, read_nothing)
    slot_ms = plain[1].at_ms + BESIDE_CAMPAIGN_MS - 1
    from_ms = day_start(day, PARIS)
    plan = plan_between(
        "ecole", from_ms, from_ms + 86_400_000, PARIS, per_day=4, read_quiet=read_nothing,
        campaign_slots=[slot_ms],
    )  # fmt: skip
    assert [(each.at_ms, each.skip) for each in plan if each.asked_by == "campaign"] == [
        (slot_ms, None)
    ]
    assert {each.at_ms: each.skip for each in plan}[plain[1].at_ms] == "overlap"
    hushed = plan_between(
        "ecole", from_ms, from_ms + 86_400_000, PARIS, per_day=4, read_quiet=quiet,
        campaign_slots=[slot_ms],
    )  # fmt: skip
    assert [each.skip for each in hushed if each.asked_by == "campaign"] == [None]
    assert {each.skip for each in hushed if each.asked_by == "plan"} == {"quiet_hours"}


@given(DEVICES, st.integers(0, 2**41))
def test_the_pace_of_mlab_is_kept_and_repeatable(device: str, last_ms: int) -> None:
    """The next test follows from the last one's instant, within M-Lab's bounds."""

    def draw(source: random.Random) -> int:
        return draw_ndt7_wait_ms(source.random())

    planned = plan_after(device, last_ms, draw, read_nothing)
    assert MIN_WAIT_MS <= planned.at_ms - last_ms <= MAX_WAIT_MS
    assert planned == plan_after(device, last_ms, draw, read_nothing)


def test_a_wait_that_ends_in_quiet_hours_is_skipped_and_the_chain_goes_on() -> None:
    """Nothing is shifted onto their end, where all devices would meet."""
    last_ms = day_start(date(2026, 11, 24), PARIS)
    planned = plan_after(
        "ecole", last_ms, lambda _draw: 3_600_000, build_reader(("tue 00:30-02:00",))
    )
    assert (planned.at_ms - last_ms, planned.skip) == (3_600_000, "quiet_hours")


def test_a_plan_of_no_length_is_empty() -> None:
    """An instant holds no test."""
    now_ms = day_start(date(2026, 11, 24), PARIS)
    assert civil_date(now_ms, PARIS) == date(2026, 11, 24)
    assert plan_between("a", now_ms, now_ms, PARIS, per_day=48, read_quiet=read_nothing) == ()
