"""How spans and observations become rows.

Rule of this file: within a run and layer no two spans overlap on the monotonic scale; no
row of observations reaches further than a reader looks back. It runs inside the
transaction of its caller and begins none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from netwatch.core.packing import pack_minute
from netwatch.records import Observation
from netwatch.store.batch import LayerSpan
from netwatch.store.stamping import read_offset_at, row_key

#: No row of observations spans more than this, so that a reader knows how far back to look.
ROW_SPAN_MS = 300_000


def enter_span(
    connection: sqlite3.Connection, run_id: int, layer_span: LayerSpan, offset_ms: int | None
) -> None:
    """The span, and what it contradicts taken back: the latest word on an instant counts.

    It may begin before the clock was stepped: then the offset of that time dates it.
    """
    layer, span = layer_span.layer, layer_span.span
    if offset_ms is not None:
        offset_ms = read_offset_at(connection, run_id, span.start_ms)
    values = {
        "run": run_id,
        "layer": layer,
        "start": span.start_ms,
        "end": span.end_ms,
        "utc": None if offset_ms is None else span.start_ms + offset_ms,
        "verdict": span.verdict.value,
        "cause": None if span.cause is None else span.cause.value,
        "reason": span.reason,
    }
    connection.execute(
        "DELETE FROM span WHERE run_id = :run AND layer = :layer"
        " AND start_mono_ms > :start AND start_mono_ms < :end",
        values,
    )
    connection.execute(
        "UPDATE span SET end_mono_ms = :start WHERE run_id = :run AND layer = :layer"
        " AND end_mono_ms > :start AND start_mono_ms ="
        " (SELECT max(start_mono_ms) FROM span"
        "  WHERE run_id = :run AND layer = :layer AND start_mono_ms < :start)",
        values,
    )
    connection.execute(
        "INSERT INTO span VALUES"
        " (:run, :layer, :start, :end, :utc, :verdict, :cause, :reason)"
        " ON CONFLICT DO UPDATE SET end_mono_ms = excluded.end_mono_ms,"
        " start_ms = coalesce(start_ms, excluded.start_ms), verdict = excluded.verdict,"
        " cause = excluded.cause, reason = excluded.reason",
        values,
    )


def enter_observations(
    connection: sqlite3.Connection,
    run_id: int,
    observations: Sequence[Observation],
    numbers: Mapping[str, int],
    offset_ms: int | None,
) -> None:
    """One row of observations, in the order of due time and within `ROW_SPAN_MS`.

    Raises ValueError, as `pack_minute` does, for what no block can hold.
    """
    block = pack_minute(observations, numbers)
    mono_ms = observations[0].due_ms
    # Rows are told apart by their first due slot; another batch's may have the same.
    while connection.execute(
        "SELECT 1 FROM observation_minute WHERE key = ?", (row_key(run_id, mono_ms),)
    ).fetchone():
        mono_ms += 1
    connection.execute(
        "INSERT INTO observation_minute (key, start_ms, block) VALUES (?, ?, ?)",
        (row_key(run_id, mono_ms), None if offset_ms is None else mono_ms + offset_ms, block),
    )


def split_by_time(observations: Sequence[Observation]) -> list[list[Observation]]:
    """Observations by due time, in groups of which none spans `ROW_SPAN_MS` or more.

    >>> split_by_time([])
    []
    """
    rows: list[list[Observation]] = []
    for each in sorted(observations, key=lambda each: each.due_ms):
        if not rows or each.due_ms - rows[-1][0].due_ms >= ROW_SPAN_MS:
            rows.append([])
        rows[-1].append(each)
    return rows
