"""The slower probes: each slot leaves a word, whatever becomes of it."""

from __future__ import annotations

import queue
import threading

from netwatch.agent.events import Measured, Skipped
from netwatch.agent.schedule import Schedule, draw_offset_ms
from netwatch.clock import SystemClock
from netwatch.records import Check, Finding, Outcome, Role


class FakeProbe:
    """Answers at once, raises, or waits until it is let go."""

    def __init__(self, *, fault: bool = False, gate: threading.Event | None = None) -> None:
        self._fault = fault
        self._gate = gate

    def measure(self, check: Check) -> Finding:
        if self._gate is not None:
            self._gate.wait(20)
        if self._fault:
            raise RuntimeError("a fault of ours")
        return Finding(outcome=Outcome.ANSWERED, measures={"rtt_us": len(check.id)})


def check(name: str, every_ms: int = 200) -> Check:
    return Check(
        id=name, kind="tcp", target="192.0.2.1", role=Role.SERVICE, every_ms=every_ms, timeout_ms=50
    )


def test_a_probe_that_raises_is_an_unknown_observation_and_the_others_go_on() -> None:
    """A fault of ours is never the line's, and stops nobody."""
    events: queue.Queue[Measured | Skipped] = queue.Queue()
    schedule = Schedule(clock=SystemClock(), device="school", emit=events.put)
    schedule.add_check(check("broken"), FakeProbe(fault=True))
    schedule.add_check(check("sound"), FakeProbe())
    schedule.start()
    try:
        seen: dict[str, Finding] = {}
        while len(seen) < 2:
            event = events.get(timeout=20)
            if isinstance(event, Measured):
                seen[event.check.id] = event.finding
    finally:
        schedule.stop()
    assert seen["broken"] == Finding(
        outcome=Outcome.UNKNOWN, reason="probe_error", detail="RuntimeError"
    )
    assert seen["sound"].outcome is Outcome.ANSWERED


def test_a_slot_that_finds_its_probe_still_at_work_is_skipped_with_the_reason() -> None:
    """Never a hole: overlap is said."""
    events: queue.Queue[Measured | Skipped] = queue.Queue()
    gate = threading.Event()
    schedule = Schedule(clock=SystemClock(), device="school", emit=events.put)
    schedule.add_check(check("slow"), FakeProbe(gate=gate))
    schedule.start()
    try:
        event = events.get(timeout=20)
    finally:
        gate.set()
        schedule.stop()
    assert isinstance(event, Skipped)
    assert (event.skip.check_id, event.skip.reason) == ("slow", "overlap")


def test_a_removed_check_is_measured_no_more() -> None:
    """Nothing of it comes after it was taken out."""
    events: queue.Queue[Measured | Skipped] = queue.Queue()
    schedule = Schedule(clock=SystemClock(), device="school", emit=events.put)
    schedule.add_check(check("gone"), FakeProbe())
    schedule.add_check(check("kept"), FakeProbe())
    schedule.remove_check("gone")
    schedule.remove_check("never there")
    schedule.start()
    try:
        names = set()
        for _ in range(4):
            event = events.get(timeout=20)
            assert isinstance(event, Measured)
            names.add(event.check.id)
    finally:
        schedule.stop()
    assert names == {"kept"}


def test_devices_do_not_fire_on_the_same_instant() -> None:
    """A thousand devices spread over the interval: no tenth of it has more than a fifth of them."""
    offsets = [draw_offset_ms(f"site-{number}/dns", 1_000) for number in range(1_000)]
    tenths = [sum(1 for offset in offsets if offset // 100 == tenth) for tenth in range(10)]
    assert sum(tenths) == 1_000
    assert max(tenths) < 200
