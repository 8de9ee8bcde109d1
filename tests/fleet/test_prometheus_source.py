"""What the counters alone tell: no gauge beside them, two replicas, books that are younger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netwatch.core.ledger import clip_spans, find_incidents, sum_spans
from netwatch.errors import SourceFailed
from netwatch.fleet.model import FleetCircuit, FleetSite, MetricsStore
from netwatch.fleet.sources.base import Period, SiteMonth, build_period
from netwatch.fleet.sources.prometheus import Prometheus
from netwatch.fleet.sources.promql import PromqlStore
from netwatch.records import Span, Verdict
from tests.fleet.month_world import NOW_MS
from tests.fleet.prometheus_server import fill, prometheus
from tests.fleet.test_fleet_report import at, build_spans

SPANS = build_spans(
    ("2024-10-07T02:30:07Z", "2024-10-07T08:00:29Z"),
    ("2024-10-09T10:00:10Z", "2024-10-09T10:00:27Z"),
    ("2024-10-21T23:50:00Z", "2024-10-23T01:00:00Z"),
)
SITE = FleetSite(
    id="ecole", address="127.0.0.1:1", timezone="Europe/Paris", circuit=FleetCircuit(operator="A")
)
PERIOD = build_period(2024, 10, NOW_MS, ZoneInfo("Europe/Paris"), ())


def build_rows(
    labels: Mapping[str, str], read_s: Sequence[int], spans: Sequence[Span]
) -> Iterator[tuple[str, Mapping[str, str], float, int]]:
    """Both counters at each scrape, of books that hold a week more of up."""
    for verdict, cause, past_ms in (
        (Verdict.UP, "none", 604_800_000),
        (Verdict.DOWN, "upstream", 0),
    ):
        for at_s in read_s:
            held_ms = sum(
                max(0, min(span.end_ms, at_s * 1000) - span.start_ms)
                for span in spans
                if span.verdict is verdict
            )
            told = {**labels, "site": "ecole", "verdict": verdict.value, "cause": cause}
            yield "netwatch_link_seconds", told, (past_ms + held_ms) / 1000, at_s


def list_scrapes(offset_s: int, spans: Sequence[Span] = tuple(SPANS)) -> list[int]:
    """Every 30 s but for the time down, of which nothing came through."""
    down = [(span.start_ms, span.end_ms) for span in spans if span.verdict is Verdict.DOWN]
    first_s, last_s = spans[0].start_ms // 1000, spans[-1].end_ms // 1000
    return [
        at_s
        for at_s in range(first_s + offset_s, last_s + 1, 30)
        if not any(start <= at_s * 1000 < end for start, end in down)
    ]


def read(
    folder: Path, rows: Iterator[tuple[str, Mapping[str, str], float, int]], period: Period = PERIOD
) -> SiteMonth:
    fill(folder, rows)
    with prometheus(folder) as server:
        return Prometheus(PromqlStore(MetricsStore(url=server.url))).read(SITE, period, folder)


def check(found: SiteMonth, first_ms: int, last_ms: int) -> None:
    """Sums to the millisecond between two readings; each outage as long as it was, and where."""
    assert sum_spans(clip_spans(found.spans, first_ms, last_ms)) == sum_spans(
        clip_spans(SPANS, first_ms, last_ms)
    )
    assert 0 < found.edge_ms <= 60_000
    pairs = zip(find_incidents(found.spans), find_incidents(SPANS), strict=True)
    for mine, theirs in pairs:
        assert mine.end_ms is not None
        assert theirs.end_ms is not None
        assert mine.end_ms - mine.start_ms == theirs.end_ms - theirs.start_ms
        assert abs(mine.start_ms - theirs.start_ms) <= found.edge_ms


def test_without_any_gauge_edges_are_within_what_is_stated(tmp_path: Path) -> None:
    """An older agent, or a store that kept the counters alone."""
    scrapes = list_scrapes(0)
    found = read(tmp_path, build_rows({}, scrapes, SPANS))
    check(found, scrapes[0] * 1000, scrapes[-1] * 1000)


def test_two_replicas_and_a_line_that_changed_its_labels_are_one_line(tmp_path: Path) -> None:
    """Two Prometheus scrape the agent, 13 s apart; the operator was renamed in between."""
    change_s = at("2024-10-15T00:00Z") // 1000
    one, other = list_scrapes(0), list_scrapes(13)

    def rows() -> Iterator[tuple[str, Mapping[str, str], float, int]]:
        early = [at_s for at_s in one if at_s < change_s]
        late = [at_s for at_s in one if at_s >= change_s]
        yield from build_rows({"replica": "a", "operator": "old"}, early, SPANS)
        yield from build_rows({"replica": "a", "operator": "new"}, late, SPANS)
        yield from build_rows({"replica": "b", "operator": "old"}, other, SPANS)

    check(read(tmp_path, rows()), one[0] * 1000, other[-1] * 1000)


def test_time_before_the_first_reading_is_unknown(tmp_path: Path) -> None:
    """An agent that was installed on the 20th, and books that say so."""
    scrapes = [at_s for at_s in list_scrapes(0) if at_s >= at("2024-10-20T00:00Z") // 1000]
    found = read(tmp_path, build_rows({}, scrapes, SPANS))
    assert found.spans[0].start_ms == scrapes[0] * 1000
    assert find_incidents(found.spans)[0].start_ms >= at("2024-10-21T23:49:00Z")


@pytest.mark.parametrize("hours", [(0, 1), (11, 13)])
def test_a_site_that_is_scraped_for_part_of_the_day_has_all_its_time(
    tmp_path: Path, hours: tuple[int, int]
) -> None:
    """The counters go on without a scrape: no time is lost, edges are as unsure as they are."""
    scrapes = [at_s for at_s in list_scrapes(0) if hours[0] <= at_s % 86_400 // 3600 < hours[1]]
    found = read(tmp_path, build_rows({}, scrapes, SPANS))
    first_ms, last_ms = scrapes[0] * 1000, scrapes[-1] * 1000
    assert sum_spans(clip_spans(found.spans, first_ms, last_ms)) == sum_spans(
        clip_spans(SPANS, first_ms, last_ms)
    )
    assert found.edge_ms > 3_600_000


def test_counters_of_another_sites_agent_are_refused(tmp_path: Path) -> None:
    """What the agent calls itself, which the store keeps beside the target's label, decides."""
    scrapes = list_scrapes(7)
    told = {"site": "ecole", "exported_site": "mairie", "version": "0.1.0"}
    named = [("netwatch_build_info", told, 1.0, at_s) for at_s in scrapes]
    fill(tmp_path, build_rows({}, scrapes, SPANS), named)
    with prometheus(tmp_path) as server:
        source = Prometheus(PromqlStore(MetricsStore(url=server.url)))
        with pytest.raises(SourceFailed) as refused:
            source.read(SITE, PERIOD, tmp_path)
    assert str(refused.value) == (
        f"{server.url}: under ecole the agent of another site answered in 2024-10, mairie: set the "
        "site's address right; the agents' own books are whole (--source agents)"
    )
