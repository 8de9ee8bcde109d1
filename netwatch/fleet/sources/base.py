"""What a source gives of one site's month, whoever kept it.

Rule of this file: the protocol and its values. A source says what it knows and how well;
what it does not know is None, and is never made up. It knows no store, file or format.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec

from netwatch.core.calendars import contract_year, month_window
from netwatch.core.contract import DAY_MS, Contract, contract_at
from netwatch.core.sla import Exclusion
from netwatch.core.throughput import ThroughputTest
from netwatch.fleet.model import FleetSite
from netwatch.records import Span

SourceName = Literal["agents", "prometheus", "influx"]
SOURCES: tuple[SourceName, ...] = ("agents", "prometheus", "influx")
#: Around a month, so that an incident over its edge, and one that recurs, are known whole.
MARGIN_MS = 8 * DAY_MS


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A civil month of a site (UTC), and how far around it is looked."""

    year: int
    month: int
    start_ms: int
    end_ms: int
    now_ms: int
    first_ms: int  # from where on the ledger is asked for: the contract year, or a margin
    last_ms: int

    @property
    def name(self) -> str:
        """The month as ``2026-10``."""
        return f"{self.year:04}-{self.month:02}"

    @property
    def until_ms(self) -> int:
        """Up to where the report speaks: the end of the month, or now."""
        return max(self.start_ms, min(self.end_ms, self.now_ms))


def build_period(
    year: int, month: int, now_ms: int, zone: ZoneInfo, versions: Sequence[Contract]
) -> Period:
    """The month in a site's zone, with the contract year before it and the margins around.

    >>> from datetime import UTC
    >>> period = build_period(1970, 2, 10**12, ZoneInfo("UTC"), ())
    >>> period.name, period.start_ms // DAY_MS, period.last_ms // DAY_MS
    ('1970-02', 31, 67)
    """
    start_ms, end_ms = month_window(year, month, zone)
    in_force = contract_at(versions, start_ms)
    year_starts: date | None = in_force.contract_year_starts if in_force else None
    since_ms, _ = contract_year(year_starts, start_ms, zone)
    recurs_ms = max((each.recurrence_window_ms or 0 for each in versions), default=0)
    margin_ms = min(MARGIN_MS + 4 * recurs_ms, 62 * DAY_MS)
    return Period(
        year=year,
        month=month,
        start_ms=start_ms,
        end_ms=end_ms,
        now_ms=now_ms,
        first_ms=min(since_ms, start_ms - margin_ms),
        last_ms=max(start_ms, min(end_ms + margin_ms, now_ms)),
    )


class LatencySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One target's round trips as the source has them; a percentile is a bound, not a rank."""

    target: str
    sent: int
    lost: int
    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None


class SiteMonth(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a site's month.

    ``spans`` are the ledger in UTC, from ``Period.first_ms`` on as far as there is any.
    ``edge_ms`` is by how much the beginning or the end of an incident can be off: 0 where
    the source has the ledger itself. ``exclusions`` None: the source does not know any.
    ``bundle`` is the agent's own evidence, verified.
    """

    site: str
    source: SourceName
    where: str  # the address that was asked
    edge_ms: int
    spans: tuple[Span, ...] = ()
    tests: tuple[ThroughputTest, ...] = ()
    latency: tuple[LatencySummary, ...] = ()
    exclusions: tuple[Exclusion, ...] | None = None
    bundle: Path | None = None


class Source(Protocol):
    """One of `SOURCES`. To be used by one thread at a time."""

    def list_sites(self, from_ms: int, to_ms: int) -> tuple[str, ...] | None:
        """The ids that the source has anything of in this time; None: it cannot tell.

        Raises SourceFailed where it does not answer at all.
        """

    def read(self, site: FleetSite, period: Period, folder: Path) -> SiteMonth:
        """The site's month; ``folder`` is there, empty, for what is downloaded.

        Raises SourceFailed with the reason, without the site's name.
        """
