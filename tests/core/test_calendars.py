"""Calendars against a reference that asks the local clock minute by minute."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.calendars import (
    DAYS,
    HOLIDAYS,
    NAMED,
    Calendar,
    build_calendar,
    contract_year,
    covered_windows,
    month_window,
)
from netwatch.core.intervals import contains, total

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

#: Both hemispheres, half and quarter hours, a half-hour change (Lord Howe), changes at
#: midnight (Beirut, Havana, Santiago), one hour past it in the Azores, and none at all.
ZONES = (
    "Europe/Paris",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Atlantic/Azores",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Martinique",
    "America/Cayenne",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Africa/Casablanca",
    "Indian/Reunion",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Noumea",
    "Pacific/Tahiti",
)
RULES = (
    ("mon-fri 08:00-18:00", "sat 08:00-12:00"),
    ("sat 22:00-02:30", "sun,holidays 01:15-03:10"),
    ("fri-mon 00:00-24:00",),
    ("mon-sun 23:30-00:30,02:00-03:00",),
)


def utc_ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]  # a date's parts


def reference(calendar: Calendar, zone: ZoneInfo, instant_ms: int) -> bool:
    """What the local clock and the calendar on the wall say of one minute."""
    local = datetime.fromtimestamp(instant_ms / 1000, zone)
    minute = local.hour * 60 + local.minute
    for day, at in ((local.date(), minute), (local.date() - timedelta(days=1), minute + 1440)):
        kind = HOLIDAYS if day in calendar.holidays else day.weekday()
        for window in calendar.windows:
            if kind in window.days and window.start_minute <= at < window.end_minute:
                return True
    return False


def changes(name: str, year: int) -> list[int]:
    """The hours of a year in which the zone's offset changes, found one by one."""
    zone = ZoneInfo(name)
    start = utc_ms(year, 1, 1)
    hours = range(start, utc_ms(year + 1, 1, 1), HOUR_MS)
    offsets = [datetime.fromtimestamp(at / 1000, zone).utcoffset() for at in hours]
    return [hours[i] for i in range(1, len(hours)) if offsets[i] != offsets[i - 1]]


@pytest.mark.parametrize("name", ZONES)
def test_every_minute_around_both_clock_changes_is_what_the_local_clock_says(name: str) -> None:
    zone = ZoneInfo(name)
    moments = changes(name, 2026) or [utc_ms(2026, 3, 29), utc_ms(2026, 10, 25)]
    for moment in moments:
        around = datetime.fromtimestamp(moment / 1000, zone).date()
        for rules in RULES:
            calendar = build_calendar(rules, holidays=[around, around + timedelta(days=9)])
            start, end = moment - 36 * HOUR_MS, moment + 36 * HOUR_MS
            windows = covered_windows(calendar, zone, start, end)
            wrong = [
                minute
                for minute in range(start, end, MINUTE_MS)
                if contains(windows, minute) != reference(calendar, zone, minute)
            ]
            assert wrong == []


@given(
    name=st.sampled_from(ZONES),
    day=st.dates(date(2024, 1, 1), date(2028, 12, 31)),
    rules=st.lists(
        st.builds(
            lambda days, start, end: (
                f"{','.join(sorted(days))} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
            ),
            st.sets(st.sampled_from([*DAYS, "holidays"]), min_size=1),
            st.integers(0, 719),
            st.integers(720, 1440),
        ),
        max_size=3,
    ),
    holiday=st.integers(-1, 2),
)
def test_any_weekly_list_on_any_day_is_what_the_local_clock_says(
    name: str, day: date, rules: list[str], holiday: int
) -> None:
    zone = ZoneInfo(name)
    calendar = build_calendar(rules, holidays=[day + timedelta(days=holiday)])
    start = utc_ms(day.year, day.month, day.day)
    windows = covered_windows(calendar, zone, start, start + 30 * HOUR_MS)
    for minute in range(start, start + 30 * HOUR_MS, 7 * MINUTE_MS):
        assert contains(windows, minute) == reference(calendar, zone, minute)


@pytest.mark.parametrize("name", ZONES)
def test_months_follow_without_gap_and_begin_at_the_first_instant_of_their_first_day(
    name: str,
) -> None:
    zone = ZoneInfo(name)
    months = [month_window(year, month, zone) for year in (2025, 2026) for month in range(1, 13)]
    for before, after in pairwise(months):
        assert before[1] == after[0]
    for index, (start, _) in enumerate(months):
        first = date(2025 + index // 12, index % 12 + 1, 1)
        assert datetime.fromtimestamp(start / 1000, zone).date() == first
        assert datetime.fromtimestamp(start / 1000 - 1, zone).date() < first


def test_march_has_743_hours_and_october_745_in_paris_and_744_in_reunion() -> None:
    def hours(month: int, name: str) -> float:
        start, end = month_window(2026, month, ZoneInfo(name))
        return (end - start) / HOUR_MS

    assert [hours(month, "Europe/Paris") for month in (3, 10)] == [743, 745]
    assert [hours(month, "Indian/Reunion") for month in (3, 10)] == [744, 744]


def test_a_month_that_begins_in_a_skipped_midnight_begins_after_it() -> None:
    """Amman put its clocks on at 00:00 of 1 April 2016."""
    start, _ = month_window(2016, 4, ZoneInfo("Asia/Amman"))
    assert datetime.fromtimestamp(start / 1000, ZoneInfo("Asia/Amman")).isoformat() == (
        "2016-04-01T01:00:00+03:00"
    )


def test_a_month_whose_first_midnight_comes_twice_begins_at_the_first() -> None:
    """Havana puts its clocks back from 01:00 to 00:00 on 1 November 2026."""
    start, _ = month_window(2026, 11, ZoneInfo("America/Havana"))
    assert start == utc_ms(2026, 11, 1, 4)


def test_s2_covers_every_instant_and_s1_no_sunday_and_no_holiday() -> None:
    zone = ZoneInfo("Europe/Paris")
    start, end = month_window(2026, 11, zone)
    closed = [date(2026, 11, 1), date(2026, 11, 11)]
    assert covered_windows(build_calendar("S2", closed), zone, start, end) == ((start, end),)
    business = covered_windows(build_calendar("S1", closed), zone, start, end)
    # November 2026 has 25 days from Monday to Saturday, and the 11th is one of them.
    assert total(business) == 24 * 10 * HOUR_MS


def test_working_days_leave_out_saturdays_and_business_days_keep_them() -> None:
    zone = ZoneInfo("Europe/Paris")
    start, end = month_window(2026, 5, zone)
    closed = [date(2026, 5, day) for day in (1, 8, 14, 25)]
    days = {
        name: total(covered_windows(build_calendar(name, closed), zone, start, end))
        // (24 * HOUR_MS)
        for name in ("heures ouvrées", "heures ouvrables")
    }
    assert days == {"heures ouvrées": 21 - 4, "heures ouvrables": 26 - 4}


def test_the_evening_before_a_holiday_runs_on_and_the_holidays_own_windows_do_not() -> None:
    """A window belongs to the day on which it begins."""
    zone = ZoneInfo("Europe/Paris")
    calendar = build_calendar(["fri,sat 22:00-02:00"], [date(2026, 10, 10)])  # a Saturday
    windows = covered_windows(calendar, zone, utc_ms(2026, 10, 9), utc_ms(2026, 10, 12))
    assert windows == ((utc_ms(2026, 10, 9, 20), utc_ms(2026, 10, 10)),)


def test_the_contract_year_begins_on_its_anniversary() -> None:
    zone = ZoneInfo("Europe/Paris")

    def begins(starts: date | None, *when: int) -> str:
        start, end = contract_year(starts, utc_ms(*when), zone)
        assert start <= utc_ms(*when) < end
        return datetime.fromtimestamp(start / 1000, zone).date().isoformat()

    assert begins(None, 2026, 6, 1) == "2026-01-01"
    assert begins(date(2023, 9, 15), 2026, 9, 14, 21) == "2025-09-15"
    assert begins(date(2023, 9, 15), 2026, 9, 14, 22) == "2026-09-15"
    assert begins(date(2024, 2, 29), 2026, 3, 1) == "2026-03-01"
    assert begins(date(2024, 2, 29), 2028, 3, 1) == "2028-02-29"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "weekdays 08:00-18:00",
            "('weekdays' is no day: use mon, tue, wed, thu, fri, sat, sun or holidays)",
        ),
        ("mon-fri 8:00-18:00", "('8:00' is no time of day: use 00:00 to 24:00)"),
        ("mon 08:00-24:30", "('24:30' is no time of day: use 00:00 to 24:00)"),
        ("mon 08:00-08:00", "(the hours are empty)"),
        ("mon", "('' is no time of day: use 00:00 to 24:00)"),
    ],
)
def test_a_line_that_cannot_be_read_says_what_would_do(rule: str, message: str) -> None:
    expected = (
        'expected days and hours like "mon-fri 08:00-18:00" or "fri 22:00-02:00", '
        f"got {rule!r} {message}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        build_calendar([rule])


def test_every_named_calendar_can_be_built() -> None:
    assert all(build_calendar(name).windows for name in NAMED)
