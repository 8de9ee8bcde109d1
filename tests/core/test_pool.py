"""Many distributions as one, and columns taken apart together: the same as one by one."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.columns import add_lanes, pack_column, unpack_column, unpack_planes
from netwatch.core.pool import pool
from netwatch.core.stats import distribution, from_ordered, merge

PARTS = st.lists(
    st.tuples(st.lists(st.integers(0, 50), max_size=30), st.integers(0, 3)), max_size=5
)


@settings(deadline=None)
@given(PARTS, st.fractions(0, 100))
def test_a_pool_says_what_the_merged_distribution_says(
    parts: list[tuple[list[int], int]], percent: Fraction
) -> None:
    """Every figure that a report takes from it, whether its parts are pools themselves or not."""
    single = [distribution(samples, lost) for samples, lost in parts]
    merged = merge(single)
    for pooled in (pool(single), pool([pool(single[:2]), *single[2:]])):
        assert (pooled.sent, pooled.answered, pooled.lost) == (
            merged.sent, merged.answered, merged.lost,
        )  # fmt: skip
        assert pooled.minimum == merged.minimum
        assert pooled.mean() == merged.mean()
        assert pooled.loss() == merged.loss()
        assert pooled.median() == merged.median()
        assert pooled.percentile(percent) == merged.percentile(percent)
        assert pooled.variation() == merged.variation()


@given(st.dictionaries(st.integers(0, 10**9), st.integers(1, 9)), st.integers(0, 3))
def test_counts_in_order_are_a_distribution(counts: dict[int, int], lost: int) -> None:
    """As if each sample had been given by itself."""
    values = sorted(counts)
    quick = from_ordered(values, [counts[value] for value in values], lost)
    slow = distribution([value for value in values for _ in range(counts[value])], lost)
    assert (list(quick.values), list(quick.cumulated)) == (list(slow.values), list(slow.cumulated))
    assert (quick.sent, quick.mean()) == (slow.sent, slow.mean())


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.integers(-(2**40), 2**61), min_size=1, max_size=6)
        | st.lists(st.integers(0, 300), min_size=1, max_size=6),
        min_size=1,
        max_size=5,
    )
)
def test_columns_taken_apart_together_are_the_same_as_one_by_one(values: list[list[int]]) -> None:
    """Of any width, with bases below zero too."""
    column = pack_column(values)
    counts = [len(each) for each in values]
    length = sum(counts)
    planes = [column.planes[at : at + length] for at in range(0, length * column.width, length)]
    together = list(add_lanes(planes, column.bases, counts))
    assert together == [value for each in unpack_column(column, counts) for value in each]
    assert together == [value for each in values for value in each]
    if planes:
        assert len(unpack_planes(planes)) == length
