"""A described October, as a `Report`: three failures, an unwatched night, a clock change."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec

from netwatch.core.contract import Money
from netwatch.core.penalties import PenaltyLine
from netwatch.core.penalty_bases import PenaltyBasis
from netwatch.report.identity import (
    CircuitIdentity,
    ContractSection,
    ContractTerms,
    Evidence,
    EvidenceFile,
    Method,
    PeriodIdentity,
    SiteIdentity,
    iso_utc,
)
from netwatch.report.model import (
    AnnotationEntry,
    AvailabilityFigures,
    BandwidthPoint,
    ExclusionEntry,
    HourCell,
    IncidentEntry,
    IncidentPart,
    IncidentSummary,
    Latency,
    LatencyDay,
    LatencyTarget,
    LedgerTotals,
    Pause,
    Report,
    Series,
    Throughput,
    ThroughputFigures,
    YearlyInterruption,
)

PARIS = ZoneInfo("Europe/Paris")
START = datetime(2026, 10, 1, tzinfo=PARIS)
END = datetime(2026, 11, 1, tzinfo=PARIS)
HOUR_MS = 3_600_000
TARGETS = ("cloudflare", "google", "quad9", "fdn")


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def utc(day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    return ms(datetime(2026, 10, day, hour, minute, second, tzinfo=UTC))


OUTAGES = (
    ("access", utc(6, 7, 12, 30), utc(6, 10, 17, 42)),
    ("upstream", utc(13, 12, 40, 5), utc(13, 12, 46, 11)),
    ("dns", utc(21, 9, 0, 1), utc(21, 9, 0, 44)),
)
UNWATCHED = ((utc(17, 20, 15), utc(18, 5, 40)),)
DEGRADED = ((utc(27, 14, 0), utc(27, 15, 25)),)


def _overlap(start: int, end: int, spans: tuple[tuple[int, int], ...]) -> int:
    return sum(max(0, min(end, b) - max(start, a)) for a, b in spans)


def _hours(until_ms: int) -> tuple[HourCell, ...]:
    cells = []
    at = ms(START)
    down_spans = tuple((a, b) for _, a, b in OUTAGES)
    while at < until_ms:
        end = at + HOUR_MS
        down = _overlap(at, end, down_spans)
        unknown = _overlap(at, end, UNWATCHED)
        degraded = _overlap(at, end, DEGRADED)
        moment = datetime.fromtimestamp(at / 1000, tz=UTC)
        cells.append(
            HourCell(
                start=iso_utc(at),
                local=moment.astimezone(PARIS).isoformat(),
                up_ms=HOUR_MS - down - unknown - degraded,
                degraded_ms=degraded,
                down_ms=down,
                unknown_ms=unknown,
            )
        )
        at = end
    return tuple(cells)


def _incidents() -> tuple[IncidentEntry, ...]:
    entries = []
    for number, (cause, start, end) in enumerate(OUTAGES, start=1):
        entries.append(
            IncidentEntry(
                id=f"ecole-jaures-2026-10-{number}",
                cause=cause,
                started_at=iso_utc(start),
                ended_at=iso_utc(end),
                duration_ms=end - start,
                covered_ms=end - start,
                counted_ms=end - start,
                in_period_ms=end - start,
                counted=True,
                start_seen=True,
                end_seen=number != 3,
                parts=(
                    IncidentPart(
                        cause=cause,
                        started_at=iso_utc(start),
                        ended_at=iso_utc(end),
                        duration_ms=end - start,
                    ),
                ),
                clock_started_at=iso_utc(start + 600_000 if number == 1 else start),
                clock_from="reported" if number == 1 else "detected",
                restore_deadline=iso_utc(start + (2 if number == 1 else 4) * HOUR_MS),
                restore_met=number != 1,
                recurrence_of=None,
                ticket="T-48213" if number == 1 else None,
                reported_at=iso_utc(start + 600_000) if number == 1 else None,
                pauses=(
                    Pause(
                        started_at=iso_utc(start + 3_000_000),
                        ended_at=iso_utc(start + 3_600_000),
                        reason="accès au local refusé",
                    ),
                )
                if number == 1
                else (),
                annotations=(
                    AnnotationEntry(
                        author="service informatique",
                        entered_at=iso_utc(end + HOUR_MS),
                        ticket="T-48213",
                        answer="Câble sectionné rue <Jean Jaurès> & réparé.",
                    ),
                )
                if number == 1
                else (),
            )
        )
    return tuple(entries)


def _figures(
    covered: int, unknown: int, down: int, degraded: int, *, excluded: int = 0, target: str | None
) -> AvailabilityFigures:
    known = covered - unknown
    goal = Fraction(target) if target else None
    contractual = Fraction(covered - excluded - down, covered - excluded) if known else None
    return AvailabilityFigures(
        measured=Fraction(known - down, known) if known else None,
        low=Fraction(covered - down - unknown, covered),
        high=Fraction(covered - down, covered),
        contractual=contractual,
        contractual_low=Fraction(covered - down - unknown, covered),
        coverage=Fraction(known, covered),
        target=goal,
        met=None if goal is None or contractual is None else contractual >= goal,
        covered_ms=covered,
        excluded_ms=excluded,
        up_ms=covered - unknown - down - degraded,
        degraded_ms=degraded,
        down_ms=down,
        unknown_ms=unknown,
        counted_ms=down,
        counted_after_exclusions_ms=down,
    )


def _tests(random_: random.Random) -> tuple[BandwidthPoint, ...]:
    points = []
    for index in range(120):
        at = ms(START) + index * (ms(END) - ms(START)) // 120 + random_.randrange(3_000_000)
        for direction, rate in (("down", 12_500_000), ("up", 6_250_000)):
            value = int(rate * random_.choice((1.04, 1.06, 1.02, 1.05, 1.03, 0.97)))
            invalid = {7: "busy_link", 31: "device_limited"}.get(index)
            points.append(
                BandwidthPoint(
                    at=iso_utc(at),
                    direction=direction,
                    bytes_per_second=value // (2 if invalid else 1),
                    invalid=invalid,
                    engine="librespeed",
                    server="https://test.example.fr/backend",
                )
            )
    return tuple(points)


def _rates(tests: tuple[BandwidthPoint, ...], direction: str, rate: int) -> ThroughputFigures:
    mine = [each for each in tests if each.direction == direction]
    values = sorted(each.bytes_per_second or 0 for each in mine if each.invalid is None)
    met = sum(1 for value in values if value >= rate)
    share = Fraction(met, len(values))
    return ThroughputFigures(
        tests=len(mine),
        valid=len(values),
        median=Fraction(values[len(values) // 2]),
        p10=values[len(values) // 10],
        p20=values[len(values) // 5],
        p90=values[len(values) * 9 // 10],
        guaranteed=rate,
        guaranteed_share=Fraction(99, 100),
        share_met=share,
        met=share >= Fraction(99, 100),
    )


def make_report() -> Report:
    """The month as an operator would be sent it."""
    random_ = random.Random(20261001)
    tests = _tests(random_)
    period_ms = ms(END) - ms(START)
    down = sum(b - a for _, a, b in OUTAGES)
    unknown = _overlap(ms(START), ms(END), UNWATCHED)
    degraded = _overlap(ms(START), ms(END), DEGRADED)
    terms = ContractTerms(
        name="fibre",
        start=iso_utc(ms(START)),
        end=iso_utc(ms(END)),
        availability=Fraction("0.9985"),
        calendar="S2",
        restore_within_ms=4 * HOUR_MS,
        yearly_interruption_ms=13 * HOUR_MS,
        counted_causes=("gateway", "access", "upstream", "dns"),
        recurrence_window_ms=8 * HOUR_MS,
        guaranteed_down=12_500_000,
        guaranteed_up=6_250_000,
        guaranteed_share=Fraction("0.99"),
        max_rtt_us=40_000,
        max_loss=Fraction("0.01"),
        monthly_fee=Money(amount=Decimal("300.00"), currency="EUR"),
    )
    euro = "EUR"
    contract = _figures(period_ms, unknown, down, degraded, excluded=HOUR_MS, target="0.9985")
    return Report(
        generated_at="2026-11-01T05:00:00Z",
        site=SiteIdentity(
            id="ecole-jaures",
            name="École Jean-Jaurès",
            commune="Ville de Trilport",
            timezone="Europe/Paris",
            holidays="FR",
        ),
        circuit=CircuitIdentity(
            operator="Opérateur A",
            reference="FTTH-0042",
            technology="ftth",
            monthly_fee=Money(amount=Decimal("300.00"), currency=euro),
        ),
        contract=ContractSection(terms=terms, versions=(terms,)),
        period=PeriodIdentity(
            start=iso_utc(ms(START)),
            end=iso_utc(ms(END)),
            timezone="Europe/Paris",
            month="2026-10",
            complete=True,
            until=iso_utc(ms(END)),
        ),
        rule={"version": "1", "interval_ms": 5000, "down_after_rounds": 3, "up_after_rounds": 2},
        ledger=LedgerTotals(
            up_ms=period_ms - down - unknown - degraded,
            degraded_ms=degraded,
            down_ms=down,
            unknown_ms=unknown,
            down_by_cause_ms={cause: b - a for cause, a, b in OUTAGES},
            degraded_by_cause_ms={"latency": degraded},
            unknown_by_cause_ms={"agent": unknown},
            unknown_by_reason_ms={"power_loss": unknown},
        ),
        availability=contract,
        calendars={
            "24/7": _figures(period_ms, unknown, down, degraded, target=None),
            "contract": contract,
            "opening": _figures(230 * HOUR_MS, 0, down, degraded, target=None),
        },
        incidents=_incidents(),
        incident_summary=IncidentSummary(
            count=3, mean_time_to_restore_ms=down // 3, mean_time_between_failures_ms=890_000_000
        ),
        yearly_interruption=YearlyInterruption(
            used_ms=down + 5 * HOUR_MS,
            allowed_ms=13 * HOUR_MS,
            start="2025-12-31T23:00:00Z",
            until=iso_utc(ms(END)),
            coverage=Fraction(997, 1000),
        ),
        throughput=Throughput(
            down=_rates(tests, "down", 12_500_000), up=_rates(tests, "up", 6_250_000)
        ),
        latency=Latency(
            targets=(
                LatencyTarget(
                    name="box", role="gateway", address="192.168.1.1", sent=535_680, lost=12,
                    p50=1, p95=2, p99=4, pdv=12, minimum_us=400, p50_us=812, p95_us=1_900,
                    p99_us=4_010, pdv_us=12_400, loss=Fraction(12, 535_680),
                ),
                *(
                    LatencyTarget(
                        name=name, role="internet", address="203.0.113.0/24", sent=267_840,
                        lost=310 + index, p50=12, p95=18, p99=31, pdv=None, minimum_us=9_800,
                        p50_us=12_300 + 700 * index, p95_us=18_100, p99_us=31_400, pdv_us=None,
                        loss=Fraction(310 + index, 267_840),
                    )
                    for index, name in enumerate(TARGETS)
                ),
            ),
            loss_timeout_ms=2000,
        ),
        skipped={"busy_link": 3, "quiet_hours": 1},
        invalid={"busy_link": 1, "device_limited": 1},
        exclusions=(
            ExclusionEntry(
                id="maintenance-1",
                started_at=iso_utc(utc(24, 3)),
                ended_at=iso_utc(utc(24, 4)),
                reason="Maintenance annoncée",
                author="service informatique",
                entered_at=iso_utc(utc(25, 8)),
                notice_at=iso_utc(utc(14, 8)),
                after_the_fact=True,
            ),
        ),
        penalties=(
            PenaltyLine(
                rule="V·R/30",
                basis=PenaltyBasis(
                    kind="per_time", scope="incident", incident="ecole-jaures-2026-10-1",
                    duration_ms=OUTAGES[0][2] - OUTAGES[0][1], grace_ms=2 * HOUR_MS,
                    excess_ms=3_912_000, unit_ms=24 * HOUR_MS, rounding="up", units=Fraction(1),
                    unit_amount=Money(amount=Decimal("10.00"), currency=euro),
                    charge=Money(amount=Decimal("300.00"), currency=euro),
                    charge_period="month", charge_share=Fraction(1, 30),
                ),
                amount=Money(amount=Decimal("10.00"), currency=euro),
            ),
            PenaltyLine(
                rule="Disponibilité mensuelle",
                basis=PenaltyBasis(
                    kind="availability_tier", scope="month",
                    measured_share=contract.contractual, threshold_share=Fraction("0.9985"),
                    charge=Money(amount=Decimal("300.00"), currency=euro),
                    charge_period="month", charge_share=Fraction(1, 10),
                    computed=Money(amount=Decimal("30.00"), currency=euro),
                    capped_per="month", cap=Money(amount=Decimal("20.00"), currency=euro),
                ),
                amount=Money(amount=Decimal("20.00"), currency=euro),
            ),
        ),
        penalties_total=Money(amount=Decimal("30.00"), currency=euro),
        evidence=Evidence(
            files=tuple(
                EvidenceFile(name=name, sha256=f"{index:064x}", rows=rows)
                for index, (name, rows) in enumerate(
                    (("bandwidth.csv", 240), ("contract.toml", None), ("exclusions.csv", 1),
                     ("incidents.csv", 3), ("ledger.csv", 44_700), ("rtt.csv", 1_607_040)),
                    start=0xC0FFEE,
                )
            )
        ),
        method=Method(
            software_version="0.1.0",
            targets=(
                {"name": "box", "role": "gateway", "address": "192.168.1.1", "kind": "icmp"},
                *(
                    {"name": name, "role": "internet", "address": "203.0.113.0/24", "kind": "icmp"}
                    for name in TARGETS
                ),
            ),
            test_servers=("https://test.example.fr/backend",),
            thresholds={"latency.timeout_ms": 2000, "bandwidth.busy_above": "0.10"},
        ),
        series=Series(
            hours=_hours(ms(END)),
            latency_days=_latency_days(random_),
            tests=tests,
        ),
    )  # fmt: skip


def _latency_days(random_: random.Random) -> tuple[LatencyDay, ...]:
    days = []
    for index in range(31):
        day = (START + timedelta(days=index)).date().isoformat()
        for place, name in enumerate(TARGETS):
            median = 12_000 + 700 * place + random_.randrange(900)
            days.append(
                LatencyDay(
                    date=day,
                    target=name,
                    sent=8640,
                    lost=10,
                    p50_us=median,
                    p95_us=median + 6_000 + random_.randrange(4000),
                    p99_us=None if index == 5 else median + 16_000 + random_.randrange(9000),
                )
            )
    return tuple(days)


def make_partial_report() -> Report:
    """The same on 18 October at noon."""
    report = make_report()
    until = iso_utc(utc(18, 10))
    return msgspec.structs.replace(
        report,
        generated_at=until,
        period=msgspec.structs.replace(report.period, complete=False, until=until),
        series=msgspec.structs.replace(report.series, hours=_hours(utc(18, 10))),
    )


def make_unwatched_report() -> Report:
    """A month of which nothing was seen."""
    report = make_report()
    period_ms = ms(END) - ms(START)
    nothing = _figures(period_ms, period_ms, 0, 0, target="0.9985")
    silent = ThroughputFigures(tests=0, valid=0, median=None, p10=None, p20=None, p90=None)
    hours = tuple(
        msgspec.structs.replace(cell, up_ms=0, degraded_ms=0, down_ms=0, unknown_ms=HOUR_MS)
        for cell in report.series.hours
    )
    return msgspec.structs.replace(
        report,
        ledger=LedgerTotals(
            up_ms=0,
            degraded_ms=0,
            down_ms=0,
            unknown_ms=period_ms,
            unknown_by_cause_ms={"agent": period_ms},
        ),
        availability=nothing,
        calendars={"24/7": nothing, "contract": nothing},
        incidents=(),
        incident_summary=IncidentSummary(
            count=0, mean_time_to_restore_ms=None, mean_time_between_failures_ms=None
        ),
        throughput=Throughput(down=silent, up=silent),
        latency=Latency(targets=()),
        skipped={},
        invalid={},
        exclusions=(),
        penalties=(),
        penalties_total=None,
        series=Series(hours=hours),
    )
