"""The proof campaign of under-delivered speed: 30 measurements on three days.

Rule of this file: the German rule of 13-12-2021 as a plan, a check and a verdict. It is
offered as a profile and never called certified. A plan follows from its seed alone; the
peak-hour profile is in `peak_hours`. It knows no clock, engine or store.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo
from itertools import pairwise

import msgspec

from netwatch.core.calendars import build_calendar, civil_date, covered_windows, day_start
from netwatch.core.contract import HOUR_MS
from netwatch.core.throughput import Direction

MINUTE_MS = 60_000


class ProofProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the rule; a day is a civil day of the site's zone."""

    days: int = 3
    per_day: int = 10
    free_days_between: int = 1
    within_days: int = 14
    gap_ms: int = 5 * MINUTE_MS
    pause_ms: int = 3 * HOUR_MS  # between the first half of a day's measurements and the second
    maximum_percent: int = 90  # of the maximum, to be reached once a day
    days_reaching_maximum: int = 2
    reaching_normal: int = 27
    days_under_minimum: int = 2


class ProofMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement, both directions, in bytes per second; None was not measured."""

    at_ms: int
    down: int | None
    up: int | None
    wired: bool  # by cable
    quiet: bool  # no other traffic


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of the contract in one direction, bytes per second; None is not promised."""

    maximum: int | None = None
    normal: int | None = None
    minimum: int | None = None


class ScheduleProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One condition that the measurements do not keep.

    ``code`` is days, per_day, free_day, within_days, gap, pause, wired, cross_traffic or
    not_measured; ``at_ms`` the measurement at fault, where it is one; ``found`` and
    ``required`` counts or milliseconds.
    """

    code: str
    at_ms: int | None = None
    found: int | None = None
    required: int | None = None


class DirectionVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The three conditions in one direction; ``breaches`` names those that fail."""

    days_reaching_maximum: int | None
    reaching_normal: int | None
    days_under_minimum: int | None
    breaches: tuple[str, ...]


class ProofVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """``breach`` is None while the schedule has a problem: nothing is proven then."""

    problems: tuple[ScheduleProblem, ...]
    down: DirectionVerdict
    up: DirectionVerdict
    breach: bool | None


PROOF = ProofProfile()


def plan_proof(
    seed: str,
    first_day: date,
    zone: tzinfo,
    *,
    from_hour: int = 8,
    to_hour: int = 20,
    profile: ProofProfile = PROOF,
) -> tuple[int, ...]:
    """The instants (UTC ms) of a campaign that begins on ``first_day``; equal seeds, equal plans.

    Days and times are drawn at random within the rule (RFC 2330: what can be foreseen can
    be dressed for): half of a day's measurements before the pause, half after it, each
    half in its part of the hours given.

    >>> from zoneinfo import ZoneInfo
    >>> plan = plan_proof("a site", date(2026, 10, 19), ZoneInfo("Europe/Paris"))
    >>> len(plan), check_schedule(plan, ZoneInfo("Europe/Paris"))
    (30, ())
    """
    draw = random.Random(seed)  # noqa: S311 - a sampling plan that must be repeatable, no secret
    half_ms = ((to_hour - from_hour) * HOUR_MS - profile.pause_ms) // 2
    first, second = profile.per_day // 2, profile.per_day - profile.per_day // 2
    if half_ms <= profile.gap_ms * second:
        raise ValueError(
            f"{profile.per_day} measurements and a pause do not fit between "
            f"{from_hour} h and {to_hour} h: use longer hours"
        )
    planned: list[int] = []
    for day in _draw_days(draw, first_day, profile):
        opening = build_calendar([f"mon-sun,holidays {from_hour:02}:00-{to_hour:02}:00"])
        (start, end), *_ = covered_windows(
            opening, zone, day_start(day, zone), day_start(day + timedelta(days=1), zone)
        )
        # A day on which the clocks go forward is an hour shorter; the pause is not.
        part_ms = min(half_ms, (end - start - profile.pause_ms) // 2)
        planned += _draw_instants(draw, start, start + part_ms, first, profile.gap_ms)
        planned += _draw_instants(draw, end - part_ms, end, second, profile.gap_ms)
    return tuple(planned)


def check_schedule(
    instants: Sequence[int], zone: tzinfo, profile: ProofProfile = PROOF
) -> tuple[ScheduleProblem, ...]:
    """The conditions on days and times that these instants do not keep.

    >>> from zoneinfo import ZoneInfo
    >>> [problem.code for problem in check_schedule([0], ZoneInfo("UTC"))]
    ['days', 'per_day']
    """
    problems = []
    by_day: dict[date, list[int]] = {}
    for instant in sorted(instants):
        by_day.setdefault(civil_date(instant, zone), []).append(instant)
    days = sorted(by_day)
    if len(days) != profile.days:
        problems.append(ScheduleProblem(code="days", found=len(days), required=profile.days))
    for before, after in pairwise(days):
        free = (after - before).days - 1
        if free < profile.free_days_between:
            problems.append(
                ScheduleProblem(
                    code="free_day",
                    at_ms=by_day[after][0],
                    found=free,
                    required=profile.free_days_between,
                )
            )
    if days and (days[-1] - days[0]).days + 1 > profile.within_days:
        span = (days[-1] - days[0]).days + 1
        problems.append(
            ScheduleProblem(code="within_days", found=span, required=profile.within_days)
        )
    for day in days:
        problems += _check_day(by_day[day], profile)
    return tuple(problems)


def judge_proof(
    measurements: Sequence[ProofMeasurement],
    down: Offer,
    up: Offer,
    zone: tzinfo,
    profile: ProofProfile = PROOF,
) -> ProofVerdict:
    """Whether the measurements prove a breach, in either direction.

    A breach is any of: on fewer than 2 of the 3 days was 90 % of the maximum reached at
    least once (``maximum``); the normal rate was reached in fewer than 27 of the 30
    (``normal``); on at least 2 days the minimum was undercut (``minimum``).
    """
    problems = [*check_schedule([each.at_ms for each in measurements], zone, profile)]
    for each in measurements:
        faults = {
            "wired": not each.wired,
            "cross_traffic": not each.quiet,
            "not_measured": each.down is None or each.up is None,
        }
        problems += [
            ScheduleProblem(code=code, at_ms=each.at_ms) for code, fault in faults.items() if fault
        ]
    verdicts = {
        "down": _judge(measurements, "down", down, zone, profile),
        "up": _judge(measurements, "up", up, zone, profile),
    }
    breach = any(verdict.breaches for verdict in verdicts.values())
    return ProofVerdict(problems=tuple(problems), breach=None if problems else breach, **verdicts)


def _draw_days(draw: random.Random, first_day: date, profile: ProofProfile) -> list[date]:
    step = profile.free_days_between + 1
    # What is left of the fortnight beyond the shortest campaign is spread over the gaps.
    spare = profile.within_days - 1 - step * (profile.days - 1)
    marks = sorted(draw.randint(0, spare) for _ in range(profile.days - 1))
    offsets = [0, *(step * (index + 1) + mark for index, mark in enumerate(marks))]
    return [first_day + timedelta(days=offset) for offset in offsets]


def _draw_instants(
    draw: random.Random, start_ms: int, end_ms: int, count: int, gap_ms: int
) -> list[int]:
    """Instants of ``[start, end)`` at least a gap apart, uniform among all such."""
    room = end_ms - start_ms - gap_ms * count
    marks = sorted(draw.randint(0, room) for _ in range(count))
    return [start_ms + mark + gap_ms * index for index, mark in enumerate(marks)]


def _check_day(instants: Sequence[int], profile: ProofProfile) -> list[ScheduleProblem]:
    problems = []
    if len(instants) != profile.per_day:
        problems.append(
            ScheduleProblem(
                code="per_day", at_ms=instants[0], found=len(instants), required=profile.per_day
            )
        )
    for number, (before, after) in enumerate(pairwise(instants), start=1):
        # Of a day with another number, which two the pause was between cannot be told.
        pause = number == profile.per_day // 2 and len(instants) == profile.per_day
        required = profile.pause_ms if pause else profile.gap_ms
        if after - before < required:
            problems.append(
                ScheduleProblem(
                    code="pause" if pause else "gap",
                    at_ms=after,
                    found=after - before,
                    required=required,
                )
            )
    return problems


def _judge(
    measurements: Sequence[ProofMeasurement],
    direction: Direction,
    offer: Offer,
    zone: tzinfo,
    profile: ProofProfile,
) -> DirectionVerdict:
    rates = [
        (civil_date(each.at_ms, zone), rate)
        for each in measurements
        if (rate := each.down if direction == "down" else each.up) is not None
    ]
    breaches = []
    reaching = normal = under = None
    if offer.maximum is not None:
        needed = offer.maximum * profile.maximum_percent
        reaching = len({day for day, rate in rates if rate * 100 >= needed})
        if reaching < profile.days_reaching_maximum:
            breaches.append("maximum")
    if offer.normal is not None:
        normal = sum(rate >= offer.normal for _, rate in rates)
        if normal < profile.reaching_normal:
            breaches.append("normal")
    if offer.minimum is not None:
        under = len({day for day, rate in rates if rate < offer.minimum})
        if under >= profile.days_under_minimum:
            breaches.append("minimum")
    return DirectionVerdict(
        days_reaching_maximum=reaching,
        reaching_normal=normal,
        days_under_minimum=under,
        breaches=tuple(breaches),
    )
