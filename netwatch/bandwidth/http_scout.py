"""Finds what to fetch and where to post, before any load: one small request or a few.

Rule of this file: it follows redirects on the same host and no others, and knows a log-in
page when it sees one. It moves no bulk data.
"""

from __future__ import annotations

import os

import msgspec

from netwatch.bandwidth.base import Counterpart
from netwatch.bandwidth.http_answer import Answer, judge_small, parse_whole
from netwatch.bandwidth.http_connect import Connectors
from netwatch.bandwidth.http_place import (
    NAMES,
    Place,
    build_request,
    follow_redirect,
    parse_place,
)
from netwatch.bandwidth.reach import Trouble, read_some, send_all

_MOST_REDIRECTS = 2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """What is fetched, what is posted to, and what is asked for beside the load."""

    down: Place
    up: Place
    small: Place
    small_method: str  # GET of an empty page, HEAD of a large file
    is_backend: bool


def find_sides(counterpart: Counterpart, connectors: Connectors, deadline_ms: int) -> Sides:
    """With ``upload_url`` a file and a place to post to, without it a LibreSpeed backend.

    Raises Trouble where neither answers as it should.
    """
    if counterpart.upload_url is not None:
        up = parse_place(counterpart.upload_url)
        file, _, _ = _ask(parse_place(counterpart.url), "HEAD", connectors, deadline_ms)
        return Sides(down=file, up=up, small=file, small_method="HEAD", is_backend=False)
    base = parse_place(counterpart.url)
    for down, up_name in NAMES:
        place, answer, content_bytes = _ask(base.beneath(up_name), "GET", connectors, deadline_ms)
        if answer.status != 404 or (down, up_name) == NAMES[-1]:
            break
    judge_small(answer, content_bytes, place.host)
    folder = msgspec.structs.replace(
        place, path=place.path.partition("?")[0].removesuffix("/" + up_name) or "/"
    )
    empty = folder.beneath(up_name)
    return Sides(
        down=folder.beneath(down), up=empty, small=empty, small_method="GET", is_backend=True
    )


def freshen(place: Place) -> Place:
    """With a random query against caches; a file's own query, which may be signed, stays."""
    return place if "?" in place.path else place.asking(f"r={os.urandom(8).hex()}")


def _ask(
    place: Place, method: str, connectors: Connectors, deadline_ms: int
) -> tuple[Place, Answer, int]:
    """One small request, redirects on the same host followed; (where, answer, content)."""
    for _ in range(_MOST_REDIRECTS + 1):
        with connectors.get(place).open(deadline_ms).stream as stream:
            send_all(stream, build_request(method, freshen(place)), deadline_ms)
            said, found, piece = b"", None, b"?"
            while found is None:
                if not piece:
                    raise Trouble("closed_early", f"{place.host} closed without an answer")
                piece = read_some(stream, deadline_ms)
                said += piece
                found = parse_whole(said, ended=not piece, bodiless=method == "HEAD")
        answer, content_bytes, _ = found
        if answer.status not in _REDIRECTS:
            return place, answer, content_bytes
        place = follow_redirect(place, answer.location)
    raise Trouble("login_page", f"{place.host} redirects again and again")
