"""The batches that wait for the disk, bounded.

The law of this file: what is over the bound leaves in the order of its worth: the oldest
raw observations first, spans only when nothing else is left, totals never; and what
left is counted. Pure; it knows no thread and no database.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from netwatch.store.batch import Batch, join_batches
from netwatch.store.compact import CompactObservations

#: At defaults 156 observations a minute at about 400 bytes: two hours in 8 MB.
MAX_OBSERVATIONS = 20_000
MAX_SPANS = 5_000
MAX_BATCHES = 150


class Backlog:
    """A queue whose head stays until it is settled.

    >>> backlog = Backlog()
    >>> backlog.add(Batch(run_id=1, anchor=None, watched_to_mono_ms=5))
    >>> [batch.watched_to_mono_ms for batch in backlog.take(10)], len(backlog)
    ([5], 1)
    >>> backlog.settle(1)
    >>> len(backlog)
    0
    """

    def __init__(
        self,
        *,
        max_observations: int = MAX_OBSERVATIONS,
        max_spans: int = MAX_SPANS,
        max_batches: int = MAX_BATCHES,
    ) -> None:
        self._max_observations = max_observations
        self._max_spans = max_spans
        self._max_batches = max_batches
        self._batches: list[Batch] = []
        self._tried = 0  # so many at the head were handed out: they are joined no more
        self.dropped_observations = 0
        self.dropped_spans = 0

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def observations(self) -> int:
        return sum(len(batch.observations) for batch in self._batches)

    def sequences(self) -> list[int | None]:
        return [batch.sequence for batch in self._batches]

    def list_held(self, sequences: Collection[int]) -> tuple[Batch, ...]:
        """Of what waits, the batches with these sequences, oldest first."""
        return tuple(batch for batch in self._batches if batch.sequence in sequences)

    def add(self, batch: Batch) -> None:
        """Take a batch in, and drop or join what is over the bound."""
        self._batches.append(batch)
        excess = self.observations - self._max_observations
        index = 0
        while excess > 0:
            excess -= self._strip(index)
            index += 1
        if len(self._batches) > self._max_batches:
            self._join_oldest()
        excess = sum(len(batch.spans) for batch in self._batches) - self._max_spans
        index = 0
        while excess > 0:
            held = self._batches[index].spans
            dropped = min(excess, len(held))
            self._batches[index] = msgspec.structs.replace(
                self._batches[index], spans=held[dropped:]
            )
            self.dropped_spans += dropped
            excess -= dropped
            index += 1

    def next_new(self) -> Batch | None:
        """The oldest that was not handed out yet."""
        return self._batches[self._tried] if self._tried < len(self._batches) else None

    def mark_handed_out(self) -> None:
        """What `next_new` returned is written down somewhere under its own sequence.

        It may wait for minutes now: its observations are kept small.
        """
        batch = self._batches[self._tried]
        if batch.observations:
            self._batches[self._tried] = msgspec.structs.replace(
                batch, observations=CompactObservations(batch.observations)
            )
        self._tried += 1

    def take(self, most: int) -> tuple[Batch, ...]:
        """The oldest batches; they stay until they are settled."""
        taken = tuple(self._batches[:most])
        self._tried = max(self._tried, len(taken))
        return taken

    def settle(self, count: int) -> None:
        """So many of the oldest are in the books."""
        del self._batches[:count]
        self._tried = max(0, self._tried - count)

    def strip_oldest(self, count: int) -> None:
        """Drop the observations of so many of the oldest: no block can hold them."""
        for index in range(min(count, len(self._batches))):
            self._strip(index)

    def _strip(self, index: int) -> int:
        batch = self._batches[index]
        if batch.observations:
            self._batches[index] = msgspec.structs.replace(batch, observations=())
        self.dropped_observations += len(batch.observations)
        return len(batch.observations)

    def _join_oldest(self) -> None:
        """Join the oldest two that may be.

        One that was handed out is left alone: if its commit took hold though it was
        reported to have failed, its sequence says so, and a joint one could not.
        """
        for index in range(self._tried, len(self._batches) - 1):
            first, second = self._batches[index], self._batches[index + 1]
            if first.run_id == second.run_id and not first.observations and not second.observations:
                self._batches[index : index + 2] = [join_batches(first, second)]
                return
