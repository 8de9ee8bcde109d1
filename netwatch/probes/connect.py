"""Opening TCP connections, several at a time, against a deadline.

Rule of this file: no call in it blocks for longer than the deadline, and no address
in it is a name. It knows no probe, and it decides nothing about what an error means
for the line beyond the word for it.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections.abc import Mapping, Sequence

import msgspec

from netwatch.probes.deadline import Deadline, elapsed_us
from netwatch.records import Finding, Outcome

#: Reasons that are this machine's own: nothing was, or could be, sent. A finding with
#: one of them is *unknown*, because a failure of ours is never the operator's.
LOCAL_REASONS: tuple[str, ...] = (
    "no_route",  # no entry in the routing table for this address
    "network_down",  # the interface is down
    "no_address",  # no address of ours to send from, or no free port
    "refused_local",  # our own firewall
    "no_resources",  # file descriptors, buffers or memory
    "send_failed",  # any other refusal of our own kernel
    "bad_target",  # not an address, URL or name that could be probed
    "no_resolver",  # a name to look up, and no resolver configured
)
#: Reasons that come from the network or the far side.
REMOTE_REASONS: tuple[str, ...] = ("timeout", "refused", "unreachable", "reset")

# What our own kernel says at once, before anything is sent.
_SENDING: Mapping[int, str] = {
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EINVAL: "no_route",  # a blackhole route answers so
    errno.ENETDOWN: "network_down",
    errno.ENODEV: "network_down",
    errno.EADDRNOTAVAIL: "no_address",
    errno.EPERM: "refused_local",
    errno.EACCES: "refused_local",
    errno.EMFILE: "no_resources",
    errno.ENFILE: "no_resources",
    errno.ENOBUFS: "no_resources",
    errno.ENOMEM: "no_resources",
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "timeout",
}
# What comes back later: an RST, an ICMP error, or a neighbour that does not answer.
_ANSWERING: Mapping[int, str] = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.ENETDOWN: "network_down",
}
# How long one address is tried alone before the next joins in (RFC 8305, 5).
_STAGGER_MS = 250
# linux/tcp.h, struct tcp_info: 8 bytes of flags, then 32-bit words; rtt (µs) is the 16th.
_TCP_INFO_RTT = struct.Struct("=68xI")


class Endpoint(msgspec.Struct, frozen=True):
    """An address in the form that the socket calls take."""

    family: int
    address: tuple[str, int] | tuple[str, int, int, int]


def parse_endpoint(address: str, port: int) -> Endpoint:
    """An IPv4 or IPv6 address, the latter with its scope where it is link-local.

    Raises ValueError for anything else: a name is never looked up here.

    >>> parse_endpoint("192.0.2.7", 53).address
    ('192.0.2.7', 53)
    >>> parse_endpoint("2001:db8::1", 53).address
    ('2001:db8::1', 53, 0, 0)
    >>> parse_endpoint("box.example", 53)
    Traceback (most recent call last):
    ValueError: 'box.example' is not an IP address
    """
    if not 0 < port < 65_536:
        raise ValueError(f"{port} is not a port")
    plain, _, scope = address.partition("%")
    try:
        if ":" in plain:
            socket.inet_pton(socket.AF_INET6, plain)
            index = socket.if_nametoindex(scope) if scope else 0
            return Endpoint(socket.AF_INET6, (plain, port, 0, index))
        socket.inet_pton(socket.AF_INET, address)
    except OSError:
        raise ValueError(f"{address[:80]!r} is not an IP address") from None
    return Endpoint(socket.AF_INET, (address, port))


def sending_reason(number: int | None) -> str:
    """The word for an errno that connect(2) or send(2) gave at once.

    >>> sending_reason(errno.ENETUNREACH)
    'no_route'
    """
    return _SENDING.get(number or 0, "send_failed")


def answering_reason(number: int | None) -> str:
    """The word for an errno that came later, from the network.

    >>> answering_reason(errno.ENETUNREACH)
    'unreachable'
    """
    return _ANSWERING.get(number or 0, "unreachable")


def failed(
    reason: str, detail: str | None = None, measures: Mapping[str, int] | None = None
) -> Finding:
    """A finding that is unknown when the reason is our own, and failed otherwise.

    >>> failed("no_route").outcome.value, failed("timeout").outcome.value
    ('unknown', 'failed')
    """
    outcome = Outcome.UNKNOWN if reason in LOCAL_REASONS else Outcome.FAILED
    return Finding(outcome=outcome, reason=reason, detail=detail, measures=measures or {})


class Attempt:
    """One TCP connection being opened. It owns its socket until that is taken over."""

    __slots__ = ("_started_ns", "connect_us", "reason", "rtt_us", "settled", "socket")

    def __init__(self, endpoint: Endpoint, deadline: Deadline) -> None:
        self.settled = False
        self.reason: str | None = None
        self.connect_us: int | None = None
        self.rtt_us: int | None = None  # the kernel's figure for SYN to SYN-ACK
        self._started_ns = deadline.monotonic_ns()
        self.socket: socket.socket | None = None
        try:
            self.socket = socket.socket(
                endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            )
            number = self.socket.connect_ex(endpoint.address)
        except OSError as error:
            self._fail(sending_reason(error.errno))
            return
        if number not in (0, errno.EINPROGRESS):
            self._fail(sending_reason(number))

    def finish(self, now_ns: int) -> None:
        """Read the verdict of a connection that poll(2) reported, at ``now_ns``."""
        assert self.socket is not None
        self.connect_us = elapsed_us(self._started_ns, now_ns)
        number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._fail(answering_reason(number))
            return
        self.settled = True
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_RTT.size)
        # 0 where the SYN had to be sent again: nobody can tell which one was answered.
        self.rtt_us = _TCP_INFO_RTT.unpack(info)[0] or None

    def give_up(self) -> None:
        """The deadline came first."""
        self._fail("timeout")

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _fail(self, reason: str) -> None:
        self.settled = True
        self.reason = reason
        self.close()


def wait_any(attempts: Sequence[Attempt], deadline: Deadline, limit_ms: int | None = None) -> None:
    """Wait once, until one of the attempts settles, the deadline or ``limit_ms`` passes."""
    poller = select.poll()
    by_descriptor: dict[int, Attempt] = {}
    for attempt in attempts:
        if not attempt.settled and attempt.socket is not None:
            by_descriptor[attempt.socket.fileno()] = attempt
            poller.register(attempt.socket, select.POLLOUT)
    wait_ms = deadline.remaining_ms()
    if limit_ms is not None:
        wait_ms = min(wait_ms, limit_ms)
    events = poller.poll(wait_ms)
    now_ns = deadline.monotonic_ns()
    for descriptor, _ in events:
        by_descriptor[descriptor].finish(now_ns)


def open_first(endpoints: Sequence[Endpoint], deadline: Deadline) -> Attempt:
    """The first of several addresses of one host that lets itself be connected to.

    Each is tried 250 ms after the one before it, or at once when that failed (after
    RFC 8305). What comes back is settled: with its socket, which the caller closes, or
    with the reason of the attempt that failed last. ``endpoints`` has one at least.
    """
    waiting = list(endpoints)
    running: list[Attempt] = []
    last: Attempt | None = None
    try:
        while True:
            begun = running or last is not None
            if waiting and (not begun or deadline.remaining_ms()):
                running.append(Attempt(waiting.pop(0), deadline))
            limit_ms = _STAGGER_MS if waiting else None
            if all(not attempt.settled for attempt in running):
                wait_any(running, deadline, limit_ms)
            for attempt in [attempt for attempt in running if attempt.settled]:
                running.remove(attempt)
                if attempt.reason is None:
                    return attempt
                last = attempt
            if deadline.remaining_ms() == 0:
                for attempt in running:
                    attempt.give_up()
                    last = attempt
                running.clear()
                waiting.clear()
            if not waiting and not running:
                assert last is not None, "no address was given"
                return last
    finally:
        for attempt in running:
            attempt.close()
