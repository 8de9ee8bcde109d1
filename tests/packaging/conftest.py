"""The package, built once, and the clean tree it is tried in, made meanwhile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.debian_tree import Device, begin_tree, layer

ROOT = Path(__file__).parents[2]
TOKEN = "of-root-alone"
#: Everything answers on the device itself.
CONFIG = """\
[site]
id = "device"
[clock]
trusted = true
[http]
token_file = "/etc/netwatch/secrets/http.token"
""" + "".join(
    f'[[target]]\nname = "net{number}"\nrole = "internet"\naddress = "127.0.0.{number}"\n'
    for number in range(1, 4)
)


@dataclass(frozen=True)
class Grounds:
    tree: Path
    package: Path
    #: Under way: it looks at every file.
    lintian: subprocess.Popen[str]


@pytest.fixture(scope="session")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    """The clean tree and the package; NETWATCH_TEST_TREE names a tree made before."""
    folder = tmp_path_factory.mktemp("packaging")
    made = os.environ.get("NETWATCH_TEST_TREE")
    tree = Path(made) if made else folder / "tree"
    making = None if made else begin_tree(tree)
    built = subprocess.run(
        [ROOT / "deploy/agent/deb/build.sh", folder],
        env={**os.environ, "PYTHON": str(ROOT / ".venv/bin/python")},
        capture_output=True,
        text=True,
    )
    if making is not None:
        told, _ = making.communicate()
        assert making.returncode == 0, told[-2000:]
    assert built.returncode == 0, built.stderr[-2000:]
    package = Path(built.stdout.strip())
    with subprocess.Popen(
        ["lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0",
         "--display-level", ">=error", package],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as lintian:  # fmt: skip
        yield Grounds(tree=tree, package=package, lintian=lintian)
        lintian.kill()
    if not made:
        subprocess.run(["rm", "-rf", tree], check=True)


@pytest.fixture(scope="module")
def device(grounds: Grounds, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A device that was booted clean, then given the package by the one command, then targets."""
    folder = tmp_path_factory.mktemp("device")
    with layer(grounds.tree, folder) as tree, Device(tree, folder / "console.log") as booted:
        (tree / "root/netwatch.deb").write_bytes(grounds.package.read_bytes())
        booted.do("dpkg", "--install", "/root/netwatch.deb")
        booted.wait("a first scrape answers", lambda: "netwatch_" in booted.scrape())
        secrets = tree / "etc/netwatch/secrets"
        assert secrets.stat().st_mode & 0o777 == 0o700
        (secrets / "http.token").write_text(TOKEN, encoding="utf-8")
        (secrets / "http.token").chmod(0o600)
        # As an administrator would, into the file that the installation wrote.
        (tree / "etc/netwatch/agent.toml").write_text(CONFIG, encoding="utf-8")
        booted.do("systemctl", "restart", "netwatch-agent")
        yield booted
