"""Interval sets against sets of seconds, which are slow and cannot be wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netwatch.core import intervals as sets
from netwatch.core.intervals import Intervals

END = 60
PAIRS = st.lists(st.tuples(st.integers(0, END), st.integers(0, END)), max_size=8)
INSTANT = st.integers(0, END)


def seconds(pairs: object) -> set[int]:
    """Every second that any of the pairs holds."""
    return {second for start, end in pairs for second in range(start, end)}  # type: ignore[attr-defined]  # any pairs


@given(PAIRS)
def test_the_normal_form_holds_the_same_seconds(pairs: list[tuple[int, int]]) -> None:
    normal = sets.normalise(pairs)
    assert sets.is_normal(normal)
    assert seconds(normal) == seconds(pairs)
    assert sets.total(normal) == len(seconds(pairs))


@given(PAIRS, PAIRS)
def test_the_algebra_is_that_of_sets_of_seconds(
    left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    a, b = sets.normalise(left), sets.normalise(right)
    for result, expected in (
        (sets.union(a, b), seconds(a) | seconds(b)),
        (sets.intersection(a, b), seconds(a) & seconds(b)),
        (sets.difference(a, b), seconds(a) - seconds(b)),
    ):
        assert sets.is_normal(result)
        assert seconds(result) == expected


@given(PAIRS, INSTANT, INSTANT)
def test_clip_overlap_and_contains_agree_with_seconds(
    pairs: list[tuple[int, int]], start: int, end: int
) -> None:
    normal = sets.normalise(pairs)
    inside = {second for second in seconds(pairs) if start <= second < end}
    assert seconds(sets.clip(normal, start, end)) == inside
    assert sets.overlap(normal, start, end) == len(inside)
    assert sets.contains(normal, start) == (start in seconds(pairs))


@given(PAIRS, INSTANT, st.integers(0, END))
def test_a_delay_ends_when_that_many_seconds_of_the_set_have_gone_by(
    pairs: list[tuple[int, int]], start: int, amount: int
) -> None:
    normal = sets.normalise(pairs)
    usable = sorted(second for second in seconds(pairs) if second >= start)
    reached = sets.advance(normal, start, amount)
    if amount == 0:
        assert reached == start
    elif len(usable) < amount:
        assert reached is None
    else:
        assert reached == usable[amount - 1] + 1


def test_two_equal_sets_are_equal_tuples() -> None:
    """However a set was put together, its form is the same."""
    whole: Intervals = ((0, 10),)
    assert sets.union(((0, 4),), ((4, 10),)) == whole
    assert sets.normalise([(4, 10), (0, 4), (3, 3)]) == whole
