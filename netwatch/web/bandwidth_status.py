"""The throughput tests as JSON values, for ``/api/v1/status``.

Rule of this file: pure, from a `BandwidthView` to a dict; keys are an interface
(docs/metrics.md) and only ever added to. What is not known is null.
"""

from __future__ import annotations

from datetime import UTC

from netwatch.core.bufferbloat import add_delay
from netwatch.core.calendars import local_time
from netwatch.snapshot import BandwidthView, DirectionView


def build_bandwidth_json(view: BandwidthView | None) -> dict[str, object] | None:
    """Plan, budget and the newest test; null where no engine is configured."""
    if view is None:
        return None
    return {
        "engines": list(view.engines),
        "running": view.running,
        "next": _instant(view.next_ms),
        "budget": {"limit_bytes": view.budget_bytes, "used_bytes": view.used_bytes},
        "bytes_moved": {name: view.bytes_moved.get(name, 0) for name in ("down", "up")},
        "last": None
        if view.engine is None
        else {
            "at": _instant(view.at_ms),
            "engine": view.engine,
            "server": view.server,
            "asked_by": view.asked_by,
            "down": _build_direction(view.down, view.idle_rtt_us),
            "up": _build_direction(view.up, view.idle_rtt_us),
            "idle_rtt_us": view.idle_rtt_us,
            "responsiveness_rpm": view.responsiveness_rpm,
            "grade": view.grade,
        },
        "skipped": None
        if view.skipped_reason is None
        else {"due": _instant(view.skipped_ms), "reason": view.skipped_reason},
        "skips": dict(sorted(view.skips.items())),
    }


def _build_direction(view: DirectionView | None, idle_us: int | None) -> dict[str, object] | None:
    if view is None:
        return None
    return {
        "bytes_per_second": view.bytes_per_second,
        "loaded_rtt_us": view.loaded_rtt_us,
        "added_delay_us": add_delay(idle_us, view.loaded_rtt_us),
        "invalid": view.invalid,
        "reason": view.reason,
    }


def _instant(at_ms: int | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond."""
    if at_ms is None:
        return None
    return local_time(at_ms, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
