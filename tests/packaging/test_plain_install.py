"""The installer for systems without a package, on a device that is booted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Grounds
from tests.packaging.debian_tree import Device, layer

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]
AGENT = "netwatch-agent.service"
INSTALL = ("/root/netwatch/deploy/agent/install.sh", "--wheels", "/root/wheels")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries as files, for a device whose network leads nowhere."""
    folder = tmp_path_factory.mktemp("wheels")
    locks = ROOT / "deploy/agent/deb"
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
             "--only-binary", ":all:", "--no-deps", "--dest", str(folder)]  # fmt: skip
    subprocess.run([*fetch, "--require-hashes", "-r", str(locks / "requirements.lock")], check=True)
    subprocess.run([*fetch, "-r", str(locks / "requirements-build.lock")], check=True)
    return folder


@pytest.fixture(scope="module")
def bare(
    grounds: Grounds, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    """A booted device with the sources and the libraries, and nothing installed."""
    folder = tmp_path_factory.mktemp("bare")
    with layer(grounds.tree, folder) as tree:
        sources = tree / "root/netwatch"
        for part in ("netwatch", "systemd", "deploy/agent"):
            shutil.copytree(ROOT / part, sources / part, ignore=shutil.ignore_patterns("*.pyc"))
        for part in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / part, sources)
        shutil.copytree(wheels, tree / "root/wheels")
        with Device(tree, folder / "console.log") as booted:
            yield booted


def test_one_command_installs_an_agent_that_measures(bare: Device) -> None:
    """Libraries by their hashes, a configuration from what is detected, a service that answers."""
    told = bare.do(*INSTALL)
    assert told.endswith(
        "netwatch is installed: netwatch status; settings in /etc/netwatch/agent.toml\n"
    )
    bare.wait("a first scrape answers", lambda: "netwatch_" in bare.scrape())
    enabled = bare.do("systemctl", "is-enabled", AGENT, "netwatch-report.timer")
    assert enabled.split() == ["enabled", "enabled"]


def test_run_again_it_upgrades_and_keeps_what_was_written(bare: Device) -> None:
    """Another folder for the new one, the same settings, the one before kept to go back to."""
    config = bare.tree / "etc/netwatch/agent.toml"
    written = config.read_text(encoding="utf-8") + "# mine\n"
    config.write_text(written, encoding="utf-8")
    before = bare.do("readlink", "/opt/netwatch/current")
    bare.do(*INSTALL)
    assert bare.do("readlink", "/opt/netwatch/current") != before
    assert len(bare.do("ls", "/opt/netwatch/releases").split()) == 2
    assert config.read_text(encoding="utf-8") == written
    bare.wait("it answers again", lambda: "netwatch_" in bare.scrape())


def test_a_new_one_that_does_not_start_leaves_the_one_before_running(bare: Device) -> None:
    """Sources that are broken: the old release is linked back, and the reason is said."""
    registry = bare.tree / "root/netwatch/netwatch/agent/service.py"
    sound = registry.read_text(encoding="utf-8")
    before = bare.do("readlink", "/opt/netwatch/current")
    registry.write_text("raise SystemExit(2)\n", encoding="utf-8")
    refused = bare.run(*INSTALL)
    registry.write_text(sound, encoding="utf-8")
    assert refused.returncode == 2
    assert refused.stderr.endswith(
        "install.sh: the new agent did not start, the one before runs on: "
        "journalctl -u netwatch-agent\n"
    )
    assert bare.do("readlink", "/opt/netwatch/current") == before
    bare.wait("the one before answers", lambda: "netwatch_" in bare.scrape())


def test_removal_keeps_settings_and_books_and_purge_leaves_nothing(bare: Device) -> None:
    """First only the program goes, then all."""
    bare.do(INSTALL[0], "--uninstall")
    assert not (bare.tree / "opt/netwatch").exists()
    assert (bare.tree / "etc/netwatch/agent.toml").is_file()
    assert bare.run("test", "-e", "/var/lib/netwatch/netwatch.db").returncode == 0
    bare.do(INSTALL[0], "--purge")
    for left in ("/etc/netwatch", "/var/lib/netwatch", "/usr/local/bin/netwatch",
                 f"/etc/systemd/system/{AGENT}", "/etc/sysusers.d/netwatch.conf"):  # fmt: skip
        assert bare.run("test", "-e", left).returncode == 1, left
    assert "netwatch" not in bare.do("cat", "/etc/passwd")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--wheels",), "install.sh: --wheels: needs a folder\n"),
        (("--wheels", "/nowhere"), "install.sh: --wheels: no such folder, got /nowhere\n"),
        (("--fast",), "install.sh: unknown argument, got --fast: see --help\n"),
    ],
)
def test_a_wrong_argument_is_named(arguments: tuple[str, ...], said: str) -> None:
    """Nothing is done; exit code 2."""
    refused = subprocess.run(
        [ROOT / "deploy/agent/install.sh", *arguments], capture_output=True, text=True
    )
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", said)
