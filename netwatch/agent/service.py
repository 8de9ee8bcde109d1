"""The composition root: makes the parts of the agent, joins them, and ends them in order.

Rule of this file: construction only. It decides nothing that is measured.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from netwatch import __version__
from netwatch.agent.bandwidth_choice import has_engine
from netwatch.agent.events import Stop
from netwatch.agent.lazy_evidence import LazyEvidence
from netwatch.agent.ledger_books import AgentBooks
from netwatch.agent.machine import Machine
from netwatch.agent.recorder import Recorder
from netwatch.agent.restore_deadline import RestoreDeadline
from netwatch.agent.rules import build_judge
from netwatch.agent.runner import Runner
from netwatch.agent.schedule import draw_offset_ms
from netwatch.agent.sd_notify import SystemdNotifier
from netwatch.clock import Clock, SystemClock
from netwatch.config.model import Settings
from netwatch.errors import NetwatchError
from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.snapshot import Snapshot
from netwatch.store.attempts import WriterState
from netwatch.store.books import PROVISIONAL_RUN
from netwatch.store.queries import Reader
from netwatch.store.writer import Writer
from netwatch.web.app import build_routes
from netwatch.web.books import SiteIdentity
from netwatch.web.listener import Tls
from netwatch.web.server import Server, build_server

if TYPE_CHECKING:
    from netwatch.agent.bandwidth_parts import Bandwidth
    from netwatch.agent.central_watch import CentralWatch
    from netwatch.agent.push import Push

_LOG = logging.getLogger(__name__)

#: The exit code of an agent that wants to be started anew with other settings (EX_TEMPFAIL).
BEGIN_AGAIN = 75
#: The runner turns four times a second; this long without a turn, it hangs.
ALIVE_MS = 15_000


def run_agent(settings: Settings, *, environment: Mapping[str, str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. ``settings.target`` is complete.

    A disk that refuses for now stops nothing: it is said, and measuring goes on in memory.
    Raises StoreError when the books cannot be opened for another reason, and NetwatchError
    when the page's port cannot be had.
    """
    environment = os.environ if environment is None else environment
    notifier = SystemdNotifier(environment)
    clock = SystemClock(trusted=settings.clock.trusted)
    targets = settings.target
    writer = Writer(
        settings.store.path,
        clock=clock,
        set_aside=lambda: _name_now(clock),
        on_state=log_store_state,
    )
    begun = writer.begin_run(
        boot_id=clock.boot_id,
        pid=os.getpid(),
        version=__version__,
        monotonic_ms=clock.monotonic_ms(),
        anchor=clock.anchor(),
    )
    if begun is None:
        log_store_state(writer.state)
    elif begun.notice:
        _LOG.error("%s", begun.notice)
    recorder = Recorder(None if begun is None else begun.counters)
    recorder.begin(PROVISIONAL_RUN if begun is None else begun.run_id)
    machine = Machine(
        settings=settings, targets=targets, clock=clock, writer=writer, notifier=notifier
    )
    watch: CentralWatch | None = None
    told = threading.Event()
    try:
        runner = Runner(
            settings=settings,
            targets=targets,
            clock=clock,
            outside=machine,
            recorder=recorder,
            build_judge=lambda checks, at_ms, seen: build_judge(settings, checks, at_ms, seen),
            offset_ms=draw_offset_ms(f"{settings.site.id}/icmp", settings.latency.interval_ms),
            told=None if begun is None else begun.told,
        )
        push = None
        if settings.influx is not None:
            from netwatch.agent.push_parts import build_push  # noqa: PLC0415 - an agent that pushes nowhere does without its memory

            push = build_push(settings, settings.influx, writer=writer, clock=clock)
        bandwidth = None
        if has_engine(settings.bandwidth):
            from netwatch.agent.bandwidth_parts import build_bandwidth  # noqa: PLC0415 - an agent without an engine does without its memory

            bandwidth = build_bandwidth(settings, clock=clock, writer=writer, runner=runner)
        evidence = LazyEvidence(settings, clock)
        deadline = RestoreDeadline(settings, monotonic_ms=clock.monotonic_ms)
        if settings.central is not None:
            from netwatch.agent.central_watch import LOOK_EVERY_MS, build_watch  # noqa: PLC0415 - an agent without a centre does without its memory

            watch = build_watch(
                settings,
                settings.central,
                environment,
                watchdog_ms=notifier.watchdog_ms,
                monotonic_ms=clock.monotonic_ms,
                make_way=lambda: runner.events.put(Stop()),
            )
            look = watch.look
            machine.add_job(
                "configuration of the centre", LOOK_EVERY_MS, lambda: look(runner.rounds)
            )
        server = _build_server(
            settings,
            clock,
            runner,
            writer,
            push=push,
            bandwidth=bandwidth,
            evidence=evidence,
            deadline=deadline,
            watch=watch,
        )
        if push is not None:
            push.start()
        if bandwidth is not None:
            bandwidth.start()
        try:
            _serve(machine, runner, server, notifier, watch=watch, told=told)
        finally:
            if bandwidth is not None:
                bandwidth.stop()
            if push is not None:
                push.stop()
            server.stop()
            evidence.stop()
            deadline.stop()
    finally:
        machine.stop()
        if not writer.close(monotonic_ms=clock.monotonic_ms(), anchor=clock.anchor()):
            _LOG.error("not everything could be written before the end")
    if watch is not None and watch.outdated and not told.is_set():
        return BEGIN_AGAIN
    return 0


def _build_server(
    settings: Settings,
    clock: Clock,
    runner: Runner,
    writer: Writer,
    *,
    push: Push | None,
    bandwidth: Bandwidth | None,
    evidence: LazyEvidence,
    deadline: RestoreDeadline,
    watch: CentralWatch | None,
) -> Server:
    site, circuit, http = settings.site, settings.circuit, settings.http
    books = AgentBooks(
        Reader(settings.store.path),
        lambda: runner.ask(runner.build_live_spans),
        lambda: None if writer.begun is None else writer.begun.run_id,
    )
    routes = build_routes(
        get_snapshot=lambda: _add_central(
            _add_others(deadline.add_to(runner.ask(runner.build_snapshot)), push, bandwidth), watch
        ),
        books=books,
        site=SiteIdentity(
            id=site.id,
            name=site.name,
            commune=site.commune,
            operator=circuit.operator,
            reference=circuit.reference,
            timezone=site.timezone,
            guaranteed_down=circuit.contract.guaranteed_down,
            guaranteed_up=circuit.contract.guaranteed_up,
        ),
        is_alive=lambda: clock.monotonic_ms() - runner.alive_ms < ALIVE_MS,
        render_metrics=MetricsRenderer(site=site.id),
        find_evidence=evidence.find,
    )
    tls = None
    if http.certificate is not None and http.key is not None:
        tls = Tls(certificate=http.certificate, key=http.key)
    return build_server(
        http.listen,
        routes,
        monotonic_ms=clock.monotonic_ms,
        token=read_token(http.token_file),
        tls=tls,
    )


def _add_others(snapshot: Snapshot, push: Push | None, bandwidth: Bandwidth | None) -> Snapshot:
    """Push and tests have threads of their own: what they say joins what the runner knows."""
    if push is None and bandwidth is None:
        return snapshot
    return msgspec.structs.replace(
        snapshot,
        push=None if push is None else push.state,
        bandwidth=None if bandwidth is None else bandwidth.view,
    )


def _add_central(snapshot: Snapshot, watch: CentralWatch | None) -> Snapshot:
    """What the centre's configuration makes worth showing."""
    if watch is None:
        return snapshot
    notices = (*snapshot.notices, *watch.list_notices(snapshot.at_ms))
    return msgspec.structs.replace(snapshot, central=watch.view(), notices=notices)


def log_store_state(state: WriterState) -> None:
    """Say when the disk begins to refuse, and when it obeys again."""
    if state.reason is not None:
        _LOG.error("%s; measuring goes on, and is written once that works", state.reason)
        return
    if state.notice is not None:
        _LOG.error("%s", state.notice)
    _LOG.info("the books are written again")


def read_token(path: str | None) -> str | None:
    """The bearer token, from its file; None when the configuration names none.

    Raises NetwatchError when the file cannot be read or holds nothing.
    """
    if path is None:
        return None
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        # Of a folder that is root's alone the kernel says the same of what is not there.
        raise NetwatchError(
            f"{path}: the token is not there, or may not be read ({error.strerror}): "
            "write it into that file"
        ) from None
    except UnicodeDecodeError:
        raise NetwatchError(f"{path}: the token is no text: write it into that file") from None
    if not token:
        raise NetwatchError(f"{path}: the token file is empty: write a token into it")
    return token


def _serve(
    machine: Machine,
    runner: Runner,
    server: Server,
    notifier: SystemdNotifier,
    *,
    watch: CentralWatch | None,
    told: threading.Event,
) -> None:
    """Until the end; ``told`` is set where somebody has told the agent to end, later on too."""

    def leave(_signal: int, _frame: object) -> None:
        told.set()
        runner.events.put(Stop())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    server.serve()
    machine.start(runner)
    _LOG.info("netwatch %s: the page is at %s", __version__, server.url)
    notifier.tell(READY="1", STATUS="measuring")
    runner.run()
    if watch is not None and watch.outdated and not told.is_set():
        # Not STOPPING: systemd would wait for the end of a process that goes on as another.
        notifier.tell(STATUS="beginning again with another configuration")
        return
    notifier.tell(STOPPING="1")
    if watch is not None:
        watch.leave()


def _name_now(clock: Clock) -> str:
    return dt.datetime.fromtimestamp(clock.wall_ms() / 1000, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
