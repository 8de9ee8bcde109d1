"""The inventory's settings: their names, units and defaults.

Rule of this file: data only. It knows no file and does not validate; `inventory` does.
What a site, a circuit and a contract say is the agent's own vocabulary
(`netwatch.config.model`); only what binds them to one another is new here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from netwatch.config.model import Circuit, ContractSettings, Money, Site


class MetricsStore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where what Prometheus scraped is asked for: Prometheus itself, or what speaks as it does."""

    url: str = "http://127.0.0.1:9090"
    token_file: str | None = None
    ca: str | None = None


class PointStore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The InfluxDB that the agents push to."""

    url: str = "http://127.0.0.1:8086"
    org: str = "netwatch"
    bucket: str = "netwatch"
    token_file: str | None = None
    ca: str | None = None


class GrafanaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Grafana that `fleet dashboards` brings the dashboards to."""

    url: str = "http://127.0.0.1:3000"
    token_file: str | None = None  # of a service account; required to push
    ca: str | None = None
    folder: str = "netwatch"  # the title of the folder
    languages: tuple[Literal["fr", "en"], ...] = ("fr",)
    sources: tuple[Literal["prometheus", "influx"], ...] = ("prometheus",)
    data_sources: bool = True  # whether they are kept too; False: the town's own, of the same uid
    prometheus_url: str | None = None  # where Grafana finds it; None: fleet.prometheus.url
    prometheus_user: str | None = None
    prometheus_password_file: str | None = None
    influx_url: str | None = None  # where Grafana finds it; None: fleet.influx.url


class OpenData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the town says of the data that it publishes."""

    publisher: str | None = None  # who answers for them; None: not published
    title_fr: str = "Disponibilité des accès internet des bâtiments publics"
    title_en: str = "Availability of the internet lines of public buildings"
    licence: Literal["etalab-2.0", "odbl-1.0", "cc-by-4.0"] = "etalab-2.0"
    homepage: str | None = None
    operators: bool = True  # whether operators are named
    locations: bool = True  # whether the sites' coordinates are published


class FleetOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the whole fleet."""

    runbook: str = "docs/alerts.md"  # where alerts send the reader: a page with docs/alerts.md
    prometheus: MetricsStore = MetricsStore()
    influx: PointStore = PointStore()
    grafana: GrafanaSettings = GrafanaSettings()
    open_data: OpenData = OpenData()


class Operator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs lines, and how it is reached when one fails."""

    name: str
    customer: str | None = None  # the town's number with it
    phone: str | None = None
    mail: str | None = None
    portal: str | None = None  # where a fault is reported


class FleetContract(ContractSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The terms that several circuits share, under a name."""

    name: str
    earlier: tuple[ContractSettings, ...] = ()  # versions before the present one


class FleetCircuit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site's line; operator and contract are names of the same file."""

    operator: str
    contract: str | None = None  # None: no commitment; every cause of down counts
    reference: str | None = None
    technology: str | None = None
    monthly_fee: Money | None = None


class FleetSite(Site, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A building, its agent and its line."""

    address: str  # host, host:port or URL of its agent
    token_file: str | None = None
    ca: str | None = None  # PEM file that vouches for the agent's certificate; None: the system's
    publish: bool = False  # whether it is in the town's open data
    circuit: FleetCircuit


class InventorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a fleet, as it is written."""

    fleet: FleetOptions = FleetOptions()
    operator: tuple[Operator, ...] = ()
    contract: tuple[FleetContract, ...] = ()
    site: tuple[FleetSite, ...] = ()


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet that has been read and found sound: every name in it leads somewhere."""

    options: FleetOptions
    operators: Mapping[str, Operator]
    contracts: Mapping[str, FleetContract]
    sites: tuple[FleetSite, ...]  # in the order of the file

    def site(self, site_id: str) -> FleetSite:
        """The site of this id. Raises KeyError."""
        for each in self.sites:
            if each.id == site_id:
                return each
        raise KeyError(site_id)

    def contract_of(self, site: FleetSite) -> FleetContract | None:
        """The terms of the site's line; None where it has no contract."""
        name = site.circuit.contract
        return None if name is None else self.contracts[name]

    def circuit_of(self, site: FleetSite) -> Circuit:
        """The line as an agent's configuration has it, its contract in full."""
        terms = self.contract_of(site)
        contract = ContractSettings()
        earlier: tuple[ContractSettings, ...] = ()
        if terms is not None:
            earlier = terms.earlier
            names = (info.name for info in msgspec.structs.fields(ContractSettings))
            contract = ContractSettings(**{name: getattr(terms, name) for name in names})
        return Circuit(
            operator=site.circuit.operator,
            reference=site.circuit.reference,
            technology=site.circuit.technology,
            monthly_fee=site.circuit.monthly_fee,
            contract=contract,
            earlier=earlier,
        )
