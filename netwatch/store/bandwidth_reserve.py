"""What a throughput test that is cut off can be settled by, and what it was settled for.

Rule of this file: rows in, rows out (migrations/0007.sql); writing is within the caller's
transaction. How many bytes follow from a row is `core.data_budget`'s.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from netwatch.store.db import opened_read_only


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before a test's first byte; None is "not known"."""

    boot_id: str
    port_speed_mbit: int | None = None
    interfaces: str | None = None  # "lo=1 eth0=2": name and number
    interface_bytes: int | None = None  # received and sent by all of them


class CutOff(msgspec.Struct, frozen=True, kw_only=True):
    """A test that began, has no row of its own and is not settled."""

    run_id: int
    started_mono_ms: int
    started_ms: int | None  # UTC
    reserved_bytes: int
    reserve: Reserve


def append_reserve(
    connection: sqlite3.Connection, run_id: int, started_mono_ms: int, reserve: Reserve
) -> None:
    """Enter it beside the row of `bandwidth_begun`. Raises sqlite3.Error."""
    connection.execute(
        "INSERT INTO bandwidth_reserve (run_id, started_mono_ms, boot_id, port_speed_mbit,"
        " interfaces, interface_bytes) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (run_id, started_mono_ms, *msgspec.structs.astuple(reserve)),
    )


def append_settled(
    connection: sqlite3.Connection, cut_off: CutOff, settled_bytes: int, settled_by: str
) -> None:
    """Enter what it counts with from now on; the first word stays. Raises sqlite3.Error."""
    connection.execute(
        "UPDATE bandwidth_reserve SET settled_bytes = ?, settled_by = ?"
        " WHERE run_id = ? AND started_mono_ms = ? AND settled_bytes IS NULL",
        (settled_bytes, settled_by, cut_off.run_id, cut_off.started_mono_ms),
    )


def read_unsettled(path: Path | str) -> list[CutOff]:
    """All of them; while a test is in course it is among them. Raises StoreError."""
    with opened_read_only(path) as connection:
        known = connection.execute(
            "SELECT 1 FROM sqlite_schema WHERE name = 'bandwidth_reserve'"
        ).fetchone()
        if known is None:
            return []
        rows = connection.execute(
            "SELECT each.run_id, each.started_mono_ms,"
            " coalesce(each.started_ms, each.started_mono_ms + (SELECT offset_ms FROM anchor"
            " WHERE anchor.run_id = each.run_id ORDER BY mono_ms LIMIT 1)),"
            " each.reserved_bytes, reserve.boot_id, reserve.port_speed_mbit, reserve.interfaces,"
            " reserve.interface_bytes"
            " FROM bandwidth_begun AS each JOIN bandwidth_reserve AS reserve"
            " ON reserve.run_id = each.run_id"
            " AND reserve.started_mono_ms = each.started_mono_ms"
            " WHERE reserve.settled_bytes IS NULL AND NOT EXISTS ("
            "SELECT 1 FROM bandwidth_test AS test WHERE test.run_id = each.run_id"
            " AND test.started_mono_ms = each.started_mono_ms)"
        ).fetchall()
    fields = Reserve.__struct_fields__
    return [
        CutOff(
            run_id=run_id,
            started_mono_ms=mono_ms,
            started_ms=at_ms,
            reserved_bytes=reserved,
            reserve=Reserve(**dict(zip(fields, values, strict=True))),
        )
        for run_id, mono_ms, at_ms, reserved, *values in rows
    ]
