"""A small fleet that is there twice: as two months in a real Prometheus, and as agents it scrapes.

Rule of this file: every figure is a function of site and instant, so that what was filled in
and what is scraped are one life. The rules are those of `netwatch fleet rules`; only their
intervals are shorter.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

from netwatch.fleet.inventory import build_inventory
from netwatch.fleet.model import Inventory
from netwatch.fleet.recording_rules import build_recording_groups
from netwatch.fleet.rules import build_rules, write_rules
from netwatch.fleet.series import ADDED_DELAY, COUNTER, HELD, HOURLY, RESPONSIVENESS, TESTED
from netwatch.fleet.targets import build_labels, build_scrape_jobs, render_targets
from netwatch.records import CAUSES
from tests.adapters.serving import serving
from tests.fleet.prometheus_server import PrometheusServer, prometheus

#: Site -> (operator, verdict now, its cause).
SITES = {
    "mairie": ("Opérateur A", "down", "access"),
    "ecole-jaures": ("Opérateur A", "down", "access"),
    "ecole-curie": ("Opérateur A", "down", "upstream"),
    "creche": ("Opérateur B", "up", "none"),
    "gymnase": ("Opérateur B", "degraded", "loss"),
    "musee": ("Opérateur B", "unknown", "clock"),
    "stade": ("Opérateur B", "silent", "none"),
}
PAIRS = [
    (verdict.value, cause.value if cause else "none")
    for verdict, causes in CAUSES.items()
    for cause in causes or (None,)
]
DAY_S = 86_400
PAST_S = 66 * DAY_S
RECENT_S = 3 * 3_600
_COARSE_S, _FINE_S = 1_800, 30
_OUTAGE_S = 1_200
_BOUNDS = ("0.001", "0.003", "0.01", "0.02", "0.03", "0.05", "0.1", "0.3", "1", "+Inf")
Sample = tuple[str, dict[str, str], float]


def build_world_inventory(port: int, sites: dict[str, tuple[str, str, str]] = SITES) -> Inventory:
    """The sites under a contract that promises everything that a contract can."""
    return build_inventory(
        {
            "operator": [{"name": name} for name in sorted({each[0] for each in sites.values()})],
            "contract": [
                {"name": "gold", "availability": Decimal("0.999"), "restore_within": "4h",
                 "yearly_interruption": "13h", "guaranteed_down": "100 Mbit/s",
                 "guaranteed_up": "50 Mbit/s", "guaranteed_share": Decimal("0.9"),
                 "max_rtt": "60ms", "max_loss": Decimal("0.05")},
            ],
            "site": [
                {"id": name, "name": name.title(), "commune": "Trilport",
                 "address": f"http://127.0.0.1:{port}/{name}",
                 "latitude": Decimal("48.9") + Decimal(number) / 1000,
                 "longitude": Decimal("2.9") + Decimal(number) / 1000,
                 "circuit": {"operator": operator, "contract": "gold", "reference": f"L-{number}",
                             "technology": "ftth"}}
                for number, (name, (operator, _, _)) in enumerate(sites.items())
            ],
        },
        "fleet.toml",
    )  # fmt: skip


def build_counters(site: str, state: tuple[str, str, str], at_s: int, now_s: int) -> list[Sample]:
    """The persistent counters: an hour down every ninth day, unknown for ten minutes a day."""
    began_s = now_s - 90 * DAY_S
    _, verdict, cause = state
    age_s = at_s - began_s
    seconds = dict.fromkeys(PAIRS, 0.0)
    whole, part = divmod(age_s + len(site) * 7_000, 9 * DAY_S)
    seconds["down", "access"] += whole * 3_600 + min(part, 3_600)
    days, rest = divmod(age_s, DAY_S)
    seconds["unknown", "agent"] += days * 600 + min(rest, 600)
    since_s = now_s - _OUTAGE_S
    if at_s > since_s and (verdict, cause) in seconds and verdict != "up":
        seconds[verdict, cause] += at_s - since_s
    seconds["up", "none"] = age_s - sum(seconds.values())
    return [
        (COUNTER, {"verdict": each, "cause": why}, value) for (each, why), value in seconds.items()
    ]


def build_tests(site: str, at_s: int) -> list[Sample]:
    """Four tests a day, their figures another at each."""
    number = at_s // 21_600
    down = 9_000_000 + (number * 2_654_435_761 + len(site)) % 6_000_000
    return [
        ("netwatch_bandwidth_test_timestamp_seconds", {}, number * 21_600 + 40.5),
        ("netwatch_throughput_bytes_per_second", {"direction": "down"}, down),
        ("netwatch_throughput_bytes_per_second", {"direction": "up"}, down * 0.6),
        ("netwatch_loaded_rtt_seconds", {"direction": "down"}, 0.080),
        ("netwatch_loaded_rtt_seconds", {"direction": "up"}, 0.050),
        ("netwatch_idle_rtt_seconds", {}, 0.012),
        ("netwatch_responsiveness_rpm", {}, 600.0),
    ]


def build_present(site: str, state: tuple[str, str, str], at_s: int, now_s: int) -> list[Sample]:
    """What an agent shows besides."""
    _, verdict, _ = state
    shown = verdict if at_s > now_s - _OUTAGE_S else "up"
    samples: list[Sample] = [
        ("netwatch_link_verdict", {"verdict": each}, float(each == shown))
        for each in ("up", "degraded", "down", "unknown")
    ]
    changed = now_s - _OUTAGE_S if shown == verdict else now_s - 5 * DAY_S
    sent = at_s / 5
    samples += [
        ("netwatch_link_changed_timestamp_seconds", {}, float(changed)),
        ("netwatch_build_info", {"version": "1.0.0"}, 1.0),
        ("netwatch_clock_synchronised", {}, float(site != "musee")),
        ("netwatch_snapshot_timestamp_seconds", {}, float(at_s)),
        ("netwatch_slots_missed_total", {}, at_s / 1_000),
        ("netwatch_store_bytes", {}, 4e7),
        ("netwatch_store_device_written_today_bytes", {}, 3e7),
        ("netwatch_spool_rows", {"outlet": "influx"}, 12.0),
        ("netwatch_spool_oldest_timestamp_seconds", {"outlet": "influx"}, at_s - 720.0),
        ("netwatch_push_problem", {"outlet": "influx", "reason": "timeout"}, 1.0),
        ("netwatch_notice", {"notice": "no_gateway"}, 1.0),
        ("netwatch_certificate_expiry_timestamp_seconds", {"target": "ent"}, now_s + 30.0 * DAY_S),
        ("netwatch_bandwidth_tests_total", {"engine": "librespeed", "result": "valid"}, 88.0),
        ("netwatch_bandwidth_budget_bytes", {}, 6e10),
        ("netwatch_bandwidth_budget_used_bytes", {}, 2e10),
        ("process_resident_memory_bytes", {}, 3.6e7),
    ]
    for target in ("box", "ent"):
        samples += [
            ("netwatch_probes_total", {"target": target}, sent),
            ("netwatch_probe_failures_total", {"target": target, "reason": "timeout"}, sent / 50),
        ]
        samples += [
            ("netwatch_rtt_seconds_bucket", {"target": target, "le": bound},
             sent * min(1.0, number / 6))
            for number, bound in enumerate(_BOUNDS, start=1)
        ]  # fmt: skip
    return samples


def is_new(at_s: int) -> bool:
    """Whether the newest test was seen within the half-hour before, as the rules have it."""
    return at_s % 21_600 < 1_800


def render_text(samples: list[Sample]) -> str:
    """As an agent answers, or as promtool reads it with instants."""
    lines = []
    for name, labels, value in samples:
        said = ",".join(
            f"{key}={json.dumps(each, ensure_ascii=False)}" for key, each in labels.items()
        )
        lines.append(f"{name}{{{said}}} {value!r}\n")
    return "".join(lines)


def write_past(path: Path, inventory: Inventory, now_s: int) -> int:
    """The fleet's past as OpenMetrics text, series by series; how many samples it is."""
    count = 0
    end_s = now_s - 5
    old = list(range(((now_s - PAST_S) // _COARSE_S) * _COARSE_S, now_s - RECENT_S, _COARSE_S))
    new = list(range(now_s - RECENT_S, end_s, _FINE_S))
    with path.open("w", encoding="utf-8") as file:
        for site in inventory.sites:
            state = SITES[site.id]
            if state[1] == "silent":
                continue
            line = build_labels(site)
            labels = {**line, "instance": site.id, "job": "netwatch"}
            lives: list[tuple[Callable[[int], list[Sample]], list[int]]] = [
                (partial(build_counters, site.id, state, now_s=now_s), old + new),
                (partial(build_tests, site.id), old + new),
                (partial(build_present, site.id, state, now_s=now_s), new),
            ]
            for build, instants in lives:
                series: dict[str, list[str]] = {}
                for at_s in instants:
                    for name, own, value in build(at_s):
                        names = [(name, {**labels, **own})]
                        if name == COUNTER:
                            names.append((HELD, {"site": site.id, **own}))
                        for full, said in names:
                            key = render_text([(full, said, 0.0)]).rpartition(" ")[0]
                            series.setdefault(key, []).append(f"{key} {value!r} {at_s}\n")
                for lines in series.values():
                    file.writelines(lines)
                    count += len(lines)
            for key, reading in list_recorded(site.id, line, state, now_s, old + new[::20]):
                file.write(f"{key} {reading}\n")
                count += 1
        # The inventory is younger than the books: its rules were loaded two days ago.
        known = [at_s for at_s in old + new if at_s > now_s - 2 * DAY_S]
        for record, labels, constant in list_inventory_series(inventory):
            key = render_text([(record, labels, 0.0)]).rpartition(" ")[0]
            file.writelines(f"{key} {constant} {at_s}\n" for at_s in known)
        file.write("# EOF\n")
    return count


def list_recorded(
    site: str, line: dict[str, str], state: tuple[str, str, str], now_s: int, instants: list[int]
) -> Iterator[tuple[str, str]]:
    """What the rules keep for pages of months: series, and value with its instant."""
    for direction in ("down", "up"):
        key = render_text([(TESTED, {**line, "direction": direction}, 0.0)]).rpartition(" ")[0]
        for at_s in range(now_s - 30 * DAY_S, now_s - 5, 240):
            if is_new(at_s):
                rates = {own["direction"]: value for name, own, value in build_tests(site, at_s)
                         if name == "netwatch_throughput_bytes_per_second"}  # fmt: skip
                yield key, f"{rates[direction]!r} {at_s}"
    for record, own, value in (
        (ADDED_DELAY, {"direction": "down"}, 0.068), (RESPONSIVENESS, {}, 600.0),
    ):  # fmt: skip
        key = render_text([(record, {**line, **own}, 0.0)]).rpartition(" ")[0]
        yield from ((key, f"{value} {at_s}") for at_s in instants)
    for verdict in dict.fromkeys(verdict for verdict, _ in PAIRS):
        key = render_text([(HOURLY, {"site": site, "verdict": verdict}, 0.0)]).rpartition(" ")[0]
        for at_s in instants:
            counters = build_counters(site, state, at_s, now_s)
            held = sum(value for _, own, value in counters if own["verdict"] == verdict)
            yield key, f"{held!r} {at_s}"


def list_inventory_series(inventory: Inventory) -> Iterator[tuple[str, dict[str, str], str]]:
    """What the rules record of the inventory: name, labels and the constant."""
    groups = build_recording_groups(inventory, {}, range(1970, 1971))
    for rule in next(each["rules"] for each in groups if each["name"] == "netwatch-inventory"):  # type: ignore[attr-defined] # a list of rules
        yield rule["record"], rule["labels"], rule["expr"].removeprefix("vector(").rstrip(")")


def write_blocks(folder: Path, source: Path) -> None:
    """Prometheus' own blocks from the text."""
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet",
         "--max-block-duration=2304h", str(source), str(folder / "data")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    source.unlink()


@contextlib.contextmanager
def exporters(now_s: int) -> Iterator[int]:
    """All the sites' agents behind one port of loopback, each under its own path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site = self.path.strip("/").partition("/")[0]
            state = SITES.get(site)
            if state is None or state[1] == "silent":
                self.send_error(404)
                return
            at_s = int(time.time())
            body = render_text(
                [*build_counters(site, state, at_s, now_s), *build_tests(site, at_s),
                 *build_present(site, state, at_s, now_s)]
            ).encode()  # fmt: skip
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextlib.contextmanager
def watched_fleet(folder: Path) -> Iterator[PrometheusServer]:
    """A Prometheus with two months of the fleet, its rules evaluated, its agents scraped."""
    now_s = int(time.time())
    with exporters(now_s) as port:
        inventory = build_world_inventory(port)
        year = time.gmtime(now_s).tm_year
        files = build_rules(inventory, {}, range(year, year + 1))
        write_rules(folder / "rules", {
            name: re.sub(r'interval: "[^"]+"', 'interval: "2s"', text)
            for name, text in files.items()
        })  # fmt: skip
        (folder / "targets.json").write_text(render_targets(inventory), encoding="utf-8")
        write_past(folder / "past.txt", inventory, now_s)
        write_blocks(folder, folder / "past.txt")
        jobs = [
            {**job, "scrape_interval": "2s", "scrape_timeout": "2s"}
            for job in build_scrape_jobs(inventory, str(folder / "targets.json"))
        ]
        configuration = {"rule_files": [str(folder / "rules" / "*.yml")], "scrape_configs": jobs}
        with prometheus(folder, json.dumps(configuration)) as server:
            watched = len(SITES) - 1

            def is_evaluated() -> bool:
                at_s = time.time()
                whole = server.query('netwatch:burn_rate{window="30d"}', at_s)
                used = server.query("netwatch:restore_used_ratio", at_s)
                silent = server.query("netwatch:site_silent", at_s)
                return len(whole) == watched and len(used) == 3 and len(silent) == 1

            server.wait_for(is_evaluated)
            yield server
