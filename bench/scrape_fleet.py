"""One Prometheus over a thousand agents, against the promise: every 30 s, on this machine.

Rule of this file: a real Prometheus by the files that `netwatch fleet targets`, `scrape` and
`rules` write, for some minutes. What it says of its own scrapes is taken from it; CPU and
memory are the kernel's.
"""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.fleet_life import DAY_MS, build_fleet_inventory
from bench.processes import open_prometheus, read_cpu_s, read_resident
from netwatch.fleet.model import Inventory
from netwatch.fleet.rules import build_rules, write_rules
from netwatch.fleet.targets import build_scrape_jobs, render_targets

_ROOT = Path(__file__).resolve().parents[1]
_SITES, _EVERY_S = 1_000, 30
_PROMISED_SERIES, _PROMISED_BYTES = 150, 25_000
#: Before the count begins: every target found and scraped twice.
_WARM_UP_S = 75


def run(*, quick: bool = False) -> dict[str, Any]:
    """Scrapes missed, their duration, and what Prometheus takes, with the rules and all."""
    sites, lasts_s = (100, 60) if quick else (_SITES, 180)
    began_ms = time.time_ns() // 1_000_000 - 90 * DAY_MS
    year = time.gmtime().tm_year
    years = range(year, year + 3)
    with (
        tempfile.TemporaryDirectory() as name,
        open_agents(began_ms) as (port, agents),
        watched(Path(name), build_fleet_inventory(port, sites), years) as (url, server),
    ):
        time.sleep(_WARM_UP_S)
        before = {pid: read_cpu_s(pid) for pid in (agents, server)}
        started = time.monotonic()
        peak_bytes = 0
        while time.monotonic() < started + lasts_s:
            time.sleep(1)
            peak_bytes = max(peak_bytes, read_resident(server))
        took_s = time.monotonic() - started
        used = {pid: read_cpu_s(pid) - before[pid] for pid in (agents, server)}
        window = f"[{lasts_s}s]"
        figures = {
            "agents": sites,
            "every_s": _EVERY_S,
            "watched_s": round(took_s),
            "scrapes": _ask(url, f'sum(count_over_time(up{{job="netwatch"}}{window}))'),
            "scrapes_failed": _ask(
                url, f'sum(count_over_time(up{{job="netwatch"}}{window}))'
                f' - sum(sum_over_time(up{{job="netwatch"}}{window}))'
            ),
            # A scrape that was due and not made leaves no sample at all.
            "scrapes_due": sites * lasts_s // _EVERY_S,
            "scrape_median_ms": _milliseconds(url, f"quantile(0.5, {_duration(window)})"),
            "scrape_p99_ms": _milliseconds(url, f"quantile(0.99, {_duration(window)})"),
            "scrape_worst_ms": _milliseconds(
                url, f'max(max_over_time(scrape_duration_seconds{{job="netwatch"}}{window}))'
            ),
            "series_per_agent": _ask(url, 'max(scrape_samples_scraped{job="netwatch"})'),
            **_measure_scrape(port),
            "samples_per_second": _ask(
                url, 'sum(scrape_samples_post_metric_relabeling{job="netwatch"})', _EVERY_S
            ),
            "prometheus_series": round(_metric(url, "prometheus_tsdb_head_series")),
            "prometheus_cpu_percent": round(100 * used[server] / took_s, 1),
            "prometheus_peak_mb": round(peak_bytes / 1e6),
            "agents_cpu_percent": round(100 * used[agents] / took_s, 1),
            **read_rules(url),
        }  # fmt: skip
    missed = figures["scrapes_failed"] + max(0, figures["scrapes_due"] - figures["scrapes"] - sites)
    return {
        "goal": f"{sites} agents every {_EVERY_S} s by one Prometheus, no scrape missed; at most "
        f"{_PROMISED_SERIES} series and {_PROMISED_BYTES / 1e3:g} kB for an agent at defaults",
        **figures,
        "reached": missed == 0
        and figures["rules_failed"] == 0
        and figures["rules_missed"] == 0
        and figures["series_per_agent"] <= _PROMISED_SERIES
        and figures["scrape_bytes"] <= _PROMISED_BYTES,
    }


@contextmanager
def open_agents(*instants_ms: int) -> Iterator[tuple[int, int]]:
    """Port and process id of the agents' process, with its arguments."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.fleet_agents", *map(str, instants_ms)],
        stdout=subprocess.PIPE, cwd=_ROOT, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline()), child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()
        child.stdout.close()


@contextmanager
def watched(folder: Path, inventory: Inventory, years: range) -> Iterator[tuple[str, int]]:
    """Address and process id of a Prometheus that scrapes the inventory and has its rules."""
    write_rules(folder / "rules", build_rules(inventory, {}, years))
    (folder / "targets.json").write_text(render_targets(inventory), encoding="utf-8")
    configuration = {
        "global": {"scrape_interval": f"{_EVERY_S}s", "evaluation_interval": "30s"},
        "rule_files": [str(folder / "rules" / "*.yml")],
        "scrape_configs": build_scrape_jobs(inventory, str(folder / "targets.json")),
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration), encoding="utf-8")
    with open_prometheus(folder) as found:
        yield found


def _measure_scrape(port: int) -> dict[str, int]:
    """Bytes of one agent's scrape, plain and packed, as Prometheus asks for it."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/site-0007/metrics",
        headers={"Accept": accept, "Accept-Encoding": "gzip", "Connection": "close"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        packed = answer.read(int(answer.headers["Content-Length"]))
    return {"scrape_bytes": len(gzip.decompress(packed)), "scrape_packed_bytes": len(packed)}


def _duration(window: str) -> str:
    return f'quantile_over_time(0.5, scrape_duration_seconds{{job="netwatch"}}{window})'


def _milliseconds(url: str, expression: str) -> float:
    return round(1_000 * _query(url, expression), 1)


def _ask(url: str, expression: str, divisor: int = 1) -> int:
    return round(_query(url, expression) / divisor)


def _query(url: str, expression: str) -> float:
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=60) as answer:
        ((_, value),) = [each["value"] for each in json.load(answer)["data"]["result"]]
    return float(value)


def _metric(url: str, name: str, merge: Any = sum) -> float:  # noqa: ANN401 - sum or max
    """One figure of Prometheus' own metrics."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return float(merge(
        float(found) for found in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    ))  # fmt: skip


def read_rules(url: str) -> dict[str, float]:
    """How the rules fare that the Prometheus there evaluates by itself."""
    with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=60) as answer:
        groups = json.load(answer)["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return {
        "rules": len(rules),
        "rules_failed": sum(rule["health"] == "err" for rule in rules),
        "rules_missed": round(_metric(url, "prometheus_rule_group_iterations_missed_total")),
        "slowest_group_ms": round(1_000 * max(group["evaluationTime"] for group in groups)),
    }


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2))
