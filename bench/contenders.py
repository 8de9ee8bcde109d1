"""The other pingers, each as it is meant to be used, started in a namespace and a CPU group.

Rule of this file: it starts them and reads their figures; it compares nothing.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from bench.groups import CpuGroup
from tests.netlab import namespaces

ROOT = Path(__file__).resolve().parent.parent
SMOKEPING_PORT, BLACKBOX_PORT = 9374, 9115
_BLACKBOX = """
modules:
  icmp: {prober: icmp, timeout: 2s, icmp: {preferred_ip_protocol: ip4}}
"""
_FPING_LINE = re.compile(r" : \[(\d+)\], .*?bytes, ([0-9.]+) ms")


class Contender:
    """A program in its namespace and group; ended when left."""

    def __init__(self, label: str, namespace: str, command: list[str]) -> None:
        self.label = label
        self.group = CpuGroup(label)
        self.namespace = namespace
        self._command = command
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- lives as long as the contender: closed in __exit__
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        self.group.__enter__()
        self.start(self._command)
        return self

    def start(self, command: list[str], *, collect: bool = True) -> None:
        """Starts one more program in the same group."""
        # The group first: inside the namespace /sys is another, without it.
        started = subprocess.Popen(
            self.group.entering(["ip", "netns", "exec", self.namespace, *command]),
            text=True,
            stdout=self._output if collect else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        self._processes.append(started)

    @property
    def alive(self) -> bool:
        return self._processes[0].poll() is None

    def finish(self) -> str:
        """Lifts the limit, asks the first program to end, and gives what it printed."""
        self.group.limit(None)
        for extra in self._processes[1:]:
            extra.kill()
        self._processes[0].send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._processes[0].wait(30)
        self._output.seek(0)
        return self._output.read()

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._output.close()
        self.group.__exit__()


def build_python(kind: str, targets: list[str], interval_ms: int, *extra: str) -> list[str]:
    """The ICMP loop of netwatch (``loop``) or the ping of ping3 (``ping3``)."""
    return [
        sys.executable, "-m", "bench.ping_child", kind,
        "--targets", ",".join(targets), "--interval-ms", str(interval_ms), *extra,
    ]  # fmt: skip


def build_fping(targets: list[str], interval_ms: int) -> list[str]:
    return ["fping", "-l", "-D", "-i", "1", "-p", str(interval_ms), "-t", "2000", *targets]


def build_smokeping(
    targets: list[str], interval_ms: int, buckets_s: Sequence[float] | None = None
) -> list[str]:
    """With its own buckets, unless others are asked for."""
    buckets = "" if buckets_s is None else ",".join(f"{bound:.6f}" for bound in buckets_s)
    return [
        "prometheus-smokeping-prober", "--config.file=",
        f"--web.listen-address=127.0.0.1:{SMOKEPING_PORT}",
        f"--ping.interval={interval_ms}ms", "--privileged",
        *([f"--buckets={buckets}"] if buckets else []), *targets,
    ]  # fmt: skip


def build_blackbox(folder: str) -> list[str]:
    config = Path(folder, "blackbox.yml")
    config.write_text(_BLACKBOX)
    return [
        "prometheus-blackbox-exporter", f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{BLACKBOX_PORT}",
    ]  # fmt: skip


def parse_fping(text: str) -> list[tuple[int, int]]:
    """Sequence and round trip in microseconds.

    >>> parse_fping("[1790000000.1] 192.0.2.1 : [3], 64 bytes, 20.1 ms (20.1 avg, 0% loss)")
    [(3, 20100)]
    """
    return [
        (int(sequence), round(float(delay) * 1_000))
        for sequence, delay in _FPING_LINE.findall(text)
    ]


def fetch(namespace: str, port: int, path: str, timeout_s: float = 10) -> str:
    """The body of a page of a program in the namespace."""
    with namespaces.connect_in(namespace, ("127.0.0.1", port), timeout_s) as opened:
        opened.sendall(f"GET {path} HTTP/1.0\r\nHost: bench\r\n\r\n".encode())
        parts = []
        while part := opened.recv(65_536):
            parts.append(part)
    return b"".join(parts).partition(b"\r\n\r\n")[2].decode()


def wait_for(namespace: str, port: int) -> None:
    """Until the port answers."""
    for _ in range(100):
        try:
            fetch(namespace, port, "/metrics")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"nothing answers on port {port}")


class BlackboxScraper:
    """Asks blackbox_exporter about each target every ``interval_ms``, as Prometheus would."""

    def __init__(self, namespace: str, targets: list[str], interval_ms: int) -> None:
        self._namespace = namespace
        self._stop = threading.Event()
        self.samples: list[tuple[int, int]] = []
        step_s = interval_ms / 1_000 / len(targets)
        self._threads = [
            threading.Thread(target=self._ask, args=(target, interval_ms / 1_000, index * step_s))
            for index, target in enumerate(targets)
        ]

    def _ask(self, target: str, interval_s: float, offset_s: float) -> None:
        due = time.monotonic() + offset_s
        while not self._stop.wait(max(0, due - time.monotonic())):
            due = max(due + interval_s, time.monotonic())
            start_ns = time.monotonic_ns()
            try:
                page = fetch(self._namespace, BLACKBOX_PORT, f"/probe?module=icmp&target={target}")
            except OSError:
                continue
            found = re.search(r'probe_icmp_duration_seconds\{phase="rtt"\} (\S+)', page)
            if found and "probe_success 1" in page:
                self.samples.append((start_ns, round(float(found[1]) * 1e6)))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def parse_smokeping(page: str) -> dict[float, int]:
    """Cumulative counts by upper bound in seconds.

    >>> parse_smokeping('smokeping_response_duration_seconds_bucket{host="a",le="0.02"} 3')
    {0.02: 3}
    """
    found = re.findall(
        r'^smokeping_response_duration_seconds_bucket\{.*?le="([^"]+)"\} (\S+)', page, re.MULTILINE
    )
    return {float(bound): int(float(count)) for bound, count in found}
