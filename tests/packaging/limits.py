"""Limits of memory and processor set from outside, by the kernel's groups (v1 or v2).

Rule of this file: one group, with a name of its own, that goes when it is left.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
#: The kernel's default of 100 ms would stall a process for 90.
PERIOD_US = 10_000


class LimitGroup:
    """The folders of one group: one for each controller in v1, a single one in v2."""

    def __init__(self) -> None:
        self._unified = (ROOT / "cgroup.controllers").exists()
        name = f"netwatch-packaging-{secrets.token_hex(3)}"
        self._memory = (ROOT if self._unified else ROOT / "memory") / name
        self._cpu = self._memory if self._unified else ROOT / "cpu" / name

    def make(self, memory_bytes: int, core_share: float) -> None:
        """Set the group up; the limits hold for whatever enters it."""
        quota_us = round(PERIOD_US * core_share)
        for folder in {self._memory, self._cpu}:
            folder.mkdir()
        if self._unified:
            (self._memory / "memory.max").write_text(str(memory_bytes), "ascii")
            (self._cpu / "cpu.max").write_text(f"{quota_us} {PERIOD_US}", "ascii")
            return
        (self._memory / "memory.limit_in_bytes").write_text(str(memory_bytes), "ascii")
        (self._cpu / "cpu.cfs_period_us").write_text(str(PERIOD_US), "ascii")
        (self._cpu / "cpu.cfs_quota_us").write_text(str(quota_us), "ascii")

    def enter(self, process: int) -> None:
        """Put a process in, by its number on the host; what it has in memory is counted anew."""
        for folder in {self._memory, self._cpu}:
            (folder / "cgroup.procs").write_text(str(process), "ascii")

    def count_ended_for_memory(self) -> int:
        """How many processes of the group the kernel has ended for want of memory."""
        file = "memory.events" if self._unified else "memory.oom_control"
        lines = (self._memory / file).read_text("ascii").splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    def remove(self) -> None:
        """It must be empty, which it is a moment after its last process has ended."""
        for _ in range(50):
            with contextlib.suppress(OSError):
                for folder in {self._memory, self._cpu}:
                    if folder.exists():
                        folder.rmdir()
                return
            time.sleep(0.1)
        raise AssertionError(f"{self._memory}: something still runs in it")


@contextlib.contextmanager
def limit_group(memory_bytes: int, core_share: float) -> Iterator[LimitGroup]:
    """A group with these limits."""
    group = LimitGroup()
    group.make(memory_bytes, core_share)
    try:
        yield group
    finally:
        group.remove()
