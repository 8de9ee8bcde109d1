"""Throughput tests on a shaped line, by the real commands: rates, the queue, the budget."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from netwatch.clock import SystemClock
from netwatch.store.campaigns import Campaigns
from tests.adapters.campaign_samples import build_campaign
from tests.netlab import namespaces
from tests.netlab.namespaces import LabError
from tests.netlab.shaped import ShapedLine, write_config

pytestmark = [pytest.mark.lab, pytest.mark.slow]

_PROGRAM = Path(sys.executable).with_name("netwatch")
#: Of a frame of 1514 bytes, what is content.
_CONTENT = 1448 / 1514


@pytest.fixture(scope="module")
def line() -> Iterator[ShapedLine]:
    with ShapedLine(20, queue_ms=100) as laid:
        yield laid


@contextlib.contextmanager
def agent(line: ShapedLine, config: Path) -> Iterator[subprocess.Popen[str]]:
    """``netwatch run`` in the school, from when its page answers."""
    with config.with_name("agent.log").open("w", encoding="utf-8") as log:
        process = namespaces.popen(
            line.school, [str(_PROGRAM), "run", "--config", str(config)], stdout=log, stderr=log
        )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                namespaces.connect_in(line.school, ("127.0.0.1", 10779), 1).close()
                break
            time.sleep(0.1)
        else:
            raise LabError(config.with_name("agent.log").read_text(encoding="utf-8"))
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def run_speedtest(line: ShapedLine, config: Path, *options: str) -> tuple[int, Any]:
    command = [str(_PROGRAM), "speedtest", "--config", str(config), "--json", *options]
    done = namespaces.popen(line.school, command, stdout=subprocess.PIPE)
    output, _ = done.communicate(timeout=120)
    assert output.count("\n") == 1, output
    return done.returncode, json.loads(output)


def begin_speedtest(line: ShapedLine, config: Path) -> subprocess.Popen[str]:
    """A person's test, from when it is entered as begun."""
    command = [str(_PROGRAM), "speedtest", "--config", str(config), "--json"]
    process = namespaces.popen(line.school, command, stdout=subprocess.DEVNULL)
    for _ in range(300):
        if read_rows(config, "SELECT count(*) FROM bandwidth_begun") == [(1,)]:
            break
        time.sleep(0.1)
    return process


def read_rows(config: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(config.with_name("netwatch.db"))) as connection:
        return connection.execute(query).fetchall()


def ask_metrics(line: ShapedLine) -> dict[str, float]:
    with namespaces.connect_in(line.school, ("127.0.0.1", 10779)) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(65_536), b"")).decode()
    pairs = [each.rsplit(" ", 1) for each in text.splitlines() if each.startswith("netwatch_")]
    return {name: float(value) for name, value in pairs}


def test_a_test_finds_the_rate_and_the_queue_and_leaves_the_lines_latency_alone(
    line: ShapedLine, tmp_path: Path
) -> None:
    """Within 10 % of the queue that the shaper was given; no sample of it in the line's figures."""
    config = write_config(tmp_path / "agent.toml")
    with agent(line, config):
        time.sleep(6)
        code, told = run_speedtest(line, config)
        assert code == 0
        true = line.megabit_s * 125_000 * _CONTENT
        for name in ("down", "up"):
            direction = told[name]
            assert 0.97 <= direction["bytes_per_second"] / true <= 1.01, name
            assert 0.9 <= direction["loaded_rtt_us"] / line.queue_us <= 1.1, name
        assert told["grade"] == "C"
        assert told["idle_rtt_us"] < 5_000
        time.sleep(3)
        metrics = ask_metrics(line)
    # The queue is of 100 ms: had one sample of the test counted, it would be beyond 80.
    for number in range(3):
        low, every = (
            metrics[f'netwatch_rtt_seconds_bucket{{le="{bound}",target="server-{number}"}}']
            for bound in ("0.08", "+Inf")
        )
        assert low == every > 0
    assert metrics['netwatch_bandwidth_tests_total{engine="iperf3",result="valid"}'] <= 1
    ((due_ms, asked_by, samples),) = read_rows(
        config, "SELECT due_ms, asked_by, down_loaded_samples FROM bandwidth_circumstance"
    )
    assert (due_ms, asked_by) == (None, "person")
    assert samples >= 80


def test_the_budget_ends_a_test_and_refuses_the_next(line: ShapedLine, tmp_path: Path) -> None:
    """Never exceeded by more than a second of the line; then no byte more this month."""
    config = write_config(tmp_path / "agent.toml", monthly_budget='"20 MB"')
    with agent(line, config):
        run_speedtest(line, config, "--engine", "iperf3")
        ((moved,),) = read_rows(config, "SELECT sum(down_bytes + up_bytes) FROM bandwidth_test")
        assert 15_000_000 <= moved <= 20_000_000 + line.megabit_s * 125_000
        code, told = run_speedtest(line, config)
    assert (code, told["refused"]) == (1, "data_budget")
    assert read_rows(config, "SELECT count(*) FROM bandwidth_test") == [(1,)]


def test_a_test_that_is_killed_leaves_no_process_and_its_share_of_the_budget(
    line: ShapedLine, tmp_path: Path
) -> None:
    """Killed (−9) in mid-test: iperf3 ends by itself, and what it can have moved counts as used."""
    config = write_config(tmp_path / "agent.toml", monthly_budget='"1 GB"')
    with agent(line, config):
        process = begin_speedtest(line, config)
        time.sleep(3)
        before = list_programs(line.school)
        assert "iperf3" in before
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(100):
            if "iperf3" not in list_programs(line.school):
                break
            time.sleep(0.1)
        assert "iperf3" not in list_programs(line.school)
        code, told = run_speedtest(line, config)
    # All of the month was set aside for it; settled, it leaves room for the next.
    assert code == 0, told
    ((reserved, settled),) = read_rows(
        config,
        "SELECT reserved_bytes, settled_bytes FROM bandwidth_begun JOIN bandwidth_reserve"
        " USING (run_id, started_mono_ms) WHERE settled_bytes IS NOT NULL",
    )
    assert reserved == 1_000_000_000
    assert 3_000_000 < settled < 100_000_000


def test_the_agent_takes_a_slot_by_itself(line: ShapedLine, tmp_path: Path) -> None:
    """A campaign's slot comes: tested at its time, entered with it, shown and counted."""
    config = write_config(tmp_path / "agent.toml", per_day="0")
    with agent(line, config):
        pass  # the books are made
    slot_ms = SystemClock().wall_ms() + 12_000
    campaign = build_campaign(slot_ms, slot_ms - 12_000)
    Campaigns(config.with_name("netwatch.db")).enter(campaign)
    with agent(line, config) as process:
        for _ in range(700):
            if read_rows(config, "SELECT count(*) FROM bandwidth_test") == [(1,)]:
                break
            time.sleep(0.1)
        ((due_ms, asked_by, late_ms),) = read_rows(
            config, "SELECT due_ms, asked_by, started_ms - due_ms FROM bandwidth_circumstance"
        )
        assert (due_ms, asked_by) == (slot_ms, "campaign")
        assert 0 <= late_ms < 60_000
        time.sleep(2)
        metrics = ask_metrics(line)
        counted = [
            value
            for name, value in metrics.items()
            if name.startswith("netwatch_bandwidth_tests_total")
        ]
        assert sum(counted) == 1
        assert metrics["netwatch_bandwidth_test_timestamp_seconds"] * 1_000 >= slot_ms
        # The test's memory went back with its process.
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        resident_kib = int(status.split("VmRSS:")[1].split()[0])
        assert resident_kib < 45_000
    assert read_rows(config, "SELECT count(*) FROM bandwidth_skip") == [(0,)]


def list_programs(namespace: str) -> list[str]:
    """The names of what runs in a namespace."""
    names = []
    for number in namespaces.run("ip", "netns", "pids", namespace).split():
        with contextlib.suppress(OSError):
            names.append(Path(f"/proc/{number}/comm").read_text(encoding="ascii").strip())
    return names
