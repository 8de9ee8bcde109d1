"""The desk: which request is answered, by whom, and which is refused.

Rule of this file: it knows routes, the token and two workers, and no socket: a
request comes with a ticket, and the answer's bytes go back with it. Quick routes
(health, metrics) have a worker of their own, so that pages cannot hold up a scrape.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from queue import Full, Queue
from typing import Generic, TypeVar

import msgspec

from netwatch.web.gate import RateLimit, is_authorised
from netwatch.web.request import Request
from netwatch.web.response import Response, accepts_gzip, build_refusal, encode_response

_LOG = logging.getLogger(__name__)
_Ticket = TypeVar("_Ticket")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What answers under one path; a path that ends in ``/`` answers for all right below it."""

    answer: Callable[[Request], Response]
    quick: bool = False  # on the worker that pages cannot hold up
    open: bool = False  # without the token


class Desk(Generic[_Ticket]):
    """Two workers and the queues before them.

    ``deliver`` is called on a worker's thread with the ticket and the bytes to send.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        token: str | None,
        rate: RateLimit,
        waiting: int,
        deliver: Callable[[_Ticket, bytes], None],
    ) -> None:
        self._routes = dict(routes)
        self._token = token
        self._rate = rate
        self._deliver = deliver
        self._stopping = threading.Event()
        self._lanes: dict[bool, Queue[tuple[_Ticket, Route, Request, bool] | None]] = {
            True: Queue(waiting),
            False: Queue(waiting),
        }
        self._threads = [
            threading.Thread(target=self._work, args=(self._lanes[quick],), name=name, daemon=True)
            for quick, name in ((True, "web-quick"), (False, "web-page"))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Return when what is being answered is done; what waits is dropped."""
        self._stopping.set()
        for lane in self._lanes.values():
            with contextlib.suppress(Full):  # a worker that has work sees the flag after it
                lane.put_nowait(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def take(
        self, ticket: _Ticket, request: Request, *, address: str, keep_alive: bool, now_ms: int
    ) -> Response | None:
        """A refusal, or None: a worker has it, and will deliver."""
        route = self._find_route(request.path)
        if not self._rate.admit(address, now_ms):
            return build_refusal(
                429, "Too many requests from this address; wait a second.", ("Retry-After", "1")
            )
        if not (route and route.open) and not is_authorised(request, self._token):
            return build_refusal(
                401,
                "This needs the token: Authorization: Bearer TOKEN.",
                ("WWW-Authenticate", 'Bearer realm="netwatch", Basic realm="netwatch"'),
            )
        if route is None:
            return build_refusal(404, "There is no such page.")
        try:
            self._lanes[route.quick].put_nowait((ticket, route, request, keep_alive))
        except Full:
            return build_refusal(503, "Busy; ask again in a second.", ("Retry-After", "1"))
        return None

    def _find_route(self, path: str) -> Route | None:
        exact = self._routes.get(path)
        if exact is not None or path.count("/") < 2:
            return exact
        return self._routes.get(path[: path.rindex("/") + 1])

    def _work(self, lane: Queue[tuple[_Ticket, Route, Request, bool] | None]) -> None:
        while (work := lane.get()) is not None and not self._stopping.is_set():
            ticket, route, request, keep_alive = work
            try:
                response = route.answer(request)
            except Exception:  # noqa: BLE001 -- the last line: the fault is logged, the client gets a sentence, the server lives
                _LOG.exception("the page %s could not be made", request.path)
                response = build_refusal(500, "This page could not be made; the log says why.")
            answer = encode_response(
                response,
                head_only=request.method == "HEAD",
                gzip=accepts_gzip(request.headers.get("accept-encoding", "")),
                keep_alive=keep_alive,
            )
            self._deliver(ticket, answer)
