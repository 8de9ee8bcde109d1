"""The lab: builds the network, switches its faults, and takes every trace of it away.

Rule of this file: it owns the namespaces and the processes in them. It knows nothing
of verdicts; what a fault does is in ``faults.py``, what an agent should make of it in
``scenario.py``.

Several labs can stand side by side. Each leaves a file with its process id in
``/run/netwatch-lab``; whoever builds a lab first removes those of processes that have gone.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.netlab import config, namespaces, topology
from tests.netlab.faults import FAULTS
from tests.netlab.namespaces import LabError
from tests.netlab.relay import Relay

_STATE = Path("/run/netwatch-lab")
_SERVICES = Path(__file__).with_name("services.py")
#: One way, on the access line: 10 ms there and back.
DELAY_MS = 5.0
AGENT_PORT = 10_779


def now_ms() -> float:
    """CLOCK_MONOTONIC in milliseconds: the scale of all instants in the lab."""
    return time.monotonic_ns() / 1_000_000


class Lab:
    """A network with its faults; use it in a ``with`` statement.

    Public attributes: ``names`` (namespace by role: school, switch, box, operator,
    internet, wire) and ``relay`` (the access line).
    """

    def __init__(self, *, seed: int = 1) -> None:
        self._seed = seed
        self.prefix = f"nwlab-{secrets.token_hex(3)}"
        self.names = {role: f"{self.prefix}-{role}" for role in (*topology.NAMESPACES, "wire")}
        self._closing = contextlib.ExitStack()
        self._active: dict[str, float] = {}
        self.relay: Relay

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces, which only root may: sudo make lab")
        remove_dead_labs()
        with contextlib.ExitStack() as undo:
            undo.callback(remove_lab, self.prefix)
            _STATE.mkdir(exist_ok=True)
            (_STATE / self.prefix).write_text(f"{os.getpid()} {read_start_time(os.getpid())}")
            self._build(undo)
            self._closing = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _build(self, undo: contextlib.ExitStack) -> None:
        for role in topology.NAMESPACES:
            namespaces.add_namespace(self.names[role])
            namespaces.set_sysctls(self.names[role], topology.build_sysctls(role))
        for role, lines in topology.build_links(self.names).items():
            namespaces.configure(self.names[role], lines)
        self.relay = undo.enter_context(
            Relay.lay(
                near=(self.names["box"], "wan"),
                far=(self.names["operator"], "access"),
                namespace=self.names["wire"],
                seed=self._seed,
            )
        )
        self.relay.set(delay_ms=DELAY_MS)
        for role, lines in topology.build_addresses().items():
            namespaces.configure(self.names[role], lines)
        for role, rules in topology.FIREWALLS.items():
            self.nft(role, rules)
        namespaces.write_resolv_conf(self.names["school"], [topology.GATEWAY])
        self.controls = {
            role: undo.enter_context(namespaces.socket_in(self.names[role]))
            for role in topology.NAMESPACES
        }
        services = [
            undo.enter_context(self._serve("internet")),
            undo.enter_context(self._serve("portal", namespace="box")),
        ]
        undo.enter_context(self._start_resolver())
        for service in services:
            assert service.stdout is not None
            if service.stdout.readline() != "ready\n":
                raise LabError("a server of the lab did not start")
        self._wait_for_answers()

    @contextlib.contextmanager
    def _serve(self, what: str, namespace: str | None = None) -> Iterator[subprocess.Popen[str]]:
        process = self.popen(
            [sys.executable, "-I", str(_SERVICES), what],
            namespace=namespace or what,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            yield process
            process.kill()

    @contextlib.contextmanager
    def _start_resolver(self) -> Iterator[subprocess.Popen[str]]:
        options = (
            "--keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --no-resolv"
            " --no-hosts --bind-interfaces --cache-size=0 --server=203.0.113.53"
            f" --listen-address={topology.GATEWAY},{topology.GATEWAY_IPV6}"
        )
        arguments = ["dnsmasq", *options.split()]
        with self.popen(arguments, namespace="box", stderr=subprocess.DEVNULL) as process:
            yield process
            process.kill()

    def _wait_for_answers(self) -> None:
        """Until the school reaches the internet; fills the neighbour tables on the way."""
        deadline = time.monotonic() + 15
        addresses = (topology.HOSTS["albane"], topology.HOSTS_IPV6["albane6"])
        for address in addresses:
            while True:
                try:
                    namespaces.connect_in(self.names["school"], (address, 443), 1).close()
                    break
                except OSError as error:
                    if time.monotonic() > deadline:
                        raise LabError(f"the school does not reach {address}: {error}") from error
                    time.sleep(0.05)

    def popen(
        self, arguments: Sequence[str], *, namespace: str = "school", **options: object
    ) -> subprocess.Popen[str]:
        """Starts a program in a namespace, by its role; ``options`` are Popen's."""
        return namespaces.popen(self.names[namespace], arguments, **options)

    def run(self, *arguments: str, namespace: str = "school") -> str:
        """Runs a program in a namespace and returns its output; LabError when it fails."""
        return namespaces.run("ip", "netns", "exec", self.names[namespace], *arguments)

    def nft(self, role: str, rules: str) -> float:
        """Applies nft rules in a namespace; returns the instant at which they held."""
        self_name = self.names[role]
        namespaces.run("ip", "netns", "exec", self_name, "nft", "-f", "-", given=rules + "\n")
        return now_ms()

    def on(self, fault: str) -> float:
        """Switches a fault on; returns the instant (monotonic ms) at which it held."""
        at_ms = FAULTS[fault].on(self)
        self._active[fault] = at_ms
        return at_ms

    def off(self, fault: str) -> float:
        """Switches a fault off; returns the instant (monotonic ms) at which it was gone."""
        self._active.pop(fault, None)
        return FAULTS[fault].off(self)

    @property
    def active(self) -> dict[str, float]:
        """The faults that are on, with the instant of each."""
        return dict(self._active)

    @contextlib.contextmanager
    def fault(self, name: str) -> Iterator[float]:
        """A fault for the length of a ``with`` block; yields the instant of its start."""
        yield self.on(name)
        self.off(name)

    def clear(self) -> float:
        """Switches every fault off; returns the instant after the last."""
        for fault in list(self._active):
            self.off(fault)
        return now_ms()

    def write_config(
        self,
        folder: Path,
        *,
        first_hop: str = "auto",
        ipv6: bool = True,
        targets: Sequence[Mapping[str, object]] = (),
        **sections: Mapping[str, object],
    ) -> Path:
        """Writes ``agent.toml`` for an agent in the school: see ``config.build_config``."""
        path = folder / "agent.toml"
        text = config.build_config(
            str(folder / "netwatch.db"),
            AGENT_PORT,
            first_hop=first_hop,
            ipv6=ipv6,
            targets=targets,
            **sections,
        )
        path.write_text(text, encoding="utf-8")
        return path

    def get(self, path: str, timeout_s: float = 5.0) -> tuple[int, str]:
        """(status, body) of a request to the agent's port, made from inside the school."""
        address = ("127.0.0.1", AGENT_PORT)
        connection = http.client.HTTPConnection(*address)
        connection.sock = namespaces.connect_in(self.names["school"], address, timeout_s)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept-Language": "en"})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def read_json(self, path: str) -> dict[str, Any]:
        """The JSON object that the agent answers; LabError when it answers anything but 200."""
        status, body = self.get(path)
        if status != 200:
            raise LabError(f"GET {path}: HTTP {status}: {body[:200]}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def read_status(self) -> dict[str, Any]:
        """``/api/v1/status``."""
        return self.read_json("/api/v1/status")

    def read_metrics(self) -> str:
        """``/metrics`` as text."""
        return self.get("/metrics")[1]


def read_start_time(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None when there is no such process.

    With the process id it names a process for good, for ids are used again.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def remove_lab(prefix: str) -> None:
    """Removes whatever there is of a lab."""
    for name in namespaces.find_namespaces(f"{prefix}-"):
        namespaces.remove_namespace(name)
    (_STATE / prefix).unlink(missing_ok=True)


def remove_dead_labs() -> list[str]:
    """Removes the labs whose process has gone; returns their prefixes."""
    removed = []
    for path in sorted(_STATE.glob("nwlab-*")):
        try:
            pid, started = path.read_text().split()
        except (FileNotFoundError, ValueError):
            continue  # being written, or just removed, by another
        if read_start_time(int(pid)) != started:
            remove_lab(path.name)
            removed.append(path.name)
    return removed
