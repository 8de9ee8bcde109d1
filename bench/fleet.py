"""The fleet's report of a month, against the promise: 200 sites in 3 minutes and 600 MB.

Rule of this file: `netwatch fleet report` runs as anybody would run it, over agents that give
their bundles and over a real Prometheus, at three sizes of the fleet. What 200 sites take is
read off the line through them, and said to be.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from bench.month_store import SETTINGS, write_month
from netwatch.report.evidence import Manifest, build_bundle_name, open_bundle, write_bundle

_ROOT = Path(__file__).resolve().parents[1]
_MONTH = "2026-10"
_START_S, _END_S = 1_790_805_600, 1_793_487_600  # October 2026 in Paris
_SCRAPE_S = 30
_SITES = 200
_PROMISED_S, _PROMISED_MIB = 180.0, 600.0
#: Each site's outages: cause, seconds after the month's start, seconds.
_DOWN = (("access", 540_014, 18_000), ("access", 586_802, 1_350), ("upstream", 1_562_400, 2_880),
         ("dns", 1_116_000, 700))  # fmt: skip
_SILENT = (("degraded", "loss"), ("degraded", "latency"), ("degraded", "throughput"),
           ("down", "gateway"), ("unknown", "agent"), ("unknown", "clock"),
           ("unknown", "local"))  # fmt: skip


def run(*, quick: bool = False) -> dict[str, Any]:
    """Seconds and MiB at each size; ``reached``: 200 sites would keep the promise."""
    figures: dict[str, Any] = {
        "goal": f"{_SITES} sites and one month, without pdf, in {_PROMISED_S:g} s and "
        f"{_PROMISED_MIB:g} MiB; extrapolated from the sizes measured",
        "reached": True,
    }
    plans = (("agents", (4, 8) if quick else (10, 20, 40)),
             ("prometheus", (2, 4) if quick else (5, 10, 20)))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for source, sizes in plans:
            place = Path(folder) / source
            place.mkdir()
            serve = _agents if source == "agents" else _prometheus
            with serve(place, max(sizes)) as text:
                rows = [_measure(place, source, text, size) for size in sizes]
            slope, base = _fit(sizes, [row["took_s"] for row in rows])
            expected_s = base + slope * _SITES
            # Sites leave their rows behind, so what grows with them is counted on too.
            growth, ground = _fit(sizes, [row["peak_mib"] for row in rows])
            expected_mib = ground + max(growth, 0.0) * _SITES
            figures[source] = {f"{size}_sites": row for size, row in zip(sizes, rows, strict=True)}
            figures[source]["200_sites_extrapolated"] = {
                "s": round(expected_s, 1),
                "mib": round(expected_mib, 1),
                "s_per_site": round(slope, 2),
            }
            figures["reached"] &= expected_s <= _PROMISED_S and expected_mib <= _PROMISED_MIB
    return figures


def _fit(sizes: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Slope and intercept of the line through the points (least squares)."""
    middle_x, middle_y = sum(sizes) / len(sizes), sum(values) / len(values)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in zip(sizes, values, strict=True)) / sum(
        (x - middle_x) ** 2 for x in sizes
    )
    return slope, middle_y - slope * middle_x


def _measure(folder: Path, source: str, inventory: str, size: int) -> dict[str, float]:
    """One `netwatch fleet report` of the first so many sites; memory is that of all its processes."""
    config = folder / f"fleet-{size}.toml"
    head, *sites = inventory.split("[[site]]\n")
    config.write_text("[[site]]\n".join([head, *sites[:size]]), encoding="utf-8")
    output = folder / f"out-{size}"
    started = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "netwatch.cli.main", "fleet", "report", "--config", str(config),
         "--month", _MONTH, "--source", source, "--output", str(output)],
        stdout=subprocess.DEVNULL, cwd=_ROOT,
    )  # fmt: skip
    peak_bytes = 0
    while child.poll() is None:
        peak_bytes = max(peak_bytes, sum(_read_resident(each) for each in _list_family(child.pid)))
        time.sleep(0.1)
    took_s = time.monotonic() - started
    if child.returncode != 0:
        raise RuntimeError(f"netwatch fleet report --source {source} ended with {child.returncode}")
    shutil.rmtree(output)
    return {"took_s": round(took_s, 1), "peak_mib": round(peak_bytes / 2**20, 1)}


def _list_family(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(each) for task in tasks for each in (task / "children").read_text().split()]
    except OSError:
        return
    for each in children:
        yield from _list_family(each)


def _read_resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


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
def _agents(folder: Path, sites: int) -> Iterator[str]:
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
        yield _write_inventory("", [f"{base}/site-{number:03}" for number in range(sites)])
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
def _prometheus(folder: Path, sites: int) -> Iterator[str]:
    """A real one with every site's counters and gauges of the month, a scrape every 30 s."""
    template = "".join(_list_lines())
    source = folder / "samples.txt"
    for first in range(0, sites, 5):
        with source.open("w", encoding="ascii") as file:
            for number in range(first, min(sites, first + 5)):
                file.write(template.replace("SITE", f"site-{number:03}"))
            file.write("# EOF\n")
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet",
             "--max-block-duration=768h", str(source), str(folder / "data")],
            check=True, capture_output=True,
        )  # fmt: skip
    source.unlink()
    (folder / "prometheus.yml").write_text("{}", encoding="ascii")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
        port = free.server_port
    server = subprocess.Popen(
        ["prometheus", f"--config.file={folder}/prometheus.yml",
         f"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=100y",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    )  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/-/ready")
        head = f'[fleet]\nprometheus.url = "http://127.0.0.1:{port}"\n'
        yield _write_inventory(head, [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(sites)])
    finally:
        server.terminate()
        server.wait()


def _wait(url: str) -> None:
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("Prometheus did not come up")


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
