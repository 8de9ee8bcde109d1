"""One described month, and every source filled from its store: the contract's world.

Rule of this file: whatever a source holds comes from the one ledger of the store, at the
instants at which a scrape would have come through, or minute by minute as it is pushed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from netwatch.agent.month_books import MonthBooks
from netwatch.cli.main import main
from netwatch.core.calendars import month_window
from netwatch.core.ledger import sum_spans
from netwatch.core.throughput import ThroughputTest
from netwatch.records import Span, Verdict

STEP_S = 60
SITE = "ecole-jaures"
NOW_MS = int(datetime.fromisoformat("2024-11-20T12:00:00Z").timestamp() * 1000)
BANDWIDTH = """\
[bandwidth]
per_day = 4
[bandwidth.librespeed]
url = "https://test.example.fr/backend"
"""
SETTINGS = (
    """\
[site]
id = "{site}"
name = "École Jean-Jaurès"
timezone = "Europe/Paris"
opening_hours = ["mon-fri 08:00-18:00", "sat 08:00-12:00"]
[circuit]
operator = "Opérateur A"
reference = "FTTH-0042"
monthly_fee = "300.00 EUR"
[circuit.contract]
{terms}
[store]
path = "netwatch.db"
"""
    + BANDWIDTH
)
TERMS = """\
availability = 0.9985
calendar = "S2"
restore_within = "4h"
yearly_interruption = "13h"
guaranteed_down = "10 Mbit/s"
guaranteed_share = 0.9
"""
SCENARIO = """\
month = "2024-10"
configuration = "agent.toml"
interval = "60s"
bandwidth = { per_day = 4, down = "12 Mbit/s", spread = 0.1 }
outage = [
    { cause = "access", start = 2024-10-03T08:14:25, lasts = "312m" },
    { cause = "access", start = 2024-10-03T19:02:10.250, lasts = "1350s" },
    { cause = "gateway", start = 2024-10-05T12:05:00.001, lasts = "200s" },
    { cause = "upstream", start = 2024-10-07T02:30:29.999, lasts = "48m" },
    { cause = "access", start = 2024-10-12T06:00:00, lasts = "17s" },
    { cause = "access", start = 2024-10-19T23:50:00, lasts = "26h" },
    { cause = "upstream", start = 2024-10-27T02:10:00, lasts = "100m" },
]
agent_off = [
    { reason = "power_loss", start = 2024-10-10T07:30:00, lasts = "570m" },
    { reason = "stopped", start = 2024-10-15T14:00:00, lasts = "75s" },
]
"""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The store of a site, and its ledger of the month."""

    folder: Path
    settings: Path
    spans: list[Span]
    tests: tuple[ThroughputTest, ...]
    start_ms: int
    end_ms: int

    def list_scrapes(self) -> list[int]:
        """When a scrape came through (seconds); the month's two ends are read besides."""
        start_s, end_s = self.start_ms // 1000, self.end_ms // 1000
        return [start_s, *choose_scrapes(self.spans, start_s, end_s, STEP_S), end_s]


def choose_scrapes(spans: Sequence[Span], start_s: int, end_s: int, step_s: int) -> Iterator[int]:
    """The instants of the scrapes that come through: none while the line or the agent is off.

    One in fifty fails besides, and all do for half an hour in every second night.
    """
    dice = random.Random(6)
    dark = [(span.start_ms, span.end_ms) for span in spans
            if span.verdict in (Verdict.DOWN, Verdict.UNKNOWN)]  # fmt: skip
    for at_s in range(start_s + 11, end_s, step_s):
        night = (at_s // 86_400) % 2 == 0 and at_s % 86_400 < 1_800
        if (
            not night
            and dice.random() > 0.02
            and not any(start <= at_s * 1000 < end for start, end in dark)
        ):
            yield at_s


def simulate_month(folder: Path, scenario: str) -> MonthBooks:
    """The books of a site that lived this, beside its ``agent.toml``."""
    (folder / "story.toml").write_text(scenario, encoding="utf-8")
    database = folder / "netwatch.db"
    assert main(["simulate", "--scenario", str(folder / "story.toml"), "--db", str(database),
                 "--sparse"]) == 0  # fmt: skip
    return MonthBooks(str(database))


def build_world(folder: Path, site: str = SITE) -> World:
    """Simulate the month into a store; its spans reach from the month's start to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "agent.toml"
    settings.write_text(SETTINGS.format(site=site, terms=TERMS), encoding="utf-8")
    books = simulate_month(folder, SCENARIO)
    start_ms, end_ms = month_window(2024, 10, ZoneInfo("Europe/Paris"))
    return World(
        folder=folder,
        settings=settings,
        spans=books.read_ledger(start_ms, end_ms),
        tests=books.read_tests(start_ms, end_ms),
        start_ms=start_ms,
        end_ms=end_ms,
    )


def build_samples(
    spans: Sequence[Span], site: str, read_s: list[int]
) -> Iterator[tuple[str, Mapping[str, str], float, int]]:
    """Each counter as the agent shows it: the seconds settled up to each scrape, since long ago."""
    for verdict, cause in sum_spans(spans):
        labels = {"site": site, "verdict": verdict.value, "cause": cause.value if cause else "none"}
        before_ms, index = (50 * 86_400_000 if verdict is Verdict.UP else 7_003), 0
        mine = [span for span in spans if (span.verdict, span.cause) == (verdict, cause)]
        for at_s in read_s:
            while index < len(mine) and mine[index].end_ms <= at_s * 1000:
                before_ms += mine[index].duration_ms
                index += 1
            begun = index < len(mine) and mine[index].start_ms < at_s * 1000
            part_ms = at_s * 1000 - mine[index].start_ms if begun else 0
            yield "netwatch_link_seconds", labels, (before_ms + part_ms) / 1000, at_s


def build_gauges(
    world: World, site: str, read_s: list[int]
) -> Iterator[tuple[str, Mapping[str, str], float, int]]:
    """The present verdict, since when it is so, and the newest throughput test."""
    now: list[Span] = []
    index = 0
    for at_s in read_s:
        while world.spans[index].end_ms <= at_s * 1000 < world.end_ms:
            index += 1
        now.append(world.spans[index])
    for verdict in Verdict:
        for at_s, span in zip(read_s, now, strict=True):
            labels = {"site": site, "verdict": verdict.value}
            yield "netwatch_link_verdict", labels, float(span.verdict is verdict), at_s
    for at_s, span in zip(read_s, now, strict=True):
        labels = {"site": site}
        yield "netwatch_link_changed_timestamp_seconds", labels, span.start_ms / 1000, at_s
    for direction in ("down", "up"):
        yield from (
            ("netwatch_throughput_bytes_per_second", {"site": site, "direction": direction},
             float(test.bytes_per_second or 0), at_s)
            for at_s, test in _newest(world, direction, read_s) if test.invalid is None
        )  # fmt: skip
    for at_s, test in _newest(world, "down", read_s):
        yield "netwatch_bandwidth_test_timestamp_seconds", {"site": site}, test.at_ms / 1000, at_s


def _newest(
    world: World, direction: str, read_s: list[int]
) -> Iterator[tuple[int, ThroughputTest]]:
    tests = sorted(
        (test for test in world.tests if test.direction == direction), key=lambda test: test.at_ms
    )
    index = 0
    for at_s in read_s:
        while index < len(tests) and tests[index].at_ms <= at_s * 1000:
            index += 1
        if index:
            yield at_s, tests[index - 1]


def write_fleet(folder: Path, sites: list[tuple[str, str]], more: str = "") -> Path:
    """A ``fleet.toml`` of (id, address) with the terms of the world's contract."""
    text = f'[fleet]\n{more}\n[[operator]]\nname = "Opérateur A"\n[[contract]]\nname = "c"\n{TERMS}'
    for site, address in sites:
        text += (
            f'[[site]]\nid = "{site}"\nname = "Site {site}"\ncommune = "Trilport"\n'
            f'address = "{address}"\ntimezone = "Europe/Paris"\n'
            'opening_hours = ["mon-fri 08:00-18:00", "sat 08:00-12:00"]\n'
            '[site.circuit]\noperator = "Opérateur A"\ncontract = "c"\nreference = "FTTH-0042"\n'
            'monthly_fee = "300.00 EUR"\n'
        )
    path = folder / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    return path
