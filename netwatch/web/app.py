"""The agent's routes: what is asked under which path, and what is handed to answer it.

Rule of this file: it joins snapshot, books and pure parts into answers. It is handed
everything it reads, knows no socket and no other package of the agent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netwatch.snapshot import Snapshot
from netwatch.web.books import Books, SiteIdentity
from netwatch.web.desk import Route
from netwatch.web.request import Request
from netwatch.web.response import Response, build_refusal

if TYPE_CHECKING:
    from netwatch.web.evidence_route import FindEvidence
    from netwatch.web.page_route import PageRoute


def build_routes(
    *,
    get_snapshot: Callable[[], Snapshot],
    books: Books,
    site: SiteIdentity,
    is_alive: Callable[[], bool],
    render_metrics: Callable[[Snapshot, str], tuple[bytes, str]],
    find_evidence: FindEvidence | None = None,
) -> dict[str, Route]:
    """The routes for :func:`netwatch.web.server.build_server`.

    ``render_metrics`` takes the Accept header and gives body and content type;
    ``is_alive`` says whether the measuring loop still turns. ``books`` is asked from
    one thread only, and not by health or metrics. ``find_evidence`` gives a month's
    bundle; without it there is no such path.
    """
    # Templates, words and calendars take memory: not before somebody looks.
    pages: list[PageRoute] = []

    def answer_page(request: Request) -> Response:
        from netwatch.web.page_route import PageRoute  # noqa: PLC0415 -- words and calendars are loaded by the first who looks at the page

        if not pages:
            pages.append(PageRoute(books, site))
        return pages[0].answer(request, get_snapshot(), alive=is_alive())

    def answer_metrics(request: Request) -> Response:
        body, content_type = render_metrics(get_snapshot(), request.headers.get("accept", ""))
        return Response(status=200, body=body, content_type=content_type)

    def answer_health(_request: Request) -> Response:
        if is_alive():
            return Response(status=200, body=b"ok\n")
        return build_refusal(503, "The measuring loop has stopped.")

    def answer_status(_request: Request) -> Response:
        from netwatch.web.json_routes import answer_status as answer  # noqa: PLC0415 -- loaded by the first who asks for it

        return answer(get_snapshot(), books, site, alive=is_alive())

    def answer_ledger(request: Request) -> Response:
        from netwatch.web.json_routes import answer_ledger as answer  # noqa: PLC0415 -- loaded by the first who asks for it

        return answer(request, get_snapshot(), books)

    def answer_evidence(request: Request) -> Response:
        from netwatch.web.evidence_route import answer_evidence as answer  # noqa: PLC0415 -- loaded by the first who asks for it

        assert find_evidence is not None  # else there is no such route
        return answer(request, find_evidence)

    evidence = {} if find_evidence is None else {"/api/v1/evidence/": Route(answer=answer_evidence)}
    return {
        **evidence,
        "/": Route(answer=answer_page),
        "/metrics": Route(answer=answer_metrics, quick=True),
        "/healthz": Route(answer=answer_health, quick=True, open=True),
        "/api/v1/status": Route(answer=answer_status),
        "/api/v1/ledger": Route(answer=answer_ledger),
    }
