"""Reading the books by UTC, without ever holding up the writer.

Rule of this file: every call opens its own read-only connection; long readings go in
pieces, each its own short transaction, so that memory stays flat and the log file can
be reused meanwhile. What has no UTC is not returned: the ledger makes it unknown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from netwatch.core.clockline import split_at_steps
from netwatch.core.intervals import EMPTY, Intervals
from netwatch.core.lives import find_piece, find_taken, leave_taken
from netwatch.core.packing import unpack_minute
from netwatch.records import (
    Cause,
    CheckDefinition,
    Observation,
    Role,
    RttPoint,
    Run,
    Span,
    Verdict,
)
from netwatch.store.counted import COUNTED
from netwatch.store.db import opened_read_only
from netwatch.store.entries import ROW_SPAN_MS
from netwatch.store.lives import build_run, read_lives, read_ties
from netwatch.store.rtt import build_rtt_points
from netwatch.store.stamping import row_key

#: Rows of raw observations in one short transaction.
_PIECE = 120
#: Two batches with the same first slot have keys a few milliseconds apart.
KEY_SLACK_MS = 1_000
#: Further than any instant or number of the books.
_NO_LIMIT_MS = 2**62


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One row of raw observations, still packed; ``offset_ms`` makes its instants UTC.

    What is in it was due from ``start_ms`` (UTC, give or take a second) on, within
    `netwatch.store.entries.ROW_SPAN_MS`.
    """

    start_ms: int
    offset_ms: int
    packed: bytes


class _Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a run that can hold rows of the asked UTC range (monotonic)."""

    run_id: int
    from_mono_ms: int
    to_mono_ms: int


class Reader:
    """Answers for one database file; may be used by many threads at once.

    Ranges are half-open, UTC. Every method raises StoreError where there is no
    database, or it cannot be read (StoreCorrupt: damaged).
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    @property
    def path(self) -> Path:
        return self._path

    def read_spans(
        self, from_ms: int, to_ms: int, layer: str, before: tuple[int, int] | None = None
    ) -> list[Span]:
        """The spans of a layer, clipped to the range, in the order in which they were recorded.

        That is also the order of time, unless a clock was put back. What a clock dated to
        a time that an earlier life had told is left out (`core.lives`). ``before``, a run
        and an instant in it (monotonic), leaves out what that run recorded from then on.
        """
        spans: list[Span] = []
        with opened_read_only(self._path) as connection:
            lives = read_lives(connection, from_ms, to_ms)
            taken = find_taken(lives)
            for stretch in _read_stretches(connection, from_ms, to_ms):
                ties = read_ties(connection, stretch.run_id)
                limit_ms = _NO_LIMIT_MS
                if before is not None and before[0] == stretch.run_id:
                    limit_ms = before[1]
                rows = connection.execute(
                    """
                    SELECT verdict, cause, reason, start_mono_ms, end_mono_ms, start_ms FROM span
                    WHERE run_id = :run AND layer = :layer AND start_mono_ms < :to_mono
                      AND start_mono_ms >= coalesce(
                          (SELECT max(start_mono_ms) FROM span WHERE run_id = :run
                           AND layer = :layer AND start_mono_ms <= :from_mono), :from_mono)
                      AND start_ms IS NOT NULL
                    ORDER BY start_mono_ms
                    """,
                    {
                        "run": stretch.run_id,
                        "layer": layer,
                        "from_mono": stretch.from_mono_ms,
                        "to_mono": min(stretch.to_mono_ms, limit_ms),
                    },
                )
                spans += [
                    Span(
                        verdict=Verdict(verdict),
                        cause=None if cause is None else Cause(cause),
                        reason=reason,
                        start_ms=max(start_ms, from_ms),
                        end_ms=min(end_ms, to_ms),
                    )
                    for verdict, cause, reason, start_mono_ms, end_mono_ms, told_ms in rows
                    for mono_ms, _, part_ms, until_ms in split_at_steps(
                        start_mono_ms, min(end_mono_ms, limit_ms), told_ms, ties
                    )
                    for start_ms, end_ms in (
                        leave_taken(
                            part_ms, until_ms, taken.get(find_piece(stretch.run_id, mono_ms, lives))
                        )
                        if taken
                        else ((part_ms, until_ms),)
                    )
                    if start_ms < min(end_ms, to_ms) and end_ms > from_ms
                ]
        return spans

    def read_lives(self, from_ms: int, to_ms: int) -> list[Run]:
        """What `core.lives` needs to explain the range, in the order of recording.

        The lives that touch it and those next to it, each in the pieces between two steps
        of its clock; those between that no clock ever dated have no ``started_ms``.
        """
        with opened_read_only(self._path) as connection:
            return read_lives(connection, from_ms, to_ms)

    def read_runs(self, from_ms: int, to_ms: int) -> list[Run]:
        """The lives of the agent that touch the range, oldest first."""
        with opened_read_only(self._path) as connection:
            rows = connection.execute(
                "SELECT id, boot_id, version, started_ms, ended_ms, clean FROM run"
                " WHERE started_ms < ? AND ended_ms >= ? ORDER BY id",
                (to_ms, from_ms),
            )
            return [build_run(row) for row in rows]

    def read_layers(self) -> list[str]:
        """The names of all timelines that were ever recorded, in alphabetical order."""
        with opened_read_only(self._path) as connection:
            # From one run and layer to the next by the key, not over every span.
            rows = connection.execute(
                """
                WITH RECURSIVE found (run_id, layer) AS (
                    SELECT * FROM (SELECT run_id, layer FROM span
                                   ORDER BY run_id, layer LIMIT 1)
                    UNION ALL
                    SELECT next.run_id, next.layer FROM found, span AS next
                    WHERE (next.run_id, next.layer, next.start_mono_ms) =
                        (SELECT run_id, layer, start_mono_ms FROM span
                         WHERE (run_id, layer) > (found.run_id, found.layer)
                         ORDER BY run_id, layer, start_mono_ms LIMIT 1)
                )
                SELECT DISTINCT layer FROM found ORDER BY layer
                """
            )
            return [row[0] for row in rows]

    def read_first_ms(self) -> int | None:
        """The first instant that the books speak of; None in books without any UTC."""
        with opened_read_only(self._path) as connection:
            row = connection.execute("SELECT min(started_ms) FROM run").fetchone()
            return None if row is None else row[0]

    def read_checks(self) -> list[CheckDefinition]:
        """Every definition that a check ever had, in the order in which they were made."""
        with opened_read_only(self._path) as connection:
            return _read_checks(connection)

    def read_counters(self) -> dict[tuple[str, str], int]:
        """The totals since the books were begun, by name and label."""
        with opened_read_only(self._path) as connection:
            rows = connection.execute(
                "SELECT name, label, value FROM counter WHERE name <> ?", (COUNTED,)
            )
            return {(name, label): value for name, label, value in rows}

    def read_observations(
        self, from_ms: int, to_ms: int, check_ids: Collection[str] | None = None
    ) -> Iterator[tuple[int, Observation]]:
        """The observations due in the range, each with its due instant in UTC.

        In the order of recording; within what one commit brought, by due time.
        """
        with opened_read_only(self._path) as connection:
            names = {check.number: check.check_id for check in _read_checks(connection)}
            for block in _read_blocks(connection, from_ms, to_ms):
                for observation in unpack_minute(block.packed, names):
                    due_ms = observation.due_ms + block.offset_ms
                    wanted = check_ids is None or observation.check_id in check_ids
                    if wanted and from_ms <= due_ms < to_ms:
                        yield due_ms, observation

    def read_blocks(self, from_ms: int, to_ms: int) -> Iterator[Block]:
        """The packed rows that can hold observations of the range, in the order of recording."""
        with opened_read_only(self._path) as connection:
            yield from _read_blocks(connection, from_ms, to_ms)

    def read_rtt_points(
        self, from_ms: int, to_ms: int, step_ms: int, *, without: Intervals = EMPTY
    ) -> list[RttPoint]:
        """Latency by target and step, ordered by start and target.

        Steps begin at ``from_ms``; one in which nothing was sent, but for what was due in
        ``without`` (UTC), has no point. Raises ValueError for a step that is not positive.
        """
        if step_ms <= 0:
            raise ValueError(f"a step must be longer than 0 ms, got {step_ms}")
        with opened_read_only(self._path) as connection:
            names = {check.number: check.check_id for check in _read_checks(connection)}
            blocks = ((b.offset_ms, b.packed) for b in _read_blocks(connection, from_ms, to_ms))
            return build_rtt_points(blocks, names, from_ms, to_ms, step_ms, without=without)


def _read_checks(connection: sqlite3.Connection) -> list[CheckDefinition]:
    rows = connection.execute(
        "SELECT id, check_id, kind, target, role, since_ms FROM check_definition ORDER BY id"
    )
    return [
        CheckDefinition(
            number=number,
            check_id=check_id,
            kind=kind,
            target=target,
            role=None if role is None else Role(role),
            since_ms=since_ms,
        )
        for number, check_id, kind, target, role, since_ms in rows
    ]


def _read_blocks(connection: sqlite3.Connection, from_ms: int, to_ms: int) -> Iterator[Block]:
    """The packed rows that can hold observations of the range, in the order of recording."""
    for stretch in _read_stretches(connection, from_ms, to_ms):
        first = max(stretch.from_mono_ms - ROW_SPAN_MS - KEY_SLACK_MS, 0)
        # An end that is decades ahead does not reach into the keys of the next run.
        key, end = row_key(stretch.run_id, first), row_key(stretch.run_id + 1, 0)
        last = min(row_key(stretch.run_id, 0) + stretch.to_mono_ms, end)
        while True:
            rows = connection.execute(
                "SELECT key, start_ms, start_ms - start_mono_ms, block FROM observation_minute"
                " WHERE key >= ? AND key < ? AND start_ms IS NOT NULL ORDER BY key LIMIT ?",
                (key, last, _PIECE),
            ).fetchall()
            for _, start_ms, offset_ms, packed in rows:
                yield Block(start_ms=start_ms, offset_ms=offset_ms, packed=packed)
            if len(rows) < _PIECE:
                break
            key = rows[-1][0] + 1


def _read_stretches(connection: sqlite3.Connection, from_ms: int, to_ms: int) -> list[_Stretch]:
    """Where to look in each run: by the offsets that its clock ever had."""
    rows = connection.execute(
        """
        SELECT run.id, :from_ms - max(offset_ms), :to_ms - min(offset_ms)
        FROM run JOIN anchor ON anchor.run_id = run.id
        GROUP BY run.id
        HAVING started_mono_ms < :to_ms - min(offset_ms)
           AND ended_mono_ms + 300000 >= :from_ms - max(offset_ms)
        ORDER BY run.id
        """,
        {"from_ms": from_ms, "to_ms": to_ms},
    )
    return [
        _Stretch(run_id=run_id, from_mono_ms=from_mono_ms, to_mono_ms=to_mono_ms)
        for run_id, from_mono_ms, to_mono_ms in rows
        if to_mono_ms > 0
    ]
