"""Degraded or not: windows of loss and latency against the contract's thresholds.

Rule of this file (STANDARDS.md, 1): a window that misses a threshold counts for
nothing alone; a run of ``after_windows`` such windows in a row is degraded, from the
first one's beginning to the last one's end. A window in which the line was not up
throughout, or in which too little was measured, ends the run: what is said against
an operator is said of whole windows that were seen.

Pure; monotonic milliseconds. It knows no contract, only its two numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from netwatch.records import Cause, RoundProbe, Span, Verdict


class QualityRule(msgspec.Struct, frozen=True, kw_only=True):
    maximum_loss: Fraction | None  # None: the contract is silent
    maximum_rtt_us: int | None
    window_ms: int = 60_000
    after_windows: int = 5
    minimum_samples: int = 5


class Quality:
    """The run of windows of one line.

    ``settled_ms`` is the instant before which no span can still be added: the
    beginning of a run that may yet become degraded, or the end of the last window.
    """

    def __init__(self, rule: QualityRule, start_ms: int) -> None:
        self._rule = rule
        # Whole windows only: the first begins at a multiple of the window.
        self._next_ms = -(-start_ms // rule.window_ms) * rule.window_ms
        self._run: list[Span] = []  # by cause; all of it degraded once it is long enough
        self._run_windows = 0
        self.current: Cause | None = None
        self.settled_ms = start_ms

    @property
    def window_ms(self) -> int:
        return self._rule.window_ms

    @property
    def next_end_ms(self) -> int:
        """The end of the window that is to be judged next."""
        return self._next_ms + self._rule.window_ms

    def judge(self, probes: Sequence[RoundProbe], *, up_throughout: bool) -> list[Span]:
        """Judge the next window by the internet probes sent in it.

        Returns the degraded spans that have begun or grown: each named by its
        start, to replace what was returned for that start before.
        """
        start_ms, end_ms = self._next_ms, self.next_end_ms
        self._next_ms = end_ms
        cause = find_miss(probes, self._rule) if up_throughout else None
        if cause is None:
            self._run, self._run_windows = [], 0
            self.current = None
            self.settled_ms = end_ms
            return []
        self._run = extend_run(self._run, start_ms, end_ms, cause)
        self._run_windows += 1
        if self._run_windows < self._rule.after_windows:
            self.settled_ms = self._run[0].start_ms
            return []
        self.settled_ms = end_ms
        self.current = cause
        spans, self._run = self._run, self._run[-1:]
        return spans


def find_miss(probes: Sequence[RoundProbe], rule: QualityRule) -> Cause | None:
    """Which threshold a window misses: loss before latency; None when neither, or too little seen.

    A target that answered nothing while others did is dead, and says nothing about
    the line. Lost probes sort as infinite in the median (RFC 6703).

    >>> from netwatch.records import Role
    >>> def probe(rtt_us): return RoundProbe(target_id="a", role=Role.INTERNET, sent_ms=0, rtt_us=rtt_us)
    >>> rule = QualityRule(maximum_loss=Fraction(1, 100), maximum_rtt_us=40_000)
    >>> find_miss([probe(20_000)] * 10, rule)
    >>> find_miss([probe(60_000)] * 10, rule).value
    'latency'
    >>> find_miss([probe(20_000)] * 9 + [probe(None)], rule).value
    'loss'
    """
    alive = {probe.target_id for probe in probes if probe.rtt_us is not None}
    heard = [probe for probe in probes if probe.target_id in alive]
    if len(heard) < rule.minimum_samples:
        return None
    lost = sum(1 for probe in heard if probe.rtt_us is None)
    if rule.maximum_loss is not None and Fraction(lost, len(heard)) > rule.maximum_loss:
        return Cause.LOSS
    if rule.maximum_rtt_us is not None:
        answered = sorted(probe.rtt_us for probe in heard if probe.rtt_us is not None)
        middle = (len(heard) - 1) // 2  # nearest rank, the lost last
        if middle >= len(answered) or answered[middle] > rule.maximum_rtt_us:
            return Cause.LATENCY
    return None


def extend_run(run: Sequence[Span], start_ms: int, end_ms: int, cause: Cause) -> list[Span]:
    """The run with one more window: the last span grows, or a new cause begins one.

    >>> run = extend_run([], 0, 60, Cause.LOSS)
    >>> run = extend_run(run, 60, 120, Cause.LOSS)
    >>> [(span.cause.value, span.end_ms) for span in extend_run(run, 120, 180, Cause.LATENCY)]
    [('loss', 120), ('latency', 180)]
    """
    kept = list(run)
    if kept and kept[-1].cause is cause:
        start_ms = kept.pop().start_ms
    kept.append(Span(verdict=Verdict.DEGRADED, cause=cause, start_ms=start_ms, end_ms=end_ms))
    return kept
