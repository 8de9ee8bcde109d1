"""The tests that the plan asks for: each slot is taken once, or has a row that says why not.

Rule of this file: one thread of its own, which waits, so that neither the runner nor a
probe does. When is decided in `core.bandwidth_plan`, whether in `bandwidth_conduct`. What
was missed while nobody was there is entered with its reason, never made up for.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import tzinfo

from netwatch.agent.bandwidth_asking import Asking, Done, Refused
from netwatch.agent.bandwidth_board import BandwidthBoard
from netwatch.agent.bandwidth_conduct import Conduct
from netwatch.agent.bandwidth_lock import is_held
from netwatch.agent.bandwidth_slots import Slots
from netwatch.bandwidth.base import Progress
from netwatch.clock import Clock
from netwatch.config.model import Settings
from netwatch.core.bandwidth_plan import (
    DEFER_MS,
    DEFER_STEP_MS,
    TEST_MS,
    PlannedTest,
)
from netwatch.errors import StoreError
from netwatch.records import Anchor
from netwatch.store.bandwidth_books import BandwidthBooks, append_skipped
from netwatch.store.queries import Reader

_LOG = logging.getLogger(__name__)

_TURN_S = 1.0
_REFRESH_MS = 300_000
#: While a person's test runs: what it set aside is entered some seconds after it began.
_REFRESH_BESIDE_MS = 10_000
_RETRY_MS = 60_000
#: A campaign that is entered meanwhile is heeded after so long.
_PLAN_EVERY_MS = 120_000
#: How far back missed slots are still entered.
LOOK_BACK_MS = 31 * 86_400_000
#: How far ahead the next slot is looked for.
_AHEAD_MS = 2 * 86_400_000
#: Others' load on the line is seen a turn late.
_SEEN_LATE_MS = 2_000


class BandwidthTests:
    """`start` once, `stop` once. ``is_line_down`` may block for a moment."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        zone: tzinfo,
        run_id: Callable[[], int | None],
        conduct: Conduct,
        board: BandwidthBoard,
        enter: Callable[[Callable[[sqlite3.Connection], None]], None],
        tell_load: Callable[[bool, int], None],
        engines: tuple[str, ...],
        is_line_down: Callable[[], bool] = lambda: False,
        stopping: threading.Event | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._run_id = run_id
        self._conduct = conduct
        self._board = board
        self._enter = enter
        self._tell_load = tell_load
        self._is_line_down = is_line_down
        self._books = BandwidthBooks(settings.store.path)
        self._reader = Reader(settings.store.path)
        self._slots = Slots(settings, zone, engines)
        self._stopping = threading.Event() if stopping is None else stopping
        self._thread: threading.Thread | None = None
        self._started_mono_ms = clock.monotonic_ms()
        self._synchronised_ms: int | None = None  # UTC, when the clock first told the time
        self._from_ms = 0  # slots before this are accounted for
        self._not_before_ms: dict[int, int] = {}
        self._refused: dict[int, str] = {}
        self._taken: set[int] = set()
        self._handled: set[int] = set()
        self._others_load = False
        self._settled = False  # tests that were cut off, in the month's budget
        self._refreshed_ms: int | None = None
        self._plan: tuple[PlannedTest, ...] = ()
        self._planned_to_ms = 0
        self.running = False

    @property
    def under_way(self) -> bool:
        """Whether a test runs on this device, ours or a person's beside us."""
        return self.running or self._others_load

    def start(self) -> None:
        self._thread = threading.Thread(target=self._main, name="bandwidth", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends a test in course; returns when the thread has gone."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _main(self) -> None:
        while not self._stopping.wait(_TURN_S):
            try:
                self.turn()
            except StoreError as error:
                _LOG.error("throughput tests wait: %s", error)
                self._stopping.wait(_RETRY_MS / 1000)

    # -- one turn ------------------------------------------------------------------------

    def turn(self) -> None:
        """Look once: at other tests, at the clock, at what is due. Raises StoreError."""
        self._heed_others()
        anchor = self._clock.anchor()
        self._settle()
        if anchor is None or self._run_id() is None:  # no time, or no books yet
            self._refresh(None)
            return
        now_ms = anchor.to_utc_ms(self._clock.monotonic_ms())
        if self._synchronised_ms is None:
            self._account(anchor, now_ms)  # again, where the books fail in the middle
            self._synchronised_ms = now_ms
        for planned in self._list_due(now_ms):
            if self._stopping.is_set():
                return
            self._take(planned, anchor, now_ms)
        self._refresh(now_ms)

    def _heed_others(self) -> None:
        """A test that a person runs beside us loads the line as well."""
        if self.running:
            return
        held = is_held(self._settings.store.path)
        if held != self._others_load:
            self._others_load = held
            at_ms = self._clock.monotonic_ms()
            self._tell_load(held, at_ms - _SEEN_LATE_MS if held else at_ms)
            self._refreshed_ms = None
            self._settled = self._settled and held  # what it ran may have been cut off

    def _settle(self) -> None:
        if self._settled or self._others_load or self._run_id() is None:
            return
        self._settled = self._conduct.settle()
        if self._settled:
            self._refreshed_ms = None

    def _refresh(self, now_ms: int | None) -> None:
        mono_ms = self._clock.monotonic_ms()
        after_ms = _REFRESH_BESIDE_MS if self._others_load else _REFRESH_MS
        if self._refreshed_ms is not None and mono_ms - self._refreshed_ms < after_ms:
            return
        self._refreshed_ms = mono_ms
        following = None
        if now_ms is not None:
            following = next((each.at_ms for each in self._plan if each.at_ms > now_ms), None)
        self._board.refresh(following)

    def _list_due(self, now_ms: int) -> list[PlannedTest]:
        """Slots whose time has come and that have no row, oldest first."""
        if now_ms >= self._planned_to_ms:
            self._plan = self._slots.list_plan(
                self._from_ms, now_ms + _AHEAD_MS, self._synchronised_ms or now_ms
            )
            self._planned_to_ms = now_ms + _PLAN_EVERY_MS
        open_ones = [
            each
            for each in self._plan
            if self._from_ms <= each.at_ms <= now_ms and each.at_ms not in self._handled
        ]
        if not open_ones:
            # So far back a campaign that was entered meanwhile may still have a slot in time.
            self._from_ms = max(self._from_ms, now_ms - DEFER_MS)
            return []
        # The books have the last word: another life may have come to it.
        self._handled |= self._books.read_handled(self._from_ms, now_ms + 1)
        return [
            each
            for each in open_ones
            if each.at_ms not in self._handled and now_ms >= self._not_before_ms.get(each.at_ms, 0)
        ]

    # -- one slot ------------------------------------------------------------------------

    def _take(self, planned: PlannedTest, anchor: Anchor, now_ms: int) -> None:
        if planned.skip is not None:
            self._skip(planned.at_ms, anchor, planned.skip)
            return
        if now_ms > planned.until_ms:
            # Put off to the end, or the machine slept over it.
            self._skip(planned.at_ms, anchor, self._refused.get(planned.at_ms, "late"))
            return
        if self._is_line_down():
            self._put_off(
                planned,
                Refused(reason="line_down", sentence="the line is down", again=True),
                anchor,
            )
            return
        if planned.at_ms in self._taken:
            # It was made, and what it found could not be entered: not once more.
            self._skip(planned.at_ms, anchor, "interrupted")
            return
        self.running = True
        self._show_under_way(now_ms)
        shown_moving = False

        def tell(_progress: Progress) -> None:
            nonlocal shown_moving
            if not shown_moving:  # by now what is set aside for it is entered
                shown_moving = True
                self._show_under_way(now_ms)

        try:
            made = self._conduct.make_test(
                Asking(
                    asked_by=planned.asked_by,
                    due_ms=planned.at_ms,
                    tell=tell,
                    cancelled=self._stopping.is_set,
                    begin=lambda: self._taken.add(planned.at_ms),
                )
            )
        finally:
            self.running = False
            self._planned_to_ms = 0
            self._refreshed_ms = None
        if isinstance(made, Done):
            self._forget(planned.at_ms)
            for tested in made.tests:
                _LOG.info("throughput test: %s", tested.describe())
        else:
            self._put_off(planned, made, anchor)

    def _show_under_way(self, now_ms: int) -> None:
        """What is shown, anew; books that cannot be read are no reason against a test."""
        self._refreshed_ms = None
        with contextlib.suppress(StoreError):
            self._refresh(now_ms)

    def _put_off(self, planned: PlannedTest, refused: Refused, anchor: Anchor) -> None:
        now_ms = anchor.to_utc_ms(self._clock.monotonic_ms())
        later_ms = now_ms + DEFER_STEP_MS
        if refused.again and later_ms <= planned.until_ms:
            self._not_before_ms[planned.at_ms] = later_ms
            self._refused[planned.at_ms] = refused.reason
            return
        _LOG.info("no throughput test: %s", refused.sentence)
        self._skip(planned.at_ms, anchor, refused.reason)

    def _skip(self, due_ms: int, anchor: Anchor, reason: str) -> None:
        run_id = self._run_id()
        assert run_id is not None  # `turn` waits for it
        self._enter(
            lambda connection: append_skipped(
                connection,
                run_id=run_id,
                due_mono_ms=due_ms - anchor.offset_ms,
                due_ms=due_ms,
                reason=reason,
            )
        )
        self._forget(due_ms)
        self._planned_to_ms = 0  # ndt7's next wait begins here
        self._refreshed_ms = None

    def _forget(self, due_ms: int) -> None:
        self._handled.add(due_ms)
        self._not_before_ms.pop(due_ms, None)
        self._refused.pop(due_ms, None)

    # -- what was missed -------------------------------------------------------------------

    def _account(self, anchor: Anchor, now_ms: int) -> None:
        """Enter the slots that passed since the last one of the books, with the reason.

        Nothing is entered before the first test of a device, nor for time in which an agent
        ran and had no engine: no test was due then.
        """
        began_ms = anchor.to_utc_ms(self._started_mono_ms)
        last_ms = self._books.read_last_due()
        self._from_ms = now_ms - DEFER_MS
        if last_ms is None:
            # The very first test may have been cut off: it was begun, and has no row yet.
            first = self._books.read_cut_off(now_ms - LOOK_BACK_MS, now_ms)
            if not first:
                self._from_ms = began_ms
                return
            last_ms = min(first) - 1
        from_ms = max(last_ms + 1, now_ms - LOOK_BACK_MS)
        self._from_ms = max(from_ms, now_ms - DEFER_MS)
        cut_off = self._books.read_cut_off(from_ms, now_ms)
        handled = self._books.read_handled(from_ms, now_ms)
        runs = [
            (run.started_ms, run.ended_ms)
            for run in self._reader.read_runs(from_ms - TEST_MS, now_ms)
            if run.id != self._run_id() and run.started_ms is not None and run.ended_ms is not None
        ]
        for planned in self._slots.list_plan(from_ms, now_ms, now_ms):
            due_ms = planned.at_ms
            if due_ms in handled:
                continue
            if planned.skip is not None:
                self._skip(due_ms, anchor, planned.skip)
            elif due_ms in cut_off:
                self._skip(due_ms, anchor, "interrupted")
            elif due_ms >= began_ms:
                if now_ms > planned.until_ms:
                    self._skip(due_ms, anchor, "clock_unsynced")
            elif all(not start_ms <= due_ms < end_ms for start_ms, end_ms in runs):
                if now_ms > planned.until_ms:
                    self._skip(due_ms, anchor, "agent_off")
            elif any(
                end_ms - due_ms <= DEFER_MS
                for start_ms, end_ms in runs
                if start_ms <= due_ms < end_ms
            ):
                self._skip(due_ms, anchor, "interrupted")
