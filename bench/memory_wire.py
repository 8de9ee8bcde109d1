"""Simulated time and a simulated wire, for an agent that lives days in minutes.

Rule of this file: what is asked is answered when its time comes, and the clock is moved on
to it. It measures nothing.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import random
from collections.abc import Sequence

from netwatch.agent.events import Measured, Stop, WitnessHeard
from netwatch.agent.outside import StoreView
from netwatch.agent.runner import Event
from netwatch.core.cadence import Cadence
from netwatch.probes.icmp_report import Counters, FinishedProbe, IcmpTarget, LoopReport
from netwatch.records import Anchor, Check, Finding, HostFacts, Outcome, Slot
from netwatch.snapshot import StoreHealth
from netwatch.store.batch import Batch
from netwatch.store.books import BegunRun
from netwatch.store.writer import Writer

HOUR_MS = 3_600_000
_OFFSET_MS = 1_790_812_800_000
_TIMEOUT_MS = 2_000
_LOSS = 0.002
#: An outage of 90 s every six hours.
_OUTAGE_EVERY_MS, _OUTAGE_MS = 6 * HOUR_MS, 90_000
_FACTS = HostFacts(interface="eth0", carrier=True, address=True, default_route=True)


class SimulatedClock:
    """A synchronised clock that stands still until it is moved."""

    boot_id = "simulated"

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def monotonic_ms(self) -> int:
        return self.now_ms

    def monotonic_ns(self) -> int:
        return self.now_ms * 1_000_000

    def offset_ns(self) -> int:
        return _OFFSET_MS * 1_000_000

    def wall_ms(self) -> int:
        return self.now_ms + _OFFSET_MS

    def synchronised(self) -> bool:
        return True

    def anchor(self) -> Anchor:
        return Anchor(boot_id=self.boot_id, monotonic_ms=self.now_ms, offset_ms=_OFFSET_MS)

    def held_ms(self) -> int | None:
        return None

    def hold(self, anchor: Anchor | None) -> None:
        """Nothing was told by an earlier life."""


class FakeWire:
    """`Outside` and the runner's queue in one: what is asked is answered when its time comes."""

    icmp_kind = "raw"

    def __init__(self, clock: SimulatedClock, writer: Writer, end_ms: int) -> None:
        self._clock = clock
        self._writer = writer
        self._end_ms = end_ms
        self._chance = random.Random(48)
        self._began_ms = clock.now_ms
        self._cadence: Cadence | None = None
        self._checks: list[Check] = []
        self._heap: list[tuple[int, int, object]] = []
        self._numbers = itertools.count()
        self._jobs: list[tuple[int, int, object]] = []
        self._reported_ms = clock.now_ms

    # -- the runner's queue

    def put(self, event: Event) -> None:
        self._push(self._clock.now_ms, event)

    def empty(self) -> bool:
        return True

    def get_nowait(self) -> Event:
        raise queue.Empty

    def get(self, timeout: float) -> Event:
        """The next event; the clock is moved to it, or by the whole timeout."""
        until_ms = self._clock.now_ms + round(timeout * 1000)
        while True:
            wake_ms = until_ms if self._cadence is None else self._cadence.wake_ms()
            due_ms = self._heap[0][0] if self._heap else until_ms
            at_ms = max(self._clock.now_ms, min(wake_ms, due_ms))
            if at_ms > until_ms or (at_ms == until_ms and timeout == 0):
                self._clock.now_ms = until_ms
                raise queue.Empty
            self._clock.now_ms = at_ms
            if at_ms >= self._end_ms:
                return Stop()
            if self._heap and due_ms <= at_ms:
                event = self._take(heapq.heappop(self._heap)[2])
                if event is not None:
                    return event
            elif self._cadence is not None and wake_ms <= at_ms:
                for slot in self._cadence.take_due(at_ms):
                    self._send(slot)
            else:
                raise queue.Empty

    def _send(self, slot: Slot) -> None:
        assert self._cadence is not None
        now_ms = self._clock.now_ms
        self._cadence.sent(slot, now_ms)
        lost = self._is_out() and slot.target_id != "gateway"
        if lost or self._chance.random() < _LOSS:
            self._push(now_ms + _TIMEOUT_MS, (self._cadence, slot, now_ms, None))
        else:
            rtt_us = int(5_000 + self._chance.lognormvariate(0, 1) * 1_000)
            self._push(now_ms + rtt_us // 1_000 + 1, (self._cadence, slot, now_ms, rtt_us))

    def _is_out(self) -> bool:
        since_ms = self._clock.now_ms - self._began_ms
        return since_ms % _OUTAGE_EVERY_MS > _OUTAGE_EVERY_MS - _OUTAGE_MS

    def _take(self, item: object) -> Event | None:
        if isinstance(item, Check):
            return self._ask(item)
        if not isinstance(item, tuple):
            return item  # type: ignore[return-value]  # an event as it is
        cadence, slot, sent_ms, rtt_us = item
        now_ms = self._clock.now_ms
        reason = None if rtt_us is not None else "timeout"
        cadence.settle(slot, sent_ms=sent_ms, rtt_us=rtt_us, reason=reason, now_ms=now_ms)
        probe = FinishedProbe(
            target_id=slot.target_id,
            round=slot.round,
            due_ms=slot.due_ms,
            sent_ms=sent_ms,
            rtt_us=rtt_us,
            reason=reason,
            lateness_us=sent_ms - slot.due_ms,
        )
        return LoopReport(
            at_ms=now_ms,
            probes=(probe,),
            rounds=cadence.take_rounds(),
            missed_slots=cadence.take_missed(),
            missed=cadence.missed,
            send_lateness_us=60,
            counters=Counters(),
        )

    def _ask(self, check: Check) -> Measured | None:
        if check not in self._checks:
            return None
        now_ms = self._clock.now_ms
        self._push(now_ms + check.every_ms, check)
        out = self._is_out()
        finding = Finding(
            outcome=Outcome.FAILED if out else Outcome.ANSWERED,
            reason="timeout" if out else None,
            measures={} if out else {"rtt_us": self._chance.randrange(900, 4_000)},
        )
        return Measured(
            check=check, due_ms=now_ms, started_ms=now_ms, elapsed_ms=2, finding=finding
        )

    def _push(self, at_ms: int, item: object) -> None:
        heapq.heappush(self._heap, (at_ms, next(self._numbers), item))

    # -- Outside

    def read_facts(self) -> HostFacts:
        return _FACTS

    def read_gateways(self) -> tuple[str | None, str | None]:
        return "192.168.1.1", None

    def read_resolvers(self) -> tuple[str, ...]:
        return ("192.168.1.1",)

    def replace_icmp(self, targets: Sequence[IcmpTarget], cadence: Cadence) -> None:
        del targets
        self._cadence = cadence

    def replace_checks(self, checks: Sequence[Check]) -> None:
        self._checks = list(checks)
        for check in checks:
            self._push(self._clock.now_ms, check)

    def set_tcp_targets(self, checks: Sequence[Check]) -> None: ...
    def set_tcp_pace(self, *, active: bool, uneasy: bool) -> None: ...
    def realign(self) -> None: ...

    def ask_witness(self) -> None:
        now_ms = self._clock.now_ms
        heard = WitnessHeard(asked_ms=now_ms, carries=not self._is_out(), portal=False)
        self._push(now_ms + 900, heard)

    def submit(self, batch: Batch, *, urgent: bool) -> None:
        self._writer.submit(batch, urgent=urgent)
        # Time must not run away from the disk.
        require(self._writer.wait_safe(60_000), "the disk is too slow")

    def describe_store(self) -> StoreView:
        state = self._writer.state
        return StoreView(
            notices=(),
            store_bytes=state.store_bytes,
            written_bytes_today=state.written_bytes_today,
            health=StoreHealth(
                fault=state.fault,
                waiting_observations=state.queued_observations,
                dropped_observations=state.dropped_observations,
                dropped_spans=state.dropped_spans,
                device_written_bytes_today=state.device_written_bytes_today,
            ),
        )

    def read_begun(self) -> BegunRun | None:
        return self._writer.begun

    def show_life(self, status: str) -> None: ...
    def show_progress(self, now_ms: int) -> None: ...


def require(holds: bool, complaint: str) -> None:
    """An assertion that -OO leaves in."""
    if not holds:
        raise SystemExit(complaint)
