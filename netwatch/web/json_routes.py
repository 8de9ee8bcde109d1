"""The JSON under `/api/v1/`: what is asked, checked and answered.

Rule of this file: it reads queries and books, and joins them with the pure parts. It is
imported with the first such question.
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from netwatch.errors import StoreError
from netwatch.snapshot import Snapshot
from netwatch.web.books import Books, SiteIdentity
from netwatch.web.request import Request
from netwatch.web.response import Response, build_json
from netwatch.web.status import (
    LONGEST_LEDGER_MS,
    build_ledger_json,
    build_status_json,
    parse_instant,
    read_accounts,
)

_DAY_MS = 86_400_000


def answer_status(snapshot: Snapshot, books: Books, site: SiteIdentity, *, alive: bool) -> Response:
    """``/api/v1/status``; the sums are null while the books cannot be read."""
    try:
        accounts = read_accounts(books, snapshot.at_ms, ZoneInfo(site.timezone))
    except StoreError:
        accounts = None
    return build_json(build_status_json(snapshot, site, accounts, alive=alive))


def answer_ledger(request: Request, snapshot: Snapshot, books: Books) -> Response:
    """``/api/v1/ledger``: a period's spans and sums, or the sentence that refuses it."""
    period = parse_period(
        request.query, snapshot.at_ms if snapshot.is_dated else None, snapshot.at_ms
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
