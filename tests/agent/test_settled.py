"""What a batch says of itself: before which instant nothing of it changes any more."""

from __future__ import annotations

import pytest

from netwatch.agent.events import Stop, TcpRound
from netwatch.agent.recorder import Recorder
from netwatch.clock import SystemClock
from netwatch.records import Role, Round, RoundProbe
from netwatch.store.batch import Batch
from tests.agent.runner_world import build_runner
from tests.agent.test_evidence import FakeOutside


class FakeKeeper(FakeOutside):
    """Keeps the batches, with whether they were urgent."""

    icmp_kind = "none"

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[Batch, bool]] = []

    def submit(self, batch: Batch, *, urgent: bool) -> None:
        self.batches.append((batch, urgent))


def test_a_commit_says_what_is_settled_and_one_in_a_hurry_does_not() -> None:
    """A change of the verdict comes without observations: no minute is whole by it."""
    outside, clock = FakeKeeper(), SystemClock()
    runner = build_runner(outside, clock)
    now_ms = clock.monotonic_ms()
    probes = tuple(
        RoundProbe(target_id=name, role=Role.INTERNET, sent_ms=now_ms, rtt_us=9_000)
        for name in ("cloudflare", "google")
    )
    runner.events.put(
        TcpRound(round=Round(number=1, burst=False, probes=probes, settled_ms=now_ms + 20))
    )
    runner.events.put(Stop())
    runner.run()
    hurried = [batch for batch, urgent in outside.batches if urgent]
    whole = [batch for batch, urgent in outside.batches if not urgent]
    assert hurried
    assert all(batch.settled_mono_ms is None for batch in hurried)
    assert whole
    for batch in whole:
        assert batch.settled_mono_ms is not None
        assert batch.settled_mono_ms <= batch.watched_to_mono_ms


@pytest.mark.parametrize(("with_observations", "told"), [(True, 40), (False, None)])
def test_the_recorder_passes_it_on_with_the_observations_alone(
    *, with_observations: bool, told: int | None
) -> None:
    """What is settled of spans says nothing of probes that are not in the batch."""
    batch = Recorder({}).take_batch(
        anchor=None,
        watched_to_ms=50,
        spans=(),
        with_observations=with_observations,
        settled_ms=40,
    )
    assert batch.settled_mono_ms == told
