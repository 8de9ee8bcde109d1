"""What this device is attached to, and the checks that follow from it.

Rule of this file: addresses change under a running agent (another box, another
resolver, a first hop found); the checks follow, and what is known of those that
stay is kept. A gateway or resolver that has vanished keeps its old address: the
kernel's tables are empty while a cable is out, and that is no change of box.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from netwatch.agent.addresses import Surroundings, build_checks, is_ipv6
from netwatch.agent.events import FirstHopFound
from netwatch.agent.outside import Outside
from netwatch.agent.target_state import TargetState
from netwatch.config.model import Target
from netwatch.probes.icmp_report import IcmpTarget
from netwatch.records import Check, Role


class Attachment:
    """The checks now in force, with what is known of each."""

    def __init__(self, targets: Sequence[Target], outside: Outside) -> None:
        self._targets = targets
        self._outside = outside
        self._first_hop: FirstHopFound | None = None
        self._around = self._read()
        self.checks: tuple[Check, ...] = ()
        self.states: dict[str, TargetState] = {}
        self._adopt()

    @property
    def resolvers(self) -> frozenset[str]:
        return frozenset(check.id for check in self.checks if check.role is Role.RESOLVER)

    @property
    def pings(self) -> list[Check]:
        return [check for check in self.checks if check.kind == "icmp"]

    def look(self) -> bool:
        """Read the surroundings again; True when checks have changed."""
        around = self._read()
        if around.gateway is None and around.gateway_ipv6 is None:
            around = msgspec.structs.replace(
                around, gateway=self._around.gateway, gateway_ipv6=self._around.gateway_ipv6
            )
        if not around.resolvers:
            around = msgspec.structs.replace(around, resolvers=self._around.resolvers)
        if around == self._around:
            return False
        self._around = around
        return self._adopt()

    def hear_first_hop(self, found: FirstHopFound) -> bool:
        """The first hop was found; True when it is another than before."""
        if found == self._first_hop:
            return False
        self._first_hop = found
        return True

    def build_icmp_targets(self) -> list[IcmpTarget]:
        """Where the pings go."""
        return [build_icmp_target(check, self.checks) for check in self.pings]

    def _read(self) -> Surroundings:
        gateway, gateway_ipv6 = self._outside.read_gateways()
        return Surroundings(
            gateway=gateway,
            gateway_ipv6=gateway_ipv6,
            resolvers=self._outside.read_resolvers(),
            first_hop=self._first_hop,
        )

    def _adopt(self) -> bool:
        checks = build_checks(self._targets, self._around)
        if checks == self.checks:
            return False
        self.checks = checks
        self.states = {
            check.id: self.states[check.id]
            if check.id in self.states and self.states[check.id].check == check
            else TargetState(check)
            for check in checks
        }
        return True


def build_icmp_target(check: Check, checks: Iterable[Check]) -> IcmpTarget:
    """Where a check's ping goes.

    A first hop that does not answer for itself is asked on the way to the first internet
    target of its family: the ping's time to live ends in it.
    """
    address, ttl = check.target, check.params.get("ttl")
    if isinstance(ttl, bool) or not isinstance(ttl, int):
        return IcmpTarget(id=check.id, address=address, timeout_ms=check.timeout_ms)
    for other in checks:
        if other.role is Role.INTERNET and is_ipv6(other.target) == is_ipv6(address):
            address = other.target
            break
    return IcmpTarget(id=check.id, address=address, timeout_ms=check.timeout_ms, ttl=ttl)
