"""The agent's memory over simulated hours: bounded here; days and their slopes are `make soak`'s."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.memory import Course, Held, judge, simulate

#: What glibc takes from the kernel at a time, twice, and a page of SQLite's cache beside it.
GROWTH_BYTES = 512 * 1024
KIB = 1024
LEAK_BYTES = 1024
WARM_UP_HOURS, LAST_HOUR = 72, 120


def build_course(
    *, resident_kib_a_day: float = 0, objects_a_day: float = 0, malloc_kib_a_day: float = 0
) -> Course:
    """A settled agent as it was measured, to and fro included, and growth on top of it."""
    tenths = range(LAST_HOUR * 10 + 1)
    quarters = range(LAST_HOUR // 6 + 1)
    return Course(
        resident=[
            (
                tenth / 10,
                int(KIB * (36_640 + 4 * (tenth % 7) + resident_kib_a_day * tenth / 240)),
            )
            for tenth in tenths
        ],
        held=[
            Held(
                hour=quarter * 6,
                objects=int(109_000 + 50 * (quarter % 5) + objects_a_day * quarter / 4),
                malloc_bytes=int(
                    KIB * (6_960 + (quarter * 7) % 4 + malloc_kib_a_day * quarter / 4)
                ),
            )
            for quarter in quarters
        ],
    )


def test_three_simulated_hours_do_not_grow_the_agent() -> None:
    """Ten thousand probes an hour, scrapes and looks at the page: after the first hour it has its size."""
    samples = simulate(3).resident
    assert [at for at, _ in samples] == [round(step / 10, 1) for step in range(31)]
    warm = max(held for at, held in samples if at <= 1.1)
    assert samples[-1][1] - warm <= GROWTH_BYTES


def test_a_kilobyte_leaked_each_minute_is_held_and_counted() -> None:
    """Places that were freed before hide it from what resides for hours, not from what is held."""
    hours = 6
    with ThreadPoolExecutor(2) as pool:
        sound, leaking = pool.map(
            lambda leak: simulate(hours, page=False, leak_bytes_a_minute=leak), (0, LEAK_BYTES)
        )
    leaked = hours * 60 * LEAK_BYTES
    more = leaking.held[-1].malloc_bytes - sound.held[-1].malloc_bytes
    assert [each.hour for each in leaking.held] == [0, hours]
    assert leaked * 0.9 < more < leaked * 1.2


def test_an_agent_that_has_settled_is_flat() -> None:
    """What comes and goes is no slope."""
    figures = judge(build_course(), WARM_UP_HOURS)
    assert figures["resident_flat"]
    assert figures["held_flat"]
    assert figures["flat"]


@pytest.mark.parametrize(
    "growth",
    [
        {"resident_kib_a_day": 1_440},  # a KiB a minute
        {"resident_kib_a_day": 90},
        {"malloc_kib_a_day": 1_440},
        {"malloc_kib_a_day": 10},
        {"objects_a_day": 1_440},  # an object a minute
        {"objects_a_day": 150},
    ],
)
def test_growth_of_any_kind_is_not_flat(growth: dict[str, float]) -> None:
    """Each question can be answered with no by itself."""
    assert not judge(build_course(**growth), WARM_UP_HOURS)["flat"]


def test_an_interval_too_wide_to_show_a_leak_is_no_proof() -> None:
    """Noise is not flatness: who cannot tell a leak from none has not measured."""
    course = build_course()
    noisy = [
        (at, held + 8 * KIB * KIB * (int(at) // 24 % 2 if at < 100 else 1))
        for at, held in course.resident
    ]
    figures = judge(course._replace(resident=noisy), WARM_UP_HOURS)
    assert not figures["resident_flat"]
