"""What the town publishes, and what it does not."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from netwatch.cli.main import main
from tests.fleet.test_fleet_report import build_spans, fleet, giving, make_bundle, report

OUTAGE = ("2024-10-07T02:30Z", "2024-10-07T08:00Z")
SECRETS = ["127.0.0.1", "10779", "FTTH-0042", "C-10042", "300", "token", "marie"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory with a fleet report beside it: of three sites two are published."""
    tmp_path = tmp_path_factory.mktemp("made")
    answers = {
        "ecole": giving(make_bundle(tmp_path, "ecole", build_spans(OUTAGE))),
        "mairie": giving(make_bundle(tmp_path, "mairie", build_spans())),
        "coffre": giving(make_bundle(tmp_path, "coffre", build_spans())),
    }
    with fleet(tmp_path, answers) as path:
        text = path.read_text(encoding="utf-8")
        for site in ("ecole", "mairie"):
            text = text.replace(f'id = "{site}"\n', f'id = "{site}"\npublish = true\n')
        text = text.replace("[fleet]\n", '[fleet]\nopen_data.publisher = "Ville de Trilport"\n')
        text = text.replace(
            'name = "Site ecole"', 'name = "Site ecole"\nlatitude = 48.957124\nlongitude = 2.951'
        )
        path.write_text(text, encoding="utf-8")
        assert report(path, tmp_path / "report", "--format", "json") == 0
    return tmp_path


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    shutil.copytree(made, tmp_path / "town")
    return tmp_path / "town" / "fleet.toml"


def publish(config: Path, *more: str) -> int:
    return main(["fleet", "publish", "--config", str(config), "--month", "2024-10",
                 "--output", str(config.parent / "data"), *more])  # fmt: skip


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_data_set_has_the_sites_that_the_town_chose_and_describes_itself(config: Path) -> None:
    """Every cell fits its schema, every hash its file, every key its site."""
    assert publish(config, "--report", str(config.parent / "report")) == 0
    data = config.parent / "data"
    package = json.loads((data / "datapackage.json").read_text(encoding="utf-8"))
    assert package["licenses"][0]["name"] == "etalab-2.0"
    assert package["contributors"] == [{"title": "Ville de Trilport", "role": "publisher"}]
    assert package["titles"]["en"] == "Availability of the internet lines of public buildings"
    patterns = {
        "string": r".+", "integer": r"\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false",
        "yearmonth": r"\d{4}-\d\d", "datetime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z",
    }  # fmt: skip
    for resource in package["resources"]:
        body = (data / resource["path"]).read_bytes()
        assert resource["hash"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
        assert resource["bytes"] == len(body)
        schema = json.loads((data / f"{resource['name']}.schema.json").read_text(encoding="utf-8"))
        assert schema == resource["schema"]
        rows = read_csv(data / resource["path"])
        assert rows
        for row in rows:
            assert row["site"] in {"ecole", "mairie"}
            for field in schema["fields"]:
                cell = row[field["name"]]
                assert cell or not field["constraints"]["required"]
                assert not cell or re.fullmatch(patterns[field["type"]], cell), (field, cell)
        keys = [tuple(row[key] for key in schema["primaryKey"]) for row in rows]
        assert len(set(keys)) == len(keys)


def test_its_figures_are_those_of_the_reports(config: Path) -> None:
    """Five and a half hours down of 745; the other site had none."""
    assert publish(config, "--report", str(config.parent / "report")) == 0
    data = config.parent / "data"
    ecole, mairie = read_csv(data / "availability.csv")
    assert (ecole["down_seconds"], ecole["coverage"], ecole["incidents"]) == ("19800.0", "1.0", "1")
    assert float(ecole["availability"]) == 1 - 5.5 / 745
    assert (mairie["availability"], mairie["down_seconds"]) == ("1.0", "0.0")
    assert read_csv(data / "incidents.csv") == [
        {"site": "ecole", "started_at": "2024-10-07T02:30:00Z", "ended_at": "2024-10-07T08:00:00Z",
         "cause": "upstream", "duration_seconds": "19800.0"}
    ]  # fmt: skip
    assert read_csv(data / "sites.csv")[0]["latitude"] == "48.957"


def test_no_address_of_a_person_or_a_machine_is_in_it(config: Path) -> None:
    """Nor the line's reference, a fee, or a site that was not chosen."""
    assert publish(config, "--report", str(config.parent / "report")) == 0
    for path in (config.parent / "data").iterdir():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            assert [secret for secret in SECRETS if secret in text] == [], path
        assert "coffre" not in text
        assert not re.search(r"[\w.]+@\w+|\b\d{1,3}(\.\d{1,3}){3}\b", text), path


def test_operators_and_places_can_be_left_out(config: Path) -> None:
    """The town's choice."""
    text = config.read_text(encoding="utf-8")
    hidden = "[fleet]\nopen_data.operators = false\nopen_data.locations = false\n"
    config.write_text(text.replace("[fleet]\n", hidden), encoding="utf-8")
    assert publish(config, "--report", str(config.parent / "report")) == 0
    row = read_csv(config.parent / "data" / "sites.csv")[0]
    assert (row["operator"], row["latitude"], row["longitude"]) == ("", "", "")


def test_a_chosen_site_without_a_report_is_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are written; exit code 1."""
    (config.parent / "report/sites/mairie/report.json").unlink()
    assert publish(config, "--report", str(config.parent / "report")) == 1
    assert capsys.readouterr().err == "without a report, and left out: mairie\n"


def test_without_a_report_one_is_made_and_not_kept(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The agents are gone by now, so nothing can be said of any site."""
    before = sorted(path.name for path in config.parent.iterdir())
    assert publish(config) == 1
    assert capsys.readouterr().err == (
        "  ecole: no report: connection refused\n  mairie: no report: connection refused\n"
        "without a report, and left out: ecole, mairie\n"
    )
    assert sorted(path.name for path in config.parent.iterdir()) == sorted([*before, "data"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("publish = true\n", "", "no site is to be published: write publish = true into the "
         "[[site]] of each that is\n"),
        ('open_data.publisher = "Ville de Trilport"\n', "", "fleet.open_data.publisher: is "
         'missing: write who answers for the data, publisher = "Ville de …"\n'),
    ],
)  # fmt: skip
def test_what_is_not_said_is_asked_for(
    config: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    """Nothing is published by default."""
    config.write_text(config.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    capsys.readouterr()
    assert publish(config) == 2
    assert capsys.readouterr().err == said


def test_a_folder_without_a_fleet_report_is_refused(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As is one of another month."""
    folder = config.parent / "nothing"
    assert publish(config, "--report", str(folder)) == 2
    index = config.parent / "report" / "fleet.json"
    index.write_text(index.read_text().replace("2024-10", "2024-09"))
    assert publish(config, "--report", str(index.parent)) == 2
    assert capsys.readouterr().err == (
        f"{folder}: holds no fleet report: make it with netwatch fleet report, or say where it "
        f"is with --report\n{index.parent}: is the fleet report of 2024-09, not of 2024-10\n"
    )
