"""The kernel's network tables, as text, taken apart.

Rule of this file: text in, values out; a line that is not understood is passed over. It
knows no file and no socket. Formats: proc(5) and the kernel's ``fib_trie.c``,
``ipv6/route.c``, ``ipv6/addrconf.c``.
"""

from __future__ import annotations

import socket
import sys

import msgspec

_UP = 0x1  # RTF_UP
_GATEWAY = 0x2  # RTF_GATEWAY
_REJECT = 0x200  # RTF_REJECT: an "unreachable" route is none
_TENTATIVE = 0x40  # IFA_F_TENTATIVE: still being checked for duplicates, not used yet
_DUPLICATE = 0x08  # IFA_F_DADFAILED
_NO_ADDRESS = "0" * 32


class DefaultRoute(msgspec.Struct, frozen=True):
    interface: str
    gateway: str | None  # None: the link has no gateway (PPP)


def parse_ipv4_default(text: str) -> DefaultRoute | None:
    """The default route of lowest metric in ``/proc/net/route``.

    >>> parse_ipv4_default('''Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
    ... eth0 0002A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0''')
    """
    best: tuple[int, DefaultRoute] | None = None
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        try:
            flags, metric, gateway = int(fields[3], 16), int(fields[6]), int(fields[2], 16)
            # Written as the machine's own integer, though it is kept in network order.
            address = socket.inet_ntoa(gateway.to_bytes(4, sys.byteorder))
        except (ValueError, OverflowError):
            continue
        if not flags & _UP or flags & _REJECT or (best is not None and best[0] <= metric):
            continue
        best = (metric, DefaultRoute(fields[0], address if flags & _GATEWAY else None))
    return None if best is None else best[1]


def parse_ipv6_default(text: str) -> DefaultRoute | None:
    """The default route of lowest metric in ``/proc/net/ipv6_route``.

    A link-local gateway comes with its interface, without which it cannot be reached.

    >>> zero, box = "0" * 32, "fe80" + "0" * 27 + "1"
    >>> parse_ipv6_default(f"{zero} 00 {zero} 00 {box} 00000400 1 0 00000003 eth0")
    DefaultRoute(interface='eth0', gateway='fe80::1%eth0')
    """
    best: tuple[int, DefaultRoute] | None = None
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 10 or fields[0] != _NO_ADDRESS or fields[1] != "00":
            continue
        try:
            flags, metric = int(fields[8], 16), int(fields[5], 16)
            address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(fields[4]))
        except ValueError:
            continue
        interface = fields[9]
        if not flags & _UP or flags & _REJECT or (best is not None and best[0] <= metric):
            continue
        if address.startswith("fe80:"):
            address = f"{address}%{interface}"
        best = (metric, DefaultRoute(interface, address if flags & _GATEWAY else None))
    return None if best is None else best[1]


def has_global_ipv6(text: str, interface: str) -> bool:
    """Whether ``/proc/net/if_inet6`` shows a usable address beyond the link's own.

    >>> address = "20010db8" + "0" * 23 + "2"
    >>> has_global_ipv6(f"{address} 02 40 00 80 eth0", "eth0")
    True
    >>> has_global_ipv6(f"{address} 02 40 00 40 eth0", "eth0")
    False
    """
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 6 or fields[5] != interface or fields[3] != "00":
            continue
        try:
            flags = int(fields[4], 16)
        except ValueError:
            continue
        if not flags & (_TENTATIVE | _DUPLICATE):
            return True
    return False


def parse_port_speed(text: str) -> int | None:
    r"""``speed`` of a network interface, in Mbit/s; None where the driver does not know.

    >>> parse_port_speed("1000\n"), parse_port_speed("-1\n"), parse_port_speed("4294967295\n")
    (1000, None, None)
    """
    try:
        speed = int(text)
    except ValueError:
        return None
    return speed if 0 < speed < 0xFFFF_FFFF else None
