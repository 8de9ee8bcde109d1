"""The rule files of a fleet, and where they go.

Rule of this file: the one place that knows the files' names. It asks no clock: the years
for which public holidays and clock changes are written out come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from netwatch.errors import UsageError
from netwatch.fleet.alerting_rules import build_alerting_groups
from netwatch.fleet.files import write_atomically
from netwatch.fleet.inventory_rules import build_hours
from netwatch.fleet.model import Inventory
from netwatch.fleet.recording_rules import build_recording_groups
from netwatch.fleet.yaml_form import render_yaml

RECORDING_FILE = "netwatch-recording.yml"
ALERTS_FILE = "netwatch-alerts.yml"
_HEAD = (
    "# `netwatch fleet rules` wrote this file from the inventory: change that, and run it again.\n"
)


def build_rules(
    inventory: Inventory, holidays: Mapping[str, frozenset[date]], years: range
) -> dict[str, str]:
    """File name -> text. See `build_recording_groups` for the arguments."""
    dated = any(not hours.always for hours in build_hours(inventory, holidays).values())
    return {
        RECORDING_FILE: _render({"groups": build_recording_groups(inventory, holidays, years)}),
        ALERTS_FILE: _render({"groups": build_alerting_groups(inventory, years, dated=dated)}),
    }


def needs_holidays(inventory: Inventory) -> tuple[str, ...]:
    """The ids of the sites whose contract's clock stops on some days: only they ask for them."""
    hours = build_hours(inventory, {})
    return tuple(site.id for site in inventory.sites if not hours[site.id].always)


def write_rules(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Put the files in their folder, made where it is not; those that changed.

    Raises UsageError where it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror}") from None
    return [folder / name for name, text in files.items() if write_atomically(folder / name, text)]


def _render(document: Mapping[str, object]) -> str:
    return _HEAD + render_yaml(document)
