"""The box's own counters by SNMP v2c: one GET of two numbers.

Rule of this file: a question of 70 bytes and an answer of as many, in BER (RFC 3416;
X.690). It knows nothing else of SNMP: the libraries that do bring an event loop and
ten megabytes into an agent of thirty. What an answer says is checked in every length.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from netwatch.agent.bandwidth_host import LOOK_BOX_MS, PortBytes
from netwatch.config.model import SnmpSettings

TIMEOUT_S = 2.0
TRIES = 2
_LARGEST = 2_048
#: IF-MIB (RFC 2863): ifHCInOctets, ifHCOutOctets; and their 32-bit elders.
HC_IN, HC_OUT = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6), (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10)
IN, OUT = (1, 3, 6, 1, 2, 1, 2, 2, 1, 10), (1, 3, 6, 1, 2, 1, 2, 2, 1, 16)
_INTEGER, _OCTETS, _NULL, _OID, _SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
_COUNTER32, _COUNTER64, _GET, _RESPONSE = 0x41, 0x46, 0xA0, 0xA2

Oid = tuple[int, ...]


class SnmpCounters:
    """`bandwidth_guard.Counters` of one interface of a box."""

    name = "snmp"
    look_ms = LOOK_BOX_MS

    def __init__(self, settings: SnmpSettings) -> None:
        self._settings = settings

    def read(self) -> PortBytes | None:
        """64-bit counters, else the 32-bit ones; None for no answer, or one that is none."""
        try:
            community = _read_community(self._settings)
            for pair in ((HC_IN, HC_OUT), (IN, OUT)):
                oids = [(*oid, self._settings.interface) for oid in pair]
                values = self._ask(community, oids)
                if values is not None:
                    return PortBytes(down=values[0], up=values[1])
        except (OSError, ValueError):
            return None
        return None

    def _ask(self, community: bytes, oids: list[Oid]) -> list[int] | None:
        """The counters; None where the box has none of these. Raises OSError, ValueError."""
        address, port = self._settings.address, self._settings.port
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        request_id = secrets.randbelow(2**31 - 1) + 1
        question = build_get(community, request_id, oids)
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect((address, port))  # only this peer's answers are heard
            channel.settimeout(TIMEOUT_S)
            for _ in range(TRIES):
                channel.send(question)
                try:
                    return parse_response(channel.recv(_LARGEST), request_id, oids)
                except TimeoutError:
                    continue
        raise TimeoutError


def _read_community(settings: SnmpSettings) -> bytes:
    if settings.community_file is None:
        return b"public"
    return Path(settings.community_file).read_bytes()[:256].strip()


def build_get(community: bytes, request_id: int, oids: list[Oid]) -> bytes:
    """A GetRequest.

    >>> build_get(b"public", 1, [(1, 3, 6, 1)]).hex()
    '302102010104067075626c6963a0140201010201000201003009300706032b06010500'
    """
    bindings = b"".join(
        _wrap(_SEQUENCE, _wrap(_OID, encode_oid(oid)) + _wrap(_NULL, b"")) for oid in oids
    )
    request = _wrap(_INTEGER, request_id.to_bytes(request_id.bit_length() // 8 + 1, "big"))
    zero = _wrap(_INTEGER, b"\0")
    body = request + zero + zero + _wrap(_SEQUENCE, bindings)
    return _wrap(
        _SEQUENCE, _wrap(_INTEGER, b"\x01") + _wrap(_OCTETS, community) + _wrap(_GET, body)
    )


def parse_response(datagram: bytes, request_id: int, oids: list[Oid]) -> list[int] | None:
    """The counters of an answer, in the order asked; None where the box has none of these.

    Raises ValueError for what is no answer to that question.
    """
    (message,) = split_ber(datagram)
    version, _, pdu = _expect(message, _SEQUENCE, 3)
    if version[1] != b"\x01":
        raise ValueError("another version of SNMP")
    number, status, _, bindings = _expect(pdu, _RESPONSE, 4)
    if int.from_bytes(number[1], "big", signed=True) != request_id:
        raise ValueError("an answer to another question")
    if int.from_bytes(status[1], "big"):
        return None
    values = []
    for oid, binding in zip(oids, _expect(bindings, _SEQUENCE, len(oids)), strict=True):
        name, value = _expect(binding, _SEQUENCE, 2)
        if name != (_OID, encode_oid(oid)):
            raise ValueError("another object than was asked for")
        if value[0] not in (_COUNTER32, _COUNTER64):
            return None  # noSuchObject, noSuchInstance
        values.append(int.from_bytes(value[1], "big"))
    return values


def encode_oid(oid: Oid) -> bytes:
    """An object identifier, seven bits of an arc to a byte (X.690, 8.19).

    >>> encode_oid((1, 3, 6, 1, 4, 1, 2021)).hex()
    '2b060104018f65'
    """
    encoded = bytearray([oid[0] * 40 + oid[1]])
    for arc in oid[2:]:
        groups = max(1, -(-arc.bit_length() // 7))
        for group in reversed(range(groups)):
            more = 0x80 if group else 0
            encoded.append(more | arc >> 7 * group & 0x7F)
    return bytes(encoded)


def split_ber(data: bytes) -> list[tuple[int, bytes]]:
    r"""The elements that stand one behind the other. Raises ValueError for a wrong length.

    >>> split_ber(bytes.fromhex("0201050400"))
    [(2, b'\x05'), (4, b'')]
    """
    return list(_walk(data))


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        if len(data) < 2:
            raise ValueError("cut short")
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 2 or len(data) < 2 + count:
                raise ValueError("a length that is none")
            length, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
        if len(data) < start + length:
            raise ValueError("cut short")
        yield tag, data[start : start + length]
        data = data[start + length :]


def _expect(element: tuple[int, bytes], tag: int, count: int) -> list[tuple[int, bytes]]:
    inner = split_ber(element[1]) if element[0] == tag else []
    if len(inner) != count:
        raise ValueError("another shape than an answer has")
    return inner


def _wrap(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content
