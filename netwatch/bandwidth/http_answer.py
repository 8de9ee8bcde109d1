"""What a server answered, and whether it is what was asked for.

Rule of this file: bytes in, an answer or Trouble out; it reads no socket. http.client
parses. Whatever is sent, no more than HEAD_LIMIT_BYTES of head and BODY_LIMIT_BYTES of a
small answer are looked at.
"""

from __future__ import annotations

import http.client
import io

import msgspec

from netwatch.bandwidth.reach import HEAD_LIMIT_BYTES, Trouble

BODY_LIMIT_BYTES = 65_536
#: Fields by which a cache says that the answer was already there.
_CACHE_FIELDS = ("X-Cache", "X-Cache-Lookup", "CF-Cache-Status", "X-Proxy-Cache")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an answer, as far as a test asks about it."""

    status: int
    length: int | None  # of the body; None: until its end
    chunked: bool
    closes: bool  # the connection ends with it
    kind: str  # media type, small letters; empty where none is said
    coding: str  # of the content; empty where none is said
    location: str | None
    cache: str | None  # what says that it came from a cache


class _Said(io.BytesIO):
    """What http.client reads from: bytes that are there already, and stay open."""

    def makefile(self, _mode: str) -> _Said:
        return self

    def close(self) -> None:
        pass


def parse_head(data: bytes) -> tuple[Answer, int] | None:
    r"""The answer and the length of its head; None while it is not whole.

    Interim answers (100 Continue) are passed over. Trouble ("answer_invalid") for a head
    that does not end, and for what is no HTTP.

    >>> parse_head(b"HTTP/1.1 200 OK\r\nContent-Le") is None
    True
    >>> answer, head = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    >>> answer.status, answer.length, head
    (200, 9, 38)
    """
    found = _parse(data)
    return None if found is None else found[:2]


def parse_whole(
    data: bytes, *, ended: bool = False, bodiless: bool = False
) -> tuple[Answer, int, int] | None:
    r"""A small answer with its body: (answer, bytes of content, bytes in all); None till whole.

    ``ended``: the connection has been closed, which ends a body of unsaid length.
    ``bodiless``: it answers HEAD. Trouble ("answer_invalid") beyond 64 KiB.

    >>> whole = parse_whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    ...                     b"2\r\nok\r\n0\r\n\r\nHTTP/1.1")
    >>> whole[1:]
    (2, 59)
    """
    found = _parse(data)
    if found is None:
        return None
    answer, head, response = found
    if bodiless or answer.length == 0:
        return answer, 0, head
    if (answer.length or 0) > BODY_LIMIT_BYTES or len(data) > head + 2 * BODY_LIMIT_BYTES:
        raise Trouble("answer_invalid", "the server sends a large answer where none was asked for")
    if answer.length is not None:
        whole = head + answer.length
        return (answer, answer.length, whole) if len(data) >= whole else None
    if answer.chunked:
        try:
            content = response.read(BODY_LIMIT_BYTES + 1)
        except (http.client.HTTPException, ValueError):
            return None
        end = response.tell_end()
        return (answer, len(content), end) if data.endswith(b"\r\n\r\n", 0, end) else None
    return (answer, len(data) - head, len(data)) if ended else None


def cut_date(head: bytes) -> bytes:
    r"""A head without its Date, by which alone one empty answer differs from the next.

    >>> cut_date(b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nAge: 1\r\n\r\n")
    b'HTTP/1.1 200 OK\r\nAge: 1\r\n\r\n'
    """
    before, _, rest = head.partition(b"\r\nDate: ")
    return before + rest[rest.find(b"\r\n") :] if rest else head


class _Response(http.client.HTTPResponse):
    """Tells how far it has read in what it was handed."""

    def __init__(self, said: _Said) -> None:
        super().__init__(said)  # type: ignore[arg-type]  # only makefile is used of a socket
        self._said = said

    def tell_end(self) -> int:
        return self._said.tell()


def _parse(data: bytes) -> tuple[Answer, int, _Response] | None:
    start = 0
    while True:
        end = data.find(b"\r\n\r\n", start) + 4
        if end < 4:
            if len(data) - start > HEAD_LIMIT_BYTES:
                raise Trouble("answer_invalid", "the answer's header does not end")
            if len(data) - start >= 8 and not data.startswith(b"HTTP/1.", start):
                raise Trouble("answer_invalid", "what the server says is not HTTP")
            return None
        if not data.startswith(b"HTTP/1.1 1", start) or data.startswith(b"HTTP/1.1 101", start):
            break
        start = end
    said = _Said(data)
    said.seek(start)
    response = _Response(said)
    try:
        response.begin()
        answer = _read_fields(response)
    except (http.client.HTTPException, ValueError) as error:
        raise Trouble("answer_invalid", f"what the server says is not HTTP: {error!r}") from error
    return answer, end, response


def _read_fields(response: http.client.HTTPResponse) -> Answer:
    fields = response.headers
    age = (fields.get("Age") or "").strip()
    cache = f"Age: {age}" if age.isdigit() and int(age[:9]) > 0 else None
    for name in _CACHE_FIELDS:
        value = fields.get(name) or ""
        if "HIT" in value.upper():
            cache = f"{name}: {value[:60]}"
    coding = (fields.get("Content-Encoding") or "").strip().lower()
    return Answer(
        status=response.status,
        length=response.length,
        chunked=bool(response.chunked),
        closes=response.will_close,
        kind=(fields.get("Content-Type") or "").partition(";")[0].strip().lower(),
        coding="" if coding == "identity" else coding,
        location=fields.get("Location"),
        cache=cache,
    )


def judge_status(answer: Answer, host: str) -> None:
    """Trouble for any answer but 200: who refuses, is full, or wants a log-in."""
    if 200 <= answer.status <= 204:
        return
    if answer.status == 511 or 300 <= answer.status <= 399:
        where = f" to {answer.location[:120]}" if answer.location else ""
        raise Trouble("login_page", f"{host} answered HTTP {answer.status}{where}")
    reason = "no_capacity" if answer.status in (429, 503) else "refused"
    raise Trouble(reason, f"{host} answered HTTP {answer.status}")


def judge_data(answer: Answer, host: str) -> None:
    r"""Trouble for an answer whose bytes would not be those that a test asks for.

    >>> answer, _ = parse_head(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    >>> judge_data(answer, "a.example")
    Traceback (most recent call last):
    netwatch.bandwidth.reach.Trouble: a.example sent a page (text/html) where data was asked for
    """
    judge_status(answer, host)
    if answer.kind in ("text/html", "application/xhtml+xml"):
        raise Trouble("login_page", f"{host} sent a page ({answer.kind}) where data was asked for")
    if answer.coding:
        raise Trouble("compressed", f"{host} compresses what it sends ({answer.coding[:40]})")
    if answer.cache:
        raise Trouble("cached", f"the answer came from a cache ({answer.cache})")


def judge_small(answer: Answer, content_bytes: int, host: str) -> None:
    """The same of an answer that should be empty: PHP calls an empty one text/html too."""
    judge_status(answer, host)
    if answer.kind in ("text/html", "application/xhtml+xml") and content_bytes:
        raise Trouble("login_page", f"{host} sent a page ({answer.kind}) where none was asked for")
    if answer.cache:
        raise Trouble("cached", f"the answer came from a cache ({answer.cache})")
