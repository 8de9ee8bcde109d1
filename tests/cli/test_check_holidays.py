"""`netwatch check` with holidays that the report could not use."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwatch.cli.examination import Examined, State, examine
from tests.cli.test_check import make_world


def check_holidays(
    folder: Path, region: str, modules: tuple[str, ...], more: str = ""
) -> list[Examined]:
    config = f'[site]\nid = "a"\nholidays = "{region}"\n[store]\npath = "n.db"\n{more}'
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


def test_a_deadline_that_the_agent_cannot_tell_without_the_library_is_said(tmp_path: Path) -> None:
    """A warning: all is measured, and the report elsewhere has its deadlines."""
    contract = '[circuit.contract]\nrestore_within = "4h"\ncalendar = "S1"\n'
    (finding,) = check_holidays(tmp_path, "FR", (), contract)
    assert (finding.state, finding.message, finding.remedy) == (
        State.WARNING,
        "circuit.contract.restore_within runs in hours that rest on the public holidays of FR, "
        "which are not known here: in an outage the agent shows no deadline",
        "pip install 'netwatch[report]'",
    )
    assert check_holidays(tmp_path, "FR", ("holidays",), contract) == []


@pytest.mark.parametrize(
    ("region", "contract"),
    [
        ("FR", '[circuit.contract]\nrestore_within = "4h"\ncalendar = "S2"\n'),
        ("FR", '[circuit.contract]\ncalendar = "S1"\n'),
        ("none", '[circuit.contract]\nrestore_within = "4h"\ncalendar = "S1"\n'),
    ],
)
def test_a_contract_that_rests_on_no_holiday_needs_no_library(
    tmp_path: Path, region: str, contract: str
) -> None:
    """Around the clock, without such a term, or at a site without public holidays."""
    assert check_holidays(tmp_path, region, (), contract) == []
