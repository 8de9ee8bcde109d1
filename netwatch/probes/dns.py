"""The DNS probe: does this one resolver answer.

Rule of this file: one question, one deadline, one resolver, on a socket of its own.
It must not know which resolvers the machine uses, nor what an answer is good for.
"""

from __future__ import annotations

import os
import select
import socket
import time
from typing import ClassVar

import msgspec

from netwatch.probes.connect import (
    LOCAL_REASONS,
    Endpoint,
    answering_reason,
    failed,
    open_first,
    parse_endpoint,
    sending_reason,
)
from netwatch.probes.deadline import Deadline, MonotonicNs, elapsed_us
from netwatch.probes.dns_message import (
    MAX_ANSWER_BYTES,
    RESPONSE_CODES,
    Answer,
    MalformedAnswer,
    build_query,
    is_answer_to,
    parse_answer,
)
from netwatch.records import Check, Finding, Outcome

DNS_PORT = 53
# A flood of answers that are not ours is not sorted through to the deadline.
_MAX_FOREIGN = 256
# The resolver works if it can say that there is no such name (RFC 8020).
_WORKING_CODES = frozenset({0, 3})


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one question; exactly one of ``answer`` and ``reason`` is set.

    ``reason`` speaks of the exchange alone; what the answer says is not judged.
    """

    answer: Answer | None = None
    reason: str | None = None
    detail: str | None = None
    rtt_us: int | None = None


class DnsProbe:
    """Asks the resolver ``check.target`` (an address) one recursive question.

    ``check.params``: ``name`` (``.``), ``type`` (NS for the root, else A), ``port`` (53).
    ``measures``: ``rtt_us``, question to answer, and ``response_code`` (RFC 1035, 4.1.1).

    NOERROR counts as answered, with or without records, and so does NXDOMAIN: to know
    that a name does not exist, the resolver has done its work. Any other code is a
    failure. Answers whose identifier, question or source is not ours are ignored.
    """

    REASONS: ClassVar[tuple[str, ...]] = (
        "timeout",
        "port_closed",  # the machine is there, and nothing listens (ICMP port unreachable)
        "unreachable",
        "servfail",
        "refused",  # the resolver's own word, response code 5
        "response_code",  # any other code that is no answer
        "mismatched",  # answers came, none of them to our question
        "malformed",
        "too_large",
        "truncated",  # did not fit a datagram, and the retry over TCP failed
        *LOCAL_REASONS,
    )

    def __init__(self, *, monotonic_ns: MonotonicNs = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._queries: dict[tuple[str, str], bytes] = {}  # as many as the configuration has

    def measure(self, check: Check) -> Finding:
        deadline = Deadline(check.timeout_ms, self._monotonic_ns)
        name = str(check.params.get("name", "."))
        record_type = str(check.params.get("type", "NS" if name == "." else "A"))
        try:
            endpoint = parse_endpoint(check.target, int(check.params.get("port", DNS_PORT)))
            query = self._query(name, record_type)
        except ValueError as error:
            return failed("bad_target", str(error))
        reply = ask(endpoint, query, deadline)
        if reply.answer is None:
            assert reply.reason is not None
            return failed(reply.reason, reply.detail)
        measures = {"response_code": reply.answer.response_code}
        if reply.rtt_us is not None:
            measures["rtt_us"] = reply.rtt_us
        if reply.answer.response_code in _WORKING_CODES:
            return Finding(outcome=Outcome.ANSWERED, measures=measures)
        word = RESPONSE_CODES.get(reply.answer.response_code, str(reply.answer.response_code))
        reason = word if word in ("servfail", "refused") else "response_code"
        return failed(reason, f"response code {word}", measures)

    def _query(self, name: str, record_type: str) -> bytes:
        key = (name, record_type)
        if key not in self._queries:
            self._queries[key] = build_query(name, record_type)
        return self._queries[key]


def ask(endpoint: Endpoint, query: bytes, deadline: Deadline) -> Reply:
    """Put one question to one resolver: a datagram, then TCP if the answer was cut.

    ``query`` comes from `build_query`; identifier and source port are fresh and random
    for each call (RFC 5452, 9.2), and the socket is connected, so that the kernel drops
    what other addresses send. The datagram is not repeated: a lost one is a loss.
    """
    query = os.urandom(2) + query[2:]
    try:
        with socket.socket(endpoint.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.connect(endpoint.address)
            started_ns = deadline.monotonic_ns()
            channel.send(query)
            reply = _receive(channel, query, deadline, started_ns)
    except ConnectionRefusedError:
        return Reply(reason="port_closed")
    except OSError as error:
        return Reply(reason=sending_reason(error.errno))
    if reply.answer is not None and reply.answer.truncated:
        return _ask_tcp(endpoint, query, deadline, started_ns)
    return reply


def _receive(channel: socket.socket, query: bytes, deadline: Deadline, started_ns: int) -> Reply:
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    foreign = 0
    while foreign < _MAX_FOREIGN:
        if not poller.poll(deadline.remaining_ms()):
            break
        now_ns = deadline.monotonic_ns()
        try:
            datagram = channel.recv(MAX_ANSWER_BYTES + 1)
        except BlockingIOError:
            continue  # a bad checksum: poll(2) had promised too much
        except ConnectionRefusedError:
            return Reply(reason="port_closed")
        except OSError as error:
            return Reply(reason=answering_reason(error.errno))
        if is_answer_to(datagram, query):
            return _judge(datagram, elapsed_us(started_ns, now_ns))
        foreign += 1
    if foreign:
        return Reply(reason="mismatched", detail=f"{foreign} answers to another question")
    return Reply(reason="timeout")


def _judge(message: bytes, rtt_us: int) -> Reply:
    if len(message) > MAX_ANSWER_BYTES:
        return Reply(reason="too_large", detail=f"more than {MAX_ANSWER_BYTES} bytes")
    try:
        return Reply(answer=parse_answer(message), rtt_us=rtt_us)
    except MalformedAnswer as error:
        return Reply(reason="malformed", detail=str(error))


def _ask_tcp(endpoint: Endpoint, query: bytes, deadline: Deadline, started_ns: int) -> Reply:
    """The same question over TCP, in what is left of the time (RFC 7766, 5)."""
    attempt = open_first([endpoint], deadline)
    if attempt.socket is None:
        return Reply(reason="truncated", detail=f"over TCP: {attempt.reason}")
    try:
        with attempt.socket as stream:
            stream.settimeout(deadline.remaining_s())
            stream.sendall(len(query).to_bytes(2, "big") + query)
            length = int.from_bytes(_receive_exactly(stream, 2, deadline), "big")
            if length > MAX_ANSWER_BYTES:
                return Reply(reason="too_large", detail=f"{length} bytes over TCP")
            message = _receive_exactly(stream, length, deadline)
    except OSError as error:
        word = "timeout" if isinstance(error, TimeoutError) else answering_reason(error.errno)
        return Reply(reason="truncated", detail=f"over TCP: {word}")
    except EOFError:
        return Reply(reason="truncated", detail="over TCP: closed in mid-answer")
    if not is_answer_to(message, query):
        return Reply(reason="mismatched", detail="over TCP: an answer to another question")
    reply = _judge(message, elapsed_us(started_ns, deadline.monotonic_ns()))
    if reply.answer is not None and reply.answer.truncated:
        return Reply(reason="truncated", detail="over TCP: cut short again")
    return reply


def _receive_exactly(stream: socket.socket, count: int, deadline: Deadline) -> bytes:
    received = bytearray()
    while len(received) < count:
        stream.settimeout(deadline.remaining_s())
        piece = stream.recv(count - len(received))
        if not piece:
            raise EOFError
        received += piece
    return bytes(received)
