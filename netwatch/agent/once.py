"""One round of every probe, for a person who wants to see it now.

Rule of this file: the same targets, addresses and probes as the agent has; nothing is
stored, nothing is judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from netwatch.agent.addresses import Surroundings, build_checks
from netwatch.agent.attachment import build_icmp_target
from netwatch.agent.events import FirstHopFound
from netwatch.clock import SystemClock
from netwatch.config.model import Settings, Target
from netwatch.config.targets import complete_targets
from netwatch.errors import RightsError
from netwatch.probes.first_hop import trace_first_hop
from netwatch.probes.host import read_gateway, read_host_facts
from netwatch.probes.icmp_once import ping_once
from netwatch.probes.icmp_open import IcmpSockets, open_icmp_sockets
from netwatch.probes.registry import PROBES
from netwatch.probes.resolve import read_resolvers
from netwatch.records import Check, Finding, HostFacts, Outcome, Role

_WORKERS = 8
_FIRST_HOP_TIMEOUT_MS = 1_000


class OnceResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check and what it found."""

    check: Check
    finding: Finding

    @property
    def answered(self) -> bool:
        return self.finding.outcome is Outcome.ANSWERED


class OnceReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, with what the kernel says of the way out and who may ping."""

    facts: HostFacts
    icmp: str  # raw, datagram, or the sentence that says why not
    results: tuple[OnceResult, ...]


def run_once(settings: Settings) -> OnceReport:
    """Make every probe once, several at a time; takes a few timeouts at the most."""
    clock = SystemClock(trusted=settings.clock.trusted)
    targets = complete_targets(settings)
    gateway, gateway_ipv6 = read_gateway()
    try:
        sockets: IcmpSockets | None = open_icmp_sockets()
        icmp: str = "" if sockets is None else sockets.kind
    except RightsError as error:
        sockets, icmp = None, str(error)
    try:
        first_hop = _find_first_hop(sockets, targets, gateway, clock)
        around = Surroundings(
            gateway=gateway,
            gateway_ipv6=gateway_ipv6,
            resolvers=read_resolvers(),
            first_hop=first_hop,
        )
        checks = build_checks(targets, around)
        # Pings one after another over one socket pair, the others side by side.
        with ThreadPoolExecutor(_WORKERS) as pool:
            slower = {
                check.id: pool.submit(PROBES[check.kind]().measure, check)
                for check in checks
                if check.kind != "icmp"
            }
            pinged = {
                check.id: _ping(sockets, check, checks, clock)
                for check in checks
                if check.kind == "icmp"
            }
            results = tuple(
                OnceResult(
                    check=check,
                    finding=pinged[check.id] if check.id in pinged else slower[check.id].result(),
                )
                for check in checks
            )
    finally:
        if sockets is not None:
            sockets.close()
    return OnceReport(facts=read_host_facts(), icmp=icmp, results=results)


def _find_first_hop(
    sockets: IcmpSockets | None,
    targets: Iterable[Target],
    gateway: str | None,
    clock: SystemClock,
) -> FirstHopFound | None:
    wanted = any(one.role is Role.FIRST_HOP and one.address == "auto" for one in targets)
    internet = next((one.address for one in targets if one.role is Role.INTERNET), None)
    if sockets is None or internet is None or not wanted:
        return None
    found = trace_first_hop(sockets, gateway, internet, _FIRST_HOP_TIMEOUT_MS, clock=clock)
    if found is None:
        return None
    return FirstHopFound(address=found.address, ttl=None if found.answers_echo else found.ttl)


def _ping(
    sockets: IcmpSockets | None, check: Check, checks: Iterable[Check], clock: SystemClock
) -> Finding:
    if sockets is None:
        return Finding(outcome=Outcome.UNKNOWN, reason="no_rights")
    target = build_icmp_target(check, checks)
    return ping_once(sockets, target.address, target.timeout_ms, clock=clock, ttl=target.ttl)
