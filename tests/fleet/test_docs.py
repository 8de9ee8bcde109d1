"""docs/fleet.md is complete: its settings, its recorded series and the metrics that rules read."""

from __future__ import annotations

import re
from pathlib import Path

from netwatch.config.model import ContractSettings, Site
from netwatch.config.schema import list_settings
from netwatch.fleet.inventory import read_inventory
from netwatch.fleet.model import InventorySettings
from netwatch.fleet.recording_rules import build_recording_groups
from netwatch.fleet.rules import build_rules
from netwatch.fleet.windows import WINDOWS
from tests.test_docs_metrics import read_documented

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "examples" / "fleet.toml"


def read_rows() -> dict[str, list[str]]:
    """Setting -> the cells of its row."""
    return {
        match[1]: [cell.strip() for cell in match[2].split("|")]
        for match in re.finditer(r"^\| `([a-z_.\[\]]+)` \|(.*)\|$", TEXT, flags=re.MULTILINE)
        if len(match[2].split("|")) == 4
    }


def test_every_setting_that_an_agent_has_not_is_documented_with_its_default() -> None:
    """The fleet's own keys have their rows, and no other has; the rest is configuration.md's."""
    agents = {f"site[].{path}" for path, _, _ in list_settings(Site)} | {
        f"contract[].{path}" for path, _, _ in list_settings(ContractSettings)
    }
    own = {path: default or "none" for path, _, default in list_settings(InventorySettings)
           if path not in agents and not path.startswith("contract[].earlier[].")}  # fmt: skip
    own["contract[].earlier"] = "[]"  # its keys are those of the agent's contract
    assert {path: cells[2].strip("`") for path, cells in read_rows().items()} == own
    assert all(len(cells[0]) > 3 and cells[1] for cells in read_rows().values())


def test_every_recorded_series_is_documented_with_its_labels() -> None:
    """The table of series and the rules name the same ones, and the same windows."""
    groups = build_recording_groups(read_inventory(EXAMPLE), {}, range(2026, 2029))
    recorded = {str(rule["record"]) for group in groups for rule in group["rules"]}  # type: ignore[attr-defined] # a list of rules
    documented = set(re.findall(r"^\| `(netwatch:[a-z_:]+)` \|", TEXT, flags=re.MULTILINE))
    # The example's contracts promise neither.
    silent = {"netwatch:contract_max_rtt_seconds", "netwatch:contract_max_loss_ratio"}
    assert recorded | silent == documented
    assert all(f"`{window}`" in TEXT for window in WINDOWS)


def test_every_metric_that_a_rule_reads_is_exported_by_the_agent() -> None:
    """No rule waits for a name that nobody gives."""
    known = set(read_documented())
    files = build_rules(read_inventory(EXAMPLE), {}, range(2026, 2029))
    read = set(re.findall(r"\bnetwatch_[a-z0-9_]+", "\n".join(files.values())))
    assert {"netwatch_link_seconds_total", "netwatch_clock_synchronised"} <= read <= known


def test_every_recorded_series_that_an_alert_reads_is_recorded() -> None:
    """An alert over a series that no rule records would never fire."""
    files = build_rules(read_inventory(EXAMPLE), {}, range(2026, 2029))
    recording, alerts = files["netwatch-recording.yml"], files["netwatch-alerts.yml"]
    recorded = set(re.findall(r'record: "([^"]+)"', recording))
    assert set(re.findall(r"netwatch:[a-z_]+(?::[a-z]+)?", alerts)) <= recorded
    assert set(re.findall(r"netwatch:[a-z_]+(?::[a-z]+)?", recording)) <= recorded | {
        "netwatch:contract_max_rtt_seconds", "netwatch:contract_max_loss_ratio",
    }  # fmt: skip
