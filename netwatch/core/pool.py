"""Many distributions taken as one: a month from its days.

Rule of this file: nothing is put together; a rank is looked for in all parts at once, which
for a month of one target is a few hundred look-ups instead of a hundred thousand additions.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from netwatch.core.stats import INFINITE, Distribution, Ranked, share


class Pool(Ranked, msgspec.Struct, frozen=True):
    """Several distributions taken as one, without putting them together.

    >>> from netwatch.core.stats import distribution
    >>> pool = Pool((distribution([1, 2, 2], lost=1), distribution([]), distribution([4])))
    >>> pool.sent, pool.percentile(40), pool.percentile(80), pool.percentile(81)
    (5, 2, 4, inf)
    >>> pool.mean()
    Fraction(9, 4)
    """

    parts: tuple[Distribution, ...]

    @property
    def answered(self) -> int:
        return sum(part.answered for part in self.parts)

    @property
    def lost(self) -> int:
        return sum(part.lost for part in self.parts)

    @property
    def minimum(self) -> int | None:
        return min((part.values[0] for part in self.parts if part.values), default=None)

    def at_rank(self, rank: int) -> int | float:
        """The sample at a rank, from 1 to ``sent``; ``INFINITE`` among the lost."""
        parts = [part for part in self.parts if part.values]
        if rank > self.answered:
            return INFINITE
        low = min(part.values[0] for part in parts)
        high = max(part.values[-1] for part in parts)
        while low < high:  # the smallest value that so many do not exceed
            middle = (low + high) // 2
            if sum(part.count_at_most(middle) for part in parts) >= rank:
                high = middle
            else:
                low = middle + 1
        return low

    def mean(self) -> Fraction | None:
        """The mean of the answered; None when none was."""
        return share(sum(part.total for part in self.parts), self.answered)


def pool(parts: Iterable[Ranked]) -> Pool:
    """Distributions, and pools of them, as one pool.

    >>> from netwatch.core.stats import distribution
    >>> pool([pool([distribution([1])]), distribution([3])]).percentile(100)
    3
    """
    return Pool(
        tuple(
            distribution
            for part in parts
            for distribution in (part.parts if isinstance(part, Pool) else (part,))
            if isinstance(distribution, Distribution)
        )
    )
