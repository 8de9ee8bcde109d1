"""The real agent on a disk that refuses, and after the power went: it measures on, says so, and catches up."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

from netwatch.agent.ledger_books import AgentBooks
from netwatch.records import Cause, Span, Verdict
from netwatch.store.queries import Reader
from tests.adapters.store_samples import small_disk
from tests.adapters.test_store_disk import fill
from tests.e2e.agent_process import AgentProcess, lone_network, write_config

QUICK = {"interval": "1s", "timeout": "900ms"}
#: What every life has at its two ends: not watched yet, and not settled any more.
EDGES = {"starting", "unrecorded"}


def read_reason(agent: AgentProcess) -> str | None:
    """Why the books cannot be written, by the metrics page."""
    metrics = agent.get("/metrics")[1]
    found: list[str] = re.findall(r'netwatch_store_failing\{reason="(\w+)"\} 1\.0', metrics)
    assert len(found) <= 1
    return found[0] if found else None


def read_ledger(path: Path) -> list[Span]:
    """From the first start to the end of the last run."""
    now_ms = round(time.time() * 1000)
    runs = Reader(path).read_runs(0, now_ms)
    first_ms, last_ms = runs[0].started_ms, runs[-1].ended_ms
    assert first_ms is not None
    assert last_ms is not None
    return AgentBooks(Reader(path), dict, lambda: None).read_ledger(first_ms, last_ms)


def test_an_agent_that_starts_on_a_full_disk_measures_says_so_and_catches_up(
    tmp_path: Path,
) -> None:
    """In memory from the first second on; page, metric and log tell; totals only once they are true."""
    with small_disk(tmp_path / "disk", "3m") as disk, lone_network() as network:
        path = disk / "netwatch.db"
        config = write_config(tmp_path, path, latency=QUICK, store={"commit_interval": "1s"})
        filler = fill(disk)
        with AgentProcess(network, config) as agent:
            agent.await_ready()
            agent.wait_for(lambda: agent.read_status()["link"]["verdict"] == "up", "is not up")
            up_at_ms = time.time() * 1000
            assert read_reason(agent) == "full"
            assert "netwatch_link_seconds_total" not in agent.get("/metrics")[1]
            assert "The card is full" in agent.get("/")[1]
            time.sleep(3)
            filler.unlink()
            agent.wait_for(lambda: read_reason(agent) is None, "does not write again", 90)
            agent.wait_for(
                lambda: "netwatch_link_seconds_total" in agent.get("/metrics")[1],
                "does not know its totals",
            )
            assert "The card is full" not in agent.get("/")[1]
            assert agent.end() == 0
            log = agent.read_log()
        assert log.count("the disk is full") == 1
        assert log.count("the books are written again") == 1
        assert "Traceback" not in log
        ledger = read_ledger(path)
        up = [entry for entry in ledger if entry.verdict is Verdict.UP]
        assert up
        assert up[0].start_ms < up_at_ms
        assert {entry.reason for entry in ledger if entry.cause is Cause.AGENT} <= EDGES


def test_a_disk_that_fills_up_under_the_agent_costs_nothing(tmp_path: Path) -> None:
    """While it is full the page and the metric say so; all of that time is in the books afterwards."""
    with small_disk(tmp_path / "disk", "3m") as disk, lone_network() as network:
        path = disk / "netwatch.db"
        config = write_config(tmp_path, path, latency=QUICK, store={"commit_interval": "1s"})
        with AgentProcess(network, config, watchdog_us=3_000_000) as agent:
            agent.await_ready()
            agent.wait_for(lambda: agent.read_status()["link"]["verdict"] == "up", "is not up")
            up_at_ms = time.time() * 1000
            assert read_reason(agent) is None
            filler = fill(disk)
            agent.wait_for(lambda: read_reason(agent) == "full", "does not notice", 90)
            assert agent.read_status()["store"]["failing"] == "full"
            assert "disk_full" in agent.read_status()["notices"]
            # A full disk is no hang: the watchdog goes on being told.
            beats = sum(text == "WATCHDOG=1" for _, text in agent.told)
            time.sleep(4)
            assert sum(text == "WATCHDOG=1" for _, text in agent.told) > beats
            assert agent.read_status()["link"]["verdict"] == "up"
            filler.unlink()
            agent.wait_for(lambda: read_reason(agent) is None, "does not write again", 90)
            assert agent.end() == 0
            log = agent.read_log()
        assert log.count("the disk is full") == log.count("the books are written again") == 1
        assert "Traceback" not in log
        ledger = read_ledger(path)
        (whole,) = (entry for entry in ledger if entry.reason not in EDGES)
        assert whole.verdict is Verdict.UP
        assert whole.start_ms < up_at_ms
        observed = [
            each.due_ms
            for _, each in Reader(path).read_observations(ledger[0].start_ms, ledger[-1].end_ms)
            if each.check_id == "net0"
        ]
        gaps = [later - before for before, later in itertools.pairwise(observed)]
        assert max(gaps) < 5_000


def test_another_boot_after_no_leave_is_a_power_loss_and_the_same_boot_a_crash(
    tmp_path: Path,
) -> None:
    """What the gap is called rests on the kernel's name of the boot, here laid over by hand."""
    path = tmp_path / "netwatch.db"
    config = write_config(tmp_path, path, latency=QUICK, store={"commit_interval": "1s"})
    with lone_network() as network:
        for boot in ("a", "a", "b"):
            named = tmp_path / f"boot-{boot}"
            named.write_text(f"{boot * 8}-0000-4000-8000-000000000000\n")
            script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
            before = ("unshare", "-m", "sh", "-c", script, str(named))
            with AgentProcess(network, config, before=before) as agent:
                agent.await_ready()
                agent.wait_for(lambda: agent.read_status()["link"]["verdict"] == "up", "is not up")
                time.sleep(1)
    reasons = [entry.reason for entry in read_ledger(path) if entry.cause is Cause.AGENT]
    assert [reason for reason in reasons if reason not in EDGES] == ["crashed", "power_loss"]
