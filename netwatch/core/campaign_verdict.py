"""What a campaign's measurements say of the contract, line by line.

Rule of this file: a verdict is given once the plan is over, and only where the schedule
was kept; until then each line shows how far it has come. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from fractions import Fraction
from typing import Literal

import msgspec

from netwatch.core.campaign import (
    PROOF,
    DirectionVerdict,
    Offer,
    ProofMeasurement,
    ScheduleProblem,
    judge_proof,
)
from netwatch.core.campaign_record import (
    Campaign,
    CampaignBooks,
    SlotTest,
    choose_measurements,
    list_windows,
)
from netwatch.core.peak_hours import BEAD, judge_peak
from netwatch.core.stats import from_counts
from netwatch.core.throughput import Direction, ThroughputSummary, ThroughputTest

#: planned: nothing is due yet; unproven: the schedule was not kept, so nothing follows.
State = Literal["planned", "under_way", "breach", "no_breach", "unproven"]


class VerdictLine(msgspec.Struct, frozen=True, kw_only=True):
    """One condition. ``found`` is to reach ``required``, or not to exceed it (``at_most``).

    ``code`` is maximum, normal or minimum (``found`` counts days or measurements), hours
    (of the evenings, tested), tests or rtt (shares). ``rate`` is what it asks for, in
    bytes per second. ``met`` is None while nothing can be said.
    """

    code: str
    direction: Direction | None = None
    rate: int | None = None
    found: int | None = None
    found_share: Fraction | None = None
    required: int | None = None
    required_share: Fraction | None = None
    at_most: bool = False
    met: bool | None = None


class CampaignVerdict(msgspec.Struct, frozen=True, kw_only=True):
    state: State
    measured: int  # slots with a test
    problems: tuple[ScheduleProblem, ...]
    lines: tuple[VerdictLine, ...]


def judge_campaign(books: CampaignBooks, zone: tzinfo, now_ms: int) -> CampaignVerdict:
    """The verdict at an instant (UTC ms). Tests begun later must not be among the books'."""
    campaign = books.campaign
    windows = list_windows(campaign, zone)
    judge = _judge_proof if campaign.profile == "proof" else _judge_peak
    problems, lines = judge(books, zone)
    measured = len({test.slot_ms for test in books.tests if test.at_ms is not None})
    if now_ms < windows[-1][1]:
        state: State = "planned" if now_ms < windows[0][0] else "under_way"
        # What is missing is still to come; only what is wrong for good is told.
        problems = tuple(each for each in problems if each.code not in _STILL_OPEN)
    elif problems:
        state = "unproven"
    else:
        state = "breach" if any(line.met is False for line in lines) else "no_breach"
        return CampaignVerdict(state=state, measured=measured, problems=(), lines=lines)
    unsaid = tuple(msgspec.structs.replace(line, met=None) for line in lines)
    return CampaignVerdict(state=state, measured=measured, problems=problems, lines=unsaid)


_STILL_OPEN = frozenset({"days", "per_day", "hours"})


def _judge_proof(
    books: CampaignBooks, zone: tzinfo
) -> tuple[tuple[ScheduleProblem, ...], tuple[VerdictLine, ...]]:
    campaign = books.campaign
    verdict = judge_proof(
        [_measure(test, campaign) for test in choose_measurements(books.tests)],
        campaign.down,
        campaign.up,
        zone,
    )
    lines = (
        *_list_conditions("down", campaign.down, verdict.down),
        *_list_conditions("up", campaign.up, verdict.up),
    )
    return verdict.problems, lines


def _measure(test: SlotTest, campaign: Campaign) -> ProofMeasurement:
    assert test.at_ms is not None
    busy = "busy_link" in (test.down_invalid, test.up_invalid)
    unsound = {test.down_invalid, test.up_invalid} - {None, "busy_link"}
    return ProofMeasurement(
        at_ms=test.at_ms,
        down=None if unsound else test.down,
        up=None if unsound else test.up,
        wired=campaign.wired,
        quiet=not busy,
    )


def _list_conditions(
    direction: Direction, offer: Offer, verdict: DirectionVerdict
) -> Iterator[VerdictLine]:
    found = {
        "maximum": (verdict.days_reaching_maximum, PROOF.days_reaching_maximum, offer.maximum),
        "normal": (verdict.reaching_normal, PROOF.reaching_normal, offer.normal),
        "minimum": (verdict.days_under_minimum, PROOF.days_under_minimum - 1, offer.minimum),
    }
    for code, (count, required, rate) in found.items():
        if rate is not None:
            yield VerdictLine(
                code=code,
                direction=direction,
                rate=rate,
                found=count,
                required=required,
                at_most=code == "minimum",
                met=code not in verdict.breaches,
            )


def _judge_peak(
    books: CampaignBooks, zone: tzinfo
) -> tuple[tuple[ScheduleProblem, ...], tuple[VerdictLine, ...]]:
    campaign, trips = books.campaign, books.round_trips
    limit_us = BEAD.rtt_limit_us or 0
    verdict = judge_peak(
        list(_split(books.tests)),
        from_counts({limit_us: trips.within}, lost=trips.sent - trips.within),
        list_windows(campaign, zone),
        committed_down=campaign.down.normal,
        committed_up=campaign.up.normal,
    )
    problems: tuple[ScheduleProblem, ...] = ()
    if not verdict.complete:
        problems = (
            ScheduleProblem(code="hours", found=verdict.hours_tested, required=verdict.hours),
        )
    lines = [
        VerdictLine(
            code="hours", found=verdict.hours_tested, required=verdict.hours, met=verdict.complete
        )
    ]
    sides: Sequence[tuple[Direction, Offer, ThroughputSummary]] = (
        ("down", campaign.down, verdict.down),
        ("up", campaign.up, verdict.up),
    )
    lines += [
        VerdictLine(
            code="tests",
            direction=direction,
            rate=offer.normal,
            found=figures.valid,
            found_share=figures.share_met,
            required_share=BEAD.tests_share,
            met=figures.met,
        )
        for direction, offer, figures in sides
        if offer.normal is not None
    ]
    if trips.sent:
        lines.append(
            VerdictLine(
                code="rtt",
                found=trips.sent,
                found_share=verdict.rtt_share,
                required_share=BEAD.rtt_share,
                met=verdict.rtt_met,
            )
        )
    return problems, tuple(lines)


def _split(tests: Sequence[SlotTest]) -> Iterator[ThroughputTest]:
    for test in tests:
        if test.at_ms is None:
            continue
        sides: Sequence[tuple[Direction, int | None, str | None]] = (
            ("down", test.down, test.down_invalid),
            ("up", test.up, test.up_invalid),
        )
        for direction, rate, invalid in sides:
            if rate is not None or invalid is not None:
                yield ThroughputTest(
                    at_ms=test.at_ms, direction=direction, bytes_per_second=rate, invalid=invalid
                )
