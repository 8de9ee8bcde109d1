"""What the totals lack of the lives that ended: the tail that nobody had settled, and pauses.

The law of this file: totals and ledger say the same of a life that is over. The newest
seconds of one that was cut off are in the books as spans, or unknown, and are in no total:
the next life adds them, as the ledger has them. It reads what is committed, and changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from netwatch.core.clockline import Tie, find_offset, is_step
from netwatch.core.intervals import Interval
from netwatch.core.ledger import MINIMUM_DNS_MS, Key, build_ledger, clip_spans, sum_spans
from netwatch.records import Cause, Span, Verdict
from netwatch.store.counted import read_counted
from netwatch.store.lives import read_ties
from netwatch.store.queries import Reader

_LAYERS = ("link", "dns", "quality")
_CLOCK: Key = (Verdict.UNKNOWN, Cause.CLOCK)


def read_uncounted(
    connection: sqlite3.Connection, path: Path, run_id: int, end_ms: int | None
) -> tuple[dict[Key, int], dict[Cause, int]]:
    """Milliseconds that are in the ledger before ``end_ms`` and in no total; for a new run.

    With them, by cause, the outages that began in that time, which nobody has counted either.
    ``end_ms`` is until when the runs before ``run_id`` answer (`Told.end_ms`). Nothing in
    books whose totals have no marks. Raises sqlite3.Error and StoreError.
    """
    counted = read_counted(connection, run_id)
    if end_ms is None or not counted:
        return {}, {}
    pieces, told_ms = find_uncounted(
        [(number, mono_ms, read_ties(connection, number)) for number, mono_ms in counted.items()],
        {number: _read_judged_from(connection, number) for number in counted},
        end_ms,
    )
    reader = Reader(path)
    missing: dict[Key, int] = {}
    incidents: dict[Cause, int] = {}
    for from_ms, to_ms in pieces:
        ledger = _read_ledger(reader, from_ms, to_ms)
        for key, length_ms in sum_spans(clip_spans(ledger, from_ms, to_ms)).items():
            missing[key] = missing.get(key, 0) + length_ms
        for cause in list_begun(ledger, from_ms, to_ms):
            incidents[cause] = incidents.get(cause, 0) + 1
    if _CLOCK in missing:
        missing[_CLOCK] = max(0, missing[_CLOCK] - told_ms)
    return missing, incidents


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


def list_begun(ledger: Sequence[Span], from_ms: int, to_ms: int) -> list[Cause]:
    """The causes of the outages that begin in ``[from_ms, to_ms)``, as the judge counts them.

    One that goes on under another cause is one, under its first; so is one that was on
    before ``from_ms``, and was counted. ``ledger``: from before ``from_ms`` on, without hole.

    >>> def down(cause, start, end):
    ...     return Span(verdict=Verdict.DOWN, cause=cause, start_ms=start, end_ms=end)
    >>> up = Span(verdict=Verdict.UP, cause=None, start_ms=30, end_ms=40)
    >>> ledger = [down(Cause.ACCESS, 0, 20), down(Cause.GATEWAY, 20, 30), up, down(Cause.DNS, 40, 50)]
    >>> [cause.value for cause in list_begun(ledger, 10, 50)], list_begun(ledger, 10, 40)
    (['dns'], [])
    """
    begun: list[Cause] = []
    before = Verdict.UNKNOWN
    for span in ledger:
        is_new = span.verdict is Verdict.DOWN and before is not Verdict.DOWN
        if is_new and from_ms <= span.start_ms < to_ms and span.cause is not None:
            begun.append(span.cause)
        before = span.verdict
    return begun


def _read_ledger(reader: Reader, from_ms: int, to_ms: int) -> list[Span]:
    """The ledger and what lies around, so that a failing of the resolvers is weighed whole."""
    first_ms, last_ms = from_ms - MINIMUM_DNS_MS, to_ms + MINIMUM_DNS_MS
    layers = {layer: reader.read_spans(first_ms, last_ms, layer) for layer in _LAYERS}
    return build_ledger(layers, reader.read_lives(first_ms, last_ms), first_ms, last_ms)
