"""Answers of HTTP taken apart, whole or in pieces, sound or not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.bandwidth.http_answer import parse_head, parse_whole
from netwatch.bandwidth.http_place import follow_redirect, parse_place
from netwatch.bandwidth.reach import Trouble

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n3\r\nxyz\r\n0\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwiki"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("data", [CHUNKED, PLAIN, INTERIM + PLAIN])
def test_an_answer_is_whole_at_its_last_byte_and_no_sooner(data: bytes) -> None:
    """However it is cut into pieces; what follows belongs to the next."""
    for end in range(len(data)):
        assert parse_whole(data[:end]) is None
    for rest in (b"", b"HTTP/1.1 200", PLAIN):
        found = parse_whole(data + rest)
        assert found is not None
        assert found[2] == len(data)


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    data = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"
    assert parse_whole(data) is None
    found = parse_whole(data, ended=True)
    assert found is not None
    assert found[1] == 9


def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    found = parse_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", bodiless=True)
    assert found is not None
    assert found[1] == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_trouble_or_not_whole(data: bytes) -> None:
    for said in (data, b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n"):
        with contextlib.suppress(Trouble):
            parse_head(said)
        with contextlib.suppress(Trouble):
            parse_whole(said)


@pytest.mark.parametrize(
    ("location", "path"),
    [("/there", "/there"), ("there?x=1", "/a/there?x=1"), ("https://a.example/t", "/t")],
)
def test_a_redirect_on_the_same_host_is_followed(location: str, path: str) -> None:
    assert follow_redirect(parse_place("http://a.example/a/b"), location).path == path


@pytest.mark.parametrize(
    "location",
    ["http://b.example/", "//b.example/x", "ftp://a.example/", None, "http://[", "javascript:1"],
)
def test_a_redirect_elsewhere_is_a_log_in_page(location: str | None) -> None:
    with pytest.raises(Trouble) as raised:
        follow_redirect(parse_place("http://a.example/a/b"), location)
    assert raised.value.reason == "login_page"
