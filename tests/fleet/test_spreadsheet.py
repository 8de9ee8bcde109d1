"""A town's spreadsheet becomes an inventory, or every mistake in it is told with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.cli.main import main
from netwatch.errors import ConfigError
from netwatch.fleet.inventory import read_inventory
from netwatch.fleet.spreadsheet import parse_spreadsheet, read_spreadsheet

FOLDER = Path(__file__).parent / "bad_csv"
NAMES = sorted(path.stem for path in FOLDER.glob("*.csv"))

FRENCH = (
    "\ufeffIdentifiant;Nom;Commune;Adresse IP;Opérateur;Référence;Technologie;Latitude;Longitude;"
    "Abonnement mensuel;Contrat;Directrice\r\n"
    "ecole-jaures;École « Jaurès »;Trilport;10.77.1.2:10779;Opérateur A;FTTH-0042;ftth;48,957;2,951;"
    "1 049,50 €;gtr4;Mme X\r\n"
    ";;;;;;;;;;;\r\n"
    ';"Salle ""A""";Trilport;10.77.2.2;Opérateur A;;;;;;;\r\n'
)


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_spreadsheet_is_refused_with_exactly_its_messages(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line, column and remedy, all in one run, to the letter."""
    monkeypatch.chdir(FOLDER)
    path = Path(f"{name}.csv")
    with pytest.raises(ConfigError) as refused:
        parse_spreadsheet(read_spreadsheet(path), path.name)
    expected = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert list(refused.value.problems) == expected


def test_each_mistake_has_its_message() -> None:
    """None is an orphan."""
    assert len(NAMES) >= 12
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == NAMES


def test_a_french_spreadsheet_becomes_an_inventory_that_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte order mark, semicolons, decimal commas, an id made from the name; nothing is lost."""
    source, output = tmp_path / "sites.csv", tmp_path / "fleet.toml"
    source.write_bytes(FRENCH.encode())
    arguments = ["fleet", "import", str(source), "--output", str(output)]
    assert main(arguments) == 0
    assert capsys.readouterr().err == (
        "2 sites, operators: Opérateur A, contracts: gtr4\n"
        "columns left out: Directrice\n"
        "write into each [[contract]] what it promises\n"
    )
    fleet = read_inventory(output)
    ecole, salle = fleet.sites
    assert (ecole.name, ecole.latitude, ecole.longitude) == ("École « Jaurès »", 48.957, 2.951)
    assert str(ecole.circuit.monthly_fee and ecole.circuit.monthly_fee.amount) == "1049.50"
    assert (salle.id, salle.name, salle.circuit.contract) == ("salle-a", 'Salle "A"', None)
    assert list(fleet.contracts) == ["gtr4"]


def test_an_inventory_that_is_there_is_not_overwritten_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused, and stays as it was, unless --force says so; without --output it is printed."""
    source, output = tmp_path / "sites.csv", tmp_path / "fleet.toml"
    source.write_text("id,operator,ip\na,A,10.0.0.2\n", encoding="utf-8")
    output.write_text("# mine\n", encoding="utf-8")
    arguments = ["fleet", "import", str(source)]
    assert main([*arguments, "--output", str(output)]) == 2
    assert capsys.readouterr().err == (
        f"{output}: is there already: give another name, or --force to replace it\n"
    )
    assert output.read_text(encoding="utf-8") == "# mine\n"
    assert main([*arguments, "--output", str(output), "--force"]) == 0
    assert read_inventory(output).site("a").address == "10.0.0.2"
    capsys.readouterr()
    assert main(arguments) == 0
    assert capsys.readouterr().out == output.read_text(encoding="utf-8")


def test_two_sites_of_one_agent_are_found_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the spreadsheet's cells cannot tell one by one, the inventory's own rules do."""
    source, output = tmp_path / "sites.csv", tmp_path / "fleet.toml"
    source.write_text("id,operator,ip\na,A,10.0.0.2\nb,A,10.0.0.2\n", encoding="utf-8")
    assert main(["fleet", "import", str(source), "--output", str(output)]) == 2
    assert "site[1].address: must be of one agent" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;;;;"])
def test_excels_line_that_names_the_separator_is_no_row(first: str) -> None:
    """It counts as a line all the same: mistakes are told where the person sees them."""
    rows = "id;opérateur;ip\r\na;A, B et C;10.0.0.2\r\n"
    assert parse_spreadsheet(f"{first}\r\n{rows}", "s.csv").operators == ("A, B et C",)
    with pytest.raises(ConfigError) as refused:
        parse_spreadsheet(f"{first}\r\n{rows}b;;10.0.0.3\r\n", "s.csv")
    assert refused.value.problems == ('s.csv: line 4, column "opérateur": must not be empty',)


def test_a_coordinate_that_is_refused_is_not_told_to_be_missing_too() -> None:
    """One mistake, one sentence."""
    with pytest.raises(ConfigError) as refused:
        parse_spreadsheet("id,operator,ip,lat,lon\na,A,10.0.0.2,N48,2.9\n", "s.csv")
    [problem] = refused.value.problems
    assert problem.startswith('s.csv: line 2, column "lat": must be degrees')


@given(st.text(max_size=200))
def test_no_text_is_beyond_words(text: str) -> None:
    """Whatever stands in the file, the answer is an inventory or sentences."""
    sites, problems = 0, ()
    try:
        sites = parse_spreadsheet(text, "s.csv").sites
    except ConfigError as refused:
        problems = refused.problems
    assert bool(sites) != bool(problems)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40))
def test_a_name_comes_back_as_it_was(name: str) -> None:
    """Quotes, backslashes and separators in a cell are in the inventory's text as they were."""
    import csv
    import io
    import tomllib

    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows([["id", "nom", "opérateur", "ip"],
                                              ["a", name, "A", "10.0.0.2"]])  # fmt: skip
    if not name.strip().isprintable() or not name.strip():
        return
    found = parse_spreadsheet(out.getvalue(), "s.csv")
    assert tomllib.loads(found.text)["site"][0]["name"] == name.strip()
