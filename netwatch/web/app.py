"""The agent's routes: what is asked under which path, and what is handed to answer it.

Rule of this file: it joins snapshot, books and pure parts into answers. It is handed
everything it reads, knows no socket and no other package of the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from zoneinfo import ZoneInfo

from netwatch.errors import StoreError
from netwatch.records import Snapshot
from netwatch.web.books import Books, SiteIdentity
from netwatch.web.desk import Route
from netwatch.web.page import build_page, read_accounts
from netwatch.web.paper import Paper
from netwatch.web.request import Request
from netwatch.web.response import Response, build_json, build_refusal
from netwatch.web.speech import choose_language
from netwatch.web.status import (
    LONGEST_LEDGER_MS,
    build_ledger_json,
    build_status_json,
    parse_instant,
)

_DAY_MS = 86_400_000


def build_routes(
    *,
    get_snapshot: Callable[[], Snapshot],
    books: Books,
    site: SiteIdentity,
    is_alive: Callable[[], bool],
    render_metrics: Callable[[Snapshot, str], tuple[bytes, str]],
) -> dict[str, Route]:
    """The routes for :func:`netwatch.web.server.build_server`.

    ``render_metrics`` takes the Accept header and gives body and content type;
    ``is_alive`` says whether the measuring loop still turns. ``books`` is asked from
    one thread only, and not by health or metrics.
    """
    zone = ZoneInfo(site.timezone)
    paper = Paper()

    def answer_page(request: Request) -> Response:
        lang = choose_language(
            request.query.get("lang"), request.headers.get("accept-language", "")
        )
        month = request.query.get("month")
        page = build_page(
            get_snapshot(), site, books, zone, lang=lang, month=month, alive=is_alive()
        )
        return Response(
            status=200,
            body=paper.render(page, month=month, refresh=request.query.get("refresh") != "no"),
            content_type="text/html; charset=utf-8",
            headers=(("Content-Language", lang), ("Vary", "Accept-Language")),
            policy=paper.policy,
        )

    def answer_metrics(request: Request) -> Response:
        body, content_type = render_metrics(get_snapshot(), request.headers.get("accept", ""))
        return Response(status=200, body=body, content_type=content_type)

    def answer_health(_request: Request) -> Response:
        if is_alive():
            return Response(status=200, body=b"ok\n")
        return build_refusal(503, "The measuring loop has stopped.")

    def answer_status(_request: Request) -> Response:
        snapshot = get_snapshot()
        try:
            accounts = read_accounts(books, snapshot.at_ms, zone)
        except StoreError:
            accounts = None
        return build_json(build_status_json(snapshot, site, accounts, alive=is_alive()))

    return {
        "/": Route(answer=answer_page),
        "/metrics": Route(answer=answer_metrics, quick=True),
        "/healthz": Route(answer=answer_health, quick=True, open=True),
        "/api/v1/status": Route(answer=answer_status),
        "/api/v1/ledger": Route(answer=partial(_answer_ledger, get_snapshot, books)),
    }


def _answer_ledger(
    get_snapshot: Callable[[], Snapshot], books: Books, request: Request
) -> Response:
    snapshot = get_snapshot()
    period = parse_period(
        request.query, snapshot.at_ms if snapshot.clock_synchronised else None, snapshot.at_ms
    )
    if isinstance(period, str):
        return build_json({"error": period}, 400)
    try:
        spans = books.read_ledger(*period)
    except StoreError as error:
        return build_json({"error": str(error)}, 503)
    return build_json(build_ledger_json(spans, *period))


def parse_period(
    query: Mapping[str, str], latest_ms: int | None, now_ms: int
) -> tuple[int, int] | str:
    """``from`` and ``to`` of a query, or the sentence that says what is wrong with them.

    Without ``to``, up to now; without ``from``, the day before ``to``. A ``to`` after
    ``latest_ms`` (None: the clock cannot tell) is taken back to it: nothing is known
    of the future.

    >>> parse_period({"from": "1970-01-01T00:00:01Z"}, 5_000, 5_000)
    (1000, 5000)
    >>> parse_period({"from": "now"}, 5_000, 5_000)
    "from: must be an ISO 8601 instant like 2026-11-01T00:00:00Z or milliseconds since 1970, got 'now'"
    """
    unknown = sorted(set(query) - {"from", "to"})
    if unknown:
        return f"{unknown[0]}: is not a parameter; from and to are"
    given: dict[str, int] = {}
    for name, text in query.items():
        try:
            given[name] = parse_instant(text)
        except (ValueError, OverflowError):
            return (
                f"{name}: must be an ISO 8601 instant like 2026-11-01T00:00:00Z or milliseconds "
                f"since 1970, got {text[:64]!r}"
            )
    to_ms = given.get("to", now_ms)
    if latest_ms is not None:
        to_ms = min(to_ms, latest_ms)
    from_ms = given.get("from", max(0, to_ms - _DAY_MS))
    if from_ms >= to_ms:
        return "from: must be before to, and not in the future"
    if to_ms - from_ms > LONGEST_LEDGER_MS:
        return "from, to: must be at most 400 days apart; ask for the time in parts"
    return from_ms, to_ms
