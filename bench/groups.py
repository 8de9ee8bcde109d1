"""CPU groups of the kernel: limit a set of processes, and read what they used.

Rule of this file: one group by name, in cgroup v1 or v2, whichever is mounted. The
period is 10 ms: the kernel's default of 100 ms would stall a process for 90.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import Self

PERIOD_US = 10_000
_ROOT = Path("/sys/fs/cgroup")


class CpuGroup:
    """A context manager; leaving it kills what is still inside."""

    def __init__(self, label: str) -> None:
        name = f"netwatch-bench-{label}-{secrets.token_hex(3)}"
        self._unified = (_ROOT / "cgroup.controllers").exists()
        roots = [_ROOT] if self._unified else [_ROOT / "cpu", _ROOT / "cpuacct"]
        self._folders = list(dict.fromkeys((root / name).resolve() for root in roots))

    def __enter__(self) -> Self:
        for folder in self._folders:
            folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self.limit(None)
        for _ in range(50):
            for pid in self._folders[0].joinpath("cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            with contextlib.suppress(OSError):
                for folder in self._folders:
                    if folder.exists():
                        folder.rmdir()
                return
            time.sleep(0.1)

    def entering(self, command: list[str]) -> list[str]:
        """The command, started inside the group."""
        files = " ".join(f'"{folder}/cgroup.procs"' for folder in self._folders)
        script = f'set -e; for f in {files}; do echo $$ > "$f"; done; exec "$@"'
        return ["sh", "-c", script, "sh", *command]

    def limit(self, share: float | None) -> None:
        """Of one core; None lifts it."""
        quota = None if share is None else round(PERIOD_US * share)
        if self._unified:
            text = f"{'max' if quota is None else quota} {PERIOD_US}"
            self._folders[0].joinpath("cpu.max").write_text(text)
            return
        self._folders[0].joinpath("cpu.cfs_period_us").write_text(str(PERIOD_US))
        self._folders[0].joinpath("cpu.cfs_quota_us").write_text(
            str(-1 if quota is None else quota)
        )

    def used_s(self) -> float:
        """CPU seconds that its processes have used."""
        if self._unified:
            lines = self._folders[0].joinpath("cpu.stat").read_text().splitlines()
            return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6
        return int(self._folders[-1].joinpath("cpuacct.usage").read_text()) / 1e9

    def resident_bytes(self) -> int:
        """Resident memory of its processes, added up."""
        total = 0
        for pid in self._folders[0].joinpath("cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                total += pages * os.sysconf("SC_PAGE_SIZE")
        return total
