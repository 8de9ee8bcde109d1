"""Statistics against plain sorted lists in which a lost sample is infinite."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core import stats

SAMPLES = st.lists(st.integers(0, 50), max_size=30)
LOST = st.integers(0, 10)
PERCENT = st.one_of(st.integers(0, 100), st.sampled_from(["99.9", "0.1", "33.3"]))


def in_order(samples: list[int], lost: int) -> list[float]:
    return sorted([*map(float, samples), *[math.inf] * lost])


@given(SAMPLES, LOST, PERCENT)
def test_a_percentile_is_the_smallest_sample_that_enough_do_not_exceed(
    samples: list[int], lost: int, percent: int | str
) -> None:
    every = in_order(samples, lost)
    result = stats.percentile(samples, percent, lost)
    if not every:
        assert result is None
        return
    enough = [
        value
        for value in every
        if Fraction(sum(other <= value for other in every), len(every)) * 100 >= Fraction(percent)
    ]
    assert result == min(enough)


@given(SAMPLES, LOST)
def test_summaries_agree_with_the_plain_list(samples: list[int], lost: int) -> None:
    summary = stats.distribution(samples, lost)
    every = in_order(samples, lost)
    assert (summary.sent, summary.answered, summary.lost) == (len(every), len(samples), lost)
    assert summary.mean() == (Fraction(sum(samples), len(samples)) if samples else None)
    assert summary.minimum == min(samples, default=None)
    assert summary.maximum == max(samples, default=None)
    for limit in (0, 25, 50):
        at_most = sum(value <= limit for value in every)
        at_least = sum(value >= limit for value in samples)
        assert summary.share_at_most(limit) == stats.share(at_most, len(every))
        assert summary.share_at_least(limit) == stats.share(at_least, len(every))


@given(SAMPLES.filter(bool), LOST)
def test_the_median_has_as_many_samples_below_as_above(samples: list[int], lost: int) -> None:
    every = in_order(samples, lost)
    middle = len(every) // 2
    expected = every[middle] if len(every) % 2 else (every[middle - 1] + every[middle]) / 2
    assert stats.distribution(samples, lost).median() == expected


@given(SAMPLES, LOST)
def test_losing_one_more_sample_never_lowers_a_percentile(samples: list[int], lost: int) -> None:
    before, after = (stats.percentile(samples, 95, count) for count in (lost, lost + 1))
    assert after is not None
    assert before is None or after >= before


def test_delay_variation_is_infinite_once_more_than_one_in_a_thousand_is_lost() -> None:
    answered = {10_000: 997, 12_500: 2}
    assert stats.from_counts(answered, lost=1).variation() == 2_500
    assert stats.from_counts(answered, lost=2).variation() == stats.INFINITE
    assert stats.from_counts({}, lost=2).variation() == stats.INFINITE
    assert stats.from_counts({}).variation() is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 5_000)), max_size=60))
def test_jitter_stays_within_a_unit_of_the_exact_formula(delays: list[int | None]) -> None:
    """RFC 3550, 6.4.1 in fractions, beside the integer form of its appendix A.8."""
    answered = [delay for delay in delays if delay is not None]
    exact = 0.0
    for before, after in pairwise(answered):
        exact += (abs(after - before) - exact) / 16
    jitter = stats.interarrival_jitter(delays)
    if len(answered) < 2:
        assert jitter is None
    else:
        assert jitter is not None
        assert abs(jitter - exact) <= 2


def test_a_trimmed_mean_leaves_out_the_slowest_twentieth() -> None:
    assert stats.trimmed_mean([1] * 95 + [1_000] * 5) == 1
    assert stats.trimmed_mean([7]) == 7
    assert stats.trimmed_mean([]) is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 100, got 101"):
        stats.percentile([1], 101)
    with pytest.raises(ValueError, match="fewer than 0 times"):
        stats.from_counts({1: 2}, lost=-1)
