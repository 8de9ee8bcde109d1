"""The page's throughput tests: figures against the guarantee, and what does not count."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest

from netwatch.core.test_validity import explain_failure
from netwatch.web.page import build_page
from netwatch.web.paper import Paper
from netwatch.web.throughput_panel import build_throughput_panel, say_reason
from netwatch.web.throughput_words import THROUGHPUT_WORDS
from tests.adapters.web_world import (
    BANDWIDTH,
    NOW_MS,
    SITE,
    FakeBooks,
    FakeTest,
    build_month,
    build_snapshot,
    build_tests,
)

PARIS = ZoneInfo("Europe/Paris")
GUARANTEED = (12_500_000, 6_250_000)


def build(tests: list[FakeTest], **options: object):  # noqa: ANN201 - the panel or None
    return build_throughput_panel(
        tests, options.get("view", BANDWIDTH), options.get("guaranteed", GUARANTEED),  # type: ignore[arg-type]  # a test's own choice
        at_ms=NOW_MS, lang=str(options.get("lang", "en")), zone=PARIS,
    )  # fmt: skip


def test_without_engine_and_tests_there_is_no_panel() -> None:
    assert build([], view=None) is None


def test_before_the_first_test_the_plan_is_told() -> None:
    panel = build([])
    assert panel is not None
    assert panel.lines == panel.charts == panel.marks == []
    assert panel.said[0] == "Next test: 19:37."
    assert "23.4\u202fGB of 60.0\u202fGB used" in panel.said[1]
    assert "line in use by others" in panel.said[2]


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", "A test is under way.|With what is set aside for it, 23.4\u202fGB of"),
        ("fr", "Un test est en cours.|Avec ce qui lui est réservé, 23,4\u202fGo utilisés"),
    ],
)
def test_while_a_test_runs_what_is_set_aside_is_not_passed_off_as_used(
    lang: str, words: str
) -> None:
    """A fast port sets half the month aside for some seconds: the page says what that is."""
    panel = build([], view=msgspec.structs.replace(BANDWIDTH, running=True), lang=lang)
    assert panel is not None
    running, budget = words.split("|")
    assert panel.said[1] == running
    assert panel.said[2].startswith(budget)


def test_each_state_has_its_word_and_its_own_shape() -> None:
    """Met, missed, not counted and failed are told apart without colour."""
    tests = [
        FakeTest(started_ms=NOW_MS - 4, down_bytes_per_second=13_000_000, up_bytes_per_second=1),
        FakeTest(started_ms=NOW_MS - 3, down_bytes_per_second=9, down_invalid="busy_link"),
        FakeTest(started_ms=NOW_MS - 2, down_invalid="test_server_failed"),
    ]
    panel = build(tests)
    assert panel is not None
    failed, uncounted, first = panel.lines
    assert (first.down.state, first.up.state) == ("met", "missed")
    assert (first.down.text, first.down.note) == ("104\u202fMbit/s", "guarantee met")
    assert (uncounted.down.state, uncounted.up.state) == ("invalid", "none")
    assert uncounted.down.note == "does not count: line in use by others"
    assert (failed.down.text, failed.down.note) == ("–", "no figure: the test server failed")
    assert [state for state, _ in panel.marks] == ["met", "missed", "invalid"]


def test_the_description_says_what_the_chart_shows() -> None:
    panel = build(build_tests())
    assert panel is not None
    assert panel.charts[0].description == (
        "Down, 31 days, valid tests: 111, from 73.4\u202fMbit/s to 108\u202fMbit/s; "
        "guarantee of 100\u202fMbit/s met by 105 of 111"
    )
    assert all(0 <= float(dot.y.rstrip("%")) <= 100 for dot in panel.charts[0].dots)


def test_without_a_guarantee_nothing_is_met_or_missed() -> None:
    panel = build(build_tests(), guaranteed=(None, None))
    assert panel is not None
    assert {dot.state for chart in panel.charts for dot in chart.dots} == {"plain", "invalid"}
    assert all(chart.guarantee_y is None for chart in panel.charts)


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_the_page_shows_it_in_both_languages_and_escapes_what_servers_say(lang: str) -> None:
    hostile = FakeTest(
        started_ms=NOW_MS - 5, server="<script>alert(1)</script>", down_bytes_per_second=5
    )
    page = build_page(
        build_snapshot(bandwidth=BANDWIDTH),
        msgspec.structs.replace(SITE, guaranteed_down=12_500_000),
        FakeBooks(build_month(), tests=[*build_tests(), hostile]),
        PARIS,
        lang=lang,
        month=None,
        alive=True,
    )
    html = Paper().render(page).decode()
    assert THROUGHPUT_WORDS["tests"][lang] in html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_every_word_of_the_books_is_worded() -> None:
    """Why a test does not count, and why one was not made (docs/bandwidth.md)."""
    words = {explain_failure(reason) for reason in ("tls", "crashed", "budget")} | {
        "device_limited", "busy_link", "wrong_circuit", "clock_unsynced", "quiet_hours", "overlap",
        "no_lock", "line_down", "agent_off", "interrupted", "late",
    }  # fmt: skip
    for word in words:
        assert say_reason("fr", word) != word.replace("_", " ")
