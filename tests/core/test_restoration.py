"""The instant by which a line must be restored: the contract's hours, minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.calendars import (
    HOLIDAYS,
    Calendar,
    CoveredHours,
    build_calendar,
    rests_on_holidays,
)
from netwatch.core.contract import Contract
from netwatch.core.incidents import settle_incidents
from netwatch.core.outages import find_outages
from netwatch.core.restoration import find_deadline, find_restore_deadline
from netwatch.records import Cause, Span, Verdict

PARIS = ZoneInfo("Europe/Paris")
MINUTE = 60_000
HOUR = 60 * MINUTE
HOLIDAYS_2026 = (date(2026, 4, 6), date(2026, 5, 1), date(2026, 11, 11), date(2026, 12, 25))
CALENDARS: tuple[str | tuple[str, ...], ...] = (
    "S1",
    "S2",
    "heures ouvrées",
    ("mon-fri 08:30-12:00,13:30-19:00", "sat 09:00-12:00"),
    ("mon-sun,holidays 01:30-03:30",),
    ("mon-sat 22:00-02:30",),
)


def at(text: str) -> int:
    """An instant of Paris' local clock as UTC ms; of an hour that comes twice, the first."""
    return int(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()) * 1000


def is_covered(calendar: Calendar, at_ms: int) -> bool:
    """What the local clock shows then, held against each window by itself."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(PARIS)
    minute = local.hour * 60 + local.minute
    for days_ago in (0, 1):
        day = local.date() - timedelta(days=days_ago)
        kind = HOLIDAYS if day in calendar.holidays else day.weekday()
        for window in calendar.windows:
            shown = minute + days_ago * 1440
            if kind in window.days and window.start_minute <= shown < window.end_minute:
                return True
    return False


def walk(calendar: Calendar, start_ms: int, minutes: int) -> int:
    """Minute by minute until so many were covered."""
    now_ms = start_ms
    while minutes:
        minutes -= is_covered(calendar, now_ms)
        now_ms += MINUTE
    return now_ms


@settings(max_examples=120, deadline=None)
@given(
    spec=st.sampled_from(CALENDARS),
    near=st.sampled_from(
        ["2026-03-28T00:00", "2026-10-24T00:00", "2026-11-10T00:00", "2026-12-30T00:00"]
    ),
    after=st.integers(0, 4 * 1440),
    minutes=st.integers(1, 900),
)
def test_the_deadline_is_that_of_a_walk_minute_by_minute(
    spec: str | tuple[str, ...], near: str, after: int, minutes: int
) -> None:
    """Through both clock changes, a public holiday and the turn of the year."""
    calendar = build_calendar(spec, HOLIDAYS_2026)
    start_ms = at(near) + after * MINUTE
    found = find_deadline(CoveredHours(calendar=calendar, zone=PARIS), start_ms, minutes * MINUTE)
    assert found == walk(calendar, start_ms, minutes)


@pytest.mark.parametrize(
    ("calendar", "begins", "ends"),
    [
        ("24/7", "2026-03-29T01:00", "2026-03-29T06:00"),  # the hour that is skipped
        ("24/7", "2026-10-25T01:00", "2026-10-25T04:00"),  # the hour that comes twice
        ("S1", "2026-10-24T17:00", "2026-10-26T11:00"),  # over it, from Saturday to Monday
        ("S1", "2026-11-10T19:00", "2026-11-12T12:00"),  # it begins in uncovered hours
        ("S1", "2026-11-14T16:30", "2026-11-16T10:30"),
    ],
)
def test_four_hours_of_the_contract_end_when_its_clock_has_shown_them(
    calendar: str, begins: str, ends: str
) -> None:
    """The two clock changes, a holiday and a Sunday, by the hand of a person."""
    hours = CoveredHours(calendar=build_calendar(calendar, HOLIDAYS_2026), zone=PARIS)
    assert find_deadline(hours, at(begins), 4 * HOUR) == at(ends)


def test_the_agents_deadline_is_the_reports() -> None:
    """Of an outage on which nobody entered anything, by the version in force when it began."""
    start_ms, change_ms = at("2026-11-13T17:30"), at("2026-11-13T20:00")
    versions = (
        Contract(calendar="S1", restore_within_ms=4 * HOUR),
        Contract(calendar="S2", restore_within_ms=HOUR, valid_from_ms=change_ms),
    )
    outages = find_outages(
        [
            Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=start_ms),
            Span(
                verdict=Verdict.DOWN,
                cause=Cause.ACCESS,
                start_ms=start_ms,
                end_ms=start_ms + HOUR,
            ),
        ]
    )

    def hours_of(contract: Contract) -> CoveredHours:
        return CoveredHours(calendar=build_calendar(contract.calendar, HOLIDAYS_2026), zone=PARIS)

    (account,) = settle_incidents(outages, (), versions, hours_of)
    found = find_restore_deadline(versions, Cause.ACCESS, start_ms, hours_of)
    assert found == account.deadline_ms == at("2026-11-14T11:30")


def test_where_the_contract_promises_nothing_there_is_no_deadline() -> None:
    """No such term, before the first version, hours that are not known or that never come."""
    promised = Contract(restore_within_ms=HOUR, valid_from_ms=1_000)
    never = CoveredHours(calendar=build_calendar(()), zone=PARIS)
    assert find_restore_deadline([Contract()], Cause.ACCESS, 0, lambda _: never) is None
    assert find_restore_deadline([promised], Cause.ACCESS, 999, lambda _: never) is None
    assert find_restore_deadline([promised], Cause.ACCESS, 1_000, lambda _: None) is None
    assert find_restore_deadline([promised], Cause.ACCESS, 1_000, lambda _: never) is None


@pytest.mark.parametrize("spec", CALENDARS)
def test_a_calendar_that_rests_on_no_holiday_is_the_same_with_any(
    spec: str | tuple[str, ...],
) -> None:
    """And only such a one is said to need none."""
    plain, with_holidays = build_calendar(spec), build_calendar(spec, HOLIDAYS_2026)
    from_ms, to_ms = at("2026-11-01T00:00"), at("2026-12-31T00:00")
    same = CoveredHours(calendar=plain, zone=PARIS).within(from_ms, to_ms) == CoveredHours(
        calendar=with_holidays, zone=PARIS
    ).within(from_ms, to_ms)
    assert rests_on_holidays(plain) is not same
