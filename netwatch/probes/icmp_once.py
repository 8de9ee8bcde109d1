"""One ICMP probe, waited for: for `netwatch once`, `netwatch check` and the first hop.

Rule of this file: it sends one probe and waits for how it ends. Its sockets are its
own for that time: the loop's must not be lent, for answers would be taken from it.
"""

from __future__ import annotations

import select

from netwatch.probes.icmp_destination import parse_destination
from netwatch.probes.icmp_exchange import Exchange, Settled, StampClock
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.records import Finding, Outcome


def ping_once(
    sockets: IcmpSockets,
    address: str,
    timeout_ms: int,
    *,
    clock: StampClock,
    ttl: int | None = None,
) -> Finding:
    """One echo to a literal ``address``; ``rtt_us`` when it was answered.

    With ``ttl`` the router in which the probe ends answers too; ``detail`` then names it.
    Reasons: ``timeout``, ``unreachable``, ``time_exceeded``, those of
    :data:`~netwatch.probes.icmp_socket.SEND_REASONS`, and ``bad_address``. A reason that
    is of this machine alone (:data:`LOCAL_REASONS`) is an unknown outcome, no failure of
    the line. Takes no longer than ``timeout_ms`` and a few milliseconds.
    """
    try:
        settled = echo_once(sockets, address, timeout_ms, clock=clock, ttl=ttl)
    except ValueError as error:
        return Finding(outcome=Outcome.UNKNOWN, reason="bad_address", detail=str(error))
    if isinstance(settled, str):
        outcome = Outcome.UNKNOWN if settled in LOCAL_REASONS else Outcome.FAILED
        return Finding(outcome=outcome, reason=settled)
    detail = None if settled.hop is None else f"from {settled.hop}"
    if settled.rtt_us is None:
        return Finding(outcome=Outcome.FAILED, reason=settled.reason, detail=detail)
    return Finding(outcome=Outcome.ANSWERED, measures={"rtt_us": settled.rtt_us}, detail=detail)


#: Refusals that say nothing of the line: this machine's firewall, memory or addresses.
LOCAL_REASONS = frozenset({"refused_local", "send_failed", "no_address", "network_down"})


def echo_once(
    sockets: IcmpSockets,
    address: str,
    timeout_ms: int,
    *,
    clock: StampClock,
    ttl: int | None = None,
) -> Settled | str:
    """The same with all that is known of the answer; a word when the probe did not leave.

    Raises ``ValueError`` when ``address`` is no literal address.
    """
    exchange = Exchange(sockets, clock)
    sent = exchange.send(parse_destination(address), timeout_ms=timeout_ms, ttl=ttl)
    if isinstance(sent, str):
        return sent
    poll = select.poll()
    for opened in sockets.opened():
        poll.register(opened.fileno(), select.POLLIN)
    while True:
        now_ns = clock.monotonic_ns()
        for settled in (*exchange.collect(), *exchange.expire(now_ns)):
            return settled
        poll.poll(max(0, (sent.deadline_ns - now_ns) // 1_000_000 + 1))
