"""What is safe on the disk and not in the database yet, to be laid over what is.

The law of this file: a batch that the daybook has will be in the books whatever happens,
exactly as it stands, and so it may be read before. That is done only where it is certain
how the journal will enter it: the run that is going on, and no step of the clock near.
Else there is no tail, and whoever reads waits for the commit. It changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import msgspec

from netwatch.core.clockline import SAME_OFFSET_MS
from netwatch.records import Observation, Run, Span
from netwatch.store.batch import Batch
from netwatch.store.db import opened_read_only

#: So long before the end of the books no clock may have been stepped.
STEADY_MS = 3 * 3_600_000
#: Further back than this a tail changes nothing that is handed out.
REACH_MS = 3_600_000


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """Batches of the run that is going on, which the database does not have (UTC: mono + offset)."""

    run_id: int
    after_sequence: int  # the last that the database has
    offset_ms: int
    books_end_ms: int  # UTC: how far the database has come
    batches: tuple[Batch, ...]  # never empty

    @property
    def end_ms(self) -> int:
        """How far the batches have come (UTC)."""
        return self.batches[-1].watched_to_mono_ms + self.offset_ms

    def touches(self, until_ms: int) -> bool:
        """Whether it may say something of the time before ``until_ms``."""
        return until_ms > self.books_end_ms - REACH_MS

    def lay_over(self, spans: Sequence[Span], layer: str, from_ms: int, to_ms: int) -> list[Span]:
        """``spans`` (UTC) as they will be read from the books, with the batches in them."""
        laid = list(spans)
        for batch in self.batches:
            for each in batch.spans:
                if each.layer == layer:
                    laid = lay_span(laid, self._move(each.span))
        return [
            msgspec.structs.replace(
                span, start_ms=max(span.start_ms, from_ms), end_ms=min(span.end_ms, to_ms)
            )
            for span in laid
            if span.start_ms < to_ms and span.end_ms > from_ms
        ]

    def lengthen(self, runs: Sequence[Run]) -> list[Run]:
        """The runs, the last piece of the one that is going on as far as the batches have come."""
        last = [index for index, run in enumerate(runs) if run.id == self.run_id][-1:]
        return [
            msgspec.structs.replace(run, ended_ms=self.end_ms) if index in last else run
            for index, run in enumerate(runs)
        ]

    def list_observations(self, from_ms: int, to_ms: int) -> Iterator[tuple[int, Observation]]:
        """The observations due in the range, each with its due instant in UTC."""
        for batch in self.batches:
            for each in batch.observations:
                at_ms = each.due_ms + self.offset_ms
                if from_ms <= at_ms < to_ms:
                    yield at_ms, each

    def _move(self, span: Span) -> Span:
        return msgspec.structs.replace(
            span, start_ms=span.start_ms + self.offset_ms, end_ms=span.end_ms + self.offset_ms
        )


def lay_span(spans: Sequence[Span], new: Span) -> list[Span]:
    """Disjoint spans in order, with one more: the latest word on an instant counts.

    As `entries.enter_span` enters it: what begins within it leaves, what reaches into it
    is cut short, what has its beginning is replaced.

    >>> from netwatch.records import Verdict
    >>> def up(start_ms, end_ms):
    ...     return Span(verdict=Verdict.UP, cause=None, start_ms=start_ms, end_ms=end_ms)
    >>> [(s.start_ms, s.end_ms) for s in lay_span([up(0, 5), up(5, 9), up(9, 12)], up(4, 12))]
    [(0, 4), (4, 12)]
    """
    before = [span for span in spans if span.start_ms < new.start_ms]
    if before and before[-1].end_ms > new.start_ms:
        before[-1] = msgspec.structs.replace(before[-1], end_ms=new.start_ms)
    behind = [span for span in spans if span.start_ms >= max(new.end_ms, new.start_ms + 1)]
    return [*before, new, *behind]


def find_certain_mono_ms(batches: Sequence[Batch], answer_ms: int) -> int | None:
    """Of the time before this instant all has been handed over; None: no batch says so.

    ``answer_ms``: how long an observation may be under way.

    >>> find_certain_mono_ms([Batch(run_id=1, anchor=None, watched_to_mono_ms=90,
    ...                             settled_mono_ms=85)], 12)
    78
    """
    for batch in reversed(batches):
        if batch.settled_mono_ms is not None:
            return min(batch.settled_mono_ms, batch.watched_to_mono_ms - answer_ms)
    return None


def read_tail(connection: sqlite3.Connection, pending: Sequence[Batch]) -> Tail | None:
    """What ``pending`` (`Writer.pending`) adds to the books; None where nothing certain."""
    if not pending:
        return None
    row = connection.execute(
        "SELECT id, last_sequence, started_ms, ended_ms,"
        " (SELECT max(ended_ms) FROM run AS other WHERE other.id < run.id)"
        " FROM run ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if row is None or row[2] is None or row[3] is None:
        return None
    run_id, last_sequence, started_ms, ended_ms, others_ms = row
    steady_ms = ended_ms - STEADY_MS
    if others_ms is not None and others_ms > started_ms and others_ms > steady_ms:
        return None  # the clock was put back between two runs
    anchors = connection.execute(
        "SELECT mono_ms, offset_ms FROM anchor WHERE run_id = ? ORDER BY mono_ms", (run_id,)
    ).fetchall()
    if not anchors or (len(anchors) > 1 and sum(anchors[-1]) > steady_ms):
        return None
    offset_ms = int(anchors[-1][1])
    batches = tuple(
        takewhile(
            lambda batch: (
                batch.anchor is not None
                and abs(batch.anchor.offset_ms - offset_ms) < SAME_OFFSET_MS
            ),
            (
                batch
                for batch in pending
                if batch.run_id == run_id and (batch.sequence or 0) > last_sequence
            ),
        )
    )
    if not batches:
        return None
    return Tail(
        run_id=run_id,
        after_sequence=last_sequence,
        offset_ms=offset_ms,
        books_end_ms=ended_ms,
        batches=batches,
    )


def open_tail(path: Path | str, pending: Sequence[Batch]) -> Tail | None:
    """`read_tail` over a connection of its own. Raises StoreError."""
    if not pending:
        return None
    with opened_read_only(path) as connection:
        return read_tail(connection, pending)


def is_still_tail(path: Path | str, tail: Tail) -> bool:
    """Whether the database has not moved on since the tail was read. Raises StoreError."""
    with opened_read_only(path) as connection:
        row = connection.execute(
            "SELECT id, last_sequence FROM run ORDER BY id DESC LIMIT 1"
        ).fetchone()
    return bool(row == (tail.run_id, tail.after_sequence))
