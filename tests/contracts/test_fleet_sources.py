"""Every source of a fleet report gives the same figures of the same month.

The figures are those of the store's own ledger. What a source can be off by is stated here,
and by the source itself (`SiteMonth.edge_ms`): sums are exact to the millisecond in all.
Prometheus and VictoriaMetrics are real; for InfluxDB there is a stand-in (`influx_server`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.monthly import gather_inputs
from netwatch.config.load import load_settings
from netwatch.core.ledger import find_incidents, sum_spans
from netwatch.fleet.inventory import read_inventory
from netwatch.fleet.site_report import SiteOutcome, Wanted, make_site_report
from netwatch.fleet.sources.base import SourceName
from netwatch.fleet.sources.registry import build_source
from netwatch.report.build import build_report
from netwatch.report.json_form import decode_report
from netwatch.report.model import Report
from netwatch.report.recompute import recompute_report
from netwatch.report.tables import parse_instant_ms
from netwatch.report.verify import verify_bundle
from tests.fleet.month_world import NOW_MS, SITE, World, build_world, write_fleet
from tests.fleet.stores import (
    agent_with_books,
    filled_influx,
    filled_prometheus,
    filled_victoria,
)

#: Kind of store -> the source's name, and by how much it says that an edge can be off at most:
#: with a scrape a minute, of which one in fifty fails.
KINDS: dict[str, tuple[SourceName, int]] = {
    "agents": ("agents", 0),
    "influx": ("influx", 60_000),
    "prometheus": ("prometheus", 120_000),
    "victoria-metrics": ("prometheus", 120_000),
}
WANTED = Wanted(year=2024, month=10, now_ms=NOW_MS, formats=("csv", "json"), languages=("en",))


class Made(msgspec.Struct):
    """A site's report by one source, and what it should say."""

    world: World
    most_ms: int
    outcome: SiteOutcome
    report: Report
    expected: Report
    bundle: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@contextmanager
def serving(kind: str, folder: Path, world: World) -> Iterator[tuple[str, str]]:
    """The source running: the agent's address, and what ``[fleet]`` says of the store."""
    if kind == "agents":
        with agent_with_books(world, SITE) as agent:
            yield f"127.0.0.1:{agent.port}", ""
        return
    if kind == "influx":
        with filled_influx([(SITE, world)]) as url:
            yield "127.0.0.1:1", f'influx.url = "{url}"'
        return
    starts: dict[str, Callable[[], AbstractContextManager[str]]] = {
        "prometheus": lambda: filled_prometheus(folder / "store", [(SITE, world)]),
        "victoria-metrics": lambda: filled_victoria(folder / "store", [(SITE, world)]),
    }
    with starts[kind]() as url:
        yield "127.0.0.1:1", f'prometheus.url = "{url}"'


@pytest.fixture(scope="module", params=sorted(KINDS))
def made(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    folder = tmp_path_factory.mktemp(request.param)
    name, most_ms = KINDS[request.param]
    with serving(request.param, folder, world) as (address, more):
        inventory = read_inventory(write_fleet(folder, [(SITE, address)], more))
        source = build_source(name, inventory, timeout_s=30)
        outcome = make_site_report(inventory, inventory.site(SITE), source, WANTED, folder / "made")
    assert outcome.problem is None
    return Made(
        world=world,
        most_ms=most_ms,
        outcome=outcome,
        report=decode_report((folder / "made" / "report.json").read_bytes()),
        expected=build_report(gather_inputs(load_settings(world.settings), (2024, 10), NOW_MS)),
        bundle=folder / "made" / f"netwatch-{SITE}-2024-10.zip",
    )


def test_the_ledgers_sums_are_the_stores_to_the_millisecond(made: Made) -> None:
    """Every verdict, and every cause of it."""
    found, expected = made.report.ledger, made.expected.ledger
    for field in ("up_ms", "degraded_ms", "down_ms", "unknown_ms", "down_by_cause_ms",
                  "degraded_by_cause_ms", "unknown_by_cause_ms"):  # fmt: skip
        assert getattr(found, field) == getattr(expected, field), field
    by_verdict = dict.fromkeys(("up", "down", "unknown"), 0)
    for (verdict, _), duration in sum_spans(made.world.spans).items():
        by_verdict[verdict.value] += duration
    assert (found.up_ms, found.down_ms, found.unknown_ms) == tuple(by_verdict.values())


def test_availability_and_coverage_are_the_same(made: Made) -> None:
    """As measured, at worst, at best, by the contract: the same fractions."""
    found, expected = made.report.availability, made.expected.availability
    for field in ("measured", "low", "high", "contractual", "coverage", "target"):
        assert float(getattr(found, field)) == float(getattr(expected, field)), field
    assert (found.met, found.counted_ms) == (expected.met, expected.counted_ms)


def test_incidents_are_the_same_and_no_edge_is_off_by_more_than_stated(made: Made) -> None:
    """As many, of the same causes and lengths, where they were."""
    incidents = find_incidents(made.world.spans)
    assert made.outcome.figures is not None
    edge_ms = made.outcome.figures.edge_ms
    assert edge_ms <= made.most_ms
    assert len(incidents) == 7
    assert [each.cause for each in made.report.incidents] == [each.cause for each in incidents]
    for found, incident in zip(made.report.incidents, incidents, strict=True):
        assert incident.end_ms is not None
        assert found.ended_at is not None
        assert found.duration_ms == incident.end_ms - incident.start_ms
        assert abs(parse_instant_ms(found.started_at) - incident.start_ms) <= edge_ms
        assert abs(parse_instant_ms(found.ended_at) - incident.end_ms) <= edge_ms


def test_what_follows_for_the_contract_is_the_same(made: Made) -> None:
    """Restoration in time or not, the year's interruption, throughput against the guarantee."""
    found, expected = made.report, made.expected
    assert [each.restore_met for each in found.incidents] == [
        each.restore_met for each in expected.incidents
    ]
    assert found.yearly_interruption.used_ms == expected.yearly_interruption.used_ms
    down = found.throughput.down
    assert down.valid == expected.throughput.down.valid > 50
    assert float(down.share_met or 0) == float(expected.throughput.down.share_met or 0)


def test_the_row_of_the_league_is_the_reports(made: Made) -> None:
    """Nothing is reckoned twice, and the source says how sure its edges are."""
    figures = made.outcome.figures
    assert figures is not None
    assert (figures.down_ms, figures.incidents) == (made.report.ledger.down_ms, 7)
    assert figures.restore_missed == 2
    assert figures.notes == ()
    assert {each.edge_ms for each in made.outcome.incidents} == {figures.edge_ms}


def test_the_bundle_verifies(made: Made) -> None:
    """Every figure follows from the tables that lie beside it."""
    assert verify_bundle(made.bundle, recompute_report).problems == ()
