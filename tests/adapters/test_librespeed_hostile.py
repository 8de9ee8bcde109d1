"""The librespeed engine against servers that are not what they say, each with its own reason.

The guard of time is the timeout of the test run; bytes and memory are counted.
"""

from __future__ import annotations

import socket
import time
import tracemalloc
from collections.abc import Callable

import msgspec
import pytest

from netwatch.bandwidth.base import Counterpart, DirectionFinding, Plan
from netwatch.bandwidth.librespeed import LibrespeedEngine
from tests.adapters.hostile import StreamServer

pytestmark = pytest.mark.timeout(60)

PLAN = Plan(directions=("down",), streams=2, warm_up_ms=200, measure_ms=1_500, grace_ms=2_500)
MIB = b"\xa5" * 2**20
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
Handle = Callable[[socket.socket, str, dict[str, str]], None]


def serving(answer_data: Handle) -> Callable[[socket.socket], None]:
    """A backend whose small answers are sound, and whose data is the test's affair."""

    def handle(stream: socket.socket) -> None:
        with stream.makefile("rb") as reader:
            while line := reader.readline(65_536):
                fields: dict[str, str] = {}
                while (field := reader.readline(65_536)) not in (b"\r\n", b""):
                    name, _, value = field.decode("latin-1").partition(":")
                    fields[name.lower()] = value.strip()
                request = line.decode("latin-1")
                if request.startswith("GET") and "empty.php" in request:
                    stream.sendall(EMPTY)
                    continue
                if request.startswith("POST"):
                    fields["body"] = "waits"
                answer_data(stream, request, fields)
                return

    return handle


def head(*fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/octet-stream", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def measure(handle: Callable[[socket.socket], None], plan: Plan = PLAN) -> DirectionFinding:
    with StreamServer(handle) as server:
        counterpart = Counterpart(
            engine="librespeed", url=f"http://127.0.0.1:{server.port}/backend"
        )
        finding = LibrespeedEngine(counterpart).measure(plan, lambda _: None)
    (only,) = finding.directions
    return only


def saying(data: bytes, then: Callable[[socket.socket], None] = lambda _: None) -> Handle:
    def answer(stream: socket.socket, _request: str, _fields: dict[str, str]) -> None:
        stream.sendall(data)
        then(stream)

    return answer


def wait(stream: socket.socket) -> None:
    while stream.recv(65_536):
        pass


def send_mebibytes(count: int) -> Callable[[socket.socket], None]:
    def send(stream: socket.socket) -> None:
        for _ in range(count):
            stream.sendall(MIB)

    return send


def one_byte_a_second(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"x")
        time.sleep(0.5)


def send_for_ever(stream: socket.socket) -> None:
    while True:
        stream.sendall(MIB)


def stall_near_the_end(stream: socket.socket) -> None:
    """Of 100 MiB, one is kept back."""
    send_mebibytes(99)(stream)
    wait(stream)


def say_headers_for_ever(stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        stream.sendall(b"X-More: " + b"y" * 100 + b"\r\n")


def say_one_long_line(stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        stream.sendall(b"y" * 4_096)


def dribble_headers(stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        stream.sendall(b"X: y\r\n")
        time.sleep(0.05)


LOGIN = b"<html><form action=/login></html>"
CASES: dict[str, tuple[Handle, str, str]] = {
    "a redirect to a log-in page": (
        saying(head("Location: http://192.168.1.1/login", "Content-Length: 0", status="302 Found")),
        "login_page",
        "127.0.0.1 answered HTTP 302 to http://192.168.1.1/login",
    ),
    "a log-in page in place of the data": (
        saying(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
            b"Content-Length: %d\r\n\r\n" % len(LOGIN) + LOGIN
        ),
        "login_page",
        "127.0.0.1 sent a page (text/html) where data was asked for",
    ),
    "network authentication required": (
        saying(head("Content-Length: 0", status="511 Network Authentication Required")),
        "login_page",
        "127.0.0.1 answered HTTP 511",
    ),
    "compressed data": (
        saying(head("Content-Encoding: gzip", "Content-Length: 104857600"), send_for_ever),
        "compressed",
        "127.0.0.1 compresses what it sends (gzip)",
    ),
    "an answer of some age": (
        saying(head("Age: 3600", "Content-Length: 104857600"), send_for_ever),
        "cached",
        "the answer came from a cache (Age: 3600)",
    ),
    "a cache that says so": (
        saying(head("X-Cache: HIT from proxy", "Content-Length: 104857600"), send_for_ever),
        "cached",
        "the answer came from a cache (X-Cache: HIT from proxy)",
    ),
    "a server that is full": (
        saying(head("Content-Length: 0", status="503 Service Unavailable")),
        "no_capacity",
        "127.0.0.1 answered HTTP 503",
    ),
    "a refusal": (
        saying(head("Content-Length: 0", status="403 Forbidden")),
        "refused",
        "127.0.0.1 answered HTTP 403",
    ),
    "a stall near the end": (
        saying(head("Content-Length: 104857600"), stall_near_the_end),
        "stalled",
        "nothing moved at the end of the test",
    ),
    "a byte now and then": (
        saying(head("Content-Length: 104857600"), one_byte_a_second),
        "too_slow",
        "",
    ),
    "an end in the middle": (
        saying(head("Content-Length: 104857600"), send_mebibytes(3)),
        "closed_early",
        "127.0.0.1 ended after 3145728 bytes of 104857600: closed",
    ),
    "an end in the middle of unsaid length": (
        saying(head("Connection: close"), send_mebibytes(3)),
        "closed_early",
        "127.0.0.1 ended after 3145728 bytes of 1073741824: closed",
    ),
    "more than was said": (
        saying(head("Content-Length: 20971520"), send_for_ever),
        "answer_invalid",
        "what the server says is not HTTP",
    ),
    "a length that is none": (
        saying(head("Content-Length: -5", "Connection: close"), lambda _: None),
        "closed_early",
        "",
    ),
    "headers without end": (
        saying(b"", say_headers_for_ever),
        "answer_invalid",
        "the answer's header does not end",
    ),
    "a header line without end": (
        saying(b"", say_one_long_line),
        "answer_invalid",
        "the answer's header does not end",
    ),
    "headers a few at a time": (saying(b"", dribble_headers), "timeout", ""),
    "no answer to what was asked": (
        saying(b"", wait),
        "timeout",
        "the server did not begin to answer in time",
    ),
    "something that is not HTTP": (
        saying(b"220 mail.example ESMTP ready\r\n", wait),
        "answer_invalid",
        "what the server says is not HTTP",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_has_its_reason(case: str) -> None:
    handle, reason, detail = CASES[case]
    found = measure(serving(handle))
    assert (found.bytes_per_second, found.reason) == (None, reason), found
    assert found.detail is not None
    assert found.detail.startswith(detail)


def test_a_server_that_never_ends_is_measured_and_left() -> None:
    """Its file has no end; the plan has."""
    found = measure(serving(saying(head("Connection: close"), send_for_ever)))
    assert found.reason is None
    assert found.loaded_from_ms is not None
    assert found.loaded_to_ms is not None
    assert abs(found.loaded_to_ms - found.loaded_from_ms - PLAN.measure_ms) < 500


def test_a_server_faster_than_asked_is_stopped_at_the_budget() -> None:
    """However much it would send: what counts is the allowance and one look's worth."""
    plan = msgspec.structs.replace(PLAN, budget_bytes=30_000_000, measure_ms=10_000)
    found = measure(serving(saying(head("Connection: close"), send_for_ever)), plan)
    assert found.reason == "budget"
    assert found.moved_bytes < 30_000_000 + 3 * 2**30  # loopback's own pace for a look


def test_what_is_sent_is_not_kept() -> None:
    """Gigabytes through, and the process's own heap no larger for it."""
    tracemalloc.start()
    try:
        found = measure(serving(saying(head("Connection: close"), send_for_ever)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.moved_bytes > 50_000_000
    assert peak < 8_000_000


def refusing_upload(status: str) -> Handle:
    return saying(head("Content-Length: 0", "Connection: close", status=status))


def read_all_and_close(stream: socket.socket, _request: str, fields: dict[str, str]) -> None:
    left = int(fields["content-length"])
    while left > 0 and (piece := stream.recv(min(65_536, left))):
        left -= len(piece)


def read_a_little_and_stop(stream: socket.socket, _request: str, _fields: dict[str, str]) -> None:
    stream.recv(1_000)
    time.sleep(6)


UPLOADS: dict[str, tuple[Handle, str]] = {
    "a refusal": (refusing_upload("403 Forbidden"), "refused"),
    "a server that is full": (refusing_upload("429 Too Many Requests"), "no_capacity"),
    "a redirect to a log-in page": (
        saying(head("Location: http://192.168.1.1/", "Content-Length: 0", status="302 Found")),
        "login_page",
    ),
    "a page for an answer": (
        saying(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(LOGIN)
            + LOGIN
        ),
        "login_page",
    ),
    "an end without an answer": (read_all_and_close, "closed_early"),
    "a server that reads no further": (read_a_little_and_stop, "stalled"),
    "something that is not HTTP": (saying(b"220 mail.example ESMTP\r\n"), "answer_invalid"),
    "an answer without end": (
        saying(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99999999\r\n\r\n",
            send_for_ever,
        ),
        "answer_invalid",
    ),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_each_upload_has_its_reason(case: str) -> None:
    handle, reason = UPLOADS[case]
    plan = msgspec.structs.replace(PLAN, directions=("up",), measure_ms=5_000)
    found = measure(serving(handle), plan)
    assert (found.bytes_per_second, found.reason) == (None, reason), found


def test_an_upload_that_is_read_and_never_answered_is_no_rate() -> None:
    """Bytes were taken, by whom is not known."""

    def swallow(stream: socket.socket, _request: str, _fields: dict[str, str]) -> None:
        wait(stream)

    found = measure(serving(swallow), msgspec.structs.replace(PLAN, directions=("up",)))
    assert found.bytes_per_second is None
    assert found.reason in ("timeout", "stalled", "too_slow")
