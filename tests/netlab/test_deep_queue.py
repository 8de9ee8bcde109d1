"""A small line with a queue of seconds: our own test silences every ping, and is no outage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwatch.records import Outcome
from netwatch.store.queries import Reader
from tests.netlab.shaped import ShapedLine, write_config
from tests.netlab.test_bandwidth import agent, ask_metrics, read_rows, run_speedtest

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def deep_line() -> Iterator[ShapedLine]:
    """Twice the pings' timeout fits into its queue."""
    with ShapedLine(2, queue_ms=4_000) as laid:
        yield laid


def test_a_queue_that_our_own_test_fills_is_no_outage(
    deep_line: ShapedLine, tmp_path: Path
) -> None:
    """Pings time out by the dozen while it is full; neither the line's verdict nor its incidents know."""
    config = write_config(tmp_path / "agent.toml", per_day="0")
    with agent(deep_line, config):
        time.sleep(8)  # the line is seen to be up
        _, told = run_speedtest(deep_line, config)  # iperf3 itself may give up in such a queue
        assert told["down"]["bytes"] + told["up"]["bytes"] > 3_000_000, told
        time.sleep(12)  # the queue empties, and all that was sent is settled
        metrics = ask_metrics(deep_line)
    ((began_ms, ended_ms),) = read_rows(
        config,
        "SELECT started_ms, started_ms + ended_mono_ms - started_mono_ms FROM bandwidth_circumstance",
    )
    lost = sum(
        observation.outcome is Outcome.FAILED
        for _, observation in Reader(config.with_name("netwatch.db")).read_observations(
            began_ms, ended_ms
        )
    )
    assert lost >= 12
    verdicts = read_rows(config, "SELECT DISTINCT verdict FROM span WHERE layer = 'link'")
    assert ("down",) not in verdicts
    # No resolver answers in this lab at any time: that alone is an incident here.
    incidents = {
        name: value
        for name, value in metrics.items()
        if name.startswith("netwatch_incidents_total")
    }
    assert incidents
    assert not any(value for name, value in incidents.items() if 'cause="dns"' not in name)
