"""The downtime that PromQL gives is the ledger's, over a simulated month in a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from netwatch.core.calendars import month_window
from netwatch.core.ledger import find_incidents
from netwatch.fleet.recording_rules import build_window_increase
from netwatch.fleet.series import COUNTER
from netwatch.records import Cause, Span, Verdict
from tests.e2e.described_month import write_settings
from tests.fleet.month_world import build_samples, choose_scrapes, simulate_month
from tests.fleet.prometheus_server import PrometheusServer, fill, prometheus

STEP_S = 30
SCENARIO = """\
month = "2024-10"
configuration = "agent.toml"
interval = "60s"
outage = [
    { cause = "access", start = 2024-10-03T08:14:25, lasts = "312m" },
    { cause = "access", start = 2024-10-03T19:02:10.250, lasts = "1350s" },
    { cause = "gateway", start = 2024-10-05T12:05:00.001, lasts = "200s" },
    { cause = "upstream", start = 2024-10-07T02:30:29.999, lasts = "48m" },
    { cause = "dns", start = 2024-10-09T15:41:07, lasts = "700s" },
    { cause = "access", start = 2024-10-12T06:00:00, lasts = "17s" },
    { cause = "access", start = 2024-10-19T23:50:00, lasts = "26h" },
    { cause = "upstream", start = 2024-10-27T02:10:00, lasts = "100m" },
]
agent_off = [
    { reason = "power_loss", start = 2024-10-10T07:30:00, lasts = "570m" },
    { reason = "stopped", start = 2024-10-15T14:00:00, lasts = "75s" },
]
"""


class Month:
    """The store's own ledger, and a Prometheus that scraped its counters."""

    def __init__(self, server: PrometheusServer, spans: list[Span], read_s: list[int]) -> None:
        self.server = server
        self.spans = spans
        self.read_s = read_s

    def first_read_after(self, at_s: float) -> int:
        return next(each for each in self.read_s if each >= at_s)

    def increase_s(self, at_s: int, window_s: int) -> dict[str, float]:
        """Cause of down -> seconds, by the expression that the rules record."""
        expression = build_window_increase(
            window_s, live=COUNTER, held=COUNTER, booked=f"sum by (site) ({COUNTER})", reach="2d"
        )
        found = self.server.query(f"({expression}) > 0", at_s)
        labels = [(dict(key), value) for key, value in found.items()]
        return {each["cause"]: value for each, value in labels if each["verdict"] == "down"}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    folder = tmp_path_factory.mktemp("month")
    write_settings(folder)
    start_ms, end_ms = month_window(2024, 10, ZoneInfo("Europe/Paris"))
    spans = simulate_month(folder, SCENARIO).read_ledger(start_ms, end_ms)
    read_s = list(choose_scrapes(spans, start_ms // 1000, end_ms // 1000, STEP_S))
    fill(folder, build_samples(spans, "ecole-jaures", read_s))
    with prometheus(folder) as server:
        yield Month(server, spans, read_s)


def test_each_incidents_downtime_is_the_ledgers(month: Month) -> None:
    """Every incident of the month, to the millisecond, from a reading before it to one after."""
    incidents = find_incidents(month.spans)
    assert len(incidents) == 8
    for incident in incidents:
        assert incident.end_ms is not None
        ledger: dict[str, float] = {}
        for span in month.spans:
            if incident.start_ms <= span.start_ms < incident.end_ms and span.cause:
                ledger[span.cause.value] = span.duration_ms / 1000
        after_s = month.first_read_after(incident.end_ms / 1000)
        window_s = int(after_s - incident.start_ms / 1000) + 1
        found = month.increase_s(after_s, window_s)
        assert set(found) == set(ledger), incident
        for cause, seconds in ledger.items():
            assert abs(found[cause] - seconds) < 0.001, (incident, found)


def test_the_months_downtime_is_the_ledgers_by_cause(month: Month) -> None:
    """Thirty days read at their end, with a clock change, gaps and restarts between."""
    end_s = month.read_s[-1]
    start_s = end_s - 30 * 86_400
    inside = [each for each in month.read_s if each <= start_s]
    expected: dict[str, float] = {}
    for span in month.spans:
        if span.verdict is Verdict.DOWN and span.start_ms >= inside[-1] * 1000:
            assert span.cause is not None
            cause = span.cause.value
            expected[cause] = expected.get(cause, 0) + span.duration_ms / 1000
    found = month.increase_s(end_s, 30 * 86_400)
    assert {cause: round(value, 3) for cause, value in found.items()} == {
        cause: round(value, 3) for cause, value in expected.items()
    }
    assert set(expected) == {Cause.ACCESS, Cause.UPSTREAM, Cause.GATEWAY, Cause.DNS}


def test_increase_would_not_do(month: Month) -> None:
    """Why the rules are not written with `increase()`: an outage's jump lies between readings."""
    incident = max(find_incidents(month.spans), key=lambda each: (each.end_ms or 0) - each.start_ms)
    assert incident.end_ms is not None
    after_s = month.first_read_after(incident.end_ms / 1000) + 60
    window_s = int(after_s - incident.start_ms / 1000) - 60
    usual = month.server.query(
        f'increase({COUNTER}{{verdict="down",cause="access"}}[{window_s}s])', after_s
    )
    assert sum(usual.values()) < 1
    assert abs(month.increase_s(after_s, window_s)["access"] - 26 * 3_600) < 120
