"""How much was written today: by this process, and to the device below the books.

Rule of this file: the kernel's counts, read and never estimated. The process is charged
with what it has the block layer write (task accounting, proc(5)), the file system's own
journal left out, which no process can be charged with; the device counts everything that
reached it, from whoever. Both are zero at midnight UTC, and at the beginning.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_DAY_MS = 86_400_000
_PROCESS_IO = Path("/proc/self/io")
#: The unit of the kernel's statistics, whatever the device's own.
_SECTOR_BYTES = 512
_WRITTEN_SECTORS = 6
#: More than its line ever has: 17 figures of at most 20 digits.
_STAT_BYTES = 512


class StoreClock(Protocol):
    """What the store may ask of time; `netwatch.clock.Clock` has it."""

    def monotonic_ms(self) -> int: ...

    def wall_ms(self) -> int: ...


class WrittenToday:
    """A count's growth since midnight UTC, or since this was made; used by one thread alone.

    ``read_count`` gives the kernel's count, which only grows; None where there is none.
    """

    def __init__(self, clock: StoreClock, read_count: Callable[[], int | None]) -> None:
        self._clock = clock
        self._read_count = read_count
        self._day = self._today()
        self._before = read_count()

    def read(self) -> int | None:
        """Bytes of today; None where the kernel does not count them."""
        now = self._read_count()
        if now is None:
            return None
        # A count that began late, or anew: the disk was mounted since, or is another.
        if self._before is None or now < self._before or self._today() != self._day:
            self._day, self._before = self._today(), now
        return now - self._before

    def _today(self) -> int:
        return self._clock.wall_ms() // _DAY_MS


class StoreMeter:
    """Both counts for the books at ``path``."""

    def __init__(self, clock: StoreClock, path: Path) -> None:
        self._process = WrittenToday(clock, read_process_written_bytes)
        self._device = WrittenToday(clock, lambda: read_device_written_bytes(path))

    def read(self) -> tuple[int | None, int | None]:
        """Bytes of today: by the process, to the device."""
        return self._process.read(), self._device.read()


def read_process_written_bytes() -> int | None:
    """``write_bytes`` of this process; None where the kernel does not say."""
    try:
        return parse_written_bytes(_PROCESS_IO.read_text(encoding="ascii"))
    except OSError:
        return None


def read_device_written_bytes(path: Path) -> int | None:
    """Bytes that the block device (or partition) under a file has taken; None where it has none.

    A file system in memory, on the network or laid over others has none.
    """
    try:
        device = path.parent.stat().st_dev
        # No `Path`: it enters a new name in the interpreter's table of names each time, which
        # is made anew, a megabyte at once, when it is full of names that were let go.
        block = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
        descriptor = os.open(block, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return parse_device_written_bytes(os.read(descriptor, _STAT_BYTES).decode("ascii"))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def parse_written_bytes(text: str) -> int | None:
    r"""The figure in the text of ``/proc/PID/io``.

    >>> parse_written_bytes("rchar: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n")
    4096
    >>> parse_written_bytes("") is None
    True
    """
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        if name == "write_bytes":
            return int(value)
    return None


def parse_device_written_bytes(text: str) -> int | None:
    """The figure in the text of ``/sys/dev/block/…/stat`` (Documentation/block/stat.rst).

    >>> parse_device_written_bytes(" 10 0 80 1 5 2 16 3 0 4 4")
    8192
    >>> parse_device_written_bytes("") is None
    True
    """
    figures = text.split()
    if len(figures) <= _WRITTEN_SECTORS:
        return None
    return int(figures[_WRITTEN_SECTORS]) * _SECTOR_BYTES
