"""One pump that drains a store to a server and says how it went, for `bench.push`.

Rule of this file: the agent's own pump, spool and client, and nothing else of the agent, so
that the rate is the push's. It prints one JSON object: points, seconds, CPU and what was
resident while it drained.

    python -m bench.push_child STORE URL TOKEN_FILE [--rate LINES]
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from netwatch.agent import push as pump
from netwatch.agent.line_source import LineSource
from netwatch.agent.push_parts import MARGIN_MS, build_outlet
from netwatch.clock import SystemClock
from netwatch.config.model import Influx
from netwatch.core.line_points import build_tags
from netwatch.store.db import open_database
from netwatch.store.spool import Spool

_MIB = 1024 * 1024


def drain(store: Path, url: str, token: Path, *, wait: bool) -> dict[str, Any]:
    """Everything that the store has; ``wait``: as often as the pump itself would."""
    clock = SystemClock(trusted=True)
    opened = open_database(store, set_aside=lambda: "never")
    with closing(opened.connection) as connection:

        def call(work: Callable[[sqlite3.Connection], None]) -> None:
            work(connection)

        influx = Influx(url=url, org="ville", bucket="netwatch", token_file=str(token))
        push = pump.Push(
            spool=Spool(store, f"influx {url}", call=call, margin_ms=MARGIN_MS),
            source=LineSource(store, build_tags("bench", "FTTH-1", "Operator")),
            outlet=build_outlet(influx, clock.monotonic_ms),
            monotonic_ms=clock.monotonic_ms,
            draw=random.random,
        )
        resident: list[float] = []
        started, cpu = time.monotonic(), time.process_time()
        while True:
            wait_ms = push.step()
            resident.append(read_resident_mib())
            if not push.state.ok:
                raise RuntimeError(str(push.state.problem))
            if not push.state.minutes:
                break
            if wait:
                time.sleep(wait_ms / 1000)
        took_s = time.monotonic() - started
        used_s = time.process_time() - cpu
        push.close()
    return {"points": push.state.accepted, "took_s": took_s, "cpu_s": used_s, **describe(resident)}


def describe(resident: list[float]) -> dict[str, Any]:
    """The most, and how much it grew from the end of the first tenth to the end."""
    tenth = len(resident) // 10
    return {
        "peak_mib": round(max(resident), 1),
        "growth_mib": round(resident[-1] - resident[tenth], 1),
        "samples": len(resident),
    }


def read_resident_mib(pid: int | str = "self") -> float:
    """Of a process, now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


if __name__ == "__main__":
    path, address, secret, *options = sys.argv[1:]
    print(json.dumps(drain(Path(path), address, Path(secret), wait="--wait" in options)))
