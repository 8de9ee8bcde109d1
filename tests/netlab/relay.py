"""The access line: two namespaces joined by a wire whose faults are switched at known instants.

Rule of this file: it lays and steers the wire (``wire.py`` carries the frames); it
knows no topology. Every instant is on CLOCK_MONOTONIC, the scale of the agent's own
measurements, and comes from the wire process itself: it is the truth of the matter.

    >>> # with Relay.lay(near=("school", "eth0"), far=("target", "eth0")) as relay:
    >>> #     cut_at_ms = relay.set(cut=True)
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.netlab import namespaces
from tests.netlab.namespaces import LabError

_PROGRAM = Path(__file__).with_name("wire.py")


class Crossing(NamedTuple):
    """One ICMP echo that crossed the wire in one direction."""

    direction: str  # outward (near to far) or inward
    what: str  # request or reply
    target: str  # the far address: where requests go, where replies come from
    identifier: int
    sequence: int
    arrived_ns: int  # kernel's stamp at the wire's entry
    left_ns: int  # just before it was handed to the far interface


class RoundTrip(NamedTuple):
    """The wire's truth of one answered echo, seen from the near side."""

    target: str
    identifier: int
    sequence: int
    sent_ns: int  # the request came in
    returned_ns: int  # the reply went out

    @property
    def rtt_us(self) -> float:
        """What a perfect instrument on the near side would read, in microseconds."""
        return (self.returned_ns - self.sent_ns) / 1_000


class Relay:
    """A wire with its controls. Settings last until changed; both directions by default."""

    def __init__(self, namespace: str, *, near: str, far: str, seed: int = 1) -> None:
        """Starts the wire between two interfaces of ``namespace`` that are already there."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = (sys.executable, "-I", "-S", str(_PROGRAM))
            self._process = namespaces.popen(
                namespace,
                [*arguments, str(theirs.fileno()), near, far, str(seed)],
                pass_fds=(theirs.fileno(),),
                stderr=subprocess.PIPE,
            )
        self._control.settimeout(10)
        self.namespace = namespace
        self._ours = False
        if not self._control.recv(65_536):
            assert self._process.stderr is not None
            complaint = self._process.stderr.read().strip()
            self.close()
            raise LabError(f"the wire did not start: {complaint}")

    @classmethod
    def lay(
        cls,
        *,
        near: tuple[str, str],
        far: tuple[str, str],
        namespace: str | None = None,
        seed: int = 1,
    ) -> Relay:
        """Makes a namespace for the wire and a veth to each (namespace, interface), all up.

        Addresses are the caller's to give. MAC addresses are 02:00:00:00:00:01 (near)
        and …:02 (far), so that neighbours can be entered as permanent. Closing the relay
        removes all of it.
        """
        wire = namespace or f"nw{secrets.token_hex(3)}-wire"
        namespaces.add_namespace(wire)
        try:
            namespaces.set_sysctls(
                wire, {"ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/default/disable_ipv6": "1"}
            )
            for side, (owner, interface) in (("near", near), ("far", far)):
                mac = "02:00:00:00:00:01" if side == "near" else "02:00:00:00:00:02"
                veth = (
                    f"link add {side} type veth peer name {interface} address {mac} netns {owner}"
                )
                namespaces.configure(wire, [veth, f"link set {side} up"])
                namespaces.configure(owner, [f"link set {interface} up"])
                namespaces.disable_offloads(owner, interface)
            relay = cls(wire, near="near", far="far", seed=seed)
        except BaseException:
            namespaces.remove_namespace(wire)
            raise
        relay._ours = True
        return relay

    def set(
        self,
        *,
        direction: str | None = None,
        delay_ms: float | None = None,
        loss: float | None = None,
        cut: bool | None = None,
        drop: Iterable[str] | None = None,
        rate_bit_s: int | None = None,
        unlimited: bool = False,
        queue_ms: float | None = None,
    ) -> float:
        """Changes what is given and returns the instant (monotonic ms) at which it held.

        ``delay_ms`` is one way; ``loss`` a probability; ``drop`` words of
        ``wire.classify_frame`` (``("ipv6",)``, ``("echo",)``, ``()`` for none);
        ``rate_bit_s`` of the whole frames, ``unlimited`` takes it away, ``queue_ms``
        is the longest wait for the line before frames are dropped. ``direction`` is
        ``outward``, ``inward`` or None for both.
        """
        settings: dict[str, object] = {}
        if delay_ms is not None:
            settings["delay_ns"] = round(delay_ms * 1_000_000)
        if loss is not None:
            settings["loss"] = loss
        if cut is not None:
            settings["cut"] = cut
        if drop is not None:
            settings["drop"] = sorted(drop)
        if rate_bit_s is not None or unlimited:
            settings["rate_bit_s"] = rate_bit_s
        if queue_ms is not None:
            settings["queue_ns"] = round(queue_ms * 1_000_000)
        ways = (direction,) if direction else ("outward", "inward")
        at_ns: int = self._ask("set", **dict.fromkeys(ways, settings))["at_ns"]
        return at_ns / 1_000_000

    def counts(self) -> dict[str, dict[str, int]]:
        """Frames by direction and fate: in, out, lost, cut, dropped, overflow."""
        answer = self._ask("counts")
        return {name: answer[name] for name in ("outward", "inward")}

    def start_log(self) -> None:
        """From now on every echo that crosses is remembered."""
        self._ask("log", on=True)

    def crossings(self) -> list[Crossing]:
        """The echoes that crossed since the log was started or last read, in order."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "crossings")
            self._ask("write_log", path=str(path))
            lines = path.read_text().splitlines()
        return [parse_crossing(line) for line in lines]

    def round_trips(self) -> list[RoundTrip]:
        """The answered echoes among :meth:`crossings`, in the order of their answers."""
        return match_round_trips(self.crossings())

    def close(self) -> None:
        """Ends the wire, and removes what :meth:`lay` made."""
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        if self._ours:
            namespaces.remove_namespace(self.namespace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, order: str, **details: object) -> dict[str, Any]:
        self._control.send(json.dumps({"do": order, **details}).encode())
        received = self._control.recv(65_536) or b'{"error": "the wire has ended"}'
        answer: dict[str, Any] = json.loads(received)
        if "error" in answer:
            raise LabError(f"wire: {order}: {answer['error']}")
        return answer


def parse_crossing(line: str) -> Crossing:
    """One line of the wire's log.

    >>> parse_crossing("outward request 192.0.2.1 7 1 1000 21000").target
    '192.0.2.1'
    """
    direction, what, target, *numbers = line.split()
    identifier, sequence, arrived_ns, left_ns = map(int, numbers)
    return Crossing(direction, what, target, identifier, sequence, arrived_ns, left_ns)


def match_round_trips(crossings: Iterable[Crossing]) -> list[RoundTrip]:
    """Joins each reply with the newest request of its target, identifier and sequence.

    >>> there = Crossing("outward", "request", "192.0.2.1", 7, 1, 1_000, 2_000)
    >>> back = Crossing("inward", "reply", "192.0.2.1", 7, 1, 2_500, 4_000)
    >>> [trip.rtt_us for trip in match_round_trips([there, back])]
    [3.0]
    """
    sent: dict[tuple[str, int, int], int] = {}
    trips = []
    for crossing in crossings:
        key = (crossing.target, crossing.identifier, crossing.sequence)
        if (crossing.direction, crossing.what) == ("outward", "request"):
            sent[key] = crossing.arrived_ns
        elif (crossing.direction, crossing.what) == ("inward", "reply") and key in sent:
            trips.append(RoundTrip(*key, sent.pop(key), crossing.left_ns))
    return trips
