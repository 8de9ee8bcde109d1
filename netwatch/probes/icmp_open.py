"""Opening the ICMP sockets that the rights allow, and saying what to do when they allow none.

Rule of this file: it opens and closes; it sends nothing.

Raw sockets need CAP_NET_RAW; datagram ICMP sockets need a group within
``net.ipv4.ping_group_range`` (icmp(7)).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from netwatch.errors import RightsError
from netwatch.probes.icmp_socket import IcmpSocket


class IcmpSockets:
    """The sockets of a process; a family that this machine does not have is None.

    A context manager. Each opening has an identifier of its own, fresh and random: stale
    state of a firewall on the way, or another program, cannot mistake it for theirs.
    """

    def __init__(self, v4: IcmpSocket | None, v6: IcmpSocket | None) -> None:
        self.v4 = v4
        self.v6 = v6

    @property
    def kind(self) -> Literal["raw", "datagram"]:
        return "raw" if any(each.raw for each in self.opened()) else "datagram"

    def opened(self) -> tuple[IcmpSocket, ...]:
        return tuple(each for each in (self.v4, self.v6) if each is not None)

    def of_family(self, family: int) -> IcmpSocket | None:
        return self.v4 if family == socket.AF_INET else self.v6

    def close(self) -> None:
        for each in self.opened():
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_icmp_sockets() -> IcmpSockets:
    """Opens what the rights allow: raw sockets, else datagram ones.

    Raises :class:`RightsError` when the kernel allows neither, with the remedies.
    """
    v4 = _open_family(socket.AF_INET)
    v6 = _open_family(socket.AF_INET6)
    if v4 is None and v6 is None:
        raise RightsError(build_rights_message(os.getgid(), read_ping_group_range()))
    return IcmpSockets(v4, v6)


def build_rights_message(group: int, allowed: str) -> str:
    """What to tell a person whose process may open no ICMP socket; one line.

    >>> print(build_rights_message(1000, "1 0"))  # doctest: +NORMALIZE_WHITESPACE
    icmp: the kernel allows this process neither a raw nor a datagram ICMP socket (no CAP_NET_RAW;
    group 1000, net.ipv4.ping_group_range is 1 0): grant the capability (AmbientCapabilities=CAP_NET_RAW
    in the unit, or setcap cap_net_raw+ep on the Python that runs it), or admit the group
    (sysctl -w net.ipv4.ping_group_range="1000 1000")
    """
    return (
        "icmp: the kernel allows this process neither a raw nor a datagram ICMP socket "
        f"(no CAP_NET_RAW; group {group}, net.ipv4.ping_group_range is {allowed}): "
        "grant the capability (AmbientCapabilities=CAP_NET_RAW in the unit, or setcap "
        "cap_net_raw+ep on the Python that runs it), or admit the group "
        f'(sysctl -w net.ipv4.ping_group_range="{group} {group}")'
    )


def read_ping_group_range() -> str:
    """The groups that may open datagram ICMP sockets, as the kernel writes them."""
    try:
        text = Path("/proc/sys/net/ipv4/ping_group_range").read_text(encoding="ascii")
    except OSError:
        return "unknown"
    return " ".join(text.split())


def _open_family(family: int) -> IcmpSocket | None:
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError:
            continue
        try:
            raw = kind == socket.SOCK_RAW
            identifier = _draw_identifier() if raw else _bind_identifier(opened)
            made = IcmpSocket(opened, raw=raw, identifier=identifier)
            made.prepare()
        except BaseException:
            opened.close()
            raise
        return made
    return None


def _draw_identifier() -> int:
    return 1 + secrets.randbelow(0xFFFF)  # 0 would let the kernel choose on a datagram socket


def _bind_identifier(opened: socket.socket) -> int:
    """A datagram socket's identifier is its port; several tries, for it may be taken."""
    for _ in range(16):
        with contextlib.suppress(OSError):
            opened.bind(("", _draw_identifier()))
            break
    else:
        opened.bind(("", 0))
    return int(opened.getsockname()[1])
