"""The agent's memory over simulated hours: bounded here; two days and their slope are `make soak`'s."""

from __future__ import annotations

from bench.memory import simulate

#: What glibc takes from the kernel at a time, twice, and a page of SQLite's cache beside it.
GROWTH_BYTES = 512 * 1024


def test_three_simulated_hours_do_not_grow_the_agent() -> None:
    """Ten thousand probes an hour, scrapes and looks at the page: after the first hour it has its size."""
    samples = simulate(3)
    assert [at for at, _ in samples] == [round(step / 10, 1) for step in range(31)]
    warm = max(held for at, held in samples if at <= 1.1)
    assert samples[-1][1] - warm <= GROWTH_BYTES
