"""The metrics page: against promtool, the library's own parsers and a golden file."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from prometheus_client.registry import Collector

from netwatch.config.model import default_targets
from netwatch.outlets.prometheus import MetricsRenderer, render_metrics
from netwatch.records import CAUSES, Cause, HostFacts, Role, StoreFault, Verdict
from netwatch.snapshot import Snapshot, StoreHealth
from netwatch.web.app import build_routes
from netwatch.web.request import Request
from netwatch.web.response import encode_response
from tests.adapters.web_world import (
    NOW_MS,
    SITE,
    FakeBooks,
    build_histogram,
    build_snapshot,
    build_target,
    build_targets,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics.txt"
FULL: dict[str, object] = {
    "notices": ("disk_full",),
    "ipv6": Verdict.DOWN,
    "targets": (
        *build_targets(),
        build_target("silent", Role.INTERNET, "192.0.2.1", answered=False),
    ),
}


def read_samples(snapshot: Snapshot) -> dict[tuple[str, frozenset[tuple[str, str]]], str]:
    """Each series and the text of its value, so that nothing is lost to a float."""
    lines = render_metrics(snapshot)[0].decode().splitlines()
    samples = {}
    for family in parse_plain("\n".join(lines) + "\n"):
        for sample in family.samples:
            samples[sample.name, frozenset(sample.labels.items())] = repr(sample.value)
    return samples


def test_the_page_is_the_golden_one_to_the_byte() -> None:
    """What a scrape reads changes only with this file, which a person reviews."""
    assert render_metrics(build_snapshot(**FULL))[0].decode() == GOLDEN.read_text()


@pytest.mark.parametrize("changes", [FULL, {}, {"targets": (), "store_bytes": None}])
def test_promtool_has_nothing_to_say(changes: dict[str, object]) -> None:
    """The exposition and its names please Prometheus' own linter, process metrics included."""
    body, _ = MetricsRenderer()(build_snapshot(**changes))
    run = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


@given(
    st.dictionaries(
        st.sampled_from([(v, c) for v, causes in CAUSES.items() for c in causes or (None,)]),
        st.integers(min_value=0, max_value=4_000_000_000_000),
    )
)
def test_seconds_are_the_books_milliseconds_exactly(
    link_ms: dict[tuple[Verdict, Cause | None], int],
) -> None:
    """Every pair of verdict and cause is there, and its decimal text is its milliseconds."""
    samples = read_samples(build_snapshot(link_ms=link_ms))
    for verdict, causes in CAUSES.items():
        for cause in causes or (None,):
            labels = {"verdict": verdict.value, "cause": cause.value if cause else "none"}
            text = samples["netwatch_link_seconds_total", frozenset(labels.items())]
            assert Decimal(text) * 1000 == link_ms.get((verdict, cause), 0)


def test_what_was_not_measured_is_absent() -> None:
    """No sample stands for an unknown value: neither 0 nor −1 nor NaN."""
    bare = build_snapshot(
        since_ms=None,
        clock_synchronised=False,
        send_lateness_us=None,
        store_bytes=None,
        written_bytes_today=None,
        targets=(build_target("new", Role.INTERNET, "192.0.2.1", answered=None),),
        facts=HostFacts(interface=None, carrier=None, address=None, default_route=None),
    )
    bare = msgspec.structs.replace(
        bare, targets=(msgspec.structs.replace(bare.targets[0], histogram=None, failures={}),)
    )
    names = {name for name, _ in read_samples(bare)}
    assert not names & {
        "netwatch_link_changed_timestamp_seconds",
        "netwatch_snapshot_timestamp_seconds",
        "netwatch_icmp_send_lateness_seconds",
        "netwatch_store_bytes",
        "netwatch_store_written_today_bytes",
        "netwatch_target_up",
        "netwatch_jitter_seconds",
        "netwatch_rtt_seconds_bucket",
        "netwatch_probe_failures_total",
        "netwatch_host_ready",
        "netwatch_host_port_speed_bytes_per_second",
        "netwatch_ipv6_verdict",
        "netwatch_notice",
    }
    assert "nan" not in render_metrics(bare)[0].decode().lower()


def test_the_deadline_of_a_restoration_is_there_in_an_outage_alone() -> None:
    """Its milliseconds to the last; no sample where the contract asks for nothing."""
    name = "netwatch_restore_deadline_timestamp_seconds"
    down = build_snapshot(
        verdict=Verdict.DOWN, cause=Cause.ACCESS, restore_deadline_ms=NOW_MS + 3_600_250
    )
    text = read_samples(down)[name, frozenset()]
    assert Decimal(text) * 1000 == NOW_MS + 3_600_250
    assert name not in {name for name, _ in read_samples(build_snapshot())}


def test_totals_without_their_past_are_absent() -> None:
    """A counter that began at nothing and jumped later would be read as so much downtime."""
    names = {name for name, _ in read_samples(build_snapshot(totals_known=False))}
    assert not names & {"netwatch_link_seconds_total", "netwatch_incidents_total"}
    assert "netwatch_link_verdict" in names


def test_one_reason_at_most_why_the_books_are_not_written() -> None:
    """Every reason is there, so that an alert has something to look at; 1 for the present one."""
    health = StoreHealth(
        fault=StoreFault.FULL,
        waiting_observations=5,
        dropped_observations=7,
        dropped_spans=0,
        device_written_bytes_today=None,
    )
    samples = read_samples(build_snapshot(store=health))
    reasons = {
        dict(labels)["reason"]: text
        for (name, labels), text in samples.items()
        if name == "netwatch_store_failing"
    }
    assert {reason for reason, text in reasons.items() if float(text)} == {"full"}
    assert set(reasons) == {"full", "read_only", "io_error", "other"}
    dropped = samples["netwatch_store_dropped_total", frozenset({("what", "observations")})]
    assert float(dropped) == 7
    assert "netwatch_store_device_written_today_bytes" not in {name for name, _ in samples}


def test_exactly_one_verdict_is_present() -> None:
    """The verdict's gauges are 1 for the present one and 0 for the three others."""
    samples = read_samples(build_snapshot(verdict=Verdict.DOWN, cause=Cause.DNS))
    present = {
        verdict.value: samples["netwatch_link_verdict", frozenset({("verdict", verdict.value)})]
        for verdict in Verdict
    }
    assert present == {"up": "0.0", "degraded": "0.0", "down": "1.0", "unknown": "0.0"}


def test_a_histogram_is_six_buckets_their_count_and_their_sum() -> None:
    """The snapshot's own counts: each is a series for each target."""
    samples = read_samples(build_snapshot(targets=build_targets()[:1]))
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in samples.items()
        if name == "netwatch_rtt_seconds_bucket"
    }
    histogram = build_histogram(410, 17_239)
    assert list(buckets) == ["0.005", "0.01", "0.02", "0.08", "0.32", "+Inf"]
    assert [float(value) for value in buckets.values()] == list(histogram.counts)
    target = frozenset({("target", build_targets()[0].summary.target)})
    assert samples["netwatch_rtt_seconds_count", target] == "17239.0"
    assert float(samples["netwatch_rtt_seconds_sum", target]) == histogram.sum_us / 1_000_000


def test_an_agent_at_its_defaults_has_at_most_150_series_in_25_kb() -> None:
    """With every target of the defaults, and every one of them having failed by some reason."""
    targets = tuple(
        msgspec.structs.replace(
            build_target(each.name, each.role, "192.0.2.1"), failures={"timeout": 17}
        )
        for each in default_targets()
    )
    body, _ = MetricsRenderer()(build_snapshot(targets=targets))
    assert len([line for line in body.splitlines() if not line.startswith(b"#")]) <= 150
    assert len(body) <= 25_000


def test_openmetrics_is_given_to_who_asks_and_its_parser_takes_it() -> None:
    """Prometheus' own Accept header gets OpenMetrics with the same values; a browser gets text."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
    body, content_type = render_metrics(build_snapshot(**FULL), accept)
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    parsed = {
        (sample.name, frozenset(sample.labels.items())): repr(sample.value)
        for family in parse_openmetrics(body.decode())
        for sample in family.samples
    }
    assert {key: repr(float(value)) for key, value in parsed.items()} == read_samples(
        build_snapshot(**FULL)
    )
    assert render_metrics(build_snapshot(), "text/html,*/*;q=0.8")[1].startswith("text/plain;")


def test_names_of_targets_are_escaped() -> None:
    """A target's name with quotes, a backslash and a line end does not break the page."""
    name = 'a "b" \\ c\nd'
    samples = read_samples(build_snapshot(targets=(build_target(name, Role.INTERNET, "x"),)))
    assert samples["netwatch_target_up", frozenset({("target", name)})] == "1.0"


class FakeSpool(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("netwatch_spool_oldest_timestamp_seconds", "x", value=12)


def test_other_parts_add_their_collectors() -> None:
    """What the composition root hands in beside the snapshot is exported with it."""
    body, _ = MetricsRenderer(extra=[FakeSpool()], process=True)(build_snapshot())
    assert b"netwatch_spool_oldest_timestamp_seconds 12.0" in body
    assert b"process_resident_memory_bytes" in body


def test_a_scrape_is_packed_when_asked() -> None:
    """The route hands out gzip that unpacks to the page."""
    routes = build_routes(
        get_snapshot=build_snapshot, books=FakeBooks([]), site=SITE, is_alive=lambda: True,
        render_metrics=render_metrics,
    )  # fmt: skip
    response = routes["/metrics"].answer(Request(method="GET", path="/metrics"))
    wire = encode_response(response, head_only=False, gzip=True, keep_alive=True)
    head, _, body = wire.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == render_metrics(build_snapshot())[0]
