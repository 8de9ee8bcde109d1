"""A campaign that was entered: its plan, and which tests are its measurements.

Rule of this file: the plan stands before the first measurement, and a test belongs to a
slot by its time alone, never by its result. It knows no clock, engine or store.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, tzinfo
from typing import Literal

import msgspec

from netwatch.core.campaign import PROOF, Offer, plan_proof
from netwatch.core.intervals import Interval
from netwatch.core.peak_hours import BEAD, peak_slots, plan_peak
from netwatch.core.throughput import ThroughputTest

Profile = Literal["proof", "peak"]
PROFILES: tuple[Profile, ...] = ("proof", "peak")


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the ledger of campaigns. ``wired`` is what its author stated."""

    id: str
    profile: Profile
    seed: str
    first_day: date
    timezone: str
    slots: tuple[int, ...]  # UTC ms, in order
    down: Offer
    up: Offer
    wired: bool
    author: str
    entered_ms: int
    withdrawn_ms: int | None = None
    withdrawn_by: str | None = None
    withdrawal_reason: str | None = None


class SlotTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test that began within a slot's window; ``at_ms`` None: there was none.

    Rates in bytes per second. A direction counts with a rate and without ``*_invalid``.
    """

    slot_ms: int
    at_ms: int | None = None
    down: int | None = None
    up: int | None = None
    down_invalid: str | None = None
    up_invalid: str | None = None

    @property
    def counts(self) -> bool:
        """Whether both directions were measured and are valid."""
        return (
            self.down is not None
            and self.up is not None
            and self.down_invalid is None
            and self.up_invalid is None
        )


class RoundTrips(msgspec.Struct, frozen=True, kw_only=True):
    """Latency probes within the slots' windows, and how many kept the profile's limit."""

    sent: int = 0
    within: int = 0


class CampaignBooks(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign with all that its verdict follows from."""

    campaign: Campaign
    tests: tuple[SlotTest, ...]
    round_trips: RoundTrips = RoundTrips()


def plan_slots(profile: Profile, seed: str, first_day: date, zone: tzinfo) -> tuple[int, ...]:
    """The instants (UTC ms) of a profile's plan; equal seeds, equal plans.

    >>> from datetime import UTC
    >>> [len(plan_slots(profile, "s", date(2026, 10, 19), UTC)) for profile in PROFILES]
    [30, 42]
    """
    if profile == "proof":
        return plan_proof(seed, first_day, zone)
    return plan_peak(seed, first_day, zone)


def list_windows(campaign: Campaign, zone: tzinfo) -> tuple[Interval, ...]:
    """When a test begins that belongs to each slot (UTC): in the five minutes from it on, or
    in its hour of the evening.
    """
    if campaign.profile == "peak":
        return peak_slots(campaign.first_day, zone, BEAD)
    return tuple((slot_ms, slot_ms + PROOF.gap_ms) for slot_ms in campaign.slots)


def match_tests(
    campaign: Campaign, zone: tzinfo, tests: Iterable[ThroughputTest]
) -> tuple[SlotTest, ...]:
    """Every test that began in a slot's window, in order; a slot without one has an empty entry."""
    by_instant: dict[int, dict[str, ThroughputTest]] = {}
    for test in tests:
        by_instant.setdefault(test.at_ms, {})[test.direction] = test
    instants = sorted(by_instant)
    found: list[SlotTest] = []
    for slot_ms, (start_ms, end_ms) in zip(
        campaign.slots, list_windows(campaign, zone), strict=True
    ):
        within = [at_ms for at_ms in instants if start_ms <= at_ms < end_ms]
        found += [_join(slot_ms, at_ms, by_instant[at_ms]) for at_ms in within]
        if not within:
            found.append(SlotTest(slot_ms=slot_ms))
    return tuple(found)


def _join(slot_ms: int, at_ms: int, directions: dict[str, ThroughputTest]) -> SlotTest:
    down, up = directions.get("down"), directions.get("up")
    return SlotTest(
        slot_ms=slot_ms,
        at_ms=at_ms,
        down=None if down is None else down.bytes_per_second,
        up=None if up is None else up.bytes_per_second,
        down_invalid=None if down is None else down.invalid,
        up_invalid=None if up is None else up.invalid,
    )


def choose_measurements(tests: Iterable[SlotTest]) -> tuple[SlotTest, ...]:
    """One for each slot that has any: the first that counts, else the first.

    >>> failed = SlotTest(slot_ms=0, at_ms=5, down_invalid="test_server_failed")
    >>> again = SlotTest(slot_ms=0, at_ms=9, down=10, up=10)
    >>> [each.at_ms for each in choose_measurements([failed, again, SlotTest(slot_ms=100)])]
    [9]
    """
    chosen: dict[int, SlotTest] = {}
    for test in tests:
        before = chosen.get(test.slot_ms)
        if test.at_ms is not None and (before is None or (test.counts and not before.counts)):
            chosen[test.slot_ms] = test
    return tuple(chosen.values())
