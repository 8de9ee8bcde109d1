"""Targets: which are sound, and the full list that an agent probes.

Rule of this file: targets only; pure. `auto` addresses stay `auto`: what they are
on this machine is found at the start, by those who may look.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from netwatch.config.consistency import check_longest_timeout, check_timeout, shorten_timeout
from netwatch.config.forms import check_url, is_host_name, parse_address
from netwatch.config.model import Dns, Latency, Milliseconds, Settings, Target, default_targets
from netwatch.config.notes import Notes, Path, Refused, show_quoted
from netwatch.records import Role

#: How each role may be probed; the first is the default. Verdicts rest on the path's
#: targets, so these are asked as directly as can be.
KINDS_OF_ROLE: Mapping[Role, tuple[str, ...]] = {
    Role.GATEWAY: ("icmp", "tcp"),
    Role.FIRST_HOP: ("icmp",),
    Role.RESOLVER: ("dns",),
    Role.INTERNET: ("icmp", "tcp"),
    Role.SERVICE: ("icmp", "tcp", "dns", "http"),
}
_FOUND_AT_START = (Role.GATEWAY, Role.FIRST_HOP, Role.RESOLVER)
_FEWEST_INTERNET = 3
# A service is somebody's server, not the line: asking it every 5 s would be rude.
_SERVICE_INTERVAL_MS = Milliseconds(60_000)


def complete_targets(settings: Settings) -> tuple[Target, ...]:
    """Every target that the agent probes: the path outwards, the internet, then services.

    A role of the path that the file leaves out gets its default targets; `kind`,
    `interval_ms` and `timeout_ms` are filled in (`port` too, for DNS: 53). A service asked
    by TCP or HTTP is asked once a minute unless its target says otherwise.

    >>> from netwatch.config.model import Site
    >>> [target.kind for target in complete_targets(Settings(site=Site(id="a")))][:4]
    ['icmp', 'icmp', 'dns', 'icmp']
    """
    named = {target.role for target in settings.target}
    added = [target for target in default_targets() if target.role not in named]
    order = list(KINDS_OF_ROLE)
    together = sorted([*added, *settings.target], key=lambda target: order.index(target.role))
    return tuple(_complete(target, settings.latency, settings.dns) for target in together)


def _complete(target: Target, latency: Latency, dns: Dns) -> Target:
    kind = target.kind or KINDS_OF_ROLE[target.role][0]
    interval_ms = target.interval_ms or _usual_interval(target, kind, latency, dns)
    if kind == "dns":
        # A question carries its own number: the next one may be asked before its timeout.
        timeout_ms = target.timeout_ms or dns.timeout_ms
    else:
        timeout_ms = target.timeout_ms or shorten_timeout(latency.timeout_ms, interval_ms)
    return msgspec.structs.replace(
        target,
        kind=kind,
        interval_ms=interval_ms,
        timeout_ms=timeout_ms,
        port=53 if kind == "dns" and target.port is None else target.port,
    )


def _usual_interval(target: Target, kind: str, latency: Latency, dns: Dns) -> Milliseconds:
    if kind == "dns":
        return dns.interval_ms
    if target.role is Role.SERVICE and kind in {"tcp", "http"}:
        return _SERVICE_INTERVAL_MS
    return latency.interval_ms


def check_targets(settings: Settings, notes: Notes) -> None:
    """Note what is wrong with each target, and with all of them together."""
    at: Path = ("target",)
    for index, target in enumerate(settings.target):
        if target is not None and notes.given((*at, index)):
            _check_target(target, settings, (*at, index), notes)
    _check_unique(settings.target, at, notes)
    _check_internet(settings.target, at, notes)


def _check_target(target: Target, settings: Settings, at: Path, notes: Notes) -> None:
    if notes.sound(at, "role", "kind"):
        kind = target.kind or KINDS_OF_ROLE[target.role][0]
        allowed = KINDS_OF_ROLE[target.role]
        if kind not in allowed:
            known = " or ".join(f'"{word}"' for word in allowed)
            hint = (
                "" if target.role is Role.SERVICE else ': for another kind write role = "service"'
            )
            notes.refuse(
                (*at, "kind"), f'must be {known} for role "{target.role}", got "{kind}"{hint}'
            )
            return
        if notes.sound(at, "address"):
            try:
                _check_address(target.address, target.role, kind)
            except Refused as refused:
                notes.refuse((*at, "address"), str(refused))
        _check_port(target, kind, at, notes)
        if kind != "http" and notes.given((*at, "expect_status")):
            notes.refuse((*at, "expect_status"), f'is only for kind "http", got kind "{kind}"')
        _check_times(target, kind, settings, at, notes)


def _check_address(address: str, role: Role, kind: str) -> None:
    got = f"got {show_quoted(address)}"
    if address == "auto":
        if role not in _FOUND_AT_START:
            raise Refused(f'cannot be "auto" for role "{role}": write the address')
        if kind == "tcp":
            raise Refused('cannot be "auto" for kind "tcp": write the address')
        return
    if kind == "http":
        check_url(address)
        return
    numeric = parse_address(address)
    if numeric is not None:
        if numeric.is_unspecified or numeric.is_multicast or address == "255.255.255.255":
            raise Refused(f"must be the address of one machine, {got}")
        return
    if "://" in address:
        raise Refused(f'must be an address, {got}: for a URL write kind = "http"')
    if kind == "dns":
        raise Refused(f"must be the IP address of a resolver, {got}")
    if role is not Role.SERVICE:
        raise Refused(f"must be an IP address, {got}: an outage must not depend on DNS to be seen")
    if not is_host_name(address):
        raise Refused(f"must be an address or a host name, {got}")


def _check_port(target: Target, kind: str, at: Path, notes: Notes) -> None:
    if not notes.sound(at, "port"):
        return
    if kind == "tcp" and target.port is None:
        notes.refuse((*at, "port"), 'is missing: kind "tcp" connects to a port, write port = 443')
    if kind in {"icmp", "http"} and target.port is not None:
        hint = "ICMP has none" if kind == "icmp" else "write it in the URL"
        notes.refuse((*at, "port"), f'must not be set for kind "{kind}", got {target.port}: {hint}')


def _check_times(target: Target, kind: str, settings: Settings, at: Path, notes: Notes) -> None:
    if target.timeout_ms is None or not notes.sound(at, "interval", "timeout"):
        return
    if kind == "dns":
        check_longest_timeout(target.timeout_ms, at, notes)
        return
    if target.interval_ms is None and not notes.sound(("latency",), "interval"):
        return
    interval_ms = target.interval_ms or _usual_interval(
        target, kind, settings.latency, settings.dns
    )
    check_timeout(target.timeout_ms, interval_ms, at, notes)


def _check_unique(targets: tuple[Target, ...], at: Path, notes: Notes) -> None:
    roles = {target.role for target in targets if target is not None}
    first: dict[str, int] = {}
    for index, target in enumerate(targets):
        if target is None or not notes.sound((*at, index), "name"):
            continue
        if target.name in first:
            notes.refuse(
                (*at, index, "name"),
                f"must be unique, got {show_quoted(target.name)}, "
                f"the name of target[{first[target.name]}] too",
            )
        first.setdefault(target.name, index)
    if not _roles_known(targets, at, notes):
        return
    for added in default_targets():
        if added.role not in roles and added.name in first:
            notes.refuse(
                (*at, first[added.name], "name"),
                f'{show_quoted(added.name)} is the name of a default target of role "{added.role}", '
                "which the file leaves to netwatch: choose another",
            )


def _check_internet(targets: tuple[Target, ...], at: Path, notes: Notes) -> None:
    first: dict[str, int] = {}
    count = 0
    for index, target in enumerate(targets):
        if target is None or target.role is not Role.INTERNET:
            continue
        count += 1
        if not notes.sound((*at, index), "address"):
            continue
        if target.address in first:
            notes.refuse(
                (*at, index, "address"),
                f"must differ from that of target[{first[target.address]}], "
                f"got {show_quoted(target.address)} twice: the outage rule wants independent targets",
            )
        first.setdefault(target.address, index)
    if 0 < count < _FEWEST_INTERNET and _roles_known(targets, at, notes):
        notes.refuse(
            at,
            f'must have at least {_FEWEST_INTERNET} of role "internet", got {count}: one dead server '
            "is no outage, so name more, or none and have the defaults",
        )


def _roles_known(targets: tuple[Target, ...], at: Path, notes: Notes) -> bool:
    """Whether every role is sound, so that they may be counted."""
    return all(
        target is not None and notes.sound((*at, index), "role")
        for index, target in enumerate(targets)
    )
