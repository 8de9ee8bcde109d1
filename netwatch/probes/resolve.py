"""Names to addresses, within a deadline.

Rule of this file: getaddrinfo(3) is not called, because it cannot be told when to stop
(5 s for each resolver and try, whatever the caller's timeout). The resolvers in use are
asked by the same code as the DNS probe. It knows ``/etc/hosts``, but neither search
domains nor multicast DNS: a service's name is written in full.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from netwatch.probes.connect import LOCAL_REASONS, parse_endpoint
from netwatch.probes.deadline import Deadline
from netwatch.probes.dns import DNS_PORT, ask
from netwatch.probes.dns_message import build_query
from netwatch.probes.url import parse_host

_RESOLV_CONF = Path("/etc/resolv.conf")
_SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")  # behind the stub: the real ones
_HOSTS = Path("/etc/hosts")
_STUBS = frozenset({"127.0.0.53", "127.0.0.54"})
_MAX_FILE_BYTES = 65_536
_MAX_RESOLVERS = 3  # resolv.conf(5): MAXNS, more are not used
_MAX_ADDRESSES = 4
_TRIES = 2  # of each resolver: one lost datagram must not fail a service
_RECORD_TYPES = {socket.AF_INET: ("A", 1, 4), socket.AF_INET6: ("AAAA", 28, 16)}
# Documentation addresses (RFC 5737, RFC 3849): asking for the route to one sends nothing.
_SOMEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


class ResolveFailed(Exception):
    """No address was found; ``reason`` is ``resolve_failed`` or one of LOCAL_REASONS."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


def parse_resolv_conf(text: str) -> tuple[str, ...]:
    r"""The addresses of resolv.conf(5), in order, each once, at most three.

    >>> parse_resolv_conf("# box\nnameserver 192.0.2.1\nsearch lan\nnameserver fe80::1%eth0\n")
    ('192.0.2.1', 'fe80::1%eth0')
    """
    found: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] not in found:
            found.append(words[1])
    return tuple(found[:_MAX_RESOLVERS])


def parse_hosts(text: str, name: str) -> tuple[str, ...]:
    r"""The addresses that hosts(5) gives to a name.

    >>> parse_hosts("127.0.0.1 localhost # here\n192.0.2.9 ent.example ent", "ENT.example")
    ('192.0.2.9',)
    """
    wanted = name.rstrip(".").lower()
    found: list[str] = []
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if wanted in (each.lower() for each in names):
            found.append(address)
    return tuple(found[:_MAX_ADDRESSES])


def read_resolvers(
    resolv_conf: Path = _RESOLV_CONF, systemd_resolv_conf: Path = _SYSTEMD_RESOLV_CONF
) -> tuple[str, ...]:
    """The resolvers that this machine uses; empty where none is configured.

    Where ``resolv.conf`` names only systemd-resolved's stub on this machine, those that
    it forwards to are given: the stub answers from memory when the line is cut.
    """
    resolvers = parse_resolv_conf(_read_text(resolv_conf))
    if resolvers and set(resolvers) <= _STUBS:
        return parse_resolv_conf(_read_text(systemd_resolv_conf)) or resolvers
    return resolvers


def resolve(
    host: str,
    deadline: Deadline,
    resolvers: Callable[[], Sequence[str]] = read_resolvers,
    *,
    port: int = DNS_PORT,
    hosts: Path = _HOSTS,
) -> tuple[str, ...]:
    """The addresses of a host, at most four, of the family that this machine has a route for.

    An address is given back as it is. IPv4 comes first where both families have a
    route: the state of IPv6 is a finding of its own and must not bend another's. Each
    resolver is asked twice before it is given up, with an equal share of the time left.
    Raises ResolveFailed.
    """
    if is_address(host):
        return (host,)
    try:
        host = parse_host(host)
    except ValueError as error:
        raise ResolveFailed("bad_target", str(error)) from None
    known = parse_hosts(_read_text(hosts), host)
    if known:
        return known
    servers = tuple(resolvers())
    if not servers:
        raise ResolveFailed("no_resolver", "no resolver is configured on this machine")
    families = [family for family in _RECORD_TYPES if has_route(family)] or list(_RECORD_TYPES)
    questions = [
        (family, server) for family in families for _ in range(_TRIES) for server in servers
    ]
    without: set[socket.AddressFamily] = set()
    failures: dict[str, str] = {}  # what to tell a person: its reason
    for number, (family, server) in enumerate(questions):
        if family in without:
            continue
        share = deadline.slice(len(questions) - number)
        found, reason, detail = _look_up(host, family, server, port, share)
        if found:
            return found
        failures[f"{server}: {detail}"] = reason
        if reason == "no_such_name":
            break
        if reason == "no_address_of_family":
            without.add(family)
    first, *others = failures.values()
    ours = all(reason in LOCAL_REASONS for reason in (first, *others))
    raise ResolveFailed(first if ours else "resolve_failed", "; ".join(failures))


def is_address(host: str) -> bool:
    """Whether this is an IPv4 or IPv6 address, with or without a scope.

    >>> is_address("192.0.2.1"), is_address("fe80::1%eth0"), is_address("ent.example")
    (True, True, False)
    """
    plain = host.partition("%")[0]
    for family in _RECORD_TYPES:
        try:
            socket.inet_pton(family, plain)
        except (OSError, ValueError):
            continue
        return True
    return False


def has_route(family: socket.AddressFamily) -> bool:
    """Whether the routing table knows a way out for this family; nothing is sent."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect((_SOMEWHERE[family], 9))
    except OSError:
        return False
    return True


def _look_up(
    host: str, family: socket.AddressFamily, server: str, port: int, deadline: Deadline
) -> tuple[tuple[str, ...], str, str]:
    """Addresses, or none with a reason and what to tell a person."""
    type_name, type_number, size = _RECORD_TYPES[family]
    try:
        endpoint = parse_endpoint(server, port)
        query = build_query(host, type_name)
    except ValueError as error:
        return (), "bad_target", str(error)
    reply = ask(endpoint, query, deadline)
    if reply.answer is None:
        assert reply.reason is not None
        return (), reply.reason, reply.reason
    if reply.answer.response_code == 3:
        return (), "no_such_name", f"no such name as {host}"
    if reply.answer.response_code:
        return (), "response_code", f"response code {reply.answer.response_code}"
    found = tuple(
        socket.inet_ntop(family, record.data)
        for record in reply.answer.records
        if record.type == type_number and len(record.data) == size
    )[:_MAX_ADDRESSES]
    return found, "no_address_of_family", f"{host} has no {type_name} record"


def _read_text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError:
        return ""
