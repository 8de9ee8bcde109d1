"""What a real hour of the agent writes to its card, beside the databases that would scrape it.

Rule of this file: nothing is hastened and nothing forced between the two readings. The
agent as it is installed watches the lab's line at its defaults (eight ICMP targets every
5 s, one resolver every second) and is scraped every 15 s by Prometheus and by
VictoriaMetrics; each of the three writes to an ext4 of its own on a loop device, whose
sectors are counted (/sys/block/loopN/stat). The file systems are synchronised once before
the first reading and once before the last, so that each pays for what it has dirtied.

The agent's log file is brought to three quarters of its size beforehand, so that it goes
on growing in the hour, which costs more than writing over, and comes to its checkpoint then
or soon after (one in three hours or so). Prometheus's compaction of its two-hour block falls
outside: its figure is too low, not ours.

Needs root, and 66 minutes. ``python -m bench disk-hour``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.agent import install
from bench.disk import BUDGET_BYTES_PER_DAY, build_minute, mounted_card, read_written_bytes
from netwatch.clock import SystemClock
from netwatch.records import Anchor
from netwatch.store.meter import parse_written_bytes
from netwatch.store.writer import Writer
from tests.netlab.agent import Agent
from tests.netlab.config import build_config
from tests.netlab.lab import AGENT_PORT, Lab

MINUTES = 60
WARM_UP_MINUTES = 5
SCRAPE_EVERY_S = 15
_LOG_BYTES_BEFORE = 190 * 2_072
_ROOT = Path(__file__).resolve().parent.parent
_WRITERS = ("netwatch", "prometheus", "victoria_metrics")
_SCRAPING = f"""
global: {{scrape_interval: {SCRAPE_EVERY_S}s}}
scrape_configs:
  - job_name: netwatch
    static_configs: [{{targets: ["127.0.0.1:{AGENT_PORT}"]}}]
"""


def run(
    minutes: float = MINUTES,
    *,
    warm_up_minutes: float = WARM_UP_MINUTES,
    partial: Path | None = None,
) -> dict[str, Any]:
    """Device bytes of each, as measured and for a day; what was had so far goes to ``partial``."""
    with contextlib.ExitStack() as ending:
        cards = {name: ending.enter_context(mounted_card()) for name in _WRITERS}
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="netwatch-bench-")))
        program = install(folder)
        store = cards["netwatch"][0]
        age_books(store / "netwatch.db")
        lab = ending.enter_context(Lab())
        config = folder / "agent.toml"
        books = str(store / "netwatch.db")
        config.write_text(build_config(books, AGENT_PORT, ipv6=False), encoding="utf-8")
        agent = ending.enter_context(Agent(lab, config, program=program))
        agent.wait_until(agent.is_settled, 60, "is not up")
        pids = {"netwatch": agent.pid}
        for name, command in build_databases(cards, folder).items():
            pids[name] = ending.enter_context(running(lab, command)).pid
        time.sleep(warm_up_minutes * 60)
        begun = read_all(cards, pids, synchronised=True)
        began, series = time.monotonic(), []
        while (left_s := began + minutes * 60 - time.monotonic()) > 0:
            time.sleep(min(300, left_s))
            series.append(compare(begun, read_all(cards, pids), time.monotonic() - began))
            if partial is not None:
                partial.write_text(json.dumps(series, indent=2), encoding="utf-8")
        ended = read_all(cards, pids, synchronised=True)
        took_s = time.monotonic() - began
        metrics = lab.read_metrics()
    return judge(compare(begun, ended, took_s), series, took_s, metrics)


def judge(
    last: Mapping[str, Any], series: list[dict[str, Any]], took_s: float, metrics: str
) -> dict[str, Any]:
    """The figures as they are published."""
    per_day = {name: round(last[name]["device_bytes"] / took_s * 86_400) for name in _WRITERS}
    return {
        "goal": "at most 60 MB a day, over a real hour",
        "reached": per_day["netwatch"] <= BUDGET_BYTES_PER_DAY,
        "minutes": round(took_s / 60, 1),
        "scraped_every_s": SCRAPE_EVERY_S,
        "series_scraped": sum(1 for line in metrics.splitlines() if not line.startswith("#")),
        "device_bytes_per_day": per_day,
        "measured": dict(last),
        "by_five_minutes": series,
    }


def age_books(path: Path) -> None:
    """Bring the books to where an agent leaves them that was cut off in mid-life."""
    script = f"from bench.disk_hour import write_minutes; write_minutes({str(path)!r})"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=_ROOT)


def write_minutes(path: str) -> None:
    """Write until the log file has the wanted size, and end without a leave."""
    anchor = Anchor(boot_id="before", monotonic_ms=0, offset_ms=1_790_812_800_000)
    chance = random.Random(20261001)
    writer = Writer(path, clock=SystemClock(), set_aside=lambda: "bench")
    begun = writer.begin_run(boot_id="before", pid=1, version="0", monotonic_ms=0, anchor=anchor)
    log, number = Path(f"{path}-wal"), 0
    while log.stat().st_size < _LOG_BYTES_BEFORE:
        number += 1
        writer.submit(build_minute(begun.run_id, number, anchor, chance))
        assert writer.wait_safe(60_000)
    os._exit(0)


def build_databases(cards: Mapping[str, tuple[Path, Path]], folder: Path) -> dict[str, list[str]]:
    """Both as they are installed, scraping the agent, with their defaults."""
    scraping = folder / "scraping.yml"
    scraping.write_text(_SCRAPING, encoding="utf-8")
    return {
        "prometheus": [
            "prometheus",
            f"--config.file={scraping}",
            f"--storage.tsdb.path={cards['prometheus'][0] / 'data'}",
            "--web.listen-address=127.0.0.1:9090",
        ],
        "victoria_metrics": [
            "victoria-metrics",
            f"-promscrape.config={scraping}",
            f"-storageDataPath={cards['victoria_metrics'][0] / 'data'}",
            "-httpListenAddr=127.0.0.1:8428",
        ],
    }


@contextlib.contextmanager
def running(lab: Lab, command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A program in the school's namespace, ended as systemd would."""
    quiet = subprocess.DEVNULL
    with lab.popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_all(
    cards: Mapping[str, tuple[Path, Path]], pids: Mapping[str, int], *, synchronised: bool = False
) -> dict[str, tuple[int, int | None]]:
    """By program: bytes that its device took, and bytes that the kernel charges it with."""
    found = {}
    for name, (folder, statistics) in cards.items():
        if synchronised:
            sync_file_system(folder)
        charged = parse_written_bytes(Path(f"/proc/{pids[name]}/io").read_text(encoding="ascii"))
        found[name] = (read_written_bytes(statistics), charged)
    return found


def sync_file_system(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    finally:
        os.close(descriptor)


def compare(
    begun: Mapping[str, tuple[int, int | None]],
    ended: Mapping[str, tuple[int, int | None]],
    took_s: float,
) -> dict[str, Any]:
    """What came in between, in bytes."""
    figures: dict[str, Any] = {"after_s": round(took_s)}
    for name in _WRITERS:
        (device, charged), (device_then, charged_then) = ended[name], begun[name]
        figures[name] = {"device_bytes": device - device_then}
        if charged is not None and charged_then is not None:
            figures[name]["charged_bytes"] = charged - charged_then
    return figures
