"""A store with a month of one site in it, written through the journal, for `bench.report`.

Rule of this file: what the agent would have entered in October 2026 at a probe every 10 s
a target: 44 700 minutes, 8 640 round trips a target a day, 120 throughput tests, four
outages. It measures nothing.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from netwatch import __version__
from netwatch.records import (
    MINUTE_MS,
    Anchor,
    Cause,
    Check,
    Observation,
    Outcome,
    Role,
    Span,
    Verdict,
)
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.chain import close_days
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.throughput import BandwidthRow, append_test

_EVERY_MS = 10_000
_HOUR_MS = 3_600_000
_START_MS = int(datetime(2026, 9, 30, 22, tzinfo=UTC).timestamp() * 1000)  # 1 October in Paris
_END_MS = _START_MS + 745 * _HOUR_MS
_OFFSET_MS = _START_MS - 30_000
_TESTS = 120
_DOWN = (
    (Cause.ACCESS, 150 * _HOUR_MS + 14_250, 5 * _HOUR_MS),
    (Cause.ACCESS, 163 * _HOUR_MS + 2_000, 1_350_000),
    (Cause.UPSTREAM, 434 * _HOUR_MS, 2_880_000),
    (Cause.DNS, 310 * _HOUR_MS, 700_000),
)
SETTINGS = """\
[site]
id = "bench"
timezone = "Europe/Paris"
holidays = "FR"
[circuit]
operator = "Operator"
monthly_fee = "300.00 EUR"
[circuit.contract]
availability = 0.9985
calendar = "S2"
starts = "2026-01-01"
restore_within = "4h"
yearly_interruption = "13h"
recurrence_window = "8h"
guaranteed_down = "100 Mbit/s"
guaranteed_up = "50 Mbit/s"
[[circuit.contract.penalty]]
name = "availability"
kind = "availability_tier"
tiers = [[0.9985, 0.05], [0.995, 0.10], [0.99, 0.20]]
[[circuit.contract.penalty]]
name = "restoration"
kind = "per_time"
per = "hour"
divisor = 30
cap = 0.275
cap_per = "quarter"
[store]
path = "netwatch.db"
"""


def write_month(folder: Path, targets: int) -> None:
    """``agent.toml`` and ``netwatch.db`` with so many latency targets, into a new folder."""
    folder.mkdir()
    (folder / "agent.toml").write_text(SETTINGS, encoding="utf-8")
    checks = tuple(
        Check(
            id=f"target-{number}", kind="icmp", target=f"192.0.2.{number}", role=Role.INTERNET,
            every_ms=_EVERY_MS, timeout_ms=2_000,
        )
        for number in range(1, targets + 1)
    )  # fmt: skip
    anchor = Anchor(boot_id="bench", monotonic_ms=30_000, offset_ms=_OFFSET_MS)
    opened = open_database(folder / "netwatch.db", set_aside=lambda: "never")
    with closing(opened.connection) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        journal = Journal(connection)
        run_id, _ = journal.begin_run("bench", 1, __version__, 30_000, anchor)
        spans = list(_list_spans())
        for start_ms in range(_START_MS, _END_MS, _HOUR_MS):
            journal.append_all(
                [
                    Batch(
                        run_id=run_id,
                        anchor=anchor,
                        watched_to_mono_ms=at_ms + MINUTE_MS - _OFFSET_MS,
                        spans=tuple(spans) if at_ms == _START_MS else (),
                        observations=tuple(_list_observations(checks, at_ms)),
                        checks=checks if at_ms == _START_MS else (),
                        counters={},
                    )
                    for at_ms in range(start_ms, start_ms + _HOUR_MS, MINUTE_MS)
                ]
            )
        journal.end_run(run_id, _END_MS - _OFFSET_MS, anchor)
        _enter_tests(connection, run_id)
        while close_days(connection, _END_MS, full_days=31):
            pass


def _list_spans() -> Iterator[LayerSpan]:
    at_ms = _START_MS
    for cause, from_ms, lasts_ms in sorted(_DOWN, key=lambda each: each[1]):
        start_ms = _START_MS + from_ms
        yield _build_span(Verdict.UP, None, at_ms, start_ms)
        yield _build_span(Verdict.DOWN, cause, start_ms, start_ms + lasts_ms)
        at_ms = start_ms + lasts_ms
    yield _build_span(Verdict.UP, None, at_ms, _END_MS)


def _build_span(verdict: Verdict, cause: Cause | None, start_ms: int, end_ms: int) -> LayerSpan:
    return LayerSpan(
        layer="link",
        span=Span(
            verdict=verdict,
            cause=cause,
            start_ms=start_ms - _OFFSET_MS,
            end_ms=end_ms - _OFFSET_MS,
        ),
    )


def _list_observations(checks: tuple[Check, ...], at_ms: int) -> Iterator[Observation]:
    for due_ms in range(at_ms - _OFFSET_MS, at_ms + MINUTE_MS - _OFFSET_MS, _EVERY_MS):
        for number, check in enumerate(checks):
            drawn = (due_ms // _EVERY_MS * 7919 + number * 104_729) % 1_000_003
            lost = drawn % 997 == 0
            rtt_us = 11_000 + drawn % 4_000
            yield Observation(
                check_id=check.id,
                due_ms=due_ms + number * 400 + 17,
                started_ms=due_ms + number * 400 + 18,
                elapsed_ms=2_000 if lost else rtt_us // 1000,
                outcome=Outcome.FAILED if lost else Outcome.ANSWERED,
                reason="timeout" if lost else None,
                measures={} if lost else {"rtt_us": rtt_us, "send_late_us": drawn % 90},
            )


def _enter_tests(connection: sqlite3.Connection, run_id: int) -> None:
    draw = random.Random(2610)
    for number in range(_TESTS):
        at_ms = _START_MS + number * (_END_MS - _START_MS) // _TESTS + draw.randrange(_HOUR_MS)
        row = BandwidthRow(
            run_id=run_id, started_mono_ms=at_ms - _OFFSET_MS, started_ms=at_ms,
            engine="librespeed", server="https://test.example.fr/backend",
            down_bytes_per_second=12_500_000 * draw.randrange(96, 107) // 100,
            up_bytes_per_second=6_250_000 * draw.randrange(96, 107) // 100,
        )  # fmt: skip
        append_test(connection, row)


if __name__ == "__main__":
    write_month(Path(sys.argv[1]), int(sys.argv[2]))
