"""What the charts and the latency table show: hours, days, tests.

Rule of this file: sums and percentiles over civil hours and days, in available time for
latency. It draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from netwatch.core.calendars import local_time
from netwatch.core.contract import HOUR_MS
from netwatch.core.pool import pool
from netwatch.core.stats import Percent, Ranked
from netwatch.records import Span, Verdict
from netwatch.report.identity import iso_utc
from netwatch.report.inputs import ReportInputs, TargetSamples
from netwatch.report.model import (
    BandwidthPoint,
    HourCell,
    Latency,
    LatencyDay,
    LatencyTarget,
    Series,
)


def build_latency(targets: Sequence[TargetSamples], loss_timeout_ms: int | None) -> Latency:
    """Each target over the month; a percentile among the lost is None."""
    return Latency(
        targets=tuple(_target(each) for each in targets), loss_timeout_ms=loss_timeout_ms
    )


def build_series(inputs: ReportInputs, spans: Sequence[Span], start: int, until: int) -> Series:
    """Hours from the month's first instant, so that each is one cell of its calendar."""
    return Series(
        hours=tuple(_hours(inputs, spans, start, until)),
        latency_days=tuple(
            LatencyDay(
                date=day.isoformat(),
                target=target.name,
                sent=samples.sent,
                lost=samples.lost,
                p50_us=_whole(samples, 50),
                p95_us=_whole(samples, 95),
                p99_us=_whole(samples, 99),
            )
            for target in inputs.targets
            for day, samples in sorted(target.days.items())
        ),
        tests=tuple(
            BandwidthPoint(
                at=iso_utc(test.at_ms),
                direction=test.direction,
                bytes_per_second=test.bytes_per_second,
                invalid=test.invalid,
                engine=test.engine,
                server=test.server,
            )
            for test in sorted(inputs.tests, key=lambda each: (each.at_ms, each.direction))
            if start <= test.at_ms < until
        ),
    )


def _hours(
    inputs: ReportInputs, spans: Sequence[Span], start: int, until: int
) -> Iterable[HourCell]:
    index = 0
    for begin in range(start, until, HOUR_MS):
        end = min(begin + HOUR_MS, until)
        held = dict.fromkeys(Verdict, 0)
        while index < len(spans) and spans[index].start_ms < end:
            span = spans[index]
            held[span.verdict] += min(span.end_ms, end) - max(span.start_ms, begin)
            if span.end_ms > end:
                break
            index += 1
        yield HourCell(
            start=iso_utc(begin),
            local=local_time(begin, inputs.zone).isoformat(),
            up_ms=held[Verdict.UP],
            degraded_ms=held[Verdict.DEGRADED],
            down_ms=held[Verdict.DOWN],
            unknown_ms=held[Verdict.UNKNOWN],
        )


def _target(target: TargetSamples) -> LatencyTarget:
    samples = pool(target.days.values())
    mean = samples.mean()
    variation = samples.variation()
    variation_us = variation if isinstance(variation, int) else None
    p50, p95, p99 = (_whole(samples, percent) for percent in (50, 95, 99))
    return LatencyTarget(
        name=target.name,
        role=target.role,
        address=target.address,
        sent=samples.sent,
        lost=samples.lost,
        p50=_milliseconds(p50),
        p95=_milliseconds(p95),
        p99=_milliseconds(p99),
        pdv=_milliseconds(variation_us),
        minimum_us=samples.minimum,
        mean_us=None if mean is None else math.floor(2 * mean + 1) // 2,
        p50_us=p50,
        p95_us=p95,
        p99_us=p99,
        pdv_us=variation_us,
        loss=samples.loss(),
    )


def _whole(samples: Ranked, percent: Percent) -> int | None:
    value = samples.percentile(percent)
    return value if isinstance(value, int) else None


def _milliseconds(microseconds: int | None) -> int | None:
    """The nearest whole millisecond, half a one up."""
    return None if microseconds is None else (microseconds + 500) // 1000
