"""Where a probe goes: a literal address and what the kernel wants to be told of it.

Rule of this file: it reads addresses, and of the machine only the number of a named
interface. It resolves no name: that can take longer than any timeout.
"""

from __future__ import annotations

import socket

import msgspec


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A place that can be sent to. ``socket_address`` None: its interface does not exist."""

    address: str  # canonical, without scope
    family: int
    socket_address: tuple[str | int, ...] | None


def parse_destination(address: str) -> Destination:
    """A literal address, with a scope (``fe80::1%eth0``) where it needs one.

    Names are not resolved here: that can take longer than any timeout. Raises
    ``ValueError`` for what is no address.

    >>> parse_destination("2001:DB8:0::1").address
    '2001:db8::1'
    >>> parse_destination("example.org")
    Traceback (most recent call last):
    ValueError: icmp: target must be an IPv4 or IPv6 address, got 'example.org'
    """
    host, _, scope = address.partition("%")
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            canonical = socket.inet_ntop(family, socket.inet_pton(family, host))
        except (OSError, ValueError):
            continue
        if family == socket.AF_INET:
            return Destination(address=canonical, family=int(family), socket_address=(canonical, 0))
        index = _find_scope(scope)
        return Destination(
            address=canonical,
            family=int(family),
            socket_address=None if index is None else (canonical, 0, 0, index),
        )
    raise ValueError(f"icmp: target must be an IPv4 or IPv6 address, got {address!r}")


def _find_scope(scope: str) -> int | None:
    if not scope or scope.isdecimal():
        return int(scope or 0)
    try:
        return socket.if_nametoindex(scope)
    except OSError:
        return None
