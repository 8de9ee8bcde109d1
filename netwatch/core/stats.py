"""Statistics of samples some of which never came back.

Rule of this file: a lost sample has no value, so it is left out of a mean and sorts as
infinite in a percentile (RFC 2681, STANDARDS.md 2); results are exact (integers and
fractions), and carry no rounding. It knows nothing of targets, units or time of day.

Percentiles are by nearest rank: the p-th percentile of n samples is the one at rank
⌈p·n/100⌉ of the sorted samples, rank 1 at least: the smallest value that at least p % of
all samples do not exceed (the empirical distribution function of RFC 2330, 11.3). It
is always a value that was measured, or ``INFINITE`` when the rank falls among the lost.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, chain
from operator import mul, sub
from typing import TYPE_CHECKING

import msgspec

#: The value of a lost sample where samples are put in order.
INFINITE = math.inf

Percent = int | str | Fraction | Decimal


class Ranked:
    """What follows from samples in order, however they are kept."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def lost(self) -> int: ...
        @property
        def answered(self) -> int: ...
        @property
        def minimum(self) -> int | None: ...
        def at_rank(self, rank: int) -> int | float: ...

    @property
    def sent(self) -> int:
        return self.answered + self.lost

    def percentile(self, percent: Percent) -> int | float | None:
        """The nearest-rank percentile over answered and lost; None with no sample.

        >>> distribution([10, 20, 30], lost=1).percentile(75)
        30
        >>> distribution([10, 20, 30], lost=1).percentile("99.9")
        inf
        >>> distribution([]).percentile(50) is None
        True
        """
        share = Fraction(percent) / 100
        if not 0 <= share <= 1:
            raise ValueError(f"a percentile lies between 0 and 100, got {percent}")
        if self.sent == 0:
            return None
        return self.at_rank(max(1, math.ceil(share * self.sent)))

    def median(self) -> Fraction | float | None:
        """The middle sample, or the mean of the two central ones (RFC 2330, 11.3).

        >>> distribution([1, 2, 4, 8]).median()
        Fraction(3, 1)
        >>> distribution([1], lost=1).median()
        inf
        """
        if self.sent == 0:
            return None
        low, high = self.at_rank((self.sent + 1) // 2), self.at_rank(self.sent // 2 + 1)
        if isinstance(low, float) or isinstance(high, float):
            return INFINITE
        return Fraction(low + high, 2)

    def variation(self, percent: Percent = "99.9") -> int | float | None:
        """Packet delay variation: a high percentile less the minimum (RFC 5481, 4.2 and 6.5).

        >>> distribution([10, 11, 14]).variation()
        4
        """
        high = self.percentile(percent)
        if high is None or self.minimum is None:
            return high
        return high - self.minimum

    def loss(self) -> Fraction | None:
        """The lost among the sent; None when nothing was sent."""
        return share(self.lost, self.sent)


class Distribution(Ranked, msgspec.Struct, frozen=True, kw_only=True):
    """Samples in order, equal ones counted together; made by `distribution` or `from_counts`.

    A month of one target has a quarter of a million samples, and far fewer values.
    """

    values: Sequence[int]  # ascending, distinct
    cumulated: Sequence[int]  # how many samples are <= values[i]
    lost: int

    @property
    def answered(self) -> int:
        return self.cumulated[-1] if self.cumulated else 0

    @property
    def minimum(self) -> int | None:
        return self.values[0] if self.values else None

    @property
    def maximum(self) -> int | None:
        """The largest that was answered."""
        return self.values[-1] if self.values else None

    @property
    def total(self) -> int:
        """The answered added up."""
        # Each value as often as there are samples: what is not below it, of all.
        steps = map(sub, self.cumulated, chain((0,), self.cumulated))
        return sum(map(mul, self.values, steps))

    def at_rank(self, rank: int) -> int | float:
        """The sample at a rank, from 1 to ``sent``; ``INFINITE`` among the lost."""
        if rank > self.answered:
            return INFINITE
        return self.values[bisect_left(self.cumulated, rank)]

    def mean(self) -> Fraction | None:
        """The mean of the answered; None when none was.

        >>> distribution([1, 2, 4], lost=7).mean()
        Fraction(7, 3)
        """
        if not self.values:
            return None
        return Fraction(self.total, self.answered)

    def share_at_most(self, limit: int) -> Fraction | None:
        """The share of all samples that do not exceed the limit; a lost one does.

        >>> distribution([10, 20], lost=2).share_at_most(15)
        Fraction(1, 4)
        """
        return share(self.count_at_most(limit), self.sent)

    def count_at_most(self, limit: int) -> int:
        """How many answered ones do not exceed the limit."""
        index = bisect_right(self.values, limit)
        return self.cumulated[index - 1] if index else 0

    def share_at_least(self, floor: int) -> Fraction | None:
        """The share of all samples that reach the floor; a lost one does not count as reaching.

        >>> distribution([10, 20], lost=2).share_at_least(15)
        Fraction(1, 4)
        """
        index = bisect_left(self.values, floor)
        below = self.cumulated[index - 1] if index else 0
        return share(self.answered - below, self.sent)


def distribution(samples: Iterable[int], lost: int = 0) -> Distribution:
    """Samples in any order, and how many more never came back.

    >>> distribution([3, 1, 3]).values
    (1, 3)
    """
    counts: dict[int, int] = {}
    for sample in samples:
        counts[sample] = counts.get(sample, 0) + 1
    return from_counts(counts, lost)


def from_counts(counts: Mapping[int, int], lost: int = 0) -> Distribution:
    """The same from values and how often each occurs, as a database groups them.

    >>> from_counts({5: 2, 3: 1}, lost=1).sent
    4
    """
    if lost < 0 or any(count < 0 for count in counts.values()):
        raise ValueError("a sample cannot occur fewer than 0 times")
    values = tuple(sorted(value for value, count in counts.items() if count))
    return Distribution(
        values=values, cumulated=tuple(accumulate(counts[value] for value in values)), lost=lost
    )


def from_ordered(values: Sequence[int], counts: Iterable[int], lost: int = 0) -> Distribution:
    """The same from values that ascend, and how often each occurs (once at least).

    >>> from_ordered((3, 5), (1, 2)).percentile(50)
    5
    """
    # As numbers and not as objects: a month has many of these.
    return Distribution(
        values=values if isinstance(values, array) else array("q", values),
        cumulated=array("q", accumulate(counts)),
        lost=lost,
    )


def merge(parts: Iterable[Distribution]) -> Distribution:
    """All samples of several distributions as one.

    >>> merge([distribution([1, 2], lost=1), distribution([2])]).cumulated
    (1, 3)
    """
    counts: dict[int, int] = {}
    lost = 0
    for part in parts:
        lost += part.lost
        below = 0
        for value, cumulated in zip(part.values, part.cumulated, strict=True):
            counts[value] = counts.get(value, 0) + cumulated - below
            below = cumulated
    return from_counts(counts, lost)


def percentile(samples: Iterable[int], percent: Percent, lost: int = 0) -> int | float | None:
    """One nearest-rank percentile; see `Distribution.percentile`.

    >>> percentile([15, 20, 35, 40, 50], 30)
    20
    """
    return distribution(samples, lost).percentile(percent)


def share(part: int, whole: int) -> Fraction | None:
    """A share as an exact fraction; None of nothing.

    >>> share(1, 3), share(0, 0)
    (Fraction(1, 3), None)
    """
    return Fraction(part, whole) if whole else None


def trimmed_mean(samples: Sequence[int], percent: Percent = 95) -> Fraction | None:
    """The mean of the samples that do not exceed their own percentile.

    It is the summary of draft-ietf-ippm-responsiveness. None with no sample.

    >>> trimmed_mean([10] * 19 + [500])
    Fraction(10, 1)
    """
    limit = percentile(samples, percent)
    if limit is None:
        return None
    kept = [sample for sample in samples if sample <= limit]
    return Fraction(sum(kept), len(kept))


def interarrival_jitter(delays: Iterable[int | None]) -> int | None:
    """RFC 3550 jitter of delays in the order of sending, in their own unit.

    ``J += (|D| − J)/16`` in the integer arithmetic of the RFC's appendix A.8, D between
    one answered sample and the next; a lost one (None) is passed over. None before two
    samples were answered.

    >>> interarrival_jitter([100, 132, None, 100])
    3
    >>> interarrival_jitter([100, None]) is None
    True
    """
    before: int | None = None
    scaled: int | None = None
    for delay in delays:
        if delay is None:
            continue
        if before is not None:
            scaled = 0 if scaled is None else scaled
            scaled += abs(delay - before) - ((scaled + 8) >> 4)
        before = delay
    return None if scaled is None else scaled >> 4
