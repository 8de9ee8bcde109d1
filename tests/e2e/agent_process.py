"""The real agent process on a network of its own, to be killed, stopped and starved.

Rule of this file: it starts the program as systemd would, hears what it notifies, and asks
its page. It judges nothing. Needs root, for the network namespace.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from tests.netlab import namespaces
from tests.netlab.config import build_keys, build_table

PROGRAM = Path(sys.executable).with_name("netwatch")
PORT = 10_779
GATEWAY = "192.168.1.1"
TARGETS = tuple(f"198.51.100.{number}" for number in range(1, 21))


@contextlib.contextmanager
def lone_network() -> Iterator[str]:
    """A namespace that reaches nothing but itself, with a carrier, an address and a way out."""
    name = f"nwe2e-{secrets.token_hex(4)}"
    namespaces.add_namespace(name)
    try:
        lines = [
            "link set lo up",
            "link add eth0 type veth peer name far",
            "addr add 192.168.1.50/24 dev eth0",
            "link set eth0 up",
            "link set far up",
            f"addr add {GATEWAY}/32 dev lo",
            "route add default via 192.168.1.254 dev eth0",
            *(f"addr add {address}/32 dev lo" for address in TARGETS),
        ]
        namespaces.configure(name, lines)
        with answering_names(name):
            yield name
    finally:
        namespaces.remove_namespace(name)


@contextlib.contextmanager
def answering_names(network: str) -> Iterator[None]:
    """A resolver that answers every question at once, with nothing."""
    with namespaces.socket_in(network, socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((GATEWAY, 53))

        def answer() -> None:
            while True:
                question, asker = opened.recvfrom(4096)
                if not question:
                    return
                # QR, RD and RA set, no error; the question as it came, no answers.
                opened.sendto(question[:2] + b"\x81\x80" + question[4:], asker)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        with namespaces.socket_in(network, socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (GATEWAY, 53))
        thread.join()


def write_config(folder: Path, books: Path, /, **sections: Mapping[str, object]) -> Path:
    """Twenty internet targets, a gateway and a resolver, all of which answer at once."""
    document: dict[str, Mapping[str, object]] = {
        "site": {"id": "e2e"},
        "store": {"path": str(books)},
        "clock": {"trusted": True},
        "http": {"listen": f"127.0.0.1:{PORT}"},
    }
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section}
    targets: list[Mapping[str, object]] = [
        {"name": "gateway", "role": "gateway", "address": GATEWAY},
        {"name": "first-hop", "role": "first_hop", "address": GATEWAY},
        {"name": "resolver", "role": "resolver", "address": GATEWAY},
        *(
            {"name": f"net{index}", "role": "internet", "address": address}
            for index, address in enumerate(TARGETS)
        ),
    ]
    text = "".join(build_table(name, section) for name, section in document.items())
    text += "".join("[[target]]\n" + build_keys(target) + "\n" for target in targets)
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return path


class AgentProcess:
    """``netwatch run`` in a namespace; what it notifies is in ``told``, with the instant.

    ``before`` is put in front of the command (``unshare -m sh -c …``).
    """

    def __init__(
        self,
        network: str,
        config: Path,
        *,
        watchdog_us: int | None = None,
        before: tuple[str, ...] = (),
    ) -> None:
        self._network = network
        self._log = config.with_name("agent.log")
        self._command = [*before, str(PROGRAM), "run", "--config", str(config)]
        self._watchdog_us = watchdog_us
        self.told: list[tuple[float, str]] = []

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A name of the abstract kind belongs to a network namespace, one in a folder to all.
        self._address = f"/tmp/nwe2e-{secrets.token_hex(6)}"
        self._socket.bind(self._address)
        environment = {**os.environ, "NOTIFY_SOCKET": self._address}
        if self._watchdog_us is not None:
            environment["WATCHDOG_USEC"] = str(self._watchdog_us)
        with self._log.open("a", encoding="utf-8") as log:
            self.process = namespaces.popen(
                self._network, self._command, stdout=log, stderr=log, env=environment
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        # An empty datagram ends the listener.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._address)
        self._listener.join()
        self._socket.close()
        Path(self._address).unlink()

    def kill(self) -> float:
        """SIGKILL; the wall clock's milliseconds at which it was sent."""
        at_ms = time.time() * 1000
        self.process.kill()
        self.process.wait()
        return at_ms

    def end(self) -> int:
        """SIGTERM, as systemd would; the exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def await_ready(self) -> None:
        self.wait_for(lambda: any("READY=1" in text for _, text in self.told), "is not ready")

    def wait_for(
        self, condition: Callable[[], object], complaint: str, seconds: float = 40
    ) -> None:
        """Until ``condition()`` is true, no answer counting as false."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if condition():
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the agent {complaint}; its log:\n{self.read_log()[-3000:]}")
            time.sleep(0.1)

    def read_log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a request made from inside the namespace."""
        address = ("127.0.0.1", PORT)
        connection = http.client.HTTPConnection(*address)
        connection.sock = namespaces.connect_in(self._network, address)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept-Language": "en"})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def read_status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get("/api/v1/status")[1])
        return answer

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            self.told.append((time.monotonic(), message.decode()))
