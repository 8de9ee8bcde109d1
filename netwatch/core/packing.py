"""Observations of a minute as one small block of bytes, and back.

Rule of this file: what is packed comes back exactly; bytes that are not a sound block
are refused, never half believed. Pure; it knows no database: the numbers that stand
for check names are handed in.

A block is one version byte and a zlib stream (whose checksum finds flipped bits) of
a MessagePack array. Observations that share outcome, reason and kinds of measures
form a group; a group is stored by columns, each less the smallest value of its check,
and split into byte planes: round-trip times of one target differ in their low bytes
alone, so the high ones compress to nothing (docs/decisions/0004-store.md).
"""

from __future__ import annotations

import operator
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby, pairwise

import msgspec

from netwatch.core.columns import Column, pack_column, unpack_column
from netwatch.errors import StoreCorrupt
from netwatch.records import Observation, Outcome

VERSION = 1
#: Integers of an observation lie within plus and minus this.
LIMIT = 2**62
_MAX_BYTES = 8_000_000
_MAX_OBSERVATIONS = 200_000
#: Words that a block is likely to have, known to both sides. Part of version 1: never edited.
_WORDS = (
    b"skippedunknownfailedoverlapquiet_hoursdata_budgetbusy_linkmissedstallednot_permitted"
    b"certificate_expires_msresponse_codestatusbytesttfb_usconnect_ustls_usdns_ussend_late_us"
    b"send_failedrefusedno_routeunreachabletimeoutansweredrtt_us"
)
_OUTCOMES = (Outcome.ANSWERED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.SKIPPED)
_CODES = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_ANSWERED, _FAILED = _CODES[Outcome.ANSWERED], _CODES[Outcome.FAILED]


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


class _Group(msgspec.Struct, frozen=True, array_like=True, gc=False):
    outcome: int
    reason: str | None
    keys: list[str]
    numbers: list[int]  # of the checks, each with so many observations:
    counts: list[int]
    first_due: list[int]  # of each check, from the block's base
    due_steps: Column
    lags: Column  # started less due
    elapsed: Column  # less the whole milliseconds of rtt_us, where there is one
    measures: list[Column]


class _Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    base_ms: int
    groups: list[_Group]


#: What is raised where columns are not of the lengths that a group says.
_MISFITS = (ValueError, struct.error)
_DECODER = msgspec.msgpack.Decoder(_Block)
_NO_COLUMN = Column([], 0, b"")
_ENCODER = msgspec.msgpack.Encoder()


def pack_minute(observations: Iterable[Observation], numbers: Mapping[str, int]) -> bytes:
    """Observations as one block; ``numbers`` has one positive number for each check id.

    Their order is not kept: `unpack_minute` returns them by due time.
    Raises KeyError for a check without number, ValueError for an integer beyond ±2⁶².

    >>> numbers = {"box": 1}
    >>> one = Observation(check_id="box", due_ms=5000, started_ms=5001, elapsed_ms=3,
    ...                   outcome=Outcome.ANSWERED, measures={"rtt_us": 2950})
    >>> unpack_minute(pack_minute([one], numbers), {1: "box"}) == [one]
    True
    """
    ordered = sorted(observations, key=lambda each: (numbers[each.check_id], each.due_ms))
    for each in ordered:
        _refuse_beyond_limit(each)
    base_ms = min((each.due_ms for each in ordered), default=0)
    groups: dict[tuple[int, str, tuple[str, ...]], list[Observation]] = {}
    for each in ordered:
        shape = (_CODES[each.outcome], _sortable(each.reason), tuple(sorted(each.measures)))
        groups.setdefault(shape, []).append(each)
    block = _Block(
        base_ms, [_pack_group(groups[shape], numbers, base_ms) for shape in sorted(groups)]
    )
    compressor = zlib.compressobj(9, zdict=_WORDS)
    packed = compressor.compress(_ENCODER.encode(block)) + compressor.flush()
    return bytes([VERSION]) + packed


def unpack_minute(block: bytes, names: Mapping[int, str]) -> list[Observation]:
    """The observations of a block, ordered by due time, check id and start.

    ``names`` is the inverse of what `pack_minute` was given. Raises StoreCorrupt for
    bytes that are no sound block, and for a number that has no name.
    """
    observations: list[Observation] = []
    for series in unpack_series(block):
        name = names.get(series.check_number)
        if name is None:
            raise StoreCorrupt(f"observation block: check {series.check_number} is not defined")
        columns = zip(
            series.due_ms,
            series.started_ms,
            series.elapsed_ms,
            _rows(series.measures, len(series.due_ms)),
            strict=True,
        )
        observations += [
            Observation(
                check_id=name,
                due_ms=due_ms,
                started_ms=started_ms,
                elapsed_ms=elapsed_ms,
                outcome=series.outcome,
                reason=series.reason,
                measures=measures,
            )
            for due_ms, started_ms, elapsed_ms, measures in columns
        ]
    observations.sort(key=lambda each: (each.due_ms, each.check_id, each.started_ms))
    return observations


def unpack_series(block: bytes) -> list[Series]:
    """The same by columns, in the order in which they were packed.

    Raises StoreCorrupt for bytes that are no sound block.
    """
    decoded = _decode_block(block)
    try:
        return [series for group in decoded.groups for series in _unpack_group(group, decoded)]
    except _MISFITS as error:
        raise _refuse(error) from error


def unpack_latency(block: bytes) -> list[Latency]:
    """Due times and round-trip times alone: a month of them is read in a third of the time.

    Raises StoreCorrupt for bytes that are no sound block.
    """
    decoded = _decode_block(block)
    found: list[Latency] = []
    try:
        for group in decoded.groups:
            found += _unpack_latency(group, decoded)
    except _MISFITS as error:
        raise _refuse(error) from error
    return found


def unpack_round_trips(block: bytes) -> list[RoundTripColumn]:
    """The round trips alone, without when they were sent, and hardly unpacked.

    For a reader that knows already that the whole block lies in the time it asks for. A
    check may come more than once; an answer without a measured time comes not at all.
    Raises StoreCorrupt for bytes that are no sound block.
    """
    found: list[RoundTripColumn] = []
    for group in _decode_block(block).groups:
        numbers, counts = group.numbers, group.counts
        if group.outcome == _FAILED:
            column, lost = _NO_COLUMN, True
        elif group.outcome == _ANSWERED and "rtt_us" in group.keys:
            if len(group.keys) != len(group.measures):
                raise _refuse(ValueError("kinds of measures differ"))
            column, lost = group.measures[group.keys.index("rtt_us")], False
            if len(column.bases) != len(counts) or len(column.planes) != sum(counts) * column.width:
                raise _refuse(ValueError("a column's length is wrong"))
        else:
            continue
        if len(numbers) != len(counts):
            raise _refuse(ValueError("counts of checks differ"))
        found.append(
            RoundTripColumn(numbers, counts, lost, column.bases, column.width, column.planes)
        )
    return found


def _refuse(error: Exception) -> StoreCorrupt:
    return StoreCorrupt(f"observation block: its parts do not fit together ({error})")


def _decode_block(block: bytes) -> _Block:
    if not block:
        raise StoreCorrupt("observation block: empty")
    if block[0] != VERSION:
        raise StoreCorrupt(f"observation block: version {block[0]} is not known, {VERSION} is")
    decompressor = zlib.decompressobj(zdict=_WORDS)
    try:
        plain = decompressor.decompress(block[1:], _MAX_BYTES)
    except zlib.error as error:
        raise StoreCorrupt(f"observation block: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise StoreCorrupt("observation block: cut short, or with something behind its end")
    try:
        decoded = _DECODER.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"observation block: {error}") from error
    total = 0
    for group in decoded.groups:
        if group.counts and min(group.counts) < 1:
            raise StoreCorrupt("observation block: a check without observation")
        total += sum(group.counts)
    if total > _MAX_OBSERVATIONS:
        raise StoreCorrupt(f"observation block: more than {_MAX_OBSERVATIONS} observations")
    return decoded


def _pack_group(
    observations: Sequence[Observation], numbers: Mapping[str, int], base_ms: int
) -> _Group:
    first = observations[0]
    by_check = [list(run) for _, run in groupby(observations, lambda each: each.check_id)]
    keys = sorted(first.measures)
    return _Group(
        outcome=_CODES[first.outcome],
        reason=first.reason,
        keys=keys,
        numbers=[numbers[run[0].check_id] for run in by_check],
        counts=[len(run) for run in by_check],
        first_due=[run[0].due_ms - base_ms for run in by_check],
        due_steps=pack_column(
            [[after.due_ms - before.due_ms for before, after in pairwise(run)] for run in by_check]
        ),
        lags=pack_column([[each.started_ms - each.due_ms for each in run] for run in by_check]),
        elapsed=pack_column(
            [
                [each.elapsed_ms - each.measures.get("rtt_us", 0) // 1000 for each in run]
                for run in by_check
            ]
        ),
        measures=[
            pack_column([[each.measures[key] for each in run] for run in by_check]) for key in keys
        ],
    )


def _unpack_due(group: _Group, block: _Block) -> list[tuple[int, ...]]:
    """When the observations of each check were due; checks the group's own fields."""
    counts = group.counts
    if not len(group.numbers) == len(counts) == len(group.first_due):
        raise ValueError("counts of checks differ")
    if not 0 <= group.outcome < len(_OUTCOMES):
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


def _unpack_latency(group: _Group, block: _Block) -> list[Latency]:
    due = _unpack_due(group, block)
    rtt_us: list[tuple[int, ...]] = [()] * len(due)
    if "rtt_us" in group.keys:
        if len(group.keys) != len(group.measures):
            raise ValueError("kinds of measures differ")
        rtt_us = unpack_column(group.measures[group.keys.index("rtt_us")], group.counts)
    outcome = _OUTCOMES[group.outcome]
    return [
        Latency(check_number=number, outcome=outcome, due_ms=due_ms, rtt_us=times)
        for number, due_ms, times in zip(group.numbers, due, rtt_us, strict=True)
    ]


def _unpack_group(group: _Group, block: _Block) -> Iterator[Series]:
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
            outcome=_OUTCOMES[group.outcome],
            reason=group.reason,
            due_ms=due[index],
            started_ms=tuple(map(operator.add, due[index], lags[index])),
            elapsed_ms=tuple(
                spent + rtt // 1000 for spent, rtt in zip(elapsed[index], rtt_us, strict=True)
            ),
            measures={key: column[index] for key, column in measures.items()},
        )


def _rows(measures: Mapping[str, tuple[int, ...]], length: int) -> Iterable[dict[str, int]]:
    keys = list(measures)
    if not keys:
        return ({} for _ in range(length))
    rows = zip(*measures.values(), strict=True)
    return (dict(zip(keys, row, strict=True)) for row in rows)


def _sortable(reason: str | None) -> str:
    """A reason so that none and the empty one stay apart.

    >>> _sortable(None) < _sortable("")
    True
    """
    return "" if reason is None else f"={reason}"


def _refuse_beyond_limit(observation: Observation) -> None:
    values = (
        observation.due_ms,
        observation.started_ms,
        observation.elapsed_ms,
        *observation.measures.values(),
    )
    if max(values) > LIMIT or min(values) < -LIMIT:
        raise ValueError(f"{observation.check_id}: an integer beyond 2^62 in {values}")
