"""Observations of a minute as one small block of bytes, and back.

Rule of this file: what is packed comes back exactly. Pure; it knows no database: the
numbers that stand for check names are handed in. How a block is built is `minute_block`'s;
`minute_columns` reads the same blocks by columns, for those who want no observations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise

from netwatch.core.columns import pack_column
from netwatch.core.minute_block import CODES, Block, Group, encode_block
from netwatch.core.minute_columns import unpack_series
from netwatch.errors import StoreCorrupt
from netwatch.records import Observation

#: Integers of an observation lie within plus and minus this.
LIMIT = 2**62


def pack_minute(observations: Iterable[Observation], numbers: Mapping[str, int]) -> bytes:
    """Observations as one block; ``numbers`` has one positive number for each check id.

    Their order is not kept: `unpack_minute` returns them by due time.
    Raises KeyError for a check without number, ValueError for an integer beyond ±2⁶².

    >>> from netwatch.records import Outcome
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
        shape = (CODES[each.outcome], _sortable(each.reason), tuple(sorted(each.measures)))
        groups.setdefault(shape, []).append(each)
    block = Block(
        base_ms, [_pack_group(groups[shape], numbers, base_ms) for shape in sorted(groups)]
    )
    return encode_block(block)


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


def _pack_group(
    observations: Sequence[Observation], numbers: Mapping[str, int], base_ms: int
) -> Group:
    first = observations[0]
    by_check = [list(run) for _, run in groupby(observations, lambda each: each.check_id)]
    keys = sorted(first.measures)
    return Group(
        outcome=CODES[first.outcome],
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
