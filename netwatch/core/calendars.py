"""From opening hours in civil time to windows in UTC.

Rule of this file, from which both clock changes follow: **an instant is covered when the
local clock then shows a covered time.** A local hour that a clock change skips covers
nothing; one that it repeats is covered both times. A window that crosses midnight
belongs to the day on which it begins, so a public holiday takes away the windows that
begin on it and leaves the end of the evening before.

It knows no file: the zone comes in as a `tzinfo`, public holidays as a set of dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

from netwatch.core.intervals import Intervals, normalise

MINUTE_MS = 60_000
DAY_MINUTES = 24 * 60
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAYS = 7  # beside the weekdays 0 (Monday) to 6: the day of a public holiday

#: What a calendar's name stands for; a contract that means other hours lists its own.
NAMED: dict[str, tuple[str, ...]] = {
    "S1": ("mon-sat 08:00-18:00",),  # business hours, public holidays out
    "S2": ("mon-sun 00:00-24:00", "holidays 00:00-24:00"),  # 24 h a day, 7 days a week
    "24/7": ("mon-sun 00:00-24:00", "holidays 00:00-24:00"),
    "heures ouvrées": ("mon-fri 00:00-24:00",),  # working days, public holidays out
    "heures ouvrables": ("mon-sat 00:00-24:00",),  # business days, public holidays out
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_MS = DAY_MINUTES * MINUTE_MS
# Offsets are compared this far apart: no zone changes twice within three hours.
_STEP_MS = 3 * 3_600_000
_TIME = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")


class DayWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes ``[start, end)`` of the local day; ``end`` over 1440 runs into the next."""

    days: frozenset[int]
    start_minute: int
    end_minute: int


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """Weekly windows, and the days that are public holidays.

    On a holiday only the windows of the day ``holidays`` apply, whatever weekday it is.
    """

    name: str
    rules: tuple[str, ...]
    windows: tuple[DayWindow, ...]
    holidays: frozenset[date]


class CoveredHours(msgspec.Struct, frozen=True, kw_only=True):
    """A calendar where it applies: ask it for any stretch of UTC."""

    calendar: Calendar
    zone: tzinfo

    def within(self, start_ms: int, end_ms: int) -> Intervals:
        """The covered instants within ``[start_ms, end_ms)``; see `covered_windows`."""
        return covered_windows(self.calendar, self.zone, start_ms, end_ms)


def build_calendar(
    spec: str | Sequence[str], holidays: Iterable[date] = (), name: str | None = None
) -> Calendar:
    """A calendar from its name (``"S1"``, ``"S2"`` …) or its weekly list.

    ``holidays`` must hold every public holiday of the years that will be asked about.
    Raises ValueError with what is wrong and what would do.

    >>> build_calendar(["mon-fri 08:00-18:00"]).windows[0].end_minute
    1080
    >>> build_calendar("S3")
    Traceback (most recent call last):
    ValueError: no calendar is named 'S3': use S1, S2, 24/7, heures ouvrées, heures ouvrables or a list like ["mon-fri 08:00-18:00", "sat 08:00-12:00"]
    """
    if isinstance(spec, str):
        if spec not in NAMED:
            raise ValueError(
                f"no calendar is named {spec!r}: use {', '.join(NAMED)} or "
                'a list like ["mon-fri 08:00-18:00", "sat 08:00-12:00"]'
            )
        rules = NAMED[spec]
    else:
        rules = tuple(spec)
    windows = tuple(window for rule in rules for window in parse_rule(rule))
    return Calendar(
        name=name or (spec if isinstance(spec, str) else "custom"),
        rules=rules,
        windows=windows,
        holidays=frozenset(holidays),
    )


def rests_on_holidays(calendar: Calendar) -> bool:
    """Whether a public holiday may cover other hours than the weekday that it falls on.

    >>> rests_on_holidays(build_calendar("S1")), rests_on_holidays(build_calendar("24/7"))
    (True, False)
    >>> rests_on_holidays(build_calendar(["mon-sun,holidays 07:00-22:00"]))
    False
    """
    by_day = [
        {(each.start_minute, each.end_minute) for each in calendar.windows if day in each.days}
        for day in range(HOLIDAYS + 1)
    ]
    return any(windows != by_day[HOLIDAYS] for windows in by_day)


def parse_rule(rule: str) -> tuple[DayWindow, ...]:
    """One line of a weekly list: days, then hours; both may be lists with commas.

    Days are ``mon`` to ``sun``, ranges that may pass the weekend (``fri-mon``), and
    ``holidays``. An end not after its start is on the next day; ``24:00`` is midnight.

    >>> [(sorted(w.days), w.start_minute, w.end_minute) for w in
    ...  parse_rule("sat,holidays 22:00-02:00")]
    [([5, 7], 1320, 1560)]
    """
    fault = f'expected days and hours like "mon-fri 08:00-18:00" or "fri 22:00-02:00", got {rule!r}'
    days_text, _, hours_text = rule.strip().partition(" ")
    days = frozenset(day for part in days_text.split(",") for day in _parse_days(part, fault))
    windows = []
    for part in hours_text.replace(" ", "").split(","):
        start_text, _, end_text = part.partition("-")
        start, end = _parse_minute(start_text, fault), _parse_minute(end_text, fault)
        if start in (DAY_MINUTES, end):
            raise ValueError(f"{fault} (the hours are empty)")
        if end < start:
            end += DAY_MINUTES
        windows.append(DayWindow(days=days, start_minute=start, end_minute=end))
    return tuple(windows)


def covered_windows(calendar: Calendar, zone: tzinfo, start_ms: int, end_ms: int) -> Intervals:
    """The covered instants within ``[start_ms, end_ms)`` UTC.

    >>> from zoneinfo import ZoneInfo
    >>> sunday = 1_792_886_400_000  # 2026-10-25, the day that has 25 hours in Paris
    >>> windows = covered_windows(build_calendar(["sun 02:00-03:00"]), ZoneInfo("Europe/Paris"),
    ...                           sunday - 86_400_000, sunday + 86_400_000)
    >>> [(end - start) // 60_000 for start, end in windows]
    [120]
    """
    found = []
    for begin, end, offset in _offsets(zone, start_ms, end_ms):
        for left, right in _local_windows(calendar, begin + offset, end + offset):
            found.append((max(left - offset, begin), min(right - offset, end)))
    return normalise(found)


def month_window(year: int, month: int, zone: tzinfo) -> tuple[int, int]:
    """The civil month as UTC ``[start_ms, end_ms)``; months follow without gap or overlap.

    A month begins at the first instant whose local clock shows its first day or later.

    >>> from zoneinfo import ZoneInfo
    >>> start, end = month_window(2026, 10, ZoneInfo("Europe/Paris"))
    >>> (end - start) // 3_600_000
    745
    """
    following = date(year + month // 12, month % 12 + 1, 1)
    return day_start(date(year, month, 1), zone), day_start(following, zone)


def day_start(day: date, zone: tzinfo) -> int:
    """The first instant (UTC ms) at which the local clock has reached a civil day."""
    local = (day.toordinal() - _EPOCH_ORDINAL) * _DAY_MS
    for begin, end, offset in _offsets(zone, local - 2 * _DAY_MS, local + 2 * _DAY_MS):
        instant = max(begin, local - offset)
        if instant < end:
            return instant
    raise AssertionError("no zone is two days from UTC")


def civil_date(instant_ms: int, zone: tzinfo) -> date:
    """The date that the local clock shows.

    >>> from zoneinfo import ZoneInfo
    >>> civil_date(1_793_487_600_000, ZoneInfo("Europe/Paris")).isoformat()
    '2026-11-01'
    """
    return local_time(instant_ms, zone).date()


def local_time(instant_ms: int, zone: tzinfo) -> datetime:
    """The instant with the zone's offset."""
    return (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone)


def contract_year(starts: date | None, instant_ms: int, zone: tzinfo) -> tuple[int, int]:
    """The contract year that holds the instant, as UTC ``[start_ms, end_ms)``.

    It begins each year on the day and month of ``starts`` (29 February: on 1 March in
    the years that have none); None is the civil year.

    >>> from zoneinfo import ZoneInfo
    >>> start, end = contract_year(date(2024, 9, 1), 1_793_487_600_000, ZoneInfo("Europe/Paris"))
    >>> civil_date(start, ZoneInfo("Europe/Paris")).isoformat(), (end - start) // 3_600_000
    ('2026-09-01', 8760)
    """
    year = civil_date(instant_ms, zone).year
    starts = starts or date(year, 1, 1)
    edges = [day_start(_anniversary(starts, each), zone) for each in range(year - 1, year + 3)]
    index = max(i for i, edge in enumerate(edges) if edge <= instant_ms)
    return edges[index], edges[index + 1]


def _anniversary(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def _offsets(zone: tzinfo, start_ms: int, end_ms: int) -> Iterator[tuple[int, int, int]]:
    """The stretches of ``[start_ms, end_ms)`` with one offset from UTC, in milliseconds."""
    at, offset = start_ms, _offset(zone, start_ms)
    begin = start_ms
    while at < end_ms:
        step = min(at + _STEP_MS, end_ms)
        if _offset(zone, step) != offset:
            low, high = at, step
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(zone, middle) == offset:
                    low = middle
                else:
                    high = middle
            if high < end_ms:
                yield begin, high, offset
                begin, offset = high, _offset(zone, high)
        at = step
    if begin < end_ms:
        yield begin, end_ms, offset


def _offset(zone: tzinfo, instant_ms: int) -> int:
    offset = local_time(instant_ms, zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


def _local_windows(calendar: Calendar, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The calendar's windows that meet ``[start, end)``, all in milliseconds of local time."""
    for number in range(start // _DAY_MS - 1, end // _DAY_MS + 1):
        day = date.fromordinal(number + _EPOCH_ORDINAL)
        kind = HOLIDAYS if day in calendar.holidays else day.weekday()
        for window in calendar.windows:
            if kind in window.days:
                left = number * _DAY_MS + window.start_minute * MINUTE_MS
                right = number * _DAY_MS + window.end_minute * MINUTE_MS
                if left < end and right > start:
                    yield left, right


def _parse_days(text: str, fault: str) -> Iterator[int]:
    if text == "holidays":
        yield HOLIDAYS
        return
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"{fault} ({text!r} is no day: use {', '.join(DAYS)} or holidays)")
    begin = DAYS.index(first)
    span = (DAYS.index(last) - begin) % 7 if dash else 0
    for step in range(span + 1):
        yield (begin + step) % 7


def _parse_minute(text: str, fault: str) -> int:
    found = _TIME.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found else DAY_MINUTES + 1
    if minute > DAY_MINUTES:
        raise ValueError(f"{fault} ({text!r} is no time of day: use 00:00 to 24:00)")
    return minute
