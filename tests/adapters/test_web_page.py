"""The page's pure parts: words, verdict, path, ribbons, graph, sums."""

from __future__ import annotations

import re
import string
from datetime import UTC
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.calendars import month_window
from netwatch.records import CAUSES, Cause, HostFacts, Role, Span, Verdict
from netwatch.web import panels, tables, timelines
from netwatch.web.accounts import build_account
from netwatch.web.chart import build_latency_chart
from netwatch.web.notices import NOTICES, OTHER_NOTICE
from netwatch.web.page import build_page
from netwatch.web.ribbon import build_strips
from netwatch.web.status import build_ledger_json
from netwatch.web.words import LANGUAGES, MONTHS, WEEKDAYS, WORDS
from tests.adapters.web_world import (
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    SITE,
    FakeBooks,
    FakePoint,
    build_snapshot,
    build_target,
    build_targets,
    build_world,
    span,
)

PARIS = ZoneInfo("Europe/Paris")
WEB = Path(panels.__file__).parent
KINDS = [(v, c) for v, causes in CAUSES.items() for c in causes or (None,)]


@st.composite
def draw_spans(draw: st.DrawFn) -> list[Span]:
    """Spans in order, some with holes between them, from 0 to at most 10 000 ms."""
    edges = sorted(draw(st.sets(st.integers(0, 10_000), min_size=2, max_size=30)))
    spans = []
    for start_ms, end_ms in pairwise(edges):
        if draw(st.integers(0, 9)):
            spans.append(span(*draw(st.sampled_from(KINDS)), start_ms, end_ms))
    return spans


# -- words


def list_names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_word_is_there_in_both_languages_with_the_same_names() -> None:
    """A text and what is filled into it exist in French as in English."""
    for key, texts in WORDS.items():
        assert set(texts) == set(LANGUAGES), key
        assert all(text.strip() for text in texts.values()), key
        assert list_names(texts["fr"]) == list_names(texts["en"]), key
    for key, by_language in {**NOTICES, "other": OTHER_NOTICE}.items():
        assert set(by_language) == set(LANGUAGES), key
        assert all(len(pair) == 2 and all(pair) for pair in by_language.values()), key
    assert {len(MONTHS[lang]) for lang in LANGUAGES} == {12}
    assert {len(WEEKDAYS[lang]) for lang in LANGUAGES} == {7}


def test_every_word_is_used_and_every_word_used_is_there() -> None:
    """The table holds what the code says, no more: a family's key is made of its first part."""
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in [*WEB.glob("*.py"), WEB / "templates" / "page.html"]
        if path.name != "words.py"
    )
    sources = re.sub(r">>>.*", "", sources)  # doctests call with a language
    literal = set(re.findall(r"\"([a-z]+(?:\.[a-z0-9_]+)*)\"", sources))
    families = set(re.findall(r"\"([a-z_]+)\.(?:\{|\" ~)", sources))
    families |= {"why", "who", "do", "cause", "node"}
    for key in WORDS:
        assert key in literal or key.split(".")[0] in families, f"{key} is said nowhere"
    for key in re.findall(r"say\((?:lang, )?\"([a-z0-9_.]+)\"[,)]", sources):
        assert key in WORDS, f"{key} is said but not there"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_verdict_and_cause_has_its_sentence_its_fault_and_its_remedy(lang: str) -> None:
    """No state of the line leaves the page without words."""
    for verdict, cause in KINDS:
        headline = panels.build_headline(
            build_snapshot(verdict=verdict, cause=cause), SITE, lang, PARIS
        )
        assert headline.title
        assert headline.why.endswith(".")
        assert (headline.who is None) == (headline.to_do is None) == (verdict is Verdict.UP)
        assert "{" not in f"{headline.to_do}{headline.who}{headline.why}{headline.since}"


def test_an_outage_says_since_when_why_who_and_what_to_do() -> None:
    """The words of an access outage, in both languages, to the letter."""
    world = build_world("down")
    english = panels.build_headline(world.snapshot, SITE, "en", PARIS)
    assert (english.title, english.why) == (
        "The line is down",
        "The operator’s access network does not answer. The box in the building answers.",
    )
    assert english.since == "Since 16:02, that is 35\u202fmin."
    assert english.who == "The operator (Opérateur A)"
    assert english.to_do == "Open a ticket with the operator, reference FTTH-0042."
    french = panels.build_headline(world.snapshot, SITE, "fr", PARIS)
    assert french.since == "Depuis 16\u202fh\u202f02, soit 35\u202fmin."
    assert french.to_do == "Ouvrir un ticket chez l’opérateur, référence FTTH-0042."


@pytest.mark.parametrize(
    ("after_ms", "english", "french"),
    [
        (
            2 * HOUR_MS,
            "To be restored by 18:37, as the contract says.",
            "À rétablir avant 18\u202fh\u202f37, selon le contrat.",
        ),
        (
            8 * HOUR_MS,
            "To be restored by 27\u00a0November, 00:37, as the contract says.",
            "À rétablir avant le 27\u00a0novembre à 00\u202fh\u202f37, selon le contrat.",
        ),
        (
            -HOUR_MS,
            "Was to be restored by 15:37: the contract’s time is over.",
            "Devait être rétablie avant 15\u202fh\u202f37 : le délai du contrat est dépassé.",
        ),
    ],
)
def test_an_outage_says_by_when_the_contract_wants_it_restored(
    after_ms: int, english: str, french: str
) -> None:
    """In the site's time; afterwards that it is over; nothing where there is no deadline."""
    world = build_world("down")
    snapshot = msgspec.structs.replace(world.snapshot, restore_deadline_ms=NOW_MS + after_ms)
    for lang, sentence in (("en", english), ("fr", french)):
        assert panels.build_headline(snapshot, SITE, lang, PARIS).deadline == sentence
        assert panels.build_headline(world.snapshot, SITE, lang, PARIS).deadline is None


@pytest.mark.parametrize(
    ("lang", "sentence", "foot"),
    [
        (
            "fr",
            "L’horloge n’est plus comparée à un serveur de temps.",
            "heure tenue depuis la dernière synchronisation",
        ),
        (
            "en",
            "The clock is no longer compared with a time server.",
            "time kept since the clock was last synchronised",
        ),
    ],
)
def test_a_clock_that_is_held_still_tells_since_when(lang: str, sentence: str, foot: str) -> None:
    """After a long outage dates go on, and the page says what they rest on."""
    world = build_world("up")
    snapshot = build_snapshot(
        clock_synchronised=False, clock_held_ms=2 * DAY_MS, notices=("clock_held",)
    )
    page = build_page(snapshot, SITE, world.books, PARIS, lang=lang)
    assert [notice.sentence for notice in page.notices] == [sentence]
    assert foot in page.foot
    told = build_page(build_snapshot(), SITE, world.books, PARIS, lang=lang)
    assert page.headline.since == told.headline.since


def test_a_clock_that_cannot_tell_gives_only_how_long() -> None:
    """Without a synchronised clock no time of day is made up."""
    snapshot = build_snapshot(since_ms=None, held_ms=4_000)
    headline = panels.build_headline(snapshot, SITE, "en", PARIS)
    assert headline.since == "For 4\u202fs (the exact time is not known)."


# -- the path


@pytest.mark.parametrize(
    ("verdict", "cause", "reach", "states"),
    [
        (Verdict.UP, None, 9, ["ok", "ok", "ok", "ok", "ok"]),
        (Verdict.DOWN, Cause.GATEWAY, 0, ["ok", "bad", "unknown", "unknown", "unknown"]),
        (Verdict.DOWN, Cause.ACCESS, 1, ["ok", "ok", "bad", "unknown", "unknown"]),
        (Verdict.DOWN, Cause.UPSTREAM, 2, ["ok", "ok", "ok", "bad", "unknown"]),
        (Verdict.DOWN, Cause.DNS, 3, ["ok", "ok", "ok", "ok", "bad"]),
    ],
)
def test_the_path_breaks_where_the_cause_is(
    verdict: Verdict, cause: Cause | None, reach: int, states: list[str]
) -> None:
    """Only the first station that fails is shown as failing; beyond it nothing is known."""
    snapshot = build_snapshot(verdict=verdict, cause=cause, targets=build_targets(reach=reach))
    assert [node.state for node in panels.build_path(snapshot, "en")] == states


def test_with_our_cable_out_nothing_of_the_operators_is_said_to_fail() -> None:
    """A failure of ours is never the operator's, in the path or in the table."""
    world = build_world("unknown")
    nodes = panels.build_path(world.snapshot, "en")
    assert [node.state for node in nodes] == ["bad"] + ["unknown"] * 4
    assert nodes[0].text == "cable unplugged"
    rows = tables.build_target_rows(world.snapshot, "en", PARIS, services=False)
    assert {row.state for row in rows} == {"unknown"}


def test_a_silent_router_is_no_alarm_while_the_line_works() -> None:
    """A first hop that never answers is told, but not as a break, when traffic passes."""
    quiet = build_target("first-hop", Role.FIRST_HOP, "100.64.0.1", answered=False)
    snapshot = build_snapshot(targets=(quiet, *build_targets()[3:]))
    states = [node.state for node in panels.build_path(snapshot, "en")]
    assert states == ["ok", "none", "some", "ok", "none"]


# -- sums


@given(draw_spans(), st.integers(0, 9_999), st.integers(1, 10_000))
def test_an_account_adds_up_to_its_length(spans: list[Span], start_ms: int, length: int) -> None:
    """Whatever the books hold, the four sums fill the time, and holes are unknown."""
    account = build_account(spans, start_ms, start_ms + length)
    assert account.length_ms == length
    assert sum(account.total_ms(verdict) for verdict in Verdict) == length
    covered = sum(
        max(0, min(each.end_ms, start_ms + length) - max(each.start_ms, start_ms))
        for each in spans
        if each.verdict is not Verdict.UNKNOWN
    )
    assert account.known_ms == covered
    assert account.coverage == Fraction(covered, length)
    if account.availability is not None:
        assert account.low is not None
        assert account.high is not None
        assert account.low <= account.availability <= account.high


@given(draw_spans())
def test_the_ledger_as_json_adds_up_exactly(spans: list[Span]) -> None:
    """Sums by verdict and by cause agree with one another and with the spans listed."""
    books = FakeBooks(spans)
    listed = books.read_ledger(0, 10_000)
    ledger = build_ledger_json(listed, 0, 10_000)
    assert ledger["duration_ms"] == 10_000
    assert sum(ledger[f"{verdict.value}_ms"] for verdict in Verdict) == 10_000  # type: ignore[misc] # numbers, see build_account_json
    by_cause: dict[str, dict[str, int]] = ledger["by_cause_ms"]  # type: ignore[assignment] # numbers, see build_account_json
    for verdict, sums in by_cause.items():
        assert sum(sums.values()) == ledger[f"{verdict}_ms"]
    assert sum(each["duration_ms"] for each in ledger["spans"]) == 10_000  # type: ignore[attr-defined] # spans, see build_account_json


def test_100_percent_is_said_of_nothing_less() -> None:
    """A second of outage in a month is 99.99 %, not 100."""
    spans = [
        span(Verdict.UP, None, 0, 30 * DAY_MS - 1_000),
        span(Verdict.DOWN, Cause.DNS, 30 * DAY_MS - 1_000, 30 * DAY_MS),
    ]
    tile = panels.build_tile("x", build_account(spans, 0, 30 * DAY_MS), "en")
    assert tile.availability == "99.99\u202f%"
    assert tile.coverage == "measured 100\u202f% of the time"
    assert tile.lines == ("down 1\u202fs",)


def test_time_that_nobody_watched_has_no_availability() -> None:
    """With no coverage the page shows a dash and says so, never 100 %."""
    tile = panels.build_tile("x", build_account([], 0, DAY_MS), "en")
    assert (tile.availability, tile.coverage) == ("–", "measured 0\u202f% of the time")
    assert tile.poor


# -- ribbons


@given(draw_spans(), st.integers(1, 64))
def test_a_ribbon_hides_no_outage_and_calls_nothing_up_that_is_not(
    spans: list[Span], cells: int
) -> None:
    """Each cell's strip is the gravest that the cell holds; strips neither overlap nor exceed it."""
    strips = build_strips(spans, 0, 10_000, cells)
    assert all(0 <= each.first < each.last <= cells for each in strips)
    assert all(a.last <= b.first for a, b in pairwise(strips))
    gravity = [Verdict.UP, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN]
    shown = {cell: each.verdict for each in strips for cell in range(each.first, each.last)}
    for cell in range(cells):
        touching = [
            gravity.index(each.verdict)
            for each in spans
            if each.start_ms * cells < (cell + 1) * 10_000 and each.end_ms * cells > cell * 10_000
        ]
        expected = gravity[max(touching)] if touching else None
        assert shown.get(cell) is expected


def test_three_seconds_of_outage_are_seen_on_the_day() -> None:
    """A cut of 3 s has its mark, with its true length in words."""
    spans = [span(Verdict.DOWN, Cause.ACCESS, DAY_MS // 2, DAY_MS // 2 + 3_000)]
    marks = timelines.build_day_marks(spans, DAY_MS, "en", UTC)
    assert [mark.title for mark in marks] == [
        "Down, 12:00 – 12:00, 3\u202fs, operator’s access network"
    ]


@pytest.mark.parametrize(("month", "hours", "days"), [(3, "23\u202fh", 31), (10, "25\u202fh", 31)])
def test_the_days_of_a_clock_change_say_their_length(month: int, hours: str, days: int) -> None:
    """The rows of March and October follow the civil days; one of them has 23 or 25 hours."""
    start_ms, end_ms = month_window(2026, month, PARIS)
    rows = timelines.build_day_rows(
        [span(Verdict.UP, None, start_ms, end_ms)], start_ms, end_ms, "en", PARIS
    )
    assert len(rows) == days
    assert [row.hours for row in rows if row.hours] == [hours]
    assert all(row.availability == row.coverage == "100\u202f%" for row in rows)
    assert all(mark.width == "100%" for row in rows for mark in row.marks)


def test_the_rest_of_today_is_left_blank() -> None:
    """The last row ends at now: the future is not drawn, nor counted as uncovered."""
    rows = timelines.build_day_rows(
        [span(Verdict.UP, None, 0, 6 * HOUR_MS)], 0, 6 * HOUR_MS, "en", UTC
    )
    assert [(mark.x, mark.width) for mark in rows[0].marks] == [("0%", "25%")]
    assert rows[0].coverage == "100\u202f%"


# -- the graph


def build_point(start_ms: int, median_us: int | None) -> FakePoint:
    return FakePoint(
        target="a", start_ms=start_ms, sent=60, lost=60 if median_us is None else 0,
        min_us=median_us, median_us=median_us, p95_us=median_us, max_us=median_us,
    )  # fmt: skip


def test_the_line_stops_where_nothing_answered() -> None:
    """A step without an answer, and one that is missing, each begin a new stroke."""
    points = [build_point(at, 10_000) for at in (0, 10, 30, 50)]
    points.insert(2, build_point(20, None))
    chart = build_latency_chart(points, 0, 100, 10)
    assert chart is not None
    strokes = [stroke.split("L") for stroke in chart.line.split("M")[1:]]
    ends = [(stroke[0].split()[0], stroke[-1].split()[0]) for stroke in strokes]
    assert ends == [("0.0", "200.0"), ("300.0", "400.0"), ("500.0", "600.0")]
    assert chart.steps == 4


def test_a_graph_of_nothing_is_none() -> None:
    """Where nothing answered there is no graph."""
    assert build_latency_chart([], 0, 100, 10) is None
    assert build_latency_chart([build_point(0, None)], 0, 100, 10) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4_000_000)), min_size=1))
def test_the_graph_stays_in_its_box(drawn: list[tuple[int, int]]) -> None:
    """Whatever the round-trip times, no place lies outside 1000 by 100."""
    chart = build_latency_chart([build_point(at * 10, us) for at, us in drawn], 0, 100, 10)
    assert chart is not None
    places = [float(number) for number in re.findall(r"[\d.]+", chart.line + chart.band)]
    assert all(0 <= x <= 1_000 for x in places[::2])
    assert all(0 <= y <= 100 for y in places[1::2])


# -- the page as a whole


def test_events_are_the_newest_first_and_the_time_before_the_agent_is_none() -> None:
    """Outages, degradations and gaps are listed; the days before the first measure are not."""
    page = build_page(build_snapshot(), SITE, build_world("up").books, PARIS, lang="en")
    assert page.history is not None
    events = page.history.events
    assert [event.verdict for event in events[:3]] == ["unknown", "degraded", "down"]
    assert events[0].cause == "measuring device stopped"
    assert len(events) == 11
    assert not any(event.ongoing for event in events)


def test_nothing_is_said_of_the_time_before_the_first_measure() -> None:
    """That there was no outage is said from when anything was watched, and of nothing else."""
    up = span(Verdict.UP, None, NOW_MS - HOUR_MS, NOW_MS)
    said = {}
    for lang, spans in (("en", [up]), ("fr", [up]), ("none", [])):
        page = build_page(
            build_snapshot(), SITE, FakeBooks(spans), PARIS, lang="en" if lang == "none" else lang
        )
        assert page.history is not None
        assert page.history.events == []
        said[lang] = " ".join(page.history.events_none.split())
    assert said["en"] == (
        "No outage and no degradation since 26 November; "
        "no break of a minute or more in the measurement."
    )
    assert said["fr"].startswith("Ni coupure ni dégradation depuis le 26 novembre")
    assert said["none"] == "Nothing has been measured yet."


@pytest.mark.parametrize("at_ms", [0, 1, DAY_MS * 20_000, NOW_MS])
@pytest.mark.parametrize("state", ["up", "fresh"])
def test_any_clock_gives_a_page(at_ms: int, state: str) -> None:
    """A clock at 1970 or far ahead, and books without an entry, still make a page."""
    world = build_world(state)
    snapshot = build_snapshot(at_ms=at_ms, since_ms=None, clock_synchronised=False)
    page = build_page(snapshot, SITE, world.books, PARIS, lang="fr")
    assert page.history is not None
    assert page.notices[0].sentence.startswith("L’horloge n’est pas synchronisée")


def test_facts_that_could_not_be_read_are_not_made_up() -> None:
    """An interface of which nothing is known is shown without words about it."""
    facts = HostFacts(interface=None, carrier=None, address=None, default_route=None)
    node = panels.build_path(build_snapshot(facts=facts), "en")[0]
    assert (node.state, node.detail) == ("ok", None)
