"""A month's records out of the books: the ledger around it, its probes, its tests.

Rule of this file: it reads and cuts, and reckons no figure. Around the month it reads as
far as an incident over its edge, and one that recurs, need to be known whole.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from netwatch.core.campaign_record import (
    Campaign,
    CampaignBooks,
    RoundTrips,
    list_windows,
    match_tests,
)
from netwatch.core.contract import DAY_MS, Contract
from netwatch.core.intervals import Interval, difference, normalise
from netwatch.core.judge import DNS, LINK, QUALITY
from netwatch.core.ledger import build_ledger
from netwatch.core.peak_hours import BEAD
from netwatch.core.round_trips import StretchCount
from netwatch.core.throughput import ThroughputTest
from netwatch.records import CheckDefinition, Role, Span, Verdict
from netwatch.store.annals import Annals, ExclusionRecord
from netwatch.store.bandwidth_books import BandwidthBooks
from netwatch.store.campaigns import Campaigns
from netwatch.store.probes import read_probes
from netwatch.store.queries import Reader
from netwatch.store.rtt_counts import count_round_trips
from netwatch.store.throughput import BandwidthRow, ThroughputBooks, split_directions

#: Read on both sides of a month, beside four times the contract's recurrence window (which
#: counts covered hours alone).
MARGIN_MS = 8 * DAY_MS
_LONGEST_MARGIN_MS = 62 * DAY_MS
#: Kinds of probe that measure a round trip of the line and not of a server's work.
_LATENCY_KINDS = frozenset({"icmp", "tcp"})
#: The newest commit of a running agent is not older than this.
_RUNNING_MS = 900_000


class MonthBooks:
    """Reads one store. Every method raises StoreError where the books cannot be read."""

    def __init__(self, path: str) -> None:
        self.reader = Reader(path)
        self.annals = Annals(path)
        self.campaigns = Campaigns(path)
        self._throughput = ThroughputBooks(path)
        self._bandwidth = BandwidthBooks(path)

    def read_ledger(self, from_ms: int, to_ms: int) -> list[Span]:
        """The final spans of ``[from_ms, to_ms)`` (UTC), without hole or overlap."""
        layers = {
            layer: self.reader.read_spans(from_ms, to_ms, layer) for layer in (LINK, DNS, QUALITY)
        }
        return build_ledger(layers, self.reader.read_lives(from_ms, to_ms), from_ms, to_ms)

    def read_around(
        self, start_ms: int, end_ms: int, now_ms: int, versions: Iterable[Contract]
    ) -> list[Span]:
        """The ledger of a month and of what lies around it, never past ``now_ms``.

        An outage at either end of what is read is followed until it ends, or begins.
        """
        margin_ms = find_margin(versions)
        begun_ms = self.reader.read_first_ms()
        floor_ms = min(start_ms, start_ms if begun_ms is None else begun_ms)
        first_ms = max(start_ms - margin_ms, floor_ms)
        last_ms = max(min(end_ms + margin_ms, now_ms), min(end_ms, now_ms))
        if first_ms >= last_ms:
            return []
        spans = self.read_ledger(first_ms, last_ms)
        while spans[0].verdict is Verdict.DOWN and first_ms > floor_ms:
            first_ms = max(first_ms - margin_ms, floor_ms)
            spans = self.read_ledger(first_ms, last_ms)
        while spans[-1].verdict is Verdict.DOWN and last_ms < now_ms:
            last_ms = min(last_ms + margin_ms, now_ms)
            spans = self.read_ledger(first_ms, last_ms)
        return spans

    def find_end_ms(self, now_ms: int) -> int:
        """Up to when the books speak of a time that is not over.

        That is ``now_ms``, but for a running agent the end of its newest commit: what it has
        seen since then is not unknown, only not written yet.
        """
        runs = self.reader.read_runs(0, now_ms)
        if not runs or runs[-1].clean or runs[-1].ended_ms is None:
            return now_ms
        ended_ms = runs[-1].ended_ms
        return min(now_ms, ended_ms) if now_ms - ended_ms < _RUNNING_MS else now_ms

    def read_definitions(self, until_ms: int) -> dict[str, CheckDefinition]:
        """The newest definition of each check before an instant, by its id."""
        return {
            each.check_id: each
            for each in self.reader.read_checks()
            if each.kind is not None and (each.since_ms is None or each.since_ms < until_ms)
        }

    def count_round_trips(self, stretches: Sequence[Interval]) -> Iterator[StretchCount]:
        """What the latency probes of each stretch brought; memory stays flat."""
        names = [
            check.check_id for check in self.reader.read_checks() if check.kind in _LATENCY_KINDS
        ]
        return count_round_trips(self.reader, stretches, frozenset(names))

    def read_tests(self, from_ms: int, to_ms: int) -> tuple[ThroughputTest, ...]:
        """The throughput tests of the range, one for each direction."""
        ends = dict(self._bandwidth.read_loaded_windows(from_ms, to_ms))
        return tuple(
            msgspec.structs.replace(test, ended_ms=ends.get(test.at_ms))
            for row in self.read_bandwidth(from_ms, to_ms)
            for test in split_directions(row)
        )

    def read_bandwidth(self, from_ms: int, to_ms: int) -> list[BandwidthRow]:
        """The same as they are kept, in order."""
        return self._throughput.read_tests(from_ms, to_ms)

    def count_skips(self, from_ms: int, to_ms: int) -> Mapping[str, int]:
        """Tests of the range that were not run, by reason."""
        return self._throughput.count_skips(from_ms, to_ms)

    def read_campaigns(self, start_ms: int, end_ms: int, now_ms: int) -> tuple[CampaignBooks, ...]:
        """The campaigns with a slot in the range, each with all its tests before ``now_ms``."""
        return tuple(
            self.read_campaign(campaign, now_ms)
            for campaign in self.campaigns.read()
            if any(start_ms <= slot_ms < end_ms for slot_ms in campaign.slots)
        )

    def read_campaign(self, campaign: Campaign, now_ms: int) -> CampaignBooks:
        """One campaign with the tests of its slots, and its evenings' round trips."""
        zone = ZoneInfo(campaign.timezone)
        windows = [
            (from_ms, min(to_ms, now_ms))
            for from_ms, to_ms in list_windows(campaign, zone)
            if from_ms < now_ms
        ]
        tests = self.read_tests(windows[0][0], windows[-1][1]) if windows else ()
        return CampaignBooks(
            campaign=campaign,
            tests=match_tests(campaign, zone, tests),
            round_trips=self._count_within(windows) if campaign.profile == "peak" else RoundTrips(),
        )

    def _count_within(self, windows: Iterable[Interval]) -> RoundTrips:
        """Of the internet targets: the line's, not a box's or a server's.

        What was sent while our own tests loaded the line is left out.
        """
        names = frozenset(
            check.check_id
            for check in self.reader.read_checks()
            if check.kind in _LATENCY_KINDS and check.role is Role.INTERNET
        )
        sent = within = 0
        asked = list(windows)
        loaded = [
            window
            for from_ms, to_ms in asked
            for window in self._bandwidth.read_loaded_windows(from_ms, to_ms)
        ]
        for from_ms, to_ms in difference(normalise(asked), normalise(loaded)):
            for _, _, rtt_us in read_probes(self.reader, from_ms, to_ms, names):
                sent += 1
                within += rtt_us is not None and rtt_us <= (BEAD.rtt_limit_us or 0)
        return RoundTrips(sent=sent, within=within)

    def read_exclusions(self, from_ms: int, to_ms: int) -> tuple[ExclusionRecord, ...]:
        """The entries that touch the range, those taken back too."""
        return tuple(
            record
            for record in self.annals.read_exclusions()
            if record.entry.start_ms < to_ms and record.entry.end_ms > from_ms
        )


def find_margin(versions: Iterable[Contract]) -> int:
    """How far around a month the ledger is read, in milliseconds.

    >>> find_margin([]) == MARGIN_MS
    True
    """
    windows = (version.recurrence_window_ms or 0 for version in versions)
    return min(MARGIN_MS + 4 * max(windows, default=0), _LONGEST_MARGIN_MS)


def list_latency_targets(
    definitions: Mapping[str, CheckDefinition],
) -> Sequence[CheckDefinition]:
    """The checks whose probes tell the line's latency, in the order of definition."""
    return [each for each in definitions.values() if each.kind in _LATENCY_KINDS]


def truncate_address(address: str) -> str:
    """A public address as it may leave the town: IPv4 as its /24, IPv6 as its /48.

    Private addresses, names and URLs stay as they are.

    >>> truncate_address("8.8.8.8"), truncate_address("192.168.1.1"), truncate_address("2001:4860::1")
    ('8.8.8.0/24', '192.168.1.1', '2001:4860::/48')
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not found.is_global:
        return address
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))
