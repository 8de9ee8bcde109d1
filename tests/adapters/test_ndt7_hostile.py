"""ndt7 servers and locate services that do wrong: each bounded, each with its own reason."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from netwatch.bandwidth.base import REASONS, Counterpart, DirectionFinding, Plan
from netwatch.bandwidth.ndt7 import Ndt7Engine
from tests.adapters.hostile import FullListener, StreamServer, free_port
from tests.adapters.ndt7_server import (
    Upload,
    answer_ndt7,
    build_context,
    build_frame,
    read_request,
    serve,
)
from tests.adapters.servers import Authority

pytestmark = pytest.mark.timeout(60)

PLAN = Plan(directions=("down",), warm_up_ms=100, measure_ms=400, grace_ms=800)
Handle = Callable[[socket.socket], None]
BLOCK = bytes(65_536)


def measure(
    port: int, direction: str = "down", *, measure_ms: int = 400, **options: object
) -> DirectionFinding:
    """One direction against a port of loopback; it holds what every finding must."""
    engine = Ndt7Engine(Counterpart(engine="ndt7", url=f"ws://127.0.0.1:{port}"), **options)  # type: ignore[arg-type]  # of the engine
    plan = msgspec.structs.replace(PLAN, directions=(direction,), measure_ms=measure_ms)
    (found,) = engine.measure(plan, lambda _: None).directions
    assert (found.bytes_per_second is None) is (found.reason is not None)
    assert found.reason is None or found.reason in REASONS
    return found


def locate(handle: Handle) -> DirectionFinding:
    with StreamServer(handle) as server:
        url = f"http://127.0.0.1:{server.port}/v2/nearest/ndt/ndt7"
        engine = Ndt7Engine(Counterpart(engine="ndt7"), locate_url=url)
        return engine.measure(PLAN, lambda _: None).directions[0]


def answering(head: bytes, body: bytes = b"") -> Handle:
    def handle(stream: socket.socket) -> None:
        read_request(stream)
        stream.sendall(head + b"\r\n\r\n" + body)

    return handle


def silent(stream: socket.socket) -> None:
    stream.recv(4_096)
    stream.recv(4_096)


def endless(piece: bytes) -> Handle:
    def handle(stream: socket.socket) -> None:
        stream.recv(4_096)
        while True:
            stream.sendall(piece)

    return handle


@pytest.mark.parametrize(
    ("handle", "reason", "detail"),
    [
        (
            answering(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/login"),
            "login_page",
            "the server's answer leads to http://portal.example/login",
        ),
        (
            answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/html", b"<html>"),
            "login_page",
            "a page came where a test was asked for",
        ),
        (
            answering(b"HTTP/1.1 511 Network Authentication Required"),
            "login_page",
            "the server's answer leads to a page",
        ),
        (
            answering(b"HTTP/1.1 503 Service Unavailable"),
            "no_capacity",
            "the server has no room for a test now (status 503)",
        ),
        (
            answering(b"HTTP/1.1 401 Unauthorized"),
            "refused",
            "the server refuses the test with status 401",
        ),
        (
            answering(b"HTTP/1.1 200 OK"),
            "answer_invalid",
            "the server answers with status 200, not 101",
        ),
        (
            answering(b"SSH-2.0-OpenSSH"),
            "answer_invalid",
            "the answer is not HTTP: 'SSH-2.0-OpenSSH'",
        ),
        (
            answering(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: c3Rhbg=="),
            "answer_invalid",
            "the upgrade is not an answer to our key",
        ),
        (silent, "timeout", "the server did not answer in time"),
        (endless(b"X-Header: more\r\n"), "answer_invalid", "the answer's header does not end"),
        (
            lambda stream: stream.recv(4_096) and None,
            "closed_early",
            "the server closed the connection without an answer",
        ),
    ],
)
def test_an_answer_that_is_no_upgrade_has_its_reason(
    handle: Handle, reason: str, detail: str
) -> None:
    with StreamServer(handle) as server:
        found = measure(server.port)
    assert (found.reason, found.detail) == (reason, detail)


def test_a_port_that_is_closed_or_drops_is_unreachable() -> None:
    port = free_port()
    found = measure(port)
    assert found.reason == "unreachable"
    assert found.detail == f"no connection to 127.0.0.1 port {port}: Connection refused"
    with FullListener() as full:
        found = measure(full.port)
    assert found.reason == "unreachable"
    assert found.detail == f"no connection to 127.0.0.1 port {full.port}: no answer"


def test_a_name_without_an_address_is_told_apart() -> None:
    engine = Ndt7Engine(Counterpart(engine="ndt7", url=f"ws://{'x' * 70}.example"))
    finding = engine.measure(PLAN, lambda _: None)
    assert finding.directions[0].reason == "name"
    assert finding.directions[0].detail is not None


def test_a_url_that_is_none_is_told_apart() -> None:
    engine = Ndt7Engine(Counterpart(engine="ndt7", url="ftp://ndt.example"))
    (found,) = engine.measure(PLAN, lambda _: None).directions
    assert found.detail == "'ftp://ndt.example' is not a ws, wss, http or https URL"


def drip(stream: socket.socket) -> None:
    while True:
        stream.sendall(build_frame(2, b"x"))
        time.sleep(0.02)


def stall(stream: socket.socket) -> None:
    stream.sendall(build_frame(2, bytes(2**20)) * 4)
    stream.recv(1)


def close_midway(stream: socket.socket) -> None:
    for _ in range(10):
        stream.sendall(build_frame(2, BLOCK))
        time.sleep(0.02)


def forever(frame: bytes) -> Handle:
    def handle(stream: socket.socket) -> None:
        while True:
            stream.sendall(frame)

    return handle


DOWNLOADS: dict[str, tuple[Handle, str]] = {
    "a few bytes a second": (drip, "too_slow"),
    "stalls": (stall, "stalled"),
    "says nothing": (lambda stream: stream.recv(1) and None, "stalled"),
    "closes in the middle": (close_midway, "closed_early"),
    "declares 2^62 bytes": (forever(build_frame(2, BLOCK, length=2**62)), "answer_invalid"),
    "declares 2^63 bytes": (forever(build_frame(2, b"", length=2**63)), "answer_invalid"),
    "fragments beyond 2^24": (
        forever(
            build_frame(2, bytes(2**20), final=False) + build_frame(0, BLOCK, final=False) * 300
        ),
        "answer_invalid",
    ),
    "a text bomb": (forever(build_frame(1, b" " * 65_537)), "answer_invalid"),
    "a text bomb in fragments": (
        forever(build_frame(1, BLOCK[:60_000], final=False) + build_frame(0, BLOCK[:60_000])),
        "answer_invalid",
    ),
    "measurements without end": (forever(build_frame(1, b"{}")), "answer_invalid"),
    "an unknown opcode": (forever(build_frame(3, b"x")), "answer_invalid"),
    "an extension": (forever(b"\xc2\x01x"), "answer_invalid"),
    "masked frames": (forever(b"\x82\x81abcdx"), "answer_invalid"),
    "a long ping": (forever(build_frame(9, bytes(126))), "answer_invalid"),
    "a continuation of nothing": (forever(build_frame(0, b"x")), "answer_invalid"),
    "empty frames without end": (forever(build_frame(2, b"") * 1_000), "stalled"),
    "pings without end": (forever(build_frame(9, b"x") * 1_000), "stalled"),
}


@pytest.mark.parametrize("case", sorted(DOWNLOADS))
def test_a_download_that_goes_wrong_has_its_reason(case: str) -> None:
    handle, reason = DOWNLOADS[case]
    with serve(answer_ndt7(handle)) as server:
        found = measure(server.port)
    assert found.reason == reason, found.detail
    assert found.detail


def test_a_stall_ends_the_test_before_its_time() -> None:
    """With much left of the plan, silence alone is enough."""
    plan = Plan(directions=("down",), warm_up_ms=60_000, measure_ms=60_000)
    with serve(answer_ndt7(stall)) as server:
        engine = Ndt7Engine(
            Counterpart(engine="ndt7", url=f"ws://127.0.0.1:{server.port}"), stall_ms=300
        )
        (found,) = engine.measure(plan, lambda _: None).directions
    assert found.reason == "stalled"
    assert found.detail == "nothing moved for 300 ms after 4194304 bytes"
    assert found.moved_bytes >= 4_194_304


def test_fragments_and_control_frames_among_them_are_no_fault() -> None:
    """RFC 6455, 5.4: a ping between a message's fragments."""
    piece = build_frame(2, BLOCK, final=False) + build_frame(9, b"?") + build_frame(0, BLOCK)
    with serve(answer_ndt7(forever(piece))) as server:
        found = measure(server.port)
    assert found.reason is None
    assert found.bytes_per_second


def mute(stream: socket.socket) -> None:
    while stream.recv(2**20):
        pass


def saying(build: Callable[[float], bytes]) -> Handle:
    """An upload server that reads all and says what a test has it say."""

    def handle(stream: socket.socket) -> None:
        start = time.monotonic()
        stream.settimeout(0.02)
        while True:
            with contextlib.suppress(TimeoutError):
                while stream.recv(2**20):
                    stream.sendall(build(start))
                return

    return handle


def say_backwards(start: float) -> bytes:
    elapsed_us = 10**9 - int((time.monotonic() - start) * 1_000_000)
    text = f'{{"AppInfo":{{"ElapsedTime":{elapsed_us},"NumBytes":{elapsed_us}}}}}'
    return build_frame(1, text.encode("ascii"))


UPLOADS: dict[str, tuple[Handle, str]] = {
    "says nothing": (mute, "answer_invalid"),
    "reads nothing": (lambda _: time.sleep(1.5), "stalled"),
    "counts threefold": (Upload(factor=3), "answer_invalid"),
    "counts half": (Upload(factor=0.5), "answer_invalid"),
    "counts threefold in TCPInfo": (Upload(factor=3, application=False), "answer_invalid"),
    "no JSON": (saying(lambda _: build_frame(1, b"<html>")), "answer_invalid"),
    "deep JSON": (saying(lambda _: build_frame(1, b"[" * 60_000)), "answer_invalid"),
    "negative": (
        saying(lambda _: build_frame(1, b'{"AppInfo":{"ElapsedTime":-1,"NumBytes":1}}')),
        "answer_invalid",
    ),
    "backwards": (saying(say_backwards), "answer_invalid"),
    "data during an upload": (saying(lambda _: build_frame(2, BLOCK)), "answer_invalid"),
    "closes in the middle": (lambda stream: stream.recv(1) and None, "closed_early"),
}


@pytest.mark.parametrize("case", sorted(UPLOADS))
def test_an_upload_that_goes_wrong_has_its_reason(case: str) -> None:
    handle, reason = UPLOADS[case]
    with serve(answer_ndt7(upload=handle)) as server:
        # Long enough for a lie to be told from a message that is late.
        found = measure(server.port, "up", measure_ms=1_500 if "counts" in case else 400)
    assert found.reason == reason, found.detail
    assert found.detail


def test_one_direction_s_failure_leaves_the_other() -> None:
    with serve(answer_ndt7(stall)) as server:
        engine = Ndt7Engine(Counterpart(engine="ndt7", url=f"ws://127.0.0.1:{server.port}"))
        plan = msgspec.structs.replace(PLAN, directions=("down", "up"))
        finding = engine.measure(plan, lambda _: None)
    assert [found.reason for found in finding.directions] == ["stalled", None]


@pytest.mark.parametrize(
    ("handle", "reason", "detail"),
    [
        (
            answering(b"HTTP/1.1 204 No Content"),
            "no_capacity",
            "the locate service answers with status 204",
        ),
        (
            answering(b"HTTP/1.1 503 Service Unavailable"),
            "no_capacity",
            "the locate service answers with status 503",
        ),
        (
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2", b"{}"),
            "no_capacity",
            "the locate service has no server for us now",
        ),
        (
            answering(b"HTTP/1.1 200 OK", b'{"error":{"status":500}}'),
            "no_capacity",
            "the locate service has no server for us now",
        ),
        (
            answering(b"HTTP/1.1 404 Not Found"),
            "refused",
            "the locate service answers with status 404",
        ),
        (
            answering(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/"),
            "login_page",
            "the locate service's answer leads to http://portal.example/",
        ),
        (
            answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/html", b"<html>"),
            "login_page",
            "a page came where the locate service was asked",
        ),
        (
            answering(b"HTTP/1.1 200 OK", b'{"results": 3}'),
            "answer_invalid",
            "the locate service's answer is not as it documents: Expected `array`, got `int`"
            " - at `$.results`",
        ),
        (
            answering(b"HTTP/1.1 200 OK", b'{"results": [{"machine": "m", "urls": {}}]}'),
            "answer_invalid",
            "the locate service names no URL for ndt7",
        ),
        (
            answering(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 300_000),
            "answer_invalid",
            "the locate service's answer does not end",
        ),
        (silent, "timeout", "the server did not answer in time"),
    ],
)
def test_a_locate_service_without_servers_has_its_reason(
    handle: Handle, reason: str, detail: str
) -> None:
    found = locate(handle)
    assert (found.reason, found.detail) == (reason, detail)


def test_a_locate_answer_in_chunks_is_read() -> None:
    body = b'{"results":[]}'
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    found = locate(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", chunk))
    assert found.detail == "the locate service has no server for us now"


def test_a_locate_service_over_tls_may_redirect_but_not_without_end(tmp_path: Path) -> None:
    """A portal cannot: it has no certificate of that name."""
    authority = Authority(tmp_path)
    context = build_context(*authority.sign("locate"))
    asked: list[str] = []

    def handle(stream: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(stream, server_side=True) as secure:
            asked.append(read_request(secure)["request"])
            head = f"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:{server.port}/again"
            secure.sendall(f"{head}\r\n\r\n".encode("ascii"))

    with StreamServer(handle) as server:
        engine = Ndt7Engine(
            Counterpart(engine="ndt7", certificate_authority=str(authority.path)),
            locate_url=f"https://127.0.0.1:{server.port}/v2/nearest/ndt/ndt7",
        )
        (found,) = engine.measure(PLAN, lambda _: None).directions
    assert found.reason == "answer_invalid"
    assert found.detail == "the locate service redirects without end"
    assert [line.split()[1].partition("?")[0] for line in asked] == [
        "/v2/nearest/ndt/ndt7",
        "/again",
        "/again",
    ]
