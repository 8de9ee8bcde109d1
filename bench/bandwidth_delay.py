"""Round trips while a throughput test runs: is the ping bent by it, and is the queue read right.

Rule of this file: two labs. In the first the test fills one port of the device while its pings
leave by another, behind a relay of 10 ms each way that tells the truth of each: what is
wrong then is the device's doing. In the second both share a line whose box has a queue of
known length, and the truth is that length.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.bandwidth_lab import FAR, HTTP_PORT, ShapedLink, build_nginx, draw_files, lay_out
from bench.rtt import GOAL, match_by_time, summarise
from bench.watched_test import Heard, Watched
from netwatch.agent.bandwidth_rtt import PERCENT, rank_high
from netwatch.bandwidth.base import Counterpart, Job, Plan
from netwatch.core.stats import distribution
from tests.adapters.servers import Authority
from tests.netlab import namespaces
from tests.netlab.relay import Relay, RoundTrip
from tests.netlab.shaped import SERVERS, ShapedLine

#: Rates of the test's own port in the first lab, and of the shared line in the second.
ERROR_RATES, QUEUE_RATES = (100, 1_000), (10, 100, 500, 1_000)
QUEUE_MS = 20
#: Above this the frames of the second lab are large ones (the sender's segmentation): two
#: cores cannot forward a gigabit of small ones, and a queue that is not filled has no truth.
_SMALL_FRAMES_MBIT = 100
_LOW, _HIGH = 0.9, 1.1
_DELAY_MS = 10
_ROOT = Path(__file__).parents[1]
_WIRE = ("10.77.0.100", "10.77.0.101")
_LINE, _TEST = "the line's rounds", "the test's pings"


def run(quick: bool) -> dict[str, Any]:
    """Both labs; each direction of a test is measured for ten seconds, or four."""
    seconds = 4 if quick else 10
    with lay_out() as folder:
        draw_files(folder)
        error = {f"{rate} Mbit/s": measure_error(folder, rate, seconds) for rate in ERROR_RATES}
        queue = {f"{rate} Mbit/s": measure_queue(folder, rate, seconds) for rate in QUEUE_RATES}
    return {
        "goal": (
            f"RTT error during a test {GOAL['median_ms']} / {GOAL['p99_ms']} ms; "
            "loaded RTT within 10 % of the queue"
        ),
        "reached": all(
            found["median_ms"] <= GOAL["median_ms"] and found["p99_ms"] <= GOAL["p99_ms"]
            for row in error.values()
            for found in (row[_LINE], row[_TEST])
        )
        and all(
            _LOW <= (row[f"{way}_ratio"] or 0) <= _HIGH
            for row in queue.values()
            for way in ("down", "up")
        ),
        "percent": PERCENT,
        "error": error,
        "queue": queue,
    }


def measure_error(folder: Path, megabit_s: int, seconds: int) -> dict[str, Any]:
    """Errors in ms against the relay's truth, before the test and while it runs."""
    with ShapedLink(folder, megabit_s) as link, _lay_wire(link.near) as relay:
        relay.start_log()
        heard = run_watched(
            link.near,
            Watched(
                job=_build_job(FAR, seconds),
                line_address=_WIRE[0],
                test_address=_WIRE[1],
                idle_s=2 * seconds,
            ),
        )
        truth = relay.round_trips()
    return {
        _LINE: _compare(heard.line, truth, _WIRE[0], heard.began_ms, heard.ended_ms),
        _TEST: _compare(heard.test, truth, _WIRE[1], heard.began_ms, heard.ended_ms),
        "before the test": _compare(
            heard.line, truth, _WIRE[0], heard.idle_from_ms, heard.began_ms
        ),
        **_tell_rates(heard),
    }


def measure_queue(folder: Path, megabit_s: int, seconds: int) -> dict[str, Any]:
    """What is read of a queue of ``QUEUE_MS``, in milliseconds and as a share of it."""
    small = megabit_s <= _SMALL_FRAMES_MBIT
    burst_bytes = 5_000 if small else megabit_s * 250
    with (
        ShapedLine(megabit_s, queue_ms=QUEUE_MS, burst_bytes=burst_bytes) as line,
        _serve(line.server, folder, SERVERS[0]),
    ):
        if not small:
            for name, port in ((line.school, "eth0"), (line.server, "eth0")):
                _enable_offloads(name, port)
            for port in ("left", "right"):
                _enable_offloads(line.router, port)
        heard = run_watched(
            line.school,
            Watched(
                job=_build_job(SERVERS[0], seconds),
                line_address=SERVERS[1],
                test_address=SERVERS[2],
                idle_s=2,
            ),
        )
    row: dict[str, Any] = {"queue_ms": QUEUE_MS}
    for found in heard.finding.directions:
        way, loaded = found.direction, (found.loaded_from_ms, found.loaded_to_ms)
        picked = [
            rtt_us
            for sent_ms, rtt_us in heard.test
            if loaded[0] is not None and loaded[1] is not None and loaded[0] <= sent_ms < loaded[1]
        ]
        timed = [rtt_us for rtt_us in picked if rtt_us is not None]
        spread = distribution(timed, lost=len(picked) - len(timed))
        high, middle = rank_high(picked), spread.percentile(50)
        row |= {
            f"{way}_ratio": None if high is None else round(high / QUEUE_MS / 1_000, 3),
            f"{way}_median_ratio": round(middle / QUEUE_MS / 1_000, 3)
            if isinstance(middle, int)
            else None,
            f"{way}_samples": len(picked),
        }
    return row | _tell_rates(heard)


def run_watched(namespace: str, given: Watched) -> Heard:
    """`bench.watched_test` in a namespace. Raises RuntimeError where it fails."""
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-m", "bench.watched_test"],
        input=msgspec.json.encode(given),
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the watched test ended with {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Heard)


def _build_job(address: str, seconds: int) -> Job:
    return Job(
        counterpart=Counterpart(engine="librespeed", url=f"http://{address}:{HTTP_PORT}/backend"),
        plan=Plan(measure_ms=seconds * 1_000),
    )


def _compare(
    samples: Sequence[tuple[int, int | None]],
    truth: Sequence[RoundTrip],
    address: str,
    from_ms: int,
    to_ms: int,
) -> dict[str, Any]:
    picked = [
        (sent_ms * 1_000_000, rtt_us)
        for sent_ms, rtt_us in samples
        if rtt_us is not None and from_ms <= sent_ms < to_ms
    ]
    there = [
        trip
        for trip in truth
        if trip.target == address and from_ms <= trip.sent_ns / 1e6 < to_ms + 1
    ]
    return summarise(match_by_time(picked, there), len(there))


def _tell_rates(heard: Heard) -> dict[str, float | str | None]:
    return {
        f"{found.direction}_mbit_s": found.detail
        if found.bytes_per_second is None
        else round(found.bytes_per_second * 8 / 1e6, 1)
        for found in heard.finding.directions
    }


@contextlib.contextmanager
def _lay_wire(near: str) -> Iterator[Relay]:
    """A second port of ``near``, with two addresses behind a relay of 20 ms."""
    far = f"nwbd{secrets.token_hex(3)}-far"
    namespaces.add_namespace(far)
    try:
        namespaces.configure(far, ["link set lo up"])
        with Relay.lay(near=(near, "eth1"), far=(far, "eth0")) as relay:
            namespaces.configure(near, ["addr add 10.77.0.1/24 dev eth1"])
            namespaces.configure(far, [f"addr add {each}/24 dev eth0" for each in _WIRE])
            relay.set(delay_ms=_DELAY_MS)
            yield relay
    finally:
        namespaces.remove_namespace(far)


@contextlib.contextmanager
def _serve(namespace: str, folder: Path, address: str) -> Iterator[None]:
    certificate, key = Authority(folder).sign("server", f"IP:{address}")
    path = folder / "nginx-queue.conf"
    path.write_text(build_nginx(folder, certificate, key, address), encoding="ascii")
    server = namespaces.popen(
        namespace,
        ["nginx", "-p", str(folder), "-c", str(path), "-e", "stderr"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        server.terminate()
        server.wait(10)


def _enable_offloads(namespace: str, interface: str) -> None:
    namespaces.run(
        *("ip", "netns", "exec", namespace, "ethtool", "-K", interface),
        *("tx", "on", "tso", "on", "gso", "on", "gro", "on"),
    )
