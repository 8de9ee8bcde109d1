"""The backlog: bounded, and what leaves it is counted in the order of its worth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netwatch.store.backlog import Backlog
from netwatch.store.batch import Batch
from tests.adapters.store_samples import answered, batch, span


def make(number: int, observations: int, spans: int) -> Batch:
    return batch(
        number * 100 + 100,
        *(span(number * 100 + each, number * 100 + each + 1) for each in range(spans)),
        observations=[answered("box", number * 100 + each) for each in range(observations)],
        counters={("probes", "box"): observations},
        sequence=number,
    )


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=60))
def test_nothing_leaves_uncounted(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever is put in, taken and settled: what came is held, settled or counted as dropped."""
    backlog = Backlog(max_observations=20, max_spans=8, max_batches=5)
    came = [0, 0, 0]
    settled = [0, 0, 0]

    def add_up(batches: tuple[Batch, ...]) -> list[int]:
        return [
            sum(len(each.observations) for each in batches),
            sum(len(each.spans) for each in batches),
            sum(each.counters.get(("probes", "box"), 0) for each in batches),
        ]

    for number, (observations, spans, settle) in enumerate(steps, start=1):
        came = [came[0] + observations, came[1] + spans, came[2] + observations]
        backlog.add(make(number, observations, spans))
        assert backlog.observations <= 20
        if settle:
            taken = backlog.take(2)
            settled = [a + b for a, b in zip(settled, add_up(taken), strict=True)]
            backlog.settle(len(taken))
    held = add_up(backlog.take(10**6))
    assert came[0] == held[0] + settled[0] + backlog.dropped_observations
    assert came[1] == held[1] + settled[1] + backlog.dropped_spans
    assert came[2] == held[2] + settled[2]
    assert held[1] <= 8
    sequences = [each.sequence for each in backlog.take(10**6)]
    assert sequences == sorted(sequences, key=lambda sequence: sequence or 0)


def test_what_was_tried_is_not_joined() -> None:
    """A batch whose commit may have taken hold keeps its own sequence."""
    backlog = Backlog(max_observations=0, max_batches=2)
    backlog.add(make(1, 1, 1))
    backlog.take(1)
    for number in range(2, 6):
        backlog.add(make(number, 1, 1))
    assert [each.sequence for each in backlog.take(9)] == [1, 5]


def test_the_oldest_raw_rows_go_first() -> None:
    """Over the bound the newest observations are the ones that stay."""
    backlog = Backlog(max_observations=5)
    for number in range(1, 4):
        backlog.add(make(number, 2, 0))
    assert [len(each.observations) for each in backlog.take(9)] == [0, 2, 2]
    assert backlog.dropped_observations == 2
