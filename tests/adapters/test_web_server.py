"""The server under real clients: honest, slow, hostile, many."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netwatch.errors import NetwatchError
from netwatch.web.desk import Route
from netwatch.web.listener import Tls, parse_listen
from netwatch.web.request import Request
from netwatch.web.response import Response
from netwatch.web.server import Limits, Server, build_server

PATIENCE_S = 30
FREE = Limits(requests_per_second=100_000, burst=1_000_000)
Start = Callable[..., Server]


def read_monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def answer_plainly(request: Request) -> Response:
    return Response(status=200, body=f"{request.path} {dict(request.query)}\n".encode())


def answer_with_a_fault(request: Request) -> Response:
    raise ZeroDivisionError(request.path)


def build_routes() -> dict[str, Route]:
    return {
        "/": Route(answer=answer_plainly),
        "/metrics": Route(answer=answer_plainly, quick=True),
        "/healthz": Route(answer=answer_plainly, quick=True, open=True),
        "/fault": Route(answer=answer_with_a_fault),
        "/large": Route(answer=lambda _: Response(status=200, body=bytes(8_000_000))),
        "/below/": Route(answer=answer_plainly),
    }


@pytest.fixture
def start() -> Iterator[Start]:
    """Servers on a free port of loopback, stopped at the end."""
    servers: list[Server] = []

    def start_one(listen: str = "127.0.0.1:0", **options: object) -> Server:
        options.setdefault("limits", FREE)
        routes = options.pop("routes", None) or build_routes()
        server = build_server(listen, routes, monotonic_ms=read_monotonic_ms, **options)  # type: ignore[arg-type] # a test's shorthand
        server.serve()
        servers.append(server)
        return server

    yield start_one
    for server in servers:
        server.stop()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def exchange(server: Server, sent: bytes) -> bytes:
    """What comes back for raw bytes until the server closes."""
    with connect(server) as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was sent: the answer may still be there
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    received = b""
    try:
        while piece := client.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def get(server: Server, path: str, **headers: str) -> tuple[int, bytes]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        client.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


def test_it_answers_by_path_and_by_folder(start: Start) -> None:
    """Exact paths, one level below a folder, and nothing else."""
    server = start()
    assert get(server, "/?a=1") == (200, b"/ {'a': '1'}\n")
    assert get(server, "/below/2026-10") == (200, b"/below/2026-10 {}\n")
    assert get(server, "/below/a/b") == (404, b"There is no such page.\n")
    assert get(server, "/nowhere")[0] == 404
    assert get(server, "/../etc/passwd")[0] == 404


def test_requests_sent_ahead_are_answered_in_order(start: Start) -> None:
    """Pipelined requests come back one by one in their order on one connection."""
    sent = b"".join(b"GET /below/%d HTTP/1.1\r\nHost: a\r\n\r\n" % each for each in range(20))
    sent += b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    received = exchange_until_close(start(), sent)
    bodies = [part.split(b"\r\n\r\n")[1] for part in received.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"/below/%d {}\n" % each for each in range(20)] + [b"/metrics {}\n"]


def exchange_until_close(server: Server, sent: bytes) -> bytes:
    with connect(server) as client:
        client.sendall(sent)
        return read_all(client)


def test_a_connection_serves_so_many_requests_and_no_more(start: Start) -> None:
    """Keep-alive is bounded: the last answer says so and the connection ends."""
    server = start(limits=Limits(requests_per_connection=3, burst=100))
    received = exchange_until_close(server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
    assert received.count(b"HTTP/1.1 200") == 3
    assert received.count(b"Connection: close") == 1


def test_head_tells_the_length_without_the_body(start: Start) -> None:
    """HEAD has the headers of GET, refusals included, and no body."""
    server = start()
    for path in (b"/", b"/nowhere"):
        received = exchange(server, b"HEAD " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"Content-Length: " in received
        assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000, 431),
        (b"GET /" + b"a" * 50_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"a" * 60_000, 405),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789", 413),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
    ],
)
def test_too_much_is_refused_and_the_refusal_arrives(
    start: Start, sent: bytes, status: int
) -> None:
    """A huge or bodied request is cut short, and its client reads why."""
    assert exchange(start(), sent).startswith(b"HTTP/1.1 %d " % status)


@settings(
    max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.one_of(st.binary(max_size=600), st.text(max_size=200).map(lambda path: f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())))  # fmt: skip
def test_whatever_is_sent_the_server_lives_and_says_nothing_of_itself(
    start: Start, shared: list[Server], noise: bytes
) -> None:
    """Fuzzed bytes get a proper answer or none, never a trace of the program."""
    if not shared:
        shared.append(start())
    received = exchange(shared[0], noise + b"\r\n\r\n")
    rest = noise + b"\r\n\r\n"
    while rest.startswith(b"\r\n"):  # empty lines before a request are passed over
        rest = rest[2:]
    assert received.startswith(b"HTTP/1.1 ") == bool(rest)
    assert b"Traceback" not in received
    assert b" 500 " not in received.partition(b"\r\n")[0]
    assert get(shared[0], "/healthz")[0] == 200


@pytest.fixture
def shared() -> list[Server]:
    return []


def test_slow_clients_are_cut_and_do_not_hold_up_a_scrape(start: Start) -> None:
    """Forty that send a byte at a time lose their connections; a scrape beside them is answered."""
    server = start(limits=Limits(connections=16, exchange_ms=1_500, burst=1_000))
    slow = [connect(server) for _ in range(40)]
    stop = threading.Event()

    def trickle() -> None:
        for byte in b"GET / HTTP/1.1\r\nHost: " + b"a" * 1_000:
            for client in slow:
                try:
                    client.send(bytes([byte]))
                except OSError:
                    continue
            if stop.wait(0.1):
                return

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        for _ in range(10):
            assert get(server, "/metrics")[0] == 200
        assert len(server._connections) <= 16
        # Each is closed by the server: its stream ends though it never sent a whole head.
        assert all(read_all(client) == b"" for client in slow)
    finally:
        stop.set()
        sender.join()
        for client in slow:
            client.close()


def test_a_client_that_does_not_read_is_cut(start: Start) -> None:
    """Eight megabytes that nobody takes do not stay: the connection is closed."""
    server = start(limits=Limits(exchange_ms=1_000))
    with connect(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(server._connections) == 1)
        wait_until(lambda: not server._connections)
        assert len(read_all(client)) < 8_000_000


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_pages_do_not_hold_up_a_scrape_and_their_queue_is_bounded(start: Start) -> None:
    """While a page hangs, metrics answer, and pages beyond the queue are told to come back."""
    go = threading.Event()

    def hang(_: Request) -> Response:
        assert go.wait(PATIENCE_S)
        return Response(status=200, body=b"")

    routes = build_routes() | {"/slow": Route(answer=hang)}
    server = start(routes=routes, limits=Limits(waiting=2, burst=100))
    waiting = [connect(server) for _ in range(8)]
    try:
        for client in waiting:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert get(server, "/metrics")[0] == 200
        go.set()
        answers = [read_all(client)[9:12] for client in waiting]
    finally:
        go.set()
        for client in waiting:
            client.close()
    assert answers.count(b"503") >= 5
    assert answers.count(b"200") == 8 - answers.count(b"503")


def test_a_fault_in_a_page_is_a_sentence(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """The client learns nothing of the fault, the log everything, and the server lives."""
    server = start()
    assert get(server, "/fault") == (500, b"This page could not be made; the log says why.\n")
    assert "ZeroDivisionError" in caplog.text
    assert get(server, "/")[0] == 200


def test_too_many_requests_of_one_address_are_told_to_wait(start: Start) -> None:
    """Beyond the burst comes 429 with the time to wait."""
    server = start(limits=Limits(requests_per_second=1, burst=3))
    sent = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 6 + b"GET / HTTP/1.0\r\n\r\n"
    received = exchange_until_close(server, sent)
    assert received.count(b"HTTP/1.1 200") == 3
    assert received.count(b"Retry-After: 1") == 4


def test_with_a_token_all_but_health_need_it(start: Start) -> None:
    """No page, not even one that is not there, is told from another without the token."""
    server = start(token="correct horse")
    for path in ("/", "/metrics", "/nowhere"):
        assert get(server, path)[0] == 401
        assert get(server, path, Authorization="Bearer wrong")[0] == 401
    assert get(server, "/", Authorization="Bearer correct horse")[0] == 200
    assert get(server, "/nowhere", Authorization="Bearer correct horse")[0] == 404
    assert get(server, "/healthz")[0] == 200


def test_stopping_frees_the_port_and_the_threads(start: Start) -> None:
    """After stop nothing of the server is left, and stopping again is nothing."""
    server = start()
    with connect(server) as client:
        client.sendall(b"GET ")
        server.stop()
        assert read_all(client) == b""
    server.stop()
    assert not [each for each in threading.enumerate() if each.name.startswith("web-")]
    assert start(f"127.0.0.1:{server.port}").port == server.port


def test_it_listens_on_ipv6_and_on_both(start: Start) -> None:
    """[::1] is IPv6 alone; [::] answers IPv4 too."""
    server = start("[::1]:0")
    assert server.url == f"http://[::1]:{server.port}/"
    client = http.client.HTTPConnection("::1", server.port, timeout=PATIENCE_S)
    client.request("GET", "/metrics")
    assert client.getresponse().status == 200
    client.close()
    assert get(start("[::]:0"), "/metrics")[0] == 200


def test_a_port_that_is_taken_is_a_sentence(start: Start) -> None:
    """The message says where, what is wrong and what would do."""
    server = start()
    with pytest.raises(NetwatchError) as raised:
        start(f"127.0.0.1:{server.port}")
    assert str(raised.value) == (
        f"http.listen: 127.0.0.1:{server.port}: another program has this port; "
        "stop it, or give another port"
    )


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("10779", "must be an address and a port, like 127.0.0.1:10779 or [::]:10779, got '10779'"),
        ("::1:80", "must be an address and a port, like 127.0.0.1:10779 or [::]:10779, got '::1:80'"),
        ("a:70000", "must be an address and a port, like 127.0.0.1:10779 or [::]:10779, got 'a:70000'"),
    ],
)  # fmt: skip
def test_a_listen_that_cannot_be_is_a_sentence(listen: str, message: str) -> None:
    """What is not an address and a port is refused with what would do."""
    with pytest.raises(NetwatchError) as raised:
        parse_listen(listen)
    assert str(raised.value) == f"http.listen: {message}"


def test_an_address_of_another_machine_is_a_sentence(start: Start) -> None:
    """Names and foreign addresses are refused with what would do."""
    with pytest.raises(
        NetwatchError, match=r"^http.listen: localhost is not a numeric address; give"
    ):
        start("localhost:0")
    with pytest.raises(NetwatchError) as raised:
        start("192.0.2.1:0")
    assert str(raised.value) == (
        "http.listen: 192.0.2.1:0: this machine has no such address; "
        "give one that `ip address` shows, or [::] for all"
    )


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A fresh certificate for loopback."""
    folder = tmp_path_factory.mktemp("tls")
    pair = Tls(certificate=str(folder / "certificate.pem"), key=str(folder / "key.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", pair.key, "-out", pair.certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return pair


def test_tls_answers_large_and_many(start: Start, tls: Tls) -> None:
    """A verified client reads eight megabytes, then pipelines, over one connection."""
    server = start(tls=tls)
    assert server.url.startswith("https://")
    context = ssl.create_default_context(cafile=tls.certificate)
    client = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=context, timeout=PATIENCE_S
    )
    client.request("GET", "/large")
    assert len(client.getresponse().read()) == 8_000_000
    client.request("GET", "/metrics")
    assert client.getresponse().read() == b"/metrics {}\n"
    client.close()
    with (
        connect(server) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        sent = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 9
        wrapped.sendall(sent + b"GET / HTTP/1.0\r\n\r\n")
        assert read_all(wrapped).count(b"HTTP/1.1 200") == 10


def test_a_tls_server_outlives_those_who_do_not_shake_hands(start: Start, tls: Tls) -> None:
    """Plain HTTP, rubbish and silence on a TLS port are cut; the next client is served."""
    server = start(tls=tls, limits=Limits(exchange_ms=500))
    silent = connect(server)
    assert b"HTTP" not in exchange(server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    exchange(server, bytes(range(256)) * 16)
    assert read_all(silent) == b""
    silent.close()
    context = ssl.create_default_context(cafile=tls.certificate)
    client = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=context, timeout=PATIENCE_S
    )
    client.request("GET", "/metrics")
    assert client.getresponse().status == 200
    client.close()


def test_a_certificate_that_cannot_be_used_is_a_sentence(
    start: Start, tls: Tls, tmp_path: Path
) -> None:
    """A missing file and a wrong key say which files and what would do."""
    missing = str(tmp_path / "none.pem")
    with pytest.raises(NetwatchError) as raised:
        start(tls=Tls(certificate=missing, key=tls.key))
    assert str(raised.value) == (
        f"http.certificate, http.key: {missing} or {tls.key} cannot be read: "
        "No such file or directory; both must be readable by the user that runs netwatch"
    )
    rubbish = tmp_path / "key.pem"
    rubbish.write_text("no key")
    with pytest.raises(NetwatchError, match="are not a PEM certificate and its key"):
        start(tls=Tls(certificate=tls.certificate, key=str(rubbish)))
