"""A fleet of simulated agents in a real InfluxDB, each line written as the push writes it.

Rule of this file: stores are made by `netwatch simulate`, lines by `LineSource`. One site has
a whole month; the others its last days, and each ends in another state.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from netwatch.agent.line_source import LineSource, build_bandwidth_point
from netwatch.agent.month_books import MonthBooks
from netwatch.cli.main import main
from netwatch.core.ledger import build_minutes, find_incidents
from netwatch.core.line_points import (
    BandwidthPoint,
    build_tags,
    format_bandwidth,
    format_day_hash,
    format_incident,
    format_ledger_minute,
)
from netwatch.records import Span
from netwatch.store.chain_entries import read_entries_after
from netwatch.store.throughput import ThroughputBooks
from tests.fleet.influxdb_server import InfluxDb, influxdb
from tests.fleet.month_world import SETTINGS, TERMS

DAY_MS = 86_400_000
#: The month in UTC, and 20 minutes of it are not over: "now" is its end.
BEGIN_MS = int(datetime.fromisoformat("2024-10-01T00:00:00Z").timestamp() * 1000)
END_MS = int(datetime.fromisoformat("2024-10-31T22:00:00Z").timestamp() * 1000)
#: The site that has the whole month.
WHOLE = "ecole-jaures"
#: Site -> (operator, circuit, state at the end, what happened).
SITES: dict[str, tuple[str | None, str, str, str]] = {
    "ecole-jaures": ("Opérateur A", "FTTH-1", "up", """
month = "2024-10"
outage = [
    { cause = "access", start = 2024-10-03T08:14:25, lasts = "312m" },
    { cause = "access", start = 2024-10-03T19:02:10.250, lasts = "1350s" },
    { cause = "gateway", start = 2024-10-05T12:05:00.001, lasts = "200s" },
    { cause = "upstream", start = 2024-10-07T02:30:29.999, lasts = "48m" },
    { cause = "access", start = 2024-10-31T18:00:00.001, lasts = "1017s" },
]
degraded = [{ cause = "loss", start = 2024-10-31T14:00:00, lasts = "20m", loss = 0.4 }]
agent_off = [{ reason = "power_loss", start = 2024-10-31T09:30:00, lasts = "70m" }]
"""),
    "mairie": ("Opérateur A", "FTTH-2", "down", """
start = 2024-10-30
days = 2
outage = [{ cause = "access", start = 2024-10-31T22:30:00, lasts = "80m" }]
"""),
    "gymnase": ("Opérateur B", "ADSL-1", "degraded", """
start = 2024-10-30
days = 2
outage = [{ cause = "dns", start = 2024-10-31T03:30:00, lasts = "10m" }]
degraded = [{ cause = "latency", start = 2024-10-31T22:30:00, lasts = "80m", rtt = "300ms" }]
"""),
    "musee": ("Opérateur B", "ADSL-2", "unknown", """
start = 2024-10-30
days = 2
cable_out = [{ start = 2024-10-30T06:00:00, lasts = "41h" }]
"""),
    "stade": (None, "4G-1", "silent", """
start = 2024-10-30
days = 2
"""),
}  # fmt: skip
#: What all stories share.
STORY = """\
configuration = "agent.toml"
interval = "60s"
[bandwidth]
per_day = 4
down = "12 Mbit/s"
spread = 0.1
device_limited = 0.2
"""
#: The silent one's points end here.
SILENT_MS = END_MS - 3 * 3_600_000


class FilledInflux(msgspec.Struct, frozen=True, kw_only=True):
    """The server, and the books of the site that has the month."""

    server: InfluxDb
    books: MonthBooks

    def read_ledger(self) -> list[Span]:
        """The ledger of all that was written of that site."""
        return self.books.read_ledger(BEGIN_MS, END_MS)


def simulate_site(folder: Path, site: str) -> Path:
    """The store of one site."""
    folder.mkdir()
    promised = f'{TERMS}max_rtt = "100ms"\nmax_loss = 0.05\n'
    (folder / "agent.toml").write_text(SETTINGS.format(site=site, terms=promised), encoding="utf-8")
    head, _, tables = STORY.partition("[bandwidth]")
    (folder / "story.toml").write_text(
        f"{head}{SITES[site][3]}[bandwidth]{tables}", encoding="utf-8"
    )
    database = folder / "netwatch.db"
    assert main(["simulate", "--scenario", str(folder / "story.toml"), "--db", str(database),
                 "--sparse"]) == 0  # fmt: skip
    return database


def list_lines(database: Path, site: str) -> Iterator[str]:
    """Every line that its agent would have sent of the last day; of the month all but round trips.

    Lines of what is in both are the same lines twice, which changes nothing.
    """
    operator, circuit, state, _ = SITES[site]
    tags = build_tags(site, circuit, operator)
    end_ms = SILENT_MS if state == "silent" else END_MS
    if site == WHOLE:
        spans = MonthBooks(str(database)).read_ledger(BEGIN_MS, end_ms)
        yield from (format_ledger_minute(each, tags) for each in build_minutes(spans))
        yield from (format_incident(each, tags) for each in find_incidents(spans)
                    if each.end_ms is not None)  # fmt: skip
        tests = ThroughputBooks(database).read_tests(BEGIN_MS, end_ms)
        yield from (format_bandwidth(build_bandwidth_point(each), tags) for each in tests)
    source = LineSource(database, tags)
    for minute in source.read_minutes(end_ms - DAY_MS, end_ms):
        yield from minute.lines
    for entry in read_entries_after(database, 0):
        # The simulation closes its days when it is made; an agent does an hour after their ends.
        closed_ms = END_MS - (40 - entry.number) * DAY_MS // 24
        yield format_day_hash(msgspec.structs.replace(entry, closed_ms=closed_ms), tags)
    # A simulated test has no responsiveness: an engine over HTTP measures it.
    for number in range(8):
        point = BandwidthPoint(
            started_ms=end_ms - (number + 1) * 3 * 3_600_000, engine="ndt7", server=None,
            down_invalid=None, up_invalid="test_server_failed",
            measures={"down_bytes_per_second": 11_000_000 + number, "down_bytes": 110_000_000,
                      "idle_rtt_us": 12_000, "down_loaded_rtt_us": 50_000,
                      "responsiveness_rpm": 800 + number},
        )  # fmt: skip
        yield format_bandwidth(point, tags)


@contextlib.contextmanager
def pushed_fleet(folder: Path) -> Iterator[FilledInflux]:
    """An InfluxDB with every site's points."""
    with influxdb(folder / "influx") as server:
        for site in SITES:
            database = simulate_site(folder / site, site)
            server.write(list_lines(database, site))
        books = MonthBooks(str(folder / WHOLE / "netwatch.db"))
        yield FilledInflux(server=server, books=books)
    shutil.rmtree(folder / "influx")
