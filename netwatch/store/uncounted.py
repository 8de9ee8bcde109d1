"""What the totals lack of the lives that ended: the tail that nobody had settled, and pauses.

The law of this file: totals and ledger say the same of a life that is over. The newest
seconds of one that was cut off are in the books as spans, or unknown, and are in no total:
the next life adds them, as the ledger has them. It reads what is committed, and changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from netwatch.core.clockline import Tie, find_offset, is_step
from netwatch.core.intervals import Interval
from netwatch.core.ledger import MINIMUM_DNS_MS, Key, build_ledger, clip_spans, sum_spans
from netwatch.records import Cause, Verdict
from netwatch.store.counted import read_counted
from netwatch.store.lives import read_ties
from netwatch.store.queries import Reader

_LAYERS = ("link", "dns", "quality")
_CLOCK: Key = (Verdict.UNKNOWN, Cause.CLOCK)


def read_uncounted(
    connection: sqlite3.Connection, path: Path, run_id: int, end_ms: int | None
) -> dict[Key, int]:
    """Milliseconds that are in the ledger before ``end_ms`` and in no total; for a new run.

    ``end_ms`` is until when the runs before ``run_id`` answer (`Told.end_ms`). Nothing in
    books whose totals have no marks. Raises sqlite3.Error and StoreError.
    """
    counted = read_counted(connection, run_id)
    if end_ms is None or not counted:
        return {}
    pieces, told_ms = find_uncounted(
        [(number, mono_ms, read_ties(connection, number)) for number, mono_ms in counted.items()],
        {number: _read_judged_from(connection, number) for number in counted},
        end_ms,
    )
    reader = Reader(path)
    missing: dict[Key, int] = {}
    for from_ms, to_ms in pieces:
        for key, length_ms in _sum_ledger(reader, from_ms, to_ms).items():
            missing[key] = missing.get(key, 0) + length_ms
    if _CLOCK in missing:
        missing[_CLOCK] = max(0, missing[_CLOCK] - told_ms)
    return missing


def find_uncounted(
    counted: list[tuple[int, int, list[Tie]]], judged_from: Mapping[int, int], end_ms: int
) -> tuple[list[Interval], int]:
    """The stretches (UTC) before ``end_ms`` that are in no total, and what of them still is.

    ``counted``: by run, in order, up to where the totals have it (monotonic), and its ties;
    the first had caught up. ``judged_from``: where each begins. In the totals already are
    a step of the clock, which is counted at once, and what those watched that have no place.

    >>> find_uncounted([(1, 50, [(0, 1_000)]), (3, 90, [(0, 5_000)])], {1: 0, 3: 10}, 5_100)
    ([(1050, 5010), (5090, 5100)], 0)
    >>> find_uncounted([(1, 50, [(0, 1_000)]), (2, 90, [])], {1: 0, 2: 10}, 5_100)
    ([(1050, 5100)], 80)
    """
    pieces: list[Interval] = []
    told_ms = 0
    since_ms: int | None = None
    for run_id, mono_ms, ties in counted:
        start_mono_ms = judged_from[run_id]
        start_offset_ms, offset_ms = find_offset(start_mono_ms, ties), find_offset(mono_ms, ties)
        if start_offset_ms is None or offset_ms is None:
            told_ms += mono_ms - start_mono_ms
            continue
        if since_ms is not None:
            pieces.append((since_ms, start_mono_ms + start_offset_ms))
        since_ms = mono_ms + offset_ms
        for at_ms, next_offset_ms in ties:
            if at_ms > mono_ms:
                if is_step(offset_ms, next_offset_ms):
                    told_ms += max(0, next_offset_ms - offset_ms)
                offset_ms = next_offset_ms
    if since_ms is not None:
        pieces.append((since_ms, end_ms))
    return [(from_ms, to_ms) for from_ms, to_ms in pieces if from_ms < to_ms], told_ms


def _read_judged_from(connection: sqlite3.Connection, run_id: int) -> int:
    """Where the totals of a run begin: its first verdict, a moment after its start."""
    (mono_ms,) = connection.execute(
        "SELECT coalesce((SELECT min(start_mono_ms) FROM span WHERE run_id = :run"
        " AND layer = 'link'), (SELECT started_mono_ms FROM run WHERE id = :run))",
        {"run": run_id},
    ).fetchone()
    return int(mono_ms)


def _sum_ledger(reader: Reader, from_ms: int, to_ms: int) -> dict[Key, int]:
    """The ledger's sums, a failing of the resolvers at the edge being weighed whole."""
    first_ms, last_ms = from_ms - MINIMUM_DNS_MS, to_ms + MINIMUM_DNS_MS
    layers = {layer: reader.read_spans(first_ms, last_ms, layer) for layer in _LAYERS}
    ledger = build_ledger(layers, reader.read_lives(first_ms, last_ms), first_ms, last_ms)
    return sum_spans(clip_spans(ledger, from_ms, to_ms))
