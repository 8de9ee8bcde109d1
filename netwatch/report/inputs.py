"""What a report is built from: everything already read, nothing yet computed.

Rule of this file: one struct, and how round trips become its latency samples. It reads
no store, clock or setting; the caller does and hands the values in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from operator import itemgetter

import msgspec

from netwatch.core.calendars import CoveredHours, build_calendar, civil_date, day_start
from netwatch.core.campaign_record import CampaignBooks
from netwatch.core.contract import Contract
from netwatch.core.incidents import Annotation
from netwatch.core.intervals import EMPTY, Intervals, clip, difference
from netwatch.core.pool import Pool
from netwatch.core.round_trips import StretchCount
from netwatch.core.sla import NOTHING, Availability, Exclusion
from netwatch.core.stats import Distribution, Ranked, from_ordered
from netwatch.core.throughput import ThroughputTest
from netwatch.records import Span
from netwatch.report.identity import CircuitIdentity, Evidence, Method, SiteIdentity

#: A single probe: sent (UTC ms), target, round trip in µs or None when lost.
Probe = tuple[int, str, int | None]


class TargetSamples(msgspec.Struct, frozen=True, kw_only=True):
    """One target's round trips (µs) in available time, by civil day."""

    name: str
    role: str
    address: str  # as the report shows it: truncated where it is public
    days: Mapping[date, Ranked]


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


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the month (UTC) that is of one civil day, and wholly available or wholly not."""

    start_ms: int
    end_ms: int
    day: date
    available: bool


def cut_stretches(
    available: Intervals, start_ms: int, end_ms: int, zone: tzinfo
) -> tuple[Stretch, ...]:
    """The time from ``start_ms`` to ``end_ms``, cut at civil midnights and where it turns.

    Latency is counted in these parts: each is counted as a whole, or not at all.

    >>> from datetime import UTC
    >>> [(each.start_ms, each.available) for each in cut_stretches(((5, 9),), 0, 20, UTC)]
    [(0, False), (5, True), (9, False)]
    """
    within = clip(available, start_ms, end_ms)
    other = difference(((start_ms, end_ms),), within) if start_ms < end_ms else EMPTY
    parts = [
        Stretch(start_ms=begin, end_ms=end, day=day, available=is_available)
        for times, is_available in ((within, True), (other, False))
        for begin, end, day in _by_day(times, zone)
    ]
    return tuple(sorted(parts, key=lambda part: part.start_ms))


def count_probes(probes: Iterable[Probe], stretches: Sequence[Stretch]) -> Iterator[StretchCount]:
    """Single probes counted by stretch and target, as the store does it for a whole month.

    Those outside of every stretch are in nothing. Raises ValueError for probes that are not
    in the order of sending.

    >>> part = Stretch(start_ms=0, end_ms=9, day=date(1970, 1, 1), available=True)
    >>> [found] = count_probes([(0, "a", 900), (5, "a", None), (9, "a", 1)], [part])
    >>> found.values, found.counts, found.lost
    ([900], [1], 1)
    """
    starts = [part.start_ms for part in stretches]
    counts: dict[tuple[int, str], Counter[int | None]] = {}
    before_ms = 0
    for sent_ms, target, rtt_us in probes:
        if sent_ms < before_ms:
            raise ValueError("latency probes must come in the order of sending")
        before_ms = sent_ms
        index = bisect_right(starts, sent_ms) - 1
        if index >= 0 and sent_ms < stretches[index].end_ms:
            counts.setdefault((index, target), Counter())[rtt_us] += 1
    for (index, target), found in sorted(counts.items(), key=itemgetter(0)):
        lost = found.pop(None, 0)
        values = sorted(value for value in found if value is not None)
        yield StretchCount(
            start_ms=stretches[index].start_ms,
            end_ms=stretches[index].end_ms,
            target=target,
            values=values,
            counts=[found[value] for value in values],
            lost=lost,
        )


def collect_days(
    round_trips: Iterable[StretchCount], stretches: Iterable[Stretch]
) -> dict[str, dict[date, Ranked]]:
    """Each target's round trips by civil day, those of available stretches alone."""
    days = {part.start_ms: part.day for part in stretches if part.available}
    parts: dict[str, dict[date, list[Distribution]]] = {}
    for each in round_trips:
        day = days.get(each.start_ms)
        if day is not None:
            own = from_ordered(each.values, each.counts, each.lost)
            parts.setdefault(each.target, {}).setdefault(day, []).append(own)
    return {
        target: {
            day: found[0] if len(found) == 1 else Pool(tuple(found))
            for day, found in sorted(by_day.items())
        }
        for target, by_day in parts.items()
    }


def _by_day(times: Intervals, zone: tzinfo) -> Iterator[tuple[int, int, date]]:
    """The times cut at each civil midnight."""
    for start, end in times:
        at = start
        while at < end:
            day = civil_date(at, zone)
            until = min(end, day_start(day + timedelta(days=1), zone))
            # A repeated midnight shows the day before again: an hour of it is kept whole.
            until = until if until > at else end
            yield at, until, day
            at = until
