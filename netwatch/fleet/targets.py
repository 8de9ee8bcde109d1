"""From the inventory to what Prometheus scrapes: its targets and its configuration.

Rule of this file: pure. A series is known by its site and by what its line is; what people
may rename or move (the site's name, its place, its agent's address) is in no label of a
target, for a renamed site must go on with its own past: `netwatch:site_info` has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from netwatch.fleet.address import parse_agent_address
from netwatch.fleet.model import FleetSite, Inventory
from netwatch.fleet.yaml_form import render_yaml

#: The labels that every series of a site has, and the dashboards' variables.
TARGET_LABELS = ("site", "commune", "operator", "circuit", "contract", "technology")
#: How Prometheus finds which job has a site's token and authority; dropped after relabelling.
TOKEN_LABEL = "__netwatch_token_file"  # noqa: S105 - a label's name
CA_LABEL = "__netwatch_ca"
JOB = "netwatch"
SCRAPE_INTERVAL = "30s"


def build_labels(site: FleetSite) -> dict[str, str]:
    """The site's labels, in the order of `TARGET_LABELS`; what is not known is not there.

    >>> from netwatch.fleet.model import FleetCircuit
    >>> site = FleetSite(id="a", address="10.0.0.2", circuit=FleetCircuit(operator="A"))
    >>> build_labels(site)
    {'site': 'a', 'operator': 'A'}
    """
    circuit = site.circuit
    values: Mapping[str, str | None] = {
        "site": site.id,
        "commune": site.commune,
        "operator": circuit.operator,
        "circuit": circuit.reference,
        "contract": circuit.contract,
        "technology": circuit.technology,
    }
    return {name: value for name in TARGET_LABELS if (value := values[name]) is not None}


def build_targets(inventory: Inventory) -> list[dict[str, object]]:
    """Prometheus' ``file_sd`` form: one group a site, in the order of the inventory.

    ``instance`` is the site's id: an agent that moves to another address goes on with its
    series. Scheme, path, token and authority are labels that Prometheus drops again.
    """
    groups: list[dict[str, object]] = []
    for site in inventory.sites:
        address = parse_agent_address(site.address)
        labels = {"instance": site.id, **build_labels(site)}
        if address.scheme != "http":
            labels["__scheme__"] = address.scheme
        if address.prefix:
            labels["__metrics_path__"] = f"{address.prefix}/metrics"
        if site.token_file is not None:
            labels[TOKEN_LABEL] = site.token_file
        if site.ca is not None:
            labels[CA_LABEL] = site.ca
        groups.append({"targets": [address.authority], "labels": labels})
    return groups


def render_targets(inventory: Inventory) -> str:
    """The file's text: the same inventory gives the same bytes."""
    return json.dumps(build_targets(inventory), indent=2, ensure_ascii=False) + "\n"


def build_scrape_jobs(inventory: Inventory, targets_path: str) -> list[dict[str, object]]:
    """One job for each pair of token and authority in use, all over the same targets.

    Prometheus takes a token by job, not by target, so each job keeps the targets that are
    its own. The ``job`` label of all is the same.
    """
    pairs = {(site.token_file or "", site.ca or ""): None for site in inventory.sites}
    return [
        _build_job(number, token_file, ca, targets_path)
        for number, (token_file, ca) in enumerate(sorted(pairs), start=1)
    ]


def _build_job(number: int, token_file: str, ca: str, targets_path: str) -> dict[str, object]:
    job: dict[str, object] = {
        "job_name": JOB if number == 1 else f"{JOB}-{number}",
        "scrape_interval": SCRAPE_INTERVAL,
        "scrape_timeout": "10s",
        # An agent has 150 series: one that answers with far more is none of ours.
        "sample_limit": 2000,
        "label_limit": 30,
        "body_size_limit": "4MB",
    }
    if token_file:
        job["authorization"] = {"type": "Bearer", "credentials_file": token_file}
    if ca:
        job["tls_config"] = {"ca_file": ca}
    job["file_sd_configs"] = [{"files": [targets_path]}]
    job["relabel_configs"] = [
        {"source_labels": [TOKEN_LABEL], "regex": _quote(token_file), "action": "keep"},
        {"source_labels": [CA_LABEL], "regex": _quote(ca), "action": "keep"},
        {"target_label": "job", "replacement": JOB},
    ]
    return job


def _quote(text: str) -> str:
    """As a regular expression of Prometheus (RE2, anchored) that matches the text alone."""
    return "".join(f"\\{sign}" if sign in r"\.+*?()[]{}|^$" else sign for sign in text)


def render_scrape_configuration(
    inventory: Inventory, *, targets_path: str, rules_path: str, alertmanager: str
) -> str:
    """A whole ``prometheus.yml`` for the fleet."""
    document = {
        "global": {
            "scrape_interval": SCRAPE_INTERVAL,
            "evaluation_interval": "30s",
        },
        "rule_files": [rules_path],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            *build_scrape_jobs(inventory, targets_path),
            {"job_name": "prometheus", "static_configs": [{"targets": ["localhost:9090"]}]},
        ],
    }
    head = (
        "# Prometheus for a fleet of netwatch agents: `netwatch fleet scrape` wrote this file.\n"
        "# Start it with --storage.tsdb.retention.time=400d: windows of 30 days need their past.\n"
    )
    return head + render_yaml(document)
