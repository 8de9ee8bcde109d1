"""``/api/v1/evidence/2026-10``: the bundle of a month, as somebody else makes it.

Rule of this file: it reads the path and words the answer. It is imported with the first
such question, and must not know how a bundle comes about.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from netwatch.web.request import Request
from netwatch.web.response import Response, build_json

PATH = "/api/v1/evidence/"
_MONTH = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])", re.ASCII)


class EvidenceBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that is there."""

    name: str
    body: bytes


class NoBundle(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is none, or not yet: then ``retry_after_s`` says when to ask again."""

    status: int
    sentence: str
    retry_after_s: int | None = None


#: Asked with year and month.
FindEvidence = Callable[[int, int], EvidenceBundle | NoBundle]


def answer_evidence(request: Request, find_evidence: FindEvidence) -> Response:
    """The zip, or the sentence that says why not."""
    asked = request.path.removeprefix(PATH)
    month = _MONTH.fullmatch(asked)
    if month is None:
        return build_json({"error": f"must be a month like {PATH}2026-10, got {asked[:64]!r}"}, 400)
    found = find_evidence(int(month[1]), int(month[2]))
    if isinstance(found, EvidenceBundle):
        return Response(
            status=200,
            body=found.body,
            content_type="application/zip",
            headers=(("Content-Disposition", f'attachment; filename="{found.name}"'),),
        )
    answer = build_json({"error": found.sentence}, found.status)
    if found.retry_after_s is None:
        return answer
    return msgspec.structs.replace(answer, headers=(("Retry-After", str(found.retry_after_s)),))
