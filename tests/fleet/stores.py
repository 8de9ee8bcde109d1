"""Every source of a fleet report, filled with the months of `month_world` and running."""

from __future__ import annotations

import contextlib
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from netwatch.agent.evidence_bundles import EvidenceBundles
from netwatch.config.load import load_settings
from netwatch.core.ledger import build_minutes, find_incidents
from netwatch.core.line_points import (
    BandwidthPoint,
    build_tags,
    format_bandwidth,
    format_incident,
    format_ledger_minute,
)
from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.web.app import build_routes
from netwatch.web.books import SiteIdentity
from netwatch.web.evidence_route import EvidenceBundle, FindEvidence, NoBundle
from netwatch.web.server import Limits, Server, build_server
from tests.adapters.victoria import victoria
from tests.adapters.web_world import FakeBooks, build_month, build_snapshot
from tests.fleet.influx_server import fake_influx
from tests.fleet.month_world import NOW_MS, World, build_gauges, build_samples
from tests.fleet.prometheus_server import PrometheusServer, fill, prometheus

Row = tuple[str, Mapping[str, str], float, int]


@contextlib.contextmanager
def serving_agent(find_evidence: FindEvidence, site: str) -> Iterator[Server]:
    """An agent's own web server on a free port of loopback, with such evidence."""
    snapshot = build_snapshot()
    routes = build_routes(
        get_snapshot=lambda: snapshot,
        books=FakeBooks(build_month()),
        site=SiteIdentity(id=site),
        is_alive=lambda: True,
        render_metrics=MetricsRenderer(process=False),
        find_evidence=find_evidence,
    )
    server = build_server(
        "127.0.0.1:0",
        routes,
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
        limits=Limits(requests_per_second=100_000, burst=1_000_000),
    )
    server.serve()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def agent_with_books(world: World, site: str) -> Iterator[Server]:
    """One that makes bundles of the world's store, as the agent does."""
    bundles = EvidenceBundles(load_settings(world.settings), wall_ms=lambda: NOW_MS)

    def find(year: int, month: int) -> EvidenceBundle | NoBundle:
        found = bundles.find(year, month)
        if isinstance(found, NoBundle) and found.retry_after_s is not None:
            # As busy, and sooner to be asked again.
            return NoBundle(status=found.status, sentence=found.sentence, retry_after_s=1)
        return found

    try:
        with serving_agent(find, site) as server:
            yield server
    finally:
        bundles.stop()


def list_rows(worlds: Sequence[tuple[str, World]]) -> tuple[list[Row], list[Row]]:
    """Counters and gauges of every site, family by family, as a scrape had them."""
    counters: list[Row] = []
    gauges: list[Row] = []
    for site, world in worlds:
        scrapes = world.list_scrapes()
        counters += build_samples(world.spans, site, scrapes)
        gauges += build_gauges(world, site, scrapes)
    return counters, sorted(gauges, key=lambda row: row[0])


@contextlib.contextmanager
def filled_prometheus(folder: Path, worlds: Sequence[tuple[str, World]]) -> Iterator[str]:
    """A Prometheus with every scrape in its blocks; its address."""
    folder.mkdir()
    fill(folder, *list_rows(worlds))
    server: PrometheusServer
    with prometheus(folder) as server:
        yield server.url


@contextlib.contextmanager
def filled_victoria(folder: Path, worlds: Sequence[tuple[str, World]]) -> Iterator[str]:
    """A VictoriaMetrics with the same; its address."""
    counters, gauges = list_rows(worlds)
    with victoria(folder, "-search.latencyOffset=0s") as server:
        _import(server.url, ((f"{name}_total", *rest) for name, *rest in counters))  # type: ignore[misc]  # a row again
        _import(server.url, gauges)
        with urllib.request.urlopen(f"{server.url}/internal/force_flush"):
            pass
        yield server.url


def _import(url: str, rows: Iterable[Row]) -> None:
    lines = []
    for name, labels, value, at_s in rows:
        said = ",".join(f'{key}="{each}"' for key, each in labels.items())
        lines.append(f"{name}{{{said}}} {value!r} {at_s * 1000}\n")
    for first in range(0, len(lines), 100_000):
        body = "".join(lines[first : first + 100_000]).encode()
        request = urllib.request.Request(f"{url}/api/v1/import/prometheus", body, method="POST")
        with urllib.request.urlopen(request, timeout=60):
            pass


def list_lines(site: str, world: World) -> list[str]:
    """What the agent of the world's store would have pushed, in line protocol."""
    tags = build_tags(site, "FTTH-0042", "Opérateur A")
    lines = [format_ledger_minute(each, tags) for each in build_minutes(world.spans)]
    lines += [
        format_incident(each, tags)
        for each in find_incidents(world.spans)
        if each.end_ms is not None
    ]
    for at_ms in sorted({test.at_ms for test in world.tests}):
        mine = {test.direction: test for test in world.tests if test.at_ms == at_ms}
        measures: dict[str, int | None] = {
            f"{name}_bytes_per_second": test.bytes_per_second for name, test in mine.items()
        }
        if any(each is not None for each in measures.values()):
            point = BandwidthPoint(
                started_ms=at_ms,
                engine="librespeed",
                server=None,
                down_invalid=mine["down"].invalid,
                up_invalid=mine["up"].invalid,
                measures=measures,
            )
            lines.append(format_bandwidth(point, tags))
    return lines


@contextlib.contextmanager
def filled_influx(worlds: Sequence[tuple[str, World]]) -> Iterator[str]:
    """The stand-in with every point of the worlds; its address."""
    with fake_influx([line for site, world in worlds for line in list_lines(site, world)]) as url:
        yield url
