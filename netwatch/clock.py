"""Wall clock, monotonic clock, boot identity, and whether the wall clock may be believed.

Rule of this file: it is the only one that reads a clock; all others are handed a
:class:`Clock`. It must not know what its instants are used for.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Protocol

from netwatch.records import Anchor

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# adjtimex(2): the kernel's own word on whether something disciplines its clock.
_TIME_ERROR = 5
_STA_UNSYNC = 0x0040


class Clock(Protocol):
    """What the program may ask of time."""

    boot_id: str

    def monotonic_ms(self) -> int:
        """Milliseconds of ``CLOCK_MONOTONIC``: never steps, starts anew at each boot."""

    def monotonic_ns(self) -> int:
        """The same in nanoseconds."""

    def offset_ns(self) -> int:
        """Wall clock less monotonic clock, nanoseconds: it moves only when the wall clock steps."""

    def wall_ms(self) -> int:
        """Milliseconds of UTC, as far as this machine believes; may step."""

    def synchronised(self) -> bool:
        """Whether the wall clock is known to follow UTC."""

    def anchor(self) -> Anchor | None:
        """The tie between both scales, or None while the clock is not synchronised."""


class SystemClock:
    """The kernel's clocks.

    ``trusted`` is for machines whose host keeps their clock, so that no service
    here ever tells the kernel that it is synchronised (setting ``clock.trusted``).
    """

    def __init__(self, *, trusted: bool = False) -> None:
        self._trusted = trusted
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.boot_id = read_boot_id()

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000

    def monotonic_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def offset_ns(self) -> int:
        return read_offset_ns()

    def wall_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000

    def synchronised(self) -> bool:
        return self._trusted or read_kernel_synchronised(self._libc)

    def anchor(self) -> Anchor | None:
        if not self.synchronised():
            return None
        return Anchor(
            boot_id=self.boot_id,
            monotonic_ms=self.monotonic_ms(),
            offset_ms=read_offset_ns() // 1_000_000,
        )


def read_boot_id() -> str:
    """The kernel's random name of this boot; ``unknown`` where it has none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def read_offset_ns() -> int:
    """Wall clock less monotonic clock, in nanoseconds.

    The wall clock is read between two readings of the other, the tightest of three
    tries counts: being preempted between two readings must not look like a step.
    """
    best: tuple[int, int] | None = None
    for _ in range(3):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        candidate = (after - before, wall - (before + after) // 2)
        if best is None or candidate < best:
            best = candidate
    assert best is not None
    return best[1]


def read_kernel_synchronised(libc: ctypes.CDLL) -> bool:
    """adjtimex(2) in read mode: False when the kernel says unsynchronised, or cannot say."""
    buffer = ctypes.create_string_buffer(256)  # struct timex, modes = 0: read only
    state = libc.adjtimex(buffer)
    if state < 0 or state == _TIME_ERROR:
        return False
    # struct timex: modes(int, padded) offset freq maxerror esterror (long) status(int)
    long_size = ctypes.sizeof(ctypes.c_long)
    status = int.from_bytes(buffer.raw[5 * long_size : 5 * long_size + 4], "little", signed=True)
    return not status & _STA_UNSYNC
