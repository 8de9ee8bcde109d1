"""Answers, and how they look on the wire.

Rule of this file: pure. It knows no socket and no page. Every answer carries the
headers that keep a browser from doing more than showing it, and none names the
software or its version.
"""

from __future__ import annotations

import json
import zlib
from http import HTTPStatus

import msgspec

_GZIP_ABOVE_BYTES = 1_024
_GZIP_WBITS = 31  # a gzip wrapper around 2**15 bytes of window
_STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One answer; ``headers`` are beside those that every answer has."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    policy: str = _STRICT_POLICY


def build_refusal(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    r"""An answer of one sentence that says what is wrong.

    >>> build_refusal(404, "There is no such page.").body
    b'There is no such page.\n'
    """
    return Response(status=status, body=f"{sentence}\n".encode(), headers=headers)


def build_json(value: object, status: int = 200) -> Response:
    r"""A JSON answer; ``value`` holds dicts, lists, strings, numbers, booleans and None only.

    >>> build_json({"a": "é"}).body
    b'{"a":"\xc3\xa9"}\n'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(
        status=status, body=f"{text}\n".encode(), content_type="application/json; charset=utf-8"
    )


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header asks for gzip (RFC 9110, 12.5.3).

    >>> accepts_gzip("gzip, deflate;q=0.5")
    True
    >>> accepts_gzip("gzip;q=0, identity")
    False
    """
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() == "gzip":
            quality = parameters.strip().removeprefix("q=").rstrip("0").rstrip(".")
            return not parameters.strip() or quality not in ("", "0")
    return False


def encode_response(response: Response, *, head_only: bool, gzip: bool, keep_alive: bool) -> bytes:
    """The bytes to send; with ``head_only`` the length is told and the body left out."""
    body = response.body
    headers = [
        ("Content-Type", response.content_type),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", response.policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Connection", "keep-alive" if keep_alive else "close"),
        *response.headers,
    ]
    if len(body) > _GZIP_ABOVE_BYTES:
        headers.append(("Vary", "Accept-Encoding"))
        if gzip and response.content_type != "application/zip":  # packed already
            # Level 1: on a small machine the line is faster than the processor.
            packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP_WBITS)
            body = packer.compress(body) + packer.flush()
            headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    return head if head_only else head + body
