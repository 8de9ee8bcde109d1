"""ICMP packets: what is built is what the standards say, and no bytes make parsing raise."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.probes.icmp_packet import (
    PAYLOAD_BYTES,
    Kind,
    Message,
    build_echo,
    parse_echo_request,
    parse_icmp_v4,
    parse_icmp_v6,
    parse_ipv4_packet,
)
from tests.adapters.icmp_lab import build_message

PAYLOAD = bytes(range(PAYLOAD_BYTES))
PARSERS = (parse_echo_request, parse_ipv4_packet, parse_icmp_v4, parse_icmp_v6)


def build_ipv4(payload: bytes, *, protocol: int = 1, words: int = 5) -> bytes:
    addresses = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.9")
    options = bytes((words - 5) * 4)
    length = words * 4 + len(payload)
    header = struct.pack("!BBHHHBBH", 0x40 | words, 0, length, 0, 0, 64, protocol, 0)
    return header + addresses + options + payload


def build_ipv6(payload: bytes, *, following: int = 58) -> bytes:
    addresses = b"".join(
        socket.inet_pton(socket.AF_INET6, address) for address in ("2001:db8::1", "2001:db8::9")
    )
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + addresses + payload


PROBE4 = build_echo(socket.AF_INET, identifier=0xBEEF, sequence=7, payload=PAYLOAD)
PROBE6 = build_echo(socket.AF_INET6, identifier=0xBEEF, sequence=7, payload=PAYLOAD)


@pytest.mark.parametrize("parser", PARSERS)
@given(data=st.binary(max_size=120))
def test_no_bytes_make_a_parser_raise(parser: Callable[[bytes], object], data: bytes) -> None:
    """Whatever the network delivers is a message or None."""
    parser(data)


@given(
    data=st.binary(max_size=80),
    kind=st.sampled_from((0, 1, 3, 11, 129)),
    words=st.integers(min_value=0, max_value=15),
)
def test_no_embedded_packet_makes_a_parser_raise(data: bytes, kind: int, words: int) -> None:
    """Bytes that look like an error about an IP packet are a message or None."""
    body = bytes(4) + bytes([0x40 | words]) + data
    parse_ipv4_packet(build_ipv4(build_message(kind, 0, body)))
    parse_icmp_v6(build_message(kind, 0, bytes(4) + b"\x60" + data))


@given(payload=st.binary(max_size=64), sequence=st.integers(min_value=0, max_value=0xFFFF))
def test_checksum_is_the_internets(payload: bytes, sequence: int) -> None:
    """The checksum of a built probe is that of RFC 1071, whatever the payload's length."""
    built = build_echo(socket.AF_INET, identifier=9, sequence=sequence, payload=payload)
    assert built == build_message(8, 0, struct.pack("!HH", 9, sequence) + payload)


@given(cut=st.integers(min_value=0, max_value=len(PROBE4) - 1))
def test_truncated_reply_is_not_a_whole_one(cut: int) -> None:
    """No prefix of a reply is taken for the reply."""
    reply = build_message(0, 0, PROBE4[4:])
    whole = parse_ipv4_packet(build_ipv4(reply))
    assert whole is not None
    assert parse_ipv4_packet(build_ipv4(reply[:cut])) != whole


def test_ipv4_reply_with_ip_options_is_read() -> None:
    """The header's own length says where the message begins."""
    parsed = parse_ipv4_packet(build_ipv4(build_message(0, 0, PROBE4[4:]), words=7))
    assert parsed == Message(kind=Kind.ECHO_REPLY, identifier=0xBEEF, sequence=7, payload=PAYLOAD)


def test_ipv4_reply_with_a_wrong_checksum_is_nothing() -> None:
    """A raw socket is given damaged messages too: they are no answers."""
    reply = bytearray(build_message(0, 0, PROBE4[4:]))
    reply[-1] ^= 0x01
    assert parse_ipv4_packet(build_ipv4(bytes(reply))) is None


@pytest.mark.parametrize(("kind", "meaning"), [(11, Kind.TIME_EXCEEDED), (3, Kind.UNREACHABLE)])
@pytest.mark.parametrize("embedded", [8, 8 + PAYLOAD_BYTES, 8 + 4])
def test_ipv4_error_names_the_probe(kind: int, meaning: Kind, embedded: int) -> None:
    """An error gives back the probe's identifier, sequence, destination, and what it kept."""
    message = build_message(kind, 0, bytes(4) + build_ipv4(PROBE4[:embedded]))
    assert parse_icmp_v4(message) == Message(
        kind=meaning,
        identifier=0xBEEF,
        sequence=7,
        payload=PAYLOAD[: embedded - 8],
        destination="192.0.2.9",
    )


@pytest.mark.parametrize(("kind", "meaning"), [(3, Kind.TIME_EXCEEDED), (1, Kind.UNREACHABLE)])
def test_ipv6_error_names_the_probe(kind: int, meaning: Kind) -> None:
    """The same of ICMPv6, whose numbers are others."""
    message = build_message(kind, 0, bytes(4) + build_ipv6(PROBE6))
    assert parse_icmp_v6(message) == Message(
        kind=meaning, identifier=0xBEEF, sequence=7, payload=PAYLOAD, destination="2001:db8::9"
    )


@pytest.mark.parametrize(
    "message",
    [
        build_message(11, 0, bytes(4) + build_ipv4(PROBE4, protocol=17)),
        build_message(11, 0, bytes(4) + build_ipv4(b"\x00" + PROBE4[1:])),
        build_message(8, 0, PROBE4[4:]),
        build_message(0, 1, PROBE4[4:]),
        build_message(5, 1, bytes(4) + build_ipv4(PROBE4)),
    ],
    ids=["about udp", "about a reply", "a request", "reply with a code", "redirect"],
)
def test_other_messages_are_nothing(message: bytes) -> None:
    """Errors about others' packets, requests and redirects are no answers."""
    assert parse_icmp_v4(message) is None
