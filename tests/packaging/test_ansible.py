"""The Ansible role: sound to its own linter, and run with a local connection on a booted device."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from netwatch.config.load import load_settings
from tests.packaging.conftest import ROOT, TOKEN, Grounds
from tests.packaging.debian_tree import Device, layer

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]
ANSIBLE = ROOT / "deploy/agent/ansible"
#: ansible-core and what it imports, to be carried to the device.
CARRIED = ("ansible", "jinja2", "markupsafe", "yaml", "_yaml", "packaging", "resolvelib")
SETTINGS: dict[str, Any] = {
    "clock": {"trusted": True},
    "http": {"token_file": "/etc/netwatch/secrets/http.token"},
    "circuit": {
        "operator": 'Opérateur "A"',
        "monthly_fee": "49.00 EUR",
        "contract": {
            "availability": 0.9985,
            "penalty": [{"kind": "availability_tier", "tiers": [[0.9999, 0.05], [0.995, 0.1]]}],
        },
    },
    "target": [
        {"name": f"net{number}", "role": "internet", "address": f"127.0.0.{number}"}
        for number in range(1, 4)
    ],
}


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }


def write_inventory(file: Path, *, settings: dict[str, Any], package: str) -> None:
    """One device, which is the one that the play runs on."""
    host = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "/usr/bin/python3",
        "netwatch_package": package,
        "netwatch_site": {"id": "ecole-jaures", "name": "École Jean-Jaurès"},
        "netwatch_settings": settings,
        "netwatch_secrets": {"http.token": TOKEN},
    }
    inventory = {"agents": {"hosts": {"device": host}}}
    file.write_text(yaml.safe_dump(inventory, allow_unicode=True), encoding="utf-8")


@pytest.fixture(scope="module")
def target(grounds: Grounds, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A booted device with Ansible and the package on it, and nothing installed."""
    folder = tmp_path_factory.mktemp("ansible")
    with layer(grounds.tree, folder) as tree:
        carried = tree / "root/site-packages"
        for name in CARRIED:
            found = importlib.util.find_spec(name)
            assert found is not None
            assert found.submodule_search_locations, name
            shutil.copytree(found.submodule_search_locations[0], carried / name)
        for told in Path(sysconfig.get_path("purelib")).glob("*.dist-info"):
            shutil.copytree(told, carried / told.name)  # they ask for one another's versions
        shutil.copytree(ANSIBLE, tree / "root/ansible")
        (tree / "root/netwatch.deb").write_bytes(grounds.package.read_bytes())
        with Device(tree, folder / "console.log") as booted:
            yield booted


def play(device: Device, settings: dict[str, Any]) -> tuple[int, str]:
    """Run the playbook on the device; its exit code and what it told."""
    write_inventory(
        device.tree / "root/inventory.yml", settings=settings, package="/root/netwatch.deb"
    )
    done = device.run(
        "sh", "-c",
        "cd /root/ansible && PYTHONPATH=/root/site-packages ANSIBLE_NOCOLOR=1 "
        "python3 -m ansible.cli.playbook -i /root/inventory.yml agents.yml",
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_role_has_nothing_that_ansible_lint_objects_to() -> None:
    """The strictest profile, syntax included, without asking anybody for anything."""
    linted = subprocess.run(
        ["ansible-lint", "--offline", "--strict", "--profile", "production"],
        cwd=ANSIBLE, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_a_play_installs_configures_and_starts_and_a_second_changes_nothing(
    target: Device,
) -> None:
    """The agent answers by its secret; the configuration is what was asked for."""
    code, told = play(target, SETTINGS)
    assert code == 0, told
    written = target.tree / "etc/netwatch/agent.toml"
    assert tomllib.loads(written.read_text(encoding="utf-8")) == {
        "site": {"id": "ecole-jaures", "name": "École Jean-Jaurès"},
        **SETTINGS,
    }
    assert written.stat().st_mode & 0o777 == 0o640
    assert load_settings(written).circuit.operator == 'Opérateur "A"'
    secret = target.tree / "etc/netwatch/secrets/http.token"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert TOKEN not in told
    target.wait("it answers", lambda: "netwatch_" in target.scrape(token=TOKEN))
    code, told = play(target, SETTINGS)
    assert code == 0, told
    assert "changed=0" in told


def test_a_configuration_that_is_refused_changes_nothing(target: Device) -> None:
    """The play fails with netwatch's own words, and the agent runs on with the old one."""
    play(target, SETTINGS)
    before = (target.tree / "etc/netwatch/agent.toml").read_text(encoding="utf-8")
    process = target.show("netwatch-agent.service", "MainPID")
    code, told = play(target, {**SETTINGS, "latency": {"interval": "5 bananas"}})
    assert code == 2
    assert "latency.interval" in told
    assert (target.tree / "etc/netwatch/agent.toml").read_text(encoding="utf-8") == before
    assert target.show("netwatch-agent.service", "MainPID") == process
