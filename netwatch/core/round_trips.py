"""Round trips counted by check and value, as they come out of packed blocks.

Rule of this file: every value is kept exactly, and touched as rarely as can be: a month of
one site has millions, so blocks of one width are put behind one another and unpacked
together. When one probe was sent is not asked here. Pure.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from netwatch.core.columns import add_lanes
from netwatch.core.minute_columns import RoundTripColumn, unpack_round_trips

#: So many values wait to be counted: enough for one pass, few enough for a processor's cache.
_WAITING = 12_000


class StretchCount(msgspec.Struct, frozen=True, kw_only=True):
    """One target's round trips of a stretch of time: how often each value came, and the lost."""

    start_ms: int  # UTC; half-open
    end_ms: int
    target: str
    values: Sequence[int]  # µs, ascending, distinct
    counts: Sequence[int]  # of the same length, none is 0
    lost: int


class RoundTripCount:
    """Counts round trips by target; ``targets`` are the names of the checks that are wanted.

    >>> count = RoundTripCount({1: "box", 2: "far", 3: "box"})
    >>> count.add(1, (900, 700, 900)); count.add(3, (), lost=2); count.add(7, (1,))
    >>> [box] = count.settle(0, 60_000)
    >>> box.target, list(box.values), list(box.counts), box.lost
    ('box', [700, 900], [1, 2], 2)
    """

    def __init__(self, targets: Mapping[int, str]) -> None:
        by_target = {target: Counter[int]() for target in sorted(targets.values())}
        self._by_target = by_target
        self._counts = {number: by_target[target] for number, target in targets.items()}
        self._lost: Counter[str] = Counter()
        self._targets = targets
        self._columns: dict[int, list[RoundTripColumn]] = {}
        self._waiting = 0

    def add_block(self, packed: bytes) -> None:
        """All round trips of a block. Raises StoreCorrupt for one that is not sound."""
        for column in unpack_round_trips(packed):
            if column.lost:
                for number, lost in zip(column.numbers, column.counts, strict=True):
                    self.add(number, (), lost=lost)
            elif not self._counts.keys().isdisjoint(column.numbers):
                self._columns.setdefault(column.width, []).append(column)
                self._waiting += len(column.planes) // (column.width or 1)
        if self._waiting > _WAITING:
            self._count()

    def add(self, number: int, rtt_us: Sequence[int], lost: int = 0) -> None:
        """Round trips of one check, and how many more of its probes never came back."""
        if number in self._counts:
            self._counts[number].update(rtt_us)
            self._lost[self._targets[number]] += lost

    def settle(self, start_ms: int, end_ms: int) -> Iterator[StretchCount]:
        """What was counted of each target that has anything, by name, as of this stretch."""
        self._count()
        for target, counts in self._by_target.items():
            if counts or self._lost[target]:
                # As numbers and not as objects: a day of a site has many.
                values = array("q", sorted(counts))
                yield StretchCount(
                    start_ms=start_ms,
                    end_ms=end_ms,
                    target=target,
                    values=values,
                    counts=array("q", map(counts.__getitem__, values)),
                    lost=self._lost[target],
                )

    def _count(self) -> None:
        by_check: dict[int, array[int]] = {}
        for width, columns in self._columns.items():
            counts = list(chain.from_iterable([column.counts for column in columns]))
            values = _join(width, columns, counts)
            numbers = chain.from_iterable([column.numbers for column in columns])
            at = 0
            for number, count in zip(numbers, counts, strict=True):
                until = at + count
                if number in by_check:
                    by_check[number] += values[at:until]
                else:
                    by_check[number] = values[at:until]
                at = until
        for number, own in by_check.items():
            if number in self._counts:  # those of checks that nobody asked for came along
                self._counts[number].update(own)
        self._columns.clear()
        self._waiting = 0


def _join(width: int, columns: Sequence[RoundTripColumn], counts: Sequence[int]) -> array[int]:
    """The values of columns of one width, one behind the other."""
    planes = []
    if width == 1:
        planes = [b"".join([column.planes for column in columns])]
    elif width:
        lengths = [len(column.planes) // width for column in columns]
        planes = [
            b"".join(
                [
                    column.planes[plane * length : (plane + 1) * length]
                    for column, length in zip(columns, lengths, strict=True)
                ]
            )
            for plane in range(width)
        ]
    bases = list(chain.from_iterable([column.bases for column in columns]))
    return add_lanes(planes, bases, counts)
