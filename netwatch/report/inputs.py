"""What a report is built from: everything already read, nothing yet computed.

Rule of this file: one struct, and how raw probes become its latency samples. It reads
no store, clock or setting; the caller does and hands the values in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta, tzinfo
from decimal import Decimal

import msgspec

from netwatch.core.calendars import CoveredHours, build_calendar, civil_date, day_start
from netwatch.core.contract import Contract
from netwatch.core.incidents import Annotation
from netwatch.core.intervals import Intervals
from netwatch.core.sla import NOTHING, Availability, Exclusion
from netwatch.core.stats import Distribution, from_counts
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

    ``probes`` come in the order of sending, and are consumed as they come.

    >>> from datetime import UTC
    >>> found = collect_samples([(0, "a", 900), (5, "a", None), (9, "a", 1)], ((0, 9),), UTC)
    >>> found["a"][date(1970, 1, 1)].sent
    2
    """
    counts: dict[tuple[str, date], dict[int | None, int]] = {}
    stretches = _by_day(available, zone)
    begin = end = 0
    day = date.min
    held: dict[str, dict[int | None, int]] = {}
    for sent_ms, target, rtt_us in probes:
        if sent_ms >= end:
            begin, end, day = next(
                (stretch for stretch in stretches if stretch[1] > sent_ms), _NO_MORE
            )
            held = {}
        if sent_ms < begin:
            continue
        values = held.get(target)
        if values is None:
            values = held[target] = counts.setdefault((target, day), {})
        values[rtt_us] = values.get(rtt_us, 0) + 1
    found: dict[str, dict[date, Distribution]] = {}
    for (target, on), values in counts.items():
        lost = values.pop(None, 0)
        answered = {value: count for value, count in values.items() if value is not None}
        found.setdefault(target, {})[on] = from_counts(answered, lost)
    return found


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
