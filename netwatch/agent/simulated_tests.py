"""Made-up throughput tests of a story, entered through the store's own functions.

Rule of this file: a test that the line could not carry then fails; none is made while no
agent ran, or none that knew the time.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo

from netwatch.agent.scenario_model import BandwidthScenario, CampaignScenario
from netwatch.config.model import Bandwidth
from netwatch.core.calendars import civil_date, day_start, local_time
from netwatch.core.campaign import Offer
from netwatch.core.campaign_record import Campaign, plan_slots
from netwatch.core.scenario import AgentLife, Story
from netwatch.records import Span, Verdict
from netwatch.store.bandwidth_books import Circumstance, append_result
from netwatch.store.campaigns import append_campaign
from netwatch.store.throughput import BandwidthRow, append_skip

_SECONDS_OF_A_TEST = 10  # each direction, after
_WARM_UP_S = 2
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
        campaigns: Sequence[CampaignScenario] = (),
    ) -> None:
        self._told = told
        self._campaigns = campaigns
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
        for at_ms in self._enter_campaigns():
            slots += self._place(at_ms, lives, always=True)
        while day_start(day, self._zone) < self._story.end_ms:
            for at_ms in self._draw_slots(day, per_day):
                slots += self._place(at_ms, lives)
            day += timedelta(days=1)
        self._connection.execute("COMMIT")
        return slots

    def _enter_campaigns(self) -> list[int]:
        """Enter the story's campaigns as it begins; their slots within it."""
        slots: list[int] = []
        for told in self._campaigns:
            seed = f"simulated/{told.profile}/{told.start}"
            first_day = date.fromisoformat(told.start)
            campaign = Campaign(
                id="",
                profile=told.profile,
                seed=seed,
                first_day=first_day,
                timezone=str(self._zone),
                slots=plan_slots(told.profile, seed, first_day, self._zone),
                down=_build_offer(told.maximum_down, told.normal_down, told.minimum_down),
                up=_build_offer(told.maximum_up, told.normal_up, told.minimum_up),
                wired=True,
                author="simulation",
                entered_ms=self._story.start_ms,
            )
            append_campaign(self._connection, campaign)
            slots += [at_ms for at_ms in campaign.slots if at_ms < self._story.end_ms]
        return slots

    def _place(
        self, at_ms: int, lives: Sequence[tuple[AgentLife, int, int]], *, always: bool = False
    ) -> bool:
        """One slot, where an agent was there for it that knew the time."""
        place = next((each for each in lives if each[0].start_ms <= at_ms < each[0].end_ms), None)
        if place is None or place[0].clock_from_ms is None:
            return False
        self._test(at_ms, run_id=place[1], offset_ms=place[2], always=always)
        return True

    def _draw_slots(self, day: date, per_day: int) -> list[int]:
        start_ms = day_start(day, self._zone)
        length_ms = (day_start(day + timedelta(days=1), self._zone) - start_ms) // max(1, per_day)
        return [
            start_ms + slot * length_ms + self._rng.randrange(length_ms) for slot in range(per_day)
        ]

    def _test(self, at_ms: int, *, run_id: int, offset_ms: int, always: bool) -> None:
        """One test; of a campaign, ``always``, none is skipped and none fails by chance."""
        told = self._told
        carries = any(
            span.start_ms <= at_ms < span.end_ms
            and (span.verdict is Verdict.UP or span.verdict is Verdict.DEGRADED)
            for span in self._ledger
        )
        drawn = 1.0 if always else self._rng.random()
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
        append_result(
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
            Circumstance(
                run_id=run_id,
                started_mono_ms=at_ms - offset_ms,
                started_ms=at_ms,
                ended_mono_ms=at_ms - offset_ms + 2 * 1000 * (_SECONDS_OF_A_TEST + _WARM_UP_S),
                due_ms=at_ms,
                asked_by="plan",
            ),
        )


def _build_offer(maximum: int | None, normal: int | None, minimum: int | None) -> Offer:
    """The rates as plain integers: the ledger knows no unit's type."""
    plain = [None if rate is None else int(rate) for rate in (maximum, normal, minimum)]
    return Offer(maximum=plain[0], normal=plain[1], minimum=plain[2])
