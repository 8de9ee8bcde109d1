"""A round trip's length, whatever the wall clock does meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netwatch.probes.icmp_rtt import STEP_NS, RoundTrip, Stamps, compute_round_trip

SECOND = 1_000_000_000
NOON = 1_790_000_000 * SECOND  # the wall clock's lead over the monotonic one

durations = st.integers(min_value=0, max_value=3 * SECOND)
steps = st.integers(min_value=-SECOND * 86_400, max_value=SECOND * 86_400)


def build_stamps(
    *, wait: int, trip: int, nap: int, step: int = 0, step_after_answer: bool = False
) -> Stamps:
    """Sent at 0, on the wire after ``wait``, answered after ``trip``, read after ``nap``."""
    left, came = wait, wait + trip
    return Stamps(
        sent_ns=0,
        sent_offset_ns=NOON,
        tx_wall_ns=NOON + left,
        rx_wall_ns=NOON + came + (0 if step_after_answer else step),
        read_ns=came + nap,
        read_offset_ns=NOON + step,
    )


@given(wait=durations, trip=durations, nap=durations)
def test_without_a_step_it_is_the_wires_time(wait: int, trip: int, nap: int) -> None:
    """Being late before and after does not bend the round trip by a nanosecond."""
    trip_found = compute_round_trip(build_stamps(wait=wait, trip=trip, nap=nap))
    assert trip_found == RoundTrip(rtt_ns=trip, kernel_timed=True, clock_stepped=False)


@given(wait=durations, trip=durations, nap=durations, step=steps, after=st.booleans())
def test_a_step_never_makes_it_negative_or_longer_than_seen(
    wait: int, trip: int, nap: int, step: int, after: bool
) -> None:
    """With a step of up to a day, before or after the answer, it stays within what we saw."""
    stamps = build_stamps(wait=wait, trip=trip, nap=nap, step=step, step_after_answer=after)
    found = compute_round_trip(stamps)
    assert 0 <= found.rtt_ns <= stamps.read_ns + 2 * STEP_NS
    assert found.clock_stepped == (abs(step) > STEP_NS)


@given(
    wait=durations,
    trip=durations,
    nap=st.integers(min_value=0, max_value=SECOND // 10),
    step=st.one_of(
        st.integers(min_value=4 * SECOND + 1, max_value=86_400 * SECOND),
        st.integers(min_value=-86_400 * SECOND, max_value=-7 * SECOND),
    ),
    after=st.booleans(),
)
def test_a_great_step_costs_no_accuracy(
    wait: int, trip: int, nap: int, step: int, after: bool
) -> None:
    """When only one side of the step can be true, the kernel's stamps are still used."""
    found = compute_round_trip(
        build_stamps(wait=wait, trip=trip, nap=nap, step=step, step_after_answer=after)
    )
    assert found == RoundTrip(rtt_ns=trip, kernel_timed=True, clock_stepped=True)


def test_an_ambiguous_step_falls_back_to_our_own_time() -> None:
    """A step of 5 ms may have been before or after the answer: our own reading is used."""
    stamps = build_stamps(wait=0, trip=20_000_000, nap=8_000_000, step=5_000_000)
    assert compute_round_trip(stamps) == RoundTrip(
        rtt_ns=28_000_000, kernel_timed=False, clock_stepped=True
    )


def test_without_kernel_stamps_it_is_our_own_time() -> None:
    """A kernel that stamps nothing leaves us with what we read ourselves."""
    stamps = Stamps(
        sent_ns=5,
        sent_offset_ns=NOON,
        tx_wall_ns=None,
        rx_wall_ns=None,
        read_ns=20_000_005,
        read_offset_ns=NOON,
    )
    assert compute_round_trip(stamps) == RoundTrip(
        rtt_ns=20_000_000, kernel_timed=False, clock_stepped=False
    )


def test_a_stamp_outside_what_we_saw_is_not_believed() -> None:
    """A departure before we sent is somebody's mistake, not a longer round trip."""
    stamps = Stamps(
        sent_ns=SECOND,
        sent_offset_ns=NOON,
        tx_wall_ns=NOON,
        rx_wall_ns=NOON + SECOND + 20_000_000,
        read_ns=SECOND + 21_000_000,
        read_offset_ns=NOON,
    )
    assert compute_round_trip(stamps).rtt_ns == 20_000_000
