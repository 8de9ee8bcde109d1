"""The agent's own way out: carrier, address, default route, as the kernel has them.

Rule of this file: it reads what the kernel already knows, sends nothing, and answers
None where it could not read. It must not know what a missing carrier means for the
books. One reading costs well under 0.1 ms, because it is made twice a second.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from netwatch.probes.deadline import MonotonicNs
from netwatch.probes.host_tables import (
    DefaultRoute,
    has_global_ipv6,
    parse_ipv4_default,
    parse_ipv6_default,
    parse_port_speed,
)
from netwatch.records import HostFacts

SYS_ROOT = "/sys"
PROC_ROOT = "/proc"
# Reading the speed asks the driver, which on USB adapters takes milliseconds.
_SPEED_EVERY_NS = 60_000_000_000
_MAX_TABLE_BYTES = 262_144
_SIOCGIFADDR = 0x8915
_IFREQ = struct.Struct("16s24x")


class HostProbe:
    """Reads the facts again and again, remembering which interface is the way out.

    When the cable goes, the default route often goes with it: the interface that had it
    last is then the one whose carrier is told. Before there has been any, it is the first
    wired port of the machine.
    """

    def __init__(
        self,
        *,
        sys_root: str = SYS_ROOT,
        proc_root: str = PROC_ROOT,
        last_interface: str | None = None,
        read_address: Callable[[str], str | None] | None = None,
        monotonic_ns: MonotonicNs = time.monotonic_ns,
    ) -> None:
        self.last_interface = last_interface
        self._sys_root = sys_root
        self._proc_root = proc_root
        self._read_address = read_address or read_ipv4_address
        self._monotonic_ns = monotonic_ns
        self._speed_of: tuple[str, bool | None] | None = None
        self._speed_read_ns = 0
        self._speed: int | None = None

    def read(self) -> HostFacts:
        """The facts of this instant. Never raises for what the system says or lacks."""
        route, known = read_default_route(self._proc_root)
        if route is not None:
            self.last_interface = route.interface
        elif self.last_interface is None:
            self.last_interface = read_wired_interface(self._sys_root)
        interface = self.last_interface
        if interface is None:
            return HostFacts(
                interface=None,
                carrier=None,
                address=None,
                default_route=False if known else None,
            )
        carrier = read_carrier(interface, self._sys_root)
        return HostFacts(
            interface=interface,
            carrier=carrier,
            address=self._has_address(interface),
            default_route=route is not None if known else None,
            port_speed_mbit=self._port_speed(interface, carrier),
        )

    def _has_address(self, interface: str) -> bool | None:
        try:
            address = self._read_address(interface)
        except OSError:
            return None
        if address is not None and not address.startswith("169.254."):  # RFC 3927: link-local
            return True
        table = _read_table(f"{self._proc_root}/net/if_inet6")
        # Without that file the kernel has no IPv6, and so no such address.
        return table is not None and has_global_ipv6(table, interface)

    def _port_speed(self, interface: str, carrier: bool | None) -> int | None:
        now_ns = self._monotonic_ns()
        subject = (interface, carrier)
        if self._speed_of != subject or now_ns - self._speed_read_ns >= _SPEED_EVERY_NS:
            self._speed_of = subject
            self._speed_read_ns = now_ns
            self._speed = read_port_speed(interface, self._sys_root) if carrier else None
        return self._speed


def read_host_facts(
    sys_root: str = SYS_ROOT, proc_root: str = PROC_ROOT, *, last_interface: str | None = None
) -> HostFacts:
    """One reading, for a command that runs once; ``last_interface`` as in `HostProbe`."""
    return HostProbe(sys_root=sys_root, proc_root=proc_root, last_interface=last_interface).read()


def read_gateway(proc_root: str = PROC_ROOT) -> tuple[str | None, str | None]:
    """The default gateways, IPv4 and IPv6; a link-local one as ``fe80::1%eth0``."""
    ipv4 = parse_ipv4_default(_read_table(f"{proc_root}/net/route") or "")
    ipv6 = parse_ipv6_default(_read_table(f"{proc_root}/net/ipv6_route") or "")
    return (ipv4.gateway if ipv4 else None, ipv6.gateway if ipv6 else None)


def read_default_route(proc_root: str = PROC_ROOT) -> tuple[DefaultRoute | None, bool]:
    """The default route, IPv4's before IPv6's, and whether the tables could be read."""
    ipv4 = _read_table(f"{proc_root}/net/route")
    if ipv4 is not None:
        route = parse_ipv4_default(ipv4)
        if route is not None:
            return route, True
    ipv6 = _read_table(f"{proc_root}/net/ipv6_route")
    if ipv6 is not None:
        return parse_ipv6_default(ipv6), True
    return None, ipv4 is not None


def read_carrier(interface: str, sys_root: str = SYS_ROOT) -> bool | None:
    """Whether the link has a signal; None where that cannot be read.

    An interface that is switched off (EINVAL), or that has left the machine, has none.
    """
    try:
        return _read_value(f"{sys_root}/class/net/{interface}/carrier").strip() == b"1"
    except FileNotFoundError:
        return None if _exists(interface) else False
    except OSError as error:
        return False if error.errno in (errno.EINVAL, errno.ENODEV) else None


def read_port_speed(interface: str, sys_root: str = SYS_ROOT) -> int | None:
    """The speed of the port in Mbit/s, as negotiated; None where the driver cannot say."""
    try:
        return parse_port_speed(_read_value(f"{sys_root}/class/net/{interface}/speed").decode())
    except (OSError, UnicodeDecodeError):
        return None


def read_wired_interface(sys_root: str = SYS_ROOT) -> str | None:
    """The first real network port, wired before wireless; None on a machine without any."""
    try:
        ports = sorted(
            entry for entry in Path(sys_root, "class/net").iterdir() if (entry / "device").exists()
        )
        wired = [port for port in ports if not (port / "wireless").exists()]
    except OSError:
        return None
    return next((port.name for port in wired or ports), None)


def read_ipv4_address(interface: str) -> str | None:
    """The first IPv4 address of an interface (netdevice(7), SIOCGIFADDR); None for none.

    Raises OSError when the kernel does not let itself be asked.
    """
    request = _IFREQ.pack(interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            answer = fcntl.ioctl(channel, _SIOCGIFADDR, request)
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.ENODEV):
                return None
            raise
    return socket.inet_ntoa(answer[20:24])  # struct sockaddr_in: family, port, address


def _exists(interface: str) -> bool:
    try:
        socket.if_nametoindex(interface)
    except OSError:
        return False
    return True


def _read_value(path: str) -> bytes:
    """A value of sysfs, which comes in one piece."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 64)
    finally:
        os.close(descriptor)


def _read_table(path: str) -> str | None:
    """A table of procfs, which comes in pages: a short one may have another behind it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    content = b""
    try:
        while len(content) < _MAX_TABLE_BYTES and (piece := os.read(descriptor, 65_536)):
            content += piece
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return content.decode("ascii", errors="replace")
