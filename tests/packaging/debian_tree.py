"""A clean Debian tree: made once, written to in layers, entered by chroot or booted.

Rule of this file: it makes, enters and ends trees; what is done in them is the tests'.
Needs root. What runs in a tree has a network of its own, which leads nowhere.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

#: What the package depends on, systemd itself, and what the plain installer (venv) and
#: Ansible (apt) need, which a device has.
INCLUDED = (
    "systemd,systemd-sysv,python3,python3-venv,python3-apt,libpango-1.0-0,libpangoft2-1.0-0,libharfbuzz-subset0,"
    "fonts-dejavu-core,tzdata"
)
SUITE = "bookworm"
#: A start that takes longer than this has failed.
PATIENCE_S = 60.0


def find_mirror() -> str:
    """Where this machine has the suite from, as apt says."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)",
         "Created-By: Packages"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        codename, component, address = line.split()
        if (codename, component) == (SUITE, "main"):
            return address
    raise AssertionError(f"apt knows no {SUITE} main: {listed}")


def begin_tree(folder: Path) -> subprocess.Popen[str]:
    """Debootstrap into a folder; it is under way."""
    return subprocess.Popen(
        ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(folder),
         find_mirror()],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@contextlib.contextmanager
def layer(tree: Path, folder: Path) -> Iterator[Path]:
    """The tree, with what is written to it kept in ``folder``."""
    upper, work, merged = folder / "upper", folder / "work", folder / "merged"
    for each in (upper, work, merged):
        each.mkdir(parents=True)
    options = f"lowerdir={tree},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
    try:
        yield merged
    finally:
        subprocess.run(["umount", "--lazy", merged], check=True)


def enter(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a tree that is not booted, to its end."""
    inside = 'mount -t proc proc /proc && exec "$@"'
    return subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "chroot", str(tree),
         "sh", "-c", inside, "sh", *command],
        capture_output=True, text=True, env=build_environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip


def build_environment() -> dict[str, str]:
    """What a command in the tree finds, whoever runs the tests."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
    }


class Device:
    """A tree that was booted: its own systemd, its own processes, a network of one."""

    def __init__(self, tree: Path, log: Path) -> None:
        self.tree = tree
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("w", encoding="utf-8") as log:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", "--register=no", "--keep-unit", "--private-network", "--quiet",
                 "--hostname=device", f"--directory={self.tree}", "--boot"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        self._wait("nspawn has begun", lambda: bool(children.read_text(encoding="ascii").split()))
        self._leader = int(children.read_text(encoding="ascii").split()[0])
        self._wait(
            "the device is up",
            lambda: (
                self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}
            ),
        )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._leader, signal.SIGRTMIN + 4)  # power off, as systemd(1) has it
        try:
            self._nspawn.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the device, to its end."""
        return subprocess.run(
            ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid",
             "--", *command],
            capture_output=True, text=True, env=build_environment(), stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def do(self, *command: str) -> str:
        """Run a command that must succeed; what it printed."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def find_on_host(self, process: str) -> int:
        """The number that a process of the device has on the host."""
        ours = Path(f"/proc/{self._leader}/ns/pid").readlink()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if (folder / "ns/pid").readlink() == ours:
                    status = (folder / "status").read_text(encoding="utf-8")
                    numbers = status.split("NSpid:", 1)[1].splitlines()[0].split()
                    if numbers[-1] == process:
                        return int(folder.name)
        raise AssertionError(f"no process {process} on the device")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.do("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def scrape(self, path: str = "/metrics", token: str | None = None) -> str:
        """What the agent answers; empty while it does not."""
        asked = (
            "import sys, urllib.request as r\n"
            "q = r.Request('http://127.0.0.1:10779' + sys.argv[1])\n"
            "sys.argv[2] and q.add_header('Authorization', 'Bearer ' + sys.argv[2])\n"
            "sys.stdout.write(r.urlopen(q, timeout=5).read().decode())"
        )
        return self.run("python3", "-c", asked, path, token or "").stdout

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        """Until it holds; what is said of it if it never does comes with the journal."""
        try:
            self._wait(what, holds)
        except AssertionError as error:
            journal = self.run("journalctl", "--no-pager", "-n", "60").stdout
            raise AssertionError(f"{error}\n{journal}") from None

    def _wait(self, what: str, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until, (
                f"never: {what}\n{self._log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
            )
            time.sleep(0.2)
