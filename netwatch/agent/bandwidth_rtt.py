"""Round trips to one target, ten a second, before a throughput test and during it.

Rule of this file: a second, short-lived ICMP loop with sockets of its own, so that the
line's rounds are not disturbed and enough samples lie within ten seconds of load. What it
hears is the test's alone: it reaches no verdict and no statistics of the line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self

import msgspec

from netwatch.core.stats import distribution
from netwatch.probes.icmp_exchange import StampClock
from netwatch.probes.icmp_loop import IcmpLoop
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.probes.icmp_report import IcmpTarget, LoopReport
from netwatch.records import Round, Slot

EVERY_MS = 100
#: A queue of seconds is a finding, not a loss.
TIMEOUT_MS = 5_000
#: Fewer answers than this give no percentile.
LEAST_SAMPLES = 5
#: What is told of a stretch. TCP keeps a queue full only at its crests (it lets a tenth to a
#: quarter of it run empty at each loss): the median reads a tenth low at any rate, the ninth
#: decile within a twentieth (docs/decisions/0009-bandwidth.md).
PERCENT = 90


class RttSample(msgspec.Struct, frozen=True, kw_only=True):
    """One round trip (monotonic); ``rtt_us`` None: not answered."""

    sent_ms: int
    rtt_us: int | None


class _Pace:
    """`icmp_loop.Cadence` for one target at one pace, whatever is answered."""

    missed = 0

    def __init__(self, target_id: str, start_ms: int, every_ms: int) -> None:
        self._target_id = target_id
        self._due_ms = start_ms
        self._every_ms = every_ms

    def wake_ms(self) -> int:
        return self._due_ms

    def take_due(self, now_ms: int, /) -> tuple[Slot, ...]:
        if now_ms < self._due_ms:
            return ()
        slot = Slot(round=0, target_id=self._target_id, due_ms=self._due_ms)
        # What its time has passed for is let go: samples, not a schedule.
        self._due_ms = max(self._due_ms + self._every_ms, now_ms)
        return (slot,)

    def take_missed(self) -> tuple[Slot, ...]:
        return ()

    def sent(self, slot: Slot, sent_ms: int, /) -> None: ...

    def settle(
        self, slot: Slot, /, *, sent_ms: int, rtt_us: int | None, reason: str | None, now_ms: int
    ) -> None: ...

    def take_rounds(self) -> tuple[Round, ...]:
        return ()


class RttWatch:
    """Samples while it is entered; what it has heard may be asked during and after.

    Without a target or without the right to ICMP it hears nothing, and says None.
    """

    def __init__(
        self,
        address: str | None,
        *,
        clock: StampClock,
        open_sockets: Callable[[], IcmpSockets | None],
        every_ms: int = EVERY_MS,
    ) -> None:
        self._address = address
        self._clock = clock
        self._open = open_sockets
        self._every_ms = every_ms
        self._samples: list[RttSample] = []
        self._sockets: IcmpSockets | None = None
        self._loop: IcmpLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._address is None:
            return self
        self._sockets = self._open()
        if self._sockets is None:
            return self
        target = IcmpTarget(id="loaded", address=self._address, timeout_ms=TIMEOUT_MS)
        start_ms = self._clock.monotonic_ns() // 1_000_000
        self._loop = IcmpLoop(
            sockets=self._sockets,
            cadence=_Pace(target.id, start_ms, self._every_ms),
            targets=[target],
            clock=self._clock,
            emit=self._hear,
        )
        self._thread = threading.Thread(target=self._loop.run, name="loaded-rtt", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.stop()
            self._thread.join()
        if self._sockets is not None:
            self._sockets.close()
        self._loop = self._thread = self._sockets = None

    def _hear(self, report: LoopReport) -> None:
        self._samples += [
            RttSample(sent_ms=probe.sent_ms, rtt_us=probe.rtt_us)
            for probe in report.probes
            if probe.rtt_us is not None or probe.reason == "timeout"
        ]

    def list_samples(self, from_ms: int, to_ms: int) -> list[RttSample]:
        """What was sent in ``[from_ms, to_ms)`` and is settled."""
        return [each for each in list(self._samples) if from_ms <= each.sent_ms < to_ms]

    def find_high(self, from_ms: int, to_ms: int) -> tuple[int | None, int]:
        """What nine in ten of those sent in between took at most (µs), and of how many samples.

        The same with load and without, so that the difference is the load's. Lost ones sort
        as infinite (RFC 6703): where the rank falls among them there is none.
        """
        samples = self.list_samples(from_ms, to_ms)
        return rank_high([each.rtt_us for each in samples]), len(samples)


def rank_high(rtt_us: Sequence[int | None]) -> int | None:
    """The round trip that nine in ten do not exceed; None: not answered.

    >>> rank_high([*range(1, 10), 900]), rank_high([*range(1, 10), None])
    (9, 9)
    >>> rank_high([*range(1, 9), None, None]), rank_high([1, 2, 3, 4])
    (None, None)
    """
    answered = [each for each in rtt_us if each is not None]
    if len(answered) < LEAST_SAMPLES:
        return None
    high = distribution(answered, lost=len(rtt_us) - len(answered)).percentile(PERCENT)
    return high if isinstance(high, int) else None
