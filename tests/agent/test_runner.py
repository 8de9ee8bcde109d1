"""The runner: what it hears is entered, with a machine on paper around it."""

from __future__ import annotations

from netwatch.agent.events import LineLoaded, Stop, TcpRound
from netwatch.clock import SystemClock
from netwatch.records import Observation, Role, Round, RoundProbe
from netwatch.store.batch import Batch
from tests.agent.runner_world import build_runner
from tests.agent.test_evidence import FakeOutside


class FakeWithoutPings(FakeOutside):
    """No right to ICMP sockets; keeps what was submitted."""

    icmp_kind = "none"

    def __init__(self) -> None:
        super().__init__()
        self.observations: list[Observation] = []

    def submit(self, batch: Batch, *, urgent: bool) -> None:
        del urgent
        self.observations += batch.observations


def test_without_pings_the_connections_are_kept_and_shown() -> None:
    """A verdict by TCP has its probes in the books, on the page and in the metrics."""
    outside, clock = FakeWithoutPings(), SystemClock()
    runner = build_runner(outside, clock)
    now_ms = clock.monotonic_ms()
    answered = {"cloudflare": 10_000, "google": None}
    probes = tuple(
        RoundProbe(
            target_id=name,
            role=Role.INTERNET,
            sent_ms=now_ms,
            rtt_us=rtt_us,
            reason=None if rtt_us else "timeout",
        )
        for name, rtt_us in answered.items()
    )
    runner.events.put(
        TcpRound(round=Round(number=1, burst=False, probes=probes, settled_ms=now_ms + 950))
    )
    runner.events.put(Stop())
    runner.run()
    kept = {each.check_id: each.measures.get("rtt_us") for each in outside.observations}
    assert kept == answered
    shown = {
        target.summary.target: target.summary.answered for target in runner.build_snapshot().targets
    }
    assert (shown["cloudflare"], shown["google"], shown["quad9"]) == (True, False, None)


def test_what_is_heard_under_our_own_load_is_no_latency_of_the_line() -> None:
    """Shown as answering, kept in the books, and in no figure of the target's window."""
    outside, clock = FakeWithoutPings(), SystemClock()
    runner = build_runner(outside, clock)
    now_ms = clock.monotonic_ms()

    def hear(sent_ms: int, rtt_us: int) -> None:
        probe = RoundProbe(
            target_id="cloudflare", role=Role.INTERNET, sent_ms=sent_ms, rtt_us=rtt_us
        )
        runner.events.put(
            TcpRound(round=Round(number=1, burst=False, probes=(probe,), settled_ms=sent_ms + 300))
        )

    hear(now_ms, 10_000)
    runner.events.put(LineLoaded(loaded=True, at_ms=now_ms + 1_000))
    hear(now_ms + 2_000, 250_000)
    runner.events.put(LineLoaded(loaded=False, at_ms=now_ms + 3_000))
    hear(now_ms + 4_000, 12_000)
    runner.events.put(Stop())
    runner.run()
    assert [each.measures["rtt_us"] for each in outside.observations] == [10_000, 250_000, 12_000]
    (target,) = (
        each for each in runner.build_snapshot().targets if each.summary.target == "cloudflare"
    )
    assert (target.summary.sent, target.summary.maximum_us, target.probes) == (2, 12_000, 2)
    assert target.summary.answered
