"""Round trips counted by stretch of time, read block by block.

Rule of this file: the order of recording is nearly that of time, so a stretch is closed,
and let go, as soon as no later row can add to it; a block that lies within one stretch is
not taken apart by instants. A probe that was skipped or is not to be trusted is in nothing.
Reads only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from netwatch.core.intervals import Interval
from netwatch.core.minute_columns import unpack_latency
from netwatch.core.round_trips import RoundTripCount, StretchCount
from netwatch.records import Outcome
from netwatch.store.entries import ROW_SPAN_MS
from netwatch.store.queries import KEY_SLACK_MS, Block, Reader

#: A probe is recorded that much after a later one at most; of an hour that is lived twice,
#: because a clock was put back, the first reading stands.
_LATE_MS = 120_000


def count_round_trips(
    reader: Reader, stretches: Sequence[Interval], check_ids: Collection[str]
) -> Iterator[StretchCount]:
    """What these checks brought in each stretch (UTC), by stretch and check.

    ``stretches`` ascend and do not overlap. Probes belong where they were due. A check
    without probe in a stretch is not named; an answer without a measured time counts
    nowhere. Raises StoreError.
    """
    if any(before[1] > after[0] for before, after in pairwise(stretches)):
        raise ValueError("stretches must ascend and not overlap")
    if not stretches:
        return
    names = {
        check.number: check.check_id
        for check in reader.read_checks()
        if check.check_id in check_ids
    }
    counting = _Counting(stretches, names)
    for block in reader.read_blocks(stretches[0][0], stretches[-1][1]):
        counting.add(block)
        if counting.latest_ms - _LATE_MS >= counting.next_end_ms:
            yield from counting.settle(counting.latest_ms - _LATE_MS)
    yield from counting.settle(stretches[-1][1])


class _Counting:
    """Which stretch each probe is of."""

    def __init__(self, stretches: Sequence[Interval], names: dict[int, str]) -> None:
        self._stretches = stretches
        self._starts = [start for start, _ in stretches]
        self._names = names
        self._open: dict[int, RoundTripCount] = {}
        self._settled = 0
        self.latest_ms = 0  # the newest beginning of a row
        self.next_end_ms = stretches[0][1]  # of the first that is not settled

    def add(self, block: Block) -> None:
        first_ms, until_ms = block.start_ms - KEY_SLACK_MS, block.start_ms + ROW_SPAN_MS
        self.latest_ms = max(self.latest_ms, block.start_ms)
        index = self._find(first_ms)
        if (
            index >= 0
            and until_ms <= self._stretches[index][1]
            and first_ms >= self.latest_ms - _LATE_MS
        ):
            self._count(index).add_block(block.packed)
        else:
            self._add_by_instant(block)

    def settle(self, before_ms: int) -> Iterator[StretchCount]:
        """The stretches that end by then."""
        stretches = self._stretches
        while self._settled < len(stretches) and stretches[self._settled][1] <= before_ms:
            if self._settled in self._open:
                yield from self._open.pop(self._settled).settle(*stretches[self._settled])
            self._settled += 1
        self.next_end_ms = stretches[min(self._settled, len(stretches) - 1)][1]

    def _add_by_instant(self, block: Block) -> None:
        for series in unpack_latency(block.packed):
            if series.outcome is Outcome.ANSWERED and series.rtt_us:
                lost = False
            elif series.outcome is Outcome.FAILED:
                lost = True
            else:
                continue
            if series.check_number not in self._names:
                continue
            sent_ms = [due_ms + block.offset_ms for due_ms in series.due_ms]
            at = bisect_left(sent_ms, self.latest_ms - _LATE_MS)
            while at < len(sent_ms):
                index = self._find(sent_ms[at])
                end_ms = self._stretches[index][1] if index >= 0 else self._starts[0]
                if end_ms <= sent_ms[at]:  # between two stretches, or after the last
                    if index + 1 == len(self._stretches):
                        break
                    at = bisect_left(sent_ms, self._starts[index + 1], at)
                    continue
                until = bisect_left(sent_ms, end_ms, at)
                if index >= 0:
                    times = () if lost else series.rtt_us[at:until]
                    self._count(index).add(
                        series.check_number, times, lost=until - at if lost else 0
                    )
                at = until

    def _find(self, at_ms: int) -> int:
        """The last stretch that begins by then; -1 where none does."""
        return bisect_right(self._starts, at_ms) - 1

    def _count(self, index: int) -> RoundTripCount:
        if index not in self._open:
            self._open[index] = RoundTripCount(self._names)
        return self._open[index]
