"""The two ribbons: the last 24 hours, and a month with a row for each day.

Rule of this file: from spans and a zone to placed, labelled strips; horizontal
places are percentages, so that a ribbon fits whatever width it is given. A day of
23 or 25 hours fills its row, and its row says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta, tzinfo

import msgspec

from netwatch.core.calendars import civil_date, day_start, local_time
from netwatch.records import Span, Verdict
from netwatch.web.accounts import Account, build_account
from netwatch.web.formats import NARROW, format_date, format_duration, format_share, format_time
from netwatch.web.ribbon import Strip, build_strips
from netwatch.web.speech import say, say_finest
from netwatch.web.words import WEEKDAYS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_DAY_CELLS = 480  # three minutes each
_ROW_CELLS = 288  # five minutes each


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One rectangle; ``title`` is None for time in service."""

    verdict: str
    x: str
    width: str
    title: str | None


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A label at a place; ``minor`` ones may be left out on a narrow screen."""

    x: str
    label: str
    minor: bool


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One civil day of the month."""

    label: str
    weekend: bool
    hours: str | None  # "25 h" on the days of a clock change
    marks: list[Mark]
    description: str
    availability: str
    coverage: str
    flawed: bool  # less than all of the known time carried traffic
    partial: bool  # less than all of the time is known


def place(part: int, whole: int) -> str:
    """A part of the whole as a percentage for SVG.

    >>> place(1, 3)
    '33.333%'
    """
    return f"{part * 100 / whole:.3f}".rstrip("0").rstrip(".") + "%"


def build_marks(strips: Sequence[Strip], cells: int, lang: str, zone: tzinfo) -> list[Mark]:
    """Rectangles in the order of painting: what matters last, so that it lies on top."""
    order = (Verdict.UP, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.DOWN)
    return [
        Mark(
            verdict=strip.verdict.value,
            x=place(strip.first, cells),
            width=place(strip.last - strip.first, cells),
            title=None if strip.verdict is Verdict.UP else _describe_strip(strip, lang, zone),
        )
        for strip in sorted(strips, key=lambda strip: order.index(strip.verdict))
    ]


def _describe_strip(strip: Strip, lang: str, zone: tzinfo) -> str:
    cause = say_finest(lang, "cause", strip.cause.value, strip.reason) if strip.cause else None
    start, end = (format_time(lang, at, zone) for at in (strip.start_ms, strip.end_ms))
    parts = (
        say(lang, f"short.{strip.verdict.value}"),
        f"{start} – {end}",
        format_duration(lang, strip.held_ms),
        cause,
    )
    return ", ".join(part for part in parts if part)


def describe_account(account: Account, lang: str) -> str:
    """What a ribbon shows, for those who do not see it."""
    sums = {verdict.value: format_duration(lang, account.total_ms(verdict)) for verdict in Verdict}
    return say(lang, "ribbon.desc", **sums)


def build_day_marks(spans: Sequence[Span], end_ms: int, lang: str, zone: tzinfo) -> list[Mark]:
    """The 24 hours before ``end_ms``."""
    strips = build_strips(spans, end_ms - DAY_MS, end_ms, _DAY_CELLS)
    return build_marks(strips, _DAY_CELLS, lang, zone)


def build_hour_ticks(start_ms: int, end_ms: int, lang: str, zone: tzinfo) -> list[Tick]:
    """Labels at the local hours that three divide; those that six divides are the major ones."""
    ticks = []
    # Offsets of zones are multiples of a quarter of an hour.
    at_ms = -(-start_ms // (HOUR_MS // 4)) * (HOUR_MS // 4)
    while at_ms < end_ms:
        local = local_time(at_ms, zone)
        # A label at the very edge would hang over it.
        inside = (end_ms - start_ms) // 50 < at_ms - start_ms < (end_ms - start_ms) * 49 // 50
        if local.minute == 0 and local.hour % 3 == 0 and inside:
            label = f"{local.hour}{NARROW}h" if lang == "fr" else f"{local.hour:02d}:00"
            x = place(at_ms - start_ms, end_ms - start_ms)
            ticks.append(Tick(x=x, label=label, minor=local.hour % 6 != 0))
        at_ms += HOUR_MS // 4
    return ticks


def build_day_rows(
    spans: Sequence[Span], start_ms: int, end_ms: int, lang: str, zone: tzinfo
) -> list[DayRow]:
    """A row for each civil day that begins in ``[start_ms, end_ms)``, up to ``end_ms`` of the last."""
    rows = []
    day = civil_date(start_ms, zone)
    begin_ms = start_ms
    while begin_ms < end_ms:
        day += timedelta(days=1)
        next_ms = day_start(day, zone)
        account = build_account(spans, begin_ms, min(next_ms, end_ms))
        seen = [span for span in spans if span.start_ms < end_ms]
        strips = build_strips(seen, begin_ms, next_ms, _ROW_CELLS)
        hours = (next_ms - begin_ms) // HOUR_MS
        local = local_time(begin_ms, zone)
        rows.append(
            DayRow(
                label=f"{WEEKDAYS[lang][local.weekday()]}{NARROW}{local.day}",
                weekend=local.weekday() >= 5,
                hours=None if hours == 24 else f"{hours}{NARROW}h",
                marks=build_marks(strips, _ROW_CELLS, lang, zone),
                description=f"{format_date(lang, begin_ms, zone)} : {describe_account(account, lang)}"
                if lang == "fr"
                else f"{format_date(lang, begin_ms, zone)}: {describe_account(account, lang)}",
                availability=format_share(lang, account.availability),
                coverage=format_share(lang, account.coverage, 1),
                flawed=account.availability not in (None, 1),
                partial=account.coverage != 1,
            )
        )
        begin_ms = next_ms
    return rows
