"""How near the processor came to being the limit: real processes, held to a share of a core."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.groups import CpuGroup
from netwatch.agent.bandwidth_host import (
    CoreTime,
    HostReader,
    HostSample,
    PortBytes,
    find_pressure,
    find_rate,
    parse_cores,
)
from netwatch.core.test_validity import SATURATED_PERMILLE

BUSY = "while True: pass"
IDLE = "import time\nwhile True: time.sleep(0.05)"


def watch(command: list[str]) -> int | None:
    """The pressure of a process over a second and a half."""
    process = subprocess.Popen(command)
    try:
        time.sleep(0.5)
        reader, samples = HostReader(), []
        for _ in range(4):
            samples.append(reader.read(time.monotonic_ns() // 1_000_000, None, process.pid))
            time.sleep(0.5)
        tasks_alone = [
            HostSample(at_ms=each.at_ms, cores=(), tasks=each.tasks, port=None, temperature_mc=None)
            for each in samples
        ]
        return find_pressure(tasks_alone, samples[0].at_ms, samples[-1].at_ms)
    finally:
        process.kill()
        process.wait()


def test_a_thread_that_never_sleeps_is_at_its_limit() -> None:
    pressure = watch([sys.executable, "-S", "-c", BUSY])
    assert pressure is not None
    assert pressure >= SATURATED_PERMILLE


def test_one_that_mostly_waits_is_not_however_busy_others_are() -> None:
    """Waiting for the network is no pressure: the line, not this machine, sets the pace."""
    pressure = watch([sys.executable, "-S", "-c", IDLE])
    assert pressure is not None
    assert pressure < SATURATED_PERMILLE


def test_a_process_held_to_a_tenth_of_a_core_is_at_its_limit_too() -> None:
    """It runs for little of the time and waits for the rest: a quota is a small processor."""
    with CpuGroup("pressure") as group:
        group.limit(0.1)
        pressure = watch(group.entering([sys.executable, "-S", "-c", BUSY]))
    assert pressure is not None
    assert pressure >= SATURATED_PERMILLE


def test_what_a_process_has_started_is_watched_as_well() -> None:
    """iperf3 is the test process's child: its pressure is the test's."""
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {BUSY!r}])"
    process = subprocess.Popen([sys.executable, "-S", "-c", script], start_new_session=True)
    try:
        time.sleep(0.7)
        reader = HostReader()
        first = reader.read(time.monotonic_ns() // 1_000_000, None, process.pid)
        assert len(first.tasks) == 2
        assert process.pid in dict(first.tasks)
    finally:
        subprocess.run(["kill", "-9", "--", f"-{process.pid}"], check=True)
        process.wait()


def test_a_core_that_serves_the_network_alone_is_a_limit() -> None:
    """On a small board one core takes all interrupts of the port: it is full before the rest."""

    def look(at_ms: int, *cores: tuple[int, int, int]) -> HostSample:
        return HostSample(
            at_ms=at_ms,
            cores=tuple(CoreTime(busy=b, softirq=s, total=t) for b, s, t in cores),
            tasks=(),
            port=None,
            temperature_mc=None,
        )

    served = [look(0, (0, 0, 0), (0, 0, 0)), look(1_000, (98, 80, 100), (10, 0, 100))]
    assert find_pressure(served, 0, 1_000) == 980
    others = [look(0, (0, 0, 0), (0, 0, 0)), look(1_000, (100, 5, 100), (10, 0, 100))]
    assert find_pressure(others, 0, 1_000) is None


def test_a_machine_that_tells_nothing_is_not_known(tmp_path: Path) -> None:
    """No `/proc`, no `/sys`, a port that has gone: None, and no exception."""
    reader = HostReader(sys_root=str(tmp_path), proc_root=str(tmp_path))
    sample = reader.read(5, "eth9", 4_711)
    assert (sample.cores, sample.tasks, sample.port, sample.temperature_mc) == ((), (), None, None)
    assert find_pressure([sample, sample], 0, 10) is None


def test_the_hottest_zone_is_told(tmp_path: Path) -> None:
    for number, text in enumerate(("41000", "62500", "broken")):
        zone = tmp_path / f"class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text, encoding="ascii")
    assert HostReader(sys_root=str(tmp_path)).read(0, None).temperature_mc == 62_500


def test_a_line_of_stat_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cores("cpu0 one two three four five six seven eight")


def test_counters_that_began_anew_give_no_rate() -> None:
    """A port that was reset between two looks: not known, and not a giant."""
    assert find_rate(PortBytes(down=10**9, up=5), PortBytes(down=3, up=9), 1_000) is None
    assert find_rate(PortBytes(down=1, up=1), PortBytes(down=2, up=2), 0) is None
