"""The processes under measurement that are Python: netwatch's ICMP loop, and ping3's own ping.

Rule of this file: it is run as a program, pings until it is told to end, and then
writes its samples as JSON: pairs of the sending instant (monotonic ns) and the round
trip in microseconds. ``--saturate`` keeps threads of the same process busy.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["loop", "ping3"])
    parser.add_argument("--targets", required=True)
    parser.add_argument("--interval-ms", type=int, default=1_000)
    parser.add_argument("--saturate", action="store_true")
    options = parser.parse_args()
    if options.saturate:
        for _ in range(2):
            threading.Thread(target=burn, daemon=True).start()
    run = run_loop if options.kind == "loop" else run_ping3
    print(json.dumps(run(options.targets.split(","), options.interval_ms)), flush=True)


def burn() -> None:
    while True:
        sum(range(1_000))


def run_loop(addresses: list[str], interval_ms: int) -> list[tuple[int, int]]:
    from netwatch.clock import SystemClock
    from netwatch.core.cadence import Cadence
    from netwatch.core.round_plan import CadenceTarget
    from netwatch.probes.icmp_loop import IcmpLoop
    from netwatch.probes.icmp_open import open_icmp_sockets
    from netwatch.probes.icmp_report import IcmpTarget, LoopReport
    from netwatch.records import Role

    clock = SystemClock()
    samples: list[tuple[int, int]] = []

    def take(report: LoopReport) -> None:
        samples.extend(
            (probe.sent_ms * 1_000_000, probe.rtt_us)
            for probe in report.probes
            if probe.rtt_us is not None
        )

    cadence = Cadence(
        [CadenceTarget(id=address, role=Role.INTERNET) for address in addresses],
        interval_ms=interval_ms,
        burst_interval_ms=interval_ms,
        timeout_ms=2_000,
        start_ms=clock.monotonic_ms(),
    )
    cadence.burst_allowed = False
    with open_icmp_sockets() as sockets:
        loop = IcmpLoop(
            sockets=sockets,
            cadence=cadence,
            targets=[IcmpTarget(id=each, address=each, timeout_ms=2_000) for each in addresses],
            clock=clock,
            emit=take,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.stop())
        thread = threading.Thread(target=loop.run)
        thread.start()
        thread.join()
    return samples


def run_ping3(addresses: list[str], interval_ms: int) -> list[tuple[int, int]]:
    import ping3

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    samples: list[tuple[int, int]] = []
    due = time.monotonic()
    while not stop.is_set():
        for sequence, address in enumerate(addresses, start=len(samples)):
            start_ns = time.monotonic_ns()
            delay_ms = ping3.ping(address, timeout=2, unit="ms", seq=sequence & 0xFFFF)
            if delay_ms:
                samples.append((start_ns, round(delay_ms * 1_000)))
        due = max(due + interval_ms / 1_000, time.monotonic())
        stop.wait(max(0, due - time.monotonic()))
    return samples


if __name__ == "__main__":
    main()
