"""From a clean Debian tree to a first scrape, and back from a kill and a hang: measured booted.

Rule of this file: the package as it is delivered, on a tree as Debian delivers it, under its
own systemd. Needs root; NETWATCH_TEST_TREE names a tree made before.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.packaging.conftest import CONFIG
from tests.packaging.debian_tree import Device, begin_tree, layer

ROOT = Path(__file__).parents[1]
AGENT = "netwatch-agent.service"
LONGEST_S = 180.0
LONGEST_RESTART_S = 5.0
#: The unit's own watchdog, twice.
LONGEST_HANG_S = 120.0


def run() -> dict[str, Any]:
    """Seconds to the first scrape, and from SIGKILL and SIGSTOP to the next; sizes in MB."""
    with tempfile.TemporaryDirectory(prefix="netwatch-install-") as temporary:
        folder = Path(temporary)
        made = os.environ.get("NETWATCH_TEST_TREE")
        tree = Path(made) if made else folder / "tree"
        if not made:
            making = begin_tree(tree)
            told, _ = making.communicate()
            assert making.returncode == 0, told[-2000:]
        built = subprocess.run(
            [ROOT / "deploy/agent/deb/build.sh", folder],
            env={**os.environ, "PYTHON": str(ROOT / ".venv/bin/python")},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        package = Path(built.stdout.strip())
        with (
            layer(tree, folder / "layer") as merged,
            Device(merged, folder / "console.log") as device,
        ):
            (merged / "root/netwatch.deb").write_bytes(package.read_bytes())
            figures = measure(device, merged)
        figures["package_mb"] = round(package.stat().st_size / 1e6, 1)
    first, killed, hung = (
        figures[name] for name in ("first_scrape_s", "after_kill_s", "after_hang_s")
    )
    return {
        "goal": f"a first scrape within {LONGEST_S:g} s of one command; after SIGKILL within "
        f"{LONGEST_RESTART_S:g} s, after SIGSTOP within two periods of the watchdog, "
        f"{LONGEST_HANG_S:g} s",
        **figures,
        "reached": first <= LONGEST_S and killed <= LONGEST_RESTART_S and hung <= LONGEST_HANG_S,
    }


def measure(device: Device, tree: Path) -> dict[str, Any]:
    """Each from the command or signal to the first whole answer of /metrics."""

    def answers() -> bool:
        return "netwatch_" in device.scrape()

    begun = time.monotonic()
    device.do("dpkg", "--install", "/root/netwatch.deb")
    first_s = until(answers, begun)
    config = "\n".join(line for line in CONFIG.splitlines() if not line.startswith("token_file"))
    (tree / "etc/netwatch/agent.toml").write_text(config, encoding="utf-8")
    device.do("systemctl", "restart", AGENT)
    until(answers, time.monotonic())
    seconds = {}
    for signal in ("KILL", "STOP"):
        process = device.show(AGENT, "MainPID")
        begun = time.monotonic()
        device.do("sh", "-c", f"kill -{signal} {process}")

        def is_another(before: str = process) -> bool:
            return device.show(AGENT, "MainPID") not in {"0", before} and answers()

        seconds[signal] = until(is_another, begun)
    size = int(device.do("dpkg-query", "--showformat=${Installed-Size}", "--show", "netwatch"))
    return {
        "first_scrape_s": round(first_s, 1),
        "after_kill_s": round(seconds["KILL"], 1),
        "after_hang_s": round(seconds["STOP"], 1),
        "installed_mb": round(size * 1024 / 1e6),
    }


def until(holds: Callable[[], bool], begun: float) -> float:
    """Seconds from ``begun`` until it holds; AssertionError after five minutes."""
    while not holds():
        assert time.monotonic() - begun < 300, "it never did"
        time.sleep(0.1)
    return time.monotonic() - begun
