"""What is made up says so and stays alone; what was recorded is checked against its chain."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.cli.main import main
from netwatch.store.chain_verify import read_chain_end
from tests.e2e.described_month import fill_store, write_settings

SCENARIO = """\
month = "2024-10"
configuration = "agent.toml"
interval = "60s"

[[outage]]
cause = "access"
start = 2024-10-07T09:00:00
lasts = "5h"

[bandwidth]
per_day = 1
down = "60 Mbit/s"

[[campaign]]
profile = "proof"
start = 2024-10-14
normal_down = "100 Mbit/s"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and a simulated October."""
    folder = tmp_path_factory.mktemp("simulated")
    write_settings(folder)
    (folder / "story.toml").write_text(SCENARIO, encoding="utf-8")
    assert main(
        ["simulate", "--scenario", str(folder / "story.toml"), "--db", str(folder / "netwatch.db"),
         "--sparse"]
    ) == 0  # fmt: skip
    return folder


def test_a_simulated_month_says_so_on_its_first_page(site: Path) -> None:
    """In each language above the headline, in the JSON, and `verify` knows it from the evidence."""
    output = site / "october"
    assert main(
        ["report", "--config", str(site / "agent.toml"), "--month", "2024-10",
         "--format", "html,csv,json", "--output", str(output)]
    ) == 0  # fmt: skip
    for code, sentence in {
        "en": "Simulation: these records are made up, from the scenario story.toml.",
        "fr": "Simulation : ces relevés sont inventés, d’après le scénario story.toml.",
    }.items():
        page = (output / f"report.{code}.html").read_text(encoding="utf-8")
        assert page.index(sentence) < page.index('class="headline"')
    figures = json.loads((output / "report.json").read_bytes())
    assert figures["simulated"] == "story.toml"
    assert main(["verify", str(output / "netwatch-ecole-jaures-2024-10.zip")]) == 0


def test_a_campaign_of_a_scenario_is_measured_at_its_slots(site: Path) -> None:
    """At 60 of 100 Mbit/s the proof is there."""
    output = site / "campaign"
    assert main(
        ["report", "--config", str(site / "agent.toml"), "--month", "2024-10",
         "--format", "json", "--output", str(output)]
    ) == 0  # fmt: skip
    (campaign,) = json.loads((output / "report.json").read_bytes())["campaigns"]
    assert (campaign["state"], campaign["measured"], campaign["author"]) == (
        "breach", 30, "simulation",
    )  # fmt: skip


def test_the_newest_hash_of_the_chain_stands_in_page_json_and_manifest(site: Path) -> None:
    output = site / "chained"
    assert main(
        ["report", "--config", str(site / "agent.toml"), "--month", "2024-10",
         "--format", "html,csv,json", "--lang", "en", "--output", str(output)]
    ) == 0  # fmt: skip
    end = read_chain_end(site / "netwatch.db")
    assert end is not None
    told = {"number": end.number, "day": end.day, "hash": end.hash}
    assert json.loads((output / "report.json").read_bytes())["evidence"]["chain"] == told
    with zipfile.ZipFile(output / "netwatch-ecole-jaures-2024-10.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["chain"] == told
    assert f'<span class="hash">{end.hash}</span>' in (output / "report.en.html").read_text(
        encoding="utf-8"
    )


def test_the_agent_does_not_go_on_from_a_simulation(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says why and what to do, and the records stay as they are."""
    before = (site / "netwatch.db").read_bytes()
    assert main(["run", "--config", str(site / "agent.toml")]) == 2
    assert capsys.readouterr().err == (
        f"{site / 'netwatch.db'}: its records are simulated, and real ones are not written behind "
        "them: name another file in store.path, or move this one away\n"
    )
    assert (site / "netwatch.db").read_bytes() == before


def test_a_sound_database_shows_the_hash_that_stands_for_it(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(site / "netwatch.db")
    end = read_chain_end(database)
    assert end is not None
    assert main(["verify", "--db", database]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{database}: sound: every day is what it was closed with, up to ")
    assert out.endswith(f"{end.hash}\n")
    assert main(["verify", "--db", database, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["sound"], answer["problems"], answer["newest"]["day"]) == (True, [], end.day)


def test_the_day_that_was_changed_is_named(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A throughput test of 20 October made faster: that day, and no other."""
    database = tmp_path / "changed.db"
    database.write_bytes((site / "netwatch.db").read_bytes())
    with closing(sqlite3.connect(database)) as connection, connection:
        found = connection.execute(
            "UPDATE bandwidth_test SET down_bytes_per_second = 99000000 WHERE started_ms >="
            " 1729382400000 AND started_ms < 1729468800000"
        )
        assert found.rowcount >= 1
    assert main(["verify", "--db", str(database)]) == 1
    told = capsys.readouterr()
    assert told.out.startswith("2024-10-20: ")
    assert told.err == f"{database}: 1 thing is wrong\n"
    assert main(["verify", "--db", str(database), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [problem["day"] for problem in answer["problems"]] == ["2024-10-20"]


def test_books_without_a_closed_day_have_nothing_to_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_store(tmp_path / "netwatch.db")
    assert main(["verify", "--db", str(tmp_path / "netwatch.db")]) == 0
    assert capsys.readouterr().out.endswith("no day is closed yet: there is nothing to compare\n")


def test_verify_takes_a_bundle_or_a_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither or both is refused; so is a file that is not there."""
    for arguments in ([], ["a.zip", "--db", "a.db"]):
        assert main(["verify", *arguments]) == 2
        assert capsys.readouterr().err.startswith("verify takes one thing: ")
    assert main(["verify", "--db", str(tmp_path / "none.db")]) == 1
    assert str(tmp_path / "none.db") in capsys.readouterr().err
