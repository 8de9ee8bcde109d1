"""The ICMP loop over real sockets: every slot ends once, and its own failings are told."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Self

import pytest

from netwatch.clock import SystemClock
from netwatch.core import cadence as core_cadence
from netwatch.probes.icmp_loop import COALESCE_MS, STALL_MS, IcmpLoop
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.probes.icmp_report import FinishedProbe, IcmpTarget, LoopReport
from netwatch.records import Role, Round, Slot
from tests.adapters import icmp_lab
from tests.adapters.icmp_lab import Forger, IcmpLab, Request

pytestmark = pytest.mark.lab

PATIENCE_S = 20
FAR_MS = 3_600_000


@pytest.fixture(scope="module")
def lab() -> Iterator[IcmpLab]:
    with IcmpLab() as built:
        yield built


@pytest.fixture
def sockets(lab: IcmpLab) -> Iterator[IcmpSockets]:
    with lab.open_sockets() as opened:
        yield opened


class FakeCadence:
    """Asks for each named target once, ``gap_ms`` apart, and notes what becomes of it."""

    def __init__(self, names: Sequence[str], *, gap_ms: int = 10) -> None:
        start_ms = SystemClock().monotonic_ms()
        self._due = [
            Slot(round=0, target_id=name, due_ms=start_ms + index * gap_ms)
            for index, name in enumerate(names)
        ]
        self.missed = 0
        self.sendings: dict[Slot, int] = {}
        self.endings: list[tuple[str, int | None, str | None]] = []
        self.looked = 0

    def wake_ms(self) -> int:
        self.looked += 1
        return self._due[0].due_ms if self._due else SystemClock().monotonic_ms() + FAR_MS

    def take_due(self, now_ms: int) -> tuple[Slot, ...]:
        due = tuple(slot for slot in self._due if slot.due_ms <= now_ms)
        self._due = self._due[len(due) :]
        return due

    def take_missed(self) -> tuple[Slot, ...]:
        return ()

    def sent(self, slot: Slot, sent_ms: int) -> None:
        assert slot not in self.sendings
        self.sendings[slot] = sent_ms

    def settle(
        self, slot: Slot, *, sent_ms: int, rtt_us: int | None, reason: str | None, now_ms: int
    ) -> None:
        # An answered probe may have left later than it was handed over (its neighbour was asked first).
        assert self.sendings.pop(slot) <= sent_ms <= now_ms
        self.endings.append((slot.target_id, rtt_us, reason))

    def take_rounds(self) -> tuple[Round, ...]:
        return ()


class Running:
    """A loop in its thread, and the reports that it has made; stopped when left."""

    def __init__(
        self, sockets: IcmpSockets, cadence: object, targets: Sequence[IcmpTarget]
    ) -> None:
        self._reports: queue.Queue[LoopReport] = queue.Queue()
        self.hold_s: float = 0
        self.loop = IcmpLoop(
            sockets=sockets,
            cadence=cadence,  # type: ignore[arg-type]  # checked by the loop's own use of it
            targets=targets,
            clock=SystemClock(),
            emit=self._take,
        )
        self._thread = threading.Thread(target=self.loop.run)

    def _take(self, report: LoopReport) -> None:
        hold_s, self.hold_s = self.hold_s, 0
        time.sleep(hold_s)
        self._reports.put(report)

    def next_report(self) -> LoopReport:
        return self._reports.get(timeout=PATIENCE_S)

    def probes(self, count: int) -> list[FinishedProbe]:
        """The next so many; fails when they do not come within some twenty signs of life."""
        found: list[FinishedProbe] = []
        for _ in range(20 + count):
            if len(found) >= count:
                return found
            found.extend(self.next_report().probes)
        raise AssertionError(f"{count} probes expected, found {found}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def target(name: str, address: str, timeout_ms: int = 5_000, ttl: int | None = None) -> IcmpTarget:
    return IcmpTarget(id=name, address=address, timeout_ms=timeout_ms, ttl=ttl)


def test_every_slot_ends_once_with_its_reason(sockets: IcmpSockets) -> None:
    """Answered, silent, refused, unroutable and unsent probes each end once, in both books."""
    targets = [
        target("living", icmp_lab.INTERNET),
        target("living6", icmp_lab.INTERNET6),
        target("hop", icmp_lab.INTERNET, ttl=2),
        target("dead", icmp_lab.DEAD, timeout_ms=300),
        target("refused", icmp_lab.UNREACHABLE),
        target("nowhere", icmp_lab.NO_ROUTE),
        target("firewalled", icmp_lab.FIREWALLED),
    ]
    wanted = {
        "living": None,
        "living6": None,
        "hop": None,
        "dead": "timeout",
        "refused": "unreachable",
        "nowhere": "no_route",
        "firewalled": "refused_local",
    }
    cadence = FakeCadence([each.id for each in targets])
    with Running(sockets, cadence, targets) as running:
        probes = running.probes(len(targets))
    assert {each.target_id: each.reason for each in probes} == wanted
    assert {name: reason for name, _, reason in cadence.endings} == wanted
    assert len(probes) == len(cadence.endings) == len(targets)
    for each in probes:
        assert (each.rtt_us is None) == (each.reason is not None)
        assert each.kernel_timed == (each.rtt_us is not None)
        assert each.lateness_us >= 0
    assert {each.target_id: each.hop for each in probes if each.hop} == {
        "hop": icmp_lab.OPERATOR,
        "refused": icmp_lab.OPERATOR,
    }


def test_the_real_cadence_gets_its_rounds(sockets: IcmpSockets) -> None:
    """With the plan of the agent, rounds complete in order and every internet probe is answered."""
    clock = SystemClock()
    targets = [target("a", icmp_lab.INTERNET), target("b", icmp_lab.OPERATOR)]
    cadence = core_cadence.Cadence(
        [core_cadence.CadenceTarget(id=each.id, role=Role.INTERNET) for each in targets],
        interval_ms=200,
        burst_interval_ms=200,
        timeout_ms=150,
        start_ms=clock.monotonic_ms(),
    )
    rounds: list[Round] = []
    with Running(sockets, cadence, targets) as running:
        while len(rounds) < 4:
            rounds.extend(running.next_report().rounds)
    assert [each.number for each in rounds] == list(range(len(rounds)))
    answered = [probe for each in rounds for probe in each.probes if probe.rtt_us is not None]
    assert len(answered) >= 4


def test_it_gives_a_sign_of_life_with_nothing_to_do(sockets: IcmpSockets) -> None:
    """Without targets the loop still reports, with counts at nothing and no lateness."""
    with Running(sockets, FakeCadence([]), []) as running:
        report = running.next_report()
    assert (report.probes, report.rounds, report.send_lateness_us) == ((), (), None)
    assert (report.stalled_from_ms, report.stalled_to_ms) == (None, None)


def test_a_stall_is_told_and_costs_no_answer(sockets: IcmpSockets) -> None:
    """Kept from running past a probe's timeout, it says so, and reads the answer by its stamp."""
    cadence = FakeCadence(["first", "second"], gap_ms=1_200)
    targets = [
        target("first", icmp_lab.INTERNET, timeout_ms=300),
        target("second", icmp_lab.INTERNET, timeout_ms=300),
    ]
    running = Running(sockets, cadence, targets)
    running.hold_s = (STALL_MS + 1_500) / 1_000  # in its first report, a second after the start
    with running:
        reports = [running.next_report()]
        while reports[-1].stalled_to_ms is None:
            reports.append(running.next_report())
        probes = [probe for report in reports for probe in report.probes]
        while len(probes) < 2:
            probes.extend(running.next_report().probes)
    stalled = reports[-1]
    assert stalled.stalled_from_ms is not None
    assert stalled.stalled_to_ms is not None
    assert stalled.stalled_to_ms - stalled.stalled_from_ms > STALL_MS
    assert [each.reason for each in probes] == [None, None]
    assert stalled.send_lateness_us is not None
    assert max(each.lateness_us for each in probes) > STALL_MS * 1_000


def test_replaced_targets_leave_no_probe_behind(sockets: IcmpSockets) -> None:
    """A target taken away ends its probe as replaced; one that stays is waited for."""
    cadence = FakeCadence(["gone", "stays"])
    gone = target("gone", icmp_lab.DEAD, timeout_ms=60_000)
    stays = target("stays", icmp_lab.DEAD, timeout_ms=2_500)
    with Running(sockets, cadence, [gone, stays]) as running:
        running.next_report()
        running.loop.replace_targets([stays])
        probes = running.probes(2)
    assert [(each.target_id, each.reason) for each in probes] == [
        ("gone", "replaced"),
        ("stays", "timeout"),
    ]


def test_a_new_plan_takes_over(sockets: IcmpSockets) -> None:
    """With a new cadence the old one's probes end, and the new one's targets are probed."""
    old, new = FakeCadence(["gone"]), FakeCadence(["fresh"])
    with Running(sockets, old, [target("gone", icmp_lab.DEAD, timeout_ms=60_000)]) as running:
        running.next_report()
        running.loop.replace_targets([target("fresh", icmp_lab.INTERNET)], new)
        probes = running.probes(2)
    assert [(each.target_id, each.reason) for each in probes] == [
        ("gone", "replaced"),
        ("fresh", None),
    ]
    assert [name for name, _, _ in old.endings] == ["gone"]
    assert [name for name, _, _ in new.endings] == ["fresh"]


def test_a_slot_of_an_unknown_target_ends_as_replaced(sockets: IcmpSockets) -> None:
    """A plan that still asks for a target that was taken away gets its slot back."""
    with Running(sockets, FakeCadence(["nobody"]), []) as running:
        (probe,) = running.probes(1)
    assert (probe.target_id, probe.reason) == ("nobody", "replaced")


def test_a_name_among_new_targets_is_refused_whole(sockets: IcmpSockets) -> None:
    """One target that is no address leaves all targets as they were."""
    cadence = FakeCadence(["living"], gap_ms=500)
    with Running(sockets, cadence, [target("living", icmp_lab.INTERNET)]) as running:
        with pytest.raises(ValueError, match=r"must be an IPv4 or IPv6 address, got 'box\.lan'"):
            running.loop.replace_targets([target("living", "box.lan")])
        (probe,) = running.probes(1)
    assert probe.reason is None


def test_a_stream_of_forgeries_does_not_keep_it_awake(lab: IcmpLab, sockets: IcmpSockets) -> None:
    """Two hundred forgeries in a second wake it no more than every tenth of one."""
    count = 200

    def drip(request: Request) -> Iterator[tuple[str, bytes]]:
        for _ in range(count):
            time.sleep(1 / count)
            yield icmp_lab.FORGED, request.reply(payload=bytes(16))

    cadence = FakeCadence(["forged"])
    with (
        Forger(lab, drip),
        Running(sockets, cadence, [target("forged", icmp_lab.FORGED, timeout_ms=2_000)]) as running,
    ):
        (probe,) = running.probes(1)
        while (report := running.next_report()).counters.wrong_payload == 0:
            pass
    assert probe.reason == "timeout"
    assert report.counters.wrong_payload <= count
    # Two looks a turn; a turn a pause, a heartbeat a second, and room for what was due.
    assert cadence.looked < 2 * (4_000 // COALESCE_MS) + 40 < count


def test_stopping_before_running_is_stopping(sockets: IcmpSockets) -> None:
    """A stop that comes first is not lost; a second one is harmless."""
    running = Running(sockets, FakeCadence([]), [])
    running.loop.stop()
    with running:
        report = running.next_report()
    running.loop.stop()
    assert report.probes == ()
