"""The metrics page: one snapshot as Prometheus or OpenMetrics text.

Rule of this file: a reading of a :class:`Snapshot`, nothing else. It measures
nothing, keeps nothing between scrapes and uses no global registry. What could not
be measured is absent, never 0, −1 or NaN. docs/metrics.md lists every name, and a
test compares the two. It must not know who asks, nor how the snapshot was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from netwatch.outlets.prometheus_bandwidth import collect_bandwidth
from netwatch.outlets.prometheus_central import collect_central
from netwatch.outlets.prometheus_push import collect_push
from netwatch.records import CAUSES, Histogram, StoreFault, Verdict
from netwatch.snapshot import Snapshot, StoreHealth, TargetSnapshot

#: The ``cause`` label of time that has none: an empty label would be no label.
NO_CAUSE = "none"

_PLAIN = "text/plain; version=0.0.4; charset=utf-8"


class _Snapshot(Collector):
    """One scrape's view of one snapshot."""

    def __init__(self, snapshot: Snapshot, site: str | None) -> None:
        self._snapshot = snapshot
        self._site = site

    def collect(self) -> Iterator[Metric]:
        yield from _collect_line(self._snapshot)
        yield from _collect_targets(self._snapshot.targets)
        yield from _collect_agent(self._snapshot, self._site)
        yield from collect_push(self._snapshot.push)
        yield from collect_bandwidth(self._snapshot.bandwidth)
        yield from collect_central(self._snapshot.central)


def _collect_line(snapshot: Snapshot) -> Iterator[Metric]:
    yield _verdict_gauge(
        "netwatch_link_verdict",
        "1 for the line's present verdict, 0 for the three others.",
        snapshot.verdict,
    )
    seconds = CounterMetricFamily(
        "netwatch_link_seconds",
        "Seconds of the line's life under each verdict and cause, kept across restarts.",
        labels=["verdict", "cause"],
    )
    for verdict, causes in CAUSES.items():
        # Every pair is there from the start: increase() sees a counter's first step
        # only if it has seen the 0 before it.
        for cause in causes or (None,):
            held_ms = snapshot.link_ms.get((verdict, cause), 0)
            seconds.add_metric([verdict.value, cause.value if cause else NO_CAUSE], held_ms / 1_000)
    # Totals that begin anew and then jump by their past would be read as so much new time.
    if snapshot.totals_known:
        yield seconds
    if snapshot.since_ms is not None:
        yield GaugeMetricFamily(
            "netwatch_link_changed_timestamp_seconds",
            "When the present verdict began, in seconds since 1970 UTC.",
            value=snapshot.since_ms / 1_000,
        )
    if snapshot.restore_deadline_ms is not None:
        yield GaugeMetricFamily(
            "netwatch_restore_deadline_timestamp_seconds",
            "By when the contract wants the line restored, in seconds since 1970 UTC.",
            value=snapshot.restore_deadline_ms / 1_000,
        )
    incidents = CounterMetricFamily(
        "netwatch_incidents",
        "Incidents (stretches of down) begun, by cause, kept across restarts.",
        labels=["cause"],
    )
    for cause in CAUSES[Verdict.DOWN]:
        incidents.add_metric([cause.value], snapshot.incidents.get(cause, 0))
    if snapshot.totals_known:
        yield incidents
    if snapshot.ipv6 is not None:
        yield _verdict_gauge(
            "netwatch_ipv6_verdict",
            "1 for the present verdict over the IPv6 targets alone, 0 for the three others.",
            snapshot.ipv6,
        )


def _verdict_gauge(name: str, text: str, present: Verdict) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=["verdict"])
    for verdict in Verdict:
        gauge.add_metric([verdict.value], int(verdict is present))
    return gauge


def _collect_targets(targets: Sequence[TargetSnapshot]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "netwatch_target_up",
        "Whether the target answered its newest probe; absent before the first.",
        labels=["target"],
    )
    probes = CounterMetricFamily(
        "netwatch_probes", "Probes completed since the agent started.", labels=["target"]
    )
    failures = CounterMetricFamily(
        "netwatch_probe_failures",
        "Probes that found the target failing since the agent started, by reason.",
        labels=["target", "reason"],
    )
    rtt = HistogramMetricFamily(
        "netwatch_rtt_seconds",
        "Round-trip times of answered probes since the agent started; a lost probe has none.",
        labels=["target"],
    )
    expiry = GaugeMetricFamily(
        "netwatch_certificate_expiry_timestamp_seconds",
        "When the target's TLS certificate ends, in seconds since 1970 UTC.",
        labels=["target"],
    )
    for target in targets:
        summary = target.summary
        name = summary.target
        if summary.answered is not None:
            up.add_metric([name], int(summary.answered))
        probes.add_metric([name], target.probes)
        for reason, count in sorted(target.failures.items()):
            failures.add_metric([name, reason], count)
        if target.histogram is not None:
            buckets, total = _split_histogram(target.histogram)
            rtt.add_metric([name], buckets, total)
        expires_ms = target.measures.get("certificate_expires_ms")
        if expires_ms is not None:
            expiry.add_metric([name], expires_ms / 1_000)
    return (family for family in (up, probes, failures, rtt, expiry) if family.samples)


def _split_histogram(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Buckets and sum as prometheus-client takes them.

    >>> _split_histogram(Histogram(bounds_us=(5_000, 20_000), counts=(1, 3, 4), sum_us=90_000))
    ([('0.005', 1), ('0.02', 3), ('+Inf', 4)], 0.09)
    """
    bounds = [repr(bound / 1_000_000) for bound in histogram.bounds_us]
    return (
        list(zip([*bounds, "+Inf"], histogram.counts, strict=True)),
        histogram.sum_us / 1_000_000,
    )


def _collect_agent(snapshot: Snapshot, site: str | None) -> Iterator[Metric]:
    build = InfoMetricFamily("netwatch_build", "The version of the agent that answers.")
    # Beside a target's own label `site` a scrape keeps this one as `exported_site`.
    told = {} if site is None else {"site": site}
    build.add_metric([], {"version": snapshot.version, **told})
    yield build
    yield GaugeMetricFamily(
        "netwatch_clock_synchronised",
        "Whether the agent's wall clock is known to follow UTC.",
        value=int(snapshot.clock_synchronised),
    )
    if snapshot.clock_held_ms is not None:
        yield GaugeMetricFamily(
            "netwatch_clock_held_seconds",
            "How long ago the wall clock was last known to follow UTC, while it no longer is.",
            value=snapshot.clock_held_ms / 1_000,
        )
    if snapshot.is_dated:
        yield GaugeMetricFamily(
            "netwatch_snapshot_timestamp_seconds",
            "When these figures were taken together, in seconds since 1970 UTC.",
            value=snapshot.at_ms / 1_000,
        )
    yield CounterMetricFamily(
        "netwatch_slots_missed",
        "Probes that were due and not run in time since the agent started.",
        value=snapshot.missed_slots,
    )
    lateness_us = snapshot.send_lateness_us
    optional: tuple[tuple[str, str, float | None], ...] = (
        (
            "netwatch_icmp_send_lateness_seconds",
            "The worst delay of an ICMP probe behind its due time in the last minute.",
            None if lateness_us is None else lateness_us / 1_000_000,
        ),
        (
            "netwatch_store_bytes",
            "Size of the store's files on the card.",
            snapshot.store_bytes,
        ),
        (
            "netwatch_store_written_today_bytes",
            "Bytes that the agent's process has written since midnight UTC, or since it began.",
            snapshot.written_bytes_today,
        ),
        (
            "netwatch_store_device_written_today_bytes",
            "Bytes that the device under the store has taken since then, by whoever.",
            None if snapshot.store is None else snapshot.store.device_written_bytes_today,
        ),
        (
            "netwatch_host_port_speed_bytes_per_second",
            "What the agent's own network port can carry in each direction.",
            # 1 Mbit/s is 125 000 bytes per second
            None
            if snapshot.facts.port_speed_mbit is None
            else snapshot.facts.port_speed_mbit * 125_000,
        ),
    )
    for name, text, value in optional:
        if value is not None:
            yield GaugeMetricFamily(name, text, value=value)
    if snapshot.store is not None:
        yield from _collect_store(snapshot.store)
    facts = GaugeMetricFamily(
        "netwatch_host_ready",
        "Whether the agent's own interface has what it needs: carrier, address, default_route.",
        labels=["fact"],
    )
    for fact in ("carrier", "address", "default_route"):
        known: bool | None = getattr(snapshot.facts, fact)
        if known is not None:
            facts.add_metric([fact], int(known))
    if facts.samples:
        yield facts
    if snapshot.notices:
        notices = GaugeMetricFamily(
            "netwatch_notice",
            "1 for each thing that the agent's page asks a person to see to.",
            labels=["notice"],
        )
        for notice in snapshot.notices:
            notices.add_metric([notice], 1)
        yield notices


def _collect_store(store: StoreHealth) -> Iterator[Metric]:
    failing = GaugeMetricFamily(
        "netwatch_store_failing",
        "1 for the reason for which the books cannot be written for now, 0 for the others.",
        labels=["reason"],
    )
    for fault in StoreFault:
        failing.add_metric([fault.value], int(fault is store.fault))
    yield failing
    yield GaugeMetricFamily(
        "netwatch_store_waiting_observations",
        "Observations that wait in memory to be entered in the books.",
        value=store.waiting_observations,
    )
    dropped = CounterMetricFamily(
        "netwatch_store_dropped",
        "What could not be written and had no more room in memory, since the agent started.",
        labels=["what"],
    )
    dropped.add_metric(["observations"], store.dropped_observations)
    dropped.add_metric(["spans"], store.dropped_spans)
    yield dropped


class MetricsRenderer:
    """Renders scrapes for one agent.

    ``extra`` are collectors of other parts (the spool, the bandwidth tests), asked at
    every scrape. ``site`` is the id that the agent has for itself. ``process`` adds the ``process_*`` metrics of this process from /proc.
    """

    def __init__(
        self, *, site: str | None = None, extra: Iterable[Collector] = (), process: bool = True
    ) -> None:
        self._site = site
        self._extra = tuple(extra)
        # Registered nowhere here: it is given to each scrape's own registry.
        self._process = ProcessCollector(registry=None) if process else None

    def __call__(self, snapshot: Snapshot, accept: str = "") -> tuple[bytes, str]:
        """The body and its content type; OpenMetrics 1.0 where ``accept`` asks for it."""
        registry = CollectorRegistry()
        registry.register(_Snapshot(snapshot, self._site))
        for collector in self._extra:
            registry.register(collector)
        if self._process is not None:
            registry.register(self._process)
        if accepts_openmetrics(accept):
            body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # the library has no annotation here
            return body, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(registry), _PLAIN


def accepts_openmetrics(accept: str) -> bool:
    """Whether an Accept header names OpenMetrics before anything better liked.

    >>> accepts_openmetrics("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5")
    True
    >>> accepts_openmetrics("text/plain, application/openmetrics-text;q=0.1")
    False
    >>> accepts_openmetrics("text/html,*/*;q=0.8")
    False
    """
    quality = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name in quality:
            given = next((one[2:] for one in parameters if one.startswith("q=")), "1")
            quality[name] = max(quality[name], _parse_quality(given))
    wanted = quality["application/openmetrics-text"]
    return wanted > 0 and wanted >= quality["text/plain"]


def _parse_quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0


def render_metrics(snapshot: Snapshot, accept: str = "") -> tuple[bytes, str]:
    """One scrape without ``process_*``: body and content type."""
    return MetricsRenderer(process=False)(snapshot, accept)
