"""Goodput and responsiveness: arithmetic over what was counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.goodput import Sample, is_spent, is_stalled, measure_goodput
from netwatch.core.responsiveness import LoadedDelays, tell_responsiveness


@given(rate=st.integers(1, 10**10), step_ms=st.integers(1, 500), warm_up_ms=st.integers(0, 3_000))
def test_a_steady_stream_reads_its_own_rate_whatever_the_looks(
    rate: int, step_ms: int, warm_up_ms: int
) -> None:
    """To the byte that a whole sample rounds away."""
    samples = [
        Sample(at_ms=at_ms, moved_bytes=rate * at_ms // 1_000)
        for at_ms in range(0, 10_001, step_ms)
    ]
    goodput = measure_goodput(samples, warm_up_ms, 10_000)
    assert goodput is not None
    error = abs(goodput.bytes_per_second - rate)
    assert error <= 1 + 2_000 // (goodput.to_ms - goodput.from_ms)


def test_slow_start_is_left_out() -> None:
    """Two seconds of nearly nothing change no figure."""
    samples = [
        Sample(at_ms=at_ms, moved_bytes=at_ms if at_ms < 2_000 else 2_000 + 100 * (at_ms - 2_000))
        for at_ms in range(0, 12_001, 200)
    ]
    goodput = measure_goodput(samples, 2_000, 12_000)
    assert goodput is not None
    assert goodput.bytes_per_second == 100_000


def test_a_count_that_went_back_is_no_rate_below_nothing() -> None:
    samples = [Sample(at_ms=0, moved_bytes=10), Sample(at_ms=9, moved_bytes=4)]
    goodput = measure_goodput(samples, 0, 9)
    assert goodput is not None
    assert goodput.moved_bytes == 0


@pytest.mark.parametrize(
    ("last_moved_ms", "stalled"),
    [([0], True), ([0, 0], True), ([0, 4_000], False), ([0, 0, 0, 4_000], True), ([4_000], False)],
)
def test_a_stall_is_of_more_than_half_of_the_streams(
    last_moved_ms: list[int], stalled: bool
) -> None:
    assert is_stalled(last_moved_ms, 5_000, 3_000) is stalled


@given(
    rate=st.integers(1, 10**9),
    budget=st.integers(1, 10**10),
    looks=st.integers(2, 200),
)
def test_a_steady_stream_never_exceeds_its_allowance(rate: int, budget: int, looks: int) -> None:
    """It is stopped at the look before the one that would be too much."""
    samples: list[Sample] = []
    for look in range(looks):
        samples.append(Sample(at_ms=200 * look, moved_bytes=rate * look))
        if is_spent(samples, budget):
            break
    assert samples[-1].moved_bytes <= budget or len(samples) <= 2


def test_one_slow_answer_in_twenty_does_not_move_the_responsiveness() -> None:
    """Trimmed means at the 95th percentile."""
    even = LoadedDelays(
        tcp_us=[20_000] * 20,
        tls_us=[],
        http_us=[20_000] * 20,
        http_loaded_us=[20_000] * 20,
    )
    odd = LoadedDelays(
        tcp_us=[20_000] * 19 + [900_000],
        tls_us=[],
        http_us=[20_000] * 20,
        http_loaded_us=[20_000] * 20,
    )
    assert tell_responsiveness(even) == tell_responsiveness(odd) == 3_000


def test_too_few_delays_are_no_responsiveness() -> None:
    few = LoadedDelays(
        tcp_us=[1_000] * 20, tls_us=[], http_us=[1_000] * 20, http_loaded_us=[1_000] * 3
    )
    assert tell_responsiveness(few) is None
