"""The books themselves: runs, spans, observations and totals, entered whole or not at all.

The law of this file: a batch is one transaction; entered twice it counts once, refused
it leaves everything as it was. It is used by one thread, the one that owns the
connection, and must not know of queues, retries or clocks.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from netwatch.errors import StoreError
from netwatch.records import Anchor, Check, Run
from netwatch.store.batch import Batch
from netwatch.store.counted import (
    COUNTED,
    enter_counted,
    leave_uncounted_behind_gaps,
    read_counted,
)
from netwatch.store.entries import enter_observations, enter_span, split_by_time
from netwatch.store.failures import explain_failure
from netwatch.store.lives import Told, build_run, read_told
from netwatch.store.stamping import enter_anchor, read_unstamped_runs, stamp_run
from netwatch.store.uncounted import read_uncounted

#: How many raw rows one commit stamps at most.
STAMPED_ROWS = 200

#: Number, kind, target and role of a check.
_Definition = tuple[int, str | None, str | None, str | None]


class Journal:
    """Appends to an open database (`netwatch.store.db.open_database`).

    Every method raises StoreError (StoreCorrupt where the file is damaged) when SQLite
    refuses; nothing has changed then, and the same call may be made again.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        row = connection.execute("PRAGMA database_list").fetchone()
        self._path = Path(row[2] or ":memory:")
        #: Runs of this boot that may have rows without UTC.
        self._unstamped: set[int] = set()
        #: The newest definition of each check, as it was committed.
        self._definitions: dict[str, _Definition] = {}

    def begin_run(
        self,
        boot_id: str,
        pid: int,
        version: str,
        monotonic_ms: int,
        anchor: Anchor | None,
    ) -> tuple[int, Run | None]:
        """Enter the beginning of a life of the agent.

        Returns its number, and the run before as it was left (``clean`` or not), None
        in a new database. With an anchor, what earlier runs of the same boot left
        without UTC gets it.
        """
        with self._transaction():
            previous = self._read_last_run()
            run_id = 1 if previous is None else previous.id + 1
            self._insert_run(run_id, boot_id, pid, version, monotonic_ms)
            unstamped = set(read_unstamped_runs(self._connection, run_id))
            if anchor is not None:
                unstamped = self._stamp(unstamped, anchor)
            definitions = self._read_definitions()
        self._unstamped, self._definitions = unstamped, definitions
        return run_id, previous

    def resume_run(
        self, run_id: int, boot_id: str, pid: int, version: str, started_mono_ms: int
    ) -> None:
        """Go on with a run after the database was opened again, or replaced by a new one.

        Raises StoreError where a run of that number was another life: the books of another
        disk, mounted in the place of those that this run began in.
        """
        with self._transaction():
            self._insert_run(run_id, boot_id, pid, version, started_mono_ms)
            life = self._connection.execute(
                "SELECT boot_id, pid, started_mono_ms FROM run WHERE id = ?", (run_id,)
            ).fetchone()
            if life != (boot_id, pid, started_mono_ms):
                raise StoreError(
                    f"{self._path}: these are other books than those that this run began in: "
                    "mount the disk that it began on, or start the agent anew"
                )
            unstamped = set(read_unstamped_runs(self._connection, run_id))
            definitions = self._read_definitions()
        self._unstamped, self._definitions = unstamped, definitions

    def append(self, batch: Batch) -> None:
        """Enter a batch; one whose sequence was entered before changes nothing."""
        self.append_all((batch,))

    def append_all(self, batches: Sequence[Batch]) -> None:
        """Enter several batches in one transaction.

        Raises ValueError, as `netwatch.core.packing.pack_minute` does, for observations that no block can hold.
        """
        definitions, unstamped = dict(self._definitions), set(self._unstamped)
        with self._transaction():
            for batch in batches:
                if self._is_entered(batch):
                    continue
                self._enter(batch, definitions)
                if batch.anchor is None:
                    unstamped.add(batch.run_id)
                elif unstamped:
                    unstamped = self._stamp(unstamped, batch.anchor)
        self._definitions, self._unstamped = definitions, unstamped

    def recover(self, batches: Sequence[Batch]) -> int:
        """Enter what a run that was cut off had written down elsewhere; returns how many.

        Batches that are entered already, and those of runs that the books do not know,
        are passed over.
        """
        with self._explained():
            lasts = dict(self._connection.execute("SELECT id, last_sequence FROM run").fetchall())
            self._definitions = self._read_definitions()
        missing = [
            batch
            for batch in batches
            if batch.sequence is not None
            and batch.sequence > lasts.get(batch.run_id, batch.sequence)
        ]
        # In books without any mark nobody would add it afterwards.
        if missing and read_counted(self._connection, missing[-1].run_id + 1):
            missing = list(leave_uncounted_behind_gaps(missing, lasts))
        try:
            self.append_all(missing)
        except ValueError:  # as the writer does with figures that no block holds
            bare = [msgspec.structs.replace(batch, observations=()) for batch in missing]
            self.append_all(bare)
        return len(missing)

    def stamp(self, run_id: int, anchor: Anchor) -> None:
        """Give UTC to all rows of that run's boot that have none; again changes nothing.

        `append` does the same by itself, a limited number of raw rows at a time.
        """
        pending = read_unstamped_runs(self._connection, run_id)
        while pending:
            with self._transaction():
                pending = sorted(self._stamp(set(pending), anchor))
        self._unstamped.clear()

    def end_run(self, run_id: int, monotonic_ms: int, anchor: Anchor | None) -> None:
        """Enter that the agent takes its leave, so that the gap to come is no crash."""
        with self._transaction():
            offset_ms = None if anchor is None else enter_anchor(self._connection, run_id, anchor)
            self._move_end(run_id, monotonic_ms, offset_ms)
            self._connection.execute("UPDATE run SET clean = 1 WHERE id = ?", (run_id,))

    def read_told(self, run_id: int) -> Told:
        """What the runs before one knew of the time, and what the totals lack of them."""
        with self._explained():
            told = read_told(self._connection, run_id)
            missing, incidents = read_uncounted(self._connection, self._path, run_id, told.end_ms)
            return msgspec.structs.replace(told, uncounted=missing, incidents=incidents)

    def read_counters(self) -> dict[tuple[str, str], int]:
        """The totals since the books were begun, by name and label."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT name, label, value FROM counter WHERE name <> ?", (COUNTED,)
            )
            return {(name, label): value for name, label, value in rows}

    def _enter(
        self,
        batch: Batch,
        definitions: dict[str, _Definition],
    ) -> None:
        # Unpacked once, where they were kept small.
        batch = msgspec.structs.replace(batch, observations=tuple(batch.observations))
        offset_ms = None
        if batch.anchor is not None:
            offset_ms = enter_anchor(self._connection, batch.run_id, batch.anchor)
        for check in batch.checks:
            self._define(check.id, check, batch, offset_ms, definitions)
        for each in batch.observations:
            if each.check_id not in definitions:
                self._define(each.check_id, None, batch, offset_ms, definitions)
        for layer_span in batch.spans:
            enter_span(self._connection, batch.run_id, layer_span, offset_ms)
        numbers = {check_id: definition[0] for check_id, definition in definitions.items()}
        for row in split_by_time(batch.observations):
            enter_observations(self._connection, batch.run_id, row, numbers, offset_ms)
        self._connection.executemany(
            "INSERT INTO counter VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET value = value + excluded.value",
            [(*key, increment) for key, increment in batch.counters.items() if increment],
        )
        if batch.counted_mono_ms is not None:
            enter_counted(
                self._connection, batch.run_id, batch.counted_mono_ms, caught_up=batch.caught_up
            )
        self._move_end(batch.run_id, batch.watched_to_mono_ms, offset_ms)
        self._connection.execute(
            "UPDATE run SET last_sequence = coalesce(?, last_sequence + 1) WHERE id = ?",
            (batch.sequence, batch.run_id),
        )

    def _define(
        self,
        check_id: str,
        check: Check | None,
        batch: Batch,
        offset_ms: int | None,
        definitions: dict[str, _Definition],
    ) -> None:
        facts = (
            (None, None, None) if check is None else (check.kind, check.target, check.role.value)
        )
        if check_id in definitions and definitions[check_id][1:] == facts:
            return
        since_ms = batch.watched_to_mono_ms
        if batch.observations:
            since_ms = min(each.due_ms for each in batch.observations)
        number = self._connection.execute(
            "INSERT INTO check_definition"
            " (check_id, kind, target, role, run_id, since_mono_ms, since_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                check_id,
                *facts,
                batch.run_id,
                since_ms,
                None if offset_ms is None else since_ms + offset_ms,
            ),
        ).fetchone()[0]
        definitions[check_id] = (number, *facts)

    def _stamp(self, runs: set[int], anchor: Anchor) -> set[int]:
        """Stamp within the transaction; returns the runs that are not done."""
        return {
            run_id
            for run_id in sorted(runs)
            if not stamp_run(self._connection, run_id, anchor, STAMPED_ROWS)
        }

    def _move_end(self, run_id: int, mono_ms: int, offset_ms: int | None) -> None:
        changed = self._connection.execute(
            "UPDATE run SET ended_mono_ms = max(ended_mono_ms, :end),"
            " started_ms = coalesce(started_ms, started_mono_ms + :offset),"
            # Without an anchor now, the duration since the last one is added to it.
            " ended_ms = coalesce(max(ended_mono_ms, :end) + :offset,"
            "                     ended_ms + max(ended_mono_ms, :end) - ended_mono_ms)"
            " WHERE id = :run",
            {"run": run_id, "end": mono_ms, "offset": offset_ms},
        ).rowcount
        if not changed:
            raise StoreError(f"{self._path}: run {run_id} was never begun in it")

    def _is_entered(self, batch: Batch) -> bool:
        if batch.sequence is None:
            return False
        row = self._connection.execute(
            "SELECT last_sequence FROM run WHERE id = ?", (batch.run_id,)
        ).fetchone()
        return row is not None and batch.sequence <= row[0]

    def _insert_run(
        self, run_id: int, boot_id: str, pid: int, version: str, started_mono_ms: int
    ) -> None:
        self._connection.execute(
            "INSERT INTO run (id, boot_id, pid, version, started_mono_ms, ended_mono_ms)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (run_id, boot_id, pid, version, started_mono_ms, started_mono_ms),
        )

    def _read_last_run(self) -> Run | None:
        row = self._connection.execute(
            "SELECT id, boot_id, version, started_ms, ended_ms, clean"
            " FROM run ORDER BY id DESC LIMIT 1"
        ).fetchone()
        return None if row is None else build_run(row)

    def _read_definitions(self) -> dict[str, _Definition]:
        rows = self._connection.execute(
            "SELECT check_id, id, kind, target, role FROM check_definition ORDER BY id"
        )
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain_failure(self._path, error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                # After a COMMIT that failed, or anything before it. SQLite may have rolled
                # back by itself already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
