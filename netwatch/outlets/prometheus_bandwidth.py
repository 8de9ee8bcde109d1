"""The metrics of the throughput tests.

Rule of this file: a reading of a `BandwidthView`, nothing else. Before the first test there
are no figures, and a direction that does not count, or was not tested, has none either:
whoever draws or alerts on a rate sees the line's and no other. docs/metrics.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from netwatch.snapshot import BandwidthView, DirectionView

#: Reasons that want somebody to act: there from the start, for increase() as for the tests.
_EXPECTED_SKIPS = ("busy_link", "data_budget", "no_lock", "quiet_hours", "wrong_circuit")


def collect_bandwidth(view: BandwidthView | None) -> Iterator[Metric]:
    """The families of one scrape; none where no engine is configured."""
    if view is None:
        return
    yield from _collect_totals(view)
    if view.at_ms is None:
        return
    yield GaugeMetricFamily(
        "netwatch_bandwidth_test_timestamp_seconds",
        "When the newest throughput test began, in seconds since 1970 UTC.",
        value=view.at_ms / 1_000,
    )
    directions: tuple[tuple[str, DirectionView], ...] = tuple(
        (name, each)
        for name, each in (("down", view.down), ("up", view.up))
        if each is not None and each.invalid is None
    )
    rates = GaugeMetricFamily(
        "netwatch_throughput_bytes_per_second",
        "Goodput of the newest throughput test; absent in a direction that does not count.",
        labels=["direction"],
    )
    loaded = GaugeMetricFamily(
        "netwatch_loaded_rtt_seconds",
        "Round trip (90th percentile) while the newest throughput test loaded that direction.",
        labels=["direction"],
    )
    for name, each in directions:
        if each.bytes_per_second is not None:
            rates.add_metric([name], each.bytes_per_second)
        if each.loaded_rtt_us is not None:
            loaded.add_metric([name], each.loaded_rtt_us / 1_000_000)
    yield from (family for family in (rates, loaded) if family.samples)
    if view.idle_rtt_us is not None:
        yield GaugeMetricFamily(
            "netwatch_idle_rtt_seconds",
            "Round trip (90th percentile) in the seconds before the newest throughput test.",
            value=view.idle_rtt_us / 1_000_000,
        )
    if view.responsiveness_rpm is not None:
        yield GaugeMetricFamily(
            "netwatch_responsiveness_rpm",
            "Round trips a minute under load, as of draft-ietf-ippm-responsiveness.",
            value=view.responsiveness_rpm,
        )


def _collect_totals(view: BandwidthView) -> Iterator[Metric]:
    moved = CounterMetricFamily(
        "netwatch_bandwidth_bytes",
        "Bytes that throughput tests have moved, kept across restarts.",
        labels=["direction"],
    )
    for direction in ("down", "up"):
        moved.add_metric([direction], view.bytes_moved.get(direction, 0))
    yield moved
    tests = CounterMetricFamily(
        "netwatch_bandwidth_tests",
        "Throughput tests made, by engine and result (valid, or why one does not count),"
        " kept across restarts.",
        labels=["engine", "result"],
    )
    # Every engine has its valid tests from the start: increase() sees a counter's first
    # step only if it has seen the 0 before it.
    for key in sorted({*view.tests, *((engine, "valid") for engine in view.engines)}):
        tests.add_metric(list(key), view.tests.get(key, 0))
    yield tests
    skips = CounterMetricFamily(
        "netwatch_bandwidth_skips",
        "Slots in which no throughput test was made, by reason, kept across restarts.",
        labels=["reason"],
    )
    for reason in sorted({*view.skips, *_EXPECTED_SKIPS}):
        skips.add_metric([reason], view.skips.get(reason, 0))
    yield skips
    yield GaugeMetricFamily(
        "netwatch_bandwidth_budget_bytes",
        "Bytes that throughput tests may move in a civil month.",
        value=view.budget_bytes,
    )
    yield GaugeMetricFamily(
        "netwatch_bandwidth_budget_used_bytes",
        "Bytes of this month's budget that are used, those set aside for a test in course too.",
        value=view.used_bytes,
    )
