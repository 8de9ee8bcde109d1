"""What the kernel says beside a packet: stamps, losses, errors about packets sent before.

Rule of this file: bytes in, values out (recvmsg(2), ip(7) ``IP_RECVERR``, kernel
documentation ``networking/timestamping``). What is short or foreign is left out.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable

import msgspec

# Numbers of the generic Linux ABI (arm, arm64, x86, riscv) that `socket` does not name.
SO_RXQ_OVFL = 40
SO_TIMESTAMPING = 65  # SO_TIMESTAMPING_NEW: 64-bit stamps on 32-bit machines too (Linux 5.1)
IP_RECVERR = 11
IPV6_RECVERR = 25
ORIGIN_ICMP = 2
ORIGIN_ICMP6 = 3
ORIGIN_TIMESTAMPING = 4

_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err
_TIMESPEC = struct.Struct("=qq")
_RECEIVE_ERROR = frozenset({(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)})


class Ancillary(msgspec.Struct, frozen=True, kw_only=True):
    """The ancillary data of one ``recvmsg`` that matter here; absent is None."""

    stamp_ns: int | None = None  # the kernel's software stamp, wall clock
    overflowed: int | None = None  # packets dropped from this queue since the opening
    error_origin: int | None = None  # one of ORIGIN_…
    error_type: int | None = None  # the ICMP type
    offender: str | None = None  # who reported the error


def parse_ancillary(data: Iterable[tuple[int, int, bytes]]) -> Ancillary:
    """The list that ``socket.recvmsg`` gives.

    >>> stamp = (socket.SOL_SOCKET, SO_TIMESTAMPING, struct.pack("=6q", 2, 5, 0, 0, 0, 0))
    >>> parse_ancillary([stamp]).stamp_ns
    2000000005
    >>> parse_ancillary([(socket.SOL_SOCKET, SO_TIMESTAMPING, b"short")]).stamp_ns
    """
    stamp_ns = overflowed = origin = kind = offender = None
    for level, option, value in data:
        if level == socket.SOL_SOCKET:
            if option == SO_TIMESTAMPING:
                stamp_ns = _parse_stamp(value)
            elif option == SO_RXQ_OVFL and len(value) >= 4:
                overflowed = int.from_bytes(value[:4], sys.byteorder)
        elif (level, option) in _RECEIVE_ERROR and len(value) >= _ERROR.size:
            origin, kind = value[4], value[5]
            offender = parse_socket_address(value[_ERROR.size :])
    return Ancillary(
        stamp_ns=stamp_ns,
        overflowed=overflowed,
        error_origin=origin,
        error_type=kind,
        offender=offender,
    )


def parse_socket_address(address: bytes) -> str | None:
    """The host of a struct sockaddr_in or sockaddr_in6; None for any other.

    >>> parse_socket_address(struct.pack("=HH", 2, 0) + bytes([192, 0, 2, 1]) + bytes(8))
    '192.0.2.1'
    >>> parse_socket_address(bytes(16))
    """
    family = int.from_bytes(address[:2], sys.byteorder)
    if family == socket.AF_INET and len(address) >= 8:
        return socket.inet_ntop(socket.AF_INET, address[4:8])
    if family == socket.AF_INET6 and len(address) >= 24:
        return socket.inet_ntop(socket.AF_INET6, address[8:24])
    return None


def _parse_stamp(value: bytes) -> int | None:
    """The first of struct scm_timestamping64's three is the software stamp; zero is none."""
    if len(value) < _TIMESPEC.size:
        return None
    seconds, nanoseconds = _TIMESPEC.unpack_from(value)
    return int(seconds * 1_000_000_000 + nanoseconds) or None
