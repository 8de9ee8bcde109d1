"""How far the totals have come, by run: rows of the totals' own table, which are no totals.

Rule of this file: the mark is written in the transaction that adds what it speaks of. What
follows from the marks is `store.uncounted`'s. It begins no transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from netwatch.store.batch import Batch

#: The totals that the marks speak of: milliseconds by verdict and cause, outages by cause.
LINK_MS, INCIDENTS = "link_ms", "incidents"
#: The name of such a row; its label is the run, its value an instant of it (monotonic).
COUNTED = "counted"


def enter_counted(
    connection: sqlite3.Connection, run_id: int, counted_mono_ms: int, *, caught_up: bool
) -> None:
    """The totals have this run up to there; if it caught up, all before it too.

    Raises sqlite3.Error.
    """
    connection.execute(
        "INSERT INTO counter VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
        (COUNTED, str(run_id), counted_mono_ms),
    )
    if caught_up:
        connection.execute(
            "DELETE FROM counter WHERE name = ? AND CAST(label AS INTEGER) < ?", (COUNTED, run_id)
        )


def read_counted(connection: sqlite3.Connection, before_run_id: int) -> dict[int, int]:
    """Up to where the totals have each run, from the last that had caught up, in order.

    Empty in books of a version that wrote no marks. Raises sqlite3.Error.
    """
    rows = connection.execute(
        "SELECT CAST(label AS INTEGER) AS run_id, value FROM counter"
        " WHERE name = ? AND run_id < ? ORDER BY run_id",
        (COUNTED, before_run_id),
    )
    return dict(rows.fetchall())


def leave_uncounted_behind_gaps(
    batches: Iterable[Batch], last_sequences: Mapping[int, int]
) -> Iterator[Batch]:
    """Batches to be entered late, in order; behind one that is lost they count no time.

    What the lost one had added to the totals is in none that follow, and a mark of theirs
    would speak of it: so neither the marks nor what they speak of are entered, and the next
    life adds that time as the ledger has it (`store.uncounted`). ``last_sequences``: by run,
    of those that are in the books.

    >>> def make(sequence):
    ...     counters = {(LINK_MS, "up:none"): 5, ("seen", "box"): 1}
    ...     return Batch(run_id=1, anchor=None, watched_to_mono_ms=9, counters=counters,
    ...                  sequence=sequence, counted_mono_ms=9)
    >>> [(len(each.counters), each.counted_mono_ms)
    ...  for each in leave_uncounted_behind_gaps([make(8), make(10), make(11)], {1: 7})]
    [(2, 9), (1, None), (1, None)]
    """
    lasts, torn = dict(last_sequences), set()
    for batch in batches:
        sequence = batch.sequence or 0
        if sequence != lasts.get(batch.run_id, 0) + 1:
            torn.add(batch.run_id)
        lasts[batch.run_id] = sequence
        if batch.run_id in torn and batch.counted_mono_ms is not None:
            yield msgspec.structs.replace(
                batch,
                counters={
                    key: increment
                    for key, increment in batch.counters.items()
                    if key[0] not in {LINK_MS, INCIDENTS}
                },
                counted_mono_ms=None,
                caught_up=False,
            )
        else:
            yield batch
