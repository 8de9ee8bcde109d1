"""The fleet's report of a month, against the promise: 200 sites in 3 minutes and 600 MB.

Rule of this file: `netwatch fleet report` runs as anybody would run it, over agents that give
their bundles and over a real Prometheus, at three sizes of the fleet, the last of them 200
sites. The line through them says whether the cost is linear. A quick run stops short of 200
and reads them off that line; its figures say so. What counts is the CPU of all processes, the
store's too, over two cores: seconds by the clock hold what the machine did besides.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from bench.blocks import Labels, copy_block
from bench.month_store import SETTINGS, write_month
from bench.processes import list_family, open_prometheus, read_cpu_s, read_resident
from netwatch.report.evidence import Manifest, build_bundle_name, open_bundle, write_bundle

_ROOT = Path(__file__).resolve().parents[1]
_MONTH = "2026-10"
_START_S, _END_S = 1_790_805_600, 1_793_487_600  # October 2026 in Paris
_SCRAPE_S = 30
_SITES = 200
_CORES = 2
_PROMISED_S, _PROMISED_MB = 180.0, 600.0
#: Each site's outages: cause, seconds after the month's start, seconds.
_DOWN = (("access", 540_014, 18_000), ("access", 586_802, 1_350), ("upstream", 1_562_400, 2_880),
         ("dns", 1_116_000, 700))  # fmt: skip
_SILENT = (("degraded", "loss"), ("degraded", "latency"), ("degraded", "throughput"),
           ("down", "gateway"), ("unknown", "agent"), ("unknown", "clock"),
           ("unknown", "local"))  # fmt: skip


def run(*, quick: bool = False) -> dict[str, Any]:
    """Seconds, CPU seconds and MiB at each size; ``reached``: 200 sites keep the promise."""
    figures: dict[str, Any] = {
        "goal": f"{_SITES} sites and one month, without pdf, at most {_PROMISED_S:g} s on {_CORES} cores "
        f"and {_PROMISED_MB:g} MB",
        "cores": os.cpu_count(),
        "reached": True,
    }
    sizes = (4, 8) if quick else (50, 100, _SITES)
    with tempfile.TemporaryDirectory() as folder:
        for source, serve in (("agents", _agents), ("prometheus", _prometheus)):
            place = Path(folder) / source
            place.mkdir()
            with serve(place, max(sizes)) as (text, server):
                rows = [_measure(place, source, text, size, server) for size in sizes]
            # What the machine does besides stretches the seconds, hardly those of the CPU.
            slope, base = _fit(sizes, [row["cpu_s"] for row in rows])
            figures[source] = {f"{size}_sites": row for size, row in zip(sizes, rows, strict=True)}
            figures[source]["linear"] = {
                "cpu_s_per_site": round(slope, 3),
                "worst_distance_from_the_line_percent": round(
                    100 * max(abs(row["cpu_s"] / (base + slope * size) - 1)
                              for size, row in zip(sizes, rows, strict=True)), 1),
            }  # fmt: skip
            last = rows[-1]
            if quick:
                last = {key: _extrapolate(sizes, [row[key] for row in rows]) for key in last}
                figures[source]["200_sites_extrapolated"] = last
            figures["reached"] &= last["took_s"] <= _PROMISED_S
            figures["reached"] &= last["peak_mb"] <= _PROMISED_MB
    return figures


def _fit(sizes: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Slope and intercept of the line through the points (least squares)."""
    middle_x, middle_y = sum(sizes) / len(sizes), sum(values) / len(values)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in zip(sizes, values, strict=True)) / sum(
        (x - middle_x) ** 2 for x in sizes
    )
    return slope, middle_y - slope * middle_x


def _extrapolate(sizes: Sequence[int], values: Sequence[float]) -> float:
    slope, base = _fit(sizes, values)
    return round(base + max(slope, 0.0) * _SITES, 1)


def _measure(
    folder: Path, source: str, inventory: str, size: int, server: int | None
) -> dict[str, float]:
    """One `netwatch fleet report` of the first so many sites, all of its processes together.

    ``server`` is the process of the store that it asks, where that is one of its own.
    """
    config = folder / f"fleet-{size}.toml"
    head, *sites = inventory.split("[[site]]\n")
    config.write_text("[[site]]\n".join([head, *sites[:size]]), encoding="utf-8")
    output = folder / f"out-{size}"
    before_s = read_cpu_s(server)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "netwatch.cli.main", "fleet", "report", "--config", str(config),
         "--month", _MONTH, "--source", source, "--output", str(output)],
        stdout=subprocess.DEVNULL, cwd=_ROOT,
    )  # fmt: skip
    peak_bytes = 0
    while child.poll() is None:
        peak_bytes = max(peak_bytes, sum(read_resident(each) for each in list_family(child.pid)))
        time.sleep(0.1)
    took_s = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if child.returncode != 0:
        raise RuntimeError(f"netwatch fleet report --source {source} ended with {child.returncode}")
    shutil.rmtree(output)
    row = {"took_s": round(took_s, 1), "cpu_s": round(cpu_s, 1), "peak_mb": round(peak_bytes / 1e6)}
    if server is not None:
        row["store_cpu_s"] = round(read_cpu_s(server) - before_s, 1)
        row["store_mb"] = round(read_resident(server) / 1e6)
    return row


def _write_inventory(head: str, addresses: Sequence[str]) -> str:
    contract = SETTINGS.partition("[circuit.contract]\n")[2].partition("[store]")[0]
    contract = contract.replace("[[circuit.contract.penalty]]", "[[contract.penalty]]")
    text = f'{head}[[operator]]\nname = "Operator"\n[[contract]]\nname = "c"\n{contract}'
    for number, address in enumerate(addresses):
        text += (
            f'[[site]]\nid = "site-{number:03}"\naddress = "{address}"\n'
            'timezone = "Europe/Paris"\nholidays = "FR"\n[site.circuit]\noperator = "Operator"\n'
            'contract = "c"\nmonthly_fee = "300.00 EUR"\n'
        )
    return text


# -- agents ----------------------------------------------------------------------------------


@contextmanager
def _agents(folder: Path, sites: int) -> Iterator[tuple[str, None]]:
    """One server that is every site's agent: each under a path of its own, with its own bundle."""
    write_month(folder / "store", 1)
    subprocess.run(
        [sys.executable, "-m", "netwatch.cli.main", "report", "--config",
         str(folder / "store" / "agent.toml"), "--month", _MONTH, "--format", "html,csv,json",
         "--output", str(folder / "made")],
        check=True, stdout=subprocess.DEVNULL, cwd=_ROOT,
    )  # fmt: skip
    for number in range(sites):
        _write_bundle(folder, f"site-{number:03}")

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site = self.path.split("/")[1]
            body = (folder / build_bundle_name(site, _MONTH)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield _write_inventory("", [f"{base}/site-{number:03}" for number in range(sites)]), None
    finally:
        server.shutdown()
        server.server_close()


def _write_bundle(folder: Path, site: str) -> None:
    """The one bundle that was made, as another site's: sound in every figure and hash."""
    made = folder / "made"
    bundle = made / build_bundle_name("bench", _MONTH)
    with open_bundle(bundle) as opened:
        manifest = msgspec.json.decode(opened.read("manifest.json"), type=Manifest)
    own = folder / "own"
    own.mkdir(exist_ok=True)
    terms = (made / "contract.toml").read_bytes()
    mine = terms.replace(b'id = "bench"', f'id = "{site}"'.encode())
    report = (made / "report.json").read_bytes()
    report = report.replace(b'"id": "bench"', f'"id": "{site}"'.encode())
    was, now = (hashlib.sha256(each).hexdigest().encode() for each in (terms, mine))
    report = report.replace(was, now)
    (own / "contract.toml").write_bytes(mine)
    (own / "report.json").write_bytes(report)
    files = {
        each.name: (own if each.name in ("contract.toml", "report.json") else made) / each.name
        for each in manifest.files
    }
    target = folder / build_bundle_name(site, _MONTH)
    write_bundle(target, files, msgspec.structs.replace(manifest, site=site))


# -- Prometheus ------------------------------------------------------------------------------


@contextmanager
def _prometheus(folder: Path, sites: int) -> Iterator[tuple[str, int]]:
    """A real one with every site's counters and gauges of the month, a scrape every 30 s."""
    source = folder / "samples.txt"
    with source.open("w", encoding="ascii") as file:
        file.writelines(_list_lines())
        file.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet",
         "--max-block-duration=768h", str(source), str(folder / "model")],
        check=True, capture_output=True,
    )  # fmt: skip

    def list_copies(labels: Labels) -> Iterator[Labels]:
        for number in range(sites):
            yield tuple(
                (name, f"site-{number:03}" if value == "SITE" else value) for name, value in labels
            )

    for block in (folder / "model").iterdir():
        copy_block(block, folder / "data", list_copies)
    (folder / "prometheus.yml").write_text("{}", encoding="ascii")
    with open_prometheus(folder) as (url, server):
        head = f'[fleet]\nprometheus.url = "{url}"\n'
        addresses = [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(sites)]
        yield _write_inventory(head, addresses), server


def _list_lines() -> Iterator[str]:
    """One site's month in OpenMetrics text; nothing is scraped while the line is down."""
    down = sorted((_START_S + start, _START_S + start + lasts, cause)
                  for cause, start, lasts in _DOWN)  # fmt: skip
    scrapes = [
        at_s
        for at_s in range(_START_S, _END_S + 1, _SCRAPE_S)
        if not any(start <= at_s < end for start, end, _ in down)
    ]

    def lost_s(at_s: int, cause: str | None = None) -> int:
        return sum(max(0, min(at_s, end) - start) for start, end, why in down
                   if cause in (None, why))  # fmt: skip

    past_s = 9_000_000
    name = "netwatch_link_seconds"
    yield f"# TYPE {name} counter\n"
    for at_s in scrapes:
        up_s = past_s + at_s - _START_S - lost_s(at_s)
        yield f'{name}_total{{site="SITE",verdict="up",cause="none"}} {up_s}.25 {at_s}\n'
    for cause in sorted({why for _, _, why in down}):
        for at_s in scrapes:
            yield (f'{name}_total{{site="SITE",verdict="down",cause="{cause}"}} '
                   f"{7 + lost_s(at_s, cause)} {at_s}\n")  # fmt: skip
    for verdict, cause in _SILENT:
        for at_s in scrapes:
            yield f'{name}_total{{site="SITE",verdict="{verdict}",cause="{cause}"}} 3 {at_s}\n'
    gauge = "netwatch_link_changed_timestamp_seconds"
    yield f"# TYPE {gauge} gauge\n"
    for at_s in scrapes:
        since_s = max([end for _, end, _ in down if end <= at_s], default=_START_S - 86_400)
        yield f'{gauge}{{site="SITE"}} {since_s} {at_s}\n'
    yield "# TYPE netwatch_link_verdict gauge\n"
    for verdict in ("up", "degraded", "down", "unknown"):
        for at_s in scrapes:
            shown = int(verdict == "up")
            yield f'netwatch_link_verdict{{site="SITE",verdict="{verdict}"}} {shown} {at_s}\n'


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2))
