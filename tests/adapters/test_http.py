"""The HTTP probe and the portal check against nginx, and against servers that never end, dribble or lie."""

from __future__ import annotations

import contextlib
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.probes.http import HttpProbe
from netwatch.probes.portal import PortalAddress, check_captive_portal
from netwatch.probes.url import parse_url, redirects_elsewhere
from netwatch.records import Check, Finding, Outcome, Role
from tests.adapters.hostile import FullListener, StreamServer, dribble, free_port, saying
from tests.adapters.servers import dnsmasq, nginx
from tests.adapters.service_check import measure


def against(handle: Callable[[socket.socket], None], timeout_ms: int = 5_000) -> Finding:
    with StreamServer(handle) as server:
        return measure(f"http://127.0.0.1:{server.port}/", timeout_ms)


# --- a real web server ----------------------------------------------------------------

SITE = """
    location = /health {{ return 200 "fine"; }}
    location = /moved {{ return 302 /health; }}
    location = /away {{ return 302 http://login.portal.example/?from=here; }}
    location = /portal {{ return 511; }}
    location = /broken {{ return 503; }}
    location = /echo {{ return 200 "$request_method $host $http_user_agent $arg_x"; }}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with nginx(tmp_path_factory.mktemp("site"), port, f"listen 127.0.0.1:{port};" + SITE.format()):
        yield f"http://127.0.0.1:{port}"


def test_a_page_is_answered_with_its_times(site: str) -> None:
    finding = measure(f"{site}/health")
    assert (finding.outcome, finding.reason) == (Outcome.ANSWERED, None)
    assert finding.measures["status_code"] == 200
    assert finding.measures["body_bytes"] == 4
    assert finding.measures["connect_us"] > 0
    assert finding.measures["ttfb_us"] > 0
    assert not finding.measures.keys() & {"tls_us", "resolve_us", "certificate_expires_ms"}


@pytest.mark.parametrize(
    ("path", "expected", "reason"),
    [
        ("/broken", None, "status"),
        ("/broken", 503, None),
        ("/health", "201,300-399", "status"),
        ("/moved", None, None),  # within the site
        ("/away", None, "captive_portal"),
        ("/away", "302", None),  # named by the configuration
        ("/portal", None, "captive_portal"),
        ("/portal", "511", None),
        ("/health", "ok", "bad_target"),
    ],
)
def test_the_status_is_judged_by_what_was_expected(
    site: str, path: str, expected: str | int | None, reason: str | None
) -> None:
    params = {} if expected is None else {"expect_status": expected}
    assert measure(site + path, **params).reason == reason


def test_where_a_portal_leads_is_told(site: str) -> None:
    detail = measure(f"{site}/away").detail
    assert detail == "redirected to http://login.portal.example/?from=here"


def test_a_name_is_resolved_and_the_time_for_it_told(site: str) -> None:
    url = site.replace("127.0.0.1", "ent.example") + "/health"
    check = Check(
        id="s", kind="http", target=url, role=Role.SERVICE, every_ms=60_000, timeout_ms=5_000
    )
    with dnsmasq("127.83.0.1", 53, "--address=/ent.example/127.0.0.1"):
        finding = HttpProbe(resolvers=lambda: ("127.83.0.1",)).measure(check)
    assert finding.outcome is Outcome.ANSWERED
    assert finding.measures["resolve_us"] > 0


# --- servers that do it wrong ---------------------------------------------------------


def endless(start: bytes, piece: bytes) -> tuple[Callable[[socket.socket], None], list[int]]:
    """A server that sends the piece for ever, and the list in which it counts its bytes."""
    sent: list[int] = []

    def handle(stream: socket.socket) -> None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        stream.recv(4_096)
        stream.sendall(start)
        while True:
            stream.sendall(piece)
            sent.append(len(piece))

    return handle, sent


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("start", "piece", "reason"),
    [
        (OK, b"X-Header: " + b"a" * 1_000 + b"\r\n", "too_large"),
        (OK, b"X: a\r\n", "too_large"),
        (OK + b"X-Header: ", b"a" * 1_000, "too_large"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "too_large"),
        (b"", b"a" * 1_000, "too_large"),
        (OK + b"Content-Length: 10000000000\r\n\r\n", bytes(1_000), None),
        (OK + b"\r\n", bytes(1_000), None),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + bytes(1_000) + b"\r\n", None),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", "too_large"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 1_000, "too_large"),
    ],
)
def test_what_never_ends_is_left_after_a_bounded_number_of_bytes(
    start: bytes, piece: bytes, reason: str | None
) -> None:
    """A long body is no fault, it is not read to its end; a long header is one."""
    handle, sent = endless(start, piece)
    measure("http://127.0.0.1:1/")  # so that the modules are loaded before memory is counted
    tracemalloc.start()
    try:
        finding = against(handle, 60_000)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert finding.reason == reason
    assert finding.measures.get("body_bytes", 65_536) == 65_536
    assert sum(sent) < 16_000_000  # what the kernel's buffers on both sides may hold
    assert peak_bytes < 2_000_000


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (dribble(), "timeout"),
        (dribble(OK), "timeout"),
        (dribble(OK + b"\r\n"), "timeout"),
        (dribble(OK + b"Content-Length: 100000\r\n\r\n"), "timeout"),
        (lambda _: time.sleep(0.6), "timeout"),
        (saying(), "closed"),
        (saying(OK), None),  # a header that ends with the connection: read as complete
        (saying(OK + b"Content-Length: 10\r\n\r\nshort"), "closed"),
        (saying(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"), "closed"),
        (saying(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "closed"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "malformed"),
        (saying(b"HTTP/1.1 abc OK\r\n\r\n"), "malformed"),
        (saying(b"HTTP/1.1 99999 OK\r\n\r\n"), "malformed"),
        (saying(b"HTTP/7.1 200 OK\r\n\r\n"), "malformed"),
        (saying(b"\x00\xff" * 500), "malformed"),
        (saying(OK + b"\x00\xff: \xfe\r\n\r\n"), None),
        (saying(OK + b"Content-Length: -5\r\n\r\n"), None),
    ],
)
def test_each_wrong_answer_has_its_reason(
    handle: Callable[[socket.socket], None], reason: str | None
) -> None:
    assert against(handle, 400 if reason == "timeout" else 10_000).reason == reason


def test_a_connection_that_is_refused_reset_or_silent_is_told_apart() -> None:
    def reset(stream: socket.socket) -> None:
        stream.recv(1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    assert measure(f"http://127.0.0.1:{free_port()}/").reason == "refused"
    assert against(reset).reason == "reset"
    with FullListener() as silent:
        assert measure(f"http://127.0.0.1:{silent.port}/", 200).reason == "timeout"


@pytest.mark.parametrize(
    "url", ["", "ent.example", "ftp://ent.example/", "http://", "http://h:99999/", "http://[::1/"]
)
def test_what_is_no_url_is_unknown_and_ours(url: str) -> None:
    finding = measure(url)
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, "bad_target")


# --- captive portals ------------------------------------------------------------------


def test_a_clean_network_gives_the_owners_answer(site: str) -> None:
    addresses = [PortalAddress(url=f"{site}/health", body="fine")]
    assert check_captive_portal(addresses, 5_000).outcome is Outcome.ANSWERED


def test_somebody_elses_page_redirect_or_511_is_a_portal(site: str) -> None:
    for path in ("/health", "/away", "/portal"):
        finding = check_captive_portal([PortalAddress(url=site + path, body="success")], 5_000)
        assert (finding.outcome, finding.reason) == (Outcome.FAILED, "captive_portal")


def test_one_clean_answer_outweighs_a_service_that_has_changed_hands(site: str) -> None:
    addresses = [
        PortalAddress(url=f"{site}/away", body="success"),
        PortalAddress(url=f"{site}/health", body="fine"),
    ]
    assert check_captive_portal(addresses, 5_000).outcome is Outcome.ANSWERED


def test_a_services_own_trouble_and_a_dead_line_are_no_portal(site: str) -> None:
    closed = f"http://127.0.0.1:{free_port()}/"
    for url, reason in (
        (f"{site}/broken", "status"),
        (closed, "refused"),
        ("nothing", "bad_target"),
    ):
        assert (
            check_captive_portal([PortalAddress(url=url, body="success")], 5_000).reason == reason
        )
    assert check_captive_portal([], 5_000).reason == "bad_target"


def test_a_silent_address_leaves_time_for_the_next(site: str) -> None:
    with FullListener() as silent:
        addresses = [
            PortalAddress(url=f"http://127.0.0.1:{silent.port}/", body="success"),
            PortalAddress(url=f"{site}/away", body="success"),
        ]
        assert check_captive_portal(addresses, 800).reason == "captive_portal"


# --- parsing ---------------------------------------------------------------------------


@given(st.text(), st.text())
def test_any_text_is_a_url_or_a_value_error(text: str, location: str) -> None:
    url = parse_url("http://ent.example/")
    assert redirects_elsewhere(url, location) in (True, False)
    for candidate in (text, f"http://{text}", f"https://ent.example/{text}"):
        with contextlib.suppress(ValueError):
            assert parse_url(candidate).path.isascii()
