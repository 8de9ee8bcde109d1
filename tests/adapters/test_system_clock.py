"""What is believed of this machine's clock, and for how long."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import cast

import pytest

from netwatch.clock import (
    SystemClock,
    parse_timex,
    read_kernel_synchronised,
    read_system_synchronised,
)
from netwatch.records import Anchor


class FakeLibc:
    """A kernel that answers adjtimex with a state; status 0, or unsynchronised."""

    def __init__(self, state: int, status: int = 0) -> None:
        self._state, self._status = state, status

    def adjtimex(self, buffer: ctypes.Array[ctypes.c_char]) -> int:
        at = 5 * ctypes.sizeof(ctypes.c_long)
        buffer[at : at + 4] = self._status.to_bytes(4, "little")
        return self._state


@pytest.mark.parametrize(
    ("state", "status", "word"),
    [(0, 0x2001, True), (0, 0x40, False), (5, 0, False), (5, 0x40, False), (-1, 0, None)],
)
def test_the_kernels_word(state: int, status: int, word: bool | None) -> None:
    """TIME_ERROR and STA_UNSYNC each say no; a refusal says nothing."""
    libc = cast("ctypes.CDLL", FakeLibc(state, status))
    assert read_kernel_synchronised(libc) is word


@pytest.mark.parametrize(("state", "status"), [(0, 0), (5, 0x40), (-1, 0)])
@pytest.mark.parametrize("said", [True, False])
def test_the_services_word_counts_where_the_kernel_has_none(
    tmp_path: Path, state: int, status: int, said: bool
) -> None:
    """A file that was touched before somebody set the clock by hand must not make it right."""
    file = tmp_path / "synchronized"
    if said:
        file.touch()
    libc = cast("ctypes.CDLL", FakeLibc(state, status))
    assert read_system_synchronised(libc, file) is (said if state < 0 else state == 0)


def test_the_real_kernel_gives_a_word() -> None:
    """The offset of the status in struct timex is this machine's: yes or no, never a crash."""
    assert read_kernel_synchronised(ctypes.CDLL(None, use_errno=True)) in {True, False, None}
    assert parse_timex(0, bytes(208), ctypes.sizeof(ctypes.c_long))


def test_the_last_good_tie_holds_when_the_word_is_taken_back() -> None:
    """And a new one is believed as soon as it is vouched for."""
    word = [False]
    clock = SystemClock(read_synchronised=lambda: word[0])
    assert (clock.anchor(), clock.held_ms()) == (None, None)
    word[0] = True
    good = clock.anchor()
    assert good is not None
    assert clock.held_ms() is None
    word[0] = False
    assert clock.anchor() == good
    held_ms = clock.held_ms()
    assert held_ms is not None
    assert held_ms >= 0


def test_a_tie_of_another_boot_is_never_held() -> None:
    """Nor one that is older than what this life has read itself."""
    clock = SystemClock(read_synchronised=lambda: False)
    clock.hold(Anchor(boot_id="another", monotonic_ms=0, offset_ms=5))
    assert clock.anchor() is None
    own = Anchor(boot_id=clock.boot_id, monotonic_ms=0, offset_ms=7)
    clock.hold(own)
    clock.hold(Anchor(boot_id=clock.boot_id, monotonic_ms=1, offset_ms=9))
    clock.hold(None)
    assert clock.anchor() == own


def test_a_trusted_clock_is_believed_without_any_word() -> None:
    """A virtual machine whose host keeps the time: it is never held, it is as it stands."""
    clock = SystemClock(trusted=True, read_synchronised=lambda: False)
    anchor = clock.anchor()
    assert anchor is not None
    assert abs(anchor.to_utc_ms(anchor.monotonic_ms) - clock.wall_ms()) < 60_000
    assert clock.held_ms() is None
