"""By when the contract wants the line restored that is down now.

Rule of this file: from the snapshot and the settings alone, by the report's own
arithmetic (`core.restoration`). What people enter (the report of a fault, maintenance,
pauses) and the recurrence of an earlier outage move it in the month's report, not here.
Memory is a feature: most of what it needs is not loaded before the first outage.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

import msgspec

from netwatch.config.model import Settings
from netwatch.core.calendars import CoveredHours, build_calendar, civil_date, rests_on_holidays
from netwatch.records import Cause
from netwatch.snapshot import Snapshot

if TYPE_CHECKING:
    from datetime import date

    from netwatch.core.contract import Contract


class Holidays(Protocol):
    """The public holidays of a year and of those beside it; None while they are not known."""

    def find(self, year: int) -> frozenset[date] | None: ...
    def stop(self) -> None: ...


class RestoreDeadline:
    """May be asked from any thread; ``stop`` ends what is under way."""

    def __init__(
        self,
        settings: Settings,
        *,
        monotonic_ms: Callable[[], int],
        build_holidays: Callable[[], Holidays] | None = None,
    ) -> None:
        circuit = settings.circuit
        self._settings = settings
        self._zone = ZoneInfo(settings.site.timezone)
        self._monotonic_ms = monotonic_ms
        self._build_holidays = build_holidays or self._build_public_holidays
        self._is_promised = any(
            terms.restore_within_ms is not None for terms in (*circuit.earlier, circuit.contract)
        )
        self._lock = threading.Lock()
        self._holidays: Holidays | None = None
        self._found: tuple[tuple[Cause, int], int] | None = None

    def add_to(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with its deadline; as it is where there is none."""
        cause, since_ms = snapshot.cause, snapshot.outage_since_ms
        if not self._is_promised or cause is None or since_ms is None:
            return snapshot
        with self._lock:
            deadline_ms = self._find(cause, since_ms)
        return msgspec.structs.replace(snapshot, restore_deadline_ms=deadline_ms)

    def stop(self) -> None:
        """End a process that was asked for the public holidays."""
        with self._lock:
            if self._holidays is not None:
                self._holidays.stop()

    def _find(self, cause: Cause, since_ms: int) -> int | None:
        if self._found is not None and self._found[0] == (cause, since_ms):
            return self._found[1]
        from netwatch.config.contract_terms import build_versions  # noqa: PLC0415 -- memory
        from netwatch.core.restoration import find_restore_deadline  # noqa: PLC0415 -- memory

        year = civil_date(since_ms, self._zone).year
        limited = False  # to the years whose holidays are known

        def find_hours(contract: Contract) -> CoveredHours | None:
            nonlocal limited
            calendar = build_calendar(contract.calendar)
            if rests_on_holidays(calendar):
                limited = True
                days = self._find_holidays(year)
                if days is None:
                    return None
                calendar = build_calendar(contract.calendar, days)
            return CoveredHours(calendar=calendar, zone=self._zone)

        versions = build_versions(self._settings.circuit, self._zone)
        deadline_ms = find_restore_deadline(versions, cause, since_ms, find_hours)
        if deadline_ms is None:
            return None
        if limited and civil_date(deadline_ms, self._zone).year > year + 1:
            return None
        self._found = (cause, since_ms), deadline_ms
        return deadline_ms

    def _find_holidays(self, year: int) -> frozenset[date] | None:
        if self._holidays is None:
            self._holidays = self._build_holidays()
        return self._holidays.find(year)

    def _build_public_holidays(self) -> Holidays:
        from netwatch.agent.public_holidays import PublicHolidays  # noqa: PLC0415 -- memory

        return PublicHolidays(self._settings.site, monotonic_ms=self._monotonic_ms)
