"""What the library's requests go over: one bounded answer of JSON each, or a sentence.

Rule of this file: grafana-api (over requests) follows redirections with the token, waits for
each byte anew, reads answers of any size, takes proxies from the environment and falls over
error bodies that are no JSON objects. None of this reaches it: requests leave by
`netwatch.fleet.asking`, and what comes back always has the form that the library reads.
It knows no endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import BaseAdapter

from netwatch.config.notes import shorten, show_text
from netwatch.errors import AgentUnreachable
from netwatch.fleet.address import AgentAddress
from netwatch.fleet.asking import Answer, Patience, fetch

_TAKEN_ALONG = ("Authorization", "Content-Type")


class Wire(BaseAdapter):
    """Carries a session's requests to one host and nowhere else."""

    def __init__(self, address: AgentAddress, ca: str | None, patience: Patience) -> None:
        super().__init__()
        self._address = msgspec.structs.replace(address, prefix="")  # the paths have it
        self._ca = ca
        self._patience = patience

    def send(  # noqa: PLR0917 - requests' signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - requests' signature
        timeout: Any = None,  # noqa: ANN401, ARG002 - requests' signature
        verify: Any = True,  # noqa: ANN401, ARG002 - requests' signature
        cert: Any = None,  # noqa: ANN401, ARG002 - requests' signature
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - requests' signature
    ) -> requests.Response:
        """The answer, its body a JSON value. Raises AgentUnreachable where there is none."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        assert body is None or isinstance(body, bytes)  # the library sends JSON alone
        try:
            answer = fetch(
                self._address,
                request.path_url,
                self._patience,
                ca=self._ca,
                method=request.method or "GET",
                body=body,
                extra_headers={
                    name: str(request.headers[name])
                    for name in _TAKEN_ALONG
                    if name in request.headers
                },
            )
        except AgentUnreachable as error:
            raise AgentUnreachable(advise(str(error))) from None
        response = requests.Response()
        response.status_code = answer.status
        response.headers["Content-Type"] = "application/json"
        response.encoding = "utf-8"
        response.url = request.url or ""
        response.request = request
        response._content = build_body(answer)  # noqa: SLF001 - requests has no other way in
        return response

    def close(self) -> None:
        """Nothing is held between requests."""


def advise(reason: str) -> str:
    """The reason for which there is no answer, and what would do.

    >>> advise("no answer within 5 s")
    "no answer within 5 s: see Grafana's log, or wait longer with --timeout"
    """
    if reason.startswith("no answer within"):
        return f"{reason}: see Grafana's log, or wait longer with --timeout"
    if reason.startswith("its certificate"):
        return f"{reason}: name the PEM file of its authority in fleet.grafana.ca"
    if reason.startswith("ca "):
        return f"fleet.grafana.{reason}"
    return f"{reason}: does Grafana run, and is fleet.grafana.url right?"


def build_body(answer: Answer) -> bytes:
    r"""The answer's JSON; of a refusal always an object with a ``message``.

    >>> build_body(Answer(status=502, body=b"<h1>Bad gateway</h1>", content_type="text/html"))
    b'{"message": ""}'
    >>> build_body(Answer(status=500, body=b'"message"'))
    b'{"message": "\\"message\\""}'

    Raises AgentUnreachable for what cannot be Grafana's API.
    """
    if 300 <= answer.status < 400:
        raise AgentUnreachable(
            f"sends on to {_show_location(answer.location)} (HTTP {answer.status}): "
            "fleet.grafana.url must be the address of Grafana itself, without a login page "
            "before its /api"
        )
    document = _parse(answer.body)
    if answer.status >= 400:
        if isinstance(document, dict) and isinstance(document.get("message"), str):
            return answer.body
        page = _is_page(answer)
        said = "" if page else show_text(answer.body[:200].decode("utf-8", "replace").strip())
        return json.dumps({"message": shorten(said)}).encode()
    if document is None:
        if _is_page(answer):
            raise AgentUnreachable(
                "answers with a web page where Grafana's API should be: fleet.grafana.url must "
                "be the address of Grafana itself, without a login page before its /api"
            )
        raise AgentUnreachable("answers, but not with JSON: is this Grafana?")
    return answer.body


def _parse(body: bytes) -> object:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def _is_page(answer: Answer) -> bool:
    kind = (answer.content_type or "").lower()
    return "html" in kind or answer.body[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))


def _show_location(location: str | None) -> str:
    """Without query and fragment, which may hold what is nobody's business.

    >>> _show_location("https://sso.example.fr/login?state=abc")
    'https://sso.example.fr/login'
    """
    try:
        parts = urlsplit(location or "")
    except ValueError:
        return "elsewhere"
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    return show_text(shorten(shown)) or "elsewhere"
