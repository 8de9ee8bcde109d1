"""What every bandwidth engine owes its caller, held against each in ENGINE_CASES.

The guard of time is the timeout of the test run: an engine that does not come back fails.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from netwatch.bandwidth.base import REASONS, EngineFinding, Plan, Progress
from netwatch.bandwidth.registry import ENGINES
from tests.adapters.hostile import FullListener, StreamServer, free_port
from tests.contracts.engine_cases import ENGINE_CASES, EngineCase

pytestmark = pytest.mark.timeout(60)

each_engine = pytest.mark.parametrize("case", ENGINE_CASES, ids=lambda case: case.engine)
#: Short, so that the suite is: the arithmetic is the same.
PLAN = Plan(streams=2, warm_up_ms=300, measure_ms=1_000, grace_ms=3_000)


def measure(
    case: EngineCase, plan: Plan, *, folder: Path | None = None, port: int | None = None
) -> tuple[EngineFinding, list[Progress]]:
    """Runs the engine against its own server, or at a port, and holds the form of what it says."""
    told: list[Progress] = []
    if port is not None:
        counterpart = case.at_port(port)
        finding = ENGINES[case.engine](counterpart).measure(plan, told.append)
    else:
        assert folder is not None
        with case.serve(folder) as counterpart:
            finding = ENGINES[case.engine](counterpart).measure(plan, told.append)
    hold(case, plan, finding, told)
    return finding, told


def hold(case: EngineCase, plan: Plan, finding: EngineFinding, told: list[Progress]) -> None:
    """A rate or a reason, never both, never zero; in the order asked; as JSON and back."""
    assert finding.engine == case.engine
    assert tuple(each.direction for each in finding.directions) == plan.directions
    for each in finding.directions:
        assert (each.bytes_per_second is None) is (each.reason is not None)
        assert each.bytes_per_second is None or each.bytes_per_second > 0
        assert each.reason is None or each.reason in REASONS
        assert each.detail is None or len(each.detail) < 500
        assert each.moved_bytes >= 0
        if each.bytes_per_second is not None:
            assert each.loaded_from_ms is not None
            assert each.loaded_to_ms is not None
    for line in told:
        assert line.direction in plan.directions
        assert line.phase in ("connect", "warm_up", "measure")
        assert line.moved_bytes >= 0
    assert msgspec.json.decode(msgspec.json.encode(finding), type=EngineFinding) == finding


def test_every_case_is_an_engine_of_the_registry() -> None:
    assert {case.engine for case in ENGINE_CASES} <= set(ENGINES)


@each_engine
def test_a_sound_server_gives_a_rate_in_each_direction(case: EngineCase, tmp_path: Path) -> None:
    finding, told = measure(case, PLAN, folder=tmp_path)
    assert [each.reason for each in finding.directions] == [None, None], finding
    for each in finding.directions:
        assert each.loaded_from_ms is not None
        assert each.loaded_to_ms is not None
        assert each.loaded_to_ms > each.loaded_from_ms
        assert each.moved_bytes > 0
    assert {line.direction for line in told} == {"down", "up"}


@each_engine
@pytest.mark.parametrize("direction", ["down", "up"])
def test_only_the_direction_that_was_asked_is_measured(
    case: EngineCase, direction: str, tmp_path: Path
) -> None:
    plan = msgspec.structs.replace(PLAN, directions=(direction,))
    finding, told = measure(case, plan, folder=tmp_path)
    assert [each.direction for each in finding.directions] == [direction]
    assert {line.direction for line in told} <= {direction}


@each_engine
def test_the_measured_stretch_lies_between_start_and_end_of_the_test(
    case: EngineCase, tmp_path: Path
) -> None:
    """On CLOCK_MONOTONIC, for whoever pings meanwhile."""
    before_ms = time.monotonic_ns() // 1_000_000
    finding, _ = measure(case, PLAN, folder=tmp_path)
    after_ms = time.monotonic_ns() // 1_000_000
    instants = [
        instant
        for each in finding.directions
        for instant in (each.loaded_from_ms, each.loaded_to_ms)
        if instant is not None
    ]
    assert instants == sorted(instants)
    assert before_ms <= instants[0] <= instants[-1] <= after_ms


@each_engine
def test_a_closed_port_is_a_reason_and_no_rate(case: EngineCase) -> None:
    finding, _ = measure(case, PLAN, port=free_port())
    assert {each.reason for each in finding.directions} <= {"unreachable", "refused"}


@each_engine
def test_a_server_that_says_nothing_is_a_reason_and_no_rate(case: EngineCase) -> None:
    """It takes connections and whatever is sent, and never answers."""

    def silence(stream: socket.socket) -> None:
        while stream.recv(65_536):
            pass

    with StreamServer(silence) as server:
        finding, _ = measure(case, PLAN, port=server.port)
    assert all(each.bytes_per_second is None for each in finding.directions)


@each_engine
def test_a_port_that_takes_no_connection_is_a_reason_and_no_rate(case: EngineCase) -> None:
    with FullListener() as listener:
        finding, _ = measure(case, PLAN, port=listener.port)
    assert all(each.bytes_per_second is None for each in finding.directions)


def garbage(stream: socket.socket) -> None:
    for _ in range(2_000):
        stream.sendall(bytes(range(256)) * 16)


def hang_up(stream: socket.socket) -> None:
    stream.recv(1)


def dribble(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"a")
        time.sleep(0.02)


@each_engine
@pytest.mark.parametrize("handle", [garbage, hang_up, dribble])
def test_a_hostile_server_is_a_reason_and_no_rate(
    case: EngineCase, handle: Callable[[socket.socket], None]
) -> None:
    with StreamServer(handle) as server:
        finding, _ = measure(case, PLAN, port=server.port)
    assert all(each.bytes_per_second is None for each in finding.directions)


@each_engine
def test_a_budget_that_is_too_small_is_kept_and_gives_no_rate(
    case: EngineCase, tmp_path: Path
) -> None:
    """Loopback moves this much in an instant: what is under way at the last look is allowed."""
    budget = 50_000_000
    plan = msgspec.structs.replace(PLAN, measure_ms=5_000, budget_bytes=budget)
    finding, told = measure(case, plan, folder=tmp_path)
    assert [each.reason for each in finding.directions] == ["budget", "budget"]
    last_second = max((line.bytes_per_second for line in told), default=0)
    assert sum(each.moved_bytes for each in finding.directions) <= budget + max(last_second, 2**30)
