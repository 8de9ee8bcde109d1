"""The lives of the agent as the books have them: when, of which boot, and what they knew of the time.

Rule of this file: reads only, over a connection that its caller owns. What follows from
the lives is `core.lives`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from netwatch.core.clockline import Tie
from netwatch.core.ledger import Key
from netwatch.core.lives import FOREVER_MS, cut_life
from netwatch.records import Anchor, Cause, Run
from netwatch.store.counted import COUNTED

#: The runs that a clock dated, and within what bounds (UTC).
_PLACED_RUNS = (
    "WITH placed AS (SELECT run.id, started_mono_ms + min(offset_ms) AS low,"
    " ended_mono_ms + max(offset_ms) AS high"
    " FROM run JOIN anchor ON anchor.run_id = run.id GROUP BY run.id) "
)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier runs knew of the time."""

    end_ms: int | None = None  # until then (UTC) they answer for it; None: none has a place in it
    undated_ms: int = 0  # so long others have watched since, who never knew it
    anchor: Anchor | None = None  # what last told it in this boot
    uncounted: Mapping[Key, int] = {}  # what the totals lack of the time before its end (ms)
    incidents: Mapping[Cause, int] = {}  # and of the outages that began in it


def read_ties(connection: sqlite3.Connection, run_id: int) -> list[Tie]:
    """What tied a run's monotonic clock to UTC, in order. Raises sqlite3.Error."""
    return connection.execute(
        "SELECT mono_ms, offset_ms FROM anchor WHERE run_id = ? ORDER BY mono_ms", (run_id,)
    ).fetchall()


def read_lives(connection: sqlite3.Connection, from_ms: int, to_ms: int) -> list[Run]:
    """What `core.lives` needs to explain a range: see `Reader.read_lives`. Raises sqlite3.Error."""
    values = {"from": from_ms, "to": to_ms}
    earlier, later = (
        connection.execute(_PLACED_RUNS + query, values).fetchone()
        for query in (
            "SELECT id FROM placed WHERE high < :from ORDER BY high DESC LIMIT 1",
            "SELECT id FROM placed WHERE low >= :to ORDER BY low LIMIT 1",
        )
    )
    first = 0 if earlier is None else earlier[0]
    last = FOREVER_MS if later is None else later[0]
    rows = connection.execute(
        f"{_PLACED_RUNS} SELECT run.id, boot_id, version, started_mono_ms, ended_mono_ms, clean"  # noqa: S608 - our own text
        " FROM run LEFT JOIN placed ON placed.id = run.id"
        " WHERE run.id BETWEEN :first AND :last OR low < :to AND high >= :from ORDER BY run.id",
        {**values, "first": min(first, last), "last": max(first, last)},
    ).fetchall()
    pieces: list[Run] = []
    for number, boot_id, version, started_mono_ms, ended_mono_ms, clean in rows:
        run = Run(
            id=number,
            boot_id=boot_id,
            version=version,
            started_ms=None,
            ended_ms=None,
            clean=bool(clean),
            started_mono_ms=started_mono_ms,
            ended_mono_ms=ended_mono_ms,
        )
        pieces += cut_life(run, read_ties(connection, number))
    return pieces


def read_told(connection: sqlite3.Connection, run_id: int) -> Told:
    """What the runs before one knew of the time; of totals it says nothing. Raises sqlite3.Error."""
    tie = connection.execute(
        "SELECT boot_id, mono_ms, offset_ms FROM run JOIN anchor ON run_id = id"
        " WHERE boot_id <> 'unknown' AND boot_id = (SELECT boot_id FROM run WHERE id = ?)"
        " ORDER BY run_id DESC, mono_ms DESC LIMIT 1",
        (run_id,),
    ).fetchone()
    last = connection.execute(
        "SELECT id, ended_ms FROM run WHERE id < ? AND ended_ms IS NOT NULL"
        " ORDER BY id DESC LIMIT 1",
        (run_id,),
    ).fetchone()
    since = 0 if last is None else last[0]
    (undated_ms,) = connection.execute(
        # As far as the totals have them, where the books say how far that is.
        "SELECT coalesce(sum(coalesce(counter.value, ended_mono_ms) - started_mono_ms), 0)"
        " FROM run LEFT JOIN counter ON name = ? AND label = CAST(run.id AS TEXT)"
        " WHERE run.id > ? AND run.id < ?",
        (COUNTED, since, run_id),
    ).fetchone()
    return Told(
        end_ms=None if last is None else last[1],
        undated_ms=undated_ms,
        anchor=tie and Anchor(boot_id=tie[0], monotonic_ms=tie[1], offset_ms=tie[2]),
    )


def build_run(row: tuple[int, str, str, int | None, int | None, int]) -> Run:
    """A run from its columns id, boot_id, version, started_ms, ended_ms, clean.

    >>> build_run((1, "b", "0.1.0", None, None, 0)).clean
    False
    """
    run_id, boot_id, version, started_ms, ended_ms, clean = row
    return Run(
        id=run_id,
        boot_id=boot_id,
        version=version,
        started_ms=started_ms,
        ended_ms=ended_ms,
        clean=bool(clean),
    )
