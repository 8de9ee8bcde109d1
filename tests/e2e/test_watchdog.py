"""What systemd is told: from the work itself, and no longer once that stands still."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.e2e.agent_process import AgentProcess, lone_network, write_config


def test_the_watchdog_is_fed_by_the_process_that_works_and_by_no_other(tmp_path: Path) -> None:
    """READY, the verdict in one line, WATCHDOG often enough; silence while stopped; STOPPING."""
    config = write_config(
        tmp_path, tmp_path / "netwatch.db", latency={"interval": "1s", "timeout": "900ms"}
    )
    period_s = 3.0
    with (
        lone_network() as network,
        AgentProcess(network, config, watchdog_us=int(period_s * 1e6)) as agent,
    ):
        agent.await_ready()
        agent.wait_for(lambda: "STATUS=up" in [text for _, text in agent.told], "is not up")

        def count_beats() -> int:
            return sum(text == "WATCHDOG=1" for _, text in agent.told)

        agent.wait_for(lambda: count_beats() >= 6, "does not feed the watchdog")
        agent.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        before = count_beats()
        time.sleep(2 * period_s)
        assert count_beats() == before
        agent.process.send_signal(signal.SIGCONT)
        agent.wait_for(lambda: count_beats() >= before + 2, "does not go on after a stop")
        assert agent.end() == 0
        texts = [text for _, text in agent.told]
    assert texts[0].splitlines() == ["READY=1", "STATUS=measuring"]
    assert "STOPPING=1" in texts
    assert all(len(text.splitlines()) == 1 for text in texts[1:])


def test_the_watchdog_of_another_process_is_left_alone(tmp_path: Path) -> None:
    """Without a watchdog of ours nothing but the state is told."""
    config = write_config(tmp_path, tmp_path / "netwatch.db")
    with lone_network() as network, AgentProcess(network, config) as agent:
        agent.await_ready()
        agent.wait_for(lambda: agent.read_status()["link"]["verdict"] == "up", "is not up")
        assert agent.end() == 0
        texts = [text for _, text in agent.told]
    assert not [text for text in texts if "WATCHDOG" in text]
    assert "STATUS=up" in texts
