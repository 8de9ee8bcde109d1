"""Finding the operator's first hop, on a real path and on paths told by hand."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

import pytest

from netwatch.clock import SystemClock
from netwatch.probes.first_hop import (
    FURTHEST_TTL,
    FirstHop,
    choose_first_hop,
    find_first_hop,
    parse_ipv4_routes,
    parse_ipv6_addresses,
    trace_first_hop,
)
from netwatch.probes.icmp_destination import parse_destination
from netwatch.probes.icmp_exchange import Flight, Settled
from netwatch.probes.icmp_open import open_icmp_sockets
from tests.adapters import icmp_lab
from tests.adapters.icmp_lab import IcmpLab
from tests.netlab import namespaces

TIMEOUT_MS = 2_000
LAN = [ipaddress.ip_network("192.168.77.0/24")]


@pytest.fixture(scope="module")
def lab() -> Iterator[IcmpLab]:
    with IcmpLab() as built:
        yield built


def find_in(lab: IcmpLab, gateway: str | None, destination: str) -> str | None:
    def find() -> str | None:
        with open_icmp_sockets() as opened:
            return find_first_hop(opened, gateway, destination, TIMEOUT_MS, clock=SystemClock())

    return namespaces.call_in(lab.agent, find)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("gateway", "destination", "found"),
    [
        (icmp_lab.BOX, icmp_lab.INTERNET, icmp_lab.OPERATOR),
        (None, icmp_lab.INTERNET, icmp_lab.OPERATOR),
        (icmp_lab.BOX6, icmp_lab.INTERNET6, icmp_lab.OPERATOR6),
        (None, icmp_lab.INTERNET6, icmp_lab.OPERATOR6),
        (icmp_lab.BOX, icmp_lab.DEAD, icmp_lab.OPERATOR),
        (icmp_lab.BOX, icmp_lab.BOX, None),
        (icmp_lab.BOX, icmp_lab.NO_ROUTE, None),
    ],
)
def test_the_first_router_behind_the_box_is_found(
    lab: IcmpLab, gateway: str | None, destination: str, found: str | None
) -> None:
    """Known gateway or not, living destination or dead: it is the operator's nearest router."""
    assert find_in(lab, gateway, destination) == found


@pytest.mark.lab
def test_a_hop_that_answers_no_echo_is_told_apart(lab: IcmpLab) -> None:
    """A router that only says "time exceeded" is found, at its distance, as silent itself."""

    def trace() -> FirstHop | None:
        with open_icmp_sockets() as opened:
            return trace_first_hop(
                opened, icmp_lab.BOX, icmp_lab.INTERNET, 500, clock=SystemClock()
            )

    nft = ("ip", "netns", "exec", lab.operator, "nft")
    open_hop = namespaces.call_in(lab.agent, trace)
    namespaces.run(
        *nft,
        "add table inet silent; add chain inet silent input "
        "{ type filter hook input priority 0; }; "
        "add rule inet silent input icmp type echo-request drop",
    )
    try:
        silent_hop = namespaces.call_in(lab.agent, trace)
    finally:
        namespaces.run(*nft, "delete table inet silent")
    assert open_hop == FirstHop(address=icmp_lab.OPERATOR, ttl=2, answers_echo=True)
    assert silent_hop == FirstHop(address=icmp_lab.OPERATOR, ttl=2, answers_echo=False)


def tell_path(*hops: str | None) -> Callable[[int], Settled | str]:
    """A path told by hand: who answers at each distance; None is silence."""
    flight = Flight(
        destination=parse_destination("198.51.100.1"),
        sequence=0,
        payload=b"",
        timeout_ms=1,
        sent_ns=0,
        offset_ns=0,
    )

    def ask(ttl: int) -> Settled | str:
        hop = hops[ttl - 1] if ttl <= len(hops) else None
        if hop == "itself":
            return Settled(flight=flight, rtt_us=1, reason=None)
        if hop == "refused":
            return "refused_local"
        if hop is None:
            return Settled(flight=flight, rtt_us=None, reason="timeout")
        return Settled(flight=flight, rtt_us=1, reason=None, hop=hop)

    return ask


@pytest.mark.parametrize(
    ("path", "gateway", "found"),
    [
        (("192.168.77.1", "100.64.0.1"), "192.168.77.1", ("100.64.0.1", 2)),
        ((None, None, "203.0.113.1"), "192.168.77.1", ("203.0.113.1", 3)),
        (("192.168.77.1", "192.168.77.254", "10.0.0.1"), "192.168.77.1", ("10.0.0.1", 3)),
        (("203.0.113.1", "203.0.113.9"), "203.0.113.1", ("203.0.113.9", 2)),
        (("203.0.113.1", "203.0.113.9"), None, ("203.0.113.1", 1)),
        (("192.168.77.1", "itself"), "192.168.77.1", None),
        (("refused",), "192.168.77.1", None),
        ((None,) * FURTHEST_TTL + ("203.0.113.1",), None, None),
    ],
    ids=[
        "behind a box",
        "two silent",
        "two boxes on one network",
        "no box",
        "no box, gateway unknown",
        "nothing between",
        "nothing leaves",
        "too far",
    ],
)
def test_which_of_a_path_is_the_operators_first(
    path: tuple[str | None, ...], gateway: str | None, found: tuple[str, int] | None
) -> None:
    """Neither the gateway nor another box on our network, nor a destination, is a first hop."""
    assert choose_first_hop(tell_path(*path), gateway=gateway, on_link=LAN) == found


def test_damaged_route_tables_are_read_as_far_as_they_go() -> None:
    """A line that makes no sense is passed over."""
    assert parse_ipv4_routes("Iface\neth0 XYZ 0 0 0 0 0 0\nshort\n") == []
    assert (
        parse_ipv6_addresses("zz 02 40\n\nfd 02 40 00 80 eth0\nfd" + "0" * 29 + "1 02 ff\n") == []
    )
