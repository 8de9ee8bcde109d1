"""The package itself, and in a tree that is not booted: put in, taken out, what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.conftest import Grounds
from tests.packaging.debian_tree import enter, layer

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]

#: Books of dpkg and systemd-sysusers themselves, which remember that there was something.
_BOOKS = ("var/lib/dpkg/", "var/log/", "var/cache/", "etc/passwd-", "etc/group-", "etc/shadow-",
          "etc/gshadow-", "proc/", "run/", "etc/.pwd.lock",
          # dpkg takes it away with the last that lay in it.
          "opt/")  # fmt: skip


def do(tree: Path, *command: str) -> str:
    done = enter(tree, *command)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def install(tree: Path) -> None:
    """As a person would, but for the waiting for the disk after each file."""
    do(tree, "dpkg", "--force-unsafe-io", "--install", "/root/netwatch.deb")


def list_files(tree: Path) -> set[str]:
    """Every path in the tree, but for books that only grow."""
    paths = (str(path.relative_to(tree)) for path in tree.rglob("*"))
    return {path for path in paths if not f"{path}/".startswith(_BOOKS)}


def test_the_package_has_no_error_of_lintian(grounds: Grounds) -> None:
    """What is overridden has its reason in the overrides."""
    told, _ = grounds.lintian.communicate()
    assert grounds.lintian.returncode == 0, told


def test_removal_keeps_what_was_written_and_measured_and_purge_leaves_nothing(
    grounds: Grounds, tmp_path: Path
) -> None:
    """Put in, removed, put in again and purged: first only the program goes, then all."""
    with layer(grounds.tree, tmp_path / "layer") as tree:
        (tree / "root/netwatch.deb").write_bytes(grounds.package.read_bytes())
        before, users = list_files(tree), (tree / "etc/passwd").read_text(encoding="utf-8")
        install(tree)
        config, books = tree / "etc/netwatch/agent.toml", tree / "var/lib/netwatch/netwatch.db"
        assert config.stat().st_mode & 0o777 == 0o640
        # There is no line here, which is 1; of a file that cannot be used it would be 2.
        assert enter(tree, "netwatch", "check", "--json").returncode == 1
        config.write_text("# mine\n", encoding="utf-8")
        (tree / "etc/netwatch/secrets/influx.token").write_text("secret", encoding="utf-8")
        books.write_bytes(b"books")
        do(tree, "dpkg", "--remove", "netwatch")
        assert not (tree / "opt/netwatch").exists()
        assert not (tree / "lib/systemd/system/netwatch-agent.service").exists()
        install(tree)
        assert config.read_text(encoding="utf-8") == "# mine\n"
        assert books.read_bytes() == b"books"
        do(tree, "dpkg", "--purge", "netwatch")
        assert list_files(tree) == before
        assert (tree / "etc/passwd").read_text(encoding="utf-8") == users
