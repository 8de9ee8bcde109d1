"""Heads of HTTP requests: from bytes to a request or a refusal.

Rule of this file: pure and strict (RFC 9112, 2 to 6). It knows no socket, no route
and no page. What is not plainly a GET or HEAD without a body is refused with a
sentence, and the connection is closed after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from netwatch.web.response import Response, build_refusal

HEAD_LIMIT_BYTES = 8_192
TARGET_LIMIT_BYTES = 1_024
HEADER_LIMIT = 64

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")
# visible ASCII, blanks, tabs and bytes above 127 (RFC 9110, 5.5)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted request; header names are in lower case, of a repeated one the first stands."""

    method: str
    path: str  # as sent, without the query; never decoded: every route is plain ASCII
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    keep_alive: bool = False


def find_head_end(buffer: bytes | bytearray) -> int:
    r"""The index behind the empty line that ends a head, or −1 while it has not come.

    >>> find_head_end(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest")
    27
    >>> find_head_end(b"GET / HTTP/1.1\r\n")
    -1
    """
    at = buffer.find(b"\r\n\r\n")
    return -1 if at < 0 else at + 4


def parse_head(head: bytes) -> Request | Response:
    r"""Read one head, its closing empty line included; a :class:`Response` is a refusal.

    >>> parse_head(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n").path
    '/metrics'
    >>> parse_head(b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n").status
    405
    """
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]):
        return build_refusal(400, "The first line is not a request: METHOD /path HTTP/1.1.")
    method, target, version = words
    refusal = _refuse_request_line(method, target, version)
    if refusal is not None:
        return refusal
    headers = _parse_headers(lines[1:-2])
    if isinstance(headers, Response):
        return headers
    minor = int(version[-1])
    refusal = _refuse_headers(headers, minor)
    if refusal is not None:
        return refusal
    path, _, query = target.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return build_refusal(400, "The query has too many fields: 16 at most.")
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection if minor else "keep-alive" in connection
    return Request(
        method=method, path=path, query=dict(pairs), headers=headers, keep_alive=keep_alive
    )


def _refuse_request_line(method: str, target: str, version: str) -> Response | None:
    match = _VERSION.fullmatch(version)
    if match is None:
        return build_refusal(400, "The first line does not end in an HTTP version.")
    if match[1] != "1":
        return build_refusal(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    if method not in ("GET", "HEAD"):
        return build_refusal(405, "Only GET and HEAD are answered here.", ("Allow", "GET, HEAD"))
    if len(target) > TARGET_LIMIT_BYTES:
        return build_refusal(414, f"The address is longer than {TARGET_LIMIT_BYTES} bytes.")
    if not _TARGET.fullmatch(target):
        return build_refusal(400, "The address must begin with / and be plain ASCII.")
    return None


def _parse_headers(lines: list[str]) -> dict[str, str] | Response:
    if len(lines) > HEADER_LIMIT:
        return build_refusal(431, f"There are more than {HEADER_LIMIT} header lines.")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            return build_refusal(400, "A header line is malformed.")
        name = name.lower()
        if name in headers and name in ("host", "content-length", "authorization"):
            return build_refusal(400, f"The header {name} is given twice.")
        headers.setdefault(name, value.strip(" \t"))
    return headers


def _refuse_headers(headers: Mapping[str, str], minor: int) -> Response | None:
    if minor and "host" not in headers:
        return build_refusal(400, "HTTP/1.1 asks for a Host header.")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return build_refusal(413, "A request with a body is not accepted here.")
    return None
