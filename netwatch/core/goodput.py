"""From what was counted along the way to one rate.

Rule of this file: pure arithmetic over cumulative counts and instants that it is handed.
Slow start is discarded by leaving out what came before `from_ms`. It knows no socket, and
what is counted is the caller's affair: bytes that arrived, or that were acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """How much had been moved in all, at one instant (monotonic milliseconds)."""

    at_ms: int
    moved_bytes: int


class Goodput(msgspec.Struct, frozen=True, kw_only=True):
    """What went over in the measured stretch, headers left out."""

    from_ms: int
    to_ms: int
    moved_bytes: int

    @property
    def bytes_per_second(self) -> int:
        """Rounded down.

        >>> Goodput(from_ms=0, to_ms=1_500, moved_bytes=1_000).bytes_per_second
        666
        """
        return self.moved_bytes * 1_000 // (self.to_ms - self.from_ms)


def measure_goodput(samples: Sequence[Sample], from_ms: int, to_ms: int) -> Goodput | None:
    """The goodput between the first sample at ``from_ms`` or later and the last by ``to_ms``.

    Samples are in order of time. None where fewer than two samples fall inside, or all at
    one instant: no rate can be told of that. A count that went back counts as nothing.

    >>> counted = [Sample(at_ms=at, moved_bytes=moved)
    ...            for at, moved in ((0, 0), (2_000, 700), (7_000, 3_200), (12_000, 5_700))]
    >>> measure_goodput(counted, 2_000, 12_000)
    Goodput(from_ms=2000, to_ms=12000, moved_bytes=5000)
    >>> measure_goodput(counted, 8_000, 12_000) is None
    True
    """
    inside = [sample for sample in samples if from_ms <= sample.at_ms <= to_ms]
    if not inside or inside[0].at_ms == inside[-1].at_ms:
        return None
    return Goodput(
        from_ms=inside[0].at_ms,
        to_ms=inside[-1].at_ms,
        moved_bytes=max(0, inside[-1].moved_bytes - inside[0].moved_bytes),
    )


def count_silent(last_moved_ms: Iterable[int], now_ms: int, silence_ms: int) -> int:
    """How many streams have moved nothing for that long.

    >>> count_silent([0, 900, 400], now_ms=1_000, silence_ms=600)
    2
    """
    return sum(1 for moved_ms in last_moved_ms if now_ms - moved_ms >= silence_ms)


def is_stalled(last_moved_ms: Sequence[int], now_ms: int, silence_ms: int) -> bool:
    """Whether more than half of the streams have moved nothing for that long.

    One stream alone may wait for its retransmissions on a bad line, and what the others
    carry is then a rate all the same.

    >>> is_stalled([0, 0, 900], 1_000, 600), is_stalled([0, 900], 1_000, 600)
    (True, False)
    """
    return 2 * count_silent(last_moved_ms, now_ms, silence_ms) > len(last_moved_ms)


def is_spent(samples: Sequence[Sample], allowance_bytes: int | None) -> bool:
    """Whether what is moved until the next look would go beyond the allowance.

    It is taken to be as much as since the look before. Without an allowance never.

    >>> counted = [Sample(at_ms=0, moved_bytes=0), Sample(at_ms=100, moved_bytes=40)]
    >>> is_spent(counted, 79), is_spent(counted, 80), is_spent(counted, None)
    (True, False, False)
    """
    if allowance_bytes is None or not samples:
        return False
    latest = samples[-1].moved_bytes
    before = samples[-2].moved_bytes if len(samples) > 1 else 0
    return latest + max(0, latest - before) > allowance_bytes
