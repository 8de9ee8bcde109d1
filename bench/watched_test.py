"""A throughput test as the agent runs it, with the agent's own round trips beside it.

Rule of this file: it is run as a program within a lab's namespace, one process as the
agent is one: an ICMP loop as the line's rounds have it, a second one as a test has it
(`netwatch.agent.bandwidth_rtt`), and the test's child. It reads a `Watched` from its
standard input, writes what it heard as JSON, and compares nothing.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

import msgspec

from netwatch.agent.bandwidth_child import run_child
from netwatch.agent.bandwidth_rtt import RttWatch
from netwatch.bandwidth.base import EngineFinding, Job
from netwatch.clock import SystemClock
from netwatch.core.cadence import Cadence
from netwatch.core.round_plan import CadenceTarget
from netwatch.probes.icmp_loop import IcmpLoop
from netwatch.probes.icmp_open import open_icmp_sockets
from netwatch.probes.icmp_report import IcmpTarget, LoopReport
from netwatch.records import Role

INTERVAL_MS = 100


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: pings to both addresses all the time; the test after ``idle_s``."""

    job: Job
    line_address: str
    test_address: str
    idle_s: float


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Samples are (sent, microseconds or None); instants are monotonic milliseconds."""

    line: list[tuple[int, int | None]]
    test: list[tuple[int, int | None]]
    idle_from_ms: int
    began_ms: int
    ended_ms: int
    finding: EngineFinding


def main() -> None:
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Watched)
    sys.stdout.buffer.write(msgspec.json.encode(watch(given)))


def watch(given: Watched) -> Heard:
    """Ping, wait, test, and tell."""
    clock = SystemClock()
    line: list[tuple[int, int | None]] = []
    with (
        _run_line_loop(given.line_address, clock, line),
        RttWatch(
            given.test_address, clock=clock, open_sockets=open_icmp_sockets, every_ms=INTERVAL_MS
        ) as test,
    ):
        time.sleep(1)
        idle_from_ms = clock.monotonic_ms()
        time.sleep(given.idle_s)
        child = run_child(given.job, clock=clock, tell=lambda _progress: None)
        time.sleep(1)
        samples = test.list_samples(idle_from_ms, child.ended_ms)
    return Heard(
        line=[each for each in line if idle_from_ms <= each[0] < child.ended_ms],
        test=[(each.sent_ms, each.rtt_us) for each in samples],
        idle_from_ms=idle_from_ms,
        began_ms=child.started_ms,
        ended_ms=child.ended_ms,
        finding=child.finding,
    )


@contextlib.contextmanager
def _run_line_loop(
    address: str, clock: SystemClock, heard: list[tuple[int, int | None]]
) -> Iterator[None]:
    def take(report: LoopReport) -> None:
        heard.extend((probe.sent_ms, probe.rtt_us) for probe in report.probes)

    cadence = Cadence(
        [CadenceTarget(id=address, role=Role.INTERNET)],
        interval_ms=INTERVAL_MS,
        burst_interval_ms=INTERVAL_MS,
        timeout_ms=2_000,
        start_ms=clock.monotonic_ms(),
    )
    cadence.burst_allowed = False
    with open_icmp_sockets() as sockets:
        loop = IcmpLoop(
            sockets=sockets,
            cadence=cadence,
            targets=[IcmpTarget(id=address, address=address, timeout_ms=2_000)],
            clock=clock,
            emit=take,
        )
        thread = threading.Thread(target=loop.run, name="line")
        thread.start()
        try:
            yield
        finally:
            loop.stop()
            thread.join()


if __name__ == "__main__":
    main()
