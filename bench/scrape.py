"""What a scrape costs: CPU of one /metrics at 20 targets, made and packed.

Rule of this file: it measures the renderer in this process, by process CPU time.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from typing import Any

from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.records import Role
from netwatch.web.response import Response, encode_response
from tests.adapters.web_world import build_snapshot, build_target

TARGETS = 20
PROMISED_MS = 15.0
_ROUNDS = 200
_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"


def run() -> dict[str, Any]:
    """Median and 99th percentile of the CPU time of a scrape, in ms, and the body's size."""
    roles = [Role.GATEWAY, Role.FIRST_HOP, Role.RESOLVER]
    roles += [Role.INTERNET] * (TARGETS - len(roles))
    snapshot = build_snapshot(
        targets=tuple(
            build_target(f"target-{number}", role, f"192.0.2.{number}", median_us=7_000 + number)
            for number, role in enumerate(roles)
        )
    )
    renderer = MetricsRenderer()
    result: dict[str, Any] = {"targets": TARGETS, "promised_ms": PROMISED_MS}
    for name, accept in (("text", ""), ("openmetrics", _ACCEPT)):
        costs = []
        body = b""
        for _ in range(_ROUNDS):
            before_ns = time.process_time_ns()
            body, content_type = renderer(snapshot, accept)
            encode_response(
                Response(status=200, body=body, content_type=content_type),
                head_only=False,
                gzip=True,
                keep_alive=True,
            )
            costs.append((time.process_time_ns() - before_ns) / 1_000_000)
        result[f"{name}_cpu_median_ms"] = round(statistics.median(costs), 2)
        result[f"{name}_cpu_p99_ms"] = round(statistics.quantiles(costs, n=100)[98], 2)
        result[f"{name}_bytes"] = len(body)
    result["series"] = sum(not line.startswith(b"#") for line in renderer(snapshot)[0].splitlines())
    result["goal"] = f"at most {PROMISED_MS} ms of CPU"
    result["reached"] = (
        max(result["text_cpu_p99_ms"], result["openmetrics_cpu_p99_ms"]) <= PROMISED_MS
    )
    tracemalloc.start()
    renderer(snapshot)
    result["peak_bytes"] = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result


if __name__ == "__main__":
    print(run())
