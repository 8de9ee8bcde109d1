"""The outlet against servers that answer badly: each is one clear line, and no good line is lost."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netwatch.outlets.influx import MOST_LINES, InfluxOutlet
from netwatch.outlets.influx_client import InfluxConnection
from netwatch.records import Receipt
from tests.adapters.hostile import FullListener, StreamServer, dribble, free_port, saying
from tests.adapters.influx_server import TAKEN, TOKEN, InfluxServer, answer
from tests.adapters.servers import Authority, nginx

LINES = [f"m,site=a x={number}i {number}000000" for number in range(100)]
NONE = Receipt(accepted=0, rejected=0)


@contextmanager
def outlet_to(
    url: str, *, authority: Path | None = None, silence_ms: int = 400
) -> Iterator[InfluxOutlet]:
    connection = InfluxConnection(
        url=url,
        org="ville",
        bucket="netwatch",
        token=TOKEN,
        timeouts_ms=(300, silence_ms),
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
        certificate_authority=None if authority is None else str(authority),
    )
    outlet = InfluxOutlet(connection, url=url, org="ville", bucket="netwatch")
    try:
        yield outlet
    finally:
        outlet.close()


def send(server: InfluxServer, lines: list[str]) -> Receipt:
    with outlet_to(server.url) as outlet:
        return outlet.send(lines)


def test_lines_arrive_in_order_with_the_token_and_nanoseconds() -> None:
    """The address, the token and the bodies are those of the v2 write API."""
    many = [f"m x={number}i {number}" for number in range(2 * MOST_LINES + 1)]
    with InfluxServer(lambda _: TAKEN) as server:
        receipt = send(server, many)
    assert receipt == Receipt(accepted=len(many), rejected=0)
    assert server.kept == many
    assert server.sizes == [MOST_LINES, MOST_LINES, 1]
    assert set(server.paths) == {"/api/v2/write?org=ville&bucket=netwatch&precision=ns"}
    assert server.tokens == {f"Token {TOKEN}"}


def test_nothing_to_send_asks_nobody() -> None:
    """No line, no request."""
    with InfluxServer(lambda _: TAKEN) as server:
        assert send(server, []) == NONE
    assert server.sizes == []


REFUSALS = {
    "token": (
        answer("401 Unauthorized", '{"code":"unauthorized"}'),
        "the token is refused (401): put one that may write to bucket 'netwatch' in the file that "
        'influx.token_file names; it says: {"code":"unauthorized"}',
    ),
    "forbidden": (
        answer("403 Forbidden"),
        "the token is refused (403): put one that may write to bucket 'netwatch' in the file that "
        "influx.token_file names",
    ),
    "bucket": (
        answer("404 Not Found", '{"message":"bucket not found"}'),
        "there is no bucket 'netwatch' of organisation 'ville' there (404): check influx.url, "
        'influx.org and influx.bucket; it says: {"message":"bucket not found"}',
    ),
    "busy": (
        answer("429 Too Many Requests", "", "Retry-After: 7"),
        "it asks to wait (429): the points stay and are sent later",
    ),
    "down": (
        answer("503 Service Unavailable"),
        "it asks to wait (503): the points stay and are sent later",
    ),
    "broken": (
        answer("500 Internal Server Error", "\x1b[31mpanic\n"),
        "it failed (500): the points stay and are sent later; it says: [31mpanic",
    ),
    "bytes": (
        b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x80",
        "it failed (500): the points stay and are sent later; it says: �� �",
    ),
    "page": (
        answer("200 OK", "<html>log in</html>", kind="text/html; charset=utf-8"),
        "whoever answers is no InfluxDB (200 with text/html where 204 is due): look for a proxy "
        "or a login page in between, or correct influx.url",
    ),
    "redirect": (
        answer("307 Temporary Redirect", "", "Location: https://portal.example/login"),
        "it redirects to https://portal.example/login (307): write the final address in influx.url",
    ),
    "method": (
        answer("405 Method Not Allowed"),
        "it does not take writes (405): check influx.url",
    ),
    "proxy": (
        answer("407 Proxy Authentication Required"),
        "a proxy in between wants a login (407): let this machine through it",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_one_clear_line_and_everything_stays(name: str) -> None:
    """One request, nothing accepted, nothing rejected, and what would do."""
    said, sentence = REFUSALS[name]
    with InfluxServer(lambda _: said) as server:
        receipt = send(server, LINES)
    assert receipt.problem == f"{server.url}: {sentence}"
    assert (receipt.accepted, receipt.rejected) == (0, 0)
    assert receipt.retry_after_ms == (7_000 if name == "busy" else None)
    assert server.sizes == [len(LINES)]


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere() -> None:
    """Where it points to is never asked."""
    with InfluxServer(lambda _: TAKEN) as other:
        said = answer("307 Temporary Redirect", "", f"Location: {other.url}/api/v2/write")
        with InfluxServer(lambda _: said) as server:
            assert send(server, LINES).accepted == 0
    assert other.sizes == []


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
def test_bad_lines_are_rejected_and_the_good_ones_kept(status: str) -> None:
    """A server that refuses a whole request for one line gets the others without it."""
    bad = {LINES[3], LINES[4], LINES[77]}

    def decide(lines: list[str]) -> bytes:
        return answer(status, "unable to parse") if bad & set(lines) else TAKEN

    with InfluxServer(decide) as server:
        receipt = send(server, LINES)
    assert (receipt.accepted, receipt.rejected) == (97, 3)
    assert receipt.problem == (
        f"{server.url}: 3 of 100 points were refused for good; "
        "the first time it said: unable to parse"
    )
    assert server.kept == [line for line in LINES if line not in bad]


def test_a_server_that_lies_about_a_partial_write_is_not_believed() -> None:
    """It says that one line was dropped and the others kept, and kept none: they are sent again."""
    kept: set[str] = set()

    def decide(lines: list[str]) -> bytes:
        if LINES[50] in lines:
            return answer("400 Bad Request", '{"message":"partial write: dropped=1"}')
        kept.update(lines)
        return TAKEN

    with InfluxServer(decide) as server:
        receipt = send(server, LINES)
    assert (receipt.accepted, receipt.rejected) == (99, 1)
    assert kept == set(LINES) - {LINES[50]}


def test_a_server_that_refuses_every_line_rejects_none() -> None:
    """Not the lines are bad then: they stay, and it is asked a few times only."""
    with InfluxServer(lambda _: answer("400 Bad Request", "no")) as server:
        receipt = send(server, LINES)
        assert (receipt.accepted, receipt.rejected) == (0, 0)
        assert receipt.problem == (
            f"{server.url}: it refuses every point (400): check influx.url, influx.org and "
            "influx.bucket; it says: no"
        )
        assert len(server.sizes) < 30
        assert send(server, LINES[:1]).rejected == 0


def test_what_is_too_large_is_halved_until_it_fits() -> None:
    """413: smaller requests from then on, and every line arrives once."""

    def decide(lines: list[str]) -> bytes:
        return answer("413 Request Entity Too Large") if len(lines) > 30 else TAKEN

    with InfluxServer(decide) as server:
        assert send(server, LINES) == Receipt(accepted=100, rejected=0)
    assert server.kept == LINES
    assert server.sizes[:3] == [100, 50, 25]


def test_a_failure_in_between_keeps_what_was_accepted_before_it() -> None:
    """The receipt covers the first lines and no others."""
    many = [f"m x={number}i {number}" for number in range(MOST_LINES + 10)]
    said = iter([TAKEN, answer("503 Service Unavailable", "", "Retry-After: 120")])
    with InfluxServer(lambda _: next(said)) as server:
        receipt = send(server, many)
    assert (receipt.accepted, receipt.rejected) == (MOST_LINES, 0)
    assert receipt.retry_after_ms == 120_000


def hang(stream: socket.socket) -> None:
    """Takes everything and says nothing."""
    while stream.recv(65_536):
        pass


ENDLESS = b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n"
SILENCES: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "hang": (hang, "it did not answer in time: the points are sent again later"),
    "cut": (saying(), "the connection was cut before its answer: the points are sent again later"),
    "cut in the head": (
        saying(b"HTTP/1.1 20"),
        "the connection was cut before its answer: the points are sent again later",
    ),
    "no http": (
        saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "the connection was cut before its answer: the points are sent again later",
    ),
    "cut in mid-body": (
        saying(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n<html>"),
        "the connection was cut before its answer: the points are sent again later",
    ),
    "endless": (dribble(ENDLESS), "it failed (500): the points stay and are sent later"),
}


@pytest.mark.parametrize("name", SILENCES)
def test_no_answer_is_one_clear_line_and_everything_stays(name: str) -> None:
    """Hanging, hanging up, nonsense, and an answer without end."""
    handle, sentence = SILENCES[name]
    with StreamServer(handle) as server, outlet_to(f"http://127.0.0.1:{server.port}") as outlet:
        receipt = outlet.send(LINES)
    assert receipt.problem is not None
    assert receipt.problem.startswith(f"http://127.0.0.1:{server.port}: {sentence}")
    assert (receipt.accepted, receipt.rejected) == (0, 0)


def test_nobody_there_is_told_apart_from_nobody_answering() -> None:
    """A closed port, and one that drops what comes."""
    port = free_port()
    with outlet_to(f"http://127.0.0.1:{port}") as outlet:
        assert outlet.send(LINES).problem == (
            f"http://127.0.0.1:{port}: nothing listens there: start the server, "
            "or correct influx.url"
        )
    with FullListener() as full, outlet_to(f"http://127.0.0.1:{full.port}") as outlet:
        assert outlet.send(LINES).problem == (
            f"http://127.0.0.1:{full.port}: it cannot be reached (no answer in time): "
            "the points stay"
        )


def test_after_a_cut_the_next_sending_gets_through() -> None:
    """A connection that broke is not used again."""
    said: Iterator[bytes | None] = iter([TAKEN, None, TAKEN])
    with InfluxServer(lambda _: next(said)) as server, outlet_to(server.url) as outlet:
        assert [outlet.send(LINES).accepted for _ in range(3)] == [100, 0, 100]


@pytest.mark.parametrize(
    ("days", "begins", "trusted", "reason"),
    [
        (5, "+0d", False, "certificate"),
        (1, "-9d", True, "certificate has expired"),
    ],
)
def test_a_certificate_that_is_not_good_is_named(
    tmp_path: Path, days: int, begins: str, trusted: bool, reason: str
) -> None:
    """Expired, or of an authority that is not trusted."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("influx", days=days, begins=begins)
    port = free_port()
    body = (
        f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate};"
        f" ssl_certificate_key {key}; location / {{ return 204; }}"
    )
    known = authority.path if trusted else None
    url = f"https://127.0.0.1:{port}"
    with nginx(tmp_path, port, body), outlet_to(url, authority=known) as outlet:
        problem = outlet.send(LINES).problem
    assert problem is not None
    assert problem.startswith(f"{url}: its certificate is refused (")
    assert reason in problem
    assert problem.endswith("): renew it, or have this machine trust its authority")


def test_plain_http_on_the_other_side_of_https_is_named() -> None:
    """The scheme of the address is wrong."""
    with (
        StreamServer(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        outlet_to(f"https://127.0.0.1:{server.port}") as outlet,
    ):
        assert outlet.send(LINES).problem == (
            f"https://127.0.0.1:{server.port}: it does not speak TLS as we do: "
            "is it http:// rather than https://?"
        )


@pytest.mark.parametrize("url", ["http://[::1", "ftp://127.0.0.1", "http://127.0.0.1:99999"])
def test_an_address_that_cannot_be_is_a_problem_and_no_crash(url: str) -> None:
    """Whatever stands in influx.url."""
    with outlet_to(url) as outlet:
        receipt = outlet.send(LINES)
    assert receipt.problem is not None
    assert receipt.problem.startswith(f"{url}: ")
    assert "influx.url" in receipt.problem


def test_an_address_with_a_path_is_kept() -> None:
    """Behind a reverse proxy, or wrong: then the server's 404 says so."""
    with InfluxServer(lambda _: TAKEN) as server, outlet_to(f"{server.url}/influx/") as outlet:
        assert outlet.send(LINES).accepted == 100
    assert server.paths == ["/influx/api/v2/write?org=ville&bucket=netwatch&precision=ns"]


def test_the_client_is_imported_by_the_first_sending_alone() -> None:
    """An agent without a push, or with nothing sent yet, does not pay its 30 MB."""
    program = (
        "import sys, netwatch.agent.push, netwatch.agent.push_parts\n"
        "print([name for name in ('influxdb_client', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
