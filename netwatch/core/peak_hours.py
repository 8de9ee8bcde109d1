"""The peak-hour profile: what a line gives in the evenings, when all use it.

Rule of this file: a plan that follows from its seed, and figures against thresholds that
are data. Hours are civil hours of the site's zone. It knows no clock, engine or store.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo
from fractions import Fraction

import msgspec

from netwatch.core.calendars import build_calendar, covered_windows, day_start
from netwatch.core.contract import HOUR_MS
from netwatch.core.intervals import Interval
from netwatch.core.stats import Distribution, share
from netwatch.core.throughput import ThroughputSummary, ThroughputTest, summarise_tests


class PeakProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Which hours, how many tests, and what is to be reached (None: nothing to be).

    ``speed_share`` of the committed rate is to be reached in ``tests_share`` of the tests;
    ``rtt_share`` of the round trips may take ``rtt_limit_us`` at most, a lost one missing.
    """

    name: str
    start_hour: int
    end_hour: int
    days: int = 7
    test_ms: int = 15_000
    speed_share: Fraction | None = None
    tests_share: Fraction | None = None
    rtt_limit_us: int | None = None
    rtt_share: Fraction | None = None


BEAD = PeakProfile(
    name="BEAD",
    start_hour=18,
    end_hour=24,
    speed_share=Fraction(80, 100),
    tests_share=Fraction(80, 100),
    rtt_limit_us=100_000,
    rtt_share=Fraction(95, 100),
)
ARCEP = PeakProfile(name="Arcep", start_hour=18, end_hour=23)


class PeakVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """``complete``: every hour had a valid test. A verdict is None without its threshold or data."""

    hours: int
    hours_tested: int
    complete: bool
    down: ThroughputSummary  # share_met and met: at speed_share of the committed rate
    up: ThroughputSummary
    rtt_sent: int
    rtt_share: Fraction | None
    rtt_met: bool | None


def peak_slots(first_day: date, zone: tzinfo, profile: PeakProfile) -> tuple[Interval, ...]:
    """The hours to be tested, each as UTC ``[start_ms, end_ms)``.

    >>> from zoneinfo import ZoneInfo
    >>> len(peak_slots(date(2026, 10, 19), ZoneInfo("Europe/Paris"), BEAD))
    42
    """
    slots = []
    for offset in range(profile.days):
        day = first_day + timedelta(days=offset)
        start, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
        evening = build_calendar(
            [f"mon-sun,holidays {profile.start_hour:02}:00-{profile.end_hour:02}:00"]
        )
        for begin, until in covered_windows(evening, zone, start, end):
            slots += [(at, min(at + HOUR_MS, until)) for at in range(begin, until, HOUR_MS)]
    return tuple(slots)


def plan_peak(
    seed: str, first_day: date, zone: tzinfo, profile: PeakProfile = BEAD
) -> tuple[int, ...]:
    """One instant (UTC ms) in each slot, with room for the test; equal seeds, equal plans."""
    draw = random.Random(seed)  # noqa: S311 - a sampling plan that must be repeatable, no secret
    return tuple(
        draw.randint(start, max(start, end - profile.test_ms))
        for start, end in peak_slots(first_day, zone, profile)
    )


def judge_peak(
    tests: Sequence[ThroughputTest],
    round_trips: Distribution,
    slots: Sequence[Interval],
    *,
    committed_down: int | None,
    committed_up: int | None,
    profile: PeakProfile = BEAD,
) -> PeakVerdict:
    """The evenings' figures. Tests outside the slots are left out; round trips in µs.

    Give round trips of the slots alone; a lost packet counts as a miss.
    """
    inside = [test for test in tests if any(start <= test.at_ms < end for start, end in slots)]
    tested = sum(
        any(
            start <= test.at_ms < end
            for test in inside
            if test.invalid is None and test.bytes_per_second is not None
        )
        for start, end in slots
    )
    rtt_share = (
        None if profile.rtt_limit_us is None else round_trips.share_at_most(profile.rtt_limit_us)
    )
    return PeakVerdict(
        hours=len(slots),
        hours_tested=tested,
        complete=share(tested, len(slots)) == 1,
        down=summarise_tests(inside, "down", _floor(committed_down, profile), profile.tests_share),
        up=summarise_tests(inside, "up", _floor(committed_up, profile), profile.tests_share),
        rtt_sent=round_trips.sent,
        rtt_share=rtt_share,
        rtt_met=None
        if rtt_share is None or profile.rtt_share is None
        else rtt_share >= profile.rtt_share,
    )


def _floor(committed: int | None, profile: PeakProfile) -> int | None:
    """The least whole rate that reaches the share of the committed one."""
    if committed is None or profile.speed_share is None:
        return None
    return -(-committed * profile.speed_share.numerator // profile.speed_share.denominator)
