"""A long watch under a fault that is no outage: how often does the agent cry wolf?

Rule of this file: it plays and counts; the figures are for `make bench` to judge.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.netlab.agent import Agent
from tests.netlab.lab import Lab
from tests.netlab.scenario import read_settled

#: What must never be taken for an outage, however long it lasts.
SOAKED = ("loss", "one_host_down")


def soak(minutes: float) -> dict[str, dict[str, object]]:
    """Plays each fault of :data:`SOAKED` for so long, in labs side by side.

    By fault: ``minutes`` watched, ``false_downs`` (how many), ``down_ms``,
    ``unknown_ms``, and the ``entries`` that were not up, for a person to look at.
    """
    with ThreadPoolExecutor(len(SOAKED)) as pool:
        futures = {fault: pool.submit(soak_one, fault, minutes) for fault in SOAKED}
        return {fault: future.result() for fault, future in futures.items()}


def soak_one(fault: str, minutes: float) -> dict[str, object]:
    """One lab, one agent with its default settings, one fault."""
    with (
        tempfile.TemporaryDirectory(prefix="netwatch-soak-") as folder,
        Lab() as lab,
        Agent(lab, lab.write_config(Path(folder))) as agent,
    ):
        agent.wait_until(agent.is_settled, 60, "is not up")
        on_ms = lab.on(fault)
        time.sleep(minutes * 60)
        off_ms = lab.off(fault)
        ledger = read_settled(agent, on_ms, off_ms)
    other = [entry for entry in ledger if entry.verdict != "up"]
    down = [entry for entry in other if entry.verdict == "down"]
    return {
        "minutes": round((off_ms - on_ms) / 60_000, 2),
        "false_downs": len(down),
        "down_ms": round(sum(entry.end_ms - entry.start_ms for entry in down)),
        "unknown_ms": round(
            sum(entry.end_ms - entry.start_ms for entry in other if entry.verdict == "unknown")
        ),
        "entries": [
            {
                "label": entry.label,
                "reason": entry.reason,
                "start_ms": round(entry.start_ms - on_ms),
                "duration_ms": round(entry.end_ms - entry.start_ms),
            }
            for entry in other
        ],
    }
