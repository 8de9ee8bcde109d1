"""Tests that are not made, do not count or are cut off: told in the books and everywhere else."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netwatch.agent.bandwidth_world import build_quiet
from netwatch.clock import SystemClock
from netwatch.config.load import load_settings
from netwatch.core.bandwidth_plan import PlannedTest, plan_between
from netwatch.core.calendars import covered_windows
from netwatch.core.data_budget import STILL_BYTES
from tests.netlab import namespaces
from tests.netlab.shaped import SERVERS, ShapedLine, write_config
from tests.netlab.test_bandwidth import (
    _PROGRAM,
    agent,
    ask_metrics,
    begin_speedtest,
    list_programs,
    read_rows,
)

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PARIS = ZoneInfo("Europe/Paris")
#: A slot is looked for so far ahead: the agent has to be up by then.
_FROM_MS, _UNTIL_MS = 9_000, 24_000
_CONTRACT = (
    '[circuit]\nreference = "lab"\n[circuit.contract]\n'
    'guaranteed_down = "20 Mbit/s"\nguaranteed_up = "20 Mbit/s"\n'
)


@pytest.fixture(scope="module")
def line() -> Iterator[ShapedLine]:
    with ShapedLine(20, queue_ms=100) as laid:
        yield laid


def write_site(folder: Path, site: str, **bandwidth: str) -> Path:
    """A configuration of one of many schools: each draws its own times."""
    config = write_config(folder / "agent.toml", **bandwidth)
    text = config.read_text(encoding="utf-8").replace('id = "ecole"', f'id = "{site}"')
    config.write_text(text.replace("[clock]", f"{_CONTRACT}[clock]"), encoding="utf-8")
    return config


def choose_site(
    folder: Path, fits: Callable[[PlannedTest], bool], **bandwidth: str
) -> tuple[Path, int]:
    """A school that has a slot in some seconds: its configuration, and the slot (UTC)."""
    config = write_site(folder, "ecole", **bandwidth)
    settings = load_settings(config)
    quiet = build_quiet(settings.bandwidth)
    for number in range(4_000):
        site = f"ecole-{number}"
        now_ms = SystemClock().wall_ms()
        for planned in plan_between(
            site,
            now_ms + _FROM_MS,
            now_ms + _UNTIL_MS,
            PARIS,
            per_day=settings.bandwidth.per_day,
            read_quiet=lambda from_ms, to_ms: covered_windows(quiet, PARIS, from_ms, to_ms),
        ):
            if fits(planned):
                return write_site(folder, site, **bandwidth), planned.at_ms
    raise AssertionError("no school has such a slot")


def wait_for_skip(config: Path, slot_ms: int) -> str:
    for _ in range(900):
        for due_ms, reason in read_rows(config, "SELECT due_ms, reason FROM bandwidth_skip"):
            if due_ms == slot_ms:
                return str(reason)
        time.sleep(0.1)
    raise AssertionError(config.with_name("agent.log").read_text(encoding="utf-8"))


def ask_page(line: ShapedLine, path: str = "/") -> str:
    with namespaces.connect_in(line.school, ("127.0.0.1", 10779)) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\nAccept-Language: en\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65_536), b"")).decode()


def run_command(line: ShapedLine, config: Path, *words: str) -> str:
    done = namespaces.popen(
        line.school,
        [str(_PROGRAM), *words, "--config", str(config)],
        stdout=subprocess.PIPE,
        cwd=config.parent,
    )
    output, _ = done.communicate(timeout=120)
    return output


def read_report(config: Path) -> dict[str, object]:
    """The month's own report, as JSON: of what the agent has entered when it ends."""
    folder = config.parent / "report"
    command = [str(_PROGRAM), "report", "--config", str(config), "--output", str(folder)]
    more = ["--month", f"{datetime.now(PARIS):%Y-%m}", "--format", "json", "--lang", "en"]
    subprocess.run([*command, *more], check=True, capture_output=True, timeout=120)
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]  # an object


def expect_told(line: ShapedLine, config: Path, reason: str, words: str) -> None:
    """Metric, status and page: the same skip in each."""
    for _ in range(100):  # what is shown is read anew by the next turn
        metrics = ask_metrics(line)
        if metrics.get(f'netwatch_bandwidth_skips_total{{reason="{reason}"}}') == 1:
            break
        time.sleep(0.1)
    else:
        raise AssertionError(metrics)
    status = run_command(line, config, "status")
    assert f"({reason.replace('_', ' ')})" in status
    assert f"({words})" in ask_page(line)


def test_quiet_hours_that_leave_no_time_skip_the_slot(line: ShapedLine, tmp_path: Path) -> None:
    """All day long: the slot comes, and has its row instead of a test."""
    config, slot_ms = choose_site(
        tmp_path,
        lambda planned: planned.skip == "quiet_hours",
        per_day="48",
        quiet_hours='["mon-sun 00:00-24:00"]',
    )
    with agent(line, config):
        assert wait_for_skip(config, slot_ms) == "quiet_hours"
        expect_told(line, config, "quiet_hours", "quiet hours")
    assert read_report(config)["skipped"] == {"quiet_hours": 1}
    assert read_rows(config, "SELECT count(*) FROM bandwidth_begun") == [(0,)]


def test_a_budget_that_is_used_up_skips_the_slot(line: ShapedLine, tmp_path: Path) -> None:
    config, slot_ms = choose_site(
        tmp_path, lambda planned: planned.skip is None, per_day="48", monthly_budget='"500 kB"'
    )
    with agent(line, config):
        assert wait_for_skip(config, slot_ms) == "data_budget"
        expect_told(line, config, "data_budget", "month’s data used up")
    assert read_report(config)["skipped"] == {"data_budget": 1}
    assert read_rows(config, "SELECT count(*) FROM bandwidth_begun") == [(0,)]


def test_a_line_that_others_use_is_left_alone(line: ShapedLine, tmp_path: Path) -> None:
    """A third of it in use; quiet hours are near, so that it cannot be put off: skipped."""
    found = None
    for minutes in (3, 4):  # it is begun three minutes before them at the latest
        begins = datetime.now(PARIS) + timedelta(minutes=minutes)
        ends = begins + timedelta(minutes=30)
        window = f'["mon-sun {begins:%H:%M}-{ends:%H:%M}"]'
        with contextlib.suppress(AssertionError):
            found = choose_site(
                tmp_path,
                lambda planned: planned.skip is None and planned.until_ms - planned.at_ms < 50_000,
                per_day="48",
                quiet_hours=window,
            )
            break
    assert found is not None
    config, slot_ms = found
    traffic = ["iperf3", "-c", SERVERS[0], "-u", "-b", "6M", "-t", "120"]
    others = namespaces.popen(line.school, traffic, stdout=subprocess.DEVNULL)
    try:
        with agent(line, config):
            assert wait_for_skip(config, slot_ms) == "busy_link"
            expect_told(line, config, "busy_link", "line in use by others")
        assert read_report(config)["skipped"] == {"busy_link": 1}
        assert read_rows(config, "SELECT count(*) FROM bandwidth_begun") == [(0,)]
    finally:
        others.kill()
        others.wait()


def read_carried(line: ShapedLine) -> int:
    """What the school's port has received and sent."""
    text = namespaces.run(
        *("ip", "netns", "exec", line.school, "ip", "-j", "-s", "link", "show", "eth0")
    )
    [port] = json.loads(text)
    return int(port["stats64"]["rx"]["bytes"]) + int(port["stats64"]["tx"]["bytes"])


def test_an_agent_that_is_killed_in_mid_test_is_settled_by_what_the_port_carried(
    line: ShapedLine, tmp_path: Path
) -> None:
    """Killed (-9): the port says 10 Gbit/s and 30 GB were set aside; some MB were moved."""
    config, slot_ms = choose_site(tmp_path, lambda planned: planned.skip is None, per_day="48")
    with contextlib.suppress(ProcessLookupError), agent(line, config) as process:
        for _ in range(900):
            if read_rows(config, "SELECT count(*) FROM bandwidth_begun") == [(1,)]:
                break
            time.sleep(0.1)
        else:
            raise AssertionError(config.with_name("agent.log").read_text(encoding="utf-8"))
        begun = read_carried(line)
        time.sleep(6)
        assert "iperf3" in list_programs(line.school)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        moved = read_carried(line) - begun
    ((reserved,),) = read_rows(config, "SELECT reserved_bytes FROM bandwidth_begun")
    assert reserved == 30_000_000_000
    assert moved > 5_000_000
    with agent(line, config):
        for _ in range(100):
            metrics = ask_metrics(line)
            used = metrics["netwatch_bandwidth_budget_used_bytes"]
            if 0 < used < reserved:  # 0 before the books were first read
                break
            time.sleep(0.1)
        after = read_carried(line) - begun
        assert moved <= used <= after + STILL_BYTES + 2_000_000
        assert wait_for_skip(config, slot_ms) == "interrupted"
        expect_told(line, config, "interrupted", "cut off")
    assert read_report(config)["skipped"] == {"interrupted": 1}
    assert read_rows(config, "SELECT settled_by FROM bandwidth_reserve") == [("interfaces",)]


def test_a_persons_test_that_is_killed_is_settled_by_the_agent_beside_it(
    line: ShapedLine, tmp_path: Path
) -> None:
    """The lock falls, the agent sees it: no test has to come for the budget to be true again."""
    config = write_config(tmp_path / "agent.toml", per_day="0")
    with agent(line, config):
        process = begin_speedtest(line, config)
        begun = read_carried(line)
        time.sleep(4)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        moved = read_carried(line) - begun
        for _ in range(200):
            used = ask_metrics(line)["netwatch_bandwidth_budget_used_bytes"]
            if moved <= used < 1_000_000_000:
                break
            time.sleep(0.1)
        assert moved <= used <= read_carried(line) - begun + STILL_BYTES + 2_000_000


@contextlib.contextmanager
def fiftieth_of_a_core() -> Iterator[Callable[[str], object]]:
    """Processes that are handed in are held to 2 ms of each 100: bench's groups begin at a tenth."""
    root = Path("/sys/fs/cgroup")
    unified = (root / "cgroup.controllers").exists()
    group = (root if unified else root / "cpu") / f"netwatch-manners-{secrets.token_hex(3)}"
    group.mkdir()
    try:
        if unified:
            (group / "cpu.max").write_text("2000 100000", encoding="ascii")
        else:
            (group / "cpu.cfs_period_us").write_text("100000", encoding="ascii")
            (group / "cpu.cfs_quota_us").write_text("2000", encoding="ascii")
        yield lambda pid: (group / "cgroup.procs").write_text(pid, encoding="ascii")
    finally:
        for _ in range(100):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


def test_a_processor_that_is_the_limit_marks_the_result(tmp_path: Path) -> None:
    """Held to a fiftieth of a core on a fast line: the row says so, and all that shows it."""
    config = write_config(tmp_path / "agent.toml", per_day="0")
    line = ShapedLine(400, queue_ms=20)
    with line, agent(line, config), fiftieth_of_a_core() as hold:
        command = [str(_PROGRAM), "speedtest", "--config", str(config), "--json"]
        process = namespaces.popen(line.school, command, stdout=subprocess.PIPE)
        while process.poll() is None:  # one iperf3 for each direction
            for pid in namespaces.run("ip", "netns", "pids", line.school).split():
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "iperf3\n":
                        hold(pid)
            time.sleep(0.1)
        output, _ = process.communicate(timeout=120)
        told = json.loads(output)
        assert "device_limited" in {told[name]["invalid"] for name in ("down", "up")}, told
        for _ in range(100):
            metrics = ask_metrics(line)
            name = 'netwatch_bandwidth_tests_total{engine="iperf3",result="device_limited"}'
            if metrics.get(name) == 1:
                break
            time.sleep(0.1)
        else:
            raise AssertionError(metrics)
        assert "does not count: device limited" in run_command(line, config, "status")
        assert "limited by this device, not by the line" in ask_page(line)
    invalid = read_report(config)["invalid"]
    assert isinstance(invalid, dict)
    assert invalid["device_limited"] >= 1
