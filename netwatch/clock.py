"""Wall clock, monotonic clock, boot identity, and whether the wall clock may be believed.

Rule of this file: it is the only one that reads a clock; all others are handed a
:class:`Clock`. It must not know what its instants are used for.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from netwatch.records import Anchor

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: systemd-timesyncd touches it at each synchronisation; /run is empty after a boot.
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
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
        """The tie between both scales, None until this boot has learned the time.

        Once it has, the last good tie holds however long nobody vouches for the wall
        clock: a line that is down for days must not cost its own dates.
        """

    def held_ms(self) -> int | None:
        """How long ago the tie was last vouched for; None while it is, or without one."""

    def hold(self, anchor: Anchor | None) -> None:
        """Go on with the tie of an earlier life of this boot, until there is a newer one."""


class SystemClock:
    """The kernel's clocks.

    ``trusted`` is for machines whose host keeps their clock, so that no service
    here ever tells the kernel that it is synchronised (setting ``clock.trusted``).
    ``read_synchronised`` stands in for the kernel's word and the service's.
    """

    def __init__(
        self, *, trusted: bool = False, read_synchronised: Callable[[], bool] | None = None
    ) -> None:
        self._trusted = trusted
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._read_synchronised = read_synchronised or (
            lambda: read_system_synchronised(self._libc)
        )
        self._held: Anchor | None = None
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
        return self._trusted or self._read_synchronised()

    def anchor(self) -> Anchor | None:
        # The clocks first: whoever sets the wall clock by hand takes the kernel's word for
        # it away in the same instant, so a tie that is vouched for afterwards is a good one.
        anchor = Anchor(
            boot_id=self.boot_id,
            monotonic_ms=self.monotonic_ms(),
            offset_ms=self.offset_ns() // 1_000_000,
        )
        if self.synchronised():
            self._held = anchor
        return self._held

    def held_ms(self) -> int | None:
        held = self._held
        if held is None or self.synchronised():
            return None
        return max(0, self.monotonic_ms() - held.monotonic_ms)

    def hold(self, anchor: Anchor | None) -> None:
        if self._held is None and anchor is not None and anchor.boot_id == self.boot_id:
            self._held = anchor


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


def read_system_synchronised(libc: ctypes.CDLL, service_word: Path = _TIMESYNC) -> bool:
    """The kernel's word; where it gives none (a sandbox without adjtimex), the service's.

    The kernel's counts for more: it is taken back when the clock is set by hand, or when
    nobody has corrected it for nine hours; a service's file stays.
    """
    word = read_kernel_synchronised(libc)
    return service_word.exists() if word is None else word


def read_kernel_synchronised(libc: ctypes.CDLL) -> bool | None:
    """adjtimex(2) in read mode; None where the kernel may not be asked."""
    buffer = ctypes.create_string_buffer(256)  # struct timex, modes = 0: read only
    state = libc.adjtimex(buffer)
    return None if state < 0 else parse_timex(state, buffer.raw, ctypes.sizeof(ctypes.c_long))


def parse_timex(state: int, timex: bytes, long_bytes: int) -> bool:
    """Whether what adjtimex(2) gave back says that the clock is synchronised.

    >>> parse_timex(5, bytes(208), 8), parse_timex(0, bytes(208), 8)
    (False, True)
    >>> parse_timex(0, bytes(40) + (0x40).to_bytes(4, "little"), 8)
    False
    """
    # struct timex: modes(int, padded) offset freq maxerror esterror (long) status(int)
    status = timex[5 * long_bytes : 5 * long_bytes + 4]
    return state != _TIME_ERROR and not int.from_bytes(status, sys.byteorder) & _STA_UNSYNC
