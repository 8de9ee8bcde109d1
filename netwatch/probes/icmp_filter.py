"""Socket filters: what a raw ICMP socket wants to be woken for.

Rule of this file: it builds bytes; it opens nothing. A raw socket is handed every ICMP
packet of the machine, so the kernel is told to drop what cannot be ours: echo replies
of another identifier, and errors about packets that are no echo of ours. What passes
is still judged by the one who reads it.

The programs are classic BPF (socket(7), kernel documentation ``networking/filter``):
instructions of a 16-bit code, two 8-bit jump offsets and a 32-bit operand.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ping3.enums import IcmpV4Type, IcmpV6Type

_LOAD_BYTE_AT = 0x30  # ldb [k]
_LOAD_HALF_AT = 0x28  # ldh [k]
_LOAD_BYTE_X = 0x50  # ldb [x + k]
_LOAD_HALF_X = 0x48  # ldh [x + k]
_X_HEADER_LENGTH = 0xB1  # ldx 4 * ([k] & 0xf)
_AND = 0x54
_SHIFT_LEFT = 0x64
_ADD_X = 0x0C
_TO_X = 0x07
_JUMP_EQUAL = 0x15
_RETURN = 0x06

_ALL = 0xFFFF_FFFF


class _Step(NamedTuple):
    """One instruction; a jump without a label goes on to the next."""

    code: int
    operand: int
    then: str = ""
    otherwise: str = ""
    label: str = ""


def build_ipv4_filter(identifier: int) -> bytes:
    """For a raw IPv4 socket, which sees the IP header too.

    A packet that is cut before what the program reads is dropped by the kernel.

    >>> len(build_ipv4_filter(0x1234)) % 8
    0
    """
    return _assemble(
        [
            _Step(_X_HEADER_LENGTH, 0),
            _Step(_LOAD_BYTE_X, 0),  # ICMP type
            _Step(_JUMP_EQUAL, int(IcmpV4Type.ECHO_REPLY), otherwise="error?"),
            _Step(_LOAD_HALF_X, 4),  # its identifier
            _Step(_JUMP_EQUAL, identifier, then="pass", otherwise="drop"),
            _Step(_JUMP_EQUAL, int(IcmpV4Type.TIME_EXCEEDED), then="embedded", label="error?"),
            _Step(_JUMP_EQUAL, int(IcmpV4Type.DESTINATION_UNREACHABLE), otherwise="drop"),
            _Step(_LOAD_BYTE_X, 8, label="embedded"),  # the embedded header's length in words
            _Step(_AND, 0x0F),
            _Step(_SHIFT_LEFT, 2),
            _Step(_ADD_X, 0),
            _Step(_TO_X, 0),  # x: where the embedded ICMP header begins, less 8
            _Step(_LOAD_BYTE_X, 8),
            _Step(_JUMP_EQUAL, int(IcmpV4Type.ECHO_REQUEST), otherwise="drop"),
            _Step(_LOAD_HALF_X, 12),
            _Step(_JUMP_EQUAL, identifier, then="pass", otherwise="drop"),
        ]
    )


def build_ipv6_filter(identifier: int) -> bytes:
    """For a raw ICMPv6 socket, which sees the ICMP message alone; types are filtered before.

    >>> len(build_ipv6_filter(0x1234)) % 8
    0
    """
    return _assemble(
        [
            _Step(_LOAD_BYTE_AT, 0),
            _Step(_JUMP_EQUAL, int(IcmpV6Type.ECHO_REPLY), otherwise="embedded"),
            _Step(_LOAD_HALF_AT, 4),
            _Step(_JUMP_EQUAL, identifier, then="pass", otherwise="drop"),
            _Step(_LOAD_HALF_AT, 8 + 40 + 4, label="embedded"),  # behind the embedded IPv6 header
            _Step(_JUMP_EQUAL, identifier, then="pass", otherwise="drop"),
        ]
    )


def build_icmp6_filter() -> bytes:
    """``ICMP6_FILTER`` (RFC 3542 3.2): echo reply, time exceeded and unreachable pass alone.

    >>> len(build_icmp6_filter())
    32
    """
    words = [_ALL] * 8  # Linux: a set bit blocks
    for passed in (
        IcmpV6Type.ECHO_REPLY,
        IcmpV6Type.TIME_EXCEEDED,
        IcmpV6Type.DESTINATION_UNREACHABLE,
    ):
        words[int(passed) >> 5] &= ~(1 << (int(passed) & 31)) & _ALL
    return struct.pack("=8I", *words)


def _assemble(steps: list[_Step]) -> bytes:
    """Instructions of struct sock_filter; after them stand the two ends, pass and drop."""
    labels = {step.label: index for index, step in enumerate(steps) if step.label}
    labels |= {"pass": len(steps), "drop": len(steps) + 1}
    steps = [*steps, _Step(_RETURN, _ALL), _Step(_RETURN, 0)]
    return b"".join(
        struct.pack(
            "=HBBI",
            step.code,
            labels[step.then] - index - 1 if step.then else 0,
            labels[step.otherwise] - index - 1 if step.otherwise else 0,
            step.operand,
        )
        for index, step in enumerate(steps)
    )
