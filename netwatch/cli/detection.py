"""What this machine tells of its place on the network, for `netwatch init`.

Rule of this file: it reads files and asks the kernel; the only thing that it sends are
the few probes for the operator's first hop, and those only where there is a way out.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable
from pathlib import Path

from netwatch.clock import SystemClock, read_kernel_synchronised
from netwatch.config.model import DEFAULT_INTERNET_TARGETS
from netwatch.config.write import Detected
from netwatch.errors import RightsError
from netwatch.probes.host import read_default_route, read_gateway
from netwatch.probes.resolve import read_resolvers

#: Programs that discipline a clock, as /proc/PID/comm has them (15 characters at most).
TIME_SERVICES = frozenset(
    {"chronyd", "ntpd", "ntpd-rs", "ntp-daemon", "openntpd", "systemd-timesyn", "ptp4l", "phc2sys"}
)
_HYPERVISOR_VENDORS = (
    "amazon ec2",
    "bochs",
    "google compute engine",
    "kvm",
    "parallels",
    "qemu",
    "virtual machine",
    "virtualbox",
    "vmware",
    "xen",
)
_FIRST_HOP_TIMEOUT_MS = 500


def detect(
    root: Path = Path("/"), *, find_first_hop: Callable[[], str | None] | None = None
) -> Detected:
    """Everything that can be told; what cannot is None or empty, never an error.

    ``root`` is where the system's files hang. ``find_first_hop`` is asked only where
    there is a default gateway.
    """
    proc = str(root / "proc")
    gateway, gateway_ipv6 = read_gateway(proc)
    route, _ = read_default_route(proc)
    way_out = gateway is not None or route is not None
    return Detected(
        host_name=read_first_line(root / "etc/hostname") or socket.gethostname(),
        timezone=read_timezone(root),
        interface=route.interface if route is not None else None,
        gateway=gateway,
        gateway_ipv6=gateway_ipv6,
        resolvers=read_resolvers(
            root / "etc/resolv.conf", root / "run/systemd/resolve/resolv.conf"
        ),
        first_hop=find_first_hop() if find_first_hop is not None and way_out else None,
        clock_kept_by_host=is_virtual(root)
        and not read_kernel_synchronised(ctypes.CDLL(None, use_errno=True))
        and not has_time_service(root),
    )


def find_operators_first_hop() -> str | None:
    """Probes of small time to live towards the first default target; a few seconds at most.

    None where nothing is seen, and where the rights for it are missing.
    """
    from netwatch.probes.first_hop import find_first_hop
    from netwatch.probes.icmp_open import open_icmp_sockets

    gateway, _ = read_gateway()
    try:
        with open_icmp_sockets() as sockets:
            return find_first_hop(
                sockets,
                gateway,
                DEFAULT_INTERNET_TARGETS[0][1],
                _FIRST_HOP_TIMEOUT_MS,
                clock=SystemClock(),
            )
    except (RightsError, OSError):
        return None


def read_timezone(root: Path) -> str | None:
    """The zone that ``/etc/localtime`` points to, else the name in ``/etc/timezone``."""
    try:
        target = (root / "etc/localtime").readlink().as_posix()
    except OSError:
        target = ""
    _, found, zone = target.partition("zoneinfo/")
    return zone if found and zone else read_first_line(root / "etc/timezone")


def is_virtual(root: Path) -> bool:
    """Whether a hypervisor keeps this machine's clock. A board that names itself is real."""
    if read_first_line(root / "proc/device-tree/model"):
        return False
    if (root / "proc/device-tree/hypervisor").exists():
        return True
    if read_first_line(root / "sys/hypervisor/type"):
        return True
    dmi = root / "sys/class/dmi/id"
    names = " ".join(
        read_first_line(dmi / name) or "" for name in ("sys_vendor", "product_name")
    ).lower()
    if any(vendor in names for vendor in _HYPERVISOR_VENDORS):
        return True
    return any(
        line.startswith("flags") and " hypervisor" in line
        for line in read_text(root / "proc/cpuinfo").splitlines()
    )


def has_time_service(root: Path) -> bool:
    """Whether a program that disciplines clocks is running."""
    return any(
        (read_first_line(comm) or "") in TIME_SERVICES
        for comm in (root / "proc").glob("[0-9]*/comm")
    )


def read_first_line(path: Path) -> str | None:
    """The first line without blanks and null bytes; None when there is none."""
    lines = read_text(path).splitlines()
    return lines[0].strip("\0 \t") or None if lines else None


def read_text(path: Path) -> str:
    """A small system file; empty when it cannot be read."""
    try:
        return path.read_bytes()[:65_536].decode("utf-8", errors="replace")
    except OSError:
        return ""
