"""An agent's life at speed: the real runner and real books, with a clock that a test moves.

Rule of this file: time goes by as the test says, a second a tick, and in each second the
line answers. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from netwatch.agent.events import Stop, TcpRound
from netwatch.agent.ledger_books import AgentBooks
from netwatch.agent.recorder import Recorder
from netwatch.agent.rules import build_judge
from netwatch.agent.runner import TICK_MS, Runner
from netwatch.clock import SystemClock
from netwatch.config.model import Latency, Settings, Site
from netwatch.config.targets import complete_targets
from netwatch.config.units import Milliseconds
from netwatch.core.ledger import build_ledger
from netwatch.records import Role, Round, RoundProbe, Span
from netwatch.snapshot import Snapshot
from netwatch.store.batch import Batch
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.queries import Reader
from tests.adapters.store_samples import SET_ASIDE
from tests.agent.test_evidence import FakeOutside

#: 2026-10-01T00:00:00Z, when the first boot's monotonic clock begins.
EPOCH_MS = 1_790_812_800_000
SECOND_MS = 1_000


class FakeClock(SystemClock):
    """The clocks of a machine that a test keeps; what is believed of them is the program's."""

    def __init__(self, boot_id: str, offset_ms: int, *, synchronised: bool) -> None:
        self.kernel = synchronised
        super().__init__(read_synchronised=lambda: self.kernel)
        self.boot_id = boot_id
        self.mono_ms = 1_000
        self.offset_ms = offset_ms

    def monotonic_ms(self) -> int:
        return self.mono_ms

    def monotonic_ns(self) -> int:
        return self.mono_ms * 1_000_000

    def offset_ns(self) -> int:
        return self.offset_ms * 1_000_000

    def wall_ms(self) -> int:
        return self.mono_ms + self.offset_ms


class FakeLine(FakeOutside):
    """A line that answers every second; batches go into the books at once."""

    icmp_kind = "none"

    def __init__(self, journal: Journal, script: Callable[[], None]) -> None:
        super().__init__()
        self._journal = journal
        self._script = script
        self.realigned = 0

    def set_tcp_pace(self, *, active: bool, uneasy: bool) -> None:
        del active, uneasy
        self._script()

    def realign(self) -> None:
        self.realigned += 1

    def read_begun(self) -> None:
        """The books are open from the start."""

    def submit(self, batch: Batch, *, urgent: bool) -> None:
        del urgent
        self._journal.append(batch)


class Life:
    """What one life of the agent left, and how it saw things when it was asked."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.path = path
        self.clock = clock
        self.run_id = 0
        self.realigned = 0
        self.totals: dict[str, int] = {}
        self.snapshots: list[Snapshot] = []
        self.ledgers: list[list[Span]] = []

    def live(
        self,
        seconds: int,
        *,
        at: dict[int, Callable[[], None]] | None = None,
        look_at: Sequence[int] = (),
        silent: Collection[int] = (),
        clean: bool = False,
    ) -> None:
        """Run for so long; ``at`` a second something happens, ``look_at`` it the page is read.

        In the ``silent`` seconds nobody answers.
        """
        settings = Settings(
            site=Site(id="school"), latency=Latency(interval_ms=Milliseconds(1_000))
        )
        settings = msgspec.structs.replace(settings, target=complete_targets(settings))
        happenings = at or {}
        clock = self.clock
        second = 0

        def pass_by() -> None:
            nonlocal second
            clock.mono_ms += SECOND_MS
            second += 1
            happenings.get(second, lambda: None)()
            if second in look_at:
                self.look(runner)
            if second >= seconds:
                runner.events.put(Stop())
            round_ = build_round(second, clock.mono_ms, answered=second not in silent)
            runner.events.put(TcpRound(round=round_))

        with closing(
            open_database(self.path, set_aside=lambda: SET_ASIDE).connection
        ) as connection:
            journal = Journal(connection)
            outside = FakeLine(journal, pass_by)
            self.run_id, _ = journal.begin_run(
                clock.boot_id, 1, "0.1.0", clock.mono_ms, clock.anchor()
            )
            runner = Runner(
                settings=settings,
                targets=settings.target,
                clock=clock,
                outside=outside,
                recorder=self._begin(journal),
                build_judge=lambda checks, at_ms, seen: build_judge(settings, checks, at_ms, seen),
                offset_ms=0,
                told=journal.read_told(self.run_id),
            )
            clock.mono_ms += TICK_MS  # so that the loop turns for the first time
            runner.run()
            self.look(runner)
            if clean:
                journal.end_run(self.run_id, clock.mono_ms, clock.anchor())
            self.totals = {
                label: value
                for (name, label), value in journal.read_counters().items()
                if name == "link_ms"
            }
        self.realigned = outside.realigned

    def _begin(self, journal: Journal) -> Recorder:
        recorder = Recorder(journal.read_counters())
        recorder.begin(self.run_id)
        return recorder

    def look(self, runner: Runner) -> None:
        """The page and the ledger of the last 30 days, as they are shown at this instant."""
        snapshot = runner.build_snapshot()
        books = AgentBooks(Reader(self.path), runner.build_live_spans, lambda: self.run_id)
        self.snapshots.append(snapshot)
        self.ledgers.append(books.read_ledger(EPOCH_MS, snapshot.at_ms))


def build_round(number: int, now_ms: int, *, answered: bool = True) -> Round:
    """Every internet target answered, a moment ago; or none did."""
    probes = tuple(
        RoundProbe(
            target_id=name,
            role=Role.INTERNET,
            sent_ms=now_ms - 20,
            rtt_us=9_000 if answered else None,
            reason=None if answered else "timeout",
        )
        for name in ("cloudflare", "google", "quad9")
    )
    return Round(number=number, burst=False, probes=probes, settled_ms=now_ms - 10)


def read_ledger(path: Path, to_ms: int) -> list[Span]:
    """The ledger as reports read it."""
    reader = Reader(path)
    layers = {"link": reader.read_spans(EPOCH_MS, to_ms, "link")}
    return build_ledger(layers, reader.read_lives(EPOCH_MS, to_ms), EPOCH_MS, to_ms)
