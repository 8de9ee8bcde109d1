"""The whole agent, with store, metrics and page, at 20 targets once a second.

Rule of this file: the agent as it is installed, on the wire and beside the exporters of
`bench.cpu`, scraped as they are. Resident memory is the kernel's, at the end of the run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import cpu

_PORT = 10779
_ROOT = Path(__file__).resolve().parent.parent
_MEMORY_GOAL_MIB = 38


def run(seconds: int = 60) -> dict[str, Any]:
    """CPU in percent of one core and resident MiB, beside smokeping_prober and blackbox_exporter."""
    with tempfile.TemporaryDirectory() as folder:

        def build_command(addresses: Sequence[str]) -> list[str]:
            config = Path(folder, "agent.toml")
            config.write_text(build_config(addresses, Path(folder, "netwatch.db")), "utf-8")
            program = install(Path(folder))
            # Without a default route the agent would say, rightly, that it has no way out.
            script = 'ip route add default via "$1" && shift && exec "$@"'
            return [
                *("sh", "-c", script, "sh", addresses[0]),
                *(str(program), "run", "--config", str(config)),
            ]

        figures = cpu.run(seconds, agent=build_command, agent_port=_PORT)
    resident_mib = figures["programs"]["netwatch"]["resident_mib"]
    figures["what"] = "the whole agent: 20 targets once a second, store, metrics, page"
    figures["goal"] += f"; resident memory at most {_MEMORY_GOAL_MIB} MB"
    figures["memory_reached"] = resident_mib <= _MEMORY_GOAL_MIB
    figures["reached"] = figures["reached"] and figures["memory_reached"]
    return figures


def install(folder: Path) -> Path:
    """The program as it is installed: alone in an environment of its own, without extras.

    A developer's environment has more in it, some of which its libraries load when they
    find it (idna, for dnspython).
    """
    environment = folder / "installed"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    # From a copy: building leaves files beside the sources.
    sources = folder / "sources"
    sources.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(_ROOT / name, sources)
    shutil.copytree(_ROOT / "netwatch", sources / "netwatch")
    subprocess.run(
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            str(sources),
        ],
        check=True,
    )
    # As packages do: the agent runs with -OO, and need not compile at its first start.
    subprocess.run(
        [str(python), "-m", "compileall", "-q", "-o", "2", str(environment / "lib")], check=True
    )
    return environment / "bin" / "netwatch"


def build_config(addresses: Sequence[str], store: Path) -> str:
    """Twenty targets of the internet's role, everything else as it is by default."""
    head = f"""
[site]
id = "bench"
[latency]
interval = "1s"
timeout = "900ms"
[clock]
trusted = true
[store]
path = "{store}"
[http]
listen = "127.0.0.1:{_PORT}"
"""
    targets = "".join(
        f'[[target]]\nname = "t{index}"\nrole = "internet"\naddress = "{address}"\n'
        for index, address in enumerate(addresses)
    )
    resolver = f'[[target]]\nname = "resolver"\nrole = "resolver"\naddress = "{addresses[0]}"\n'
    return head + targets + resolver
