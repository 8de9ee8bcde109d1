"""The iperf3 engine with the real program, a real server, and programs and servers that do wrong."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from netwatch.bandwidth.base import (
    Counterpart,
    DirectionFinding,
    EngineFinding,
    Job,
    Plan,
    Progress,
)
from netwatch.bandwidth.iperf3 import Iperf3Engine
from tests.adapters.hostile import FullListener, StreamServer, free_port
from tests.adapters.iperf3_server import iperf3_server

pytestmark = pytest.mark.timeout(60)

#: The program takes whole seconds: one of warm-up, one measured.
SHORT = Plan(streams=2, warm_up_ms=100, measure_ms=400, grace_ms=4_000)
DOWN = msgspec.structs.replace(SHORT, directions=("down",))


def measure(port: int, plan: Plan = DOWN, **options: object) -> EngineFinding:
    counterpart = Counterpart(engine="iperf3", host="127.0.0.1", port=port)
    return Iperf3Engine(counterpart, **options).measure(plan, lambda _: None)  # type: ignore[arg-type]  # of the engine


def measure_one(port: int, plan: Plan = DOWN, **options: object) -> DirectionFinding:
    (found,) = measure(port, plan, **options).directions
    assert (found.bytes_per_second is None) is (found.reason is not None)
    return found


def program(folder: Path, text: str) -> str:
    """A program that says what a test has it say, in iperf3's place."""
    path = folder / "iperf3"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)
    return str(path)


def test_both_directions_by_the_receiver_s_count() -> None:
    """Warm-up is moved but not measured; progress tells bytes as they go."""
    told: list[Progress] = []
    port = free_port()
    with iperf3_server(port):
        counterpart = Counterpart(engine="iperf3", host="127.0.0.1", port=port)
        finding = Iperf3Engine(counterpart).measure(SHORT, told.append)
    assert finding.server == f"127.0.0.1:{port}"
    assert [found.direction for found in finding.directions] == ["down", "up"]
    for found in finding.directions:
        assert found.reason is None, found.detail
        assert found.bytes_per_second
        assert found.streams == 2
        assert found.loaded_from_ms is not None
        assert found.loaded_to_ms is not None
        assert 500 <= found.loaded_to_ms - found.loaded_from_ms <= 1_000
        assert found.moved_bytes > found.bytes_per_second
        moved = [line.moved_bytes for line in told if line.direction == found.direction]
        assert moved == sorted(moved)
        assert 0 < moved[-1] <= found.moved_bytes * 1.01
    assert {line.phase for line in told} == {"warm_up", "measure"}


def test_a_server_that_is_started_anew_after_each_test_is_waited_for() -> None:
    """--one-off under systemd: the second direction comes while nobody listens yet."""
    port = free_port()
    serve = f"iperf3 --server --bind 127.0.0.1 --port {port} --one-off --forceflush"
    command = ["sh", "-c", f"{serve}; sleep 0.4; exec {serve}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if "listening" in line:
                    break
            finding = measure(port, SHORT)
        finally:
            server.kill()
    assert [found.reason for found in finding.directions] == [None, None]


def test_a_server_in_use_is_no_capacity() -> None:
    port = free_port()
    with iperf3_server(port):
        other = [
            "iperf3",
            "-c",
            "127.0.0.1",
            "-p",
            str(port),
            "-t",
            "30",
            "-b",
            "1M",
            "--forceflush",
        ]
        with subprocess.Popen(other, stdout=subprocess.PIPE, text=True) as busy:
            assert busy.stdout is not None
            busy.stdout.readline()
            busy.stdout.readline()
            found = measure_one(port)
            busy.kill()
    assert found.reason == "no_capacity"
    assert found.detail == "iperf3: the server is busy running a test. try again later"
    assert found.moved_bytes == 0


def test_without_the_program_it_says_what_to_install() -> None:
    found = measure_one(5201, program="iperf3-that-is-not-there")
    assert found.reason == "no_program"
    assert found.detail == "iperf3 is not installed; sudo apt-get install iperf3 does it"


def test_a_closed_port_or_one_that_drops_is_unreachable() -> None:
    found = measure_one(free_port())
    assert found.reason == "unreachable"
    assert found.detail == "iperf3: unable to connect to server: Connection refused"
    with FullListener() as full:
        found = measure_one(full.port)
    assert found.reason == "unreachable"


def test_a_name_without_an_address_is_told_apart() -> None:
    counterpart = Counterpart(engine="iperf3", host="x" * 70)
    (found,) = Iperf3Engine(counterpart).measure(DOWN, lambda _: None).directions
    assert found.reason == "name"


@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_budget_ends_the_program(direction: str) -> None:
    """Counted while it runs, by the kernel's count of the program's own calls."""
    plan = msgspec.structs.replace(DOWN, directions=(direction, direction), budget_bytes=10_000_000)
    port = free_port()
    with iperf3_server(port):
        first, second = measure(port, plan).directions
    assert (first.reason, second.reason) == ("budget", "budget")
    assert first.moved_bytes > 1_000_000
    assert second.moved_bytes == 0
    assert second.detail == "nothing is left of the bytes allowed"


def test_a_server_that_stops_is_a_stall_and_one_that_dies_closed_early() -> None:
    for signal_number, reason in ((signal.SIGSTOP, "stalled"), (signal.SIGKILL, "closed_early")):
        port = free_port()
        with iperf3_server(port) as server:
            plan = msgspec.structs.replace(DOWN, measure_ms=20_000)
            timer = threading.Timer(0.7, server.send_signal, (signal_number,))
            timer.start()
            found = measure_one(port, plan, stall_ms=600)
            timer.join()
        assert found.reason == reason, found.detail
        assert found.moved_bytes > 0


GOOD = '{"intervals":[{"sum":{"bytes":900000}},{"sum":{"bytes":900000}}],"end":{"sum_received":%s}}'


@pytest.mark.parametrize(
    ("said", "reason", "detail"),
    [
        ("<html>", "answer_invalid", None),
        ("[" * 5_000, "answer_invalid", None),
        ("{}", "answer_invalid", "iperf3 does not say how much arrived"),
        (
            GOOD % '{"bytes":1900000,"seconds":1.0}',
            "answer_invalid",
            "1900000 bytes are said to have arrived, 1800000 were sent",
        ),
        (
            GOOD % '{"bytes":900000,"seconds":0.01}',
            "answer_invalid",
            "0.0 s are said to have been measured, 1 were asked for",
        ),
        (GOOD % '{"bytes":-1,"seconds":1.0}', "answer_invalid", None),
        (GOOD % '{"bytes":"many","seconds":1.0}', "answer_invalid", None),
        (GOOD % '{"bytes":9000,"seconds":1.0}', "too_slow", "9000 bytes/s tell no rate"),
        ('{"error":"unable to parse JSON"}', "answer_invalid", "iperf3: unable to parse JSON"),
        ('{"error":"test authorization failed"}', "refused", "iperf3: test authorization failed"),
        ("", "crashed", "iperf3 ended without a word (status 0)"),
    ],
)
def test_what_cannot_be_true_is_not_believed(
    tmp_path: Path, said: str, reason: str, detail: str | None
) -> None:
    path = program(tmp_path, f"cat <<'END'\n{said}\nEND")
    plan = msgspec.structs.replace(SHORT, directions=("up",))
    found = measure_one(5201, plan, program=path)
    assert found.reason == reason, found.detail
    assert detail is None or found.detail == detail


def test_output_without_end_and_a_program_without_end_are_bounded(tmp_path: Path) -> None:
    found = measure_one(5201, program=program(tmp_path, "exec yes"))
    assert (found.reason, found.detail) == ("answer_invalid", "iperf3's output does not end")
    plan = msgspec.structs.replace(DOWN, grace_ms=200)
    found = measure_one(5201, plan, program=program(tmp_path, "exec sleep 60"))
    assert (found.reason, found.detail) == ("timeout", "iperf3 was not over when it had to be")


def garbage(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"\x7f" * 65_536)


def dribble(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"\t")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "handle", [garbage, dribble, lambda stream: stream.recv(1), lambda _: time.sleep(2)]
)
def test_a_server_that_is_no_iperf3_is_bounded(handle: Callable[[socket.socket], None]) -> None:
    """Whatever the program makes of it, it is over in time."""
    plan = msgspec.structs.replace(DOWN, grace_ms=600)
    with StreamServer(handle) as server:
        found = measure_one(server.port, plan)
    assert found.reason in ("answer_invalid", "closed_early", "timeout", "stalled")


def test_the_program_dies_with_the_test_process() -> None:
    """A test process that is killed leaves nothing behind that loads the line."""
    port = free_port()
    counterpart = Counterpart(engine="iperf3", host="127.0.0.1", port=port)
    plan = msgspec.structs.replace(DOWN, measure_ms=30_000)
    with iperf3_server(port, "--one-off") as server:
        command = [sys.executable, "-m", "netwatch.bandwidth.child"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe) as child:
            child.stdin.write(msgspec.json.encode(Job(counterpart=counterpart, plan=plan)))
            child.stdin.close()
            child.stdout.readline()
            child.kill()
        # It serves one client, and ends with it: long before the test's own end.
        assert server.wait(timeout=20) is not None


def test_what_only_tls_needs_is_not_loaded() -> None:
    """OpenSSL takes 4 MB of the test process's 30, and iperf3 has no TLS."""
    program = "import sys, netwatch.bandwidth.iperf3; print('ssl' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout.strip() == b"False"
