"""The sample month as what a report is built from: spans, probes, tests, ledgers, contract."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import msgspec

from netwatch.core.contract import AvailabilityTiers, Cap, Contract, Money, PerTime
from netwatch.core.incidents import Annotation, Pause
from netwatch.core.round_trips import StretchCount
from netwatch.core.sla import Exclusion
from netwatch.core.throughput import ThroughputTest
from netwatch.records import Cause, Span, Verdict
from netwatch.report.build import build_report
from netwatch.report.holidays_calendar import read_holidays
from netwatch.report.identity import CircuitIdentity, Method, SiteIdentity
from netwatch.report.inputs import ReportInputs, count_probes
from netwatch.report.recompute import collect_targets, list_stretches
from netwatch.report.terms import TargetIdentity
from tests.report.sample_report import (
    DEGRADED,
    END,
    HOUR_MS,
    OUTAGES,
    PARIS,
    START,
    UNWATCHED,
    ms,
    utc,
)


def make_spans() -> tuple[Span, ...]:
    """From three days before the month to a day after it, without a hole."""
    events = sorted(
        [(a, b, Verdict.DOWN, Cause(cause), None) for cause, a, b in OUTAGES]
        + [(a, b, Verdict.UNKNOWN, Cause.AGENT, "power_loss") for a, b in UNWATCHED]
        + [(a, b, Verdict.DEGRADED, Cause.LATENCY, None) for a, b in DEGRADED],
        key=lambda event: event[0],
    )
    spans = []
    at = ms(START) - 72 * HOUR_MS
    for start, end, verdict, cause, reason in events:
        spans.append(Span(verdict=Verdict.UP, cause=None, start_ms=at, end_ms=start))
        spans.append(Span(verdict=verdict, cause=cause, reason=reason, start_ms=start, end_ms=end))
        at = end
    spans.append(Span(verdict=Verdict.UP, cause=None, start_ms=at, end_ms=ms(END) + 24 * HOUR_MS))
    return tuple(spans)


def make_probes(
    *, every_ms: int, targets: tuple[str, ...] = ("cloudflare",)
) -> Iterator[tuple[int, str, int | None]]:
    """Probes at a steady pace; every 997th is lost."""
    number = 0
    for at in range(ms(START), ms(END), every_ms):
        for target in targets:
            number += 1
            yield at, target, None if number % 997 == 0 else 12_000 + number * 7919 % 4000


def make_round_trips(
    inputs: ReportInputs, *, every_ms: int = 600_000, targets: tuple[str, ...] = ("cloudflare",)
) -> Iterator[StretchCount]:
    """The same, counted in the stretches of the month."""
    return count_probes(make_probes(every_ms=every_ms, targets=targets), list_stretches(inputs))


def _tests() -> tuple[ThroughputTest, ...]:
    random_ = random.Random(20261001)
    return tuple(
        ThroughputTest(
            at_ms=ms(START) + index * (ms(END) - ms(START)) // 120 + random_.randrange(3_000_000),
            direction=direction,
            bytes_per_second=None if index == 50 else rate * random_.randrange(96, 107) // 100,
            invalid={7: "busy_link", 50: "test_server_failed"}.get(index),
            engine="librespeed",
            server="https://test.example.fr/backend",
        )
        for index in range(120)
        for direction, rate in (("down", 12_500_000), ("up", 6_250_000))
    )  # type: ignore[misc]  # the two directions are literals


def make_inputs(
    *,
    every_ms: int = 600_000,
    targets: tuple[str, ...] = ("cloudflare",),
    now_ms: int | None = None,
) -> ReportInputs:
    """The whole month, or up to ``now_ms``."""
    contract = Contract(
        name="fibre",
        availability=Fraction("0.9985"),
        calendar="S2",
        restore_within_ms=4 * HOUR_MS,
        yearly_interruption_ms=13 * HOUR_MS,
        recurrence_window_ms=8 * HOUR_MS,
        guaranteed_down=12_500_000,
        guaranteed_up=6_250_000,
        max_rtt_us=40_000,
        monthly_fee=Money(amount=Decimal("300.00"), currency="EUR"),
        penalties=(
            PerTime(
                name="V·R/30", unit_ms=24 * HOUR_MS, grace_ms=2 * HOUR_MS,
                charge_share=Fraction(1, 30), caps=(Cap(per="month", share=Fraction(1, 2)),),
            ),
            AvailabilityTiers(
                name="Disponibilité",
                tiers=((Fraction("0.9999"), Fraction("0.05")), (Fraction("0.995"), Fraction("0.1"))),
            ),
        ),
    )  # fmt: skip
    inputs = ReportInputs(
        year=2026,
        month=10,
        now_ms=ms(END) + 5 * HOUR_MS,
        zone=PARIS,
        site=SiteIdentity(
            id="ecole-jaures", name="École « Jean-Jaurès »", commune="Ville de Trilport",
            timezone="Europe/Paris", holidays="FR", latitude=48.957, longitude=2.951,
        ),
        circuit=CircuitIdentity(operator="Opérateur A", reference="FTTH-0042", technology="ftth"),
        versions=(contract,),
        opening_hours=("mon-fri 08:00-18:00", "sat 08:00-12:00"),
        holidays=read_holidays("FR", [2025, 2026, 2027]),
        spans=make_spans(),
        rule={"version": "1", "interval_ms": 5000, "down_after_rounds": 3},
        method=Method(
            software_version="0.1.0",
            targets=tuple({"name": name, "role": "internet", "kind": "icmp"} for name in targets),
            test_servers=("https://test.example.fr/backend",),
            thresholds={"latency.timeout_ms": 2000},
        ),
        exclusions=(
            Exclusion(
                id="m-1", start_ms=utc(24, 3), end_ms=utc(24, 4), reason="Maintenance, annoncée",
                author="service informatique", entered_ms=utc(25, 8), notice_ms=utc(14, 8),
            ),
            Exclusion(
                id="m-2", start_ms=utc(6, 8), end_ms=utc(6, 9), reason="retirée",
                author="service informatique", entered_ms=utc(6, 7), withdrawn_ms=utc(7, 7),
            ),
        ),
        tests=_tests(),
        skipped={"busy_link": 3},
        loss_timeout_ms=2000,
        charged_before={("V·R/30", "quarter"): Decimal("10.00")},
    )  # fmt: skip
    first = build_report(inputs).incidents[0]
    if now_ms is not None:
        inputs = msgspec.structs.replace(inputs, now_ms=now_ms)
    inputs = msgspec.structs.replace(
        inputs,
        annotations=(
            Annotation(
                incident_id=first.id, author="mairie", entered_ms=utc(6, 11), ticket="T-48213",
                reported_ms=utc(6, 7, 22), note='dit "coupé",\nsur deux lignes',
                pauses=(Pause(start_ms=utc(6, 8), end_ms=utc(6, 8, 10), reason="accès"),),
            ),
            Annotation(incident_id=first.id, author="mairie", entered_ms=utc(8, 11), answer="Câble."),
        ),
    )  # fmt: skip
    return msgspec.structs.replace(
        inputs,
        targets=collect_targets(
            inputs,
            [
                TargetIdentity(name=name, role="internet", address="203.0.113.0/24")
                for name in targets
            ],
            make_round_trips(inputs, every_ms=every_ms, targets=targets),
        ),
    )
