"""The operator's first hop: the nearest router behind the site's own box.

Rule of this file: it asks the way with probes of small time to live, as traceroute(8)
does, and says which router is the operator's first. It knows no configuration and
decides nothing about the line.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from netwatch.probes.icmp_exchange import Settled, StampClock
from netwatch.probes.icmp_once import echo_once
from netwatch.probes.icmp_open import IcmpSockets

#: How far out to look: a box, a second box behind it, and two routers that stay silent.
FURTHEST_TTL = 4
#: Probes to each distance: routers limit how often they say "time exceeded".
TRIES = 2

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class FirstHop(msgspec.Struct, frozen=True, kw_only=True):
    """A router, how many hops away it is, and whether it answers echoes sent to itself.

    One that does not is probed with echoes to a further address whose time to live ends
    in it.
    """

    address: str
    ttl: int
    answers_echo: bool


def find_first_hop(
    sockets: IcmpSockets,
    gateway: str | None,
    destination: str,
    timeout_ms: int,
    *,
    clock: StampClock,
) -> str | None:
    """Address of the operator's first hop towards ``destination``; None when none is seen.

    Takes at most ``TRIES × FURTHEST_TTL + 1`` timeouts. Raises ``ValueError`` when
    ``destination`` is no literal address.
    """
    found = trace_first_hop(sockets, gateway, destination, timeout_ms, clock=clock)
    return None if found is None else found.address


def trace_first_hop(
    sockets: IcmpSockets,
    gateway: str | None,
    destination: str,
    timeout_ms: int,
    *,
    clock: StampClock,
) -> FirstHop | None:
    """The same, with its distance and whether it answers for itself."""
    on_link = read_on_link_networks()

    def ask(ttl: int) -> Settled | str:
        return echo_once(sockets, destination, timeout_ms, clock=clock, ttl=ttl)

    found = choose_first_hop(ask, gateway=gateway, on_link=on_link)
    if found is None:
        return None
    address, ttl = found
    direct = echo_once(sockets, address, timeout_ms, clock=clock)
    return FirstHop(
        address=address,
        ttl=ttl,
        answers_echo=isinstance(direct, Settled) and direct.rtt_us is not None,
    )


def choose_first_hop(
    ask: Callable[[int], Settled | str], *, gateway: str | None, on_link: Sequence[_Network]
) -> tuple[str, int] | None:
    """Nearest router that is the operator's, and its distance, by asking at each in turn.

    A silent distance is passed over. The destination itself ends the search: a line on
    which it is the first to answer has no first hop to tell apart.
    """
    for ttl in range(1, FURTHEST_TTL + 1):
        for _ in range(TRIES):
            settled = ask(ttl)
            if isinstance(settled, str):
                return None  # nothing leaves this machine
            if settled.rtt_us is None:
                continue
            if settled.hop is None:
                return None
            if settled.hop != gateway and not is_own_network(settled.hop, on_link):
                return settled.hop, ttl
            break
    return None


def is_own_network(address: str, on_link: Sequence[_Network]) -> bool:
    """Whether an address is this site's own: private, and on a network we are attached to.

    A public address on an attached network is the operator's (a line without a box).

    >>> lan = [ipaddress.ip_network("192.168.1.0/24")]
    >>> is_own_network("192.168.1.254", lan), is_own_network("10.0.0.1", lan)
    (True, False)
    """
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback or parsed.is_link_local:
        return True
    return parsed.is_private and any(parsed in network for network in on_link)


def read_on_link_networks() -> list[_Network]:
    """The networks to which this machine is attached, from the kernel's route tables.

    What cannot be read is left out.
    """
    found: list[_Network] = []
    for path, parse in (
        ("/proc/thread-self/net/route", parse_ipv4_routes),
        ("/proc/thread-self/net/if_inet6", parse_ipv6_addresses),
    ):
        try:
            text = Path(path).read_text(encoding="ascii")
        except OSError:
            continue
        found.extend(parse(text))
    return found


def parse_ipv4_routes(text: str) -> list[_Network]:
    r"""Destinations of the routes without a gateway, from ``/proc/net/route`` (proc(5)).

    Addresses stand there as a number of this machine's own byte order.

    >>> word = lambda address: f"{struct.unpack('=I', ipaddress.ip_address(address).packed)[0]:08X}"
    >>> row = ["eth0", word("192.168.1.0"), word("0.0.0.0"), "0001", "0", "0", "0", word("255.255.255.0")]
    >>> parse_ipv4_routes("Iface Destination Gateway\n" + " ".join(row))
    [IPv4Network('192.168.1.0/24')]
    """
    found: list[_Network] = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        try:
            network, gateway, mask = (
                ipaddress.IPv4Address(struct.pack("=I", int(fields[index], 16)))
                for index in (1, 2, 7)
            )
            if int(gateway) == 0 and int(mask) != 0:
                found.append(ipaddress.ip_network(f"{network}/{mask}"))
        except (ValueError, struct.error):
            continue
    return found


def parse_ipv6_addresses(text: str) -> list[_Network]:
    """Networks of this machine's own addresses, from ``/proc/net/if_inet6`` (proc(5)).

    >>> parse_ipv6_addresses("fd00000000000000000000000000002a 02 40 00 80 eth0")
    [IPv6Network('fd00::/64')]
    """
    found: list[_Network] = []
    for line in text.splitlines():
        fields = line.split()
        try:
            address = ipaddress.IPv6Address(bytes.fromhex(fields[0]))
            found.append(ipaddress.ip_network((address, int(fields[2], 16)), strict=False))
        except (IndexError, ValueError):
            continue
    return found
