"""How much the writer's thread has had written today, by the kernel's count.

Rule of this file: bytes that this thread gave to the block layer (task accounting,
proc(5)), without the file system's own journal, which no process can be charged with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

_DAY_MS = 86_400_000
_THREAD_IO = Path("/proc/thread-self/io")


class StoreClock(Protocol):
    """What the store may ask of time; `netwatch.clock.Clock` has it."""

    def monotonic_ms(self) -> int: ...

    def wall_ms(self) -> int: ...


class WrittenToday:
    """Counts since midnight UTC, or since the thread began; used by one thread alone."""

    def __init__(self, clock: StoreClock) -> None:
        self._clock = clock
        self._day = self._today()
        self._before = read_thread_written_bytes()

    def read(self) -> int | None:
        """Bytes of today; None where the kernel does not count them."""
        now = read_thread_written_bytes()
        if now is None or self._before is None:
            return None
        if self._today() != self._day:
            self._day, self._before = self._today(), now
        return now - self._before

    def _today(self) -> int:
        return self._clock.wall_ms() // _DAY_MS


def read_thread_written_bytes() -> int | None:
    """``write_bytes`` of the calling thread; None where the kernel does not say."""
    try:
        return parse_written_bytes(_THREAD_IO.read_text(encoding="ascii"))
    except OSError:
        return None


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
