"""The watchdog hears of the agent only while rounds are completed, and of nothing else."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

import pytest

from netwatch.agent.events import Stop, TcpRound
from netwatch.agent.progress import LOOP_SILENT_MS, ROUND_GRACE_MS, Progress
from netwatch.agent.runner import TICK_MS, Runner
from netwatch.agent.sd_notify import SystemdNotifier
from netwatch.probes.icmp_report import Counters, LoopReport
from netwatch.records import Role, Round, RoundProbe
from tests.agent.runner_world import build_runner
from tests.agent.test_evidence import FakeOutside

ROUND = Round(
    number=1,
    burst=False,
    probes=(RoundProbe(target_id="cloudflare", role=Role.INTERNET, sent_ms=0, rtt_us=900),),
    settled_ms=1,
)


def report(at_ms: int, *, rounds: bool) -> LoopReport:
    return LoopReport(
        at_ms=at_ms,
        probes=(),
        rounds=(ROUND,) if rounds else (),
        missed_slots=(),
        missed=0,
        send_lateness_us=None,
        counters=Counters(),
    )


class FakeClock:
    """Stands where the test puts it."""

    boot_id = "boot-a"

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def monotonic_ms(self) -> int:
        return self.now_ms

    def monotonic_ns(self) -> int:
        return self.now_ms * 1_000_000

    def offset_ns(self) -> int:
        return 0

    def wall_ms(self) -> int:
        return self.now_ms

    def synchronised(self) -> bool:
        return False

    def anchor(self) -> None:
        return None

    def held_ms(self) -> None:
        return None

    def hold(self, _anchor: object) -> None: ...


class FakeStalled(FakeOutside):
    """A machine whose loop says only what the test has it say; notes when progress was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown_ms: list[int] = []

    def show_progress(self, now_ms: int) -> None:
        self.shown_ms.append(now_ms)


def turn(runner: Runner, clock: FakeClock, seconds: int, *, loop: bool, rounds: bool) -> None:
    """So many seconds of the runner's own loop, with a report a second where there is a ``loop``."""
    for _ in range(seconds):
        clock.now_ms += 1_000
        if loop:
            runner.events.put(report(clock.now_ms, rounds=rounds))
        runner.events.put(Stop())
        runner.run()


def test_progress_is_shown_while_rounds_come_and_ends_with_them() -> None:
    """A loop that reports but completes no round is a hang, and so is one that is silent."""
    outside, clock = FakeStalled(), FakeClock()
    runner = build_runner(outside, clock)
    turn(runner, clock, 60, loop=True, rounds=True)
    assert len(outside.shown_ms) == 60
    turn(runner, clock, 60, loop=True, rounds=False)
    limit_ms = 2 * 5_000 + 2_000 + ROUND_GRACE_MS
    assert outside.shown_ms[-1] == 1_060_000 + limit_ms
    turn(runner, clock, 5, loop=True, rounds=True)
    assert outside.shown_ms[-1] == clock.now_ms
    stopped_ms = clock.now_ms
    turn(runner, clock, 60, loop=False, rounds=False)
    assert outside.shown_ms[-1] == stopped_ms + LOOP_SILENT_MS


def test_where_no_ping_can_be_sent_rounds_of_connections_are_progress() -> None:
    """No ICMP loop is missed where there is none."""
    outside, clock = FakeStalled(), FakeClock()
    outside.icmp_kind = "none"
    runner = build_runner(outside, clock)
    for _ in range(10):
        clock.now_ms += 5_000
        runner.events.put(TcpRound(round=ROUND))
        runner.events.put(Stop())
        runner.run()
    assert len(outside.shown_ms) == 10
    turn(runner, clock, 60, loop=False, rounds=False)
    assert outside.shown_ms[-1] < clock.now_ms


def test_other_targets_give_their_first_round_time() -> None:
    """What is asked anew has not failed yet."""
    progress = Progress(interval_ms=60_000, timeout_ms=2_000, pings=False, now_ms=0)
    assert progress.find_stall(132_000) is None
    assert progress.find_stall(132_001) == "no round of probes was completed for 132001 ms"
    progress.begin_again(132_001)
    assert progress.find_stall(132_001 + 132_000) is None


def read_all(listening: socket.socket) -> list[str]:
    listening.setblocking(False)
    heard = []
    while True:
        try:
            heard.append(listening.recv(4096).decode())
        except BlockingIOError:
            return heard


@pytest.fixture
def listening(tmp_path: Path) -> socket.socket:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(str(tmp_path / "notify"))
        yield opened


def test_beats_are_sent_at_twice_the_watchdogs_pace_at_least(
    listening: socket.socket, tmp_path: Path
) -> None:
    """Whatever the turns of the loop: never more than half the period apart, never more than needed."""
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "6000000"}
    notifier = SystemdNotifier(environment)
    sent_ms = []
    for now_ms in range(0, 60_000, TICK_MS + 7):
        notifier.beat(now_ms)
        if read_all(listening):
            sent_ms.append(now_ms)
    apart = [later - before for before, later in itertools.pairwise(sent_ms)]
    assert max(apart) <= 3_000
    assert min(apart) >= 2_000


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "PLACE"},
        {"WATCHDOG_USEC": "6000000"},
        {"NOTIFY_SOCKET": "PLACE", "WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "PLACE", "WATCHDOG_USEC": "0"},
    ],
)
def test_without_a_watchdog_of_ours_no_beat_is_sent(
    listening: socket.socket, tmp_path: Path, environment: dict[str, str]
) -> None:
    """No socket, no period, or another process's: nothing."""
    place = str(tmp_path / "notify")
    given = {name: place if text == "PLACE" else text for name, text in environment.items()}
    SystemdNotifier(given, pid=4711).beat(0)
    assert read_all(listening) == []


def test_the_watchdog_of_this_very_process_is_fed(listening: socket.socket, tmp_path: Path) -> None:
    """WATCHDOG_PID that names us is no obstacle; a status of two lines is told as one."""
    given = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "6000000",
        "WATCHDOG_PID": "4711",
    }
    notifier = SystemdNotifier(given, pid=4711)
    notifier.beat(0)
    notifier.tell(STATUS="down\nREADY=1")
    assert read_all(listening) == ["WATCHDOG=1", "STATUS=down READY=1"]


def test_who_does_not_listen_holds_nothing_up(listening: socket.socket, tmp_path: Path) -> None:
    """A socket that is full, or gone, costs a beat and no more."""
    given = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000"}
    notifier = SystemdNotifier(given)
    for now_ms in range(0, 3_000_000, 1_000):
        notifier.beat(now_ms)
    heard = read_all(listening)
    assert 0 < len(heard) < 3_000
    listening.close()
    notifier.beat(4_000_000)
