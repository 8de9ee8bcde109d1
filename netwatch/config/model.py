"""The settings: their names, units and defaults.

Rule of this file: data only. It knows no file and does not validate; `load` does.
Attributes carry their unit (``interval_ms``); the TOML key is the plain word
(``interval = "5s"``), given by ``msgspec.field(name=…)``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import field

from netwatch.records import Cause, Role


class Milliseconds(int):
    """Written in TOML as a duration: ``"5s"``, ``"250ms"``, ``"4h"``, ``"400d"``."""


class BytesPerSecond(int):
    """Written in TOML as a rate: ``"100 Mbit/s"`` is 12 500 000."""


class ByteCount(int):
    """Written in TOML as a size: ``"20 GB"`` is 20 000 000 000 (decimal)."""


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """Written in TOML as ``"49.00 EUR"``."""

    amount: Decimal
    currency: str


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    name: str | None = None  # None: the id is shown
    commune: str | None = None
    timezone: str = "Europe/Paris"
    holidays: str | None = "FR"
    extra_holidays: tuple[str, ...] = ()  # ISO dates of the site's own closed days
    opening_hours: tuple[str, ...] = ("mon-fri 08:00-18:00",)
    latitude: float | None = None
    longitude: float | None = None


class Penalty(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One penalty rule as it stands in the contract; its arithmetic is core.penalties."""

    kind: Literal["per_time", "availability_tier", "duration_slice", "throughput_below"]
    name: str | None = None
    scope: Literal["incident", "month", "year"] = "incident"
    clock: Literal["covered", "elapsed"] = "covered"
    charge_period: Literal["month", "quarter", "year"] = "month"
    direction: Literal["down", "up"] | None = None
    tiers: tuple[tuple[Decimal, Decimal], ...] = ()
    threshold: Decimal | None = None
    share: Decimal | None = None
    amount: Money | None = None
    divisor: int | None = None
    per: str | None = None
    grace: Milliseconds | None = field(default=None)
    rounding: Literal["up", "down", "none"] = "up"
    cap: Decimal | None = None
    cap_per: Literal["incident", "month", "quarter", "year"] | None = None
    incident_cap: Decimal | None = None  # beside a cap per month, quarter or year
    waived_up_to: Money | None = None
    excludes: tuple[str, ...] = ()


class ContractSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator promised; None is "the contract is silent"."""

    since: str | None = None  # ISO date from which these terms hold; None: since ever
    monthly_fee: Money | None = None  # under these terms; None: that of the circuit
    availability: Decimal | None = None
    calendar: str | tuple[str, ...] = "S2"
    starts: str | None = None  # ISO date: the day on which the contract year begins
    intervene_within_ms: Milliseconds | None = field(default=None, name="intervene_within")
    restore_within_ms: Milliseconds | None = field(default=None, name="restore_within")
    restore_from: Literal["reported", "detected"] = "reported"
    yearly_interruption_ms: Milliseconds | None = field(default=None, name="yearly_interruption")
    counted_causes: tuple[Cause, ...] = (Cause.GATEWAY, Cause.ACCESS, Cause.UPSTREAM, Cause.DNS)
    recurrence_window_ms: Milliseconds | None = field(default=None, name="recurrence_window")
    guaranteed_down: BytesPerSecond | None = None
    guaranteed_up: BytesPerSecond | None = None
    guaranteed_share: Decimal = Decimal("0.99")
    max_rtt_ms: Milliseconds | None = field(default=None, name="max_rtt")
    max_loss: Decimal | None = None
    penalty: tuple[Penalty, ...] = ()


class Circuit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    operator: str | None = None
    reference: str | None = None
    technology: str | None = None
    monthly_fee: Money | None = None
    contract: ContractSettings = ContractSettings()
    earlier: tuple[ContractSettings, ...] = ()  # versions of the contract before the present one


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    interval_ms: Milliseconds = field(default=Milliseconds(5_000), name="interval")
    burst_interval_ms: Milliseconds = field(default=Milliseconds(1_000), name="burst_interval")
    timeout_ms: Milliseconds = field(default=Milliseconds(2_000), name="timeout")
    down_after_rounds: int = 3
    up_after_rounds: int = 2
    window_ms: Milliseconds = field(default=Milliseconds(60_000), name="window")
    degraded_after_windows: int = 5


class Dns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    interval_ms: Milliseconds = field(default=Milliseconds(1_000), name="interval")
    timeout_ms: Milliseconds = field(default=Milliseconds(2_000), name="timeout")
    name: str = "."  # asked for NS: every resolver has the root's at hand


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    role: Role
    address: str = "auto"  # auto: found at the start, for gateway, first_hop and resolver
    kind: Literal["icmp", "tcp", "dns", "http"] | None = None  # None: dns for resolver, else icmp
    interval_ms: Milliseconds | None = field(default=None, name="interval")
    timeout_ms: Milliseconds | None = field(default=None, name="timeout")
    port: int | None = None
    expect_status: tuple[int, ...] = ()  # http: none given means 200 to 399


class LibrespeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    upload_url: str | None = None  # with it, ``url`` is any large file
    certificate_authority: str | None = None  # PEM file; None: the system's


class Iperf3Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    server: str
    port: int = 5201


class Ndt7Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str | None = None  # None: asked of M-Lab's locate service


class SpeedtestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str | None = None  # a mini server; None: speedtest.net's nearest


class SnmpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counters of the box (SNMP v2c), so that a test does not disturb the building."""

    address: str
    interface: int  # ifIndex of the box's way out
    port: int = 161
    community_file: str | None = None  # None: "public"


class UpnpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same by UPnP: the control URL of the box's WANCommonInterfaceConfig service."""

    url: str


class LeaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder on the town's own server that one agent at a time may take (WebDAV)."""

    url: str


class Bandwidth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    engine: Literal["auto", "librespeed", "iperf3", "ndt7", "speedtest"] = "auto"
    per_day: int = 4
    monthly_budget: ByteCount = ByteCount(60_000_000_000)
    quiet_hours: tuple[str, ...] = ()
    busy_above: Decimal = Decimal("0.10")
    first_hop: tuple[str, ...] = ()  # routers by which the contract's circuit leaves; (): any
    snmp: SnmpSettings | None = None
    upnp: UpnpSettings | None = None
    lease: LeaseSettings | None = None
    librespeed: LibrespeedSettings | None = None
    iperf3: Iperf3Settings | None = None
    ndt7: Ndt7Settings | None = None
    speedtest: SpeedtestSettings | None = None


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str = "/var/lib/netwatch/netwatch.db"
    keep_ms: Milliseconds = field(default=Milliseconds(400 * 86_400_000), name="keep")
    commit_interval_ms: Milliseconds = field(default=Milliseconds(60_000), name="commit_interval")


class Http(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    listen: str = "127.0.0.1:10779"
    token_file: str | None = None
    certificate: str | None = None
    key: str | None = None
    insecure: bool = False


class ClockSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    trusted: bool = False  # true: believe this machine's clock though the kernel does not vouch


class Influx(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    org: str
    bucket: str
    token_file: str
    certificate_authority: str | None = None  # PEM file; None: the system's


class Mail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `netwatch report --mail` sends the report, and to whom."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    security: Literal["starttls", "implicit"] = "starttls"
    user: str | None = None
    password_file: str | None = None
    certificate_authority: str | None = None  # PEM file; None: the system's


class Central(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the town publishes this agent's configuration, and whose signature it bears."""

    url: str  # the folder in which SITE.toml lies
    public_key: str | None = None  # "ssh-ed25519 AAAA…"
    public_key_file: str | None = None  # or a file with one; with both, either will do
    token_file: str | None = None
    certificate_authority: str | None = None  # PEM file; None: the system's
    every_ms: Milliseconds = field(default=Milliseconds(3_600_000), name="every")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agent's whole configuration; a file with ``[site] id`` alone is valid."""

    site: Site
    circuit: Circuit = Circuit()
    latency: Latency = Latency()
    dns: Dns = Dns()
    target: tuple[Target, ...] = ()  # empty: the defaults of `default_targets`
    bandwidth: Bandwidth = Bandwidth()
    store: StoreSettings = StoreSettings()
    http: Http = Http()
    clock: ClockSettings = ClockSettings()
    influx: Influx | None = None
    mail: Mail | None = None
    central: Central | None = None


#: Internet targets of six owners (RFC 9318: judge by what clients reach; one dead
#: server is no outage). Anycast addresses of public resolvers, which are run to be
#: asked and answer ICMP. Six, so that spread over a 5 s round one is probed every 833 ms.
DEFAULT_INTERNET_TARGETS: tuple[tuple[str, str], ...] = (
    ("cloudflare", "1.1.1.1"),
    ("google", "8.8.8.8"),
    ("quad9", "9.9.9.9"),
    ("dns4eu", "86.54.11.100"),
    ("opendns", "208.67.222.222"),
    ("fdn", "80.67.169.12"),
)


def default_targets() -> tuple[Target, ...]:
    """The targets of a file that names none: the path outwards, then the internet.

    >>> [target.name for target in default_targets()][:4]
    ['gateway', 'first-hop', 'resolver', 'cloudflare']
    """
    return (
        Target(name="gateway", role=Role.GATEWAY),
        Target(name="first-hop", role=Role.FIRST_HOP),
        Target(name="resolver", role=Role.RESOLVER),
        *(
            Target(name=name, role=Role.INTERNET, address=address)
            for name, address in DEFAULT_INTERNET_TARGETS
        ),
    )
