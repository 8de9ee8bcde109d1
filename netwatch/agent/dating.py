"""What dates the records of one life: the clock as far as it is believed, tick by tick.

Rule of this file: it follows the clock and says what follows for the totals. What is
entered, and when, is the runner's; the arithmetic is `core.clockline`.
"""

from __future__ import annotations

import logging

from netwatch.clock import Clock
from netwatch.core.clockline import Clockline, is_step
from netwatch.core.ledger import Key
from netwatch.records import Anchor, Cause, Verdict
from netwatch.store.lives import Told

_LOG = logging.getLogger(__name__)


class Dating:
    """For the runner's thread.

    ``told`` is what earlier lives knew of the time; None while the books cannot be read.
    """

    def __init__(self, clock: Clock, started_ms: int, told: Told | None) -> None:
        self._clock = clock
        self._started_ms = started_ms
        self._told: Told | None = None
        #: Whether the totals have all that lies before this life.
        self.caught_up = False
        self.line = Clockline()
        if told is not None:
            self.hear_told(told)

    def hear_told(self, told: Told) -> None:
        """What the books know: an earlier life of this boot may have learned the time."""
        self._told = told
        self._clock.hold(told.anchor)
        if told.anchor is not None and self.line.newest is None:
            # The very tie that the books have, not another reading of the same clocks.
            self.line.heed(self._started_ms, told.anchor.offset_ms)

    def is_due(self) -> bool:
        """Whether the clock tells the time for the first time, or was stepped.

        What was seen so far is to be entered before `follow`, to be dated by what held then.
        """
        anchor = self._clock.anchor()
        newest = self.line.newest
        return anchor is not None and (newest is None or is_step(newest[1], anchor.offset_ms))

    def follow(self, now_ms: int) -> dict[Key, int]:
        """Believe the clock from now on; gives the time that it leaped over, for the totals."""
        anchor = self._clock.anchor()
        if anchor is None:
            return {}
        if self.line.newest is None:
            _LOG.info("the time is known: records are dated, those made before too")
        step_ms = self.line.heed(now_ms, anchor.offset_ms)
        if step_ms:
            _LOG.warning("the clock was put right by %+d ms; records keep their dates", step_ms)
        return {(Verdict.UNKNOWN, Cause.CLOCK): step_ms} if step_ms > 0 else {}

    def build_tie(self, now_ms: int) -> Anchor | None:
        """What dates a batch, or None: the tie in force, moved a little with a slewed clock."""
        anchor = self._clock.anchor()
        if anchor is not None and self.line.newest is not None and not self.is_due():
            self.line.heed(now_ms, anchor.offset_ms)
        newest = self.line.newest
        if newest is None:
            return None
        return Anchor(boot_id=self._clock.boot_id, monotonic_ms=newest[0], offset_ms=newest[1])

    def take_absence(self) -> tuple[dict[Key, int], dict[Cause, int]]:
        """What lies before this life and is in no totals, as the ledger has it; said once.

        The time by verdict and cause, and by cause the outages that began in it.
        That is what earlier lives had not counted when they ended, and the time since,
        which is unknown. What was watched in it by who did not know the time was counted.
        """
        told, started_ms = self._told, self.line.to_utc_ms(self._started_ms)
        if told is None or started_ms is None:
            return {}, {}
        self._told, self.caught_up = None, True
        missing = dict(told.uncounted)
        if told.end_ms is not None and started_ms - told.end_ms > told.undated_ms:
            absent = (Verdict.UNKNOWN, Cause.AGENT)
            absent_ms = started_ms - told.end_ms - told.undated_ms
            missing[absent] = missing.get(absent, 0) + absent_ms
        return missing, dict(told.incidents)
