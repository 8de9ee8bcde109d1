"""The page's view: everything that the template shows, already in words.

Rule of this file: it asks the books once for the time it shows, and hands the parts
to the pure modules. It knows no HTML and no socket. When the books fail the page is
made all the same, without what they would have told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import msgspec

from netwatch.core.calendars import civil_date, day_start, month_window
from netwatch.core.ledger import clip_spans
from netwatch.errors import StoreError
from netwatch.records import Role, Span
from netwatch.snapshot import Snapshot
from netwatch.web.accounts import build_account
from netwatch.web.books import Books, RttPoint, SiteIdentity
from netwatch.web.chart import LatencyChart, build_latency_chart
from netwatch.web.formats import (
    format_date,
    format_decimal,
    format_duration,
    format_milliseconds,
    format_size,
    format_time,
)
from netwatch.web.panels import (
    Headline,
    Node,
    Notice,
    Tile,
    build_headline,
    build_notices,
    build_path,
    build_tile,
)
from netwatch.web.push_panel import PushPanel, build_push_panel
from netwatch.web.speech import say
from netwatch.web.tables import (
    Event,
    TargetRow,
    build_events,
    build_target_rows,
    find_first_known_ms,
)
from netwatch.web.throughput_panel import WINDOW_MS, ThroughputPanel, build_throughput_panel
from netwatch.web.timelines import (
    DAY_MS,
    DayRow,
    Mark,
    Tick,
    build_day_marks,
    build_day_rows,
    build_hour_ticks,
    describe_account,
)
from netwatch.web.words import LANGUAGES, MONTHS

STEP_MS = 300_000
_LOOK_BACK_MS = 31 * DAY_MS
_MONTHS_BACK = 13


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows of the past; left out when the books fail."""

    tiles: list[Tile]
    day_marks: list[Mark]
    day_description: str
    hour_ticks: list[Tick]
    month: str
    month_rows: list[DayRow]
    earlier: str | None  # "2026-10": the value of ?month=
    later: str | None
    latency: LatencyChart | None
    latency_ticks: list[str]  # from the top down
    latency_description: str
    events: list[Event]
    events_none: str  # what is said where there are none


class PageView(msgspec.Struct, frozen=True, kw_only=True):
    """All of the page, in one language."""

    lang: str
    other_lang: str
    title: str
    subtitle: str
    headline: Headline
    path: list[Node]
    notices: list[Notice]
    history: History | None
    targets: list[TargetRow]
    services: list[TargetRow]
    throughput: ThroughputPanel | None
    push: PushPanel | None
    page_at: str
    foot: list[str]


def choose_month(wanted: str | None, at_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Year and month of ``?month=2026-10``; the present one for anything that cannot be shown.

    >>> from datetime import UTC
    >>> choose_month("1969-12", 0, UTC), choose_month("1971-01", 0, UTC), choose_month("x", 0, UTC)
    ((1969, 12), (1970, 1), (1970, 1))
    """
    today = civil_date(at_ms, zone)
    present = today.year * 12 + today.month - 1
    year, _, month = (wanted or "").partition("-")
    if len(year) == 4 and len(month) == 2 and (year + month).isascii() and (year + month).isdigit():
        index = int(year) * 12 + int(month) - 1
        if 1 <= int(month) <= 12 and present - _MONTHS_BACK <= index <= present:
            return index // 12, index % 12 + 1
    return today.year, today.month


def _read_history(
    books: Books, snapshot: Snapshot, lang: str, zone: tzinfo, wanted: str | None
) -> History:
    at_ms = snapshot.at_ms
    year, month = choose_month(wanted, at_ms, zone)
    month_start_ms, month_end_ms = month_window(year, month, zone)
    shown_to_ms = min(month_end_ms, at_ms)
    from_ms = min(at_ms - _LOOK_BACK_MS, day_start(civil_date(at_ms, zone).replace(day=1), zone))
    spans: Sequence[Span] = books.read_ledger(from_ms, at_ms)
    month_spans = (
        books.read_ledger(month_start_ms, shown_to_ms)
        if month_start_ms < from_ms
        else clip_spans(spans, month_start_ms, shown_to_ms)
    )
    day = build_account(spans, at_ms - DAY_MS, at_ms)
    month_name = f"{MONTHS[lang][month - 1]} {year}"
    present = civil_date(at_ms, zone)
    index = year * 12 + month - 1
    internet = {t.summary.target for t in snapshot.targets if t.summary.role is Role.INTERNET}
    last_step_ms = at_ms // STEP_MS * STEP_MS
    points: list[RttPoint] = [
        point
        for point in books.read_rtt_points(last_step_ms - DAY_MS, last_step_ms, STEP_MS)
        if point.target in internet
    ]
    latency = build_latency_chart(points, at_ms - DAY_MS, at_ms, STEP_MS)
    return History(
        tiles=[
            build_tile(
                say(lang, "availability.today"),
                build_account(spans, day_start(present, zone), at_ms),
                lang,
            ),
            build_tile(say(lang, "availability.day"), day, lang),
            build_tile(
                month_name[0].upper() + month_name[1:],
                build_account(month_spans, month_start_ms, shown_to_ms),
                lang,
            ),
        ],
        day_marks=build_day_marks(spans, at_ms, lang, zone),
        day_description=describe_account(day, lang),
        hour_ticks=build_hour_ticks(at_ms - DAY_MS, at_ms, lang, zone),
        month=month_name,
        month_rows=build_day_rows(month_spans, month_start_ms, shown_to_ms, lang, zone),
        earlier=_name_month(index - 1)
        if index > present.year * 12 + present.month - 1 - _MONTHS_BACK
        else None,
        later=_name_month(index + 1) if month_end_ms <= at_ms else None,
        latency=latency,
        latency_ticks=[]
        if latency is None
        else [
            format_decimal(
                lang, latency.top_us * part // 4, 0 if latency.top_us % 4_000 == 0 else 1
            )
            for part in (4, 3, 2, 1, 0)
        ],
        latency_description=""
        if latency is None
        else say(
            lang,
            "latency.desc",
            low=format_milliseconds(lang, latency.lowest_us),
            high=format_milliseconds(lang, latency.highest_us),
            count=latency.steps,
        ),
        events=build_events(spans, at_ms, lang, zone),
        events_none=_say_no_events(spans, lang, zone),
    )


def _say_no_events(spans: Sequence[Span], lang: str, zone: tzinfo) -> str:
    """Only of the time that was watched can it be said that nothing happened."""
    first_ms = find_first_known_ms(spans)
    if first_ms is None:
        return say(lang, "events.unmeasured")
    return say(lang, "events.none", when=format_date(lang, first_ms, zone))


def _name_month(index: int) -> str:
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def build_page(
    snapshot: Snapshot,
    site: SiteIdentity,
    books: Books,
    zone: tzinfo,
    *,
    lang: str,
    month: str | None = None,
    alive: bool = True,
) -> PageView:
    """The whole page at the instant of the snapshot; ``month`` as :func:`choose_month` takes it."""
    try:
        history = _read_history(books, snapshot, lang, zone, month)
    except StoreError:
        history = None
    headline = build_headline(snapshot, site, lang, zone)
    circuit = say(lang, "page.circuit", reference=site.reference) if site.reference else None
    return PageView(
        lang=lang,
        other_lang=next(each for each in LANGUAGES if each != lang),
        title=site.title,
        subtitle=" · ".join(each for each in (site.commune, site.operator, circuit) if each),
        headline=headline,
        path=build_path(snapshot, lang),
        notices=build_notices(snapshot, lang, alive=alive, books_fail=history is None),
        history=history,
        targets=build_target_rows(snapshot, lang, zone, services=False),
        services=build_target_rows(snapshot, lang, zone, services=True),
        throughput=_build_throughput(snapshot, site, books, lang, zone),
        push=build_push_panel(snapshot, lang, zone),
        page_at=f"{format_date(lang, snapshot.at_ms, zone, year=True)}, "
        f"{format_time(lang, snapshot.at_ms, zone)}",
        foot=_build_foot(snapshot, site, lang),
    )


def _build_throughput(
    snapshot: Snapshot, site: SiteIdentity, books: Books, lang: str, zone: tzinfo
) -> ThroughputPanel | None:
    try:
        tests = books.read_tests(snapshot.at_ms - WINDOW_MS, snapshot.at_ms + 1)
    except StoreError:
        tests = ()
    return build_throughput_panel(
        tests,
        snapshot.bandwidth,
        (site.guaranteed_down, site.guaranteed_up),
        at_ms=snapshot.at_ms,
        lang=lang,
        zone=zone,
    )


def _build_foot(snapshot: Snapshot, site: SiteIdentity, lang: str) -> list[str]:
    clock = "foot.clock.true" if snapshot.clock_synchronised else "foot.clock.false"
    if snapshot.clock_held_ms is not None:
        clock = "foot.clock.held"
    parts = [
        say(lang, "foot.version", version=snapshot.version),
        say(lang, "foot.uptime", duration=format_duration(lang, snapshot.uptime_ms)),
        say(lang, clock),
    ]
    if snapshot.store_bytes is not None:
        parts.append(say(lang, "foot.store", size=format_size(lang, snapshot.store_bytes)))
    if snapshot.written_bytes_today is not None:
        size = format_size(lang, snapshot.written_bytes_today)
        parts.append(say(lang, "foot.written", size=size))
    if snapshot.missed_slots:
        parts.append(say(lang, "foot.missed", count=snapshot.missed_slots))
    parts.append(say(lang, "foot.zone", zone=site.timezone))
    return parts
