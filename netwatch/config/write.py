"""A commented configuration file from what was detected.

Rule of this file: pure text building. Every setting is in the file; one that keeps its
default stands behind a ``#`` with no blank after it, so that taking those signs away
gives a file that loads too. It does not look at the machine.
"""

from __future__ import annotations

import msgspec

from netwatch.config.forms import SITE_ID, is_timezone, parse_address, slugify
from netwatch.config.model import DEFAULT_INTERNET_TARGETS
from netwatch.config.notes import show_text

#: The same owners over IPv6, offered where a default IPv6 route was seen.
IPV6_TARGETS: tuple[tuple[str, str], ...] = (
    ("cloudflare-ipv6", "2606:4700:4700::1111"),
    ("google-ipv6", "2001:4860:4860::8888"),
    ("quad9-ipv6", "2620:fe::fe"),
)


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine tells of its place; None and empty are "not found"."""

    host_name: str | None = None
    timezone: str | None = None
    interface: str | None = None
    gateway: str | None = None
    gateway_ipv6: str | None = None
    resolvers: tuple[str, ...] = ()
    first_hop: str | None = None
    #: A virtual machine whose kernel nobody tells the time: its host keeps the clock.
    clock_kept_by_host: bool = False


class CentralLines(msgspec.Struct, frozen=True, kw_only=True):
    """What a device of a fleet must know to fetch the rest."""

    url: str
    public_key: str
    token_file: str | None = None
    certificate_authority: str | None = None


def build_config(
    detected: Detected, *, store_path: str | None = None, central: CentralLines | None = None
) -> str:
    """The text of a file that loads, whatever was detected.

    >>> text = build_config(Detected(host_name="Mairie", timezone="Europe/Paris"))
    >>> [line for line in text.splitlines() if line.startswith("id")]
    ['id = "mairie"']
    """
    return "\n".join(
        (
            _build_site(detected),
            _CIRCUIT,
            _LATENCY,
            _build_targets(detected),
            _BANDWIDTH,
            _build_store(store_path),
            _HTTP,
            _build_clock(detected),
            _INFLUX,
            _MAIL,
            _build_central(central),
        )
    )


def quote(text: str) -> str:
    r"""A TOML basic string.

    >>> print(quote('a "b"\n'))
    "a \"b\"\u000a"
    """
    signs = [
        f"\\{sign}"
        if sign in '"\\'
        else sign
        if sign.isprintable()
        else f"\\u{ord(sign):04x}"
        if ord(sign) < 0x10000 and not 0xD800 <= ord(sign) < 0xE000
        else ""
        for sign in text
    ]
    return f'"{"".join(signs)}"'


def _build_site(detected: Detected) -> str:
    name = detected.host_name or ""
    site_id = name if SITE_ID.fullmatch(name) else slugify(name)
    zone = detected.timezone if detected.timezone and is_timezone(detected.timezone) else None
    timezone = f"timezone = {quote(zone)}" if zone else '#timezone = "Europe/Paris"'
    return f"""\
# netwatch: the configuration of this agent. Lines behind a # without a blank are
# defaults or examples: take the # away to change one. `netwatch check` says whether
# the file is sound. Durations: "250ms", "5s", "4h", "400d"; rates: "100 Mbit/s";
# sizes: "20 GB".

[site]
# a-z, 0-9 and -; it names this site in every report and metric, so keep it.
id = {quote(site_id or "site")}
#name = "École Jean-Jaurès"
#commune = "Trilport"
{timezone}
# Public holidays of a country or of a region in it ("FR-Alsace-Moselle"), or "none".
#holidays = "FR"
#extra_holidays = ["2026-12-24"]
#opening_hours = ["mon-fri 08:00-18:00"]
#latitude = 48.957
#longitude = 2.951
"""


_CIRCUIT = """\
[circuit]
#operator = "Opérateur A"
#reference = "FTTH-0042"
#technology = "ftth"
#monthly_fee = "49.00 EUR"
# Versions of the contract before the present one: [[circuit.earlier]] with the same keys.
#earlier = []

# What the operator promised. What the contract does not say stays out.
[circuit.contract]
#availability = 0.9985
# The hours that count: "S1" (business hours), "S2" (24/7), or a list like opening_hours.
#calendar = "S2"
# The day on which the contract year begins.
#starts = "2026-01-01"
# From when these terms hold, and their charge where it is not the circuit's.
#since = "2024-09-01"
#monthly_fee = "49.00 EUR"
# GTI, GTR (counted from the report of the fault, or from its detection) and IMS.
#intervene_within = "2h"
#restore_within = "4h"
#restore_from = "reported"
#yearly_interruption = "13h"
#counted_causes = ["gateway", "access", "upstream", "dns"]
#recurrence_window = "8h"
#guaranteed_down = "100 Mbit/s"
#guaranteed_up = "50 Mbit/s"
#guaranteed_share = 0.99
#max_rtt = "40ms"
#max_loss = 0.01

# As many as the contract has; docs/configuration.md tells the kinds.
#[[circuit.contract.penalty]]
#kind = "availability_tier"
#name = "availability"
#tiers = [[0.9999, 0.05], [0.995, 0.10], [0.99, 0.20]]
#charge_period = "month"
#cap = 0.275
#cap_per = "quarter"
#excludes = ["delay"]
#[[circuit.contract.penalty]]
#kind = "per_time"
#name = "delay"
#scope = "incident"
#clock = "covered"
#per = "hour"
#divisor = 30
#grace = "4h"
#rounding = "up"
#incident_cap = 0.50
#waived_up_to = "10.00 EUR"
#[[circuit.contract.penalty]]
#kind = "per_time"
#name = "reconnection"
#per = "day"
#amount = "15.00 EUR"
#[[circuit.contract.penalty]]
#kind = "throughput_below"
#name = "throughput"
#direction = "down"
#share = 0.10
#threshold = 0.99
"""

_LATENCY = """\
[latency]
# A round of probes to all targets, and the pace while an outage is suspected.
#interval = "5s"
#burst_interval = "1s"
#timeout = "2s"
#down_after_rounds = 3
#up_after_rounds = 2
# Degraded: this many windows in a row outside a limit of the contract.
#window = "60s"
#degraded_after_windows = 5

[dns]
#interval = "1s"
#timeout = "2s"
#name = "."
"""


def _build_targets(detected: Detected) -> str:
    on = f" on {detected.interface}" if detected.interface else ""
    gateways = [each for each in (detected.gateway, detected.gateway_ipv6) if each]
    internet = [*DEFAULT_INTERNET_TARGETS, *(IPV6_TARGETS if detected.gateway_ipv6 else ())]
    over_ipv6 = (
        "# This machine has a way out over IPv6: taken together, these watch it too.\n"
        if detected.gateway_ipv6
        else ""
    )
    listed = "".join(
        f'#[[target]]\n#name = "{name}"\n#role = "internet"\n#address = "{address}"\n'
        for name, address in internet
    )
    return f"""\
# Whom to probe. A role that is not listed has its default targets; "auto" is what the
# machine uses when the agent starts, and follows when that changes.
[[target]]
name = "gateway"
role = "gateway"
{_comment("found", [f"{gateway}{on}" for gateway in gateways])}\
address = "auto"

[[target]]
name = "first-hop"
role = "first_hop"
{_comment("found", [detected.first_hop] if detected.first_hop else [])}\
address = "auto"

[[target]]
name = "resolver"
role = "resolver"
{_comment("found", list(detected.resolvers))}\
address = "auto"

# The internet: at least three of different owners, or none and have these.
{over_ipv6}{listed}
# A service that matters here has a timeline of its own, apart from the line's.
#[[target]]
#name = "ent"
#role = "service"
#kind = "http"
#address = "https://ent.example.fr/health"
#interval = "60s"
#timeout = "5s"
#expect_status = [200, 204]
#[[target]]
#name = "mail"
#role = "service"
#kind = "tcp"
#address = "mail.example.fr"
#port = 993
"""


def _comment(word: str, values: list[str]) -> str:
    """A comment line with what was found, or nothing; what is no address stays out."""
    told = [value for value in values if parse_address(value.partition(" ")[0]) is not None]
    return f"# {word}: {show_text(', '.join(told))}\n" if told else ""


_BANDWIDTH = """\
[bandwidth]
# librespeed, iperf3, ndt7 or speedtest; auto takes the first that is set up, in that order.
#engine = "auto"
#per_day = 4
#monthly_budget = "60 GB"
#quiet_hours = ["mon-fri 08:30-11:30"]
# A test is skipped while others use more than this share of the line.
#busy_above = 0.10
#first_hop = ["100.64.0.1"]
#[bandwidth.snmp]
#address = "192.168.1.1"
#interface = 2
#port = 161
#community_file = "/etc/netwatch/snmp.community"
#[bandwidth.upnp]
#url = "http://192.168.1.1:49152/upnp/control/WANCommonIFC1"
#[bandwidth.lease]
#url = "https://test.example.fr/lease"
#[bandwidth.librespeed]
#url = "https://test.example.fr/backend"
#upload_url = "https://test.example.fr/upload"
#certificate_authority = "/etc/netwatch/town.pem"
#[bandwidth.iperf3]
#server = "iperf.example.fr"
#port = 5201
#[bandwidth.ndt7]
#url = "https://ndt.example.fr"
#[bandwidth.speedtest]
#url = "https://speed.example.fr"
"""


def _build_store(store_path: str | None) -> str:
    path = (
        f"path = {quote(store_path)}" if store_path else '#path = "/var/lib/netwatch/netwatch.db"'
    )
    return f"""\
[store]
{path}
#keep = "400d"
#commit_interval = "60s"
"""


_HTTP = """\
[http]
# Beyond this machine ("0.0.0.0:10779") only with a token, or insecure = true.
#listen = "127.0.0.1:10779"
#token_file = "http.token"
#certificate = "http.crt"
#key = "http.key"
#insecure = false
"""


def _build_clock(detected: Detected) -> str:
    if not detected.clock_kept_by_host:
        return """\
[clock]
# Leave this: what is measured is dated once the kernel says that its clock is
# synchronised, and unknown if it never does. true is for virtual machines whose host
# keeps their clock.
#trusted = false
"""
    return """\
[clock]
# This is a virtual machine in which no service keeps the time, so its kernel never says
# that the clock is synchronised: the host's clock is believed instead. Take this line
# away when a time service runs here.
trusted = true
"""


_MAIL = """\
# Where `netwatch report --mail` sends the report; always encrypted.
#[mail]
#host = "smtp.example.fr"
#sender = "netwatch@example.fr"
#recipients = ["reseau@example.fr"]
#port = 587
#security = "starttls"
#user = "netwatch"
#password_file = "mail.password"
#certificate_authority = "town-ca.pem"
"""

_INFLUX = """\
# Push to InfluxDB 2 or 3, or VictoriaMetrics; needs the extra `influx`.
#[influx]
#url = "https://metrics.example.fr:8086"
#org = "ville"
#bucket = "netwatch"
#token_file = "influx.token"
#certificate_authority = "town-ca.pem"
"""


#: Keys of ``[central]`` with an example or the default of each.
_CENTRAL: tuple[tuple[str, str], ...] = (
    ("url", "https://centre.example.fr/netwatch"),
    (
        "public_key",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA netwatch",
    ),
    ("public_key_file", "/etc/netwatch/centre.pub"),
    ("token_file", "central.token"),
    ("certificate_authority", "town-ca.pem"),
    ("every", "1h"),
)


def _build_central(central: CentralLines | None) -> str:
    given = {} if central is None else msgspec.structs.asdict(central)
    lines = [
        f"#{name} = {quote(example)}"
        if given.get(name) is None
        else f"{name} = {quote(given[name])}"
        for name, example in _CENTRAL
    ]
    return "\n".join(
        (
            "# Where the town publishes the rest of this configuration, and whose signature it",
            "# must bear: docs/central-configuration.md. What it says lies over this file.",
            "[central]" if given else "#[central]",
            *lines,
            "",
        )
    )
