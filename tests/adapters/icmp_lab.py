"""Four namespaces in a row for the ICMP tests: agent – box – operator – internet.

Rule of this file: it lays the path and forges answers; it tests nothing.
"""

from __future__ import annotations

import secrets
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Self

from netwatch.clock import SystemClock
from netwatch.probes.icmp_exchange import Settled
from netwatch.probes.icmp_once import echo_once
from netwatch.probes.icmp_open import IcmpSockets, open_icmp_sockets
from tests.netlab import namespaces

BOX, BOX6 = "192.168.77.1", "fd77:1::1"
OPERATOR, OPERATOR6 = "100.64.77.2", "2001:db8:77::2"
INTERNET, INTERNET6 = "198.51.100.1", "2001:db8:99::1"
#: Held by the internet, answered only by a Forger.
FORGED, STRANGER = "198.51.100.50", "198.51.100.51"
#: Held by the internet too, and silent.
DEAD, DEAD6 = "198.51.100.99", "2001:db8:99::99"
#: The agent's own firewall lets nothing out to it.
FIREWALLED, FIREWALLED6 = "198.51.100.66", "2001:db8:99::66"
#: The operator says that there is no way to it.
UNREACHABLE, UNREACHABLE6 = "203.0.113.7", "2001:db8:bad::7"
#: Box and operator send it to one another.
LOOPED = "203.0.113.200"
NO_ROUTE, NO_ROUTE6 = "192.0.2.1", "3fff::1"

_FIREWALL = f"""
table inet lab {{
  chain output {{
    type filter hook output priority 0;
    ip daddr {FIREWALLED} drop
    ip6 daddr {FIREWALLED6} drop
  }}
}}
"""
# Not an unreachable route: the kernel limits how often that says so.
_REFUSAL = f"""
table inet lab {{
  chain forward {{
    type filter hook forward priority 0;
    ip daddr {UNREACHABLE} reject with icmp type host-unreachable
    ip6 daddr {UNREACHABLE6} reject with icmpv6 type addr-unreachable
  }}
}}
"""
_SILENCE = f"""
table inet lab {{
  chain input {{
    type filter hook input priority 0;
    ip daddr {{ {FORGED}, {DEAD} }} icmp type echo-request drop
    ip6 daddr {DEAD6} icmpv6 type echo-request drop
  }}
}}
"""


class IcmpLab:
    """A context manager; each has names of its own, so several may stand side by side."""

    def __init__(self) -> None:
        prefix = f"nwi{secrets.token_hex(3)}"
        self.agent, self.box, self.operator, self.internet = (
            f"{prefix}-{name}" for name in ("agent", "box", "operator", "internet")
        )

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._all():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def open_sockets(self) -> IcmpSockets:
        """Sockets of the agent, once the kernel stamps for them.

        It begins a moment after the machine's first socket has asked for stamps.
        """
        opened = namespaces.call_in(self.agent, open_icmp_sockets)
        for _ in range(100):
            settled = echo_once(opened, BOX, 1_000, clock=SystemClock())
            if isinstance(settled, Settled) and settled.kernel_timed:
                return opened
        opened.close()
        raise AssertionError("the kernel stamps no ICMP packets")

    def _all(self) -> tuple[str, ...]:
        return self.agent, self.box, self.operator, self.internet

    def _build(self) -> None:
        for name in self._all():
            namespaces.add_namespace(name)
            namespaces.configure(name, ["link set lo up"])
        _join(
            (self.agent, "192.168.77.2/24", "fd77:1::2/64"), (self.box, f"{BOX}/24", f"{BOX6}/64")
        )
        _join(
            (self.box, "100.64.77.1/30", "2001:db8:77::1/64"),
            (self.operator, f"{OPERATOR}/30", f"{OPERATOR6}/64"),
        )
        _join(
            (self.operator, "198.51.100.254/24", "2001:db8:99::fe/64"),
            (self.internet, f"{INTERNET}/24", f"{INTERNET6}/64"),
        )
        for router in (self.box, self.operator):
            namespaces.set_sysctls(
                router,
                {
                    "ipv4/ip_forward": "1",
                    "ipv6/conf/all/forwarding": "1",
                    "ipv4/icmp_ratelimit": "0",
                    "ipv6/icmp/ratelimit": "0",
                    "ipv4/icmp_msgs_per_sec": "100000",
                },
            )
        # No default route: NO_ROUTE is to have none.
        namespaces.configure(
            self.agent,
            [
                *(
                    f"route add {network} via {BOX}"
                    for network in ("100.64.77.0/30", "198.51.100.0/24", "203.0.113.0/24")
                ),
                f"route add 2001:db8::/32 via {BOX6}",
            ],
        )
        namespaces.configure(
            self.box,
            [f"route add default via {OPERATOR}", f"route add ::/0 via {OPERATOR6}"],
        )
        namespaces.configure(
            self.operator,
            [
                "route add 192.168.77.0/24 via 100.64.77.1",
                "route add fd77:1::/64 via 2001:db8:77::1",
                f"route add {UNREACHABLE}/32 via {INTERNET}",
                f"route add {UNREACHABLE6}/128 via {INTERNET6}",
                f"route add {LOOPED}/32 via 100.64.77.1",
            ],
        )
        namespaces.configure(
            self.internet,
            [
                "route add default via 198.51.100.254",
                "route add ::/0 via 2001:db8:99::fe",
                f"addr add {FORGED}/24 dev inward",
                f"addr add {STRANGER}/24 dev inward",
                f"addr add {DEAD}/24 dev inward",
                f"addr add {DEAD6}/64 dev inward nodad",
            ],
        )
        for name, rules in (
            (self.agent, _FIREWALL),
            (self.operator, _REFUSAL),
            (self.internet, _SILENCE),
        ):
            namespaces.run("ip", "netns", "exec", name, "nft", "-f", "-", given=rules)


def _join(near: tuple[str, str, str], far: tuple[str, str, str]) -> None:
    """A wire between two (namespace, IPv4, IPv6): ``outward`` at the near end, ``inward`` at the far."""
    namespaces.configure(near[0], [f"link add outward type veth peer name inward netns {far[0]}"])
    for (name, v4, v6), link in ((near, "outward"), (far, "inward")):
        namespaces.configure(
            name,
            [f"addr add {v4} dev {link}", f"addr add {v6} dev {link} nodad", f"link set {link} up"],
        )


class Request:
    """An echo request as the far side received it."""

    def __init__(self, packet: bytes) -> None:
        start = (packet[0] & 0xF) * 4
        self.source = socket.inet_ntoa(packet[12:16])
        self.destination = socket.inet_ntoa(packet[16:20])
        self.kind, _, _, self.identifier, self.sequence = struct.unpack_from(
            "!BBHHH", packet, start
        )
        self.payload = packet[start + 8 :]
        self.ip_packet = packet

    def reply(
        self,
        *,
        identifier: int | None = None,
        sequence: int | None = None,
        payload: bytes | None = None,
    ) -> bytes:
        """The echo reply to it, true unless told otherwise."""
        return build_message(
            0,
            0,
            struct.pack(
                "!HH",
                self.identifier if identifier is None else identifier,
                self.sequence if sequence is None else sequence,
            )
            + (self.payload if payload is None else payload),
        )


def build_message(kind: int, code: int, rest: bytes) -> bytes:
    """An ICMP message with its checksum; ``rest`` begins behind it."""
    draft = struct.pack("!BBH", kind, code, 0) + rest
    padded = draft + b"\0" * (len(draft) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return draft[:2] + struct.pack("!H", ~total & 0xFFFF) + rest


class Forger:
    """Receives what is sent to FORGED and answers what ``answer`` says: (source, message) pairs.

    The kernel there throws the requests away, so no other answer comes.
    """

    def __init__(
        self, lab: IcmpLab, answer: Callable[[Request], Sequence[tuple[str, bytes]]]
    ) -> None:
        self._answer = answer
        self._socket = namespaces.socket_in(
            lab.internet, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)
        )
        self._senders = {
            source: namespaces.socket_in(
                lab.internet, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
            )
            for source in (FORGED, STRANGER)
        }
        for source, sender in self._senders.items():
            sender.bind((source, 0))
        self._socket.bind(("inward", 0x0800))
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for each in (self._socket, *self._senders.values()):
            each.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                packet = self._socket.recv(2048)
            except TimeoutError:
                continue
            if len(packet) < 28 or packet[9] != socket.IPPROTO_ICMP:
                continue
            request = Request(packet)
            if request.kind != 8 or request.destination != FORGED:
                continue
            for source, message in self._answer(request):
                self._senders[source].sendto(message, (request.source, 0))
