"""The records of one UTC day as the chain hashes them.

The law of this file: two readings of unchanged books give the same lines, whatever was
added to later days meanwhile; so whatever crosses midnight is cut at it. Reads only.
docs/chain.md lists the kinds of lines.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from netwatch.core.chain import DAY_MS, Field, digest_row, encode_record
from netwatch.core.clockline import cut_at_steps
from netwatch.store.stamping import row_key

#: Entered by people or by tests: (kind of line, instant that names the day, columns).
#: An instant of NULL is of no day; a table that has no such instant yet is not read.
_LEDGERS: tuple[tuple[str, str, str], ...] = (
    ("exclusion", "entered_ms", "id, from_ms, to_ms, kind, reason, author, entered_ms, notice_ms"),
    ("exclusion_removal", "entered_ms", "exclusion_id, author, entered_ms, reason"),
    (
        "incident_annotation",
        "entered_ms",
        "id, incident_id, author, entered_ms, ticket, reported_ms, closed_ms, pauses, answer,"
        " note, parent",
    ),
    (
        "bandwidth_test",
        "started_ms",
        "run_id, started_mono_ms, started_ms, engine, server, down_bytes_per_second,"
        " up_bytes_per_second, down_bytes, up_bytes, idle_rtt_us, down_loaded_rtt_us,"
        " up_loaded_rtt_us, responsiveness_rpm, down_invalid, up_invalid",
    ),
    ("bandwidth_skip", "due_ms", "run_id, due_mono_ms, due_ms, reason"),
    (
        "bandwidth_circumstance",
        "started_ms",
        "run_id, started_mono_ms, started_ms, ended_mono_ms, due_ms, asked_by, down_reason,"
        " up_reason, down_detail, up_detail, streams, port_speed_mbit, pressure_permille,"
        " child_cpu_ms, child_peak_bytes, temperature_mc, interface, before_down_bytes_per_second,"
        " before_up_bytes_per_second, during_down_bytes, during_up_bytes,"
        " after_down_bytes_per_second, after_up_bytes_per_second, counters, down_loaded_samples,"
        " up_loaded_samples",
    ),
    (
        "bandwidth_begun",
        "started_ms",
        "run_id, started_mono_ms, started_ms, due_ms, reserved_bytes",
    ),
    (
        "sent_report",
        "entered_ms",
        "id, site, month, version, recipient, sent, entered_ms",
    ),
    (
        "campaign",
        "entered_ms",
        "id, profile, seed, first_day, timezone, slots, offers, wired, author, entered_ms",
    ),
    ("campaign_removal", "entered_ms", "campaign_id, author, entered_ms, reason"),
)
#: A commit may be that late in saying how far a run has come (netwatch.store.queries).
_LATE_MS = 300_000


def read_day_lines(connection: sqlite3.Connection, day: int) -> list[bytes]:
    """Every record of the day (counted from 1970-01-01) but the raw rows, as canonical lines.

    Raises sqlite3.Error.
    """
    start_ms, end_ms = day * DAY_MS, (day + 1) * DAY_MS
    records = [
        *_read_runs(connection, start_ms, end_ms),
        *_read_anchors(connection, start_ms, end_ms),
        *_read_spans(connection, start_ms, end_ms),
        *_read_checks(connection, start_ms, end_ms),
        *_read_ledgers(connection, start_ms, end_ms),
        *_read_late(connection, start_ms, end_ms),
    ]
    return [encode_record(record) for record in records]


def read_day_rows(connection: sqlite3.Connection, day: int) -> list[tuple[int, bytes]]:
    """Key and digest of each row of raw observations that begins in the day, by key.

    Raises sqlite3.Error.
    """
    start_ms, end_ms = day * DAY_MS, (day + 1) * DAY_MS
    rows: list[tuple[int, bytes]] = []
    for run_id, from_mono_ms, to_mono_ms in _read_stretches(connection, start_ms, end_ms):
        found = connection.execute(
            "SELECT key, start_ms, block FROM observation_minute WHERE key >= ? AND key < ?"
            " AND start_ms >= ? AND start_ms < ? ORDER BY key",
            (
                row_key(run_id, max(from_mono_ms, 0)),
                row_key(run_id, max(to_mono_ms, 0)),
                start_ms,
                end_ms,
            ),
        )
        rows += [(key, digest_row(key, at_ms, block)) for key, at_ms, block in found]
    return rows


def read_oldest_key(connection: sqlite3.Connection) -> int | None:
    """Key of the oldest raw row that is kept."""
    row = connection.execute("SELECT min(key) FROM observation_minute").fetchone()
    return None if row is None else row[0]


def read_newest_late(connection: sqlite3.Connection, day: int) -> int:
    """Number of the newest late entry that touches the day; 0 where there is none."""
    row = connection.execute(
        "SELECT coalesce(max(id), 0) FROM late_entry WHERE from_ms < ? AND until_ms > ?",
        ((day + 1) * DAY_MS, day * DAY_MS),
    ).fetchone()
    return int(row[0])


def _read_runs(
    connection: sqlite3.Connection, start_ms: int, end_ms: int
) -> Iterator[tuple[Field, ...]]:
    """The part of each life within the day; how it ended, if it ended in it."""
    rows = connection.execute(
        "SELECT id, boot_id, pid, version, started_mono_ms, started_ms, ended_ms, clean FROM run"
        " WHERE started_ms < ? AND ended_ms >= ? ORDER BY id",
        (end_ms, start_ms),
    )
    for number, boot_id, pid, version, started_mono_ms, started_ms, ended_ms, clean in rows:
        over = ended_ms < end_ms
        yield (
            "run", number, boot_id, pid, version, started_mono_ms, started_ms,
            ended_ms if over else end_ms, clean if over else None,
        )  # fmt: skip


def _read_anchors(
    connection: sqlite3.Connection, start_ms: int, end_ms: int
) -> Iterator[tuple[Field, ...]]:
    rows = connection.execute(
        "SELECT run_id, mono_ms, offset_ms FROM anchor"
        " WHERE mono_ms + offset_ms >= ? AND mono_ms + offset_ms < ?",
        (start_ms, end_ms),
    )
    return (("anchor", *row) for row in rows)


def _read_spans(
    connection: sqlite3.Connection, start_ms: int, end_ms: int
) -> Iterator[tuple[Field, ...]]:
    """Spans cut at both midnights and where the clock was stepped, as the ledger reads them."""
    for run_id, from_mono_ms, to_mono_ms in _read_stretches(connection, start_ms, end_ms):
        anchors = connection.execute(
            "SELECT mono_ms, offset_ms FROM anchor WHERE run_id = ? ORDER BY mono_ms", (run_id,)
        ).fetchall()
        rows = connection.execute(
            "SELECT layer, start_mono_ms, end_mono_ms, start_ms, verdict, cause, reason FROM span"
            " WHERE run_id = ? AND start_mono_ms < ? AND end_mono_ms >= ? AND start_ms IS NOT NULL",
            (run_id, to_mono_ms, from_mono_ms),
        )
        for layer, start_mono_ms, end_mono_ms, told_ms, verdict, cause, reason in rows:
            mono_ms = start_mono_ms
            for part_ms, until_ms in cut_at_steps(start_mono_ms, end_mono_ms, told_ms, anchors):
                length_ms = until_ms - part_ms
                within = part_ms < end_ms and until_ms > start_ms
                if within or (length_ms == 0 and start_ms <= part_ms < end_ms):
                    first_ms, last_ms = max(part_ms, start_ms), min(until_ms, end_ms)
                    yield (
                        "span", run_id, layer, mono_ms + first_ms - part_ms, first_ms, last_ms,
                        verdict, cause, reason,
                    )  # fmt: skip
                mono_ms += length_ms


def _read_checks(
    connection: sqlite3.Connection, start_ms: int, end_ms: int
) -> Iterator[tuple[Field, ...]]:
    """What the numbers in the raw rows stand for: all definitions made so far.

    One without an instant counts from the first run after its own that has a place in time.
    """
    rows = connection.execute(
        "SELECT id, check_id, kind, target, role, run_id, since_mono_ms, since_ms"
        " FROM check_definition WHERE since_ms < :end OR since_ms IS NULL AND run_id <"
        " (SELECT max(id) FROM run WHERE started_ms < :end AND ended_ms >= :start)",
        {"start": start_ms, "end": end_ms},
    )
    return (("check", *row) for row in rows)


def _read_ledgers(
    connection: sqlite3.Connection, start_ms: int, end_ms: int
) -> Iterator[tuple[Field, ...]]:
    # Books of an earlier version, read as they are, lack the tables of later ones.
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    for table, instant, columns in _LEDGERS:
        if table not in tables:
            continue
        rows = connection.execute(
            f"SELECT {columns} FROM {table} WHERE {instant} >= ? AND {instant} < ?",  # noqa: S608 - our own names
            (start_ms, end_ms),
        )
        yield from ((table, *row) for row in rows)


def _read_late(
    connection: sqlite3.Connection, start_ms: int, end_ms: int
) -> Iterator[tuple[Field, ...]]:
    rows = connection.execute(
        "SELECT id, record, from_ms, until_ms, before, after FROM late_entry"
        " WHERE from_ms < ? AND until_ms > ?",
        (end_ms, start_ms),
    )
    return (("late", *row) for row in rows)


def _read_stretches(
    connection: sqlite3.Connection, start_ms: int, end_ms: int
) -> list[tuple[int, int, int]]:
    """The part of each run that can hold something of the day (monotonic)."""
    return connection.execute(
        """
        SELECT run.id, :start - max(offset_ms), :end - min(offset_ms)
        FROM run JOIN anchor ON anchor.run_id = run.id
        GROUP BY run.id
        HAVING started_mono_ms < :end - min(offset_ms)
           AND ended_mono_ms + :late >= :start - max(offset_ms)
        ORDER BY run.id
        """,
        {"start": start_ms, "end": end_ms, "late": _LATE_MS},
    ).fetchall()
