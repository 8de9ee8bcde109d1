"""What stands in the way of a test: the line in use by others, and counters that tell.

Rule of this file: it looks for some seconds and says what it saw. Whether that defers,
skips or marks a test is decided elsewhere. The counters of the box are asked where the
configuration names them, for only they see the building's other machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from netwatch.agent.bandwidth_host import HostReader, PortBytes, find_rate
from netwatch.agent.bandwidth_snmp import SnmpCounters
from netwatch.clock import Clock
from netwatch.config.model import Bandwidth
from netwatch.core.test_validity import is_busy

#: How long our own counters are looked at (a box's: `bandwidth_host.LOOK_BOX_MS`).
LOOK_PORT_MS = 4_000


class Counters(Protocol):
    """Bytes that went through the line; ``down`` is towards the building."""

    name: str  # port, snmp, upnp
    look_ms: int

    def read(self) -> PortBytes | None:
        """Both counters, or None where they cannot be had now; takes a few seconds at most."""


class PortCounters:
    """Those of our own port: they see our own machine, and what is sent to all."""

    name = "port"
    look_ms = LOOK_PORT_MS

    def __init__(self, interface: str, reader: HostReader) -> None:
        self._interface = interface
        self._reader = reader

    def read(self) -> PortBytes | None:
        return self._reader.read_port(self._interface)


class OtherTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What others used, in bytes per second; None where it could not be seen."""

    counters: str
    rate: PortBytes | None


def choose_counters(bandwidth: Bandwidth, interface: str | None, reader: HostReader) -> Counters:
    """The box's counters where configured, else those of the port."""
    if bandwidth.snmp is not None:
        return SnmpCounters(bandwidth.snmp)
    if bandwidth.upnp is not None:
        from netwatch.agent.bandwidth_upnp import UpnpCounters  # noqa: PLC0415 -- 1.5 MB of http.client, for those who ask a box by UPnP alone

        return UpnpCounters(bandwidth.upnp)
    return PortCounters(interface or "", reader)


def watch_traffic(
    counters: Counters,
    clock: Clock,
    *,
    look_ms: int | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> OtherTraffic:
    """Look twice, some seconds apart."""
    first, first_ms = counters.read(), clock.monotonic_ms()
    pause((counters.look_ms if look_ms is None else look_ms) / 1000)
    last, last_ms = counters.read(), clock.monotonic_ms()
    return OtherTraffic(counters=counters.name, rate=find_rate(first, last, last_ms - first_ms))


def is_line_busy(
    seen: OtherTraffic,
    *,
    committed_down: int | None,
    committed_up: int | None,
    bandwidth: Bandwidth,
) -> bool:
    """Whether either direction is in use above ``busy_above`` of its committed rate.

    What could not be seen is no reason against a test: a box that does not answer SNMP for
    a day must not keep the line untested.
    """
    if seen.rate is None:
        return False
    above_permille = int(bandwidth.busy_above * 1000)
    return is_busy(seen.rate.down, committed_down, above_permille) or is_busy(
        seen.rate.up, committed_up, above_permille
    )
