"""CPU and memory of pinging 20 targets once a second, beside the exporters that people use.

Rule of this file: all contenders ping the same addresses over the same wire at the same
time, each in a CPU group of its own, whose account is the kernel's. What the scraper of
an exporter costs is not counted against the exporter.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench import contenders
from bench.contenders import BlackboxScraper, Contender
from tests.netlab import namespaces

TARGETS = tuple(f"10.78.0.{100 + index}" for index in range(20))
INTERVAL_MS = 1_000
#: Prometheus asks for the figures this often.
SCRAPE_S = 15.0
_WARM_UP_S = 5.0

#: Given the addresses to ping once a second, the command that does it until it is told to end.
AgentCommand = Callable[[Sequence[str]], list[str]]


def build_loop_command(addresses: Sequence[str]) -> list[str]:
    """The ICMP loop alone, without store, metrics and page."""
    return contenders.build_python("loop", list(addresses), INTERVAL_MS)


def run(
    seconds: int, agent: AgentCommand = build_loop_command, agent_port: int | None = None
) -> dict[str, Any]:
    """CPU in percent of one core, resident MiB, and ratios to the other two.

    ``agent_port``: where the agent's ``/metrics`` is scraped, as the others' are.
    """
    with contextlib.ExitStack() as stack:
        near = stack.enter_context(_lay_wire())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        commands = {
            "netwatch": agent(TARGETS),
            "smokeping_prober": contenders.build_smokeping(list(TARGETS), INTERVAL_MS),
            "blackbox_exporter": contenders.build_blackbox(folder),
            "fping": contenders.build_fping(list(TARGETS), INTERVAL_MS),
        }
        programs = {
            label: stack.enter_context(Contender(label, near, command))
            for label, command in commands.items()
        }
        ports = [contenders.SMOKEPING_PORT, *([agent_port] if agent_port else [])]
        for port in (*ports, contenders.BLACKBOX_PORT):
            contenders.wait_for(near, port)
        scraper = stack.enter_context(BlackboxScraper(near, list(TARGETS), INTERVAL_MS))
        stack.enter_context(_scrape(near, ports))
        time.sleep(_WARM_UP_S)
        asked_before, start = len(scraper.samples), time.monotonic()
        used = {label: program.group.used_s() for label, program in programs.items()}
        time.sleep(seconds)
        elapsed = time.monotonic() - start
        figures = {
            label: {
                "cpu_percent": round(100 * (program.group.used_s() - used[label]) / elapsed, 3),
                "resident_mib": round(program.group.resident_bytes() / 2**20, 1),
            }
            for label, program in programs.items()
        }
        asked = len(scraper.samples) - asked_before
        for label, program in programs.items():
            if not program.alive:
                raise RuntimeError(f"{label} ended before it was asked to")
    ours = figures["netwatch"]["cpu_percent"]
    return {
        "what": f"{len(TARGETS)} targets once a second",
        "goal": "CPU no more than smokeping_prober's in the same run",
        "reached": 0 < ours <= figures["smokeping_prober"]["cpu_percent"],
        "seconds": round(elapsed, 1),
        "programs": figures,
        "blackbox_probes_per_second": round(asked / elapsed, 2),
        "ratio_to_smokeping_prober": _divide(ours, figures["smokeping_prober"]["cpu_percent"]),
        "ratio_to_blackbox_exporter": _divide(ours, figures["blackbox_exporter"]["cpu_percent"]),
    }


def _divide(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole else None


@contextlib.contextmanager
def _lay_wire() -> Iterator[str]:
    prefix = f"nwb{secrets.token_hex(3)}"
    near, far = f"{prefix}-near", f"{prefix}-far"
    try:
        for name in (near, far):
            namespaces.add_namespace(name)
            namespaces.configure(name, ["link set lo up"])
        namespaces.configure(near, [f"link add eth0 type veth peer name eth0 netns {far}"])
        namespaces.configure(near, ["addr add 10.78.0.1/24 dev eth0", "link set eth0 up"])
        namespaces.configure(
            far, [*(f"addr add {each}/24 dev eth0" for each in TARGETS), "link set eth0 up"]
        )
        yield near
    finally:
        for name in (near, far):
            namespaces.remove_namespace(name)


@contextlib.contextmanager
def _scrape(near: str, ports: Sequence[int]) -> Iterator[None]:
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(SCRAPE_S):
            for port in ports:
                with contextlib.suppress(OSError):
                    contenders.fetch(near, port, "/metrics")

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
