"""The machine that the agent runs on: its threads, sockets and files, behind `Outside`.

Rule of this file: it carries out. What is measured, when and why is decided elsewhere.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from netwatch.agent.events import FirstHopFound
from netwatch.agent.outside import StoreView
from netwatch.agent.runner import Event, Runner
from netwatch.agent.schedule import Schedule
from netwatch.agent.sd_notify import SystemdNotifier
from netwatch.agent.tcp_rounds import TcpRounds
from netwatch.clock import SystemClock
from netwatch.config.model import Settings, Target
from netwatch.core.cadence import Cadence
from netwatch.errors import RightsError, StoreError
from netwatch.probes.base import Probe
from netwatch.probes.first_hop import trace_first_hop
from netwatch.probes.host import HostProbe, read_gateway
from netwatch.probes.icmp_loop import IcmpLoop
from netwatch.probes.icmp_open import IcmpSockets, open_icmp_sockets
from netwatch.probes.icmp_report import IcmpTarget
from netwatch.probes.registry import PROBES
from netwatch.probes.resolve import read_resolvers
from netwatch.records import Check, HostFacts, Role, StoreFault
from netwatch.snapshot import StoreHealth
from netwatch.store.batch import Batch
from netwatch.store.books import BegunRun
from netwatch.store.chain import close_days
from netwatch.store.retention import prune, read_free_bytes
from netwatch.store.writer import Writer

_LOG = logging.getLogger(__name__)

FIRST_HOP_EVERY_MS = 60_000
FIRST_HOP_TIMEOUT_MS = 1_000
PRUNE_EVERY_MS = 3_600_000
CLOSE_DAYS_EVERY_MS = 1_800_000
#: Longer than a card takes for anything, a check of the whole file included.
WRITER_STUCK_MS = 300_000
#: With the files beside it the database stays below 600 MB.
SIZE_BUDGET_BYTES = 590_000_000
#: What the page says of each fault; of others, `store_failing`.
_NOTICES = {StoreFault.FULL: "disk_full", StoreFault.READ_ONLY: "disk_read_only"}


class Machine:
    """`outside.Outside`: the threads, sockets and files of one agent process."""

    def __init__(
        self,
        *,
        settings: Settings,
        targets: Sequence[Target],
        clock: SystemClock,
        writer: Writer,
        notifier: SystemdNotifier,
    ) -> None:
        self._settings = settings
        self._targets = targets
        self._clock = clock
        self._writer = writer
        self._notifier = notifier
        self._host = HostProbe()
        self._sockets: IcmpSockets | None = None
        self._loop: IcmpLoop | None = None
        self._loop_thread: threading.Thread | None = None
        self._probes: dict[str, Probe] = {}
        self._scheduled: dict[str, Check] = {}
        self._early: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._listening: Callable[[Event], None] = self._early.put
        latency = settings.latency
        self._schedule = Schedule(clock=clock, device=settings.site.id, emit=self._emit)
        self._tcp = TcpRounds(
            clock=clock,
            interval_ms=latency.interval_ms,
            burst_interval_ms=latency.burst_interval_ms,
            emit=self._emit,
        )
        try:
            self._sockets = open_icmp_sockets()
        except RightsError as error:
            _LOG.error("%s", error)

    @property
    def icmp_kind(self) -> str:
        return "none" if self._sockets is None else self._sockets.kind

    def start(self, runner: Runner) -> None:
        """Begin to measure; what was found before goes to the runner first."""
        self._listening = runner.events.put
        if self._loop is not None:
            self._loop_thread = threading.Thread(target=self._loop.run, name="icmp", daemon=True)
            self._loop_thread.start()
        self._tcp.start()
        self._schedule.add_job("prune", PRUNE_EVERY_MS, self._prune)
        self._schedule.add_job("close-days", CLOSE_DAYS_EVERY_MS, self._close_days)
        if any(
            target.role is Role.FIRST_HOP and target.address == "auto" for target in self._targets
        ):
            self._schedule.add_job("first-hop", FIRST_HOP_EVERY_MS, self._find_first_hop)
        self._schedule.start()
        threading.Thread(target=self._find_first_hop, name="first-hop", daemon=True).start()

    def add_job(self, name: str, every_ms: int, work: Callable[[], None]) -> None:
        """Have ``work`` done again and again by the small pool; before `start` or after."""
        self._schedule.add_job(name, every_ms, work)

    def stop(self) -> None:
        self._schedule.stop()
        self._tcp.stop()
        if self._loop is not None and self._loop_thread is not None:
            self._loop.stop()
            self._loop_thread.join()
        if self._sockets is not None:
            self._sockets.close()

    # -- Outside -------------------------------------------------------------------------

    def read_facts(self) -> HostFacts:
        return self._host.read()

    def read_gateways(self) -> tuple[str | None, str | None]:
        return read_gateway()

    def read_resolvers(self) -> tuple[str, ...]:
        return read_resolvers()

    def replace_icmp(self, targets: Sequence[IcmpTarget], cadence: Cadence) -> None:
        if self._sockets is None:
            return
        if self._loop is None:
            self._loop = IcmpLoop(
                sockets=self._sockets,
                cadence=cadence,
                targets=targets,
                clock=self._clock,
                emit=self._emit,
            )
        else:
            self._loop.replace_targets(targets, cadence)

    def replace_checks(self, checks: Sequence[Check]) -> None:
        wanted = {check.id: check for check in checks}
        for name in set(self._scheduled) - set(wanted):
            self._schedule.remove_check(name)
        for name, check in wanted.items():
            if self._scheduled.get(name) != check:
                probe = self._probes.get(check.kind)
                if probe is None:
                    probe = self._probes[check.kind] = PROBES[check.kind]()
                self._schedule.add_check(check, probe)
        self._scheduled = wanted

    def set_tcp_targets(self, checks: Sequence[Check]) -> None:
        self._tcp.set_targets(checks)

    def set_tcp_pace(self, *, active: bool, uneasy: bool) -> None:
        self._tcp.set_pace(active=active, uneasy=uneasy)

    def ask_witness(self) -> None:
        self._tcp.ask_witness()

    def realign(self) -> None:
        self._schedule.realign()

    def submit(self, batch: Batch, *, urgent: bool) -> None:
        _LOG.debug("to the books: %d spans, %d probes", len(batch.spans), len(batch.observations))
        self._writer.submit(batch, urgent=urgent)

    def describe_store(self) -> StoreView:
        state = self._writer.state
        notices = []
        if state.fault is not None:
            notices.append(_NOTICES.get(state.fault, "store_failing"))
        elif not state.ok:
            notices.append("store_failing")
        if state.dropped_observations or state.dropped_spans:
            notices.append("store_dropped")
        if state.notice is not None:
            notices.append("store_set_aside")
        return StoreView(
            notices=tuple(notices),
            store_bytes=state.store_bytes,
            written_bytes_today=state.written_bytes_today,
            health=StoreHealth(
                fault=state.fault if state.ok or state.fault is not None else StoreFault.OTHER,
                waiting_observations=state.queued_observations,
                dropped_observations=state.dropped_observations,
                dropped_spans=state.dropped_spans,
                device_written_bytes_today=state.device_written_bytes_today,
            ),
        )

    def read_begun(self) -> BegunRun | None:
        return self._writer.begun

    def show_life(self, status: str) -> None:
        self._notifier.tell(STATUS=status)

    def show_progress(self, now_ms: int) -> None:
        """The runner goes on; whether the writer does is looked at here."""
        if not self._writer.is_stuck(WRITER_STUCK_MS):
            self._notifier.beat(now_ms)

    # -- within ----------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        self._listening(event)

    def _find_first_hop(self) -> None:
        """Ask the way to the first internet target. Nothing found changes nothing."""
        internet = next(
            (target.address for target in self._targets if target.role is Role.INTERNET), None
        )
        if self._sockets is None or internet is None:
            return
        gateway, gateway_ipv6 = read_gateway()
        try:
            with open_icmp_sockets() as sockets:
                found = trace_first_hop(
                    sockets,
                    gateway_ipv6 if ":" in internet else gateway,
                    internet,
                    FIRST_HOP_TIMEOUT_MS,
                    clock=self._clock,
                )
        except (RightsError, OSError) as error:
            _LOG.warning("the operator's first hop could not be looked for: %s", error)
            return
        if found is not None:
            ttl = None if found.answers_echo else found.ttl
            self._emit(FirstHopFound(address=found.address, ttl=ttl))

    def _read_utc_ms(self) -> int | None:
        """Now, by the last good tie; None while the clock has not told the time."""
        anchor = self._clock.anchor()
        return None if anchor is None else anchor.to_utc_ms(self._clock.monotonic_ms())

    def _prune(self) -> None:
        """By age only where the clock is to be trusted; by size always."""
        now_ms = self._read_utc_ms()
        keep_ms = self._settings.store.keep_ms
        free_bytes = read_free_bytes(Path(self._settings.store.path))
        self._have_done(
            lambda books: prune(books, now_ms, keep_ms, SIZE_BUDGET_BYTES, free_bytes=free_bytes)
        )

    def _close_days(self) -> None:
        now_ms = self._read_utc_ms()
        if now_ms is None:
            return
        self._have_done(lambda books: close_days(books, now_ms))

    def _have_done(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Work on the books that can be done the next time as well."""
        try:
            self._writer.call(work)
        except StoreError as error:
            _LOG.warning("%s; it is tried again later", error)
