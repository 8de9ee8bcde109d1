"""Arithmetic of time as sets: disjoint, sorted, half-open intervals of integers.

Rule of this file: every function takes and gives the one normal form (sorted, disjoint,
never touching, never empty), so that two equal sets are equal tuples. It knows nothing
of units, zones, verdicts or contracts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from netwatch.records import Span

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]

EMPTY: Intervals = ()


def normalise(pairs: Iterable[Interval]) -> Intervals:
    """Any pairs ``[start, end)``, overlapping and in any order, as a normal set.

    A pair that ends where it begins, or before, holds no instant and vanishes.

    >>> normalise([(5, 9), (0, 3), (3, 4), (7, 7), (8, 12)])
    ((0, 4), (5, 12))
    """
    merged: list[Interval] = []
    for start, end in sorted(pair for pair in pairs if pair[0] < pair[1]):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)


def from_spans(spans: Iterable[Span]) -> Intervals:
    """The time that the spans take up, whatever their verdict: filter them first.

    >>> from netwatch.records import Verdict
    >>> from_spans([Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=5)])
    ((0, 5),)
    """
    return normalise((span.start_ms, span.end_ms) for span in spans)


def union(*sets: Intervals) -> Intervals:
    """What lies in any of the sets.

    >>> union(((0, 3),), ((3, 5), (8, 9)))
    ((0, 5), (8, 9))
    """
    return normalise(interval for each in sets for interval in each)


def intersection(left: Intervals, right: Intervals) -> Intervals:
    """What lies in both.

    >>> intersection(((0, 10),), ((2, 4), (8, 12)))
    ((2, 4), (8, 10))
    """
    found: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start = max(left[i][0], right[j][0])
        end = min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def difference(left: Intervals, right: Intervals) -> Intervals:
    """What lies in ``left`` and not in ``right``.

    >>> difference(((0, 10),), ((2, 4), (8, 12)))
    ((0, 2), (4, 8))
    """
    found: list[Interval] = []
    j = 0
    for start, end in left:
        at = start
        while j < len(right) and right[j][1] <= at:
            j += 1
        k = j
        while k < len(right) and right[k][0] < end:
            if right[k][0] > at:
                found.append((at, right[k][0]))
            at = max(at, right[k][1])
            k += 1
        if at < end:
            found.append((at, end))
    return tuple(found)


def clip(intervals: Intervals, start: int, end: int) -> Intervals:
    """The part within ``[start, end)``.

    >>> clip(((0, 4), (6, 9)), 2, 7)
    ((2, 4), (6, 7))
    """
    return intersection(intervals, ((start, end),)) if start < end else EMPTY


def total(intervals: Intervals) -> int:
    """The length of the whole set.

    >>> total(((0, 4), (6, 9)))
    7
    """
    return sum(end - start for start, end in intervals)


def overlap(intervals: Intervals, start: int, end: int) -> int:
    """The length of the part within ``[start, end)``, without building it.

    >>> overlap(((0, 4), (6, 9)), 2, 7)
    3
    """
    length = 0
    for index in range(max(0, bisect_right(intervals, (start, start)) - 1), len(intervals)):
        left, right = intervals[index]
        if left >= end:
            break
        length += max(0, min(right, end) - max(left, start))
    return length


def contains(intervals: Intervals, instant: int) -> bool:
    """Whether the instant lies in the set; the end of an interval does not.

    >>> contains(((0, 4),), 0), contains(((0, 4),), 4)
    (True, False)
    """
    index = bisect_right(intervals, (instant, instant))
    if index < len(intervals) and intervals[index][0] == instant:
        return True
    return index > 0 and intervals[index - 1][1] > instant


def advance(intervals: Intervals, start: int, amount: int) -> int | None:
    """The first instant by which ``amount`` of the set has gone by since ``start``.

    It is how a delay that runs only in covered hours gets its deadline. With nothing to
    wait for it is ``start`` itself; None when the set ends too early to tell.

    >>> advance(((0, 4), (10, 20)), 2, 5)
    13
    >>> advance(((0, 4), (10, 20)), 2, 2)
    4
    >>> advance(((0, 4),), 2, 5) is None
    True
    """
    if amount <= 0:
        return start
    left = amount
    for begin, end in intervals:
        usable = end - max(begin, start)
        if usable <= 0:
            continue
        if usable >= left:
            return max(begin, start) + left
        left -= usable
    return None


def is_normal(intervals: Sequence[Interval]) -> bool:
    """Whether a sequence has the normal form.

    >>> is_normal(((0, 4), (4, 5)))
    False
    """
    return all(start < end for start, end in intervals) and all(
        before[1] < after[0] for before, after in pairwise(intervals)
    )
