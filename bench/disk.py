"""How much the books write to the card in a day, the file system's journal included.

An ext4 image is mounted from a loop device, and minutes of a site at defaults (eight
ICMP targets every 5 s, one resolver every second) are handed to a real `Writer`, one
batch a minute, each synchronised to the device. The minutes are not waited for; instead
the file system is synchronised after each (syncfs), because in a real minute the kernel
would have written everything by then: the inodes' time of change (after 5 s, through the
ext4 journal) and the shared memory file of SQLite (after 30 s). The sectors that the
loop device took are counted (/sys/block/loopN/stat).

Needs root. ``run()`` returns the figures; ``python -m bench.disk --variants`` compares
page sizes, checkpoints and how often the database is committed; ``--real-minutes 60``
waits for the minutes and forces nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import random
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from netwatch.clock import SystemClock
from netwatch.records import Anchor, Check, Observation, Outcome, Role, Span, Verdict
from netwatch.store import db
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.writer import COMMIT_EVERY, Writer

MINUTES = 180
WARM_UP_MINUTES = 60
BUDGET_BYTES_PER_DAY = 60_000_000
_MINUTES_PER_DAY = 1_440
_SECTOR_BYTES = 512
_MEDIANS_US = {
    "gateway": 900,
    "first-hop": 2_500,
    "cloudflare": 5_200,
    "google": 8_800,
    "quad9": 9_100,
    "dns4eu": 14_000,
    "opendns": 12_000,
    "fdn": 16_000,
}


def run(minutes: int = MINUTES) -> dict[str, Any]:
    """Device bytes a day at defaults, after a warm-up that has the log file at its size."""
    figures: dict[str, Any] = {"goal": "at most 60 MB a day", **measure(minutes=minutes)}
    figures["reached"] = figures["device_bytes_per_day"] <= 60_000_000
    return figures


def measure(
    *,
    page_bytes: int = db.PAGE_BYTES,
    checkpoint_pages: int = db.CHECKPOINT_PAGES,
    commit_every: int = COMMIT_EVERY,
    minutes: int = MINUTES,
    real_time: bool = False,
) -> dict[str, float]:
    """One variant; in ``real_time`` the minutes are waited for after the warm-up, and nothing forced."""
    chance = random.Random(20261001)
    libc = ctypes.CDLL(None)
    anchor = Anchor(boot_id="bench", monotonic_ms=0, offset_ms=1_790_812_800_000)
    with mounted_card() as (folder, device), contextlib.ExitStack() as ending:
        path = folder / "netwatch.db"
        with closing(sqlite3.connect(path)) as first:  # the page size is settled at creation
            first.execute(f"PRAGMA page_size = {page_bytes}")
            first.execute("VACUUM")
        writer = Writer(
            path, clock=SystemClock(), set_aside=lambda: "bench", commit_every=commit_every
        )
        begun = writer.begin_run(boot_id="bench", pid=1, version="0", monotonic_ms=0, anchor=anchor)
        ending.callback(writer.close, monotonic_ms=0, anchor=None)
        writer.call(
            lambda connection: connection.execute(
                f"PRAGMA wal_autocheckpoint = {checkpoint_pages}"
            ).fetchall()
        )
        directory = os.open(folder, os.O_RDONLY)
        ending.callback(os.close, directory)
        started = began = 0
        for number in range(1, WARM_UP_MINUTES + minutes + 1):
            writer.submit(build_minute(begun.run_id, number, anchor, chance))
            assert writer.wait_safe(60_000)
            if real_time and number > WARM_UP_MINUTES:
                time.sleep(60)
            else:
                time.sleep(0.02)  # or the kernel's coarse clock would see no time of change
                libc.syncfs(directory)
            if number == WARM_UP_MINUTES:
                started, began = read_written_bytes(device), writer.call(_read_used_bytes)
        written = read_written_bytes(device) - started
        grown = writer.call(_read_used_bytes) - began
        assert writer.call(lambda c: c.execute("PRAGMA page_size").fetchone()[0]) == page_bytes
    return {
        "page_bytes": page_bytes,
        "checkpoint_pages": checkpoint_pages,
        "commit_every": commit_every,
        "minutes": minutes,
        "real_time": real_time,
        "device_bytes_per_minute": round(written / minutes),
        "device_bytes_per_day": round(written / minutes * _MINUTES_PER_DAY),
        "budget_bytes_per_day": BUDGET_BYTES_PER_DAY,
        "store_bytes_per_day": round(grown / minutes * _MINUTES_PER_DAY),
        "store_bytes_13_months": round(grown / minutes * _MINUTES_PER_DAY * 397),
    }


def build_minute(run_id: int, number: int, anchor: Anchor, chance: random.Random) -> Batch:
    """What the agent hands over at the end of minute ``number`` (from 1) at defaults."""
    end_ms = number * 60_000
    start_ms = end_ms - 60_000
    observations: list[Observation] = []
    checks = [_check(name, "icmp", 5_000) for name in _MEDIANS_US]
    checks.append(_check("resolver", "dns", 1_000))
    for index, (name, median_us) in enumerate(_MEDIANS_US.items()):
        for due_ms in range(start_ms + 617 * index, end_ms, 5_000):
            if chance.random() < 0.002:
                observations.append(_lost(name, due_ms))
            else:
                rtt_us = int(median_us + chance.lognormvariate(0, 1) * 1_000)
                observations.append(_answered(name, due_ms, {"rtt_us": rtt_us}))
    for due_ms in range(start_ms + 333, end_ms, 1_000):
        rtt_us = int(1_500 + chance.lognormvariate(0, 1) * 1_000)
        observations.append(_answered("resolver", due_ms, {"rtt_us": rtt_us, "response_code": 0}))
    spans = tuple(
        LayerSpan(
            layer=layer,
            span=Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=end_ms),
        )
        for layer in ("link", "dns", "ipv6")
    )
    counters = {("probes", name): 12 for name in _MEDIANS_US}
    counters |= {("probes", "resolver"): 60, ("link_ms", "up"): 60_000}
    return Batch(
        run_id=run_id,
        anchor=anchor,
        watched_to_mono_ms=end_ms,
        spans=spans,
        observations=tuple(observations),
        counters=counters,
        checks=tuple(checks),
        sequence=number,
    )


def _check(name: str, kind: str, every_ms: int) -> Check:
    return Check(
        id=name,
        kind=kind,
        target="192.0.2.1",
        role=Role.INTERNET,
        every_ms=every_ms,
        timeout_ms=2_000,
    )


def _answered(name: str, due_ms: int, measures: dict[str, int]) -> Observation:
    return Observation(
        check_id=name,
        due_ms=due_ms,
        started_ms=due_ms,
        elapsed_ms=measures["rtt_us"] // 1000,
        outcome=Outcome.ANSWERED,
        measures=measures,
    )


def _lost(name: str, due_ms: int) -> Observation:
    return Observation(
        check_id=name,
        due_ms=due_ms,
        started_ms=due_ms,
        elapsed_ms=2_000,
        outcome=Outcome.FAILED,
        reason="timeout",
    )


@contextlib.contextmanager
def mounted_card() -> Iterator[tuple[Path, Path]]:
    """A fresh ext4 with the defaults of mkfs, and the statistics of its device."""
    with tempfile.TemporaryDirectory(prefix="netwatch-bench-") as place:
        image, folder = Path(place) / "card", Path(place) / "mounted"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(1_000_000_000)
        # Without "lazy", or the kernel would go on writing tables while we count.
        made = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)]
        subprocess.run(made, check=True)
        attached = subprocess.run(
            ["losetup", "--show", "-f", str(image)], check=True, capture_output=True, text=True
        )
        device = attached.stdout.strip()
        try:
            subprocess.run(["mount", device, str(folder)], check=True)
            yield folder, Path("/sys/block") / Path(device).name / "stat"
        finally:
            subprocess.run(["umount", str(folder)], check=True)
            subprocess.run(["losetup", "-d", device], check=True)


def read_written_bytes(statistics: Path) -> int:
    """Bytes that a block device has taken since it was attached."""
    return int(statistics.read_text().split()[6]) * _SECTOR_BYTES


def _read_used_bytes(connection: sqlite3.Connection) -> int:
    pages, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "page_size")
    )
    return pages * size


def main() -> None:
    parser = argparse.ArgumentParser(description="device bytes a day of the books")
    parser.add_argument("--variants", action="store_true", help="compare the choices")
    parser.add_argument("--real-minutes", type=int, help="wait for so many real minutes")
    parser.add_argument("--commit-every", type=int, default=COMMIT_EVERY)
    arguments = parser.parse_args()
    if arguments.variants:
        for commit_every in (1, 5, 10):
            for page_bytes in (1024, 2048, 4096):
                for log_bytes in (64_000, 512_000, 2_000_000):
                    measured = measure(
                        page_bytes=page_bytes,
                        checkpoint_pages=log_bytes // page_bytes,
                        commit_every=commit_every,
                    )
                    print(json.dumps(measured), flush=True)
    else:
        real = arguments.real_minutes
        measured = measure(
            minutes=real or MINUTES,
            commit_every=arguments.commit_every,
            real_time=real is not None,
        )
        print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
