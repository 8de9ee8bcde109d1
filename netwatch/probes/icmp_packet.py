"""ICMP echo packets as bytes: built, and read back whoever sent them.

Rule of this file: bytes in, values out. It knows no socket, no clock and no table
of probes, and no input makes it raise: what cannot be ours is None.

ping3 builds the header and reads headers and checksums; what it leaves out (length
checks, extension of answers by the embedded probe, the address asked) stands here.
"""

from __future__ import annotations

import enum
import socket
import struct

import msgspec
import ping3
from ping3.enums import IcmpV4Type, IcmpV6Type

#: ICMP header: type, code, checksum, identifier, sequence (RFC 792, RFC 4443 4.1).
HEADER_BYTES = 8
#: Random bytes in each probe. An answer must bring them back whole, so nobody who did
#: not see this very probe can make one up.
PAYLOAD_BYTES = 16

_IPV4_HEADER_BYTES = 20
_IPV6_HEADER_BYTES = 40


class Kind(enum.StrEnum):
    """What a message says of the probe that it names."""

    ECHO_REPLY = "echo_reply"
    TIME_EXCEEDED = "time_exceeded"
    UNREACHABLE = "unreachable"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """An ICMP message that may speak of a probe of ours.

    ``payload`` is whole in a reply; an error embeds as much of the probe as its sender
    liked, which may be nothing beyond the header. ``destination`` is where the embedded
    probe was going, None in a reply.
    """

    kind: Kind
    identifier: int
    sequence: int
    payload: bytes
    destination: str | None = None


def build_echo(family: int, *, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request (RFC 792; RFC 4443 4.1) of ``AF_INET`` or ``AF_INET6``.

    The kernel writes the checksum of ICMPv6 and of datagram sockets itself; that of a
    raw IPv4 socket is ours.

    >>> build_echo(socket.AF_INET, identifier=0x1234, sequence=1, payload=b"ab").hex()
    '08008468123400016162'
    """
    echo = IcmpV4Type.ECHO_REQUEST if family == socket.AF_INET else IcmpV6Type.ECHO_REQUEST
    header = struct.pack(ping3.ICMP_HEADER_FORMAT, echo, 0, 0, identifier, sequence)
    # ping3's sum is of little-endian words whatever the machine (RFC 1071 2.B).
    checksum: bytes = ping3.checksum(header + payload).to_bytes(2, "little")
    return header[:2] + checksum + header[4:] + payload


def parse_echo_request(packet: bytes) -> tuple[int, bytes] | None:
    """Sequence and payload of a probe of ours that ends ``packet``.

    The kernel hands a transmitted packet back with all headers in front, link layer
    included, so it is read from its end.

    >>> probe = build_echo(socket.AF_INET, identifier=1, sequence=7, payload=bytes(16))
    >>> parse_echo_request(b"link and ip headers" + probe) == (7, bytes(16))
    True
    >>> parse_echo_request(b"short")
    """
    if len(packet) < HEADER_BYTES + PAYLOAD_BYTES:
        return None
    probe = packet[-HEADER_BYTES - PAYLOAD_BYTES :]
    header = ping3.read_icmp_header(probe[:HEADER_BYTES])
    if header["type"] not in (IcmpV4Type.ECHO_REQUEST, IcmpV6Type.ECHO_REQUEST):
        return None
    return header["seq"], probe[HEADER_BYTES:]


def parse_ipv4_packet(packet: bytes) -> Message | None:
    """The ICMP message in a whole IPv4 packet, as a raw socket receives it.

    A raw socket is handed packets before the kernel has looked at their ICMP checksum,
    so it is verified here.

    >>> parse_ipv4_packet(bytes.fromhex("4500")) is None
    True
    """
    start = parse_header_length(packet)
    if start is None or packet[9] != socket.IPPROTO_ICMP:
        return None
    message = packet[start:]
    if ping3.checksum(message) != 0:
        return None
    return parse_icmp_v4(message)


def parse_icmp_v4(message: bytes) -> Message | None:
    """An ICMP message without its IP header (RFC 792).

    >>> parse_icmp_v4(bytes.fromhex("0000000012340007") + b"token")
    Message(kind=<Kind.ECHO_REPLY: 'echo_reply'>, identifier=4660, sequence=7, payload=b'token', destination=None)
    """
    if len(message) < HEADER_BYTES:
        return None
    header = ping3.read_icmp_header(message[:HEADER_BYTES])
    if header["type"] == IcmpV4Type.ECHO_REPLY and header["code"] == 0:
        return _build_message(Kind.ECHO_REPLY, header, message[HEADER_BYTES:], None)
    if header["type"] == IcmpV4Type.TIME_EXCEEDED:
        return _parse_embedded_v4(Kind.TIME_EXCEEDED, message[HEADER_BYTES:])
    if header["type"] == IcmpV4Type.DESTINATION_UNREACHABLE:
        return _parse_embedded_v4(Kind.UNREACHABLE, message[HEADER_BYTES:])
    return None


def parse_icmp_v6(message: bytes) -> Message | None:
    """An ICMPv6 message (RFC 4443); its checksum has been verified by the kernel.

    >>> parse_icmp_v6(bytes.fromhex("8100000012340007") + b"token").sequence
    7
    """
    if len(message) < HEADER_BYTES:
        return None
    header = ping3.read_icmp_header(message[:HEADER_BYTES])
    if header["type"] == IcmpV6Type.ECHO_REPLY and header["code"] == 0:
        return _build_message(Kind.ECHO_REPLY, header, message[HEADER_BYTES:], None)
    if header["type"] == IcmpV6Type.TIME_EXCEEDED:
        return _parse_embedded_v6(Kind.TIME_EXCEEDED, message[HEADER_BYTES:])
    if header["type"] == IcmpV6Type.DESTINATION_UNREACHABLE:
        return _parse_embedded_v6(Kind.UNREACHABLE, message[HEADER_BYTES:])
    return None


def parse_header_length(packet: bytes) -> int | None:
    """Length in bytes of an IPv4 header with its options; None when it cannot be one.

    >>> parse_header_length(bytes.fromhex("46") + bytes(30))
    24
    >>> parse_header_length(bytes.fromhex("4f") + bytes(30)) is None
    True
    """
    if len(packet) < _IPV4_HEADER_BYTES or packet[0] >> 4 != 4:
        return None
    length = (packet[0] & 0x0F) * 4
    if length < _IPV4_HEADER_BYTES or length > len(packet):
        return None
    return length


def _parse_embedded_v4(kind: Kind, embedded: bytes) -> Message | None:
    start = parse_header_length(embedded)
    if start is None or len(embedded) < start + HEADER_BYTES:
        return None
    outer = ping3.read_ipv4_header(embedded[:_IPV4_HEADER_BYTES])
    inner = ping3.read_icmp_header(embedded[start : start + HEADER_BYTES])
    if outer["protocol"] != socket.IPPROTO_ICMP or inner["type"] != IcmpV4Type.ECHO_REQUEST:
        return None
    return _build_message(kind, inner, embedded[start + HEADER_BYTES :], outer["dest_addr"])


def _parse_embedded_v6(kind: Kind, embedded: bytes) -> Message | None:
    # Our probes carry no extension header, so the echo follows the fixed header at once.
    if len(embedded) < _IPV6_HEADER_BYTES + HEADER_BYTES:
        return None
    outer = ping3.read_ipv6_header(embedded[:_IPV6_HEADER_BYTES])
    start = _IPV6_HEADER_BYTES
    inner = ping3.read_icmp_header(embedded[start : start + HEADER_BYTES])
    if (
        outer["version"] != 6
        or outer["next_header"] != socket.IPPROTO_ICMPV6
        or inner["type"] != IcmpV6Type.ECHO_REQUEST
    ):
        return None
    return _build_message(kind, inner, embedded[start + HEADER_BYTES :], outer["dest_addr"])


def _build_message(
    kind: Kind, header: dict[str, int], payload: bytes, destination: str | None
) -> Message:
    return Message(
        kind=kind,
        identifier=header["id"],
        sequence=header["seq"],
        # An error may be padded, or extended by RFC 4884, beyond what we sent.
        payload=payload if kind is Kind.ECHO_REPLY else payload[:PAYLOAD_BYTES],
        destination=destination,
    )
