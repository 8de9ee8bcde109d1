"""When tests are due: seeded random times, one in each equal part of a civil day.

Rule of this file: the plan of a day follows from the device, the day and the settings
alone, so that a restart changes nothing and nobody can choose the moment (RFC 2330, 11:
what can be foreseen can be dressed for). It knows no clock, no store and no engine.

A device's parts of the day begin at an offset of its own: schools with the same settings
neither test at the same time nor around the same times (RFC 3432, 4).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta, tzinfo
from typing import Literal

import msgspec

from netwatch.core.calendars import civil_date, day_start
from netwatch.core.intervals import Intervals, difference, normalise

MINUTE_MS = 60_000
#: How long a test is put off while something is in its way, and in which steps.
DEFER_MS = 15 * MINUTE_MS
DEFER_STEP_MS = MINUTE_MS
#: A campaign's measurement belongs to its slot by the five minutes after it.
CAMPAIGN_DEFER_MS = 4 * MINUTE_MS
#: A test and all around it is over by then, both directions and a second engine.
TEST_MS = 3 * MINUTE_MS
#: So far from a campaign's measurement, no other is made (its rule asks for five minutes).
BESIDE_CAMPAIGN_MS = 20 * MINUTE_MS

AskedBy = Literal["plan", "campaign", "person"]
ReadQuiet = Callable[[int, int], Intervals]


class PlannedTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test that is due (UTC). ``skip`` says why it is not to be made after all."""

    at_ms: int
    until_ms: int  # after this it is not begun any more
    asked_by: AskedBy = "plan"
    skip: str | None = None


def plan_day(
    device: str, day: date, zone: tzinfo, per_day: int, read_quiet: ReadQuiet
) -> tuple[PlannedTest, ...]:
    """The tests of a civil day, in order; as many as ``per_day``, whatever the clocks do.

    ``read_quiet`` gives the quiet windows within a stretch of UTC. A time is drawn from
    what they leave of its part of the day; where they leave nothing, the test stands at a
    time within them, to be skipped as ``quiet_hours``.

    >>> from zoneinfo import ZoneInfo
    >>> plan = plan_day("ecole", date(2026, 10, 25), ZoneInfo("Europe/Paris"), 4, lambda a, b: ())
    >>> len(plan), plan == plan_day("ecole", date(2026, 10, 25), ZoneInfo("Europe/Paris"), 4,
    ...                             lambda a, b: ())
    (4, True)
    """
    start_ms, end_ms = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    if per_day <= 0 or end_ms <= start_ms:
        return ()
    quiet = _read_closed(read_quiet, start_ms, end_ms)
    length_ms = end_ms - start_ms
    # One draw in a device's life: its parts of the day stay where they are.
    offset_ms = int(random.Random(f"{device}/offset").random() * length_ms / per_day)  # noqa: S311 - a plan that must be repeatable, no secret
    draw = random.Random(f"{device}/{day.isoformat()}")  # noqa: S311 - a plan that must be repeatable, no secret
    planned = []
    for number in range(per_day):
        share = draw.random()
        first = offset_ms + number * length_ms // per_day
        last = offset_ms + (number + 1) * length_ms // per_day
        part = normalise(_wrap(first, last, start_ms, length_ms))
        open_part = difference(part, quiet)
        at_ms = _place(open_part or part, share)
        planned.append(
            PlannedTest(
                at_ms=at_ms,
                until_ms=_find_end(at_ms, DEFER_MS, quiet),
                skip=None if open_part else "quiet_hours",
            )
        )
    return tuple(sorted(planned, key=lambda each: each.at_ms))


def plan_between(
    device: str,
    from_ms: int,
    to_ms: int,
    zone: tzinfo,
    *,
    per_day: int,
    read_quiet: ReadQuiet,
    campaign_slots: Sequence[int] = (),
) -> tuple[PlannedTest, ...]:
    """All that is due in ``[from_ms, to_ms)``: each day's plan, and the campaigns' slots.

    A campaign's slots are the plan of a person for just those times: quiet hours do not
    move them, and a day's own test that comes too near gives way (``overlap``).
    """
    if to_ms <= from_ms:
        return ()
    day, last = civil_date(from_ms, zone), civil_date(to_ms - 1, zone)
    planned: list[PlannedTest] = []
    while day <= last:
        planned += plan_day(device, day, zone, per_day, read_quiet)
        day += timedelta(days=1)
    planned = [_give_way(each, campaign_slots) for each in planned]
    planned += [
        PlannedTest(at_ms=at_ms, until_ms=at_ms + CAMPAIGN_DEFER_MS, asked_by="campaign")
        for at_ms in campaign_slots
    ]
    return tuple(
        sorted(
            (each for each in planned if from_ms <= each.at_ms < to_ms),
            key=lambda each: (each.at_ms, each.asked_by),
        )
    )


def plan_after(
    device: str, last_ms: int, wait_ms: Callable[[random.Random], int], read_quiet: ReadQuiet
) -> PlannedTest:
    """The next test of a chain: a random wait after the last one, drawn from that very instant.

    For services that ask unattended devices for such a wait (ndt7). A restart draws the
    same. One that falls into quiet hours is due and skipped, and the chain goes on from it.

    >>> plan_after("ecole", 1_000, lambda draw: 60_000, lambda a, b: ()).at_ms
    61000
    """
    at_ms = last_ms + wait_ms(random.Random(f"{device}/{last_ms}"))  # noqa: S311 - a plan that must be repeatable, no secret
    quiet = _read_closed(read_quiet, at_ms - 1, at_ms + 2 * DEFER_MS)
    return PlannedTest(
        at_ms=at_ms,
        until_ms=_find_end(at_ms, DEFER_MS, quiet),
        skip="quiet_hours" if any(start <= at_ms < end for start, end in quiet) else None,
    )


def _read_closed(read_quiet: ReadQuiet, start_ms: int, end_ms: int) -> Intervals:
    """Quiet windows, each begun early enough that no test runs into it."""
    return normalise(
        (start - TEST_MS, end) for start, end in read_quiet(start_ms, end_ms + TEST_MS + DEFER_MS)
    )


def _wrap(first: int, last: int, start_ms: int, length_ms: int) -> Iterable[tuple[int, int]]:
    """``[first, last)`` of a day that goes round, as stretches of UTC.

    >>> list(_wrap(20, 30, 100, 24))
    [(120, 124), (100, 106)]
    """
    if first >= length_ms:
        first, last = first - length_ms, last - length_ms
    yield start_ms + first, start_ms + min(last, length_ms)
    if last > length_ms:
        yield start_ms, start_ms + last - length_ms


def _place(parts: Intervals, share: float) -> int:
    """The instant that lies at ``share`` of the parts' whole length.

    >>> _place(((0, 10), (100, 110)), 0.75)
    105
    """
    rest = int(share * sum(end - start for start, end in parts))
    for start, end in parts:
        if rest < end - start:
            return start + rest
        rest -= end - start
    return parts[-1][1] - 1


def _find_end(at_ms: int, defer_ms: int, quiet: Intervals) -> int:
    """Until when it may be begun: never in a quiet window."""
    return min([at_ms + defer_ms, *(start for start, end in quiet if start > at_ms)])


def _give_way(planned: PlannedTest, campaign_slots: Sequence[int]) -> PlannedTest:
    near = any(abs(at_ms - planned.at_ms) < BESIDE_CAMPAIGN_MS for at_ms in campaign_slots)
    if near and planned.skip is None:
        return msgspec.structs.replace(planned, skip="overlap")
    return planned
