"""The fleet's file to an inventory, or every mistake in it at once.

Rule of this file: the only one that reads ``fleet.toml``. The limits of single values are
those of the agent's own configuration, and so is the form of the messages; what is checked
here is what binds sites, operators and contracts. It asks no agent whether it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from netwatch.config.circuits import check_contract
from netwatch.config.convert import Converter
from netwatch.config.forms import check_mail_address, check_path, check_text, check_url
from netwatch.config.load import read_document
from netwatch.config.model import ContractSettings, Money, Site
from netwatch.config.notes import Notes, Refused, show_quoted, show_text
from netwatch.config.notes import Path as At
from netwatch.config.penalties import check_penalties
from netwatch.config.rules import RULES, SPELLINGS, of_text
from netwatch.errors import ConfigError
from netwatch.fleet.address import check_base_url, parse_agent_address
from netwatch.fleet.grafana_settings import GRAFANA_RULES, check_grafana, resolve_grafana
from netwatch.fleet.model import (
    FleetCircuit,
    FleetContract,
    FleetOptions,
    FleetSite,
    Inventory,
    InventorySettings,
    MetricsStore,
    OpenData,
    Operator,
    PointStore,
)

#: A larger fleet is split over several files, as its work is over several machines.
MOST_SITES = 2_000

_V = TypeVar("_V")


_ANY_AMOUNT = Decimal(1)
_TEXT = of_text(check_text)
_PATH = of_text(check_path)

#: What a value must meet beyond its type, beside what the agent's own rules say.
FLEET_RULES: Mapping[tuple[type, str], Callable[[object], None]] = {
    (FleetOptions, "runbook"): _TEXT,
    (MetricsStore, "url"): of_text(check_base_url),
    (MetricsStore, "token_file"): _PATH,
    (MetricsStore, "ca"): _PATH,
    (PointStore, "url"): of_text(check_base_url),
    (PointStore, "org"): _TEXT,
    (PointStore, "bucket"): _TEXT,
    (PointStore, "token_file"): _PATH,
    (PointStore, "ca"): _PATH,
    (OpenData, "publisher"): _TEXT,
    (OpenData, "title_fr"): _TEXT,
    (OpenData, "title_en"): _TEXT,
    (OpenData, "homepage"): of_text(check_url),
    (Operator, "name"): _TEXT,
    (Operator, "customer"): _TEXT,
    (Operator, "phone"): _TEXT,
    (Operator, "mail"): of_text(check_mail_address),
    (Operator, "portal"): of_text(check_url),
    (FleetContract, "name"): _TEXT,
    (FleetCircuit, "operator"): _TEXT,
    (FleetCircuit, "contract"): _TEXT,
    (FleetCircuit, "reference"): _TEXT,
    (FleetCircuit, "technology"): _TEXT,
    (FleetSite, "address"): of_text(parse_agent_address),
    (FleetSite, "token_file"): _PATH,
    (FleetSite, "ca"): _PATH,
    **GRAFANA_RULES,
}


def read_inventory(path: str | Path) -> Inventory:
    """The inventory of a file; paths in it count from the folder that it lies in.

    Raises:
        ConfigError: every problem found, in the file's order. A file that cannot be read,
            is no text, is over 1 MiB or is not TOML is one problem.
    """
    name = show_text(str(path))
    if not Path(path).exists():
        raise ConfigError(
            [
                f"{name}: does not exist: write it as docs/fleet.md says, or "
                f"`netwatch fleet import sites.csv --output {name}`"
            ]
        )
    inventory = build_inventory(read_document(path), str(path))
    return resolve_paths(inventory, Path(path).absolute().parent)


def build_inventory(document: Mapping[str, object], file_name: str) -> Inventory:
    """The inventory that a TOML document describes; ``file_name`` begins every message.

    >>> site = {"id": "a", "address": "10.0.0.2", "circuit": {"operator": "A"}}
    >>> fleet = build_inventory({"operator": [{"name": "A"}], "site": [site]}, "fleet.toml")
    >>> fleet.site("a").circuit.operator
    'A'

    Raises:
        ConfigError: every problem found, in the document's order.
    """
    notes = Notes(document)
    converter = Converter(
        notes,
        rules={**_inherit(RULES), **FLEET_RULES},
        spellings=_inherit(SPELLINGS),
        longest_list=MOST_SITES,
    )
    settings = converter.convert_table(document, InventorySettings, ())
    assert settings is not None  # a document is always a table
    operators = _check_names(settings.operator, "operator", notes)
    contracts = _check_names(settings.contract, "contract", notes)
    for index, contract in enumerate(settings.contract):
        if contract is not None:
            _check_terms(contract, ("contract", index), notes)
    _check_sites(settings.site, operators, contracts, notes)
    check_grafana(settings.fleet, notes)
    if not settings.site and notes.sound((), "site"):
        notes.refuse((), "has no site: write [[site]] for each building")
    problems = notes.lines(file_name)
    if problems:
        raise ConfigError(problems)
    return Inventory(
        options=settings.fleet,
        operators=operators,
        contracts=contracts,
        sites=tuple(_without_none_holidays(site) for site in settings.site),
    )


def resolve_paths(inventory: Inventory, folder: Path) -> Inventory:
    """The same inventory, every relative path joined to the folder."""

    def resolve(text: str | None) -> str | None:
        return None if text is None else str(folder / text)

    sites = tuple(
        msgspec.structs.replace(site, token_file=resolve(site.token_file), ca=resolve(site.ca))
        for site in inventory.sites
    )
    prometheus, influx = inventory.options.prometheus, inventory.options.influx
    options = msgspec.structs.replace(
        inventory.options,
        prometheus=msgspec.structs.replace(
            prometheus, token_file=resolve(prometheus.token_file), ca=resolve(prometheus.ca)
        ),
        influx=msgspec.structs.replace(
            influx, token_file=resolve(influx.token_file), ca=resolve(influx.ca)
        ),
        grafana=resolve_grafana(inventory.options.grafana, folder),
    )
    return msgspec.structs.replace(inventory, sites=sites, options=options)


def _inherit(table: Mapping[tuple[type, str], _V]) -> dict[tuple[type, str], _V]:
    """The agent's rules, for the fleet's kinds of site and contract too."""
    heirs: Mapping[type, type] = {Site: FleetSite, ContractSettings: FleetContract}
    inherited = {
        (heirs[owner], name): rule for (owner, name), rule in table.items() if owner in heirs
    }
    inherited |= {
        (FleetCircuit, name): rule
        for (owner, name), rule in table.items()
        if owner.__name__ == "Circuit" and name in FleetCircuit.__struct_fields__
    }
    return {**table, **inherited}


_Named = TypeVar("_Named", Operator, FleetContract)


def _check_names(named: Sequence[_Named], table: str, notes: Notes) -> dict[str, _Named]:
    """By name, the first of two with one name; the second is noted."""
    found: dict[str, _Named] = {}
    for index, each in enumerate(named):
        if each is None or not notes.sound((table, index), "name"):
            continue
        if each.name in found:
            notes.refuse(
                (table, index, "name"), f"must be unique, got {show_quoted(each.name)} twice"
            )
        found.setdefault(each.name, each)
    return found


def _check_terms(contract: FleetContract, at: At, notes: Notes) -> None:
    """Each version by the agent's own rules; every one but the oldest says since when it holds."""
    versions: list[tuple[ContractSettings, At]] = [(contract, at)]
    versions += [
        (version, (*at, "earlier", index))
        for index, version in enumerate(contract.earlier)
        if version is not None
    ]
    seen: set[str | None] = set()
    for version, here in versions:
        check_contract(version, here, notes)
        # Whether there is a fee is each circuit's affair: here any will do.
        check_penalties(version, Money(amount=_ANY_AMOUNT, currency="EUR"), here, notes)
        if len(versions) == 1 or not notes.sound(here, "since"):
            continue
        if version is contract and version.since is None:
            notes.refuse(
                (*here, "since"),
                'is missing: with earlier versions write from when it holds, since = "2026-10-15"',
            )
            continue
        if version.since in seen:
            which = "no date" if version.since is None else show_quoted(version.since)
            notes.refuse((*here, "since"), f"must differ between versions, got {which} twice")
        elif version.since and contract.since and version.since > contract.since:
            notes.refuse(
                (*here, "since"),
                f"must be before that of the present version ({contract.since}), "
                f"got {show_quoted(version.since)}",
            )
        seen.add(version.since)


def _check_sites(
    sites: Sequence[FleetSite],
    operators: Mapping[str, Operator],
    contracts: Mapping[str, FleetContract],
    notes: Notes,
) -> None:
    ids: dict[str, int] = {}
    addresses: dict[str, int] = {}
    for index, site in enumerate(sites):
        if site is None:
            continue
        at: At = ("site", index)
        if notes.sound(at, "id"):
            if site.id in ids:
                notes.refuse(
                    (*at, "id"),
                    f"must be unique, got {show_quoted(site.id)}, which site[{ids[site.id]}] has",
                )
            ids.setdefault(site.id, index)
        if notes.sound(at, "address"):
            where = _spell_address(site.address)
            if where in addresses:
                notes.refuse(
                    (*at, "address"),
                    f"must be of one agent, got {show_quoted(site.address)}, "
                    f"which site[{addresses[where]}] has",
                )
            addresses.setdefault(where, index)
        for key, other in (("latitude", "longitude"), ("longitude", "latitude")):
            if notes.given((*at, key)) and not notes.given((*at, other)):
                notes.refuse((*at, key), f"needs {other} beside it: a place on the map has both")
        if site.ca is not None and notes.sound(at, "ca", "address"):
            _check_ca(site, at, notes)
        if site.circuit is not None:
            _check_circuit(site.circuit, operators, contracts, (*at, "circuit"), notes)


def _check_ca(site: FleetSite, at: At, notes: Notes) -> None:
    if parse_agent_address(site.address).scheme != "https":
        notes.refuse(
            (*at, "ca"),
            f'is not used by http: write address = "https://{site.address.rpartition("://")[2]}", '
            "or remove it",
        )


def _check_circuit(
    circuit: FleetCircuit,
    operators: Mapping[str, Operator],
    contracts: Mapping[str, FleetContract],
    at: At,
    notes: Notes,
) -> None:
    if notes.sound(at, "operator") and circuit.operator not in operators:
        hint = notes.suggest(circuit.operator, list(operators))
        remedy = hint or ": write [[operator]] with it"
        notes.refuse(
            (*at, "operator"), f"no operator has the name {show_quoted(circuit.operator)}{remedy}"
        )
    if circuit.contract is None or not notes.sound(at, "contract"):
        return
    terms = contracts.get(circuit.contract)
    if terms is None:
        hint = notes.suggest(circuit.contract, list(contracts))
        remedy = hint or ": write [[contract]] with it"
        notes.refuse(
            (*at, "contract"), f"no contract has the name {show_quoted(circuit.contract)}{remedy}"
        )
        return
    shares = any(rule is not None and rule.amount is None for rule in terms.penalty)
    paid = terms.monthly_fee is not None or notes.given((*at, "monthly_fee"))
    if shares and not paid:
        notes.refuse(
            (*at, "monthly_fee"),
            f"is missing: penalties of contract {show_quoted(terms.name)} are shares of it, "
            'write monthly_fee = "49.00 EUR"',
        )


def _spell_address(text: str) -> str:
    try:
        return parse_agent_address(text).url("")
    except Refused:  # noted where the value was read
        return text


def _without_none_holidays(site: FleetSite) -> FleetSite:
    return msgspec.structs.replace(site, holidays=None) if site.holidays == "none" else site
