"""Made-up throughput tests of a story, entered through the store's own functions.

Rule of this file: a test that the line could not carry then fails; none is made while no
agent ran, or none that knew the time.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo

from netwatch.agent.scenario_model import BandwidthScenario
from netwatch.config.model import Bandwidth
from netwatch.core.calendars import civil_date, day_start, local_time
from netwatch.core.scenario import AgentLife, Story
from netwatch.records import Span, Verdict
from netwatch.store.throughput import BandwidthRow, append_skip, append_test

_SECONDS_OF_A_TEST = 10
_SKIPS = ("busy_link", "quiet_hours", "data_budget")


class SimulatedTests:
    """Tests at seeded times in the slots of each civil day."""

    def __init__(
        self,
        *,
        told: BandwidthScenario,
        settings: Bandwidth,
        story: Story,
        ledger: Sequence[Span],
        connection: sqlite3.Connection,
        zone: tzinfo,
        rng: random.Random,
    ) -> None:
        self._told = told
        self._settings = settings
        self._story = story
        self._ledger = ledger
        self._connection = connection
        self._zone = zone
        self._rng = rng

    def enter(self, lives: Sequence[tuple[AgentLife, int, int]]) -> int:
        """Enter the tests of all lives (each with its run and offset); returns how many slots."""
        told = self._told
        per_day = self._settings.per_day if told.per_day is None else told.per_day
        day, slots = civil_date(self._story.start_ms, self._zone), 0
        self._connection.execute("BEGIN IMMEDIATE")
        while day_start(day, self._zone) < self._story.end_ms:
            for at_ms in self._draw_slots(day, per_day):
                place = next(
                    (each for each in lives if each[0].start_ms <= at_ms < each[0].end_ms), None
                )
                if place is not None and place[0].clock_from_ms is not None:
                    self._test(at_ms, run_id=place[1], offset_ms=place[2])
                    slots += 1
            day += timedelta(days=1)
        self._connection.execute("COMMIT")
        return slots

    def _draw_slots(self, day: date, per_day: int) -> list[int]:
        start_ms = day_start(day, self._zone)
        length_ms = (day_start(day + timedelta(days=1), self._zone) - start_ms) // max(1, per_day)
        return [
            start_ms + slot * length_ms + self._rng.randrange(length_ms) for slot in range(per_day)
        ]

    def _test(self, at_ms: int, *, run_id: int, offset_ms: int) -> None:
        told = self._told
        carries = any(
            span.start_ms <= at_ms < span.end_ms
            and (span.verdict is Verdict.UP or span.verdict is Verdict.DEGRADED)
            for span in self._ledger
        )
        drawn = self._rng.random()
        if drawn < told.skipped:
            append_skip(
                self._connection,
                run_id=run_id,
                due_mono_ms=at_ms - offset_ms,
                due_ms=at_ms,
                reason=self._rng.choice(_SKIPS),
            )
            return
        failed = not carries or drawn < told.skipped + told.failed
        limited = not failed and drawn < told.skipped + told.failed + told.device_limited
        peak = local_time(at_ms, self._zone).hour in range(18, 23)
        share = (float(told.evening) if peak else 1.0) * (0.6 if limited else 1.0)
        rates = [
            int(rate * share * max(0.05, min(1.03, self._rng.gauss(1.0, float(told.spread)))))
            for rate in (told.down, told.up)
        ]
        invalid = "test_server_failed" if failed else "device_limited" if limited else None
        engine = self._settings.engine
        idle_us = 9_000 + self._rng.randrange(6_000)
        append_test(
            self._connection,
            BandwidthRow(
                run_id=run_id,
                started_mono_ms=at_ms - offset_ms,
                started_ms=at_ms,
                engine="librespeed" if engine == "auto" else engine,
                down_bytes_per_second=None if failed else rates[0],
                up_bytes_per_second=None if failed else rates[1],
                down_bytes=0 if failed else rates[0] * _SECONDS_OF_A_TEST,
                up_bytes=0 if failed else rates[1] * _SECONDS_OF_A_TEST,
                idle_rtt_us=None if failed else idle_us,
                down_loaded_rtt_us=None if failed else idle_us + self._rng.randrange(25_000),
                up_loaded_rtt_us=None if failed else idle_us + self._rng.randrange(40_000),
                down_invalid=invalid,
                up_invalid=invalid,
            ),
        )
