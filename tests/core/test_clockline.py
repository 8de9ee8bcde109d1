"""Dating by ties: a slewed clock is no event, a stepped one is cut, nothing runs backwards."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.clockline import (
    MOST_TIES,
    SAME_OFFSET_MS,
    STEP_MS,
    Clockline,
    bound_drift,
    find_offset,
    split_at_steps,
)
from netwatch.records import Span, Verdict

MINUTE_MS = 60_000
DAY_MS = 86_400_000


def up(start_ms: int, end_ms: int) -> Span:
    return Span(verdict=Verdict.UP, cause=None, start_ms=start_ms, end_ms=end_ms)


def place_all(line: Clockline, bounds: list[int]) -> list[tuple[int, int]]:
    """Spans from bound to bound (monotonic), as they lie in UTC."""
    return [
        (part.start_ms, part.end_ms)
        for start_ms, end_ms in itertools.pairwise(bounds)
        for _, part in line.place(up(start_ms, end_ms))
    ]


def test_a_smeared_leap_second_is_no_event() -> None:
    """1 s over 24 h, forward or back: no step, and the day's spans stay joined end to end."""
    for sign in (1, -1):
        line = Clockline()
        bounds = list(range(0, DAY_MS + 1, 7 * MINUTE_MS))
        steps = [
            line.heed(at_ms, 10**12 + sign * at_ms * 1_000 // DAY_MS)
            for at_ms in range(0, DAY_MS + 1, MINUTE_MS)
        ]
        assert set(steps) == {0}
        placed = place_all(line, bounds)
        assert all(one[1] == two[0] for one, two in itertools.pairwise(placed))
        length_ms = placed[-1][1] - placed[0][0]
        assert abs(length_ms - bounds[-1] - sign * 1_000) <= 2 * SAME_OFFSET_MS


def test_a_clock_slewed_as_fast_as_a_kernel_does_is_no_event() -> None:
    """500 ppm for a day, which is 43 s, told once a minute: every span adjoins the next."""
    for sign in (1, -1):
        line = Clockline()
        for at_ms in range(0, DAY_MS // 4 + 1, MINUTE_MS):
            assert line.heed(at_ms, sign * at_ms * 500 // 1_000_000) == 0
        placed = place_all(line, list(range(0, DAY_MS // 4, 11 * 1_000)))
        assert all(one[1] == two[0] and one[0] <= one[1] for one, two in itertools.pairwise(placed))


def test_a_step_cuts_a_span_that_goes_on_over_it() -> None:
    """An hour forward, then an hour back: three parts, no time lost and none made."""
    hour_ms = 60 * MINUTE_MS
    line = Clockline()
    moves = [line.heed(0, 5_000), line.heed(1_000, 5_000 + hour_ms), line.heed(2_000, 5_000)]
    assert moves == [0, hour_ms, -hour_ms]
    parts = line.place(up(0, 3_000))
    assert [(mono_ms, part.start_ms - 5_000, part.duration_ms) for mono_ms, part in parts] == [
        (0, 0, 1_000),
        (1_000, 1_000 + hour_ms, 1_000),
        (2_000, 2_000, 1_000),
    ]


def test_what_was_measured_before_the_first_tie_is_dated_by_it() -> None:
    """Ten minutes without a clock, then one: nothing is placed before, all of it after."""
    line = Clockline()
    assert line.place(up(0, 10 * MINUTE_MS)) == []
    line.heed(10 * MINUTE_MS, 7_000)
    ((_, whole),) = line.place(up(0, 11 * MINUTE_MS))
    assert (whole.start_ms, whole.duration_ms) == (7_000, 11 * MINUTE_MS)


def test_ties_take_no_more_memory_than_a_bound() -> None:
    """A clock stepped again and again: what lies before the ties kept is said by nobody here."""
    line = Clockline()
    for index in range(2 * MOST_TIES):
        line.heed(index * 1_000, index * STEP_MS)
    parts = line.place(up(0, 2 * MOST_TIES * 1_000))
    assert len(parts) == MOST_TIES
    assert line.reach_back(0) == parts[0][0] == MOST_TIES * 1_000


def test_an_older_reading_changes_nothing() -> None:
    """A reading that comes late is not the newest word."""
    line = Clockline()
    line.heed(100, 0)
    assert line.heed(50, 9_000) == 0
    assert line.newest == (100, 0)
    assert line.heed(100, 9_000) == 9_000
    assert line.newest == (100, 9_000)


@given(
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(-3_000, 3_000)), max_size=8),
    st.integers(0, 3_000),
    st.integers(0, 3_000),
)
def test_a_stretch_is_neither_longer_nor_negative_whatever_the_ties(
    moves: list[tuple[int, int]], start_ms: int, length_ms: int
) -> None:
    """Parts follow on the monotonic scale; steps change no length, bends what they moved."""
    ties = sorted(dict(moves).items())
    offset_ms = find_offset(start_ms, ties) or 0
    parts = split_at_steps(start_ms, start_ms + length_ms, start_ms + offset_ms, ties)
    assert parts[0][0] == start_ms
    assert parts[-1][1] == start_ms + length_ms
    assert all(one[1] == two[0] for one, two in itertools.pairwise(parts))
    within = [tie for tie in ties if start_ms < tie[0] <= start_ms + length_ms]
    bent_ms = 0
    for mono_ms, next_ms in within:
        if abs(next_ms - offset_ms) < STEP_MS:
            bent_ms += abs(next_ms - offset_ms)
        elif mono_ms == start_ms + length_ms:
            break
        offset_ms = next_ms
    assert all(part[2] <= part[3] for part in parts)
    for from_ms, to_ms, part_ms, until_ms in parts:
        assert abs(until_ms - part_ms - (to_ms - from_ms)) <= bent_ms


def test_the_drift_of_two_days_is_seventeen_seconds() -> None:
    """What docs/method.md says of a clock that nobody corrects."""
    assert bound_drift(2 * DAY_MS) == 17_280
