"""The ICMP loop: sends what the cadence asks for when it is due, and reports how it ended.

Rule of this file: one thread, one wait, nothing else in it. It knows no verdict, no
store and no metrics; what it finds out goes to ``emit`` and is forgotten.

Because the kernel stamps both ends of a round trip, an answer may lie in the socket for
a while without bending its time. So while the next sending is near, the loop sleeps
through the answers and reads them then: one waking a probe instead of two, and a flood
of packets costs no more than emptying the buffer at that pace.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from netwatch.probes.icmp_destination import Destination, parse_destination
from netwatch.probes.icmp_exchange import Exchange, Flight, Settled, StampClock
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.probes.icmp_report import FinishedProbe, IcmpTarget, LoopReport
from netwatch.probes.worst import WorstOfWindow
from netwatch.records import Round, Slot

#: How long answers may wait in the kernel when the loop wakes by itself within that time.
COALESCE_MS = 100
#: The loop wakes and reports at least this often.
HEARTBEAT_MS = 1_000
#: Waking later than asked by more than this is a stall: nothing was watched meanwhile.
STALL_MS = 1_000
_LATENESS_WINDOW_MS = 60_000
_NS_PER_MS = 1_000_000


class Cadence(Protocol):
    """What :mod:`netwatch.core.cadence` is to the loop; all instants monotonic ms."""

    missed: int

    def wake_ms(self) -> int: ...
    def take_due(self, now_ms: int, /) -> tuple[Slot, ...]: ...
    def take_missed(self) -> tuple[Slot, ...]: ...
    def sent(self, slot: Slot, sent_ms: int, /) -> None: ...
    def settle(
        self, slot: Slot, /, *, sent_ms: int, rtt_us: int | None, reason: str | None, now_ms: int
    ) -> None: ...
    def take_rounds(self) -> tuple[Round, ...]: ...


class _Pending(msgspec.Struct, frozen=True, kw_only=True):
    """The slot that a probe in flight is for."""

    slot: Slot
    sent_ms: int
    lateness_us: int


class IcmpLoop:
    """``run()`` once, in a thread of its own; ``stop()`` and ``replace_targets()`` from any.

    The sockets stay the caller's, who closes them after ``run()`` has returned. The
    clock is read in nanoseconds (:class:`~netwatch.clock.SystemClock` has them).
    """

    def __init__(
        self,
        *,
        sockets: IcmpSockets,
        cadence: Cadence,
        targets: Iterable[IcmpTarget],
        clock: StampClock,
        emit: Callable[[LoopReport], None],
    ) -> None:
        self._sockets = sockets
        self._cadence = cadence
        self._clock = clock
        self._emit = emit
        self._exchange = Exchange(sockets, clock)
        self._targets = _resolve_targets(targets)
        self._pending: dict[Flight, _Pending] = {}
        self._probes: list[FinishedProbe] = []
        self._rounds: list[Round] = []
        self._missed: list[Slot] = []
        self._lateness = WorstOfWindow(_LATENESS_WINDOW_MS)
        self._stall: tuple[int, int] | None = None
        self._emitted_ms = self._now_ms()
        self._replacements: deque[tuple[dict[str, _Resolved], Cadence | None]] = deque()
        self._stopping = threading.Event()
        self._wake_lock = threading.Lock()  # so that nobody writes to a number given away since
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def run(self) -> None:
        """Probes until :meth:`stop`. Raises what ``emit`` and the cadence raise, nothing else."""
        asleep, listening = select.poll(), select.poll()
        for poll in (asleep, listening):
            poll.register(self._wake, select.POLLIN)
        for opened in self._sockets.opened():
            listening.register(opened.fileno(), select.POLLIN)
        expected_ms = self._now_ms()
        disturbed = False  # the sockets woke us
        try:
            while not self._stopping.is_set():
                now_ms = self._now_ms()
                self._note_stall(expected_ms, now_ms)
                finished = self._turn(now_ms)
                self._report(now_ms)
                expected_ms = max(now_ms, self._next_wake_ms())
                # Woken for nothing of ours: someone is shouting, so the ear is closed a while.
                pause = disturbed and not finished
                if pause:
                    expected_ms = min(expected_ms, now_ms + COALESCE_MS)
                wait_ms = max(0, expected_ms - self._now_ms())
                sleeping = pause or self._may_sleep_through(wait_ms)
                woken_by = (asleep if sleeping else listening).poll(wait_ms)
                disturbed = any(handle != self._wake for handle, _ in woken_by)
                if woken_by and not disturbed:
                    os.eventfd_read(self._wake)
            self._report(self._now_ms(), at_once=True)
        finally:
            with self._wake_lock:
                os.close(self._wake)
                self._wake = -1

    def stop(self) -> None:
        """Ends :meth:`run` soon; what is still in flight is left unsaid."""
        self._stopping.set()
        self._rouse()

    def replace_targets(
        self, targets: Iterable[IcmpTarget], cadence: Cadence | None = None
    ) -> None:
        """From the next turn on, these targets, and with them a new plan if one is given.

        Probes in flight to a target that stays as it is, under the same plan, go on; the
        others end with the reason ``replaced``. Raises ``ValueError`` when an address is
        not literal; then nothing is replaced.
        """
        self._replacements.append((_resolve_targets(targets), cadence))
        self._rouse()

    # -- one turn ------------------------------------------------------------------

    def _turn(self, now_ms: int) -> bool:
        """Reads answers, gives up, sends what is due; whether any probe ended."""
        # Before the answers are read, so that none that is in time is given up unread.
        now_ns = self._clock.monotonic_ns()
        settled = self._exchange.collect()
        settled.extend(self._exchange.expire(now_ns))
        for each in settled:
            self._finish(each, now_ms)
        while self._replacements:
            self._replace(*self._replacements.popleft(), now_ms)
        if self._cadence.wake_ms() <= now_ms:
            for slot in self._cadence.take_due(now_ms):
                self._send(slot, now_ms)
            self._missed.extend(self._cadence.take_missed())
        self._rounds.extend(self._cadence.take_rounds())
        return bool(settled)

    def _send(self, slot: Slot, now_ms: int) -> None:
        resolved = self._targets.get(slot.target_id)
        if resolved is None:  # taken away without a new plan
            self._end_unsent(slot, "replaced", now_ms, lateness_us=0)
            return
        target = resolved.target
        lateness_us = max(0, self._clock.monotonic_ns() - slot.due_ms * _NS_PER_MS) // 1_000
        self._lateness.note(now_ms, lateness_us)
        flight = self._exchange.send(
            resolved.destination, timeout_ms=target.timeout_ms, ttl=target.ttl
        )
        if isinstance(flight, str):
            self._end_unsent(slot, flight, now_ms, lateness_us)
            return
        sent_ms = flight.departed_ns // _NS_PER_MS
        self._pending[flight] = _Pending(slot=slot, sent_ms=sent_ms, lateness_us=lateness_us)
        self._cadence.sent(slot, sent_ms)

    def _end_unsent(self, slot: Slot, reason: str, now_ms: int, lateness_us: int) -> None:
        self._cadence.sent(slot, now_ms)
        self._end(_Pending(slot=slot, sent_ms=now_ms, lateness_us=lateness_us), reason, now_ms)

    def _finish(self, settled: Settled, now_ms: int) -> None:
        pending = self._pending.pop(settled.flight, None)
        if pending is None:
            return
        if settled.rtt_us is not None:
            # A probe may wait in this machine for its neighbour's address while a cable is
            # out: an answer proves the line from when it really left, not from before.
            departed_ms = settled.flight.departed_ns // _NS_PER_MS
            pending = msgspec.structs.replace(pending, sent_ms=max(pending.sent_ms, departed_ms))
        self._end(pending, settled.reason, now_ms, settled)

    def _end(
        self, pending: _Pending, reason: str | None, now_ms: int, settled: Settled | None = None
    ) -> None:
        rtt_us = None if settled is None else settled.rtt_us
        self._probes.append(
            FinishedProbe(
                target_id=pending.slot.target_id,
                round=pending.slot.round,
                due_ms=pending.slot.due_ms,
                sent_ms=pending.sent_ms,
                rtt_us=rtt_us,
                reason=reason,
                lateness_us=pending.lateness_us,
                hop=None if settled is None else settled.hop,
                kernel_timed=settled is not None and settled.kernel_timed,
                clock_stepped=settled is not None and settled.clock_stepped,
            )
        )
        self._cadence.settle(
            pending.slot, sent_ms=pending.sent_ms, rtt_us=rtt_us, reason=reason, now_ms=now_ms
        )

    def _replace(self, targets: dict[str, _Resolved], cadence: Cadence | None, now_ms: int) -> None:
        for flight, pending in list(self._pending.items()):
            name = pending.slot.target_id
            if cadence is None and targets.get(name) == self._targets.get(name):
                continue
            self._exchange.withdraw(flight)
            del self._pending[flight]
            self._end(pending, "replaced", now_ms)
        self._rounds.extend(self._cadence.take_rounds())
        self._missed.extend(self._cadence.take_missed())
        self._targets = targets
        if cadence is not None:
            self._cadence = cadence

    def _report(self, now_ms: int, *, at_once: bool = False) -> None:
        due = now_ms - self._emitted_ms >= HEARTBEAT_MS
        if not (due or at_once or self._rounds or self._missed or self._stall):
            return
        stall, self._stall = self._stall, None
        report = LoopReport(
            at_ms=now_ms,
            probes=tuple(self._probes),
            rounds=tuple(self._rounds),
            missed_slots=tuple(self._missed),
            missed=self._cadence.missed,
            send_lateness_us=self._lateness.worst(now_ms),
            counters=self._exchange.counters(),
            stalled_from_ms=None if stall is None else stall[0],
            stalled_to_ms=None if stall is None else stall[1],
        )
        self._probes.clear()
        self._rounds.clear()
        self._missed.clear()
        self._emitted_ms = now_ms
        self._emit(report)

    # -- waiting ---------------------------------------------------------------------

    def _now_ms(self) -> int:
        return self._clock.monotonic_ns() // _NS_PER_MS

    def _note_stall(self, expected_ms: int, now_ms: int) -> None:
        if now_ms - expected_ms > STALL_MS:
            self._stall = (expected_ms, now_ms)

    def _next_wake_ms(self) -> int:
        wake_ms = min(self._cadence.wake_ms(), self._emitted_ms + HEARTBEAT_MS)
        deadline_ns = self._exchange.next_deadline_ns()
        return wake_ms if deadline_ns is None else min(wake_ms, deadline_ns // _NS_PER_MS + 1)

    def _may_sleep_through(self, wait_ms: int) -> bool:
        """Whether nothing is lost by leaving in the kernel what comes in meanwhile."""
        if not self._exchange.kernel_stamped:
            return False
        return wait_ms <= COALESCE_MS or not self._exchange.in_flight

    def _rouse(self) -> None:
        with self._wake_lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)


class _Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """A target with the address that the kernel wants."""

    target: IcmpTarget
    destination: Destination


def _resolve_targets(targets: Iterable[IcmpTarget]) -> dict[str, _Resolved]:
    return {
        target.id: _Resolved(target=target, destination=parse_destination(target.address))
        for target in targets
    }
