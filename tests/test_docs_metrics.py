"""docs/metrics.md is complete: what is exported is documented, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.records import PushProblem, PushReason, Role, Verdict
from netwatch.snapshot import CentralView, PushState
from tests.adapters.web_world import BANDWIDTH, build_snapshot, build_target, build_targets

PUSH = PushState(
    ok=False,
    problem=PushProblem(reason=PushReason.CUT, where="http://a"),
    minutes=1,
    oldest_ms=60_000,
)
CENTRAL = CentralView(version=7, refused_version=8, answered_ms=60_000, reason="untrusted")
DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"


def read_documented() -> dict[str, set[str]]:
    """Name and labels of each row of the tables."""
    documented = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if line.startswith("| `"):
            for name in re.findall(r"`([a-z0-9_]+)`", cells[1]):
                documented[name] = set(re.findall(r"`([a-z0-9_]+)`", cells[3]))
    return documented


def read_exported() -> dict[str, set[str]]:
    """Name and labels of each family of a scrape in which everything is there."""
    failing = build_target("silent", Role.INTERNET, "192.0.2.1", answered=False)
    snapshot = build_snapshot(
        targets=(*build_targets(), failing),
        notices=("disk_full",),
        ipv6=Verdict.UP,
        push=PUSH,
        clock_held_ms=60_000,
        restore_deadline_ms=1_795_707_420_000,
        bandwidth=BANDWIDTH,
        central=CENTRAL,
    )
    exported = {}
    for family in text_string_to_metric_families(
        MetricsRenderer(site="mairie")(snapshot)[0].decode()
    ):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        exported[name] = labels - {"le"}
    return exported


def test_every_exported_metric_is_documented_with_its_labels() -> None:
    """The tables and a full scrape name the same metrics with the same labels."""
    assert read_exported() == read_documented()
