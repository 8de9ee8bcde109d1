"""Heads of requests, the token, the rate, and what answers look like on the wire."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.web.gate import RateLimit, is_authorised
from netwatch.web.request import Request, find_head_end, parse_head
from netwatch.web.response import Response, accepts_gzip, build_refusal, encode_response

LONG = "/" + "a" * 1_024


@pytest.mark.parametrize(
    ("head", "status", "sentence"),
    [
        ("GET /", 400, "The first line is not a request: METHOD /path HTTP/1.1."),
        ("GET  / HTTP/1.1", 400, "The first line is not a request: METHOD /path HTTP/1.1."),
        ("GET / HTTPS/1.1", 400, "The first line does not end in an HTTP version."),
        ("GET / HTTP/2.0", 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here."),
        ("POST / HTTP/1.1\r\nHost: a", 405, "Only GET and HEAD are answered here."),
        (f"GET {LONG} HTTP/1.1\r\nHost: a", 414, "The address is longer than 1024 bytes."),
        ("GET http://a/ HTTP/1.1\r\nHost: a", 400, "The address must begin with / and be plain ASCII."),
        ("GET /é HTTP/1.1\r\nHost: a", 400, "The address must begin with / and be plain ASCII."),
        ("GET / HTTP/1.1", 400, "HTTP/1.1 asks for a Host header."),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400, "The header host is given twice."),
        ("GET / HTTP/1.1\r\nHost : a", 400, "A header line is malformed."),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded", 400, "A header line is malformed."),
        ("GET / HTTP/1.1\r\nHost: a\nX: b", 400, "A header line is malformed."),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \0", 400, "A header line is malformed."),
        ("GET / HTTP/1.1\r\nHost: a" + "\r\nX: 1" * 64, 431, "There are more than 64 header lines."),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1", 413, "A request with a body is not accepted here."),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", 413, "A request with a body is not accepted here."),
        ("GET /?" + "a&" * 17 + " HTTP/1.1\r\nHost: a", 400, "The query has too many fields: 16 at most."),
    ],
)  # fmt: skip
def test_what_is_not_a_plain_request_is_refused_with_its_sentence(
    head: str, status: int, sentence: str
) -> None:
    """Each malformed head gets its status and says what is wrong."""
    answer = parse_head(f"{head}\r\n\r\n".encode())
    assert isinstance(answer, Response)
    assert (answer.status, answer.body.decode()) == (status, f"{sentence}\n")


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        ("GET / HTTP/1.1\r\nHost: a", True),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close", False),
        ("GET / HTTP/1.0", False),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive", True),
    ],
)
def test_connections_are_kept_as_the_version_says(head: str, keep_alive: bool) -> None:
    """RFC 9112, 9.3: kept by default from 1.1 on, on request before."""
    request = parse_head(f"{head}\r\n\r\n".encode())
    assert isinstance(request, Request)
    assert request.keep_alive is keep_alive


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_a_refusal(noise: bytes) -> None:
    """Nothing that a client sends raises; what is accepted is a GET or HEAD of a path."""
    for head in (noise, b"GET /" + noise + b" HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\n" + noise):
        answer = parse_head(head[: find_head_end(head) - 4 or None] + b"\r\n\r\n")
        if isinstance(answer, Response):
            assert 400 <= answer.status <= 505
        else:
            assert answer.method in ("GET", "HEAD")
            assert answer.path.startswith("/")


@given(st.text(), st.text(min_size=1, alphabet=st.characters(min_codepoint=33, codec="ascii")))
def test_only_the_token_itself_opens(given_token: str, token: str) -> None:
    """No other credentials are let in, by either scheme, and the token is by both."""

    def ask(authorization: str) -> bool:
        header = authorization.encode("utf-8").decode("latin-1")
        return is_authorised(
            Request(method="GET", path="/", headers={"authorization": header}), token
        )

    basic = base64.b64encode(f"anyone:{token}".encode()).decode()
    assert ask(f"Bearer {token}")
    assert ask(f"basic {basic}")
    assert not ask(f"Digest {token}")
    if given_token.strip() != token:
        assert not ask(f"Bearer {given_token}")


def test_a_missing_or_broken_authorization_does_not_open() -> None:
    """Neither nothing nor rubbish is taken for the token."""
    for headers in ({}, {"authorization": "Basic %%%"}, {"authorization": "Bearer"}):
        assert not is_authorised(Request(method="GET", path="/", headers=headers), "secret")


def test_the_table_of_addresses_stays_small() -> None:
    """Ten thousand addresses leave 512 in memory."""
    limit = RateLimit(per_second=1, burst=1)
    for number in range(10_000):
        assert limit.admit(f"2001:db8::{number:x}", number)
    assert len(limit._buckets) == 512


def test_one_address_does_not_use_up_anothers_share() -> None:
    """The rate is of each address by itself, and comes back with time."""
    limit = RateLimit(per_second=2, burst=3)
    assert [limit.admit("a", 0) for _ in range(4)] == [True, True, True, False]
    assert limit.admit("b", 0)
    assert [limit.admit("a", 500), limit.admit("a", 500)] == [True, False]


def test_every_answer_forbids_what_a_page_does_not_need() -> None:
    """The security headers are on refusals too, and none names the software."""
    wire = encode_response(build_refusal(404, "No."), head_only=False, gzip=True, keep_alive=False)
    head, _, body = wire.decode().partition("\r\n\r\n")
    assert head.split("\r\n")[0] == "HTTP/1.1 404 Not Found"
    assert "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'" in head
    for line in ("X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer"):
        assert line in head
    assert "server:" not in head.lower()
    assert "netwatch" not in head.lower()
    assert body == "No.\n"


@given(st.binary(max_size=5_000), st.booleans(), st.booleans())
def test_the_length_told_is_the_length_sent(body: bytes, gzip: bool, head_only: bool) -> None:
    """Content-Length is that of the body as sent, also of a HEAD, and gzip gives it back."""
    response = Response(status=200, body=body)
    wire = encode_response(response, head_only=head_only, gzip=gzip, keep_alive=True)
    head, _, sent = wire.partition(b"\r\n\r\n")
    told = int(head.rpartition(b"Content-Length: ")[2])
    if head_only:
        assert sent == b""
    else:
        assert told == len(sent)
        packed = b"Content-Encoding: gzip" in head
        assert packed == (gzip and len(body) > 1_024)
        assert (zlib.decompress(sent, 31) if packed else sent) == body


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("br;q=1, GZIP;q=0.2", True),
        ("gzip;q=0.0", False),
        ("", False),
        ("x", False),
    ],
)
def test_gzip_is_given_only_to_who_asks(header: str, accepted: bool) -> None:
    """Accept-Encoding with its qualities is understood."""
    assert accepts_gzip(header) is accepted
