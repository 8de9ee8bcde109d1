"""`netwatch check` with holidays that the report could not use."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwatch.cli.examination import Examined, State, examine
from tests.cli.test_check import make_world


def check_holidays(folder: Path, region: str, modules: tuple[str, ...]) -> list[Examined]:
    config = f'[site]\nid = "a"\nholidays = "{region}"\n[store]\npath = "n.db"\n'
    file = folder / "agent.toml"
    file.write_text(config, encoding="utf-8")
    findings, usable = examine(file, make_world(modules=modules))
    assert usable
    return [finding for finding in findings if finding.subject == "holidays"]


def test_a_region_that_there_is_not_is_told_before_the_first_report(tmp_path: Path) -> None:
    """With those that there are."""
    (finding,) = check_holidays(tmp_path, "FR-Atlantis", ("holidays",))
    assert finding.state is State.PROBLEM
    assert finding.message == ("site.holidays: FR has no subdivision 'Atlantis', got 'FR-Atlantis'")
    assert finding.remedy is not None
    assert finding.remedy.startswith("use FR alone, or FR- and one of 57, ")


@pytest.mark.parametrize("region", ["FR", "FR-Alsace-Moselle", "DE-BY", "none"])
def test_a_region_that_is_known_needs_no_word(tmp_path: Path, region: str) -> None:
    assert check_holidays(tmp_path, region, ("holidays",)) == []


def test_without_the_reports_library_nothing_is_said_of_regions(tmp_path: Path) -> None:
    """An agent may have no report."""
    assert check_holidays(tmp_path, "FR-Atlantis", ()) == []
