"""From the configured targets to addresses: what `auto` is on this machine, now.

Rule of this file: pure; what the kernel says comes in. A target whose address is not
known (no gateway yet, no first hop found) is left out until it is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import msgspec

from netwatch.agent.events import FirstHopFound
from netwatch.config.model import Target
from netwatch.records import Check, Role

#: How often a service is asked where the file does not say.
SERVICE_INTERVAL_MS = 60_000


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What this machine is attached to."""

    gateway: str | None
    gateway_ipv6: str | None
    resolvers: tuple[str, ...]
    first_hop: FirstHopFound | None


def build_checks(targets: Sequence[Target], around: Surroundings) -> tuple[Check, ...]:
    """The checks that can be made; `targets` completed (`config.targets.complete_targets`).

    >>> from netwatch.config.model import default_targets
    >>> around = Surroundings(gateway="192.0.2.1", gateway_ipv6=None,
    ...                       resolvers=("192.0.2.1", "192.0.2.53"), first_hop=None)
    >>> [(check.id, check.kind, check.target) for check in build_checks(default_targets(), around)][:3]
    [('gateway', 'icmp', '192.0.2.1'), ('resolver', 'dns', '192.0.2.1'), ('resolver-2', 'dns', '192.0.2.53')]
    """
    checks: list[Check] = []
    for target in targets:
        for index, (address, params) in enumerate(_addresses(target, around)):
            kind = target.kind or ("dns" if target.role is Role.RESOLVER else "icmp")
            interval_ms = target.interval_ms or 5_000
            if kind == "http" or (kind == "tcp" and target.role is Role.SERVICE):
                interval_ms = target.interval_ms or SERVICE_INTERVAL_MS
            if target.port is not None:
                params["port"] = target.port
            if target.expect_status:
                params["expect_status"] = ",".join(map(str, target.expect_status))
            checks.append(
                Check(
                    id=target.name if index == 0 else f"{target.name}-{index + 1}",
                    kind=kind,
                    target=address,
                    role=target.role,
                    every_ms=int(interval_ms),
                    timeout_ms=int(target.timeout_ms or 2_000),
                    params=params,
                )
            )
    return tuple(checks)


def _addresses(
    target: Target, around: Surroundings
) -> list[tuple[str, dict[str, str | int | bool]]]:
    if target.address != "auto":
        return [(target.address, {})]
    if target.role is Role.GATEWAY:
        gateway = around.gateway or around.gateway_ipv6
        return [(gateway, {})] if gateway else []
    if target.role is Role.RESOLVER:
        return [(resolver, {}) for resolver in around.resolvers]
    if target.role is Role.FIRST_HOP and around.first_hop is not None:
        ttl = around.first_hop.ttl
        return [(around.first_hop.address, {} if ttl is None else {"ttl": ttl})]
    return []


def is_ipv6(address: str) -> bool:
    """Whether a literal address, with a scope or not, is IPv6.

    >>> is_ipv6("fe80::1%eth0"), is_ipv6("192.0.2.1"), is_ipv6("example.org")
    (True, False, False)
    """
    try:
        return ipaddress.ip_address(address.partition("%")[0]).version == 6
    except ValueError:
        return False
