"""The TCP probe: does a connection open, and how long does the handshake take.

Rule of this file: a connection is opened and closed, and nothing is sent over it.
It must not know what its finding means for the line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from netwatch.probes.connect import (
    LOCAL_REASONS,
    REMOTE_REASONS,
    Attempt,
    failed,
    open_first,
    parse_endpoint,
    wait_any,
)
from netwatch.probes.deadline import Deadline, MonotonicNs
from netwatch.probes.resolve import ResolveFailed, read_resolvers, resolve
from netwatch.records import Check, Finding, Outcome

DEFAULT_PORT = 443


class TcpProbe:
    """Opens one connection to ``check.target``, an address or a name.

    ``check.params``: ``port`` (443). ``measures``: ``rtt_us``, the kernel's own figure
    for SYN to SYN-ACK, which no load of this machine bends (absent where the SYN had to
    be repeated); ``connect_us``, the same as seen from here, also of a refusal.
    """

    REASONS: ClassVar[tuple[str, ...]] = (*REMOTE_REASONS, "resolve_failed", *LOCAL_REASONS)

    def __init__(
        self,
        *,
        resolvers: Callable[[], Sequence[str]] = read_resolvers,
        monotonic_ns: MonotonicNs = time.monotonic_ns,
    ) -> None:
        self._resolvers = resolvers
        self._monotonic_ns = monotonic_ns

    def measure(self, check: Check) -> Finding:
        deadline = Deadline(check.timeout_ms, self._monotonic_ns)
        try:
            addresses = resolve(check.target, deadline, self._resolvers)
            port = int(check.params.get("port", DEFAULT_PORT))
            endpoints = [parse_endpoint(address, port) for address in addresses]
        except ResolveFailed as failure:
            return failed(failure.reason, failure.detail)
        except ValueError as error:
            return failed("bad_target", str(error))
        attempt = open_first(endpoints, deadline)
        attempt.close()
        return _finding(attempt)


def connect_many(
    addresses: Sequence[tuple[str, int]],
    timeout_ms: int,
    *,
    monotonic_ns: MonotonicNs = time.monotonic_ns,
) -> list[Finding]:
    """One connection to each (address, port), all at once in this thread, in that order.

    With a timeout below 1 000 ms (the first retransmission, RFC 6298, 2.1) each costs a
    single SYN. Meant to corroborate an outage: choose ports that a box does not answer
    in the internet's place when its line is off (443 or 53 rather than 80).
    """
    deadline = Deadline(timeout_ms, monotonic_ns)
    attempts: list[Attempt | Finding] = []
    try:
        for address, port in addresses:
            try:
                endpoint = parse_endpoint(address, port)
            except ValueError as error:
                attempts.append(failed("bad_target", str(error)))
            else:
                attempts.append(Attempt(endpoint, deadline))
        opened = [attempt for attempt in attempts if isinstance(attempt, Attempt)]
        while deadline.remaining_ms() and not all(attempt.settled for attempt in opened):
            wait_any(opened, deadline)
        for attempt in opened:
            if not attempt.settled:
                attempt.give_up()
        return [begun if isinstance(begun, Finding) else _finding(begun) for begun in attempts]
    finally:
        for begun in attempts:
            if isinstance(begun, Attempt):
                begun.close()


def carries_traffic(finding: Finding) -> bool:
    """Whether this finding of a connection proves that the path carries packets both ways.

    A refusal does as well as an answer: the RST came from the far end, and only the far
    end knew the sequence number to acknowledge (RFC 9293, 3.5.2). It holds unless a
    firewall before the line refuses in the far end's name.

    >>> carries_traffic(failed("refused")), carries_traffic(failed("timeout"))
    (True, False)
    """
    return finding.outcome is Outcome.ANSWERED or finding.reason in ("refused", "reset")


def _finding(attempt: Attempt) -> Finding:
    measures: dict[str, int] = {}
    if attempt.connect_us is not None:
        measures["connect_us"] = attempt.connect_us
    if attempt.reason is not None:
        return failed(attempt.reason, None, measures)
    if attempt.rtt_us is not None:
        measures["rtt_us"] = attempt.rtt_us
    return Finding(outcome=Outcome.ANSWERED, measures=measures)
