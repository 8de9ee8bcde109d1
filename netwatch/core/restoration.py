"""By when a line must be restored: a term that runs in the contract's hours alone.

Rule of this file: the one place where a restoration time becomes an instant, for the
agent's present outage and for every incident of a report. All is UTC; it knows no clock,
no ledger and nothing of what people entered but the time in which the term stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netwatch.core.calendars import CoveredHours
from netwatch.core.contract import DAY_MS, Contract, contract_at
from netwatch.core.intervals import EMPTY, Intervals, advance, clip, difference, total
from netwatch.records import Cause

#: How far ahead a deadline in covered hours is looked for: no restoration time is longer.
_HORIZON_MS = 400 * DAY_MS


def find_deadline(
    hours: CoveredHours, start_ms: int, within_ms: int, stopped: Intervals = EMPTY
) -> int | None:
    """When ``within_ms`` of covered hours, not stopped, have gone by; None if never.

    >>> from netwatch.core.calendars import build_calendar, local_time
    >>> from zoneinfo import ZoneInfo
    >>> paris = ZoneInfo("Europe/Paris")
    >>> hours = CoveredHours(calendar=build_calendar("S1"), zone=paris)
    >>> saturday = 1_793_462_400_000  # 17:00 in Paris: one hour is left until Monday
    >>> local_time(find_deadline(hours, saturday, 4 * 3_600_000), paris).isoformat()
    '2026-11-02T11:00:00+01:00'
    """
    left, at, stretch = within_ms, start_ms, DAY_MS
    while at < start_ms + _HORIZON_MS:
        until = at + stretch
        running = difference(hours.within(at, until), clip(stopped, at, until))
        found = advance(running, at, left)
        if found is not None:
            return found
        left -= total(running)
        at, stretch = until, 2 * stretch
    return None


def find_restore_deadline(
    versions: Sequence[Contract],
    cause: Cause,
    start_ms: int,
    hours_of: Callable[[Contract], CoveredHours | None],
) -> int | None:
    """By when an outage that began then must be restored, as far as the line alone can tell.

    By the version of the contract that was in force when it began. None where that has no
    such term or does not count the cause, and where its hours (``hours_of``) are not known.

    >>> from datetime import UTC
    >>> from netwatch.core.calendars import build_calendar
    >>> always = CoveredHours(calendar=build_calendar("24/7"), zone=UTC)
    >>> contract = Contract(restore_within_ms=1_000, counted_causes=(Cause.ACCESS,))
    >>> find_restore_deadline([contract], Cause.ACCESS, 5_000, lambda _: always)
    6000
    >>> find_restore_deadline([contract], Cause.DNS, 5_000, lambda _: always) is None
    True
    """
    contract = contract_at(versions, start_ms)
    if contract is None or contract.restore_within_ms is None:
        return None
    if cause not in contract.counted_causes:
        return None
    hours = hours_of(contract)
    return None if hours is None else find_deadline(hours, start_ms, contract.restore_within_ms)
