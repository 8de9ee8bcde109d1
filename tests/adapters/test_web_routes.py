"""What the agent's addresses answer, through the real server."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser

import msgspec
import pytest

from netwatch.errors import StoreError
from netwatch.outlets.prometheus import render_metrics
from netwatch.records import Span
from netwatch.snapshot import Snapshot
from netwatch.web.app import build_routes
from netwatch.web.books import Books, RttPoint, ThroughputRow
from netwatch.web.server import Server, build_server
from tests.adapters.web_world import (
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    SITE,
    build_snapshot,
    build_targets,
    build_world,
)


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: str


Get = Callable[..., Answer]


class FakeBrokenBooks:
    """A store that cannot be read."""

    def read_ledger(self, from_ms: int, to_ms: int) -> Sequence[Span]:  # noqa: ARG002 -- fails whatever is asked
        raise StoreError("store: the database is locked")

    def read_rtt_points(self, from_ms: int, to_ms: int, step_ms: int) -> Sequence[RttPoint]:  # noqa: ARG002 -- fails whatever is asked
        raise StoreError("store: the database is locked")

    def read_tests(self, from_ms: int, to_ms: int) -> Sequence[ThroughputRow]:  # noqa: ARG002 -- fails whatever is asked
        raise StoreError("store: the database is locked")


def serve(snapshot: Snapshot, books: Books, *, alive: bool = True) -> Server:
    routes = build_routes(
        get_snapshot=lambda: snapshot,
        books=books,
        site=SITE,
        is_alive=lambda: alive,
        render_metrics=render_metrics,
    )
    server = build_server(
        "127.0.0.1:0", routes, monotonic_ms=lambda: time.monotonic_ns() // 1_000_000
    )
    server.serve()
    return server


def ask(server: Server, path: str, **headers: str) -> Answer:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        client.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = client.getresponse()
        body = answer.read().decode()
        return Answer(status=answer.status, headers=dict(answer.headers), body=body)
    finally:
        client.close()


@pytest.fixture
def get() -> Iterator[Get]:
    world = build_world("up")
    server = serve(world.snapshot, world.books)
    yield lambda path, **headers: ask(server, path, **headers)
    server.stop()


class Reader(HTMLParser):
    """Collects what a page refers to and how its parts nest."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.bare_headers = 0
        self.style_attributes = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        self.references += [str(given[name]) for name in ("href", "src", "action") if name in given]
        self.ids += [str(given["id"])] if "id" in given else []
        self.labels += str(given.get("aria-labelledby") or "").split()
        self.bare_headers += tag == "th" and "scope" not in given
        self.style_attributes += "style" in given or any(name.startswith("on") for name in given)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("state", ["up", "down", "degraded", "unknown", "fresh"])
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere(state: str, lang: str) -> None:
    """No script, no outside address, no inline style; tags, ids and labels are in order."""
    world = build_world(state)
    server = serve(world.snapshot, world.books)
    try:
        answer = ask(server, f"/?lang={lang}")
    finally:
        server.stop()
    assert answer.status == 200
    reader = Reader()
    reader.feed(answer.body)
    assert reader.open == []
    assert not {"script", "iframe", "img", "form"} & set(reader.tags)
    assert all(re.match(r"[#?]|/[a-z]|data:image/svg", each) for each in reader.references)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.labels) <= set(reader.ids)
    assert {each[1:] for each in reader.references if each.startswith("#")} <= set(reader.ids)
    assert reader.bare_headers == 0
    assert reader.style_attributes == 0
    assert reader.tags.count("h1") == 1
    assert f'<html lang="{lang}">' in answer.body


def test_the_policy_allows_the_pages_own_style_and_nothing_else(get: Get) -> None:
    """The hash in the policy is that of the style sheet in the page; scripts are not allowed."""
    answer = get("/")
    style = re.search(r"<style>(.*?)</style>", answer.body, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize(
    ("path", "accept", "lang"),
    [
        ("/", "fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("/", "en-GB,en;q=0.9,fr;q=0.5", "en"),
        ("/", "de", "en"),
        ("/?lang=fr", "en", "fr"),
        ("/?lang=xx", "fr", "fr"),
    ],
)
def test_the_language_is_the_browsers_unless_one_is_chosen(
    get: Get, path: str, accept: str, lang: str
) -> None:
    """Accept-Language chooses, ?lang= overrides it, anything else is English."""
    answer = get(path, Accept_Language=accept)
    assert answer.headers["Content-Language"] == lang
    title = {"fr": "La ligne fonctionne", "en": "The line works"}[lang]
    assert title in answer.body


def test_what_comes_from_outside_is_escaped() -> None:
    """A hostile name of a target or detail of a service stays text."""
    evil = "<script>alert(1)</script>"
    targets = tuple(
        msgspec.structs.replace(
            each, detail=evil, summary=msgspec.structs.replace(each.summary, target=evil)
        )
        for each in build_targets()
    )
    server = serve(build_snapshot(targets=targets, notices=(evil,)), build_world("up").books)
    try:
        body = ask(server, "/").body
    finally:
        server.stop()
    assert "<script" not in body
    assert "&lt;script&gt;" in body


def test_another_month_is_shown_and_a_month_that_cannot_be_is_the_present_one(get: Get) -> None:
    """?month= goes back 13 months; rubbish in it is no fault."""
    assert "October 2026" in get("/?lang=en&month=2026-10").body
    for month in ("2026-13", "2027-01", "2020-01", "%00", "%D9%A2%D9%A0%D9%A2%D9%A6-10", "'"):
        assert "day by day – November 2026" in get(f"/?lang=en&month={month}").body


def test_the_refresh_can_be_stopped_and_the_choice_is_kept(get: Get) -> None:
    """?refresh=no gives a page that stands still, and its links keep month and choice."""
    live, still = get("/?lang=en&month=2026-10"), get("/?lang=en&month=2026-10&refresh=no")
    assert '<meta http-equiv="refresh" content="30">' in live.body
    assert "http-equiv" not in still.body
    assert 'href="?lang=en&amp;month=2026-10&amp;refresh=no"' in live.body
    assert 'href="?lang=fr&amp;month=2026-10&amp;refresh=no"' in still.body
    assert 'href="?lang=en&amp;month=2026-10"' in still.body


def test_health_follows_the_loop() -> None:
    """200 while the loop is alive, 503 and an old page when it is not."""
    world = build_world("up")
    for alive, status in ((True, 200), (False, 503)):
        server = serve(world.snapshot, world.books, alive=alive)
        try:
            assert ask(server, "/healthz").status == status
            old = "The agent has ceased to measure: this page is old."
            assert (old in ask(server, "/?lang=en").body) is not alive
        finally:
            server.stop()


def test_broken_books_leave_a_page_and_metrics() -> None:
    """When the store fails the verdict is shown all the same, and the page says what fails."""
    server = serve(build_snapshot(), FakeBrokenBooks())
    try:
        page = ask(server, "/?lang=en")
        assert page.status == 200
        assert "The line works" in page.body
        assert "The books cannot be written or read." in page.body
        assert ask(server, "/metrics").status == 200
        assert json.loads(ask(server, "/api/v1/status").body)["accounts"] is None
        ledger = ask(server, "/api/v1/ledger")
        assert ledger.status == 503
        assert json.loads(ledger.body) == {"error": "store: the database is locked"}
    finally:
        server.stop()


def test_the_status_has_its_documented_keys(get: Get) -> None:
    """What other programs read: these keys are there, with these kinds of values."""
    status = json.loads(get("/api/v1/status").body)
    assert list(status) == [
        "schema_version", "at", "alive", "version", "uptime_ms", "site", "link", "accounts",
        "incidents", "targets", "host", "clock_synchronised", "clock_held_ms", "icmp",
        "notices", "missed_slots", "send_lateness_us", "store", "push", "bandwidth",
        "central",
    ]  # fmt: skip
    assert status["at"] == "2026-11-26T15:37:00.000Z"
    assert status["link"] == {
        "verdict": "up", "cause": None, "reason": None, "since": "2026-11-26T07:32:00.000Z",
        "held_ms": 29_100_000, "restore_deadline": None, "ipv6": None,
    }  # fmt: skip
    assert set(status["accounts"]) == {"today", "last_24h", "month"}
    assert status["accounts"]["last_24h"]["duration_ms"] == DAY_MS
    assert status["targets"][0]["window"]["median_us"] == 410


def test_the_deadline_of_a_restoration_is_on_the_page_and_in_the_status() -> None:
    """In both languages, and as an instant in UTC; null where there is none."""
    world = build_world("down")
    said = {}
    for deadline_ms in (NOW_MS + HOUR_MS, None):
        snapshot = msgspec.structs.replace(world.snapshot, restore_deadline_ms=deadline_ms)
        server = serve(snapshot, world.books)
        status = json.loads(ask(server, "/api/v1/status").body)["link"]["restore_deadline"]
        pages = "".join(ask(server, f"/?lang={lang}").body for lang in ("fr", "en"))
        server.stop()
        said[status] = (
            '<p class="since">To be restored by 17:37, as the contract says.</p>' in pages,
            "À rétablir avant 17\u202fh\u202f37, selon le contrat." in pages,
        )
    assert said == {"2026-11-26T16:37:00.000Z": (True, True), None: (False, False)}


def test_the_ledger_answers_for_a_period(get: Get) -> None:
    """Sums, shares and spans of the period asked for, which add up to it."""
    answer = get("/api/v1/ledger?from=2026-11-25T00:00:00%2B01:00&to=2026-11-26T00:00:00%2B01:00")
    ledger = json.loads(answer.body)
    assert (ledger["from"], ledger["duration_ms"]) == ("2026-11-24T23:00:00.000Z", DAY_MS)
    assert (
        ledger["up_ms"] + ledger["degraded_ms"] + ledger["down_ms"] + ledger["unknown_ms"] == DAY_MS
    )
    assert ledger["spans"][0]["start"] == ledger["from"]
    assert ledger["spans"][-1]["end"] == ledger["to"]
    last_day = json.loads(get("/api/v1/ledger").body)
    assert last_day["to"] == "2026-11-26T15:37:00.000Z"
    assert last_day["duration_ms"] == DAY_MS
    future = json.loads(get(f"/api/v1/ledger?from={NOW_MS - 5_000}&to={NOW_MS + DAY_MS}").body)
    assert future["duration_ms"] == 5_000


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=yesterday", "from: must be an ISO 8601 instant like 2026-11-01T00:00:00Z or milliseconds since 1970, got 'yesterday'"),
        ("to=99999999999999999999", "to: must be an ISO 8601 instant like 2026-11-01T00:00:00Z or milliseconds since 1970, got '99999999999999999999'"),
        ("from=2026-11-02&to=2026-11-01", "from: must be before to, and not in the future"),
        ("from=2030-01-01", "from: must be before to, and not in the future"),
        ("from=2024-01-01", "from, to: must be at most 400 days apart; ask for the time in parts"),
        ("form=2026-11-01", "form: is not a parameter; from and to are"),
    ],
)  # fmt: skip
def test_a_period_that_cannot_be_is_a_sentence(get: Get, query: str, sentence: str) -> None:
    """Bad values are told where, what and what would do, as JSON with status 400."""
    answer = get(f"/api/v1/ledger?{query}")
    assert answer.status == 400
    assert json.loads(answer.body) == {"error": sentence}
