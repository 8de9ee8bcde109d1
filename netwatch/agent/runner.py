"""The runner: hears what every probe found, has it judged, and sees that it is entered.

Rule of this file: one thread, one queue, nothing that waits for the world. What counts
as evidence is decided in `evidence`, what it means by the judge; probes, clock and
store are handed in.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from netwatch.agent.attachment import Attachment
from netwatch.agent.dating import Dating
from netwatch.agent.events import (
    FirstHopFound,
    LineLoaded,
    Measured,
    Question,
    Skipped,
    Stop,
    TcpRound,
    WitnessHeard,
)
from netwatch.agent.evidence import Evidence
from netwatch.agent.outside import Outside
from netwatch.agent.progress import Progress
from netwatch.agent.recorder import (
    OWN_FAULTS,
    Recorder,
    build_icmp_observation,
    build_observation,
    build_skipped,
    build_tcp_observation,
)
from netwatch.agent.view import Recent, build_live_spans, build_snapshot
from netwatch.clock import Clock
from netwatch.config.model import Settings, Target
from netwatch.core.cadence import Cadence
from netwatch.core.clockline import is_step
from netwatch.core.judge import Judge, Standing
from netwatch.core.round_plan import CadenceTarget
from netwatch.errors import NetwatchError
from netwatch.probes.icmp_report import LoopReport
from netwatch.records import Check, Outcome, Role, Round, RoundProbe
from netwatch.snapshot import Snapshot
from netwatch.store.lives import Told

_LOG = logging.getLogger(__name__)

TICK_MS = 250
#: How often resolvers and gateway are read again.
LOOK_EVERY_MS = 5_000
ASK_TIMEOUT_MS = 5_000

Answer = TypeVar("Answer")
Event = (
    LoopReport
    | Measured
    | Skipped
    | WitnessHeard
    | TcpRound
    | FirstHopFound
    | LineLoaded
    | Question
    | Stop
)
BuildJudge = Callable[[Sequence[Check], int, frozenset[Role]], Judge]


class Runner:
    """One life of the agent. `run` returns after a `Stop` has been heard."""

    def __init__(
        self,
        *,
        settings: Settings,
        targets: Sequence[Target],
        clock: Clock,
        outside: Outside,
        recorder: Recorder,
        build_judge: BuildJudge,
        offset_ms: int,
        told: Told | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._outside = outside
        self._recorder = recorder
        self._offset_ms = offset_ms
        self._started_ms = clock.monotonic_ms()
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        #: The last instant at which this loop was seen to work.
        self.alive_ms = self._started_ms
        self._progress = Progress(
            interval_ms=settings.latency.interval_ms,
            timeout_ms=settings.latency.timeout_ms,
            pings=outside.icmp_kind != "none",
            now_ms=self._started_ms,
        )
        self._stalled = False
        self._attachment = Attachment(targets, outside)
        self._judge = build_judge(
            self._attachment.checks, self._started_ms, frozenset(recorder.seen)
        )
        self._evidence = Evidence(self._judge, outside)
        self._cadence: Cadence | None = None
        self._missed_slots = 0
        self._lateness_us: int | None = None
        self._looked_ms = self._started_ms
        self._committed_ms = self._started_ms
        self._entered: Standing | None = None
        self._wall_offset_ms = clock.offset_ns() // 1_000_000
        self._dating = Dating(clock, self._started_ms, told)
        self._follow_attachment()

    # -- the loop --------------------------------------------------------------------

    def run(self) -> None:
        """Hear events until `Stop`; between them, every quarter of a second, look around."""
        stopping = False
        while not stopping:
            wait_ms = max(0, self.alive_ms + TICK_MS - self._clock.monotonic_ms())
            for event in self._take_events(wait_ms):
                stopping = stopping or isinstance(event, Stop)
                self._hear(event)
            now_ms = self._clock.monotonic_ms()
            if now_ms - self.alive_ms >= TICK_MS or stopping:
                self._tick(now_ms)
                self.alive_ms = now_ms
        self._commit(self._clock.monotonic_ms(), with_observations=True)

    @property
    def rounds(self) -> int:
        """How often complete rounds of probes were heard of; to be read from any thread."""
        return self._progress.rounds

    def _take_events(self, wait_ms: int) -> list[Event]:
        try:
            events = [self.events.get(timeout=wait_ms / 1000)]
        except queue.Empty:
            return []
        while not self.events.empty():
            events.append(self.events.get_nowait())
        return events

    def _hear(self, event: Event) -> None:
        match event:
            case LoopReport():
                self._hear_loop(event)
            case Measured():
                self._hear_measured(event)
            case Skipped():
                self._missed_slots += 1
                self._recorder.observe(
                    build_skipped(event.skip.check_id, event.skip.due_ms, event.skip.reason)
                )
            case WitnessHeard():
                self._evidence.hear_witness(event)
            case TcpRound():
                self._hear_tcp(event.round)
            case FirstHopFound():
                if self._attachment.hear_first_hop(event):
                    _LOG.info("the operator's first hop is %s", event.address)
                    self._judge.forget_first_hop()
                    self._look(self._clock.monotonic_ms())
            case LineLoaded():
                self._judge.hear_load(event.at_ms, loaded=event.loaded)
            case Question():
                event.reply.put(event.answer())
            case Stop():
                pass

    def _hear_loop(self, report: LoopReport) -> None:
        self._progress.hear_loop(self._clock.monotonic_ms(), rounds=bool(report.rounds))
        if report.stalled_from_ms is not None and report.stalled_to_ms is not None:
            _LOG.warning(
                "nothing was watched for %d ms: the machine kept the agent from running",
                report.stalled_to_ms - report.stalled_from_ms,
            )
            self._judge.lose_sight(report.stalled_from_ms, report.stalled_to_ms)
        timeout_ms = self._settings.latency.timeout_ms
        for probe in report.probes:
            self._show_probe(probe.target_id, probe.sent_ms, probe.rtt_us, probe.reason)
            self._recorder.observe(build_icmp_observation(probe, timeout_ms))
        for slot in report.missed_slots:
            self._recorder.observe(build_skipped(slot.target_id, slot.due_ms, "late"))
        self._missed_slots += len(report.missed_slots)
        self._lateness_us = report.send_lateness_us
        for round_ in report.rounds:
            self._evidence.hear_icmp_round(round_)

    def _show_probe(
        self, target_id: str, sent_ms: int, rtt_us: int | None, reason: str | None
    ) -> None:
        """One probe in what is shown of its target; under our own load, only that it answered."""
        state = self._attachment.states.get(target_id)
        if state is None or reason in OWN_FAULTS:
            return
        if self._judge.is_loaded(sent_ms):
            state.window.note(answered=rtt_us is not None)
        else:
            state.window.add(sent_ms, rtt_us, reason)

    def _hear_tcp(self, round_: Round) -> None:
        """Where no ping can be sent, connections are what is kept and shown of a target."""
        self._progress.hear_round(self._clock.monotonic_ms())
        if self._outside.icmp_kind == "none":
            for probe in round_.probes:
                self._show_probe(probe.target_id, probe.sent_ms, probe.rtt_us, probe.reason)
                self._recorder.observe(build_tcp_observation(probe))
        self._evidence.hear_tcp_round(round_)

    def _hear_measured(self, event: Measured) -> None:
        check, finding = event.check, event.finding
        self._recorder.observe(
            build_observation(
                check,
                finding,
                due_ms=event.due_ms,
                started_ms=event.started_ms,
                elapsed_ms=event.elapsed_ms,
            )
        )
        state = self._attachment.states.get(check.id)
        if state is None or finding.outcome is Outcome.UNKNOWN:
            return
        loaded = self._judge.is_loaded(event.started_ms)
        state.hear(finding, event.started_ms, loaded=loaded)
        probe = RoundProbe(
            target_id=check.id,
            role=check.role,
            sent_ms=event.started_ms,
            rtt_us=event.elapsed_ms * 1000 if finding.outcome is Outcome.ANSWERED else None,
            reason=finding.reason,
        )
        if check.role is Role.RESOLVER:
            self._evidence.hear_resolver(probe, settled_ms=self._clock.monotonic_ms())
        elif check.role is Role.SERVICE:
            self._judge.hear_service(probe)

    # -- every quarter of a second --------------------------------------------------------

    def _tick(self, now_ms: int) -> None:
        if self._evidence.check_facts(now_ms) or now_ms - self._looked_ms >= LOOK_EVERY_MS:
            self._look(now_ms)
        if self._cadence is not None:
            self._evidence.call_witness(now_ms, alarmed=self._cadence.burst_rounds >= 2)
            self._cadence.burst_allowed = not self._evidence.filtered
        self._outside.set_tcp_pace(active=self._evidence.filtered, uneasy=self._judge.uneasy)
        self._heed_step()
        self._heed_books()
        self._heed_clock(now_ms)
        self._judge.let_pass(now_ms)
        self._recorder.count(*self._judge.take_totals())
        self._recorder.remember_seen(self._judge.seen)
        self._enter_standing(now_ms)
        if now_ms - self._committed_ms >= self._settings.store.commit_interval_ms:
            self._committed_ms = now_ms
            self._commit(now_ms, with_observations=True)
        self._show_progress(now_ms)

    def _show_progress(self, now_ms: int) -> None:
        """The watchdog hears of this loop only while what it is there for goes on."""
        stall = self._progress.find_stall(now_ms)
        if stall is None:
            self._outside.show_progress(now_ms)
        elif not self._stalled:
            _LOG.error("%s: the watchdog is no longer told that all is well", stall)
        self._stalled = stall is not None

    def _enter_standing(self, now_ms: int) -> None:
        """A verdict that has changed is said, and entered at once."""
        standing = self._judge.standing(now_ms)
        told = (standing.verdict, standing.cause, standing.reason)
        entered = self._entered
        if entered is not None and told == (entered.verdict, entered.cause, entered.reason):
            return
        self._entered = standing
        words = " ".join(word for word in told if word is not None)
        _LOG.info("verdict: %s", words)
        self._outside.show_life(words)
        self._commit(now_ms, with_observations=False)

    def _heed_step(self) -> None:
        offset_ms = self._clock.offset_ns() // 1_000_000
        if is_step(self._wall_offset_ms, offset_ms):
            _LOG.warning("the wall clock stepped by %d ms", offset_ms - self._wall_offset_ms)
            self._outside.realign()
        self._wall_offset_ms = offset_ms

    def _heed_books(self) -> None:
        """Books that could not be opened at the start, and are now: what earlier lives counted."""
        begun = None if self._recorder.totals_known else self._outside.read_begun()
        if begun is None:
            return
        self._recorder.learn_totals(begun.counters)
        self._dating.hear_told(begun.told)
        _LOG.info("the books are open: run %d", begun.run_id)

    def _heed_clock(self, now_ms: int) -> None:
        """What was seen before the clock was stepped is entered under what held then."""
        if self._dating.is_due():
            if self._dating.line.newest is not None:
                self._committed_ms = now_ms
                self._commit(now_ms, with_observations=True)
            self._recorder.count(self._dating.follow(now_ms), {})
            if self._entered is not None:
                self._commit(now_ms, with_observations=False)
        self._recorder.count(*self._dating.take_absence())

    def _look(self, now_ms: int) -> None:
        self._looked_ms = now_ms
        if self._attachment.look():
            self._follow_attachment()

    def _follow_attachment(self) -> None:
        """Have the checks made that are now in force."""
        latency = self._settings.latency
        checks = self._attachment.checks
        cadence = Cadence(
            [CadenceTarget(id=check.id, role=check.role) for check in self._attachment.pings],
            interval_ms=latency.interval_ms,
            burst_interval_ms=latency.burst_interval_ms,
            timeout_ms=latency.timeout_ms,
            start_ms=self._clock.monotonic_ms(),
            offset_ms=self._offset_ms,
            up_after=latency.up_after_rounds,
        )
        self._cadence = cadence
        self._progress.begin_again(self._clock.monotonic_ms())
        self._recorder.define(checks)
        self._evidence.expect_resolvers(self._attachment.resolvers)
        self._outside.replace_icmp(self._attachment.build_icmp_targets(), cadence)
        self._outside.replace_checks([check for check in checks if check.kind != "icmp"])
        self._outside.set_tcp_targets(checks)

    def ask(self, answer: Callable[[], Answer]) -> Answer:
        """Have ``answer`` worked out by the runner's thread, and wait for it; from any other.

        Raises NetwatchError when the runner does not come to it.
        """
        reply: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.events.put(Question(answer=answer, reply=reply))
        try:
            return cast("Answer", reply.get(timeout=ASK_TIMEOUT_MS / 1000))
        except queue.Empty:
            raise NetwatchError(
                f"the agent's loop has not answered for {ASK_TIMEOUT_MS} ms: it is stalled"
            ) from None

    # -- books and views ------------------------------------------------------------------------

    def _commit(self, now_ms: int, *, with_observations: bool) -> None:
        self._outside.submit(
            self._recorder.take_batch(
                anchor=self._dating.build_tie(now_ms),
                watched_to_ms=now_ms,
                spans=self._judge.take_spans(),
                with_observations=with_observations,
                settled_ms=self._judge.settled_ms,
                caught_up=self._dating.caught_up,
            ),
            urgent=not with_observations,
        )

    def build_live_spans(self) -> dict[str, Recent]:
        """The newest spans by layer, in UTC; for `ask`."""
        return build_live_spans(self._judge, self._dating.line)

    def build_snapshot(self) -> Snapshot:
        """All that is shown, now; for `ask`."""
        return build_snapshot(
            judge=self._judge,
            recorder=self._recorder,
            attachment=self._attachment,
            evidence=self._evidence,
            outside=self._outside,
            clock=self._clock,
            clockline=self._dating.line,
            started_ms=self._started_ms,
            missed_slots=self._missed_slots,
            lateness_us=self._lateness_us,
        )
