"""The waits between two ndt7 tests: M-Lab's etiquette for devices that nobody sits at."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.ndt7_pace import MAX_WAIT_MS, MEAN_WAIT_MS, MIN_WAIT_MS, draw_ndt7_wait_ms

UNITS = st.floats(0, 1, exclude_max=True)


@given(UNITS, UNITS)
def test_a_wait_lies_within_the_bounds_and_grows_with_the_number(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert MIN_WAIT_MS <= draw_ndt7_wait_ms(low) <= draw_ndt7_wait_ms(high) <= MAX_WAIT_MS


def test_the_mean_of_many_waits_is_the_clamped_exponential_s() -> None:
    """E = a + mean * (e^(-a/mean) - e^(-b/mean)) for one clamped to [a, b]: 5.54 h."""
    generator = random.Random(20_261_123)
    waits = [draw_ndt7_wait_ms(generator.random()) for _ in range(20_000)]
    assert MEAN_WAIT_MS == 21_600_000
    assert abs(sum(waits) / len(waits) - 5.536 * 3_600_000) < 0.1 * 3_600_000
    assert min(waits) == MIN_WAIT_MS
    assert max(waits) == MAX_WAIT_MS


@pytest.mark.parametrize("number", [-0.1, 1.0, float("nan")])
def test_a_number_outside_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not in"):
        draw_ndt7_wait_ms(number)
