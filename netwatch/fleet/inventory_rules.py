"""What the inventory says, as series: the sites, their contracts' terms, their hours.

Rule of this file: pure; constants for joins. Nothing here reads a metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from netwatch.fleet.address import parse_agent_address
from netwatch.fleet.covered_time import Hours
from netwatch.fleet.model import FleetContract, FleetSite, Inventory
from netwatch.fleet.series import SITE, Rule
from netwatch.fleet.targets import build_labels

#: Contract terms as series, by name of the series.
CONTRACT_TERMS: Mapping[str, str] = {
    "netwatch:contract_availability_target": "availability",
    "netwatch:contract_restore_within_seconds": "restore_within_ms",
    "netwatch:contract_yearly_interruption_seconds": "yearly_interruption_ms",
    "netwatch:contract_max_rtt_seconds": "max_rtt_ms",
    "netwatch:contract_max_loss_ratio": "max_loss",
}


def build_hours(inventory: Inventory, holidays: Mapping[str, frozenset[date]]) -> dict[str, Hours]:
    """By site id: the hours of its contract there. Sites with the same hours share one."""
    shared: dict[tuple[object, ...], Hours] = {}
    found = {}
    for site in inventory.sites:
        terms = inventory.contract_of(site)
        calendar = "S2" if terms is None else terms.calendar
        days = holidays.get(site.id, frozenset())
        hours = Hours(name="", calendar=calendar, timezone=site.timezone, holidays=days)
        if hours.always:
            found[site.id] = Hours(
                name="24/7", calendar="24/7", timezone="UTC", holidays=frozenset()
            )
            continue
        key = (site.circuit.contract, calendar, site.timezone, days)
        if key not in shared:
            shared[key] = Hours(
                name=f"{site.circuit.contract} {site.id}",
                calendar=calendar,
                timezone=site.timezone,
                holidays=days,
            )
        found[site.id] = shared[key]
    return found


def build_site_info(site: FleetSite, hours: Hours) -> Rule:
    """1 for a site of the inventory, with all that people may change about it as labels."""
    labels = build_labels(site)
    labels["name"] = site.name or site.id
    labels["hours"] = hours.name
    labels["timezone"] = site.timezone
    labels["page"] = parse_agent_address(site.address).url("/")
    if site.latitude is not None and site.longitude is not None:
        labels["latitude"] = f"{site.latitude:.6f}".rstrip("0").rstrip(".")
        labels["longitude"] = f"{site.longitude:.6f}".rstrip("0").rstrip(".")
    return {"record": SITE, "expr": "vector(1)", "labels": labels}


def build_contract_terms(contracts: Iterable[FleetContract]) -> list[Rule]:
    """What each contract promises, as series with the label ``contract``; silence is absent."""
    rules: list[Rule] = []
    for terms in contracts:
        for record, attribute in CONTRACT_TERMS.items():
            value = getattr(terms, attribute)
            if value is not None:
                number = f"{value / 1000:g}" if attribute.endswith("_ms") else f"{value:f}"
                rules.append(_constant(record, number, contract=terms.name))
        for direction, rate in (("down", terms.guaranteed_down), ("up", terms.guaranteed_up)):
            if rate is not None:
                rules.append(
                    _constant(
                        "netwatch:contract_guaranteed_bytes_per_second",
                        str(int(rate)),
                        contract=terms.name,
                        direction=direction,
                    )
                )
        if terms.guaranteed_down is not None or terms.guaranteed_up is not None:
            share = f"{terms.guaranteed_share:f}"
            rules.append(
                _constant("netwatch:contract_guaranteed_ratio", share, contract=terms.name)
            )
    return rules


def _constant(record: str, value: str, **labels: str) -> Rule:
    return {"record": record, "expr": f"vector({value})", "labels": labels}
