"""The package for a Raspberry Pi, built on whatever machine this is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BUILD = ROOT / "deploy/agent/deb/build.sh"
#: e_machine of an ELF file, at byte 18 (System V ABI).
AARCH64 = 183


def build(architecture: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUILD, folder],
        env={
            **os.environ,
            "PYTHON": str(ROOT / ".venv/bin/python"),
            "NETWATCH_ARCH": architecture,
        },
        capture_output=True,
        text=True,
    )


def test_a_package_for_arm64_has_arm64_libraries_alone(tmp_path: Path) -> None:
    """Every machine code in it is of that architecture, and dpkg is told so."""
    built = build("arm64", tmp_path)
    assert built.returncode == 0, built.stderr
    package = Path(built.stdout.strip())
    assert package.name.endswith("_arm64.deb")
    told = subprocess.run(
        ["dpkg-deb", "--field", package, "Architecture"], check=True, capture_output=True, text=True
    ).stdout
    assert told == "arm64\n"
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path / "tree"], check=True)
    machines = set()
    for file in (tmp_path / "tree").rglob("*"):
        if file.is_file() and not file.is_symlink():
            head = file.read_bytes()[:20]
            if head.startswith(b"\x7fELF"):
                machines.add(int.from_bytes(head[18:20], "little"))
    assert machines == {AARCH64}


def test_an_architecture_without_binary_releases_is_refused_by_name(tmp_path: Path) -> None:
    """One line with what would do; nothing is written."""
    refused = build("armhf", tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == (
        "armhf: some of the libraries have no binary release for it, only for arm64 and amd64; "
        "there, make run builds what it needs\n"
    )
    assert list(tmp_path.iterdir()) == []
