"""The slots of one device: its own plan, the campaigns' and M-Lab's pace, from its books.

Rule of this file: it reads settings and books and hands them to `core.bandwidth_plan`. It
knows no thread and makes no test.
"""

from __future__ import annotations

from datetime import tzinfo

from netwatch.agent.bandwidth_world import build_quiet, goes_at_mlabs_pace
from netwatch.config.model import Settings
from netwatch.core.bandwidth_plan import DEFER_MS, PlannedTest, plan_after, plan_between
from netwatch.core.calendars import covered_windows
from netwatch.core.intervals import Intervals
from netwatch.core.ndt7_pace import draw_ndt7_wait_ms
from netwatch.store.bandwidth_books import BandwidthBooks
from netwatch.store.campaigns import Campaigns

#: More tests in one question than any plan has.
_MOST = 200


class Slots:
    """Asked for any stretch of time; every method may raise StoreError."""

    def __init__(self, settings: Settings, zone: tzinfo, engines: tuple[str, ...]) -> None:
        self._settings = settings
        self._zone = zone
        self._at_mlabs_pace = settings.bandwidth.per_day > 0 and goes_at_mlabs_pace(
            settings.bandwidth, engines
        )
        self._books = BandwidthBooks(settings.store.path)
        self._campaigns = Campaigns(settings.store.path)
        self._quiet = build_quiet(settings.bandwidth)

    def read_quiet(self, from_ms: int, to_ms: int) -> Intervals:
        """The quiet windows within a stretch of UTC."""
        return covered_windows(self._quiet, self._zone, from_ms, to_ms)

    def list_plan(self, from_ms: int, to_ms: int, since_ms: int) -> tuple[PlannedTest, ...]:
        """All that is due in ``[from_ms, to_ms)``, as `core.bandwidth_plan` has it.

        A device that was never tested begins M-Lab's pace at ``since_ms``.
        """
        bandwidth = self._settings.bandwidth
        campaigns = [
            slot.at_ms
            for slot in self._campaigns.read_campaign_slots(from_ms - DEFER_MS, to_ms + DEFER_MS)
        ]
        by_day = 0 if self._at_mlabs_pace else bandwidth.per_day
        planned = plan_between(
            self._settings.site.id,
            from_ms,
            to_ms,
            self._zone,
            per_day=by_day,
            read_quiet=self.read_quiet,
            campaign_slots=campaigns,
        )
        if self._at_mlabs_pace:
            planned = tuple(
                sorted((*planned, *self._follow_ndt7(since_ms, to_ms)), key=lambda each: each.at_ms)
            )
        return tuple(each for each in planned if from_ms <= each.at_ms < to_ms)

    def _follow_ndt7(self, since_ms: int, to_ms: int) -> list[PlannedTest]:
        """M-Lab's pace: each test a random wait after the last, however it ended."""
        last_ms = self._books.read_last_due() or since_ms
        found: list[PlannedTest] = []
        while last_ms < to_ms and len(found) < _MOST:
            planned = plan_after(
                self._settings.site.id,
                last_ms,
                lambda draw: draw_ndt7_wait_ms(draw.random()),
                self.read_quiet,
            )
            found.append(planned)
            last_ms = planned.at_ms
        return found
