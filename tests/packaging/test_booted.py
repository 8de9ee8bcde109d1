"""The package on a device that is booted: it measures, survives, reports, is upgraded."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import CONFIG, TOKEN, Grounds
from tests.packaging.debian_tree import Device
from tests.packaging.limits import limit_group

#: The first of them waits for the package and the tree.
pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]
AGENT = "netwatch-agent.service"


def wait_until_answering(device: Device, *, other_than: str = "") -> str:
    """The agent's process, once its page answers."""

    def answers() -> bool:
        if device.show(AGENT, "MainPID") in {"0", other_than}:
            return False
        return device.scrape("/api/v1/status", TOKEN) != ""

    device.wait("the agent answers", answers)
    return device.show(AGENT, "MainPID")


def test_it_measures_with_one_capability_and_a_secret_of_root_alone(device: Device) -> None:
    """Pings are answered through CAP_NET_RAW; the token that only root may read is asked for."""
    process = wait_until_answering(device)

    def is_up() -> bool:
        answer = device.scrape("/api/v1/status", TOKEN)
        return answer != "" and json.loads(answer)["link"]["verdict"] == "up"

    device.wait("the line is up", is_up)
    assert device.scrape(token="a guess") == ""
    status = device.do("cat", f"/proc/{process}/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["CapEff"] == facts["CapBnd"] == f"{1 << 13:016x}"
    assert facts["NoNewPrivs"] == "1"
    assert facts["Uid"].split()[0] != "0"


def test_the_units_are_verified_in_silence_and_enabled(device: Device) -> None:
    """`systemd-analyze verify` where they are installed; no file of ours is a conffile."""
    units = ("netwatch-agent.service", "netwatch-report.service", "netwatch-report.timer")
    verified = device.run("systemd-analyze", "verify", *units)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    enabled = device.do("systemctl", "is-enabled", AGENT, "netwatch-report.timer")
    assert enabled.split() == ["enabled", "enabled"]
    assert device.do("dpkg-query", "--showformat=${Conffiles}", "--show", "netwatch") == ""


def test_it_is_started_again_after_a_kill(device: Device) -> None:
    """SIGKILL, as the kernel sends it where memory ends."""
    killed = wait_until_answering(device)
    device.do("sh", "-c", f"kill -KILL {killed}")
    assert wait_until_answering(device, other_than=killed) != killed


def test_a_process_that_hangs_is_replaced_by_the_watchdog(device: Device) -> None:
    """SIGSTOP: nothing is said any more, and systemd acts on it. The period is cut for the test."""
    drop_in = device.tree / "run-watchdog.conf"
    drop_in.write_text("[Service]\nWatchdogSec=6s\n", encoding="utf-8")
    device.do("mkdir", "-p", f"/run/systemd/system/{AGENT}.d")
    device.do("cp", "/run-watchdog.conf", f"/run/systemd/system/{AGENT}.d/watchdog.conf")
    device.do("systemctl", "daemon-reload")
    device.do("systemctl", "restart", AGENT)
    stopped = wait_until_answering(device)
    device.do("sh", "-c", f"kill -STOP {stopped}")
    assert wait_until_answering(device, other_than=stopped) != stopped
    assert "watchdog" in device.do("journalctl", "--no-pager", "--unit", AGENT).lower()
    device.do("rm", "-r", f"/run/systemd/system/{AGENT}.d")
    device.do("systemctl", "daemon-reload")


def test_the_report_is_due_on_the_first_of_a_month_and_can_be_written(device: Device) -> None:
    """The timer is listed; the hardened service writes every form, PDF included."""
    assert "netwatch-report.timer" in device.do("systemctl", "list-timers", "--no-pager")
    assert "OnCalendar=*-*-01 04:00:00" in device.show("netwatch-report.timer", "TimersCalendar")
    wait_until_answering(device)
    device.do("systemctl", "start", "netwatch-report.service")
    assert device.show("netwatch-report.service", "Result") == "success"
    reports = device.do("sh", "-c", "cd /var/lib/netwatch/reports && ls netwatch-device-*")
    assert {"report.fr.pdf", "report.fr.html", "report.json"} <= set(reports.split())


def test_the_timer_makes_up_for_a_month_that_turned_while_the_device_was_off(
    device: Device,
) -> None:
    """Due at four on the first of a month; a first that passed unseen is made up for at the start."""
    due = device.do(
        "systemd-analyze", "calendar", "--base-time=2026-10-31 23:59:00", "*-*-01 04:00:00"
    )
    assert "Next elapse: Sun 2026-11-01 04:00:00" in due
    device.do("sh", "-c", "rm -rf /var/lib/netwatch/reports")
    folder = "/run/systemd/system/netwatch-report.timer.d"
    # Without the spreading over two hours, which a test would wait for.
    device.do("sh", "-c", f"mkdir -p {folder} && printf '[Timer]\nRandomizedDelaySec=0\n' "
              f">{folder}/now.conf && systemctl daemon-reload")  # fmt: skip
    device.do("systemctl", "stop", "netwatch-report.timer")
    # It last ran in the middle of the month before.
    device.do("touch", "--date=last month", "/var/lib/systemd/timers/stamp-netwatch-report.timer")
    device.do("systemctl", "start", "netwatch-report.timer")
    device.wait(
        "the report is written",
        lambda: (
            device.run("sh", "-c", "ls /var/lib/netwatch/reports/*/report.json").returncode == 0
        ),
    )
    device.do("rm", "-r", folder)
    device.do("systemctl", "daemon-reload")


def test_it_lives_within_64_mb_and_a_tenth_of_a_core(device: Device) -> None:
    """Limits from outside: it starts, measures and shows its page, and is not ended for memory."""
    folder = f"/run/systemd/system/{AGENT}.d"
    run = "/usr/bin/netwatch run --config /etc/netwatch/agent.toml"
    waits = f"[Service]\nExecStart=\nExecStart=/bin/sh -c 'while test ! -e /run/go; do sleep 0.1; done; exec {run}'\n"
    (device.tree / "waits.conf").write_text(waits, encoding="utf-8")
    device.do("sh", "-c", f"rm -f /run/go; mkdir -p {folder} && cp /waits.conf {folder}/")
    device.do("systemctl", "daemon-reload")
    with limit_group(memory_bytes=64_000_000, core_share=0.1) as group:
        device.do("systemctl", "restart", "--no-block", AGENT)

        def waits_in_a_shell() -> bool:
            process = device.show(AGENT, "MainPID")
            return process != "0" and device.do("cat", f"/proc/{process}/comm").strip() == "sh"

        device.wait("a shell waits", waits_in_a_shell)
        process = device.show(AGENT, "MainPID")
        group.enter(device.find_on_host(process))
        device.do("touch", "/run/go")
        assert wait_until_answering(device) == process

        def is_up() -> bool:
            return '"verdict":"up"' in device.scrape("/api/v1/status", TOKEN).replace(" ", "")

        device.wait("the line is up", is_up)
        for path in ("/?lang=fr", "/?lang=en", "/metrics", "/api/v1/status"):
            assert device.scrape(path, TOKEN) != "", path
        assert device.show(AGENT, "MainPID") == process
        assert group.count_ended_for_memory() == 0
        device.do("systemctl", "stop", AGENT)
    device.do("rm", "-r", folder)
    device.do("systemctl", "daemon-reload")
    device.do("systemctl", "start", AGENT)
    wait_until_answering(device)


def test_an_upgrade_and_the_way_back_keep_books_and_configuration(
    device: Device, grounds: Grounds, tmp_path: Path
) -> None:
    """A later version over this one, then this one over it: the agent measures on."""
    wait_until_answering(device)
    version, later = build_later(grounds.package, device.tree / "root/2.deb", tmp_path)
    begun = count_runs(device)
    for number, (package, expected) in enumerate(
        (("2.deb", later), ("netwatch.deb", version)), start=1
    ):
        before = wait_until_answering(device)
        device.do("dpkg", "--force-unsafe-io", "--install", f"/root/{package}")
        wait_until_answering(device, other_than=before)
        shown = device.do("dpkg-query", "--showformat=${Version}", "--show", "netwatch")
        assert shown == expected
        assert count_runs(device) == begun + number
    assert (device.tree / "etc/netwatch/agent.toml").read_text(encoding="utf-8") == CONFIG


def test_books_of_a_later_version_are_refused_untouched_and_the_journal_says_so(
    device: Device,
) -> None:
    """The way back from a version that has changed the form of the books."""
    wait_until_answering(device)
    device.do("systemctl", "stop", AGENT)
    known = ask_books(device, "SELECT value FROM meta WHERE key = 'schema_version'")
    change = "UPDATE meta SET value = '{}' WHERE key = 'schema_version'"
    ask_books(device, change.format(9999))
    device.run("systemctl", "start", "--no-block", AGENT)
    said = "a later netwatch wrote it"
    device.wait(
        "the journal says why",
        lambda: said in device.do("journalctl", "--no-pager", "--unit", AGENT),
    )
    device.do("systemctl", "stop", AGENT)
    assert ask_books(device, "SELECT value FROM meta WHERE key = 'schema_version'") == "9999"
    ask_books(device, change.format(known))
    device.do("systemctl", "start", AGENT)
    wait_until_answering(device)


def build_later(package: Path, later: Path, folder: Path) -> tuple[str, str]:
    """The same package under a later version: only what dpkg is told of it differs."""
    control = folder / "control"
    subprocess.run(["dpkg-deb", "--control", package, control], check=True)
    text = (control / "control").read_text(encoding="utf-8")
    version = text.split("Version: ")[1].split("\n")[0]
    (control / "control").write_text(
        text.replace(f"Version: {version}", f"Version: {version}+later"), encoding="utf-8"
    )
    later.write_bytes(package.read_bytes())
    subprocess.run(["tar", "-cJf", folder / "control.tar.xz", "-C", control, "."], check=True)
    subprocess.run(["ar", "r", later, folder / "control.tar.xz"], check=True)
    return version, f"{version}+later"


def count_runs(device: Device) -> int:
    """How many lives of the agent the books tell of."""
    return int(ask_books(device, "SELECT count(*) FROM run"))


def ask_books(device: Device, statement: str) -> str:
    """The first field of the answer to a statement, as SQLite gives it to root."""
    asked = (
        "import sqlite3, sys; c = sqlite3.connect('/var/lib/netwatch/netwatch.db');"
        "row = c.execute(sys.argv[1]).fetchone(); c.commit(); print(row[0] if row else '')"
    )
    return device.do("python3", "-c", asked, statement).strip()
