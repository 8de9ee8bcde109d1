"""Latency of one target as it is shown: the last minutes, and counts since the start.

Rule of this file: it keeps what page and metrics show now; what reports say comes from
the store. Pure; monotonic milliseconds in, microseconds kept.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

from netwatch.core.stats import Distribution, distribution
from netwatch.records import Histogram, Role, RttSummary

WINDOW_MS = 300_000
#: Six buckets from fibre to a loaded mobile line: each is a series in Prometheus for each
#: target, and an agent at its defaults is to have 150. Finer figures come from the store.
BUCKETS_US = (5_000, 10_000, 20_000, 80_000, 320_000)

_LOST = -1  # within this file alone; outside, what was not measured is None


class RttWindow:
    """The probes of one target over the last five minutes, and its totals.

    >>> window = RttWindow("quad9", Role.INTERNET)
    >>> window.add(1_000, 20_000, None)
    >>> window.add(2_000, None, "timeout")
    >>> summary = window.summarise("9.9.9.9", now_ms=3_000)
    >>> summary.sent, summary.lost, summary.median_us
    (2, 1, 20000)
    """

    def __init__(self, target: str, role: Role) -> None:
        self.target = target
        self.role = role
        self.probes = 0
        self.failures: dict[str, int] = {}
        # Two numbers a sample and no object: six thousand of them at twenty targets.
        self._sent_ms = array("q")
        self._rtt_us = array("q")  # _LOST: not answered
        self._counts = [0] * (len(BUCKETS_US) + 1)
        self._sum_us = 0
        self._last_us: int | None = None
        self._jitter_16us = 0  # sixteenths of a microsecond: RFC 3550's filter, in integers
        self._has_jitter = False
        self._answered: bool | None = None

    def add(self, sent_ms: int, rtt_us: int | None, reason: str | None) -> None:
        """One finished probe; ``reason`` says why it was not answered."""
        self.probes += 1
        self._sent_ms.append(sent_ms)
        self._rtt_us.append(_LOST if rtt_us is None else rtt_us)
        if len(self._sent_ms) % 64 == 0:
            self.forget_before(sent_ms)
        self._answered = rtt_us is not None
        if rtt_us is None:
            word = reason or "timeout"
            self.failures[word] = self.failures.get(word, 0) + 1
            return
        index = next(
            (place for place, bound in enumerate(BUCKETS_US) if rtt_us <= bound), len(BUCKETS_US)
        )
        self._counts[index] += 1
        self._sum_us += rtt_us
        if self._last_us is not None:
            difference = abs(rtt_us - self._last_us)
            self._jitter_16us += difference - (self._jitter_16us + 8) // 16
            self._has_jitter = True
        self._last_us = rtt_us

    def note(self, *, answered: bool) -> None:
        """One probe under our own load: it tells whether the target answers, and no latency.

        >>> window = RttWindow("quad9", Role.INTERNET)
        >>> window.note(answered=True)
        >>> window.probes, window.summarise("9.9.9.9", now_ms=0).answered
        (0, True)
        """
        self._answered = answered

    def forget_before(self, now_ms: int) -> None:
        """Let go of what is older than the window."""
        old = bisect_left(self._sent_ms, now_ms - WINDOW_MS)
        del self._sent_ms[:old]
        del self._rtt_us[:old]

    def summarise(self, address: str, *, now_ms: int) -> RttSummary:
        """The window in figures; lost probes sort as infinite in the percentiles."""
        self.forget_before(now_ms)
        answered = [rtt_us for rtt_us in self._rtt_us if rtt_us != _LOST]
        sent = len(self._rtt_us)
        spread = distribution(answered, lost=sent - len(answered))
        return RttSummary(
            target=self.target,
            role=self.role,
            address=address,
            sent=sent,
            lost=sent - len(answered),
            last_us=self._last_us if self._answered else None,
            minimum_us=spread.minimum,
            median_us=_finite(spread, 50),
            p95_us=_finite(spread, 95),
            maximum_us=spread.maximum,
            jitter_us=self._jitter_16us // 16 if self._has_jitter else None,
            answered=self._answered,
        )

    def build_histogram(self) -> Histogram:
        """Totals since the start, cumulative as Prometheus has them."""
        running, counts = 0, []
        for count in self._counts:
            running += count
            counts.append(running)
        return Histogram(bounds_us=BUCKETS_US, counts=tuple(counts), sum_us=self._sum_us)


def _finite(spread: Distribution, percent: int) -> int | None:
    """The percentile, absent where it falls among the lost."""
    value = spread.percentile(percent)
    return value if isinstance(value, int) else None
