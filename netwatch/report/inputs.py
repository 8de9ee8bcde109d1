"""What a report is built from: everything already read, nothing yet computed.

Rule of this file: one struct, and how raw probes become its latency samples. It reads
no store, clock or setting; the caller does and hands the values in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from itertools import islice
from operator import itemgetter

import msgspec

from netwatch.core.calendars import CoveredHours, build_calendar, civil_date, day_start
from netwatch.core.campaign_record import CampaignBooks
from netwatch.core.contract import Contract
from netwatch.core.incidents import Annotation
from netwatch.core.intervals import Intervals
from netwatch.core.sla import NOTHING, Availability, Exclusion
from netwatch.core.stats import Distribution, from_counts, merge
from netwatch.core.throughput import ThroughputTest
from netwatch.records import Span
from netwatch.report.identity import CircuitIdentity, Evidence, Method, SiteIdentity

#: A probe as the evidence has it: sent (UTC ms), target, round trip in µs or None when lost.
Probe = tuple[int, str, int | None]


class TargetSamples(msgspec.Struct, frozen=True, kw_only=True):
    """One target's round trips (µs) in available time, by civil day."""

    name: str
    role: str
    address: str  # as the report shows it: truncated where it is public
    days: Mapping[date, Distribution]


class ReportInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the month's report depends on; equal inputs give equal reports.

    ``spans`` are the link's ledger in UTC and should reach well past both ends of the
    month, so that an incident over its edge is known whole; gaps are unknown.
    ``now_ms`` cuts a month that is not over: the report speaks up to that instant.
    ``year_before`` is the contract year up to the month (`measure_year_before`).
    ``campaigns`` are those with a slot in the month, with all their tests before ``now_ms``.
    ``simulated`` names the scenario of records that are made up; None: they are real.
    ``holidays`` must cover the months from one year before to one year after.
    """

    year: int
    month: int
    now_ms: int
    zone: tzinfo
    site: SiteIdentity
    circuit: CircuitIdentity
    versions: tuple[Contract, ...]  # of the contract; at least one
    opening_hours: tuple[str, ...]
    holidays: frozenset[date]
    spans: Sequence[Span]
    rule: Mapping[str, str | int]  # the outage rule: its version and constants
    method: Method
    exclusions: tuple[Exclusion, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    targets: tuple[TargetSamples, ...] = ()
    loss_timeout_ms: int | None = None
    tests: tuple[ThroughputTest, ...] = ()
    skipped: Mapping[str, int] = {}
    year_before: Availability = NOTHING
    charged_before: Mapping[tuple[str, str], Decimal] = {}
    campaigns: tuple[CampaignBooks, ...] = ()
    simulated: str | None = None
    evidence: Evidence = Evidence()

    def hours_of(self, contract: Contract) -> CoveredHours:
        """The hours that a version of the contract covers at this site."""
        return CoveredHours(
            calendar=build_calendar(contract.calendar, self.holidays), zone=self.zone
        )


def collect_samples(
    probes: Iterable[Probe], available: Intervals, zone: tzinfo
) -> dict[str, dict[date, Distribution]]:
    """Each target's round trips by civil day, those sent in available time alone.

    ``probes`` come in the order of sending, and are consumed as they come. Raises
    ValueError for those that do not.

    >>> from datetime import UTC
    >>> found = collect_samples([(0, "a", 900), (5, "a", None), (9, "a", 1)], ((0, 9),), UTC)
    >>> found["a"][date(1970, 1, 1)].sent
    2
    """
    found: dict[str, dict[date, Distribution]] = {}
    stretches = _by_day(available, zone)
    begin = end = 0
    day = date.min
    counts: Counter[tuple[str, int | None]] = Counter()
    stream = iter(probes)
    while piece := list(islice(stream, _PIECE)):
        sent = list_instants(piece)
        at = 0
        while at < len(piece):
            if sent[at] >= end:
                sent_ms = sent[at]
                begin, end, next_day = next(
                    (stretch for stretch in stretches if stretch[1] > sent_ms), _NO_MORE
                )
                if next_day != day:
                    _settle(found, day, counts)
                    day = next_day
            first = bisect_left(sent, begin, at)
            at = bisect_left(sent, end, first)
            counts.update(map(_TARGET_AND_TIME, piece[first:at]))
    _settle(found, day, counts)
    return found


def list_instants(probes: Sequence[Probe]) -> list[int]:
    """When each was sent (UTC ms). Raises ValueError for probes that are not in order.

    >>> list_instants([(5, "a", 900), (5, "b", None)])
    [5, 5]
    """
    sent = [sent_ms for sent_ms, _, _ in probes]
    if sent != sorted(sent):
        raise ValueError("latency probes must come in the order of sending")
    return sent


def _settle(
    found: dict[str, dict[date, Distribution]],
    day: date,
    counts: Counter[tuple[str, int | None]],
) -> None:
    """A day's counts become its distributions; ``counts`` begins anew."""
    by_target: dict[str, dict[int, int]] = {}
    lost: dict[str, int] = {}
    for (target, rtt_us), count in counts.items():
        values = by_target.setdefault(target, {})
        if rtt_us is None:
            lost[target] = count
        else:
            values[rtt_us] = count
    for target, values in by_target.items():
        days = found.setdefault(target, {})
        # A day may come back, where a clock change repeats a midnight.
        own = from_counts(values, lost.get(target, 0))
        days[day] = merge([days[day], own]) if day in days else own
    counts.clear()


#: So many probes are counted at a time.
_PIECE = 20_000
_TARGET_AND_TIME = itemgetter(1, 2)
_NO_MORE = (2**63, 2**63, date.max)


def _by_day(available: Intervals, zone: tzinfo) -> Iterable[tuple[int, int, date]]:
    """The available time cut at each civil midnight."""
    for start, end in available:
        at = start
        while at < end:
            day = civil_date(at, zone)
            until = min(end, day_start(day + timedelta(days=1), zone))
            # A repeated midnight shows the day before again: an hour of it is kept whole.
            until = until if until > at else end
            yield at, until, day
            at = until
