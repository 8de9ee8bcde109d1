"""What a report is about: site, circuit, contract, period, method, evidence files.

Rule of this file: structs only, the outer sections of INTERFACE.md's "Report JSON"; the
figures are in `model`. It knows no store, no setting and no language.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec

from netwatch.core.contract import Money, PenaltyRule


class SiteIdentity(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str | None = None  # None: the id is shown
    commune: str | None = None
    timezone: str
    holidays: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class CircuitIdentity(msgspec.Struct, frozen=True, kw_only=True):
    operator: str | None = None
    reference: str | None = None
    technology: str | None = None
    monthly_fee: Money | None = None


class ContractTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the contract, as far as it was in force in the period."""

    name: str | None = None
    start: str  # of its part of the period
    end: str
    availability: Fraction | None = None
    calendar: str  # "S1", "S2", "custom"
    calendar_rules: tuple[str, ...] = ()
    intervene_within_ms: int | None = None
    restore_within_ms: int | None = None
    restore_from: str = "reported"
    yearly_interruption_ms: int | None = None
    counted_causes: tuple[str, ...] = ()
    recurrence_window_ms: int | None = None
    guaranteed_down: int | None = None
    guaranteed_up: int | None = None
    guaranteed_share: Fraction | None = None
    max_rtt_us: int | None = None
    max_loss: Fraction | None = None
    monthly_fee: Money | None = None
    penalties: tuple[PenaltyRule, ...] = ()
    problems: tuple[str, ...] = ()  # what contradicts itself in the terms


class ContractSection(msgspec.Struct, frozen=True, kw_only=True):
    """The terms in force at the end of the period, and every version if it changed within."""

    terms: ContractTerms | None
    versions: tuple[ContractTerms, ...] = ()


class PeriodIdentity(msgspec.Struct, frozen=True, kw_only=True):
    start: str
    end: str
    timezone: str
    month: str  # "2026-10"
    complete: bool  # false: a partial report, the month was not over (or not begun)
    until: str  # the instant up to which it speaks; `end` when complete


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """What the method page prints: every threshold, target, server and version."""

    software_version: str
    targets: tuple[Mapping[str, str | int], ...] = ()
    test_servers: tuple[str, ...] = ()
    thresholds: Mapping[str, str | int] = {}


class EvidenceFile(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    sha256: str
    rows: int | None = None


class ChainEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The newest entry of the store's chain of days (docs/chain.md) when the report was made."""

    number: int
    day: str
    hash: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    files: tuple[EvidenceFile, ...] = ()
    chain: ChainEnd | None = None  # None: no day is closed


def iso_utc(instant_ms: int) -> str:
    """An instant as the report writes it; milliseconds appear when there are any.

    >>> iso_utc(1_793_491_200_000), iso_utc(1_793_491_200_250)
    ('2026-11-01T00:00:00Z', '2026-11-01T00:00:00.250Z')
    """
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant_ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{instant_ms % 1000:03d}Z" if instant_ms % 1000 else f"{text}Z"
