"""How fast a backlog leaves, what that costs, and how old the newest minute is when it arrives.

A month of one site with five targets (`bench.month_store`) goes to a real VictoriaMetrics
on this machine, started with the options of `deploy/central`, in a network namespace of
their own: by the pump alone, by the pump at a quarter of a core (run to its end, not
extrapolated), and by the whole agent at a quarter of a core, measuring meanwhile. Then the
agent runs without the quota, and each new minute is timed from its end to the instant at
which the server has it: once begun so that a minute is handed over soon after its end, once
so that it has just not been settled then and waits for the next time.

Needs root. ``python -m bench.push --inside`` is the part that runs in the namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.groups import CpuGroup
from bench.month_store import write_month
from bench.push_child import describe, read_resident_mib

_ROOT = Path(__file__).parent.parent
_OPTIONS = _ROOT / "deploy/central/victoria-metrics.args"
_TARGETS = 5
_SHARE = 0.25
_VICTORIA_PORT, _PAGE_PORT = 18428, 10779
_URL = f"http://127.0.0.1:{_VICTORIA_PORT}"
_RATE_GOAL = 2_000
_BACKLOG_GOAL_S = 600.0
_RESIDENT_GOAL_MIB = 62.0  # 65 MB
_GROWTH_GOAL_MIB = 3.0
_DELAY_GOAL_S = 90.0
#: In which second of a minute the agent is started; it hands over once a minute from then on.
_BEGINNINGS = {"soon": 20, "late": 1}
_ADDRESSES = """
ip link set lo up
ip link add nwbench type veth peer name nwbench-far
ip link set nwbench up
ip link set nwbench-far up
ip address add 192.0.2.2/24 dev nwbench
ip route add default via 192.0.2.1
"""


def run(minutes: int = 3) -> dict[str, Any]:
    """The figures; ``minutes`` is how many new ones are timed."""
    command = [
        *("unshare", "--net", "sh", "-ec", f'{_ADDRESSES}\nexec "$@"', "sh"),
        *(sys.executable, "-m", "bench.push", "--inside", str(minutes)),
    ]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = msgspec.json.decode(done.stdout)
    return figures


def measure(minutes: int) -> dict[str, Any]:
    """All of it, in the network namespace that this process has."""
    with tempfile.TemporaryDirectory(prefix="netwatch-bench-") as place:
        folder = Path(place)
        token = folder / "influx.token"
        token.write_text("bench\n", encoding="ascii")
        write_month(folder / "month", _TARGETS)
        figures: dict[str, Any] = {
            "what": f"a month of {_TARGETS} targets to VictoriaMetrics",
            "goal": f"at least {_RATE_GOAL} points a second; a month's backlog in 10 minutes at "
            "a quarter of a core; resident memory flat and at most 65 MB; the newest minute "
            "there 90 s after its end",
        }
        with victoria(folder / "one"):
            figures["drain"] = drain(folder, None)
        with victoria(folder / "two"):
            figures["drain_quarter_of_a_core"] = drain(folder, _SHARE)
        with victoria(folder / "three"):
            figures["agent"] = run_agent(folder)
            figures["delay"] = {
                name: time_agent(folder, second, minutes) for name, second in _BEGINNINGS.items()
            }
    agent, whole = figures["agent"], figures["drain"]
    figures["reached"] = (
        whole["points_per_second"] >= _RATE_GOAL
        and figures["drain_quarter_of_a_core"]["took_s"] <= _BACKLOG_GOAL_S
        and agent["backlog_quarter_of_a_core_s"] <= _BACKLOG_GOAL_S
        and agent["peak_mib"] <= _RESIDENT_GOAL_MIB
        and max(agent["growth_mib"], whole["growth_mib"]) <= _GROWTH_GOAL_MIB
        and max(each["worst_s"] for each in figures["delay"].values()) <= _DELAY_GOAL_S
    )
    return figures


def drain(folder: Path, share: float | None) -> dict[str, Any]:
    """The pump alone, in a process of its own, from the first minute again."""
    forget_cursor(folder)
    command = [
        *(sys.executable, "-OO", "-m", "bench.push_child"),
        *(str(folder / "month/netwatch.db"), _URL, str(folder / "influx.token")),
    ]
    with contextlib.ExitStack() as stack:
        if share is not None:
            group = stack.enter_context(CpuGroup("push"))
            group.limit(share)
            command = [*group.entering(command), "--wait"]
        done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    return {
        "points": told["points"],
        "took_s": round(told["took_s"], 1),
        "points_per_second": round(told["points"] / told["took_s"]),
        "cpu_s": round(told["cpu_s"], 1),
        "peak_mib": told["peak_mib"],
        "growth_mib": told["growth_mib"],
    }


def forget_cursor(folder: Path) -> None:
    """The month is all to be sent again."""
    with contextlib.closing(sqlite3.connect(folder / "month/netwatch.db")) as connection:
        connection.execute("DELETE FROM outlet_settled")
        connection.commit()


def run_agent(folder: Path) -> dict[str, Any]:
    """The whole agent with that month behind it: at a quarter of a core until nothing waits."""
    forget_cursor(folder)
    with CpuGroup("push-agent") as group:
        group.limit(_SHARE)
        with agent(folder, group) as (child, started):
            took_s, accepted, resident = wait_until_drained(child, started)
            used_s = group.used_s()
            group.limit(None)
    return {
        "backlog_quarter_of_a_core_s": round(took_s, 1),
        "points": accepted,
        "cpu_s": round(used_s, 1),
        **describe(resident),
    }


def time_agent(folder: Path, second: int, minutes: int) -> dict[str, Any]:
    """How old new minutes are when the server has them, by an agent begun in that second."""
    time.sleep((second - time.time()) % 60)
    with CpuGroup("push-delay") as group, agent(folder, group) as (child, started):
        wait_until_drained(child, started)
        delays = time_minutes(minutes)
    return {
        "minutes": len(delays),
        "median_s": round(statistics.median(delays), 1),
        "worst_s": round(max(delays), 1),
    }


@contextlib.contextmanager
def agent(folder: Path, group: CpuGroup) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The agent's process in that group, and when it was started."""
    config = folder / "agent.toml"
    config.write_text(build_config(folder), encoding="utf-8")
    command = [sys.executable, "-m", "netwatch.cli.main", "run", "--config", str(config)]
    with (folder / "agent.log").open("ab") as log:
        started = time.monotonic()
        child = subprocess.Popen(
            group.entering(command), stdout=log, stderr=subprocess.STDOUT, cwd=_ROOT
        )
        try:
            yield child, started
        finally:
            child.terminate()
            child.wait()


def wait_until_drained(
    child: subprocess.Popen[bytes], started: float
) -> tuple[float, int, list[float]]:
    """Seconds from the process's start, points accepted, and resident MiB meanwhile."""
    resident: list[float] = []
    while time.monotonic() - started < 2 * _BACKLOG_GOAL_S:
        if child.poll() is not None:
            raise RuntimeError(f"the agent ended with {child.returncode}")
        time.sleep(2)
        metrics = read_metrics()
        if metrics.get("netwatch_push_points_total", 0) > 0:
            resident.append(read_resident_mib(child.pid))
            if metrics.get("netwatch_spool_rows", 10**6) <= 2:
                accepted = int(metrics["netwatch_push_points_total"])
                return time.monotonic() - started, accepted, resident
    raise RuntimeError("the backlog is not drained after twice the time")


def read_metrics() -> dict[str, float]:
    """The first sample of each name; none while the agent does not answer yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{_PAGE_PORT}/metrics", timeout=10) as got:
            text = got.read().decode()
    except OSError:
        return {}
    samples: dict[str, float] = {}
    for name, value in re.findall(r"^(\w+)(?:\{[^\n]*\})? (\S+)$", text, re.MULTILINE):
        samples.setdefault(name, float(value))
    return samples


def time_minutes(count: int) -> list[float]:
    """Seconds from the end of each new minute until the server has its point."""
    known = set(read_minutes())
    delays: list[float] = []
    while len(delays) < count:
        time.sleep(1)
        now_s = time.time()
        for start_s in set(read_minutes()) - known:
            known.add(start_s)
            delays.append(now_s - start_s - 60)
    return delays


def read_minutes() -> list[float]:
    """The beginnings of the ledger's newest minutes that the server has."""
    with urllib.request.urlopen(f"{_URL}/internal/force_flush"):
        pass
    address = f"{_URL}/api/v1/export?match[]=netwatch_ledger_up_ms&start={time.time() - 900:.0f}"
    with urllib.request.urlopen(address) as answer:
        return [at_ms / 1000 for line in answer for at_ms in json.loads(line)["timestamps"]]


def build_config(folder: Path) -> str:
    """Five targets that answer, everything else as it is by default."""
    head = f"""
[site]
id = "bench"
[clock]
trusted = true
[store]
path = "{folder}/month/netwatch.db"
[http]
listen = "127.0.0.1:{_PAGE_PORT}"
[influx]
url = "{_URL}"
org = "ville"
bucket = "netwatch"
token_file = "{folder}/influx.token"
"""
    return head + "".join(
        f'[[target]]\nname = "target-{index}"\nrole = "internet"\naddress = "127.0.1.{index}"\n'
        for index in range(1, _TARGETS + 1)
    )


@contextlib.contextmanager
def victoria(folder: Path) -> Iterator[None]:
    """VictoriaMetrics as the centre runs it."""
    command = [
        *("victoria-metrics", f"-storageDataPath={folder}", "-retentionPeriod=100y"),
        *(f"-httpListenAddr=127.0.0.1:{_VICTORIA_PORT}", "-loggerLevel=ERROR"),
        *_OPTIONS.read_text(encoding="ascii").split(),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{_URL}/health"):
                break
            time.sleep(0.1)
        else:
            raise RuntimeError("VictoriaMetrics does not answer")
        yield
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        # Whatever is printed on the way must not be in the figures.
        figures_to = os.dup(1)
        os.dup2(2, 1)
        found = measure(int(sys.argv[2]))
        os.write(figures_to, json.dumps(found).encode())
    else:
        print(json.dumps(run(), indent=2))
