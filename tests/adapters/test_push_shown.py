"""How the push fares, as metrics, page, JSON and terminal show it."""

from __future__ import annotations

import re
import string
import subprocess
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest

from netwatch.cli.push_status import build_push_lines
from netwatch.core.push_problems import PUSH_WORDS, explain_problem, format_problem
from netwatch.outlets.influx_answers import Answer, explain_answer
from netwatch.outlets.prometheus import MetricsRenderer, render_metrics
from netwatch.records import PushProblem, PushReason
from netwatch.snapshot import PushState
from netwatch.web.page import build_page
from netwatch.web.paper import Paper
from netwatch.web.push_panel import build_push_panel
from netwatch.web.status import build_status_json
from tests.adapters.victoria import read_options
from tests.adapters.web_world import HOUR_MS, NOW_MS, SITE, FakeBooks, build_snapshot

EXPIRED = PushProblem(reason=PushReason.CERTIFICATE_EXPIRED, where="https://metrics.example.fr")
WELL = PushState(ok=True, minutes=0, accepted=12_345, attempts=40)
FAILING = PushState(
    ok=False,
    problem=EXPIRED,
    minutes=200,
    oldest_ms=NOW_MS - 200 * 60_000,
    accepted=12_345,
    rejected=2,
    attempts=45,
    failed=5,
    failures=5,
)


def read_push_metrics(state: PushState | None) -> list[str]:
    """The samples of the push, as they are scraped."""
    text = render_metrics(build_snapshot(push=state))[0].decode()
    return [
        line for line in text.splitlines() if line.startswith(("netwatch_push", "netwatch_spool"))
    ]


def test_without_a_push_there_is_no_metric_of_it() -> None:
    """Absent, not 0."""
    assert read_push_metrics(None) == []


def test_a_push_that_works_says_what_left_and_that_nothing_waits() -> None:
    """No oldest, no problem."""
    assert read_push_metrics(WELL) == [
        'netwatch_spool_rows{outlet="influx"} 0.0',
        'netwatch_push_points_total{outlet="influx",result="accepted"} 12345.0',
        'netwatch_push_points_total{outlet="influx",result="rejected"} 0.0',
        'netwatch_push_attempts_total{outlet="influx"} 40.0',
        'netwatch_push_failures_total{outlet="influx"} 0.0',
    ]


def test_a_push_that_fails_says_since_when_and_why() -> None:
    """Rows, the oldest of them, and one problem by its word."""
    assert read_push_metrics(FAILING) == [
        'netwatch_spool_rows{outlet="influx"} 200.0',
        'netwatch_spool_oldest_timestamp_seconds{outlet="influx"} 1.79569542e+09',
        'netwatch_push_points_total{outlet="influx",result="accepted"} 12345.0',
        'netwatch_push_points_total{outlet="influx",result="rejected"} 2.0',
        'netwatch_push_attempts_total{outlet="influx"} 45.0',
        'netwatch_push_failures_total{outlet="influx"} 5.0',
        'netwatch_push_problem{outlet="influx",reason="certificate_expired"} 1.0',
    ]


def test_what_was_not_looked_at_yet_is_absent() -> None:
    """A push that has only begun counts nothing that waits."""
    assert not any("spool" in line for line in read_push_metrics(PushState()))


@pytest.mark.parametrize("state", [WELL, FAILING])
def test_promtool_has_nothing_to_say(state: PushState) -> None:
    """Names and types please Prometheus' own linter."""
    body, _ = MetricsRenderer()(build_snapshot(push=state))
    run = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def list_fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("reason", PushReason)
def test_every_problem_has_its_words_in_both_languages_with_the_same_names(
    reason: PushReason,
) -> None:
    """One sentence and one remedy each, on one line, without a full stop in a chain of colons."""
    words = PUSH_WORDS[reason]
    assert set(words) == {"fr", "en"}
    english, french = ({*map(frozenset, map(list_fields, words[lang]))} for lang in ("en", "fr"))
    assert set().union(*english) == set().union(*french)
    for what, remedy in words.values():
        assert what
        assert remedy
        assert not re.search(r"\.$|\n", f"{what}\n{remedy}".replace("\n", " "))


@pytest.mark.parametrize(
    "status", [200, 204, 301, 400, 401, 403, 404, 405, 407, 413, 418, 429, 503]
)
@pytest.mark.parametrize("url", ["http://a:8086", "http://a/path"])
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_any_answer_can_be_said_in_both_languages(status: int, url: str, lang: str) -> None:
    """No name in a sentence is without its value, whatever the server wrote."""
    given = Answer(status=status, headers={"content-type": "{x}", "location": "{y}"}, body="{z}")
    problem = explain_answer(given, url=url, org="{o}", bucket="{b}")
    assert (problem is None) == (status == 204)
    if problem is not None:
        explained = explain_problem(problem, lang)
        assert explained.sentence.startswith(url)
        assert format_problem(problem).startswith(f"{url}: ")


def test_every_word_for_a_problem_is_documented_and_no_other() -> None:
    """The table of docs/push.md is the closed list."""
    text = (Path(__file__).parents[2] / "docs/push.md").read_text(encoding="utf-8")
    table = text.partition("| Word |")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(reason.value for reason in PushReason)


def test_the_centre_keeps_one_copy_of_a_point_and_the_tests_run_as_the_centre_does() -> None:
    """The option without which doubles stay, in the file that tests and bench read."""
    assert "-dedup.minScrapeInterval=1ms" in read_options()


def test_without_a_push_the_page_has_no_panel() -> None:
    """Most sites have none."""
    assert build_push_panel(build_snapshot(), "en", UTC) is None
    assert "Sending of the measurements" not in render_page(None, "en")


def render_page(state: PushState | None, lang: str) -> str:
    page = build_page(build_snapshot(push=state), SITE, FakeBooks([]), UTC, lang=lang)
    text = Paper().render(page, month=None, refresh=True).decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def test_the_page_says_what_waits_since_when_and_what_to_do() -> None:
    """The sentence is the log's own; the remedy stands beside it."""
    text = render_page(FAILING, "en")
    for part in (
        "Nothing leaves.",
        "3\u202fh 20\u202fmin of measurements wait, since ",
        "Points taken by the server since the start: 12,345.",
        "https://metrics.example.fr: its certificate has expired",
        "renew it on the server",
    ):
        assert part.replace("\u202f", " ") in text.replace("\u202f", " ")


def test_the_page_says_it_in_french() -> None:
    """Word for word from the same table."""
    panel = build_push_panel(build_snapshot(push=FAILING), "fr", UTC)
    assert panel is not None
    assert panel.text == "Rien ne part."
    assert panel.waiting.startswith("3\u202fh 20\u202fmin de mesures attendent, depuis ")
    assert panel.problem == "https://metrics.example.fr\u00a0: son certificat a expiré"
    assert panel.remedy == "le renouveler sur le serveur"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"minutes": 3, "oldest_ms": NOW_MS - HOUR_MS}, "ok"),
        ({"minutes": 4, "oldest_ms": NOW_MS - HOUR_MS}, "some"),
        ({"problem": EXPIRED}, "some"),
        ({"ok": False, "problem": EXPIRED}, "bad"),
        ({"ok": None, "minutes": None}, "unknown"),
    ],
)
def test_how_it_goes_is_a_word(changes: dict[str, Any], state: str) -> None:
    """A few minutes that wait are ordinary, a backlog is not."""
    push = msgspec.structs.replace(WELL, **changes)
    panel = build_push_panel(build_snapshot(push=push), "en", UTC)
    assert panel is not None
    assert panel.state == state


def test_the_status_has_all_of_it_and_null_without_a_push() -> None:
    """Keys of /api/v1/status."""
    told = build_status_json(build_snapshot(push=FAILING), SITE, None, alive=True)["push"]
    assert told == {
        "outlet": "influx",
        "ok": False,
        "waiting_minutes": 200,
        "oldest": "2026-11-26T12:17:00.000Z",
        "accepted": 12_345,
        "rejected": 2,
        "attempts": 45,
        "failed": 5,
        "reason": "certificate_expired",
        "problem": "https://metrics.example.fr: its certificate has expired",
        "remedy": "renew it on the server",
    }
    assert build_status_json(build_snapshot(), SITE, None, alive=True)["push"] is None


def test_the_terminal_says_the_same() -> None:
    """A line for what waits, for what is wrong, and for what to do; nothing without a push."""
    told: Any = build_status_json(build_snapshot(push=FAILING), SITE, None, alive=True)["push"]
    assert build_push_lines(told) == [
        "push fails, 200 min wait since 2026-11-26T12:17:00.000Z, 12345 points accepted, "
        "2 rejected",
        "push: https://metrics.example.fr: its certificate has expired",
        "  → renew it on the server",
    ]
    assert build_push_lines(None) == []
