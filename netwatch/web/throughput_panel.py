"""The page's throughput tests: the newest in a table, a month of them in a chart.

Rule of this file: pure, from rows to words and places. A test that does not count is shown
as that, with why; it is in no figure. A mark is told by its shape, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

import msgspec

from netwatch.core.bufferbloat import add_delay, grade_test
from netwatch.core.throughput import Direction
from netwatch.snapshot import BandwidthView
from netwatch.web.books import ThroughputRow
from netwatch.web.formats import (
    NARROW,
    format_decimal,
    format_instant,
    format_milliseconds,
    format_size,
)
from netwatch.web.speech import say
from netwatch.web.throughput_words import THROUGHPUT_WORDS

WINDOW_MS = 31 * 86_400_000
_ROWS = 8
_MOST_MARKS = 400


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a test: the figure, and what is said of it."""

    text: str
    note: str
    state: str  # met, missed, plain, invalid, none


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One test of the table."""

    when: str
    down: Cell
    up: Cell
    delay: str
    grade: str
    engine: str


class Dot(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a chart, in per cent of its box from the left and the top."""

    x: str
    y: str
    state: str
    title: str


class RateChart(msgspec.Struct, frozen=True, kw_only=True):
    """A month of one direction."""

    title: str
    dots: list[Dot]
    guarantee_y: str | None
    top: str  # the rate at the upper edge
    description: str


class ThroughputPanel(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page shows of the tests."""

    lines: list[Line]
    charts: list[RateChart]
    said: list[str]
    marks: list[tuple[str, str]]  # state and its word, as far as they occur


def build_throughput_panel(
    tests: Sequence[ThroughputRow],
    view: BandwidthView | None,
    guaranteed: tuple[int | None, int | None],
    *,
    at_ms: int,
    lang: str,
    zone: tzinfo,
) -> ThroughputPanel | None:
    """The panel; None where no engine is configured and no test was ever made.

    ``tests`` are those of the last 31 days, in order; ``guaranteed`` down and up in bytes
    per second, None where the contract is silent.
    """
    if view is None and not tests:
        return None
    lines = [
        _build_line(test, guaranteed, at_ms=at_ms, lang=lang, zone=zone)
        for test in reversed(tests[-_ROWS:])
    ]
    directions: tuple[Direction, ...] = ("down", "up")
    charts = [
        _build_chart(tests, direction, limit, at_ms=at_ms, lang=lang, zone=zone)
        for direction, limit in zip(directions, guaranteed, strict=True)
        if tests
    ]
    used = {dot.state for chart in charts for dot in chart.dots}
    return ThroughputPanel(
        lines=lines,
        charts=charts,
        said=[] if view is None else _say_plan(view, at_ms=at_ms, lang=lang, zone=zone),
        marks=[
            (state, say(lang, f"tests.mark.{state}"))
            for state in ("met", "missed", "plain", "invalid")
            if state in used
        ],
    )


def format_rate(lang: str, bytes_per_second: int) -> str:
    r"""A rate in Mbit/s, as contracts have it.

    >>> format_rate("fr", 11_737_500), format_rate("en", 117_000_000)
    ('93,9\u202fMbit/s', '936\u202fMbit/s')
    """
    thousandths = bytes_per_second * 8 // 1_000
    places = 0 if thousandths >= 100_000 else 1 if thousandths >= 1_000 else 2
    return f"{format_decimal(lang, thousandths, places)}{NARROW}Mbit/s"


def say_reason(lang: str, word: str) -> str:
    """A word of the books in the reader's language; one that is new as it stands.

    >>> say_reason("en", "busy_link"), say_reason("en", "a_new_one")
    ('line in use by others', 'a new one')
    """
    key = f"test.{word}"
    return THROUGHPUT_WORDS[key][lang] if key in THROUGHPUT_WORDS else word.replace("_", " ")


def _take(test: ThroughputRow, direction: Direction) -> tuple[int | None, str | None]:
    if direction == "down":
        return test.down_bytes_per_second, test.down_invalid
    return test.up_bytes_per_second, test.up_invalid


def _name_state(rate: int | None, invalid: str | None, guaranteed: int | None) -> str:
    if rate is None and invalid is None:
        return "none"
    if rate is None or invalid is not None:
        return "invalid"
    if guaranteed is None:
        return "plain"
    return "met" if rate >= guaranteed else "missed"


def _build_cell(
    test: ThroughputRow, direction: Direction, guaranteed: int | None, lang: str
) -> Cell:
    rate, invalid = _take(test, direction)
    state = _name_state(rate, invalid, guaranteed)
    note = say(lang, f"tests.{state}") if state in {"met", "missed"} else ""
    if state == "invalid":
        key = "tests.failed" if rate is None else "tests.uncounted"
        note = say(lang, key, why=say_reason(lang, invalid or ""))
    return Cell(text="–" if rate is None else format_rate(lang, rate), note=note, state=state)


def _build_line(
    test: ThroughputRow,
    guaranteed: tuple[int | None, int | None],
    *,
    at_ms: int,
    lang: str,
    zone: tzinfo,
) -> Line:
    loaded = {"down": test.down_loaded_rtt_us, "up": test.up_loaded_rtt_us}
    added = [add_delay(test.idle_rtt_us, each) for each in loaded.values()]
    most = max((each for each in added if each is not None), default=None)
    return Line(
        when=format_instant(lang, test.started_ms or 0, zone, at_ms),
        down=_build_cell(test, "down", guaranteed[0], lang),
        up=_build_cell(test, "up", guaranteed[1], lang),
        delay=format_milliseconds(lang, most),
        grade=grade_test(test.idle_rtt_us, loaded) or "–",
        engine=test.engine if test.server is None else f"{test.engine}, {test.server}",
    )


def _build_chart(
    tests: Iterable[ThroughputRow],
    direction: Direction,
    guaranteed: int | None,
    *,
    at_ms: int,
    lang: str,
    zone: tzinfo,
) -> RateChart:
    start_ms = at_ms - WINDOW_MS
    shown = [
        (test.started_ms, *_take(test, direction))
        for test in tests
        if test.started_ms is not None and start_ms <= test.started_ms <= at_ms
    ][-_MOST_MARKS:]
    rates = [rate for _, rate, _ in shown if rate is not None]
    top = _choose_top([*rates, *([] if guaranteed is None else [guaranteed])])
    dots = [
        Dot(
            x=f"{100 * (instant_ms - start_ms) / WINDOW_MS:.2f}%",
            y=f"{100 - 100 * min(rate, top) / top:.2f}%",
            state=_name_state(rate, invalid, guaranteed),
            title=f"{format_instant(lang, instant_ms, zone, at_ms)} : {format_rate(lang, rate)}"
            if lang == "fr"
            else f"{format_instant(lang, instant_ms, zone, at_ms)}: {format_rate(lang, rate)}",
        )
        for instant_ms, rate, invalid in shown
        if rate is not None
    ]
    valid = [rate for _, rate, invalid in shown if rate is not None and invalid is None]
    title = say(lang, f"tests.{direction}")
    if guaranteed is not None:
        title += f", {say(lang, 'tests.guarantee', rate=format_rate(lang, guaranteed))}"
    return RateChart(
        title=title,
        dots=dots,
        guarantee_y=None if guaranteed is None else f"{100 - 100 * guaranteed / top:.2f}%",
        top=format_rate(lang, top),
        description=_describe(valid, direction, guaranteed, lang),
    )


def _describe(valid: Sequence[int], direction: str, guaranteed: int | None, lang: str) -> str:
    name = say(lang, f"tests.{direction}")
    if not valid:
        return say(lang, "tests.chart.none", direction=name)
    text = say(
        lang,
        "tests.chart",
        direction=name,
        valid=len(valid),
        low=format_rate(lang, min(valid)),
        high=format_rate(lang, max(valid)),
    )
    if guaranteed is not None:
        text += say(
            lang,
            "tests.chart.share",
            met=sum(1 for rate in valid if rate >= guaranteed),
            valid=len(valid),
            rate=format_rate(lang, guaranteed),
        )
    return text


def _choose_top(rates: Sequence[int]) -> int:
    """A round rate with some air above all of them.

    >>> _choose_top([13_400_000]) * 8 // 1_000_000, _choose_top([]) * 8 // 1_000_000
    (120, 1)
    """
    wanted = max(rates, default=0) * 21 // 20
    size = 12_500
    while True:
        for factor in (10, 12, 15, 20, 30, 40, 60, 80):
            if size * factor >= wanted:
                return size * factor
        size *= 10


def _say_plan(view: BandwidthView, *, at_ms: int, lang: str, zone: tzinfo) -> list[str]:
    said = []
    if view.next_ms is not None:
        said.append(say(lang, "tests.next", when=format_instant(lang, view.next_ms, zone, at_ms)))
    if view.running:
        said.append(say(lang, "tests.running"))
    said.append(
        say(
            lang,
            "tests.budget.running" if view.running else "tests.budget",
            used=format_size(lang, view.used_bytes),
            limit=format_size(lang, view.budget_bytes),
        )
    )
    if view.skipped_ms is not None and view.skipped_reason is not None:
        said.append(
            say(
                lang,
                "tests.skipped",
                when=format_instant(lang, view.skipped_ms, zone, at_ms),
                why=say_reason(lang, view.skipped_reason),
            )
        )
    return said
