"""A school, an operator's router that shapes, and a server: three namespaces in a row.

Rule of this file: it lays the line and starts iperf3 at its end; it measures nothing. The
queue is in the router, as it is in a real box: in the sender's own machine the kernel would
keep its queue short. tbf holds ``queue_bytes`` in each direction, whole frames.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.netlab import namespaces
from tests.netlab.namespaces import LabError

SERVERS = ("10.77.1.2", "10.77.1.3", "10.77.1.4")
PORT = 5201


class ShapedLine:
    """``with ShapedLine(20, queue_ms=100) as line``: programs run in ``line.school``."""

    def __init__(self, megabit_s: int, *, queue_ms: int, burst_bytes: int = 5_000) -> None:
        self.megabit_s = megabit_s
        self._burst_bytes = burst_bytes
        self.queue_us = queue_ms * 1_000
        self._queue_bytes = megabit_s * 125 * queue_ms
        prefix = f"nwshape{secrets.token_hex(3)}"
        self.school, self.router, self.server = (
            f"{prefix}-{name}" for name in ("school", "router", "server")
        )
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            for name in (self.school, self.router, self.server):
                namespaces.add_namespace(name)
                undo.callback(namespaces.remove_namespace, name)
                namespaces.configure(name, ["link set lo up"])
            self._lay(self.school, "10.77.0", ["1"], "left")
            self._lay(
                self.server, "10.77.1", [each.rpartition(".")[2] for each in SERVERS], "right"
            )
            namespaces.set_sysctls(self.router, {"ipv4/ip_forward": "1"})
            iperf3 = namespaces.popen(
                self.server,
                ["iperf3", "-s", "-p", str(PORT)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            undo.callback(_end, iperf3)
            self._wait()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _lay(self, name: str, network: str, hosts: list[str], port: str) -> None:
        """One end: a wire to the router, its addresses, the default route, and the shaper."""
        namespaces.configure(
            name, [f"link add eth0 type veth peer name {port} netns {self.router}"]
        )
        namespaces.configure(
            name,
            [*(f"addr add {network}.{host}/24 dev eth0" for host in hosts), "link set eth0 up"],
        )
        namespaces.configure(
            self.router, [f"addr add {network}.254/24 dev {port}", f"link set {port} up"]
        )
        # What devices and servers have by default, whatever this machine has.
        namespaces.configure(name, [f"route add default via {network}.254 congctl cubic"])
        namespaces.disable_offloads(name, "eth0")
        namespaces.disable_offloads(self.router, port)
        namespaces.run(
            *("ip", "netns", "exec", self.router, "tc", "qdisc", "add", "dev", port, "root"),
            *("tbf", "rate", f"{self.megabit_s}mbit", "burst", str(self._burst_bytes)),
            *("limit", str(self._queue_bytes)),
        )

    def _wait(self) -> None:
        for _ in range(200):
            with contextlib.suppress(OSError):
                namespaces.connect_in(self.school, (SERVERS[0], PORT), 1).close()
                return
            time.sleep(0.05)
        raise LabError("iperf3 does not answer through the shaped line")


def write_config(path: Path, **bandwidth: str) -> Path:
    """A configuration of the school; ``bandwidth`` are lines of its table, as TOML values."""
    targets = "".join(
        f'[[target]]\nname = "server-{number}"\nrole = "internet"\naddress = "{address}"\n'
        for number, address in enumerate(SERVERS)
    )
    lines = "".join(f"{key} = {value}\n" for key, value in bandwidth.items())
    path.write_text(
        '[site]\nid = "ecole"\n[clock]\ntrusted = true\n'
        f'[store]\npath = "{path.parent}/netwatch.db"\n{targets}'
        f'[bandwidth]\n{lines}[bandwidth.iperf3]\nserver = "{SERVERS[0]}"\n',
        encoding="utf-8",
    )
    return path


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
