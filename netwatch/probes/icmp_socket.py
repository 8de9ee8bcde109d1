"""One ICMP socket of the kernel, for all targets of its address family.

Rule of this file: it sends, receives, and hands over the kernel's stamps. It does not
know which probes are under way and judges no answer.

Raw and datagram sockets alike are stamped by the kernel on transmission and reception
(``SO_TIMESTAMPING``, kernel documentation ``networking/timestamping``):
the stamps are true however late this process comes to read them.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Mapping

import msgspec
from ping3.enums import IcmpV4Type, IcmpV6Type

from netwatch.probes.icmp_ancillary import (
    IP_RECVERR,
    IPV6_RECVERR,
    ORIGIN_ICMP,
    ORIGIN_ICMP6,
    ORIGIN_TIMESTAMPING,
    SO_RXQ_OVFL,
    SO_TIMESTAMPING,
    Ancillary,
    parse_ancillary,
)
from netwatch.probes.icmp_filter import build_icmp6_filter, build_ipv4_filter, build_ipv6_filter
from netwatch.probes.icmp_packet import (
    Kind,
    Message,
    parse_echo_request,
    parse_icmp_v4,
    parse_icmp_v6,
    parse_ipv4_packet,
)

_SO_ATTACH_FILTER = 26
_ICMP6_FILTER = 1
_STAMP_ON_SEND = 1 << 1  # SOF_TIMESTAMPING_TX_SOFTWARE, and so on (linux/net_tstamp.h)
_STAMP_ON_RECEIPT = 1 << 3
_STAMP_REPORT = 1 << 4

_RECEIVE_BUFFER_BYTES = 212_992  # the kernel's own usual ceiling; it counts its overhead in it
_MESSAGE_BYTES = 1_500
_ANCILLARY_BYTES = 512
#: More than the buffer can hold, so that reading this many has emptied it.
READ_LIMIT = 2_048

#: What a refused send says of the line or of us. Errors that are not here are `send_failed`.
SEND_REASONS: Mapping[int, str] = {
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EINVAL: "no_route",  # a blackhole route answers so
    errno.ENETDOWN: "network_down",
    errno.ENODEV: "network_down",
    errno.ENXIO: "network_down",
    errno.EADDRNOTAVAIL: "no_address",
    errno.EPERM: "refused_local",  # the machine's own firewall
    errno.EACCES: "refused_local",  # a prohibit route, a broadcast address
}

_ERROR_KINDS: Mapping[tuple[int | None, int | None], Kind] = {
    (ORIGIN_ICMP, IcmpV4Type.TIME_EXCEEDED): Kind.TIME_EXCEEDED,
    (ORIGIN_ICMP, IcmpV4Type.DESTINATION_UNREACHABLE): Kind.UNREACHABLE,
    (ORIGIN_ICMP6, IcmpV6Type.TIME_EXCEEDED): Kind.TIME_EXCEEDED,
    (ORIGIN_ICMP6, IcmpV6Type.DESTINATION_UNREACHABLE): Kind.UNREACHABLE,
}


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel's word that a probe left, and when (wall clock)."""

    family: int
    sequence: int
    payload: bytes
    tx_wall_ns: int


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Something that came in. ``message`` None: it is nothing that can speak of a probe."""

    family: int
    source: str  # who says it
    message: Message | None
    rx_wall_ns: int | None


class IcmpSocket:
    """One family's socket. Not for several threads at once."""

    def __init__(self, opened: socket.socket, *, raw: bool, identifier: int) -> None:
        self._socket = opened
        self.family = int(opened.family)
        self.raw = raw
        self.identifier = identifier
        self.stamped = False  # whether the kernel stamps what arrives
        self.overflowed = 0  # packets that the kernel threw away because the buffer was full
        self._ttl_option = (
            (socket.IPPROTO_IP, socket.IP_TTL)
            if self.family == socket.AF_INET
            else (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)
        )

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def prepare(self) -> None:
        """Asks the kernel for stamps, errors, filters and a bounded buffer.

        None of these is needed to measure, so none of them is insisted upon.
        """
        self._socket.setblocking(False)
        wanted = _STAMP_ON_SEND | _STAMP_ON_RECEIPT | _STAMP_REPORT
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, wanted)
            self.stamped = True
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        with contextlib.suppress(OSError):
            if not self.raw:
                self._ask_for_errors()
            elif self.family == socket.AF_INET:
                self._attach(build_ipv4_filter(self.identifier))
            else:
                self._socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, build_icmp6_filter())
                self._attach(build_ipv6_filter(self.identifier))

    def send(self, address: tuple[str | int, ...], packet: bytes, ttl: int | None) -> str | None:
        """Sends one packet; None, or the reason for which it did not leave."""
        ancillary = [] if ttl is None else [(*self._ttl_option, struct.pack("=i", ttl))]
        try:
            self._socket.sendmsg([packet], ancillary, 0, address)
        except OSError:
            # A datagram socket may have kept an error of an earlier probe for us: raising
            # it has cleared it, so a second refusal is this packet's own.
            try:
                self._socket.sendmsg([packet], ancillary, 0, address)
            except OSError as error:
                return SEND_REASONS.get(error.errno or 0, "send_failed")
        return None

    def read_departures(self, limit: int = READ_LIMIT) -> list[Departure | Arrival]:
        """Empties the error queue: stamps of sent probes and, on datagram sockets, ICMP errors."""
        found: list[Departure | Arrival] = []
        for _ in range(limit):
            try:
                packet, ancillary, _flags, address = self._socket.recvmsg(
                    _MESSAGE_BYTES, _ANCILLARY_BYTES, socket.MSG_ERRQUEUE
                )
            except OSError:
                break
            entry = self._judge_queued(packet, parse_ancillary(ancillary), address)
            if entry is not None:
                found.append(entry)
        return found

    def read_arrivals(self, limit: int = READ_LIMIT) -> list[Arrival]:
        """Empties the receive queue, whatever anyone has put there."""
        found: list[Arrival] = []
        for _ in range(limit):
            try:
                packet, ancillary, _flags, address = self._socket.recvmsg(
                    _MESSAGE_BYTES, _ANCILLARY_BYTES
                )
            except BlockingIOError:
                break
            except OSError:  # a kept error of an earlier probe; reading on clears it
                continue
            beside = parse_ancillary(ancillary)
            if beside.overflowed is not None:
                self.overflowed = beside.overflowed
            found.append(
                Arrival(
                    family=self.family,
                    source=address[0].partition("%")[0],
                    message=self._parse(packet),
                    rx_wall_ns=beside.stamp_ns,
                )
            )
        return found

    def _ask_for_errors(self) -> None:
        if self.family == socket.AF_INET:
            self._socket.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)

    def _attach(self, program: bytes) -> None:
        import ctypes  # noqa: PLC0415 -- used once, at the start, on raw sockets alone

        buffer = ctypes.create_string_buffer(program, len(program))
        # struct sock_fprog: instruction count and a pointer, aligned as C does.
        fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)

    def _parse(self, packet: bytes) -> Message | None:
        if self.family != socket.AF_INET:
            return parse_icmp_v6(packet)
        return parse_ipv4_packet(packet) if self.raw else parse_icmp_v4(packet)

    def _judge_queued(
        self, packet: bytes, beside: Ancillary, address: tuple[str, int] | None
    ) -> Departure | Arrival | None:
        """What an entry of the error queue means; None when nothing to us."""
        probe = parse_echo_request(packet)
        if probe is None:
            return None
        sequence, payload = probe
        if beside.error_origin == ORIGIN_TIMESTAMPING:
            if beside.stamp_ns is None:
                return None
            return Departure(
                family=self.family, sequence=sequence, payload=payload, tx_wall_ns=beside.stamp_ns
            )
        kind = _ERROR_KINDS.get((beside.error_origin, beside.error_type))
        if kind is None or beside.offender is None or address is None:
            return None
        return Arrival(
            family=self.family,
            source=beside.offender,
            message=Message(
                kind=kind,
                identifier=self.identifier,
                sequence=sequence,
                payload=payload,
                destination=address[0].partition("%")[0],
            ),
            rx_wall_ns=beside.stamp_ns,
        )
