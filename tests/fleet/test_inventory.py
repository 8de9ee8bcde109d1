"""The inventory: what it reads, and each mistake's exact message (bad_inventory/NAME.toml, .txt)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from netwatch.cli.main import main
from netwatch.errors import ConfigError
from netwatch.fleet.inventory import MOST_SITES, build_inventory, read_inventory
from netwatch.records import Cause

FOLDER = Path(__file__).parent / "bad_inventory"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "fleet.toml"


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_inventory_is_refused_with_exactly_its_messages(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All problems of the file in one run, in its order, to the letter."""
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ConfigError) as refused:
        read_inventory(f"{name}.toml")
    expected = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert list(refused.value.problems) == expected


def test_each_mistake_has_its_message_and_each_message_its_file() -> None:
    """None is an orphan."""
    assert len(NAMES) >= 20
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == NAMES


def test_the_example_is_read_whole() -> None:
    """Operators, contracts by name, sites with their line; paths from the file's folder."""
    fleet = read_inventory(EXAMPLE)
    assert list(fleet.operators) == ["Opérateur A", "Opérateur B"]
    assert [site.id for site in fleet.sites] == ["ecole-jaures", "mairie", "stade", "bibliotheque"]
    ecole, stade = fleet.site("ecole-jaures"), fleet.site("stade")
    assert ecole.token_file == str(EXAMPLE.absolute().parent / "fleet.token")
    terms = fleet.contract_of(stade)
    assert terms is not None
    assert (terms.availability, terms.counted_causes) == (
        Decimal("0.995"), (Cause.ACCESS, Cause.UPSTREAM),
    )  # fmt: skip
    assert fleet.contract_of(fleet.site("bibliotheque")) is None
    circuit = fleet.circuit_of(ecole)
    assert circuit.contract.restore_within_ms == 4 * 3_600_000
    assert circuit.monthly_fee is not None
    assert (circuit.reference, circuit.monthly_fee.amount) == ("FTTH-0042", Decimal("49.00"))
    with pytest.raises(KeyError):
        fleet.site("nowhere")


def test_a_file_that_is_not_there_is_told_with_the_way_to_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and no traceback."""
    path = tmp_path / "fleet.toml"
    assert main(["fleet", "targets", "--config", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"{path}: does not exist: write it as docs/fleet.md says, or "
        f"`netwatch fleet import sites.csv --output {path}`\n"
    )


def test_versions_of_a_contract_go_with_the_circuit() -> None:
    """What held before the present terms is at hand for the months in which it held."""
    document = build_document(1)
    document["contract"] = [
        {"name": "gtr4", "since": "2026-06-01", "availability": Decimal("0.999"),
         "earlier": [{"availability": Decimal("0.99")}]}
    ]  # fmt: skip
    document["site"][0]["circuit"]["contract"] = "gtr4"  # type: ignore[index] # built below
    fleet = build_inventory(document, "f")
    circuit = fleet.circuit_of(fleet.site("s0"))
    assert circuit.contract.since == "2026-06-01"
    assert [version.availability for version in circuit.earlier] == [Decimal("0.99")]


def build_document(sites: int) -> dict[str, object]:
    return {
        "operator": [{"name": "A"}],
        "site": [
            {"id": f"s{number}", "address": f"s{number}.example.fr", "circuit": {"operator": "A"}}
            for number in range(sites)
        ],
    }


def test_a_large_fleet_is_read_and_one_without_end_is_not() -> None:
    """Two thousand sites in one file, and not one more."""
    assert len(build_inventory(build_document(MOST_SITES), "f").sites) == MOST_SITES
    with pytest.raises(ConfigError) as refused:
        build_inventory(build_document(MOST_SITES + 1), "f")
    assert refused.value.problems == ("f: site: must have at most 2000 elements, got 2001",)
