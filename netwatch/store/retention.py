"""What leaves the books, and in which order.

The law of this file: raw observations leave first, by age, by size and before the disk is
full; verdicts and runs leave by age alone, and never before thirteen months. Freed pages
are used again, the file is not shrunk: nothing is written to give space back. It must not
read a clock.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec

#: Thirteen months of whatever length: 366 days and 31.
LEDGER_KEEP_MS = 397 * 86_400_000
#: Rows that leave in one transaction.
STEP_ROWS = 500
#: With less than this free on the disk, the books grow no more: see `SPARE_BYTES`.
LOW_DISK_BYTES = 32_000_000
#: Then so much is kept free within the file, a day and more, by letting raw rows go.
SPARE_BYTES = 1_000_000


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What one call did; with ``finished`` false there is more, for a later call."""

    observation_rows: int
    spans: int
    runs: int
    finished: bool


def prune(
    connection: sqlite3.Connection,
    now_ms: int | None,
    keep_ms: int,
    size_budget_bytes: int,
    *,
    free_bytes: int | None = None,
    max_steps: int = 20,
) -> Pruned:
    """Let go what is older than ``keep_ms``, and raw rows while there is no room for more.

    ``now_ms`` is None where the clock is not synchronised: nothing is too old then. One
    beyond what the books speak of counts as their end, so that a clock gone astray empties
    nothing. ``free_bytes`` are those of the disk, None where they are not known. Each of at
    most ``max_steps`` transactions takes at most `STEP_ROWS` rows. Raises sqlite3.Error.
    """
    newest = connection.execute("SELECT max(ended_ms) FROM run").fetchone()[0]
    now_ms = None if newest is None or now_ms is None else min(now_ms, newest)
    oldest_ms = None if now_ms is None else now_ms - keep_ms
    observation_rows = 0
    for _ in range(max_steps):
        lacking = lacks_room(connection, size_budget_bytes, free_bytes)
        left = _drop_observations(connection, oldest_ms, lacking=lacking)
        observation_rows += left
        if not left:
            break
    else:
        return Pruned(observation_rows=observation_rows, spans=0, runs=0, finished=False)
    if now_ms is None:
        return Pruned(observation_rows=observation_rows, spans=0, runs=0, finished=True)
    cutoff_ms = now_ms - max(keep_ms, LEDGER_KEEP_MS)
    spans = _drop_spans(connection, cutoff_ms)
    runs = 0 if spans == STEP_ROWS else _drop_runs(connection, cutoff_ms)
    return Pruned(
        observation_rows=observation_rows, spans=spans, runs=runs, finished=spans < STEP_ROWS
    )


def lacks_room(
    connection: sqlite3.Connection, size_budget_bytes: int, free_bytes: int | None
) -> bool:
    """Whether raw rows must go: over the budget, or nearly full with no spare pages inside."""
    if read_used_bytes(connection) > size_budget_bytes:
        return True
    if free_bytes is None or free_bytes >= LOW_DISK_BYTES:
        return False
    return read_spare_bytes(connection) < SPARE_BYTES


def read_used_bytes(connection: sqlite3.Connection) -> int:
    """Size of the database less the pages that are free to be used again."""
    pages, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages * page_bytes) - read_spare_bytes(connection)


def read_spare_bytes(connection: sqlite3.Connection) -> int:
    """Pages of the file that are free to be used again."""
    free, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("freelist_count", "page_size")
    )
    return int(free * page_bytes)


def read_free_bytes(path: Path) -> int | None:
    """What an ordinary user may still write on the file's disk; None where it is not known."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _drop_observations(
    connection: sqlite3.Connection, cutoff_ms: int | None, *, lacking: bool
) -> int:
    """One transaction; keys ascend with time, so the oldest are the first."""
    oldest = connection.execute(
        "SELECT key, start_ms FROM observation_minute ORDER BY key LIMIT ?", (STEP_ROWS,)
    ).fetchall()
    if not oldest:
        return 0
    last = oldest[-1][0] if lacking else None
    if last is None and cutoff_ms is not None:
        last = _find_last_before(connection, oldest, cutoff_ms)
    if last is None:
        return 0
    return connection.execute(
        "DELETE FROM observation_minute WHERE key >= ? AND key <= ?", (oldest[0][0], last)
    ).rowcount


def _find_last_before(
    connection: sqlite3.Connection, oldest: list[tuple[int, int | None]], cutoff_ms: int
) -> int | None:
    """The last of the oldest rows that a row before the cutoff proves to be old.

    A row without UTC is older than a later one that has it.
    """
    for key, start_ms in reversed(oldest):
        if start_ms is not None and start_ms < cutoff_ms:
            return key
    if any(start_ms is not None for _, start_ms in oldest):
        return None
    row = connection.execute(
        "SELECT start_ms FROM observation_minute WHERE key > ? AND start_ms IS NOT NULL"
        " ORDER BY key LIMIT 1",
        (oldest[-1][0],),
    ).fetchone()
    return oldest[-1][0] if row is not None and row[0] < cutoff_ms else None


def _drop_spans(connection: sqlite3.Connection, cutoff_ms: int) -> int:
    """One transaction. Spans without UTC leave once a later run has ended before the cutoff."""
    return connection.execute(
        """
        DELETE FROM span WHERE (run_id, layer, start_mono_ms) IN (
            SELECT run_id, layer, start_mono_ms FROM span
            WHERE run_id <= (SELECT max(id) FROM run WHERE started_ms < :cutoff)
              AND (start_ms + end_mono_ms - start_mono_ms <= :cutoff
                   OR start_ms IS NULL
                      AND run_id < (SELECT max(id) FROM run WHERE ended_ms < :cutoff))
            LIMIT :rows)
        """,
        {"cutoff": cutoff_ms, "rows": STEP_ROWS},
    ).rowcount


def _drop_runs(connection: sqlite3.Connection, cutoff_ms: int) -> int:
    """Runs of which nothing else is kept, with their anchors; never the newest."""
    connection.execute("BEGIN IMMEDIATE")
    gone = connection.execute(
        """
        DELETE FROM run
        WHERE id < (SELECT max(id) FROM run WHERE ended_ms < :cutoff)
          AND (ended_ms IS NULL OR ended_ms < :cutoff)
          AND NOT EXISTS (SELECT 1 FROM span WHERE run_id = run.id)
          AND NOT EXISTS (SELECT 1 FROM observation_minute
                          WHERE key >= run.id << 40 AND key < (run.id + 1) << 40)
        """,
        {"cutoff": cutoff_ms},
    ).rowcount
    connection.execute("DELETE FROM anchor WHERE run_id NOT IN (SELECT id FROM run)")
    connection.execute("COMMIT")
    return gone
