"""SIGKILL at random instants of the real agent: nothing committed is lost, nothing is entered twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from netwatch.records import Cause, Span, Verdict
from tests.e2e.kill_campaign import Seen, Tally, compare, judge_incidents, kill_again_and_again


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_25_kills_under_load_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Books sound after each kill, every minute whole, the gaps ours; 200 of them: `make soak`."""
    tally = kill_again_and_again(tmp_path, 25, seed=20261124, longest_life_s=2.5)
    assert tally.faults == []
    assert tally.kills == 25
    assert tally.observations > 0
    assert tally.seen_rows > 0
    assert tally.incidents > 0
    # Some die while they start, most in the middle of the work.
    assert tally.kills_before_ready < 15
    assert tally.largest_gap_ms <= tally.allowed_gap_ms


def test_the_campaign_would_notice_what_is_lost() -> None:
    """A batch, a count or a raw row that was seen and is not there, or is another, is a loss."""
    seen = Seen(sequences={1: 4}, counters={("probes", "box"): 12}, rows={7: 11, 8: 12})
    whole, tally = Seen(sequences={1: 5}, counters={("probes", "box"): 15}, rows=seen.rows), Tally()
    compare(whole, seen, tally)
    assert tally.faults == []
    compare(Seen(sequences={1: 3}, counters={}, rows={7: 11, 8: 99}), seen, tally)
    assert tally.lost == [
        "run 1: batch 4 was seen",
        "('probes', 'box'): 12 was seen",
        "raw row 8 was seen",
    ]


def test_the_campaign_would_notice_an_outage_that_is_counted_twice_or_not_at_all() -> None:
    """Each stretch of down counts once, under its first cause, whatever cause it goes on with."""

    def span(verdict: Verdict, cause: Cause | None, start_ms: int, end_ms: int) -> Span:
        return Span(verdict=verdict, cause=cause, start_ms=start_ms, end_ms=end_ms)

    ledger = [
        span(Verdict.DOWN, Cause.ACCESS, 0, 10),
        span(Verdict.DOWN, Cause.GATEWAY, 10, 60),
        span(Verdict.UNKNOWN, Cause.AGENT, 60, 70),
        span(Verdict.DOWN, Cause.GATEWAY, 70, 80),
    ]
    tally = Tally()
    judge_incidents(Counter({Cause.ACCESS: 1, Cause.GATEWAY: 1}), ledger, tally)
    assert tally.faults == []
    judge_incidents(Counter({Cause.ACCESS: 1, Cause.GATEWAY: 2, Cause.DNS: 1}), ledger, tally)
    assert sorted(tally.wrong_totals) == [
        "dns: 1 incidents are counted, 0 are in the ledger",
        "gateway: 2 incidents are counted, 1 are in the ledger",
    ]
