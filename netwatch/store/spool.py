"""What an outlet has still to send: a cursor over the books, not a copy of them.

The law of this file: a minute leaves on a receipt alone, and what was accepted or
rejected leaves; everything else stays (DESIGN.md, rule 7). Only minutes that nothing
more will be said of are handed out, newest first, also those that are in the daybook and
not in the database yet (`store.tail`). A cursor that is lost sends minutes twice, never
not at all. It must not know what a minute is made of, nor where it goes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from netwatch.core.clockline import SAME_OFFSET_MS
from netwatch.core.intervals import EMPTY, Intervals, clip, difference, normalise, total, union
from netwatch.records import MINUTE_MS, Receipt
from netwatch.store.afterthoughts import Key, read_afterthoughts
from netwatch.store.batch import Batch
from netwatch.store.db import opened_read_only
from netwatch.store.loaded import hold_for_tests
from netwatch.store.stamping import read_unstamped_runs
from netwatch.store.tail import Tail, find_certain_mono_ms, read_tail

#: Minutes of one claim: the newest alone, so that dashboards come back at once; history in
#: pieces that are read and sent in a second or two.
RECENT_MINUTES = 5
HISTORY_MINUTES = 60
#: What is entered into a minute afterwards is looked for so far back.
AFTERTHOUGHTS_MS = 3_600_000


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Whole UTC minutes ``[from_ms, until_ms)`` that are to be sent now."""

    from_ms: int
    until_ms: int


class SpoolDepth(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits."""

    minutes: int
    oldest_ms: int | None  # UTC; None when nothing waits


class Spool:
    """The cursor of one outlet over the books at ``path``. For one thread.

    ``outlet`` names kind and destination: another server begins with the first minute.
    ``call`` does something with the connection of whoever owns the database
    (`netwatch.store.writer.Writer.call`), ``pending`` gives what is not in the database yet
    (`Writer.pending`), ``entered`` the newest batch that is (`Writer.entered`). Handed out is
    what a batch says is settled, but for the last ``answer_ms`` before it, in which probes
    may still be under way; where no batch is known, all but the last ``margin_ms``.

    `refresh` and `save` raise StoreError.
    """

    def __init__(
        self,
        path: Path | str,
        outlet: str,
        *,
        call: Callable[[Callable[[sqlite3.Connection], None]], None],
        margin_ms: int,
        pending: Callable[[], Sequence[Batch]] = tuple,
        entered: Callable[[], Sequence[Batch]] = tuple,
        answer_ms: int = 0,
    ) -> None:
        self._path = Path(path)
        self._outlet = outlet
        self._call = call
        self._margin_ms = margin_ms
        self._pending_batches = pending
        self._entered = entered
        self._answer_ms = answer_ms
        self._reach: _Reach | None = None
        self._seen: frozenset[Key] = frozenset()  # of what was entered afterwards
        self._settled: Intervals = EMPTY
        self._late = 0
        self._loaded = False
        self._first_ms = self._horizon_ms = 0
        self.unsaved_minutes = 0  # settled since the last `save`: sent again after a power cut

    def refresh(self) -> SpoolDepth:
        """Look how far the books have come, and what was entered late into closed days."""
        # Before the database is read: what leaves the daybook meanwhile is found there.
        pending, entered = self._pending_batches(), self._entered()
        with opened_read_only(self._path) as connection:
            if not self._loaded:
                self._settled, self._late = _read_cursor(connection, self._outlet)
                self._loaded = True
            bounds = _read_bounds(connection, self._margin_ms)
            late, changed = _read_late(connection, self._late)
            horizon_ms = bounds.horizon_ms
            if not bounds.held:
                self._stretch(entered, read_tail(connection, pending))
                horizon_ms = max(horizon_ms, self._read_reached_ms(connection))
            # Which samples of a minute are the line's is known when its test is over.
            horizon_ms = _floor(hold_for_tests(connection, horizon_ms))
            later = read_afterthoughts(connection, horizon_ms - AFTERTHOUGHTS_MS)
        self._first_ms, self._horizon_ms = bounds.first_ms, horizon_ms
        new = [
            (_floor(at_ms), _floor(at_ms) + MINUTE_MS)
            for each, at_ms in later.items()
            if each not in self._seen
        ]
        self._seen = frozenset(later)
        self._settled = difference(self._settled, union(changed, normalise(new)))
        if not bounds.held:
            # Beyond the horizon after a clock was put back: those minutes will come again.
            self._settled = clip(self._settled, self._first_ms, self._horizon_ms)
        self._late = late
        return self.depth

    @property
    def depth(self) -> SpoolDepth:
        """What waits, as of the last `refresh`."""
        pending = self._pending()
        return SpoolDepth(
            minutes=total(pending) // MINUTE_MS, oldest_ms=pending[0][0] if pending else None
        )

    def claim(self) -> Claim | None:
        """The newest minutes that wait, then history backwards; None when nothing does.

        The same again until they are settled.
        """
        pending = self._pending()
        if not pending:
            return None
        from_ms, until_ms = pending[-1]
        most = RECENT_MINUTES if until_ms == self._horizon_ms else HISTORY_MINUTES
        return Claim(from_ms=max(from_ms, until_ms - most * MINUTE_MS), until_ms=until_ms)

    def settle(self, lines: Sequence[tuple[int, int]], receipt: Receipt) -> int:
        """Let go of the minutes that the receipt covers whole; returns how many.

        ``lines`` has the beginning of each minute and how many lines it had, in the order
        of sending. The same receipt again changes nothing.
        """
        done = receipt.accepted + receipt.rejected
        left: list[tuple[int, int]] = []
        for start_ms, count in lines:
            done -= count
            if done < 0:
                break
            left.append((start_ms, start_ms + MINUTE_MS))
        before = total(self._settled)
        self._settled = union(self._settled, normalise(left))
        new = (total(self._settled) - before) // MINUTE_MS
        self.unsaved_minutes += new
        return new

    def save(self) -> None:
        """Have the cursor outlive the process: one short transaction."""
        settled, late = self._settled, self._late
        self._call(lambda connection: _write_cursor(connection, self._outlet, settled, late))
        self.unsaved_minutes = 0

    def _stretch(self, entered: Sequence[Batch], tail: Tail | None) -> None:
        """Remember how far the newest batches are certain, in the daybook or in the database."""
        batches = [*entered, *(() if tail is None else tail.batches)]
        certain_ms = find_certain_mono_ms(batches, self._answer_ms)
        anchor = batches[-1].anchor if batches else None
        if certain_ms is not None and anchor is not None:
            self._reach = _Reach(
                run_id=batches[-1].run_id, offset_ms=anchor.offset_ms, mono_ms=certain_ms
            )

    def _read_reached_ms(self, connection: sqlite3.Connection) -> int:
        """Up to where a batch has once been certain; 0 in another run, or after a step."""
        reach = self._reach
        if reach is None:
            return 0
        row = connection.execute(
            "SELECT run_id, offset_ms FROM anchor WHERE run_id = (SELECT max(id) FROM run)"
            " ORDER BY mono_ms DESC LIMIT 1"
        ).fetchone()
        if row is None or row[0] != reach.run_id or abs(row[1] - reach.offset_ms) >= SAME_OFFSET_MS:
            self._reach = None
            return 0
        return _floor(reach.mono_ms + int(row[1]))

    def _pending(self) -> Intervals:
        if self._first_ms >= self._horizon_ms:
            return EMPTY
        return difference(((self._first_ms, self._horizon_ms),), self._settled)


def _read_cursor(connection: sqlite3.Connection, outlet: str) -> tuple[Intervals, int]:
    rows = connection.execute(
        "SELECT from_ms, until_ms FROM outlet_settled WHERE outlet = ? ORDER BY from_ms", (outlet,)
    ).fetchall()
    seen = connection.execute("SELECT late FROM outlet_seen WHERE outlet = ?", (outlet,)).fetchone()
    return normalise(rows), 0 if seen is None else seen[0]


def _write_cursor(
    connection: sqlite3.Connection, outlet: str, settled: Intervals, late: int
) -> None:
    """Only the rows that differ: in the ordinary minute that is one."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        stored = set(
            connection.execute(
                "SELECT from_ms, until_ms FROM outlet_settled WHERE outlet = ?", (outlet,)
            ).fetchall()
        )
        kept = {from_ms for from_ms, _ in settled}
        connection.executemany(
            "DELETE FROM outlet_settled WHERE outlet = ? AND from_ms = ?",
            [(outlet, from_ms) for from_ms, _ in stored if from_ms not in kept],
        )
        connection.executemany(
            "INSERT INTO outlet_settled VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms",
            [(outlet, *each) for each in settled if each not in stored],
        )
        connection.execute(
            "INSERT INTO outlet_seen VALUES (?, ?) ON CONFLICT DO UPDATE"
            " SET late = excluded.late WHERE late <> excluded.late",
            (outlet, late),
        )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class _Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How far batches were certain before they were in the database (monotonic)."""

    run_id: int
    offset_ms: int
    mono_ms: int


class _Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The first minute of the books, and the end of the last that is certain (UTC).

    ``held``: rows of this boot wait for their instant. What they say is not known yet, so
    the runs before them alone are certain.
    """

    first_ms: int = 0
    horizon_ms: int = 0
    held: bool = False


def _read_bounds(connection: sqlite3.Connection, margin_ms: int) -> _Bounds:
    last_run = connection.execute("SELECT max(id) FROM run").fetchone()[0]
    if last_run is None:
        return _Bounds()
    unstamped = read_unstamped_runs(connection, last_run)
    newest = connection.execute(
        "SELECT ended_ms FROM run WHERE ended_ms IS NOT NULL AND id < ? ORDER BY id DESC LIMIT 1",
        (min(unstamped, default=last_run + 1),),
    ).fetchone()
    first_ms = connection.execute("SELECT min(started_ms) FROM run").fetchone()[0]
    if newest is None or first_ms is None:
        return _Bounds(held=True)
    return _Bounds(
        first_ms=_floor(first_ms),
        horizon_ms=_floor(newest[0] - margin_ms),
        held=bool(unstamped),
    )


def _read_late(connection: sqlite3.Connection, after: int) -> tuple[int, Intervals]:
    """Number of the newest late entry, and the minutes that later ones than ``after`` touch.

    Of the kinds that change what a minute's points say.
    """
    rows = connection.execute(
        "SELECT id, from_ms, until_ms FROM late_entry WHERE id > ? AND record IN"
        " ('span', 'raw', 'run', 'anchor', 'check', 'bandwidth_test') ORDER BY id",
        (after,),
    ).fetchall()
    touched = [(_floor(from_ms), -_floor(-until_ms)) for _, from_ms, until_ms in rows]
    return max((row[0] for row in rows), default=after), normalise(touched)


def _floor(at_ms: int) -> int:
    return at_ms // MINUTE_MS * MINUTE_MS
