"""The slots of the plan: each is taken once, or has a row that says why not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from netwatch.agent.bandwidth_asking import Asking, Done, Refused
from netwatch.agent.bandwidth_board import BandwidthBoard
from netwatch.agent.bandwidth_lock import held_alone
from netwatch.agent.bandwidth_run import MadeTest
from netwatch.agent.bandwidth_schedule import BandwidthTests
from netwatch.agent.bandwidth_slots import Slots
from netwatch.bandwidth.base import Progress
from netwatch.config.model import (
    Bandwidth,
    Iperf3Settings,
    Ndt7Settings,
    Settings,
    Site,
    StoreSettings,
)
from netwatch.core.bandwidth_plan import DEFER_STEP_MS, TEST_MS
from netwatch.core.ndt7_pace import MAX_WAIT_MS, MIN_WAIT_MS
from netwatch.records import Anchor
from netwatch.store.bandwidth_books import (
    Begun,
    Circumstance,
    append_begun,
    append_result,
    append_skipped,
)
from netwatch.store.campaigns import append_campaign
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.throughput import BandwidthRow
from tests.adapters.campaign_samples import build_campaign

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
#: 2026-11-24T00:00:00+01:00 in Paris.
MIDNIGHT_MS = 1_795_474_800_000
PARIS = ZoneInfo("Europe/Paris")


class FakeClock:
    """A clock that is set by hand; monotonic 0 is ``began_ms``."""

    boot_id = "boot-a"

    def __init__(self, now_ms: int, began_ms: int | None = None) -> None:
        self.now_ms = now_ms
        self.began_ms = now_ms if began_ms is None else began_ms
        self.known = True

    def monotonic_ms(self) -> int:
        return self.now_ms - self.began_ms

    def monotonic_ns(self) -> int:
        return self.monotonic_ms() * 1_000_000

    def offset_ns(self) -> int:
        return self.began_ms * 1_000_000

    def wall_ms(self) -> int:
        return self.now_ms

    def synchronised(self) -> bool:
        return self.known

    def anchor(self) -> Anchor | None:
        if not self.known:
            return None
        return Anchor(
            boot_id=self.boot_id, monotonic_ms=self.monotonic_ms(), offset_ms=self.began_ms
        )

    def held_ms(self) -> int | None:
        return None

    def hold(self, anchor: Anchor | None) -> None:
        del anchor


class FakeConduct:
    """Answers as it is told; a test that is made is entered, and takes no time."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.asked: list[Asking] = []
        self.answers: list[Refused] = []
        self.fails: Exception | None = None
        self.settled = 0
        self.during: Callable[[Asking], None] = lambda _asking: None

    def settle(self) -> bool:
        self.settled += 1
        return True

    def make_test(self, asking: Asking) -> Done | Refused:
        self.asked.append(asking)
        if self.answers:
            return self.answers.pop(0)
        asking.begin()
        self.during(asking)
        if self.fails is not None:
            raise self.fails
        clock = self._device.clock
        row = BandwidthRow(
            run_id=self._device.run_id,
            started_mono_ms=clock.monotonic_ms(),
            started_ms=clock.now_ms,
            engine="iperf3",
            down_bytes_per_second=1,
            up_bytes_per_second=1,
        )
        around = Circumstance(
            run_id=row.run_id,
            started_mono_ms=row.started_mono_ms,
            started_ms=row.started_ms,
            ended_mono_ms=row.started_mono_ms + 1,
            due_ms=asking.due_ms,
            asked_by=asking.asked_by,
        )
        self._device.enter(lambda connection: append_result(connection, row, around))
        return Done(tests=(MadeTest(row=row, around=around, cancelled=False),))


class Device:
    """One device: its books, its clock, and the agents that run on it one after the other."""

    def __init__(self, folder: Path, now_ms: int, **bandwidth: object) -> None:
        self.path = folder / "netwatch.db"
        self.clock = FakeClock(now_ms)
        self.loads: list[tuple[bool, int]] = []
        self.line_down = False
        self.run_id = 0
        self.settings = Settings(
            site=Site(id="ecole"),
            bandwidth=Bandwidth(
                iperf3=Iperf3Settings(server="192.0.2.1"),
                **bandwidth,  # type: ignore[arg-type]  # the test's own choice
            ),
            store=StoreSettings(path=str(self.path)),
        )
        self.begin_run()

    def begin_run(self, **bandwidth: object) -> None:
        """Another life of the agent, from now on."""
        if bandwidth:
            changed = msgspec.structs.replace(self.settings.bandwidth, **bandwidth)
            self.settings = msgspec.structs.replace(self.settings, bandwidth=changed)
        with closing(open_database(self.path, set_aside=lambda: "x").connection) as connection:
            self.run_id, _ = Journal(connection).begin_run(
                "boot-a", 1, "0.1.0", self.clock.monotonic_ms(), self.clock.anchor()
            )
        self.conduct = FakeConduct(self)
        engines = ("iperf3",) if self.settings.bandwidth.engine != "ndt7" else ("ndt7",)
        self.board = BandwidthBoard(
            self.path,
            clock=self.clock,
            zone=PARIS,
            engines=engines,
            budget_bytes=10**9,
            is_running=lambda: self.tests.under_way,
        )
        self.tests = BandwidthTests(
            settings=self.settings,
            clock=self.clock,
            zone=PARIS,
            run_id=lambda: self.run_id,
            conduct=self.conduct,  # type: ignore[arg-type]  # only what FakeConduct has is asked of it
            board=self.board,
            enter=self.enter,
            tell_load=lambda loaded, at_ms: self.loads.append((loaded, at_ms)),
            engines=engines,
            is_line_down=lambda: self.line_down,
        )

    def enter(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            work(connection)

    def run(self, until_ms: int, step_ms: int = 30_000) -> None:
        """The agent's thread, turn by turn; it answers for the time until then."""
        while self.clock.now_ms < until_ms:
            self.clock.now_ms = min(until_ms, self.clock.now_ms + step_ms)
            self.tests.turn()
        ended = (self.clock.now_ms, self.clock.monotonic_ms(), self.run_id)
        self.enter(
            lambda connection: connection.execute(
                "UPDATE run SET ended_ms = ?, ended_mono_ms = ? WHERE id = ?", ended
            ).close()
        )

    def read_skips(self) -> list[tuple[int, str]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(
                "SELECT due_ms, reason FROM bandwidth_skip ORDER BY due_ms"
            ).fetchall()

    def read_tested(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT due_ms FROM bandwidth_circumstance ORDER BY due_ms")
            return [due_ms for (due_ms,) in rows]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path, MIDNIGHT_MS)


def plan_of(device: Device, days: int = 1) -> list[int]:
    plan = Slots(device.settings, PARIS, ("iperf3",)).list_plan(
        MIDNIGHT_MS, MIDNIGHT_MS + days * 24 * HOUR_MS, MIDNIGHT_MS
    )
    return [each.at_ms for each in plan]


def test_every_slot_of_a_day_is_tested_once_when_it_is_due(device: Device) -> None:
    """Four slots, four tests, each within a turn of its instant."""
    slots = plan_of(device)
    device.run(MIDNIGHT_MS + 24 * HOUR_MS)
    assert device.read_tested() == slots
    assert [each.due_ms for each in device.conduct.asked] == slots
    assert device.read_skips() == []


def test_a_restart_in_the_middle_of_the_day_repeats_nothing(device: Device) -> None:
    """The books know which slots were taken."""
    slots = plan_of(device)
    for end_ms in (slots[0] + 20_000, slots[1] - 1_000, slots[1] + 5_000, slots[3] + HOUR_MS):
        device.run(end_ms)
        device.begin_run()
    device.run(MIDNIGHT_MS + 24 * HOUR_MS)
    assert device.read_tested() == slots


def test_slots_that_passed_while_the_agent_was_off_have_a_row(device: Device) -> None:
    """`agent_off`, with the instant at which the test was due; none is made up for."""
    slots = plan_of(device)
    device.run(slots[0] + MINUTE_MS)
    device.clock.now_ms = slots[2] + HOUR_MS
    device.begin_run()
    device.run(MIDNIGHT_MS + 24 * HOUR_MS)
    assert device.read_skips() == [(slots[1], "agent_off"), (slots[2], "agent_off")]
    assert device.read_tested() == [slots[0], slots[3]]


def test_a_slot_that_is_still_in_time_after_a_restart_is_taken(device: Device) -> None:
    """Off for five minutes around it is no reason to lose it."""
    slots = plan_of(device)
    device.run(slots[1] - MINUTE_MS)
    device.clock.now_ms = slots[1] + 5 * MINUTE_MS
    device.begin_run()
    device.run(slots[1] + 10 * MINUTE_MS)
    assert slots[1] in device.read_tested()
    assert device.read_skips() == []


def test_a_test_that_was_cut_off_is_entered_as_interrupted(device: Device) -> None:
    """The power went in mid-test: begun, never ended, not made again."""
    slots = plan_of(device)
    device.run(slots[0] + MINUTE_MS)
    begun = Begun(
        run_id=device.run_id,
        started_mono_ms=7,
        started_ms=slots[1] + 10,
        due_ms=slots[1],
        reserved_bytes=1_000,
    )
    device.enter(lambda connection: append_begun(connection, begun))
    device.run(slots[1] - MINUTE_MS)
    device.clock.now_ms = slots[1] + 2 * MINUTE_MS
    device.begin_run()
    device.run(slots[1] + 10 * MINUTE_MS)
    assert device.read_skips() == [(slots[1], "interrupted")]


def test_the_very_first_test_that_was_cut_off_is_entered_too(device: Device) -> None:
    """No row of any slot tells from when on tests were due: what was begun does."""
    slots = plan_of(device)
    begun = Begun(
        run_id=device.run_id,
        started_mono_ms=7,
        started_ms=slots[0] + 10,
        due_ms=slots[0],
        reserved_bytes=1_000,
    )
    device.enter(lambda connection: append_begun(connection, begun))
    device.clock.now_ms = slots[0] + 2 * MINUTE_MS
    device.begin_run()
    device.run(slots[0] + 10 * MINUTE_MS)
    assert device.read_skips() == [(slots[0], "interrupted")]


def test_time_in_which_no_engine_was_configured_had_no_slots(device: Device) -> None:
    """The agent ran then, and owed nobody a test."""
    slots = plan_of(device)
    device.run(slots[0] + MINUTE_MS)
    device.begin_run(per_day=0)
    device.run(slots[2] + 2 * HOUR_MS)
    device.begin_run(per_day=4)
    device.run(slots[2] + 3 * HOUR_MS)
    assert [skip for skip in device.read_skips() if skip[0] in slots[1:3]] == []


def test_nothing_is_entered_for_the_time_before_the_first_test_of_a_device(
    tmp_path: Path,
) -> None:
    device = Device(tmp_path, MIDNIGHT_MS + 23 * HOUR_MS)
    device.run(MIDNIGHT_MS + 24 * HOUR_MS)
    assert all(due_ms >= MIDNIGHT_MS + 23 * HOUR_MS for due_ms, _ in device.read_skips())


def test_a_busy_line_is_asked_again_every_minute_for_a_quarter_of_an_hour(device: Device) -> None:
    """Then the slot is skipped, with the reason of the last refusal."""
    slots = plan_of(device)
    busy = Refused(reason="busy_link", sentence="in use", again=True)
    device.conduct.answers = [busy] * 100
    device.run(slots[0] + HOUR_MS)
    assert device.read_skips() == [(slots[0], "busy_link")]
    assert 14 <= len(device.conduct.asked) <= 16


def test_a_line_that_falls_idle_in_time_is_tested(device: Device) -> None:
    slots = plan_of(device)
    device.conduct.answers = [Refused(reason="busy_link", sentence="in use", again=True)] * 3
    device.run(slots[0] + HOUR_MS)
    assert device.read_tested() == slots[:1]
    assert device.read_skips() == []


def test_a_slot_that_is_skipped_is_counted_once_and_over_restarts(device: Device) -> None:
    """For the metric: by reason; another life that enters the same slot adds nothing."""
    device.conduct.answers = [Refused(reason="data_budget", sentence="too little")]
    first = plan_of(device)[0]
    device.run(first + MINUTE_MS)
    device.begin_run()
    device.tests.turn()
    device.enter(
        lambda connection: append_skipped(
            connection,
            run_id=1,
            due_mono_ms=first - MIDNIGHT_MS,
            due_ms=first,
            reason="data_budget",
        )
    )
    device.board.refresh(None)
    assert device.board.view.skips == {"data_budget": 1}


def test_what_waiting_does_not_mend_is_skipped_at_once(device: Device) -> None:
    slots = plan_of(device)
    device.conduct.answers = [Refused(reason="data_budget", sentence="used up")]
    device.run(slots[0] + MINUTE_MS)
    assert device.read_skips() == [(slots[0], "data_budget")]
    assert len(device.conduct.asked) == 1


def test_a_line_that_is_down_is_not_tested(device: Device) -> None:
    """A failed test would say nothing that the ledger does not."""
    slots = plan_of(device)
    device.line_down = True
    device.run(slots[0] + HOUR_MS)
    assert device.read_skips() == [(slots[0], "line_down")]
    assert device.conduct.asked == []


def test_quiet_hours_leave_rows_where_they_leave_no_time(tmp_path: Path) -> None:
    device = Device(tmp_path, MIDNIGHT_MS, quiet_hours=("mon-sun 00:00-24:00",))
    device.run(MIDNIGHT_MS + 24 * HOUR_MS)
    assert [reason for _, reason in device.read_skips()] == ["quiet_hours"] * 4
    assert device.conduct.asked == []


def test_slots_without_a_clock_are_entered_once_it_is_set(device: Device) -> None:
    """An agent that does not know the time makes no test; later it knows which it missed."""
    slots = plan_of(device)
    device.run(slots[0] + MINUTE_MS)
    device.begin_run()
    device.clock.known = False
    device.run(slots[1] + HOUR_MS)
    assert len(device.read_tested()) == 1
    device.clock.known = True
    device.run(slots[1] + 2 * HOUR_MS)
    assert device.read_skips() == [(slots[1], "clock_unsynced")]


def test_a_result_that_could_not_be_entered_is_not_measured_again(device: Device) -> None:
    """A full disk must not make one test a minute of it."""
    slots = plan_of(device)
    device.conduct.fails = RuntimeError("the disk is full")
    device.clock.now_ms = slots[0] - MINUTE_MS
    with pytest.raises(RuntimeError):
        device.run(slots[0] + MINUTE_MS)
    device.run(slots[0] + HOUR_MS)
    assert len(device.conduct.asked) == 1
    assert device.read_skips() == [(slots[0], "interrupted")]


def test_a_campaigns_slots_are_tested_too(device: Device) -> None:
    """Entered by a person while the agent runs; marked with who asked."""
    slots = plan_of(device)
    slot_ms = slots[0] + 90 * MINUTE_MS
    campaign = build_campaign(slot_ms, MIDNIGHT_MS)
    device.run(slots[0] + MINUTE_MS)
    device.enter(lambda connection: str(append_campaign(connection, campaign)) and None)
    device.run(slot_ms + MINUTE_MS)
    asked = [(each.due_ms, each.asked_by) for each in device.conduct.asked]
    assert (slot_ms, "campaign") in asked


def test_ndt7_alone_goes_at_mlabs_pace(tmp_path: Path) -> None:
    """Exponential waits within its bounds, whatever per_day says; restarts change nothing."""
    device = Device(tmp_path, MIDNIGHT_MS, engine="ndt7", per_day=48)
    for hours in (24, 48, 72):
        device.run(MIDNIGHT_MS + hours * HOUR_MS, step_ms=120_000)
        device.begin_run()
    tested = device.read_tested()
    waits = [later - earlier for earlier, later in pairwise(tested)]
    assert len(tested) >= 5
    assert all(MIN_WAIT_MS <= wait <= MAX_WAIT_MS for wait in waits)


def test_an_ndt7_server_of_ones_own_is_tested_as_often_as_per_day_says(tmp_path: Path) -> None:
    """M-Lab's pace is for its own servers: here a day has its 48 parts."""
    own = Ndt7Settings(url="https://ndt.example.fr")
    device = Device(tmp_path, MIDNIGHT_MS, engine="ndt7", per_day=48, ndt7=own)
    device.run(MIDNIGHT_MS + 24 * HOUR_MS)
    assert len(device.read_tested()) == 48


def test_a_test_of_ours_is_shown_while_it_runs(device: Device) -> None:
    """From before its first byte, and what was set aside for it once it moves."""
    seen: list[tuple[bool, int]] = []

    def look(asking: Asking) -> None:
        seen.append((device.board.view.running, device.board.view.used_bytes))
        begun = Begun(
            run_id=device.run_id,
            started_mono_ms=device.clock.monotonic_ms(),
            started_ms=device.clock.now_ms,
            due_ms=asking.due_ms,
            reserved_bytes=7_000,
        )
        device.enter(lambda connection: append_begun(connection, begun))
        for moved in (0, 10):
            asking.tell(
                Progress(
                    direction="down",
                    at_ms=1,
                    phase="measure",
                    moved_bytes=moved,
                    bytes_per_second=1,
                )
            )
        seen.append((device.board.view.running, device.board.view.used_bytes))

    device.conduct.during = look
    device.run(plan_of(device)[0] + MINUTE_MS)
    assert seen == [(True, 0), (True, 7_000)]
    assert device.board.view.running is False


def test_a_persons_test_beside_us_is_shown_while_it_runs(device: Device) -> None:
    """And what was set aside for it, which it enters some seconds after it took the lock."""
    device.run(MIDNIGHT_MS + MINUTE_MS)
    assert device.board.view.running is False
    begun = Begun(
        run_id=device.run_id,
        started_mono_ms=7,
        started_ms=MIDNIGHT_MS + MINUTE_MS,
        due_ms=None,
        reserved_bytes=7_000,
    )
    with held_alone(device.path):
        device.run(MIDNIGHT_MS + 2 * MINUTE_MS)
        assert device.board.view.running is True
        device.enter(lambda connection: append_begun(connection, begun))
        device.run(MIDNIGHT_MS + 3 * MINUTE_MS)
        assert device.board.view.used_bytes == 7_000
    device.run(MIDNIGHT_MS + 4 * MINUTE_MS)
    assert device.board.view.running is False


def test_a_test_that_a_person_runs_beside_us_is_heeded(device: Device) -> None:
    """The lock is seen, and latency meanwhile kept out, as under a test of our own."""
    device.run(MIDNIGHT_MS + MINUTE_MS)
    with held_alone(device.path):
        device.run(MIDNIGHT_MS + 2 * MINUTE_MS)
    device.run(MIDNIGHT_MS + 3 * MINUTE_MS)
    (begun, from_ms), (ended, to_ms) = device.loads
    assert (begun, ended) == (True, False)
    assert from_ms <= MINUTE_MS + 30_000
    assert to_ms >= 2 * MINUTE_MS


def test_the_board_says_what_is_next_and_what_was(device: Device) -> None:
    slots = plan_of(device, days=2)
    device.run(slots[0] + 2 * MINUTE_MS)
    view = device.board.view
    assert view.next_ms == slots[1]
    assert view.at_ms is not None
    assert abs(view.at_ms - slots[0]) <= 30_000
    assert view.tests == {("iperf3", "valid"): 1}
    assert TEST_MS > DEFER_STEP_MS
