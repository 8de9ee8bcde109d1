"""The agent's port under ten thousand odd requests and two hundred slow clients.

Rule of this file: the real agent, as it is installed, in a network of its own that leads
nowhere; what it measures meanwhile is read out of its books afterwards. Requests come
from many addresses, so that the limit of requests per address does not spare it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from bench.agent import build_config, install

REQUESTS = 10_000
SLOW_CLIENTS = 200
_WORKERS = 8
#: A probe that leaves later than this after it was due is late.
LATE_MS = 20
_MEMORY_GOAL_MIB = 20
_LATE_GOAL = 0.01
_PORT = 10779
_SEED = 20_261_124
#: The agent begins, looks around and is scraped, before what it needs at rest is read.
_REST_S = 20.0
#: The fuzzing is spread over this long, so that a minute's worth of probes is judged.
_SPREAD_S = 90.0

_PATHS = (
    "/", "/?lang=fr", "/?lang=en&month=2026-10", "/?month=9999-99", "/metrics", "/healthz",
    "/api/v1/status", "/api/v1/ledger", "/api/v1/ledger?from=2026-10-01&to=2026-10-02",
    "/api/v1/ledger?from=1&to=99999999999999999999", "/api/v1/evidence/2026-10",
    "/api/v1/evidence/0000-00", "/favicon.ico", "/../../etc/passwd", "/%2e%2e/%00", "//", "/?" + "a=b&" * 500,
    "/" + "x" * 9_000, "/é", "*", "http://elsewhere.example/",
)  # fmt: skip
_METHODS = (
    "GET",
    "GET",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "OPTIONS",
    "TRACE",
    "get",
    "G\x00T",
    "A" * 300,
)


def build_request(chance: random.Random) -> bytes:
    """One request: as often sound as bent, cut off or no HTTP at all."""
    kind = chance.randrange(10)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 4_000))
    if kind == 1:
        return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(300)
    head = f"{chance.choice(_METHODS)} {chance.choice(_PATHS)} HTTP/{chance.choice(('1.1', '1.0', '2.0', '9', ''))}\r\n"
    head += "Host: device\r\n" * chance.choice((1, 1, 1, 0, 2))
    if kind == 2:
        head += "".join(f"X-{number}: {'v' * 50}\r\n" for number in range(chance.randrange(400)))
    if kind == 3:
        head += f"Content-Length: {chance.choice(('10', '-1', '99999999999', 'x', '5, 6'))}\r\n"
    if kind == 4:
        head += "Transfer-Encoding: chunked\r\n"
    if kind == 5:
        head += "Accept-Encoding: gzip\r\nAccept: application/openmetrics-text\r\n"
    if kind == 6:
        head += f"Authorization: {chance.choice(('Bearer', 'Basic'))} {'=' * chance.randrange(3_000)}\r\n"
    request = (head + "\r\n").encode("latin-1")
    if kind in (3, 4):
        request += chance.randbytes(chance.randrange(2_000))
    if kind == 7:  # bent somewhere
        place = chance.randrange(len(request))
        request = request[:place] + chance.randbytes(1) + request[place + 1 :]
    if kind == 8:  # cut off
        request = request[: chance.randrange(1, len(request))]
    if kind == 9:  # several at once
        request *= chance.randrange(2, 8)
    return request


class Fuzzers:
    """Threads that send requests and note what came back: a status, or how it ended."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(number,)) for number in range(_WORKERS)
        ]

    def run(self) -> None:
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        chance = random.Random(_SEED + number)
        share = REQUESTS // _WORKERS
        began = time.monotonic()
        for done in range(share):
            time.sleep(max(0.0, began + done * _SPREAD_S / share - time.monotonic()))
            address = f"127.0.{chance.randrange(1, 4)}.{chance.randrange(1, 250)}"
            outcome = exchange(build_request(chance), address)
            with self._lock:
                self.answers[outcome] += 1


def exchange(request: bytes, address: str) -> str:
    """Send and read to the end, five seconds at most: the status, ``closed`` or ``open``."""
    with socket.socket() as stream:
        stream.settimeout(5)
        stream.bind((address, 0))
        try:
            stream.connect(("127.0.0.1", _PORT))
            stream.sendall(request)
            stream.shutdown(socket.SHUT_WR)
            answer = stream.recv(65_536)
            while answer and stream.recv(65_536):
                pass
        except TimeoutError:
            return "open"
        except OSError:
            return "closed"
    if not answer.startswith(b"HTTP/1."):
        return "closed" if not answer else "no HTTP"
    return answer[9:12].decode("latin-1")


class SlowClients:
    """Connections that dawdle: one byte a second, an answer never read, nothing said at all."""

    def __init__(self) -> None:
        self.opened = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _open(self, number: int) -> socket.socket | None:
        stream = socket.socket()
        stream.settimeout(1)
        try:
            stream.bind((f"127.0.{5 + number % 3}.{1 + number % 250}", 0))
            stream.connect(("127.0.0.1", _PORT))
            if number % 3 == 1:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
                stream.sendall(b"GET / HTTP/1.1\r\nHost: device\r\n\r\n" * 4)
            stream.setblocking(False)
        except OSError:
            stream.close()
            return None
        self.opened += 1
        return stream

    def _work(self) -> None:
        streams: list[socket.socket | None] = [None] * SLOW_CLIENTS
        head = b"GET / HTTP/1.1\r\nHost: device\r\nX-Slow: " + b"z" * 10_000
        told = [0] * SLOW_CLIENTS
        while not self._ended.is_set():
            for number in range(SLOW_CLIENTS):
                stream = streams[number]
                if stream is None:
                    streams[number], told[number] = self._open(number), 0
                elif number % 3 == 0:
                    try:
                        stream.send(head[told[number] : told[number] + 1])
                        told[number] += 1
                    except OSError:  # it was shown out: another comes
                        stream.close()
                        streams[number] = None
            self._ended.wait(1)
        for stream in streams:
            if stream is not None:
                stream.close()


def read_resident_mib(process: int, field: str = "VmRSS") -> float:
    """Resident memory of a process as the kernel has it; ``VmHWM``: the most it ever was."""
    for line in Path(f"/proc/{process}/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"{process}: no {field}")


@contextlib.contextmanager
def run_agent(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The installed agent with twenty targets on loopback, once a second each."""
    addresses = [f"127.0.9.{number}" for number in range(1, 21)]
    config = folder / "agent.toml"
    config.write_text(build_config(addresses, folder / "netwatch.db"), encoding="utf-8")
    program = folder / "installed" / "bin" / "netwatch"
    with subprocess.Popen(
        [str(program), "run", "--config", str(config)], stdin=subprocess.DEVNULL
    ) as agent:
        try:
            yield agent
        finally:
            if agent.poll() is None:
                agent.send_signal(signal.SIGTERM)
                agent.wait(timeout=60)


def read_lateness(folder: Path, from_s: float, to_s: float) -> tuple[int, int]:
    """How many pings were due between two instants, and how many of them left late or never."""
    program = folder / "installed" / "bin" / "netwatch"
    told = subprocess.run(
        [program, "export", "--config", str(folder / "agent.toml"), "--format", "jsonl",
         "--what", "observations", "--from", "2026-01-01", "--to", "2100-01-01"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    pings = late = 0
    for line in told.splitlines():
        row = json.loads(line)
        due_s = parse_instant_s(row["due_at"])
        if not from_s <= due_s < to_s or not row["check"].startswith("t"):
            continue
        pings += 1
        late += row["outcome"] in {"skipped", "unknown"} or (row["late_ms"] or 0) > LATE_MS
    return pings, late


def parse_instant_s(text: str) -> float:
    """Seconds since the epoch of an instant as `netwatch export` writes it."""
    return datetime.fromisoformat(text).timestamp()


def main(folder: Path) -> dict[str, Any]:
    """Everything that happens inside the network; prints nothing."""
    with run_agent(folder) as agent:
        until = time.monotonic() + 60
        while exchange(b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n", "127.0.0.1") != "200":
            assert time.monotonic() < until, "the agent does not answer"
            time.sleep(0.5)
        time.sleep(_REST_S)
        exchange(b"GET /metrics HTTP/1.1\r\nHost: d\r\n\r\n", "127.0.0.1")
        rest_mib = read_resident_mib(agent.pid)
        began_s = time.time()
        with SlowClients() as slow:
            fuzzers = Fuzzers()
            fuzzers.run()
        ended_s = time.time()
        alive = agent.poll() is None
        peak_mib = read_resident_mib(agent.pid, "VmHWM") if alive else None
        answers_after = exchange(b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n", "127.0.0.1")
    pings, late = read_lateness(folder, began_s, ended_s)
    return {
        "requests": sum(fuzzers.answers.values()),
        "slow_clients": SLOW_CLIENTS,
        "slow_connections": slow.opened,
        "answers": dict(sorted(fuzzers.answers.items())),
        "alive": alive and answers_after == "200",
        "rest_mib": round(rest_mib, 1),
        "peak_mib": None if peak_mib is None else round(peak_mib, 1),
        "seconds": round(ended_s - began_s, 1),
        "pings": pings,
        "late": late,
    }


def run() -> dict[str, Any]:
    """Install, fuzz in a network of its own, judge."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        told = subprocess.run(
            ["unshare", "--net", "sh", "-c", 'ip link set lo up && ip route add default dev lo && exec "$@"', "sh",
             sys.executable, "-m", "bench.fuzz", name],
            check=True, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        ).stdout  # fmt: skip
    figures: dict[str, Any] = json.loads(told.splitlines()[-1])
    grown_mib = None if figures["peak_mib"] is None else figures["peak_mib"] - figures["rest_mib"]
    late_share = figures["late"] / figures["pings"] if figures["pings"] else 1.0
    return {
        "what": f"{REQUESTS} odd requests and {SLOW_CLIENTS} slow clients on the agent's port",
        "goal": f"no crash; memory at most {_MEMORY_GOAL_MIB} MB above rest; "
        f"under 1 % of the probes over {LATE_MS} ms late",
        **figures,
        "grown_mib": None if grown_mib is None else round(grown_mib, 1),
        "late_share": round(late_share, 5),
        "reached": figures["alive"]
        and grown_mib is not None
        and grown_mib <= _MEMORY_GOAL_MIB
        and late_share < _LATE_GOAL
        and figures["answers"].get("500", 0) == 0
        and figures["answers"].get("no HTTP", 0) == 0,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
