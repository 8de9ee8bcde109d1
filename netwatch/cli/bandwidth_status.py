"""The newest throughput test, in the terminal.

Rule of this file: rendering of what `/api/v1/status` says; pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any


def build_bandwidth_lines(bandwidth: Mapping[str, Any] | None, zone: tzinfo) -> list[str]:
    """A line for the newest test, and one for plan and budget; none without an engine.

    >>> from datetime import UTC
    >>> build_bandwidth_lines({"engines": ["iperf3"], "running": False, "next": None,
    ...     "budget": {"limit_bytes": 60_000_000_000, "used_bytes": 300_000_000},
    ...     "last": None, "skipped": None}, UTC)
    ['throughput (iperf3): not tested yet', 'tests used 0.3 of 60 GB this month']
    >>> build_bandwidth_lines({"engines": ["iperf3"], "running": True, "next": None,
    ...     "budget": {"limit_bytes": 60_000_000_000, "used_bytes": 30_000_000_000},
    ...     "last": None, "skipped": None}, UTC)[1]
    'tests used 30.0 of 60 GB this month, with what is set aside for the one under way'
    """
    if bandwidth is None:
        return []
    last = bandwidth["last"]
    if last is None:
        lines = [f"throughput ({', '.join(bandwidth['engines'])}): not tested yet"]
    else:
        parts = [
            f"{name} {_say_direction(last[name])}"
            for name in ("down", "up")
            if last[name] is not None
        ]
        when = "" if last["at"] is None else f", {_show(last['at'], zone)}"
        grade = "" if last["grade"] is None else f", delay under load {last['grade']}"
        lines = [f"throughput ({last['engine']}{when}): {', '.join(parts)}{grade}"]
    budget = bandwidth["budget"]
    plan = (
        f"tests used {budget['used_bytes'] / 1e9:.1f} of {budget['limit_bytes'] / 1e9:g} GB "
        "this month"
    )
    if bandwidth["running"]:
        plan += ", with what is set aside for the one under way"
    elif bandwidth["next"] is not None:
        plan += f", the next is due {_show(bandwidth['next'], zone)}"
    skipped = bandwidth["skipped"]
    if skipped is not None:
        reason = skipped["reason"].replace("_", " ")
        plan += f"; last one not made: {_show(skipped['due'], zone)} ({reason})"
    return [*lines, plan]


def _say_direction(direction: Mapping[str, Any]) -> str:
    rate = direction["bytes_per_second"]
    invalid = (direction["invalid"] or "").replace("_", " ")
    if rate is None:
        reason = (direction["reason"] or direction["invalid"] or "").replace("_", " ")
        return f"failed ({reason})"
    return f"{rate * 8 / 1e6:.1f} Mbit/s{f' (does not count: {invalid})' if invalid else ''}"


def _show(instant: str, zone: tzinfo) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(zone):%Y-%m-%d %H:%M}"
