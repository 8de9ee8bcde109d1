"""The pump alone: what it does with receipts, and how long it waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.line_source import MinuteLines
from netwatch.agent.push import IDLE_MS, LAST_RETRY_MS, SAVE_EVERY_MS, Push
from netwatch.agent.push_parts import (
    build_push,
    find_answer_ms,
    find_margin_ms,
    read_influx_token,
)
from netwatch.clock import SystemClock
from netwatch.config.model import (
    Circuit,
    ContractSettings,
    Influx,
    Milliseconds,
    Settings,
    Site,
    StoreSettings,
    Target,
)
from netwatch.core.push_problems import format_problem
from netwatch.errors import StoreError
from netwatch.outlets.influx_client import NoAnswer
from netwatch.records import MINUTE_MS, PushProblem, PushReason, Receipt, Role
from netwatch.snapshot import PushState
from netwatch.store.spool import Claim, SpoolDepth
from netwatch.store.writer import Writer
from tests.adapters.influx_server import TAKEN, InfluxServer
from tests.adapters.store_samples import anchor, batch, span

ALL = Receipt(accepted=2_000, rejected=0)
NO = PushProblem(reason=PushReason.SERVER_ERROR, where="http://a", fills={"status": "500"})
SOME = PushProblem(
    reason=PushReason.POINTS_REJECTED, where="http://a", fills={"rejected": "1", "sent": "2000"}
)


class FakeClock:
    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


class FakeQueue:
    """So many minutes that wait, in claims of ten."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self.unsaved_minutes = 0
        self.saved = 0
        self.problem: str | None = None

    def refresh(self) -> SpoolDepth:
        if self.problem is not None:
            raise StoreError(self.problem)
        return self.depth

    @property
    def depth(self) -> SpoolDepth:
        return SpoolDepth(minutes=self.minutes, oldest_ms=0 if self.minutes else None)

    def claim(self) -> Claim | None:
        if not self.minutes:
            return None
        until_ms = self.minutes * MINUTE_MS
        return Claim(from_ms=max(until_ms - 10 * MINUTE_MS, 0), until_ms=until_ms)

    def settle(self, lines: Sequence[tuple[int, int]], receipt: Receipt) -> int:
        left = min((receipt.accepted + receipt.rejected) // 200, len(lines))
        self.minutes -= left
        self.unsaved_minutes += left
        return left

    def save(self) -> None:
        self.saved += 1
        self.unsaved_minutes = 0


class FakeSource:
    """Two hundred lines a minute."""

    def read_minutes(self, from_ms: int, until_ms: int) -> list[MinuteLines]:
        starts = range(until_ms - MINUTE_MS, from_ms - 1, -MINUTE_MS)
        return [MinuteLines(start_ms=start_ms, lines=("m x=1i 1",) * 200) for start_ms in starts]


class FakeOutlet:
    """Gives its receipts one after another, then accepts everything."""

    def __init__(self, *receipts: Receipt) -> None:
        self.receipts = list(receipts)
        self.sent = threading.Event()
        self.closed = False

    def send(self, lines: Sequence[str]) -> Receipt:
        self.sent.set()
        if self.receipts:
            return self.receipts.pop(0)
        return Receipt(accepted=len(lines), rejected=0)

    def close(self) -> None:
        self.closed = True


def make_push(
    queue: FakeQueue, outlet: FakeOutlet, clock: FakeClock | None = None, draw: float = 0.0
) -> Push:
    return Push(
        spool=queue,
        source=FakeSource(),
        outlet=outlet,
        monotonic_ms=clock or FakeClock(),
        draw=lambda: draw,
    )


def test_a_backlog_is_drained_at_a_bounded_rate_and_then_it_waits() -> None:
    """2 000 lines are half a second at 4 000 a second; with nothing left the pump idles."""
    queue = FakeQueue(30)
    push = make_push(queue, FakeOutlet())
    assert [push.step() for _ in range(4)] == [500, 500, 500, IDLE_MS]
    assert (push.state.ok, push.state.minutes, push.state.accepted) == (True, 0, 6_000)


@pytest.mark.parametrize(
    ("draw", "waits"), [(0.0, [1_000, 2_000, 4_000]), (0.999, [1_999, 3_998, 7_996])]
)
def test_failures_wait_longer_and_longer_with_jitter(draw: float, waits: list[int]) -> None:
    """Doubled each time, half to whole of it; success starts over."""
    failed = Receipt(accepted=0, rejected=0, problem=NO)
    push = make_push(FakeQueue(20), FakeOutlet(*[failed] * 3, ALL, failed), draw=draw)
    assert [push.step() for _ in range(3)] == waits
    assert (push.state.ok, push.state.problem, push.state.failures) == (False, NO, 3)
    assert push.step() == 500
    assert push.state.ok is True
    assert push.state.problem is None
    assert push.step() == waits[0]


def test_no_wait_grows_without_bound() -> None:
    """A week without a server ends in a try every five minutes at most."""
    failed = Receipt(accepted=0, rejected=0, problem=NO)
    push = make_push(FakeQueue(20), FakeOutlet(*[failed] * 50), draw=0.999)
    assert max(push.step() for _ in range(50)) <= LAST_RETRY_MS


def test_the_servers_wish_is_the_least_that_is_waited() -> None:
    """Retry-After counts in full, and jitter is laid on top."""
    wish = Receipt(accepted=0, rejected=0, retry_after_ms=120_000, problem=NO)
    assert make_push(FakeQueue(20), FakeOutlet(wish)).step() == 120_000
    assert make_push(FakeQueue(20), FakeOutlet(wish), draw=0.5).step() == 121_000


def test_a_receipt_for_a_part_keeps_the_rest() -> None:
    """What was accepted before the failure is not sent again, what was not is."""
    queue = FakeQueue(10)
    push = make_push(queue, FakeOutlet(Receipt(accepted=600, rejected=1, problem=NO)))
    push.step()
    assert queue.minutes == 7
    assert (push.state.accepted, push.state.rejected, push.state.ok) == (600, 1, False)


def test_rejected_lines_are_said_and_the_pump_goes_on() -> None:
    """A few bad lines are a problem to show, not a failure to wait for."""
    some = Receipt(accepted=1_999, rejected=1, problem=SOME)
    push = make_push(FakeQueue(10), FakeOutlet(some))
    assert push.step() == 500
    assert (push.state.ok, push.state.problem) == (True, SOME)


def test_a_server_that_words_each_refusal_anew_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """VictoriaMetrics repeats the port that was asked from: one line a problem, not one a sending."""
    words = (NO, msgspec.structs.replace(NO, said="from :40618"), NO)
    receipts = [Receipt(accepted=0, rejected=0, problem=each) for each in words]
    other = msgspec.structs.replace(NO, fills={"status": "502"})
    push = make_push(
        FakeQueue(10), FakeOutlet(*receipts, Receipt(accepted=0, rejected=0, problem=other))
    )
    for _ in range(4):
        push.step()
    assert caplog.messages == [format_problem(NO), format_problem(other)]


def test_books_that_cannot_be_read_are_tried_again() -> None:
    """A store that fails does not end the pump."""
    queue = FakeQueue(10)
    queue.problem = "netwatch.db: the device failed"
    push = make_push(queue, FakeOutlet())
    assert push.step() == 1_000
    assert push.state.problem is not None
    assert format_problem(push.state.problem) == (
        "netwatch: the books cannot be read: read this device's log; check the card; "
        "it says: netwatch.db: the device failed"
    )
    queue.problem = None
    assert push.step() == 500
    assert push.state.ok is True


def test_a_mistake_of_our_own_is_said_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A thread that died of it would leave a page that goes on saying that all is well."""

    class FakeFaultySource(FakeSource):
        faulty = True

        def read_minutes(self, from_ms: int, until_ms: int) -> list[MinuteLines]:
            if self.faulty:
                raise ValueError("no such minute")
            return super().read_minutes(from_ms, until_ms)

    source, queue, outlet = FakeFaultySource(), FakeQueue(20), FakeOutlet()
    push = Push(
        spool=queue, source=source, outlet=outlet, monotonic_ms=FakeClock(), draw=lambda: 0.0
    )
    assert [push.step(), push.step()] == [1_000, 2_000]
    assert push.state.ok is False
    assert push.state.minutes == 20
    assert push.state.problem is not None
    assert format_problem(push.state.problem) == (
        "netwatch: the agent itself failed at it (ValueError): read this device's log, and tell "
        "whoever maintains netwatch; the points stay"
    )
    assert [record.exc_info is not None for record in caplog.records] == [True, False]
    source.faulty = False
    push.step()
    assert push.state.ok is True
    assert queue.minutes == 10


def test_the_cursor_is_saved_now_and_then_and_not_with_every_claim() -> None:
    """A commit wears the card; every five minutes is enough, for sending twice changes nothing."""
    clock, queue = FakeClock(), FakeQueue(100)
    push = make_push(queue, FakeOutlet(), clock)
    push.step()
    assert queue.saved == 0
    clock.now_ms = SAVE_EVERY_MS
    push.step()
    push.step()
    assert queue.saved == 1


def test_a_pump_that_is_stopped_saves_its_cursor_and_closes() -> None:
    """The thread ends, nothing is left open."""
    queue, outlet = FakeQueue(10), FakeOutlet()
    push = make_push(queue, outlet)
    push.start()
    assert outlet.sent.wait(10)
    push.stop()
    assert (queue.saved, outlet.closed) == (1, True)


TOKEN_FILES = {
    "": "the token file is empty: write the token into it",
    " \n": "the token file is empty: write the token into it",
    **dict.fromkeys(
        ("two words\n", "clé\n", "a\nb\n"),
        "the token file holds more than one token: write one token into it, on one line, and "
        "nothing else",
    ),
}


def refuse_token(path: Path) -> str:
    """What is said of a token file."""
    with pytest.raises(NoAnswer) as caught:
        read_influx_token(str(path))
    return format_problem(caught.value.problem)


@pytest.mark.parametrize("content", TOKEN_FILES)
def test_a_token_file_that_holds_no_token_is_refused(tmp_path: Path, content: str) -> None:
    """It says which file, and what it must hold."""
    path = tmp_path / "influx.token"
    path.write_text(content, encoding="utf-8")
    assert refuse_token(path) == f"{path}: {TOKEN_FILES[content]}"


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, or no text."""
    behind = "): put it there, readable by the agent's user, or correct influx.token_file"
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    said = f"{missing}: the token cannot be read (No such file or directory{behind}"
    assert refuse_token(missing) == said
    assert refuse_token(tmp_path) == f"{tmp_path}: the token cannot be read (Is a directory{behind}"
    assert refuse_token(binary) == f"{binary}: the token cannot be read (it is no text{behind}"


def test_a_token_is_read_without_the_line_break_behind_it(tmp_path: Path) -> None:
    """As an editor leaves it."""
    path = tmp_path / "influx.token"
    path.write_text("abc==\n", encoding="utf-8")
    assert read_influx_token(str(path)) == "abc=="


def test_the_margin_covers_windows_that_may_yet_make_minutes_degraded() -> None:
    """With a threshold in the contract five windows and one more, without one two minutes."""
    settings = Settings(site=Site(id="ecole"))
    assert find_margin_ms(settings) == 120_000
    contract = ContractSettings(max_rtt_ms=Milliseconds(40))
    promised = msgspec.structs.replace(settings, circuit=Circuit(contract=contract))
    assert find_margin_ms(promised) == 480_000


def test_probes_under_way_are_waited_for() -> None:
    """The longest timeout of any target, and what handing over takes."""
    settings = Settings(site=Site(id="ecole"))
    assert find_answer_ms(settings) == 7_000
    slow = Target(name="ent", role=Role.SERVICE, kind="http", timeout_ms=Milliseconds(20_000))
    assert find_answer_ms(msgspec.structs.replace(settings, target=(slow,))) == 22_000


def test_without_a_token_points_wait_and_leave_once_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The agent measures on, the problem is said once, and no restart is needed."""
    store = StoreSettings(path=str(tmp_path / "netwatch.db"))
    settings = Settings(site=Site(id="ecole"), store=store)
    writer = Writer(settings.store.path, clock=SystemClock(), set_aside=lambda: "x")
    writer.begin_run(boot_id="a", pid=1, version="1", monotonic_ms=0, anchor=anchor())
    writer.submit(batch(10 * MINUTE_MS, span(0, 10 * MINUTE_MS)))
    assert writer.flush(10_000)
    path = tmp_path / "influx.token"
    try:
        with InfluxServer(lambda _: TAKEN) as server:
            influx = Influx(url=server.url, org="o", bucket="b", token_file=str(path))
            push = build_push(settings, influx, writer=writer, clock=SystemClock())
            push.step()
            push.step()
            assert push.state.problem is not None
            assert push.state.problem.reason is PushReason.TOKEN_UNREADABLE
            assert (push.state.ok, push.state.minutes, push.state.failed) == (False, 8, 2)
            assert len([each for each in caplog.messages if str(path) in each]) == 1
            path.write_text("t\n", encoding="ascii")
            while push.step() != IDLE_MS:
                pass
            push.stop()
            push.close()
        assert (push.state.ok, push.state.minutes, push.state.accepted) == (True, 0, 8)
    finally:
        writer.close(monotonic_ms=10 * MINUTE_MS, anchor=anchor(at_ms=10 * MINUTE_MS))


def test_what_is_shown_counts_what_was_tried_and_what_failed() -> None:
    """Sendings, failures, and the points that left."""
    some = Receipt(accepted=200, rejected=0, problem=NO)
    push = make_push(FakeQueue(20), FakeOutlet(some))
    push.step()
    push.step()
    assert push.state == PushState(
        ok=True,
        minutes=9,
        oldest_ms=0,
        accepted=2_200,
        attempts=2,
        failed=1,
    )
