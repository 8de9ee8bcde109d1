"""Round-trip times against the wire's truth, beside the pingers that people use.

Rule of this file: every contender pings its own address behind one relay of 10 ms each
way, all at the same time, under the same condition; the relay tells when each packet
came and went (kernel stamps and its own clock). The error of a sample is what the
contender said less what the wire knows.

smokeping_prober tells no single sample: its error is read from a histogram of 50 µs
steps, against the wire's median.
"""

from __future__ import annotations

import contextlib
import json
import math
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from bench import contenders
from bench.contenders import BlackboxScraper, Contender
from tests.netlab import namespaces
from tests.netlab.relay import Relay, RoundTrip

GOAL = {"median_ms": 0.06, "p99_ms": 0.25}
#: Condition: CPU share of each contender's group (None: no limit), and what loads it.
CONDITIONS: dict[str, tuple[float | None, str | None]] = {
    "idle": (None, None),
    "one core loaded": (None, "core"),
    "10 % CPU quota": (0.10, None),
    "own threads saturated at a 25 % CPU quota": (0.25, "own"),
}
TOOLS = ("netwatch", "fping", "smokeping_prober", "blackbox_exporter", "ping3")
INTERVAL_MS = 100
DELAY_MS = 10.0
_WARM_UP_S = 2.0
_BUCKETS_S = (
    *(0.020 + step * 0.00005 for step in range(61)),
    *(0.0235 + step * 0.0005 for step in range(14)),
    *(0.031 + step * 0.002 for step in range(85)),
    1.0,
)


def run(seconds: int) -> dict[str, Any]:
    """All four conditions, ``seconds`` in all; errors in milliseconds."""
    each_s = max(3.0, seconds / len(CONDITIONS) - _WARM_UP_S)
    found = {name: measure_condition(name, each_s) for name in CONDITIONS}
    reached = all(
        tools["netwatch"]["median_ms"] <= GOAL["median_ms"]
        and tools["netwatch"]["p99_ms"] <= GOAL["p99_ms"]
        for tools in found.values()
    )
    return {
        "what": "RTT error against the wire's truth behind a 20 ms relay",
        "goal": GOAL,
        "reached": reached,
        "seconds_each": each_s,
        "interval_ms": INTERVAL_MS,
        "conditions": found,
    }


def measure_condition(name: str, seconds: float) -> dict[str, dict[str, Any]]:
    """Every contender at once, under one condition."""
    share, load = CONDITIONS[name]
    with contextlib.ExitStack() as stack:
        near, addresses, relay = stack.enter_context(_lay_wire())
        programs = stack.enter_context(_start_all(near, addresses, saturate=load == "own"))
        if load == "core":
            burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(burner.wait)
            stack.callback(burner.kill)
        scraper = stack.enter_context(
            BlackboxScraper(near, [addresses["blackbox_exporter"]], INTERVAL_MS)
        )
        for program in programs.values():
            program.group.limit(share)
        time.sleep(_WARM_UP_S)
        relay.start_log()
        before = _read_smokeping(near)
        time.sleep(seconds)
        after = _read_smokeping(near)
        truth = relay.round_trips()
        for program in programs.values():
            program.group.limit(None)
        for label, program in programs.items():
            if not program.alive:
                raise RuntimeError(f"{label} ended before it was asked to")
        by_tool = {
            tool: [trip for trip in truth if trip.target == addresses[tool]] for tool in TOOLS
        }
        timed = {
            "netwatch": json.loads(programs["netwatch"].finish()),
            "ping3": json.loads(programs["ping3"].finish()),
            "blackbox_exporter": scraper.samples,
        }
        errors = {tool: match_by_time(samples, by_tool[tool]) for tool, samples in timed.items()}
        errors["fping"] = match_by_sequence(
            contenders.parse_fping(programs["fping"].finish()), by_tool["fping"]
        )
        errors["smokeping_prober"] = spread_histogram(before, after, by_tool["smokeping_prober"])
    return {tool: summarise(errors[tool], len(by_tool[tool])) for tool in TOOLS}


def match_by_time(
    samples: Sequence[tuple[int, int]], truth: Sequence[RoundTrip], window_ms: int = INTERVAL_MS
) -> list[float]:
    """Errors in µs: each sample (started at ns, µs) with the first true trip sent after it.

    >>> trip = RoundTrip("192.0.2.1", 1, 1, 5_000_000, 25_000_000)
    >>> match_by_time([(4_000_000, 20_050)], [trip])
    [50.0]
    """
    errors, index = [], 0
    trips = sorted(truth, key=lambda trip: trip.sent_ns)
    for start_ns, rtt_us in sorted(samples):
        # A sending instant is told in whole milliseconds, so it may seem a little early or late.
        while index < len(trips) and trips[index].sent_ns < start_ns - 1_000_000:
            index += 1
        if index < len(trips) and trips[index].sent_ns < start_ns + window_ms * 1_000_000:
            errors.append(rtt_us - trips[index].rtt_us)
            index += 1
    return errors


def match_by_sequence(
    samples: Sequence[tuple[int, int]], truth: Sequence[RoundTrip]
) -> list[float]:
    """Errors in µs of samples that name their sequence."""
    known = {trip.sequence: trip.rtt_us for trip in truth}
    return [rtt_us - known[sequence] for sequence, rtt_us in samples if sequence in known]


def spread_histogram(
    before: dict[float, int], after: dict[float, int], truth: Sequence[RoundTrip]
) -> list[float]:
    """Errors in µs as far as a histogram tells: each count at the middle of its bucket."""
    middle_us = quantile([trip.rtt_us for trip in truth], 0.5) or 0.0
    errors: list[float] = []
    lower, below = 0.0, 0
    for bound in sorted(after):
        count = after[bound] - before.get(bound, 0)
        upper = lower * 1.05 if math.isinf(bound) else bound
        errors.extend([(lower + upper) / 2 * 1e6 - middle_us] * (count - below))
        lower, below = bound, count
    return errors


def summarise(errors_us: Sequence[float], true_count: int) -> dict[str, Any]:
    """Median and p99 of the absolute error, and the median with its sign."""
    sizes = [abs(error) for error in errors_us]
    figures = {
        "median_ms": quantile(sizes, 0.5),
        "p99_ms": quantile(sizes, 0.99),
        "worst_ms": max(sizes, default=None),
        "bias_ms": quantile(errors_us, 0.5),
    }
    return {
        "samples": len(errors_us),
        "on_the_wire": true_count,
        **{name: None if us is None else round(us / 1_000, 3) for name, us in figures.items()},
    }


def quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile; None of nothing.

    >>> quantile([3, 1, 2], 0.5), quantile([], 0.5)
    (2, None)
    """
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@contextlib.contextmanager
def _lay_wire() -> Iterator[tuple[str, dict[str, str], Relay]]:
    prefix = f"nwb{secrets.token_hex(3)}"
    near, far = f"{prefix}-near", f"{prefix}-far"
    addresses = {tool: f"10.77.0.{100 + index}" for index, tool in enumerate(TOOLS)}
    try:
        for name in (near, far):
            namespaces.add_namespace(name)
            namespaces.configure(name, ["link set lo up"])
        with Relay.lay(near=(near, "eth0"), far=(far, "eth0")) as relay:
            namespaces.configure(near, ["addr add 10.77.0.1/24 dev eth0"])
            namespaces.configure(
                far, [f"addr add {address}/24 dev eth0" for address in addresses.values()]
            )
            relay.set(delay_ms=DELAY_MS)
            yield near, addresses, relay
    finally:
        for name in (near, far):
            namespaces.remove_namespace(name)


@contextlib.contextmanager
def _start_all(
    near: str, addresses: dict[str, str], *, saturate: bool
) -> Iterator[dict[str, Contender]]:
    extra = ["--saturate"] if saturate else []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        commands = {
            "netwatch": contenders.build_python(
                "loop", [addresses["netwatch"]], INTERVAL_MS, *extra
            ),
            "fping": contenders.build_fping([addresses["fping"]], INTERVAL_MS),
            "smokeping_prober": contenders.build_smokeping(
                [addresses["smokeping_prober"]], INTERVAL_MS, _BUCKETS_S
            ),
            "blackbox_exporter": contenders.build_blackbox(folder),
            "ping3": contenders.build_python("ping3", [addresses["ping3"]], INTERVAL_MS, *extra),
        }
        programs = {
            tool: stack.enter_context(Contender(tool, near, command))
            for tool, command in commands.items()
        }
        contenders.wait_for(near, contenders.SMOKEPING_PORT)
        contenders.wait_for(near, contenders.BLACKBOX_PORT)
        if saturate:
            # These have no threads of ours to saturate: a busy process shares their quota.
            for tool in ("fping", "smokeping_prober", "blackbox_exporter"):
                programs[tool].start([sys.executable, "-c", "while True: pass"], collect=False)
        yield programs


def _read_smokeping(near: str) -> dict[float, int]:
    return contenders.parse_smokeping(
        contenders.fetch(near, contenders.SMOKEPING_PORT, "/metrics", timeout_s=60)
    )
