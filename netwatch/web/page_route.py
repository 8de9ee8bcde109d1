"""The page under `/`, from request to bytes.

Rule of this file: it chooses language and month, and has the page built and rendered. It
is imported with the first page, so that a device nobody looks at does not hold it.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from netwatch.snapshot import Snapshot
from netwatch.web.books import Books, SiteIdentity
from netwatch.web.page import build_page
from netwatch.web.paper import Paper
from netwatch.web.request import Request
from netwatch.web.response import Response
from netwatch.web.speech import choose_language


class PageRoute:
    """Answers for the page of one site; keeps the compiled template."""

    def __init__(self, books: Books, site: SiteIdentity) -> None:
        self._books = books
        self._site = site
        self._zone = ZoneInfo(site.timezone)
        self._paper = Paper()

    def answer(self, request: Request, snapshot: Snapshot, *, alive: bool) -> Response:
        """The page in the reader's language, with the month asked for."""
        lang = choose_language(
            request.query.get("lang"), request.headers.get("accept-language", "")
        )
        month = request.query.get("month")
        page = build_page(
            snapshot, self._site, self._books, self._zone, lang=lang, month=month, alive=alive
        )
        return Response(
            status=200,
            body=self._paper.render(
                page, month=month, refresh=request.query.get("refresh") != "no"
            ),
            content_type="text/html; charset=utf-8",
            headers=(("Content-Language", lang), ("Vary", "Accept-Language")),
            policy=self._paper.policy,
        )
