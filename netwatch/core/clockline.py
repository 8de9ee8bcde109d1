"""From the monotonic scale of one life of the agent to UTC, by the ties between both.

The law of this file: a tie holds from its instant on, and the first one for all before
it; what it dated once keeps its date. A tie that moves by less than `STEP_MS` bends the
line (a clock that is slewed, a leap second that is smeared): spans stay joined. One that
moves by more is a step: the time that a clock put forward leaped over is in no span, and
time that a clock put back repeats is in two, of which the ledger keeps the first.

Pure; milliseconds. It knows no clock: ties are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netwatch.records import Span

#: Offsets nearer than this are one: reading two clocks is not exact.
SAME_OFFSET_MS = 10
#: From here on a clock was stepped. What disciplines a clock slews up to 400 ms
#: (systemd-timesyncd) or steps from 1 s (chrony); a slew does not move the offset on
#: Linux, for the monotonic clock is slewed with the wall clock.
STEP_MS = 250
#: How far the crystal of a device may be out: a clock that nobody corrects is wrong by
#: no more than this share of the time since it was last right (9 s a day).
DRIFT_PPM = 100
#: So many ties of one life are kept in memory.
MOST_TIES = 500

#: From this monotonic instant on, UTC is monotonic plus that offset.
Tie = tuple[int, int]
#: Beginning and end on the monotonic scale, and both in UTC.
Part = tuple[int, int, int, int]


def is_step(offset_ms: int, next_offset_ms: int) -> bool:
    """Whether a clock whose offset went from one to the other was stepped.

    >>> is_step(0, 249), is_step(0, -3_600_000)
    (False, True)
    """
    return abs(next_offset_ms - offset_ms) >= STEP_MS


def find_offset(mono_ms: int, ties: Sequence[Tie]) -> int | None:
    """The offset in force at an instant; None without any tie. ``ties`` in order.

    >>> ties = [(100, 1_000), (200, 5_000)]
    >>> [find_offset(mono_ms, ties) for mono_ms in (0, 199, 200)]
    [1000, 1000, 5000]
    """
    found: int | None = None
    for at_ms, offset_ms in ties:
        if found is not None and at_ms > mono_ms:
            break
        found = offset_ms
    return found


def split_at_steps(
    start_mono_ms: int, end_mono_ms: int, start_ms: int, ties: Sequence[Tie]
) -> list[Part]:
    """A monotonic stretch in UTC: one part, and one more for each step of the clock within it.

    ``ties`` are the life's, in order; the stretch begins at ``start_ms``, as it was
    recorded. No part is of negative length.
    """
    parts: list[Part] = []
    part_mono_ms, part_ms = start_mono_ms, start_ms
    offset_ms = start_ms - start_mono_ms
    for mono_ms, next_offset_ms in ties:
        if not start_mono_ms < mono_ms <= end_mono_ms:
            continue
        if is_step(offset_ms, next_offset_ms):
            if mono_ms == end_mono_ms:
                break
            parts.append((part_mono_ms, mono_ms, part_ms, max(part_ms, mono_ms + offset_ms)))
            part_mono_ms, part_ms = mono_ms, mono_ms + next_offset_ms
        offset_ms = next_offset_ms
    parts.append((part_mono_ms, end_mono_ms, part_ms, max(part_ms, end_mono_ms + offset_ms)))
    return parts


def cut_at_steps(
    start_mono_ms: int, end_mono_ms: int, start_ms: int, ties: Sequence[Tie]
) -> list[tuple[int, int]]:
    """The parts of `split_at_steps` in UTC alone.

    >>> cut_at_steps(10, 400, 1_010, [(0, 1_000), (300, 5_000)])
    [(1010, 1300), (5300, 5400)]
    >>> cut_at_steps(10, 400, 1_010, [(0, 1_000), (300, 1_020)])
    [(1010, 1420)]
    """
    return [part[2:] for part in split_at_steps(start_mono_ms, end_mono_ms, start_ms, ties)]


def bound_drift(held_ms: int) -> int:
    """By how much a clock may be out that was right ``held_ms`` ago.

    >>> bound_drift(2 * 86_400_000)
    17280
    """
    return held_ms * DRIFT_PPM // 1_000_000


class Clockline:
    """The ties of a life that goes on, in the order in which they were heeded.

    >>> line = Clockline()
    >>> line.to_utc_ms(5) is None
    True
    >>> line.heed(100, 1_000), line.heed(160, 1_009), line.heed(200, 5_000)
    (0, 0, 4000)
    >>> line.to_utc_ms(5), line.to_utc_ms(250)
    (1005, 5250)
    """

    def __init__(self) -> None:
        self._ties: list[Tie] = []
        self._from_ms: int | None = None  # what lies before was dated by a tie let go of

    @property
    def newest(self) -> Tie | None:
        """The tie in force; None while no clock has told the time."""
        return self._ties[-1] if self._ties else None

    def heed(self, mono_ms: int, offset_ms: int) -> int:
        """Take a reading of both clocks in; returns by how much the wall clock was stepped.

        One that says what is known changes nothing, nor does one older than the newest.
        """
        if not self._ties:
            self._ties.append((mono_ms, offset_ms))
            return 0
        newest_ms, newest_offset_ms = self._ties[-1]
        moved_ms = offset_ms - newest_offset_ms
        if abs(moved_ms) < SAME_OFFSET_MS or mono_ms < newest_ms:
            return 0
        if mono_ms == newest_ms:
            self._ties.pop()
        self._ties.append((mono_ms, offset_ms))
        if len(self._ties) > MOST_TIES:
            del self._ties[0]
            self._from_ms = self._ties[0][0]
        return moved_ms if abs(moved_ms) >= STEP_MS else 0

    def to_utc_ms(self, mono_ms: int) -> int | None:
        """An instant in UTC; None while no clock has told the time."""
        offset_ms = find_offset(mono_ms, self._ties)
        return None if offset_ms is None else mono_ms + offset_ms

    def reach_back(self, mono_ms: int) -> int:
        """The instant (monotonic), or the first after it, whose tie is still known here."""
        return mono_ms if self._from_ms is None else max(mono_ms, self._from_ms)

    def place(self, span: Span) -> list[tuple[int, Span]]:
        """A span in UTC, cut where the clock was stepped, each part with its monotonic start.

        Nothing while it cannot be told.
        """
        start_mono_ms = self.reach_back(span.start_ms)
        start_ms = self.to_utc_ms(start_mono_ms)
        if start_ms is None or span.end_ms <= start_mono_ms:
            return []
        return [
            (mono_ms, msgspec.structs.replace(span, start_ms=part_ms, end_ms=end_ms))
            for mono_ms, _, part_ms, end_ms in split_at_steps(
                start_mono_ms, span.end_ms, start_ms, self._ties
            )
            if end_ms > part_ms
        ]
