"""One deadline for everything that a probe does in one slot.

Rule of this file: time left and time gone, on the monotonic clock that it is handed.
It knows no socket and no probe.
"""

from __future__ import annotations

from collections.abc import Callable

#: Nanoseconds of ``CLOCK_MONOTONIC``; what a probe is handed to tell time by.
MonotonicNs = Callable[[], int]


class Deadline:
    """The end of a slot, ``timeout_ms`` after it was made.

    >>> instants = iter([0, 1_500_000, 2_500_000])
    >>> deadline = Deadline(2, lambda: next(instants))
    >>> deadline.remaining_ms(), deadline.remaining_ms()
    (1, 0)
    """

    __slots__ = ("_end_ns", "monotonic_ns")

    def __init__(self, timeout_ms: int, monotonic_ns: MonotonicNs) -> None:
        self.monotonic_ns = monotonic_ns
        self._end_ns = monotonic_ns() + timeout_ms * 1_000_000

    def remaining_ms(self) -> int:
        """Whole milliseconds left, rounded up so that a poll never spins; 0 when past."""
        return max(0, -(-(self._end_ns - self.monotonic_ns()) // 1_000_000))

    def remaining_s(self) -> float:
        """Seconds left, for ``socket.settimeout``, which takes 0 for "never wait".

        Raises TimeoutError when none are left.
        """
        left_ns = self._end_ns - self.monotonic_ns()
        if left_ns <= 0:
            raise TimeoutError
        return left_ns / 1e9

    def slice(self, parts: int) -> Deadline:
        """A nearer deadline: an equal share of what is left, for one of ``parts`` tries."""
        return Deadline(self.remaining_ms() // max(1, parts), self.monotonic_ns)


def elapsed_us(start_ns: int, end_ns: int) -> int:
    """Microseconds between two readings of the monotonic clock.

    >>> elapsed_us(1_000_000, 3_500_000)
    2500
    """
    return (end_ns - start_ns) // 1_000
