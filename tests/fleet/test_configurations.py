"""What the centre publishes for its agents: out of the inventory, signed, checked before."""

from __future__ import annotations

import subprocess
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.cli.main import main
from netwatch.config.load import load_under
from netwatch.fleet.toml_text import render_toml
from tests.adapters.centre import make_key

FLEET = """
[[operator]]
name = "Opérateur A"
[[contract]]
name = "gold"
since = 2026-10-15
availability = 0.9985
restore_within = "4h"
[[contract.penalty]]
kind = "availability_tier"
tiers = [[0.9999, 0.05], [0.995, 0.10]]
[[contract.earlier]]
availability = 0.99
[[site]]
id = "ecole"
name = 'École "Jaurès"'
address = "10.0.0.2"
token_file = "secret"
publish = true
[site.circuit]
operator = "Opérateur A"
contract = "gold"
monthly_fee = "49.00 EUR"
[[site]]
id = "mairie"
address = "10.0.0.3"
[site.circuit]
operator = "Opérateur A"
"""
SETTINGS = """
[all.latency]
interval = "7s"
[all.influx]
url = "https://metrics.example.fr"
org = "ville"
bucket = "netwatch"
[[only.mairie.target]]
name = "ent"
role = "service"
kind = "http"
address = "https://ent.example.fr/"
[only.mairie.latency]
interval = "9s"
"""
OWN = """
[site]
id = "ecole"
[influx]
token_file = "influx.token"
[central]
url = "https://centre.example.fr/n"
public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet.toml").write_text(FLEET, encoding="utf-8")
    (tmp_path / "agents.toml").write_text(SETTINGS, encoding="utf-8")
    make_key(tmp_path / "centre")
    return tmp_path


def publish(folder: Path) -> int:
    return main(
        [
            *("fleet", "configurations", "--config", str(folder / "fleet.toml")),
            *("--settings", str(folder / "agents.toml")),
            *("--output", str(folder / "www"), "--sign", str(folder / "centre")),
        ]
    )


def version_of(folder: Path, site: str) -> int:
    document = tomllib.loads((folder / "www" / f"{site}.toml").read_text(encoding="utf-8"))
    version = document["published"]["version"]
    assert isinstance(version, int)
    return version


def test_an_agent_gets_its_site_circuit_and_contract_and_nothing_secret(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The inventory's words, and the settings of all; not the centre's own token or address."""
    assert publish(folder) == 0
    assert capsys.readouterr().out == (
        f"{folder / 'www'}: 2 configurations, 2 changed: ecole, mairie\n"
    )
    content = (folder / "www" / "ecole.toml").read_bytes()
    assert b"secret" not in content
    assert b"10.0.0.2" not in content
    own = folder / "agent.toml"
    own.write_text(OWN)
    settings = load_under(own, content, "it")
    assert settings.site.name == 'École "Jaurès"'
    assert settings.circuit.operator == "Opérateur A"
    assert str(settings.circuit.contract.availability) == "0.9985"
    assert settings.circuit.contract.restore_within_ms == 4 * 3_600_000
    assert len(settings.circuit.contract.penalty) == 1
    assert len(settings.circuit.earlier) == 1
    assert settings.latency.interval_ms == 7_000
    assert settings.influx is not None


def test_one_sites_settings_go_over_those_of_all(folder: Path) -> None:
    publish(folder)
    document = tomllib.loads((folder / "www" / "mairie.toml").read_text(encoding="utf-8"))
    assert document["latency"] == {"interval": "9s"}
    assert document["target"][0]["name"] == "ent"


def test_a_stranger_verifies_the_signature_with_his_own_tool(folder: Path) -> None:
    """OpenSSH's, without netwatch."""
    publish(folder)
    content = folder / "www" / "ecole.toml"
    done = subprocess.run(
        [
            *("ssh-keygen", "-Y", "check-novalidate", "-n", "netwatch-configuration"),
            *("-s", f"{content}.sig"),
        ],
        input=content.read_bytes(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr


def test_what_says_the_same_keeps_its_version_and_what_changes_gets_a_greater(
    folder: Path,
) -> None:
    """So that an agent begins again only where something is new for it."""
    publish(folder)
    before = {site: version_of(folder, site) for site in ("ecole", "mairie")}
    agents = folder / "agents.toml"
    agents.write_text(SETTINGS.replace("9s", "8s"), encoding="utf-8")
    assert publish(folder) == 0
    assert version_of(folder, "ecole") == before["ecole"]
    assert version_of(folder, "mairie") > before["mairie"]
    assert int((folder / "www" / "mairie.toml").stat().st_mtime) == version_of(folder, "mairie")


def test_a_folder_that_was_lost_does_not_begin_below_what_agents_have_had(folder: Path) -> None:
    """Versions are no less than the seconds since 1970."""
    publish(folder)
    assert version_of(folder, "ecole") > 1_700_000_000


def test_a_site_that_is_gone_is_named_and_not_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(folder)
    (folder / "agents.toml").write_text("[all]\n")
    fleet = FLEET[: FLEET.rindex("[[site]]")]
    (folder / "fleet.toml").write_text(fleet, encoding="utf-8")
    capsys.readouterr()
    assert publish(folder) == 0
    assert capsys.readouterr().err == (
        f'{folder / "www"}: "mairie.toml" is of no site in {folder / "fleet.toml"}: remove it\n'
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            '[all.latency]\ninterval = "1s"\ntimeout = "2s"\n',
            "agents.toml [all]: latency.timeout: must be shorter than interval (1s), got 2s\n",
        ),
        (
            '[only.mairie.latency]\ninterval = "fast"\n',
            'site mairie: latency.interval: must be a duration like "250ms", "5s", "4h" or "400d", '
            'got "fast"\n',
        ),
        (
            '[only.mairi]\n[all.http]\ntoken_file = "a"\n[all.circuit]\n[every]\n[only.ecole]\nx=1',
            "agents.toml: every: unknown key: known are all, only\n"
            "agents.toml: only.mairi: no site has this id (did you mean mairie?)\n"
            "agents.toml: all.circuit: is the inventory's: write it into fleet.toml\n"
            "agents.toml: all: http.token_file: is the device's own: it belongs into its "
            "agent.toml\n",
        ),
    ],
)
def test_a_configuration_that_an_agent_would_refuse_is_not_published(
    folder: Path, settings: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing at all is written then."""
    (folder / "agents.toml").write_text(settings)
    assert publish(folder) == 2
    assert capsys.readouterr().err.replace(f"{folder}/", "") == said
    assert not (folder / "www").exists()


def test_settings_that_are_not_there_are_named_without_a_wrong_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device's own file is what `netwatch init` writes, not this one."""
    (folder / "agents.toml").unlink()
    assert publish(folder) == 2
    assert capsys.readouterr().err.replace(f"{folder}/", "") == (
        "agents.toml: does not exist: --settings names a file with [all] in it\n"
    )


def test_a_folder_with_something_else_in_it_is_not_written_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "www").mkdir()
    (folder / "www" / "ecole.toml").write_text('[site]\nid = "ecole"\n')
    assert publish(folder) == 2
    assert "ecole.toml: is not from `netwatch fleet configurations`" in capsys.readouterr().err


_TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
_LEAF = st.one_of(
    _TEXT,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(min_value=date(1000, 1, 1)),
)
_DOCUMENT = st.recursive(
    st.dictionaries(_TEXT, _LEAF, max_size=4),
    lambda inner: st.dictionaries(
        _TEXT, st.one_of(_LEAF, inner, st.lists(st.one_of(_LEAF, inner), max_size=3)), max_size=4
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(_DOCUMENT)
def test_what_was_read_is_what_is_written(document: dict[str, object]) -> None:
    """Any document comes back from its text, tables in lists among them."""
    assert tomllib.loads(render_toml(document), parse_float=Decimal) == document
