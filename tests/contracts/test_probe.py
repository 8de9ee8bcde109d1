"""What every probe owes its caller, held against each kind in the registry.

The guard of time is the timeout of the test run: a probe that does not come back fails.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netwatch.probes.registry import PROBES
from netwatch.records import Check, Finding, Outcome, Role
from tests.adapters.hostile import DatagramServer, FullListener, StreamServer, free_port

pytestmark = pytest.mark.timeout(20)

#: How each kind names a place; icmp has no ports and is held in its own tests.
TARGETS: dict[str, Callable[[str, int], str]] = {
    "tcp": lambda address, _: address,
    "dns": lambda address, _: address,
    "http": lambda address, port: f"http://{address}:{port}/",
}
KINDS = sorted(TARGETS)
UNITS = ("_us", "_ms", "_bytes", "_ratio", "_code")


def measure(kind: str, port: int, timeout_ms: int = 600, target: str | None = None) -> Finding:
    check = Check(
        id="c",
        kind=kind,
        target=TARGETS[kind]("127.0.0.1", port) if target is None else target,
        role=Role.SERVICE,
        every_ms=60_000,
        timeout_ms=timeout_ms,
        params={"port": port},
    )
    finding = PROBES[kind]().measure(check)
    hold(kind, finding)
    return finding


def hold(kind: str, finding: Finding) -> None:
    """A reason exactly when it was not answered, from the documented list; integers with units."""
    assert (finding.reason is None) is (finding.outcome is Outcome.ANSWERED)
    assert finding.outcome is not Outcome.SKIPPED
    if finding.reason is not None:
        assert finding.reason in PROBES[kind]().REASONS
    for name, value in finding.measures.items():
        assert name.endswith(UNITS)
        assert type(value) is int
        assert value >= 0
    assert finding.detail is None or len(finding.detail) < 500


def garbage(stream: socket.socket) -> None:
    stream.sendall(bytes(range(256)) * 400)


def silence(stream: socket.socket) -> None:
    while stream.recv(4_096):
        pass


def dribble(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"a")
        time.sleep(0.02)


def hang_up(_stream: socket.socket) -> None:
    pass


def test_every_kind_of_the_registry_is_held_to_the_contract() -> None:
    assert set(PROBES) - {"icmp"} == set(KINDS)


@pytest.mark.parametrize("kind", sorted(PROBES))
def test_the_reasons_are_documented_words(kind: str) -> None:
    """Labels of a metric: few, short, each once."""
    reasons = PROBES[kind]().REASONS
    assert len(set(reasons)) == len(reasons) <= 32
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in reasons)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("handle", [garbage, silence, dribble, hang_up])
def test_a_hostile_server_is_a_finding(kind: str, handle: Callable[[socket.socket], None]) -> None:
    """On the same port both ways: a stream server, and a datagram server that throws garbage."""
    pieces = {garbage: [bytes(range(256))] * 100, silence: [], dribble: [b"a"], hang_up: [b""]}
    with (
        StreamServer(handle) as server,
        DatagramServer(lambda _: pieces[handle], port=server.port),
    ):
        finding = measure(kind, server.port)
    assert finding.outcome is (Outcome.ANSWERED if kind == "tcp" else Outcome.FAILED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_port_is_a_failure(kind: str) -> None:
    kinds = {"dns": socket.SOCK_DGRAM}
    finding = measure(kind, free_port(kinds.get(kind, socket.SOCK_STREAM)), 10_000)
    assert (finding.outcome, finding.reason) == (
        Outcome.FAILED,
        "port_closed" if kind == "dns" else "refused",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_a_timeout(kind: str) -> None:
    with FullListener() as listener, DatagramServer(lambda _: [], port=listener.port):
        finding = measure(kind, listener.port)
    assert (finding.outcome, finding.reason, dict(finding.measures)) == (
        Outcome.FAILED,
        "timeout",
        {},
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["", " ", "not a host", "http://", "::1::", "\0", "é" * 300])
def test_nonsense_for_a_target_is_our_own_failing(kind: str, target: str) -> None:
    finding = measure(kind, 443, target=target)
    assert finding.outcome is Outcome.UNKNOWN
    assert finding.reason == "bad_target"


@pytest.mark.parametrize("kind", KINDS)
def test_a_timeout_of_nothing_is_a_finding_too(kind: str) -> None:
    with FullListener() as listener, DatagramServer(lambda _: [], port=listener.port):
        assert measure(kind, listener.port, 0).reason == "timeout"


@pytest.mark.parametrize("kind", KINDS)
def test_one_probe_serves_several_threads(kind: str) -> None:
    """The pool shares one object for each kind."""
    probe = PROBES[kind]()
    check = Check(
        id="c",
        kind=kind,
        target=TARGETS[kind]("127.0.0.1", free_port()),
        role=Role.SERVICE,
        every_ms=60_000,
        timeout_ms=300,
        params={"port": free_port(socket.SOCK_DGRAM)},
    )
    findings: list[Finding] = []
    threads = [
        threading.Thread(target=lambda: findings.append(probe.measure(check))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(findings) == 8
    for finding in findings:
        hold(kind, finding)


@pytest.mark.parametrize("kind", KINDS)
def test_no_descriptor_is_left_open(kind: str) -> None:
    """A probe that runs for years: what it opens it closes, whatever happened."""
    before = set(open_descriptors())
    with (
        StreamServer(garbage) as server,
        DatagramServer(lambda _: [b"garbage"], port=server.port),
    ):
        measure(kind, server.port)
    with FullListener() as listener:
        measure(kind, listener.port, 50)
    measure(kind, free_port(), 50)
    assert set(open_descriptors()) <= before


def open_descriptors() -> list[tuple[str, str]]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append((entry.name, str(entry.readlink())))
        except FileNotFoundError:
            continue  # the one that listed the others
    return [(name, target) for name, target in found if target.startswith("socket:")]
