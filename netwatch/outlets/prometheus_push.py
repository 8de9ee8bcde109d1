"""The push's own metrics: what waits, what left, and what stands in the way.

Rule of this file: a reading of a :class:`PushState`, nothing else; absent where no push is
configured. A row of the spool is a minute: it leaves with all its points, or stays.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from netwatch.snapshot import PushState


def collect_push(state: PushState | None) -> Iterator[Metric]:
    """The families of one outlet; none without a push."""
    if state is None:
        return
    labels = [state.outlet]
    if state.minutes is not None:
        rows = GaugeMetricFamily(
            "netwatch_spool_rows",
            "Minutes that wait to be sent, each with all its points.",
            labels=["outlet"],
        )
        rows.add_metric(labels, state.minutes)
        yield rows
    if state.oldest_ms is not None:
        oldest = GaugeMetricFamily(
            "netwatch_spool_oldest_timestamp_seconds",
            "The beginning of the oldest minute that waits, in seconds since 1970 UTC; "
            "absent when none does.",
            labels=["outlet"],
        )
        oldest.add_metric(labels, state.oldest_ms / 1_000)
        yield oldest
    points = CounterMetricFamily(
        "netwatch_push_points",
        "Points that left since the agent started: accepted, or rejected for good.",
        labels=["outlet", "result"],
    )
    points.add_metric([*labels, "accepted"], state.accepted)
    points.add_metric([*labels, "rejected"], state.rejected)
    yield points
    attempts = CounterMetricFamily(
        "netwatch_push_attempts", "Sendings since the agent started.", labels=["outlet"]
    )
    attempts.add_metric(labels, state.attempts)
    yield attempts
    failures = CounterMetricFamily(
        "netwatch_push_failures",
        "Sendings that left points waiting since the agent started.",
        labels=["outlet"],
    )
    failures.add_metric(labels, state.failed)
    yield failures
    if state.problem is not None:
        problem = GaugeMetricFamily(
            "netwatch_push_problem",
            "1 for what stood in the way of the newest sending; absent when all is well.",
            labels=["outlet", "reason"],
        )
        problem.add_metric([*labels, state.problem.reason.value], 1)
        yield problem
