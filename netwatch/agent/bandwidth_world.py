"""What a test needs of the machine it runs on, for the agent and for `netwatch speedtest`.

Rule of this file: it looks and opens; what follows from it is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netwatch.bandwidth.base import Counterpart
from netwatch.bandwidth.registry import ENGINES
from netwatch.clock import Clock
from netwatch.config.model import Bandwidth, Settings, Target
from netwatch.core.calendars import Calendar, build_calendar
from netwatch.core.ndt7_pace import is_mlabs
from netwatch.errors import RightsError
from netwatch.probes.first_hop import FURTHEST_TTL, trace_first_hop
from netwatch.probes.host import HostProbe, read_gateway
from netwatch.probes.icmp_once import echo_once, ping_once
from netwatch.probes.icmp_open import IcmpSockets, open_icmp_sockets
from netwatch.records import HostFacts, Outcome, Role

_PING_TIMEOUT_MS = 1_000


class LineWorld:
    """The machine, its way out and the targets of one configuration."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._targets: Sequence[Target] = settings.target
        self._first_hops = find_contract_hops(settings)
        self._is_strict = bool(settings.bandwidth.first_hop)
        self._clock = clock
        self._host = HostProbe()

    def read_facts(self) -> HostFacts:
        return self._host.read()

    def open_sockets(self) -> IcmpSockets | None:
        """Sockets of the test's own; None where the kernel allows none."""
        try:
            return open_icmp_sockets()
        except (RightsError, OSError):
            return None

    def find_ping_target(self) -> str | None:
        """The first internet target that answers a ping now."""
        sockets = self.open_sockets()
        if sockets is None:
            return None
        with sockets:
            for target in self._targets:
                if target.role is not Role.INTERNET or target.kind not in (None, "icmp"):
                    continue
                finding = ping_once(sockets, target.address, _PING_TIMEOUT_MS, clock=self._clock)
                if finding.outcome is Outcome.ANSWERED:
                    return target.address
        return None

    def is_right_circuit(self) -> bool:
        """Whether the way out is by one of the contract's first hops (`find_contract_hops`).

        True where none is known, or the hop does not tell: nothing is held against a line
        that cannot be told from another.
        """
        if not self._first_hops:
            return True
        found = self.find_first_hop()
        if found is None or found in self._first_hops:
            return True
        return not self._is_strict and self._is_near(self._first_hops)

    def find_first_hop(self) -> str | None:
        """The operator's first router towards an internet target, as traced now.

        By the Internet Protocol of the contract's hops: the other one has other routers.
        """
        families = {":" in each for each in self._first_hops}
        internet = next(
            (
                each.address
                for each in self._targets
                if each.role is Role.INTERNET and (":" in each.address) in families
            ),
            None,
        )
        sockets = self.open_sockets()
        if internet is None or sockets is None:
            return None
        gateway, gateway_ipv6 = read_gateway()
        with sockets:
            try:
                found = trace_first_hop(
                    sockets,
                    gateway_ipv6 if ":" in internet else gateway,
                    internet,
                    _PING_TIMEOUT_MS,
                    clock=self._clock,
                )
            except OSError:
                return None
        return None if found is None else found.address

    def _is_near(self, addresses: Sequence[str]) -> bool:
        """Whether one of them answers from within a traceroute's few hops.

        A router has an address on each side, and tells of another than the one that a
        person may have written down as a target. By another operator's line it is farther
        away than any first hop; who wants it stricter names what traceroute shows in
        ``bandwidth.first_hop``.
        """
        sockets = self.open_sockets()
        if sockets is None:
            return True
        with sockets:
            for address in addresses:
                settled = echo_once(
                    sockets, address, _PING_TIMEOUT_MS, clock=self._clock, ttl=FURTHEST_TTL
                )
                if isinstance(settled, str) or settled.rtt_us is None:
                    continue
                if settled.hop is None:  # else the probe ended on its way
                    return True
        return False


def find_contract_hops(settings: Settings) -> tuple[str, ...]:
    """The first hops by which the contract's circuit leaves, as a person has named them.

    ``bandwidth.first_hop``, else the addresses of the targets of role first_hop. What
    ``auto`` finds is the way out that there is, whichever that be: it is no word of the
    contract's, and the agent may well have begun on the backup line.

    >>> from netwatch.config.model import Site
    >>> hop = Target(name="hop", role=Role.FIRST_HOP, address="192.0.2.1")
    >>> find_contract_hops(Settings(site=Site(id="a"), target=(hop,)))
    ('192.0.2.1',)
    >>> find_contract_hops(Settings(site=Site(id="a"),
    ...                             target=(Target(name="hop", role=Role.FIRST_HOP, address="auto"),)))
    ()
    """
    if settings.bandwidth.first_hop:
        return settings.bandwidth.first_hop
    return tuple(
        each.address
        for each in settings.target
        if each.role is Role.FIRST_HOP and each.address != "auto"
    )


def list_counterparts(bandwidth: Bandwidth) -> tuple[Counterpart, ...]:
    """What is to be measured against, in the order in which it is tried.

    ``auto`` takes every engine that has its table in the configuration; one that is named
    stands alone, and needs no table where it can find a server by itself.

    >>> from netwatch.config.model import Iperf3Settings, Ndt7Settings
    >>> list_counterparts(Bandwidth())
    ()
    >>> [each.engine for each in list_counterparts(
    ...     Bandwidth(ndt7=Ndt7Settings(), iperf3=Iperf3Settings(server="192.0.2.7")))]
    ['iperf3', 'ndt7']
    >>> [each.engine for each in list_counterparts(Bandwidth(engine="ndt7"))]
    ['ndt7']
    """
    named = bandwidth.engine != "auto"
    wanted = (bandwidth.engine,) if named else tuple(ENGINES)
    return tuple(
        build_counterpart(name, bandwidth)
        for name in wanted
        if named or getattr(bandwidth, name) is not None
    )


def build_counterpart(engine: str, bandwidth: Bandwidth) -> Counterpart:
    """One engine with what the configuration says of it.

    >>> from netwatch.config.model import Iperf3Settings
    >>> build_counterpart("iperf3", Bandwidth(iperf3=Iperf3Settings(server="::1"))).port
    5201
    """
    table = getattr(bandwidth, engine)
    given = {} if table is None else msgspec.structs.asdict(table)
    return Counterpart(
        engine=engine,
        url=given.get("url"),
        upload_url=given.get("upload_url"),
        host=given.get("server"),
        port=given.get("port"),
        certificate_authority=given.get("certificate_authority"),
    )


def goes_at_mlabs_pace(bandwidth: Bandwidth, engines: tuple[str, ...]) -> bool:
    """Whether M-Lab's waits hold in place of ``per_day``: its servers are the first that is asked.

    >>> goes_at_mlabs_pace(Bandwidth(), ("ndt7", "speedtest"))
    True
    >>> goes_at_mlabs_pace(Bandwidth(), ("iperf3", "ndt7"))
    False
    """
    url = None if bandwidth.ndt7 is None else bandwidth.ndt7.url
    return bool(engines) and is_mlabs(engines[0], url)


def build_quiet(bandwidth: Bandwidth) -> Calendar:
    """The quiet hours as a calendar; on public holidays as on other days."""
    return build_calendar(bandwidth.quiet_hours, name="quiet")
