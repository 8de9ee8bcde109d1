"""One test of one engine: the child runs, round trips and the machine are watched, a row comes out.

Rule of this file: it measures and writes down. Whether a test may be made, and what is
tried when it fails, is decided in `bandwidth_conduct`; what makes it count in
`core.test_validity`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from netwatch.agent.bandwidth_child import ChildRun, run_child
from netwatch.agent.bandwidth_guard import OtherTraffic
from netwatch.agent.bandwidth_host import (
    HostReader,
    HostSample,
    PortBytes,
    find_pressure,
    find_rate,
)
from netwatch.agent.bandwidth_rtt import RttWatch
from netwatch.bandwidth.base import Counterpart, DirectionFinding, Job, Plan, Progress
from netwatch.clock import Clock
from netwatch.core.bandwidth_plan import AskedBy
from netwatch.core.test_validity import Circumstances, judge_direction
from netwatch.core.throughput import Direction
from netwatch.records import HostFacts
from netwatch.store.bandwidth_books import Circumstance
from netwatch.store.throughput import BandwidthRow

#: After the child's end the queue that it filled is still being emptied.
DRAIN_MS = 1_000
AFTER_MS = 2_000
_SAMPLE_MS = 500


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in the seconds before the first byte."""

    facts: HostFacts
    traffic: OtherTraffic
    busy: bool
    right_circuit: bool
    idle_rtt_us: int | None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Which test this is, in the books."""

    run_id: int
    asked_by: AskedBy
    due_ms: int | None
    started_mono_ms: int
    started_ms: int | None
    guaranteed: dict[Direction, int | None]


class MadeTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test as it is entered."""

    row: BandwidthRow
    around: Circumstance
    cancelled: bool

    @property
    def has_rate(self) -> bool:
        return (
            self.row.down_bytes_per_second is not None or self.row.up_bytes_per_second is not None
        )

    def describe(self) -> str:
        """A test as a line of the log.

        Rates in Mbit/s; a direction without one has its reason.
        """
        row, around = self.row, self.around
        parts = [
            f"{name} {rate * 8 / 1e6:.1f} Mbit/s{f' ({invalid})' if invalid else ''}"
            if rate is not None
            else f"{name} failed: {reason}"
            for name, rate, invalid, reason in (
                ("down", row.down_bytes_per_second, row.down_invalid, around.down_reason),
                ("up", row.up_bytes_per_second, row.up_invalid, around.up_reason),
            )
            if rate is not None or invalid is not None
        ]
        return f"{row.engine}: {', '.join(parts)}"


def run_test(
    counterpart: Counterpart,
    plan: Plan,
    order: Order,
    before: Before,
    *,
    clock: Clock,
    rtt: RttWatch,
    host: HostReader,
    read_facts: Callable[[], HostFacts],
    tell: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    command: Sequence[str] | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> MadeTest:
    """Run it to its end. Never raises for what networks, servers and engines do."""
    interface = before.facts.interface
    samples: list[HostSample] = [host.read(clock.monotonic_ms(), interface)]

    def look(pid: int) -> None:
        now_ms = clock.monotonic_ms()
        if now_ms - samples[-1].at_ms >= _SAMPLE_MS:
            samples.append(host.read(now_ms, interface, pid))

    child = run_child(
        Job(counterpart=counterpart, plan=plan),
        clock=clock,
        tell=tell,
        turn=look,
        cancelled=cancelled,
        command=command,
    )
    pause(DRAIN_MS / 1000)
    ended_ms = clock.monotonic_ms()
    samples.append(host.read(ended_ms, interface))
    pause(AFTER_MS / 1000)
    after = host.read(clock.monotonic_ms(), interface)
    same_way_out = interface is None or read_facts().interface == interface
    around = {
        found.direction: Circumstances(
            port_speed_mbit=before.facts.port_speed_mbit,
            pressure_permille=_find_core(found, samples),
            clock_synchronised=clock.anchor() is not None,
            right_circuit=before.right_circuit and same_way_out,
            busy=before.busy,
        )
        for found in child.finding.directions
    }
    loaded = {
        found.direction: (None, 0)
        if found.loaded_from_ms is None or found.loaded_to_ms is None
        else rtt.find_high(found.loaded_from_ms, found.loaded_to_ms)
        for found in child.finding.directions
    }
    return MadeTest(
        row=_build_row(child, order, before, around, loaded),
        around=_build_circumstance(
            child,
            order,
            before,
            around=around,
            loaded=loaded,
            samples=samples,
            after=after,
            ended_ms=ended_ms,
        ),
        cancelled=child.cancelled,
    )


def _find_core(found: DirectionFinding, samples: Sequence[HostSample]) -> int | None:
    if found.loaded_from_ms is None or found.loaded_to_ms is None:
        return None
    return find_pressure(samples, found.loaded_from_ms, found.loaded_to_ms)


def _build_row(
    child: ChildRun,
    order: Order,
    before: Before,
    around: dict[Direction, Circumstances],
    loaded: dict[Direction, tuple[int | None, int]],
) -> BandwidthRow:
    found = {each.direction: each for each in child.finding.directions}
    down, up = found.get("down"), found.get("up")

    def judge(each: DirectionFinding | None) -> str | None:
        if each is None:
            return None
        return judge_direction(
            bytes_per_second=each.bytes_per_second,
            reason=each.reason,
            guaranteed=order.guaranteed.get(each.direction),
            around=around[each.direction],
        )

    return BandwidthRow(
        run_id=order.run_id,
        started_mono_ms=order.started_mono_ms,
        started_ms=order.started_ms,
        engine=child.finding.engine,
        server=child.finding.server,
        down_bytes_per_second=None if down is None else down.bytes_per_second,
        up_bytes_per_second=None if up is None else up.bytes_per_second,
        down_bytes=0 if down is None else down.moved_bytes,
        up_bytes=0 if up is None else up.moved_bytes,
        idle_rtt_us=before.idle_rtt_us,
        down_loaded_rtt_us=loaded.get("down", (None, 0))[0],
        up_loaded_rtt_us=loaded.get("up", (None, 0))[0],
        responsiveness_rpm=child.finding.responsiveness_rpm,
        down_invalid=judge(down),
        up_invalid=judge(up),
    )


def _build_circumstance(
    child: ChildRun,
    order: Order,
    before: Before,
    *,
    around: dict[Direction, Circumstances],
    loaded: dict[Direction, tuple[int | None, int]],
    samples: Sequence[HostSample],
    after: HostSample,
    ended_ms: int,
) -> Circumstance:
    found = {each.direction: each for each in child.finding.directions}
    down, up = found.get("down"), found.get("up")
    cores = [each.pressure_permille for each in around.values()]
    heat = [each.temperature_mc for each in samples if each.temperature_mc is not None]
    during = _subtract(samples[-1].port, samples[0].port)
    other = before.traffic.rate
    past = find_rate(samples[-1].port, after.port, after.at_ms - samples[-1].at_ms)
    return Circumstance(
        run_id=order.run_id,
        started_mono_ms=order.started_mono_ms,
        started_ms=order.started_ms,
        ended_mono_ms=ended_ms,
        due_ms=order.due_ms,
        asked_by=order.asked_by,
        down_reason=None if down is None else down.reason,
        up_reason=None if up is None else up.reason,
        down_detail=None if down is None else _shorten(down.detail),
        up_detail=None if up is None else _shorten(up.detail),
        streams=next((each.streams for each in found.values() if each.streams is not None), None),
        port_speed_mbit=before.facts.port_speed_mbit,
        pressure_permille=max((each for each in cores if each is not None), default=None),
        child_cpu_ms=child.cpu_ms,
        child_peak_bytes=child.peak_bytes,
        temperature_mc=max(heat, default=None),
        interface=before.facts.interface,
        before_down_bytes_per_second=None if other is None else other.down,
        before_up_bytes_per_second=None if other is None else other.up,
        during_down_bytes=None if during is None else during.down,
        during_up_bytes=None if during is None else during.up,
        after_down_bytes_per_second=None if past is None else past.down,
        after_up_bytes_per_second=None if past is None else past.up,
        counters=before.traffic.counters,
        down_loaded_samples=loaded["down"][1] if "down" in loaded else None,
        up_loaded_samples=loaded["up"][1] if "up" in loaded else None,
    )


def _subtract(last: PortBytes | None, first: PortBytes | None) -> PortBytes | None:
    if last is None or first is None or last.down < first.down or last.up < first.up:
        return None
    return PortBytes(down=last.down - first.down, up=last.up - first.up)


def _shorten(detail: str | None) -> str | None:
    """A sentence as it is kept: printable, and no longer than a line or two."""
    if detail is None:
        return None
    return "".join(each if each.isprintable() else " " for each in detail)[:300]
