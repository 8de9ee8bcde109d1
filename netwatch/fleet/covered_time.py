"""A contract's hours as PromQL: how many covered seconds have passed at an instant.

Rule of this file: pure. The expression counts covered seconds since a fixed past instant,
so the covered time between two instants is a difference, with no sampling in between. It
is exact for the years that it is made for: weekly windows by arithmetic on local time,
the zone's clock changes and the public holidays of those years as terms of their own.
(A local hour that a clock change repeats or skips inside a window counts as local clocks
count it.) Only contracts that do not run around the clock need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo

import msgspec

from netwatch.core.calendars import NAMED, build_calendar, covered_windows
from netwatch.core.intervals import Intervals, difference

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_MONDAY_S = -3 * _DAY_S  # 1969-12-29, the last Monday before the scale begins
_ALWAYS = ("S2", "24/7")


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """The hours in which a contract's clock runs at some sites."""

    name: str  # value of the label `hours`
    calendar: str | tuple[str, ...]
    timezone: str
    holidays: frozenset[date]

    @property
    def always(self) -> bool:
        """Whether the clock never stops."""
        return self.calendar in _ALWAYS or self.calendar == NAMED["S2"]


def build_covered_seconds(hours: Hours, local: str, years: range) -> str:
    """PromQL for the covered seconds up to ``local``, a vector in seconds of local time.

    Of hours that never stop it is ``local`` itself, whatever its scale. ``years`` are the
    civil years whose holidays are known.

    >>> hours = Hours(name="x", calendar="S2", timezone="UTC", holidays=frozenset())
    >>> build_covered_seconds(hours, "x", range(2026, 2027))
    'x'
    >>> hours = msgspec.structs.replace(hours, calendar=("mon 08:00-12:00",))
    >>> print(build_covered_seconds(hours, "x", range(2026, 2027)))
    14400 * floor((x + 259200) / 604800)
    + clamp((x + 259200) % 604800 - 28800, 0, 14400)
    """
    if hours.always:
        return local
    since_monday = f"({local} + {-_MONDAY_S})"
    windows = list_weekly_windows(hours.calendar)
    a_week = sum(end - start for start, end in windows)
    terms = [f"{a_week} * floor({since_monday} / {_WEEK_S})"]
    terms += [f"+ clamp({since_monday} % {_WEEK_S} - {s}, 0, {e - s})" for s, e in windows]
    for sign, gaps in zip("-+", list_holiday_changes(hours, years), strict=True):
        terms += [f"{sign} clamp({local} - {s}, 0, {e - s})" for s, e in gaps]
    return "\n".join(terms)


def build_local_time(instant: str, zone: tzinfo, years: range) -> str:
    """PromQL for what the local clock shows at an instant, in seconds on its own scale.

    >>> from zoneinfo import ZoneInfo
    >>> build_local_time("x", ZoneInfo("Europe/Paris"), range(2026, 2027))
    '(x + 3600 + 3600 * (x >= bool 1774746000) - 3600 * (x >= bool 1792890000))'
    """
    first, changes = list_offsets(zone, years)
    text = instant if not first else f"{instant} {'+' if first > 0 else '-'} {abs(first)}"
    for at_s, by_s in changes:
        text += f" {'+' if by_s > 0 else '-'} {abs(by_s)} * ({instant} >= bool {at_s})"
    return f"({text})"


def list_offsets(zone: tzinfo, years: range) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The offset from UTC at the beginning, and each change of it: (instant, by), in seconds."""
    start = int(datetime(years.start, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(years.stop, 1, 1, tzinfo=UTC).timestamp())
    first = before = _offset(start, zone)
    changes = []
    for day in range(start, end, _DAY_S):
        after = _offset(day + _DAY_S, zone)
        if after != before:
            low, high = day, day + _DAY_S  # the change is in (low, high]
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
            changes.append((high, after - before))
            before = after
    return first, tuple(changes)


def _offset(at_s: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(at_s, zone).utcoffset()
    assert offset is not None  # the zone is one
    return int(offset.total_seconds())


def list_weekly_windows(spec: str | tuple[str, ...]) -> list[tuple[int, int]]:
    """The covered seconds of a week without holidays, from Monday 00:00, disjoint, in order.

    >>> list_weekly_windows(("sun 22:00-02:00", "mon 01:00-03:00"))
    [(0, 10800), (597600, 604800)]
    """
    calendar = build_calendar(spec)
    start = _MONDAY_S + _WEEK_S  # calendars know no time before 1970
    found = covered_windows(calendar, UTC, start * 1000, (start + _WEEK_S) * 1000)
    return [(s // 1000 - start, e // 1000 - start) for s, e in found]


def list_holiday_changes(
    hours: Hours, years: range
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What public holidays take away from the weeks, and what they add; local scale, seconds."""
    start = int(datetime(years.start, 1, 1, tzinfo=UTC).timestamp()) * 1000
    end = int(datetime(years.stop, 1, 1, tzinfo=UTC).timestamp()) * 1000
    usual = covered_windows(build_calendar(hours.calendar), UTC, start, end)
    real = covered_windows(build_calendar(hours.calendar, hours.holidays), UTC, start, end)
    return _to_seconds(difference(usual, real)), _to_seconds(difference(real, usual))


def _to_seconds(intervals: Intervals | Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(start // 1000, end // 1000) for start, end in intervals]
