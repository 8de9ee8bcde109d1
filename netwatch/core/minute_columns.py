"""A minute's block read by columns, for those who want no observations.

Rule of this file: only what is asked for is unpacked, so that a month of blocks is read in
seconds; columns that do not fit together are refused. What an observation is made of is
`packing`'s, how the block lies on the disk `minute_block`'s.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec

from netwatch.core.columns import Column, unpack_column
from netwatch.core.minute_block import CODES, OUTCOMES, Block, Group, decode_block, refuse_misfit
from netwatch.records import Outcome

_ANSWERED, _FAILED = CODES[Outcome.ANSWERED], CODES[Outcome.FAILED]
#: What is raised where columns are not of the lengths that a group says.
_MISFITS = (ValueError, struct.error)
_NO_COLUMN = Column([], 0, b"")


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Observations of one check that share outcome, reason and kinds of measures, by columns.

    All columns are of one length, in the order of ``due_ms`` (monotonic).
    """

    check_number: int
    outcome: Outcome
    reason: str | None
    due_ms: tuple[int, ...]
    started_ms: tuple[int, ...]
    elapsed_ms: tuple[int, ...]
    measures: Mapping[str, tuple[int, ...]]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Of the same observations only when they were due, how they ended, and ``rtt_us``."""

    check_number: int
    outcome: Outcome
    due_ms: Sequence[int]
    rtt_us: tuple[int, ...]  # empty where that was not measured


class RoundTripColumn(msgspec.Struct, frozen=True, gc=False):
    """Round trips of several checks, one behind the other, still packed (`columns.Column`)."""

    numbers: list[int]  # of the checks, each with so many:
    counts: list[int]
    lost: bool  # none came back: there is nothing but the counts
    bases: Sequence[int] = ()
    width: int = 0
    planes: bytes = b""


def unpack_series(block: bytes) -> list[Series]:
    """The observations of a block by columns, in the order in which they were packed.

    Raises StoreCorrupt for bytes that are no sound block.
    """
    decoded = decode_block(block)
    try:
        return [series for group in decoded.groups for series in _unpack_group(group, decoded)]
    except _MISFITS as error:
        raise refuse_misfit(error) from error


def unpack_latency(block: bytes) -> list[Latency]:
    """Due times and round-trip times alone: a month of them is read in a third of the time.

    Raises StoreCorrupt for bytes that are no sound block.
    """
    decoded = decode_block(block)
    found: list[Latency] = []
    try:
        for group in decoded.groups:
            found += _unpack_latency(group, decoded)
    except _MISFITS as error:
        raise refuse_misfit(error) from error
    return found


def unpack_round_trips(block: bytes) -> list[RoundTripColumn]:
    """The round trips alone, without when they were sent, and hardly unpacked.

    For a reader that knows already that the whole block lies in the time it asks for. A
    check may come more than once; an answer without a measured time comes not at all.
    Raises StoreCorrupt for bytes that are no sound block.
    """
    found: list[RoundTripColumn] = []
    for group in decode_block(block).groups:
        numbers, counts = group.numbers, group.counts
        if group.outcome == _FAILED:
            column, lost = _NO_COLUMN, True
        elif group.outcome == _ANSWERED and "rtt_us" in group.keys:
            if len(group.keys) != len(group.measures):
                raise refuse_misfit(ValueError("kinds of measures differ"))
            column, lost = group.measures[group.keys.index("rtt_us")], False
            if len(column.bases) != len(counts) or len(column.planes) != sum(counts) * column.width:
                raise refuse_misfit(ValueError("a column's length is wrong"))
        else:
            continue
        if len(numbers) != len(counts):
            raise refuse_misfit(ValueError("counts of checks differ"))
        found.append(
            RoundTripColumn(numbers, counts, lost, column.bases, column.width, column.planes)
        )
    return found


def _unpack_due(group: Group, block: Block) -> list[tuple[int, ...]]:
    """When the observations of each check were due; checks the group's own fields."""
    counts = group.counts
    if not len(group.numbers) == len(counts) == len(group.first_due):
        raise ValueError("counts of checks differ")
    if not 0 <= group.outcome < len(OUTCOMES):
        raise ValueError(f"outcome {group.outcome}")
    pace = group.due_steps
    firsts = [block.base_ms + first for first in group.first_due]
    if pace.width == 0 and not pace.planes and len(pace.bases) == len(counts):
        # Most blocks; a month of them is read twice as fast so.
        return [
            tuple(range(first, first + count * step, step)) if step else (first,) * count
            for first, count, step in zip(firsts, counts, pace.bases, strict=True)
        ]
    steps = unpack_column(pace, [count - 1 for count in counts])
    return [
        tuple(accumulate(step, initial=first)) for step, first in zip(steps, firsts, strict=True)
    ]


def _unpack_latency(group: Group, block: Block) -> list[Latency]:
    due = _unpack_due(group, block)
    rtt_us: list[tuple[int, ...]] = [()] * len(due)
    if "rtt_us" in group.keys:
        if len(group.keys) != len(group.measures):
            raise ValueError("kinds of measures differ")
        rtt_us = unpack_column(group.measures[group.keys.index("rtt_us")], group.counts)
    outcome = OUTCOMES[group.outcome]
    return [
        Latency(check_number=number, outcome=outcome, due_ms=due_ms, rtt_us=times)
        for number, due_ms, times in zip(group.numbers, due, rtt_us, strict=True)
    ]


def _unpack_group(group: Group, block: Block) -> Iterator[Series]:
    due = _unpack_due(group, block)
    counts = group.counts
    lags = unpack_column(group.lags, counts)
    elapsed = unpack_column(group.elapsed, counts)
    measures = {
        key: unpack_column(column, counts)
        for key, column in zip(group.keys, group.measures, strict=True)
    }
    for index, number in enumerate(group.numbers):
        rtt_us = measures["rtt_us"][index] if "rtt_us" in measures else (0,) * counts[index]
        yield Series(
            check_number=number,
            outcome=OUTCOMES[group.outcome],
            reason=group.reason,
            due_ms=due[index],
            started_ms=tuple(map(operator.add, due[index], lags[index])),
            elapsed_ms=tuple(
                spent + rtt // 1000 for spent, rtt in zip(elapsed[index], rtt_us, strict=True)
            ),
            measures={key: column[index] for key, column in measures.items()},
        )
