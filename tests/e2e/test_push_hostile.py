"""The real pump over real books against servers that fail in every way: the data stays, and arrives.

Each server is bad at first and well afterwards. While it is bad nothing leaves the queue
and the state says why; once it is well every line is there, as the books have it.
"""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netwatch.agent.line_source import LineSource
from netwatch.agent.push import FIRST_RETRY_MS, IDLE_MS, Push
from netwatch.agent.push_parts import build_push
from netwatch.clock import SystemClock
from netwatch.config.model import Influx, Settings, Site, StoreSettings
from netwatch.core.line_points import build_tags
from netwatch.records import PushReason
from netwatch.store.writer import Writer
from tests.adapters.hostile import StreamServer
from tests.adapters.influx_server import TAKEN, TOKEN, answer
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, answered, batch, check, span

MINUTE = 60_000
MINUTES = 90
SENT = MINUTES - 2  # the last two are not certain yet
LINES = 3 * SENT
#: What a server does with a request: its lines and the stream. False: that was the last of it.
Deed = Callable[[list[str], socket.socket], bool]


class MoodyServer:
    """Bad for so many requests, then well; ``kept`` is what it has, doubles included."""

    def __init__(self, deed: Deed, bad: int) -> None:
        self._deed = deed
        self._bad = bad
        self._lock = threading.Lock()
        self._server = StreamServer(self._serve)
        self.kept: list[str] = []
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        with self._server:
            yield

    def keep(self, lines: list[str]) -> None:
        with self._lock:
            self.kept += lines

    def _serve(self, stream: socket.socket) -> None:
        with stream.makefile("rb") as reading:
            while reading.readline():
                length = 0
                while line := reading.readline().strip():
                    name, _, value = line.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                lines = gzip.decompress(reading.read(length)).decode().split("\n")
                with self._lock:
                    self.requests += 1
                    well = self.requests > self._bad
                if well:
                    self.keep(lines)
                    stream.sendall(TAKEN)
                elif not self._deed(lines, stream):
                    return


def say(status: str, body: str = "", *headers: str, kind: str = "application/json") -> Deed:
    def deed(_: list[str], stream: socket.socket) -> bool:
        stream.sendall(answer(status, body, *headers, kind=kind))
        return True

    return deed


def hang(_: list[str], stream: socket.socket) -> bool:
    """It has read all, and says nothing until the sender goes."""
    while stream.recv(65_536):
        pass
    return False


def cut(_: list[str], stream: socket.socket) -> bool:
    stream.shutdown(socket.SHUT_RDWR)
    return False


def cut_in_answer(_: list[str], stream: socket.socket) -> bool:
    """The head of an error, and half of its body."""
    stream.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\nhalf of")
    stream.shutdown(socket.SHUT_RDWR)
    return False


BAD: dict[str, tuple[Deed, int, PushReason]] = {
    # As often as one sending asks before it is sure that not the lines are to blame.
    "400": (say("400 Bad Request", "no"), 24, PushReason.POINTS_REFUSED),
    "401": (say("401 Unauthorized"), 1, PushReason.WRONG_TOKEN),
    "403": (say("403 Forbidden"), 1, PushReason.FORBIDDEN),
    "404": (say("404 Not Found"), 1, PushReason.NO_BUCKET),
    "429": (say("429 Too Many Requests"), 1, PushReason.BUSY),
    "500": (say("500 Internal Server Error"), 1, PushReason.SERVER_ERROR),
    "502": (say("502 Bad Gateway", "<html>", kind="text/html"), 1, PushReason.SERVER_ERROR),
    "503": (say("503 Service Unavailable"), 1, PushReason.BUSY),
    "page": (say("200 OK", "<html>", kind="text/html"), 1, PushReason.HTML_ANSWER),
    "empty 200": (say("200 OK"), 1, PushReason.NO_INFLUXDB),
    "redirect": (say("302 Found", "", "Location: http://x/"), 1, PushReason.REDIRECT),
    "hang": (hang, 1, PushReason.TIMEOUT),
    "cut": (cut, 1, PushReason.CUT),
    "cut in the answer's body": (cut_in_answer, 1, PushReason.CUT),
}


@contextmanager
def kept_books(folder: Path) -> Iterator[tuple[Settings, Writer]]:
    """An hour and a half of a line that is up, with two targets."""
    settings = Settings(
        site=Site(id="ecole"), store=StoreSettings(path=str(folder / "netwatch.db"))
    )
    writer = Writer(settings.store.path, clock=SystemClock(), set_aside=lambda: SET_ASIDE)
    end_ms = MINUTES * MINUTE
    writer.begin_run(boot_id="boot-a", pid=1, version="1", monotonic_ms=0, anchor=anchor())
    checks = (check("box"), check("far"))
    try:
        writer.submit(
            batch(
                end_ms,
                span(0, end_ms),
                anchored=anchor(at_ms=end_ms),
                checks=checks,
                observations=[
                    answered(each.id, at_ms, 1_000 + at_ms % 7_919)
                    for each in checks
                    for at_ms in range(0, end_ms, 20_000)
                ],
            )
        )
        assert writer.flush(10_000)
        yield settings, writer
    finally:
        writer.close(monotonic_ms=end_ms, anchor=anchor(at_ms=end_ms))


@contextmanager
def pumping(folder: Path, server: MoodyServer) -> Iterator[tuple[Push, list[str]]]:
    """The pump of those books towards that server, and the lines that must arrive."""
    token = folder / "influx.token"
    token.write_text(f"{TOKEN}\n", encoding="ascii")
    influx = Influx(url=server.url, org="ville", bucket="netwatch", token_file=str(token))
    with server.serving(), kept_books(folder) as (settings, writer):
        push = build_push(
            settings, influx, writer=writer, clock=SystemClock(), timeouts_ms=(500, 300)
        )
        source = LineSource(settings.store.path, build_tags("ecole", None, None))
        minutes = source.read_minutes(OFFSET_MS, OFFSET_MS + SENT * MINUTE)
        lines = [line for minute in minutes for line in minute.lines]
        assert len(lines) == LINES
        try:
            yield push, lines
        finally:
            push.close()


def drain(push: Push) -> None:
    for _ in range(100):
        if push.step() == IDLE_MS and push.state.minutes == 0:
            return
    raise AssertionError(push.state)


@pytest.mark.parametrize("name", BAD)
def test_while_it_is_bad_all_stays_and_once_it_is_well_all_is_there_once(
    tmp_path: Path, name: str
) -> None:
    """Nothing leaves, nothing is rejected, the reason is told, and then every line arrives."""
    deed, requests, reason = BAD[name]
    server = MoodyServer(deed, requests)
    with pumping(tmp_path, server) as (push, lines):
        wait_ms = push.step()
        assert FIRST_RETRY_MS // 2 <= wait_ms <= FIRST_RETRY_MS
        state = push.state
        assert (state.ok, state.minutes, state.accepted, state.rejected) == (False, SENT, 0, 0)
        assert state.problem is not None
        assert state.problem.reason is reason
        assert server.kept == []
        drain(push)
        assert push.state.problem is None
        assert (push.state.accepted, push.state.rejected) == (LINES, 0)
    assert sorted(server.kept) == sorted(lines)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_the_time_that_it_asks_for_is_kept_with_jitter_behind_it(
    tmp_path: Path, status: str
) -> None:
    """Never earlier, and a thousand agents not at once."""
    server = MoodyServer(say(status, "", "Retry-After: 90"), 2)
    with pumping(tmp_path, server) as (push, lines):
        assert 90_000 <= push.step() < 90_000 + FIRST_RETRY_MS
        assert 90_000 <= push.step() < 90_000 + 2 * FIRST_RETRY_MS
        drain(push)
    assert sorted(server.kept) == sorted(lines)


def test_what_is_too_large_goes_in_halves(tmp_path: Path) -> None:
    """413 above so many lines, always: each line arrives once, and nothing is counted as failed."""

    def decide(lines: list[str], stream: socket.socket) -> bool:
        small = len(lines) <= 4
        if small:
            server.keep(lines)
        stream.sendall(TAKEN if small else answer("413 Request Entity Too Large"))
        return True

    server = MoodyServer(decide, 10**6)
    with pumping(tmp_path, server) as (push, lines):
        drain(push)
        assert (push.state.accepted, push.state.failed) == (LINES, 0)
    assert sorted(server.kept) == sorted(lines)


def test_bad_lines_leave_and_the_good_ones_beside_them_arrive(tmp_path: Path) -> None:
    """As InfluxDB 2 answers: 400, the whole request refused for one line."""
    bad: list[str] = []

    def decide(lines: list[str], stream: socket.socket) -> bool:
        good = not set(bad) & set(lines)
        if good:
            server.keep(lines)
        stream.sendall(TAKEN if good else answer("400 Bad Request", '{"code":"invalid"}'))
        return True

    server = MoodyServer(decide, 10**6)
    with pumping(tmp_path, server) as (push, lines):
        bad += [lines[0], lines[100], lines[101]]
        drain(push)
        assert (push.state.accepted, push.state.rejected) == (LINES - 3, 3)
        assert push.state.ok is True
    assert sorted(server.kept) == sorted(set(lines) - set(bad))


@pytest.mark.parametrize("kept", ["none", "half", "all"])
def test_a_lie_about_a_partial_write_costs_no_line(tmp_path: Path, kept: str) -> None:
    """It says that one point was dropped and the others kept, and keeps what it likes."""

    def lie(lines: list[str], stream: socket.socket) -> bool:
        server.keep({"none": [], "half": lines[::2], "all": lines}[kept])
        error = '{"message":"partial write: points beyond retention policy dropped=1"}'
        stream.sendall(answer("400 Bad Request", error))
        return True

    server = MoodyServer(lie, 3)
    with pumping(tmp_path, server) as (push, lines):
        drain(push)
        assert (push.state.accepted, push.state.rejected) == (LINES, 0)
    assert set(server.kept) == set(lines)


def test_an_answer_that_is_lost_after_the_points_were_kept_changes_nothing(tmp_path: Path) -> None:
    """They are sent again: the same series and instants, so that the server has each once."""

    def keep_and_cut(lines: list[str], stream: socket.socket) -> bool:
        server.keep(lines)
        return cut(lines, stream)

    server = MoodyServer(keep_and_cut, 1)
    with pumping(tmp_path, server) as (push, lines):
        drain(push)
        assert (push.state.accepted, push.state.failed) == (LINES, 1)
    assert set(server.kept) == set(lines)
    assert len(server.kept) > len(lines)


def test_a_connection_that_is_cut_in_the_request_costs_nothing(tmp_path: Path) -> None:
    """The server goes while the body is on its way."""
    requests = 0

    def handle(stream: socket.socket) -> None:
        nonlocal requests
        requests += 1
        stream.recv(200)  # not even the head

    with StreamServer(handle) as broken:
        token = tmp_path / "influx.token"
        token.write_text(TOKEN, encoding="ascii")
        url = f"http://127.0.0.1:{broken.port}"
        influx = Influx(url=url, org="ville", bucket="netwatch", token_file=str(token))
        with kept_books(tmp_path) as (settings, writer):
            push = build_push(
                settings, influx, writer=writer, clock=SystemClock(), timeouts_ms=(500, 300)
            )
            push.step()
            push.close()
    assert requests == 1
    assert (push.state.minutes, push.state.accepted) == (SENT, 0)
    assert push.state.problem is not None
    assert push.state.problem.reason is PushReason.CUT
