"""The report: one model, of which every form (HTML, PDF, CSV, JSON) is a reading.

Rule of this file: structs, no arithmetic. Field names are those of
INTERFACE.md ("Report JSON"), schema version 1; anything beside them was added. It knows
no store, no setting and no language.

In memory shares are exact fractions and money is decimal; `json_form` writes shares
as the nearest JSON number, money as ``{"amount": "20.00", "currency": "EUR"}``, instants
as ISO 8601 in UTC, durations as integer milliseconds and rates as bytes per second.
None is JSON ``null``: not measured, or (in a percentile with ``sent`` above 0) a rank
that falls among the lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from netwatch.core.campaign_verdict import VerdictLine
from netwatch.core.contract import Money
from netwatch.core.penalties import PenaltyLine
from netwatch.core.penalty_bases import PenaltyBasis as PenaltyBasis  # noqa: PLC0414 - re-exported, part of the model
from netwatch.report.identity import (
    CircuitIdentity,
    ContractSection,
    Evidence,
    Method,
    PeriodIdentity,
    SiteIdentity,
)

SCHEMA_VERSION = 1


class LedgerTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Adds up to the period; the causes add up to their verdict."""

    up_ms: int
    degraded_ms: int
    down_ms: int
    unknown_ms: int
    down_by_cause_ms: Mapping[str, int] = {}
    degraded_by_cause_ms: Mapping[str, int] = {}
    unknown_by_cause_ms: Mapping[str, int] = {}
    unknown_by_reason_ms: Mapping[str, int] = {}


class AvailabilityFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One calendar's availability; see `netwatch.core.sla.Availability` for each meaning."""

    measured: Fraction | None
    low: Fraction | None
    high: Fraction | None
    contractual: Fraction | None
    contractual_low: Fraction | None
    coverage: Fraction | None  # None: the calendar covers nothing in the period
    target: Fraction | None = None
    met: bool | None = None  # None: no commitment, or nothing known
    covered_ms: int = 0
    excluded_ms: int = 0
    up_ms: int = 0
    degraded_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0
    counted_ms: int = 0  # down by counted causes, in covered hours
    counted_after_exclusions_ms: int = 0
    rules: tuple[str, ...] = ()


class IncidentPart(msgspec.Struct, frozen=True, kw_only=True):
    cause: str
    started_at: str
    ended_at: str
    duration_ms: int


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    started_at: str
    ended_at: str
    reason: str | None = None


class AnnotationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the append-only incident ledger, as it was entered."""

    author: str
    entered_at: str
    ticket: str | None = None
    reported_at: str | None = None
    closed_at: str | None = None
    pauses: tuple[Pause, ...] = ()
    answer: str | None = None  # the operator's
    note: str | None = None
    parent: str | None = None


class IncidentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``duration_ms`` and ``covered_ms`` are of the whole incident, also outside the month.

    ``ended_at`` None: it went on at the last instant that is known.
    """

    id: str
    cause: str
    started_at: str
    ended_at: str | None
    duration_ms: int
    covered_ms: int
    counted_ms: int  # covered, less exclusions and pauses, counted causes only
    in_period_ms: int
    counted: bool  # at least one of its causes is the operator's by contract
    start_seen: bool  # false: unknown before it, so it may have begun earlier
    end_seen: bool
    parts: tuple[IncidentPart, ...]
    clock_started_at: str  # of the restoration time: reported, or detected
    clock_from: str  # "reported", "detected", "recurrence"
    restore_deadline: str | None
    restore_met: bool | None
    recurrence_of: str | None
    ticket: str | None
    reported_at: str | None = None
    closed_at: str | None = None
    parent: str | None = None
    pauses: tuple[Pause, ...] = ()
    annotations: tuple[AnnotationEntry, ...] = ()


class IncidentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """MTTR and MTBF over the period, exact milliseconds rounded to the nearest integer."""

    count: int
    mean_time_to_restore_ms: int | None
    mean_time_between_failures_ms: int | None


class YearlyInterruption(msgspec.Struct, frozen=True, kw_only=True):
    """Of the contract year up to ``until``; ``used_before_ms`` of it before this month."""

    used_ms: int
    used_before_ms: int = 0
    allowed_ms: int | None
    start: str  # of the contract year
    until: str
    coverage: Fraction | None


class ThroughputFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of the valid tests; bytes per second of application goodput."""

    tests: int
    valid: int
    median: Fraction | None
    p10: int | None
    p20: int | None
    p90: int | None
    minimum: int | None = None
    maximum: int | None = None
    guaranteed: int | None = None
    guaranteed_share: Fraction | None = None
    share_met: Fraction | None = None
    met: bool | None = None


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    down: ThroughputFigures
    up: ThroughputFigures


class LatencyTarget(msgspec.Struct, frozen=True, kw_only=True):
    """In the time the circuit was available. Nearest-rank percentiles, lost = infinite.

    ``p50`` … are whole milliseconds, ``p50_us`` … the microseconds they come from.
    """

    name: str
    role: str
    address: str  # truncated where it is public
    sent: int
    lost: int
    p50: int | None
    p95: int | None
    p99: int | None
    pdv: int | None
    minimum_us: int | None = None
    mean_us: int | None = None  # of the answered
    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
    pdv_us: int | None = None
    loss: Fraction | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    targets: tuple[LatencyTarget, ...]
    loss_timeout_ms: int | None = None


class ExclusionEntry(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    started_at: str
    ended_at: str
    reason: str
    kind: str = "maintenance"  # customer, force_majeure
    author: str
    entered_at: str
    notice_at: str | None = None
    after_the_fact: bool  # entered after it had begun
    withdrawn_at: str | None = None
    overlaps: tuple[str, ...] = ()  # ids of others; time is taken out once


class HourCell(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of the month: adds up to its length."""

    start: str
    local: str  # "2026-10-25T02:00:00+01:00": which cell of the civil calendar it is
    up_ms: int
    degraded_ms: int
    down_ms: int
    unknown_ms: int


class LatencyDay(msgspec.Struct, frozen=True, kw_only=True):
    """One civil day of one target, in the time the circuit was available."""

    date: str
    target: str
    sent: int
    lost: int
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None


class BandwidthPoint(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    direction: str
    bytes_per_second: int | None
    invalid: str | None  # the reason; None when valid
    engine: str | None = None
    server: str | None = None


class CampaignProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of the schedule that was not kept (`netwatch.core.campaign`)."""

    code: str
    at: str | None = None
    found: int | None = None  # counts, or milliseconds of a gap or pause
    required: int | None = None


class CampaignTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test of a slot; ``at`` None: the slot has none."""

    slot: str
    at: str | None = None
    down: int | None = None  # bytes per second
    up: int | None = None
    down_invalid: str | None = None
    up_invalid: str | None = None


class CampaignEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign that falls into the month, as it stood when the report was made.

    ``state``: planned, under_way, breach, no_breach, unproven (the schedule was not kept)
    or withdrawn.
    """

    id: str
    profile: str  # "proof", "peak"
    state: str
    first_day: str
    seed: str
    author: str
    entered_at: str
    withdrawn_at: str | None = None
    withdrawn_by: str | None = None
    withdrawal_reason: str | None = None
    wired: bool
    slots: int
    measured: int  # slots with a test
    lines: tuple[VerdictLine, ...]
    problems: tuple[CampaignProblem, ...]
    tests: tuple[CampaignTest, ...]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What the charts draw."""

    hours: tuple[HourCell, ...] = ()
    latency_days: tuple[LatencyDay, ...] = ()
    tests: tuple[BandwidthPoint, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: int = SCHEMA_VERSION
    generated_at: str
    site: SiteIdentity
    circuit: CircuitIdentity
    contract: ContractSection
    period: PeriodIdentity
    rule: Mapping[str, str | int]  # version, and every constant of the outage rule
    ledger: LedgerTotals
    availability: AvailabilityFigures  # of the contract's calendar
    calendars: Mapping[str, AvailabilityFigures]  # "24/7", "contract", "opening"
    incidents: tuple[IncidentEntry, ...]
    incident_summary: IncidentSummary
    yearly_interruption: YearlyInterruption
    throughput: Throughput
    latency: Latency
    skipped: Mapping[str, int]
    invalid: Mapping[str, int]
    exclusions: tuple[ExclusionEntry, ...]
    penalties: tuple[PenaltyLine, ...]
    penalties_total: Money | None
    campaigns: tuple[CampaignEntry, ...] = ()
    simulated: str | None = None  # the scenario that the records were made up from
    evidence: Evidence
    method: Method
    series: Series = Series()
