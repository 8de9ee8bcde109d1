"""Whether the measuring really goes on: what the watchdog is told rests on this.

Rule of this file: progress is what came out of the measuring, and on its schedule; that a
thread exists or a timer fires is none. It reads no clock, and tells nobody.
"""

from __future__ import annotations

#: The ICMP loop reports every second, whatever the line does.
LOOP_SILENT_MS = 10_000
#: Beyond two intervals and a timeout, for a machine that is slow.
ROUND_GRACE_MS = 10_000


class Progress:
    """Told of every sign of life by the runner; all instants are monotonic milliseconds.

    ``pings``: whether an ICMP loop is there to be heard; else rounds of connections are
    all there is.

    >>> progress = Progress(interval_ms=5_000, timeout_ms=2_000, pings=True, now_ms=0)
    >>> progress.hear_loop(1_000, rounds=True)
    >>> progress.find_stall(9_000) is None
    True
    >>> progress.find_stall(12_000)
    'the ICMP loop has not reported for 11000 ms'
    """

    def __init__(self, *, interval_ms: int, timeout_ms: int, pings: bool, now_ms: int) -> None:
        self._pings = pings
        self._round_limit_ms = 2 * interval_ms + timeout_ms + ROUND_GRACE_MS
        self._loop_heard_ms = now_ms
        self._round_heard_ms = now_ms
        #: How often complete rounds were heard of.
        self.rounds = 0

    def hear_loop(self, now_ms: int, *, rounds: bool) -> None:
        """The ICMP loop has reported; with ``rounds``, one or more that are complete."""
        self._loop_heard_ms = now_ms
        if rounds:
            self.hear_round(now_ms)

    def hear_round(self, now_ms: int) -> None:
        """A round of connections is complete."""
        self._round_heard_ms = now_ms
        self.rounds += 1

    def begin_again(self, now_ms: int) -> None:
        """Other targets are asked from now on: their first round is still to come."""
        self._round_heard_ms = now_ms

    def find_stall(self, now_ms: int) -> str | None:
        """What has ceased, as a clause for the log; None while all goes on."""
        silent_ms = now_ms - self._loop_heard_ms
        if self._pings and silent_ms > LOOP_SILENT_MS:
            return f"the ICMP loop has not reported for {silent_ms} ms"
        without_ms = now_ms - self._round_heard_ms
        if without_ms > self._round_limit_ms:
            return f"no round of probes was completed for {without_ms} ms"
        return None
