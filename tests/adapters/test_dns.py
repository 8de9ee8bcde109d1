"""The DNS probe against a real resolver, and against servers that lie, stammer and flood."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.probes.deadline import Deadline
from netwatch.probes.dns import DnsProbe
from netwatch.probes.dns_message import MalformedAnswer, build_query, is_answer_to, parse_answer
from netwatch.probes.resolve import (
    ResolveFailed,
    parse_hosts,
    parse_resolv_conf,
    read_resolvers,
    resolve,
)
from netwatch.records import Check, Finding, Outcome, Role
from tests.adapters.hostile import DatagramServer, StreamServer, free_port
from tests.adapters.servers import dnsmasq


def measure(server: str, port: int, timeout_ms: int = 300, **params: str) -> Finding:
    check = Check(
        id="r",
        kind="dns",
        target=server,
        role=Role.RESOLVER,
        every_ms=1_000,
        timeout_ms=timeout_ms,
        params={"port": port, **params},
    )
    return DnsProbe().measure(check)


def answered(question: bytes, code: int = 0, flags: int = 0x8180) -> bytes:
    """A right answer: the root's servers."""
    answer = dns.message.make_response(dns.message.from_wire(question))
    names = [f"{letter}.root-servers.net." for letter in "abcdefghijklm"]
    answer.answer.append(dns.rrset.from_text(".", 518_400, "IN", "NS", *names))
    wire = answer.to_wire()
    return wire[:2] + struct.pack("!H", flags | code) + wire[4:]


def one_record(question: bytes, record: str) -> bytes:
    """An answer that claims one record, given in hexadecimal; it begins at byte 17."""
    return (
        question[:2] + bytes.fromhex("81800001000100000000") + question[12:] + bytes.fromhex(record)
    )


def against(answer: Callable[[bytes], Iterable[bytes]], timeout_ms: int = 10_000) -> Finding:
    with DatagramServer(answer) as server:
        return measure(server.address, server.port, timeout_ms)


# --- a real resolver -----------------------------------------------------------------


def test_dnsmasq_answers_refuses_and_denies() -> None:
    """An address is an answer, NXDOMAIN is one too, REFUSED is not."""
    with dnsmasq("127.82.0.1", 5_353, "--address=/ent.example/192.0.2.1", "--local=/nx.example/"):
        known = measure("127.82.0.1", 5_353, 5_000, name="ent.example")
        denied = measure("127.82.0.1", 5_353, 5_000, name="no.nx.example")
        refused = measure("127.82.0.1", 5_353, 5_000)
    assert (known.outcome, known.measures["response_code"]) == (Outcome.ANSWERED, 0)
    assert known.measures["rtt_us"] > 0
    assert (denied.outcome, denied.measures["response_code"]) == (Outcome.ANSWERED, 3)
    assert (refused.outcome, refused.reason) == (Outcome.FAILED, "refused")
    assert refused.measures["response_code"] == 5


def test_an_answer_too_long_for_a_datagram_is_fetched_over_tcp() -> None:
    text = ",".join(letter * 250 for letter in "abc")
    with dnsmasq("127.82.0.2", 5_353, f"--txt-record=long.example,{text}"):
        finding = measure("127.82.0.2", 5_353, 5_000, name="long.example", type="TXT")
    assert (finding.outcome, finding.reason) == (Outcome.ANSWERED, None)


def test_a_resolver_is_asked_over_ipv6() -> None:
    with DatagramServer(lambda question: [answered(question)], "::1") as server:
        assert measure("::1", server.port, 5_000).outcome is Outcome.ANSWERED


# --- servers that do it wrong ---------------------------------------------------------


def test_silence_is_a_timeout() -> None:
    finding = against(lambda _: [], 200)
    assert (finding.outcome, finding.reason, finding.measures) == (Outcome.FAILED, "timeout", {})


def test_a_closed_port_is_told_at_once() -> None:
    assert measure("127.0.0.1", free_port(socket.SOCK_DGRAM), 60_000).reason == "port_closed"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda q: [answered(q, code=2)], "servfail"),
        (lambda q: [q[:2] + b"\x81\x82" + bytes(8)], "servfail"),  # without the question
        (lambda q: [answered(q, code=5)], "refused"),
        (lambda q: [answered(q, code=4)], "response_code"),
        (lambda q: [answered(q, code=15)], "response_code"),
        (lambda q: [answered(b"\x00\x00" + q[2:])], "mismatched"),
        (lambda q: [answered(q[:12] + b"\x07invalid" + q[12:])], "mismatched"),
        (lambda q: [q], "mismatched"),  # our own question, thrown back
        (lambda q: [b"", b"\x00", q[:2]], "mismatched"),
        (lambda q: [q[:2] + b"\x81\x80" + bytes(8)], "mismatched"),  # no question, no excuse
        (lambda _: [bytes(100)] * 1_000, "mismatched"),  # a flood
        (lambda q: [q[:2] + b"\x81"], "malformed"),
        (lambda q: [answered(q)[:14]], "malformed"),
        (lambda q: [answered(q)[:60]], "malformed"),
        (lambda q: [q[:2] + b"\x81\x80\x00\x01\xff\xff\x00\x00\x00\x00" + q[12:]], "malformed"),
        # a record whose name points to itself, one without its end, one whose data do
        (lambda q: [one_record(q, "c011")], "malformed"),
        (lambda q: [one_record(q, "0000020001")], "malformed"),
        (lambda q: [one_record(q, "0000020001000000000002c01c")], "malformed"),
        (lambda q: [answered(q) + bytes(9_000)], "too_large"),
        (lambda q: [answered(q, flags=0x8380)], "truncated"),  # and nobody listens on TCP
    ],
)
def test_each_wrong_answer_has_its_reason(
    answer: Callable[[bytes], Iterable[bytes]], reason: str
) -> None:
    finding = against(answer, 600 if reason == "mismatched" else 10_000)
    assert (finding.outcome, finding.reason) == (Outcome.FAILED, reason)


def test_a_right_answer_is_found_among_wrong_ones() -> None:
    """Wrong identifiers are ignored, not judged, until the deadline."""
    finding = against(lambda q: [*[answered(b"\x00\x00" + q[2:])] * 50, q, answered(q)])
    assert finding.outcome is Outcome.ANSWERED


def test_an_answer_from_another_source_is_not_one() -> None:
    """The socket is connected: the kernel drops what comes from elsewhere."""
    with DatagramServer(lambda _: []) as server:

        def forge(question: bytes) -> list[bytes]:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
                forger.sendto(answered(question), server.clients[-1])
            return []

        server._answer = forge
        finding = measure(server.address, server.port)
    assert finding.reason == "timeout"


def test_every_question_has_its_own_identifier_and_port() -> None:
    """RFC 5452: what cannot be guessed cannot be forged."""
    with DatagramServer(lambda question: [answered(question)]) as server:
        for _ in range(20):
            measure(server.address, server.port, 5_000)
        assert len({question[:2] for question in server.asked}) > 15
        assert len(set(server.clients)) > 15


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (lambda stream, _: stream.shutdown(socket.SHUT_RDWR), "truncated"),
        (lambda stream, _: stream.sendall(b"\x01"), "truncated"),
        (lambda stream, _: stream.sendall(b"\xff\xff" + bytes(65_535)), "too_large"),
        (lambda stream, _: stream.sendall(b"\x00\x04abcd"), "mismatched"),
        (
            lambda stream, question: stream.sendall(b"\x00\x03" + question[2:4] + b"\x81"),
            "malformed",
        ),
    ],
)
def test_a_retry_over_tcp_that_fails_has_its_reason(
    reply: Callable[[socket.socket, bytes], object], reason: str
) -> None:
    with (
        StreamServer(lambda stream: reply(stream, stream.recv(512)) and None) as stream_server,
        DatagramServer(
            lambda question: [answered(question, flags=0x8380)], port=stream_server.port
        ) as server,
    ):
        assert measure(server.address, server.port, 10_000).reason == reason


def test_a_retry_over_tcp_ends_at_the_same_deadline() -> None:
    """Whoever accepts and then says nothing does not get a second timeout."""
    with (
        StreamServer(
            lambda stream: stream.recv(512) and stream.recv(512) and None
        ) as stream_server,
        DatagramServer(
            lambda question: [answered(question, flags=0x8380)], port=stream_server.port
        ) as server,
    ):
        finding = measure(server.address, server.port, 600)
    assert (finding.reason, finding.detail) == ("truncated", "over TCP: timeout")


@pytest.mark.parametrize(
    ("server", "params"),
    [("ns.example", {}), ("127.0.0.1", {"name": "a..b"}), ("127.0.0.1", {"type": "NOTATYPE"})],
)
def test_what_cannot_be_asked_is_unknown_and_ours(server: str, params: dict[str, str]) -> None:
    finding = measure(server, 53, **params)
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, "bad_target")


# --- parsing ------------------------------------------------------------------------------


@given(st.binary(max_size=600))
def test_no_bytes_make_the_parser_raise_anything_but_its_own_error(message: bytes) -> None:
    is_answer_to(message, build_query(".", "NS"))
    try:
        parse_answer(message)
    except MalformedAnswer:
        return


@given(data=st.data())
def test_a_right_answer_with_one_byte_changed_is_read_or_refused(data: st.DataObject) -> None:
    message = bytearray(answered(build_query(".", "NS")))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] = data.draw(st.integers(0, 255))
    try:
        assert len(parse_answer(bytes(message)).records) <= 13
    except MalformedAnswer:
        return


def test_a_right_answer_is_taken_apart() -> None:
    answer = parse_answer(answered(build_query(".", "NS")))
    assert (answer.response_code, answer.truncated, len(answer.records)) == (0, False, 13)


# --- the machine's resolvers, and names ------------------------------------------------------


def test_the_real_resolvers_are_read_behind_systemds_stub(tmp_path: Path) -> None:
    stub, real = tmp_path / "resolv.conf", tmp_path / "real.conf"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n", encoding="ascii")
    real.write_text("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", encoding="ascii")
    assert read_resolvers(stub, real) == ("192.0.2.1", "2001:db8::1")
    real.write_text("", encoding="ascii")
    assert read_resolvers(stub, real) == ("127.0.0.53",)
    stub.write_text("nameserver 192.0.2.7\n", encoding="ascii")
    assert read_resolvers(stub, real) == ("192.0.2.7",)
    assert read_resolvers(tmp_path / "none", real) == ()


@given(st.text(), st.text())
def test_any_text_is_a_resolver_file_and_a_hosts_file(text: str, name: str) -> None:
    assert len(parse_resolv_conf(text)) <= 3
    assert len(parse_hosts(text, name)) <= 4


def look_up(host: str, *servers: str, port: int, timeout_ms: int = 5_000) -> tuple[str, ...]:
    deadline = Deadline(timeout_ms, time.monotonic_ns)
    return resolve(host, deadline, lambda: servers, port=port, hosts=Path("/nonexistent"))


def test_addresses_are_found_through_aliases_and_ipv6_where_there_is_nothing_else() -> None:
    options = (
        "--host-record=ent.example,192.0.2.1",
        "--cname=www.example,ent.example",
        "--host-record=six.example,2001:db8::6",
        "--local=/example/",
    )
    with dnsmasq("127.82.0.3", 5_353, *options):
        assert look_up("www.example", "127.82.0.3", port=5_353) == ("192.0.2.1",)
        assert look_up("six.example", "127.82.0.3", port=5_353) == ("2001:db8::6",)
        assert look_up("192.0.2.9", port=5_353) == ("192.0.2.9",)


def test_a_dead_resolver_is_passed_over_and_a_lost_question_repeated() -> None:
    """The second resolver is asked in good time; one that loses the first question answers the next."""
    lost: list[bytes] = []

    def forgetful(question: bytes) -> list[bytes]:
        lost.append(question)
        if len(lost) == 1:
            return []
        answer = dns.message.make_response(dns.message.from_wire(question))
        answer.answer.append(dns.rrset.from_text("ent.example.", 60, "IN", "A", "192.0.2.5"))
        return [answer.to_wire()]

    with DatagramServer(forgetful) as server:
        found = look_up(
            "ent.example", "127.82.0.9", "127.0.0.1", port=server.port, timeout_ms=4_000
        )
    assert found == ("192.0.2.5",)
    assert len(lost) == 2


def test_what_all_resolvers_said_is_told() -> None:
    with pytest.raises(ResolveFailed) as failed:
        look_up("ent.example", "127.82.0.9", port=free_port(socket.SOCK_DGRAM))
    assert failed.value.reason == "resolve_failed"
    assert failed.value.detail == "127.82.0.9: port_closed"
