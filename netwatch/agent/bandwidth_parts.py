"""The parts of the throughput tests, made and joined; loaded only where an engine is configured.

Rule of this file: construction only. It decides nothing that is measured.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

from netwatch.agent.bandwidth_board import BandwidthBoard
from netwatch.agent.bandwidth_conduct import Conduct
from netwatch.agent.bandwidth_schedule import BandwidthTests
from netwatch.agent.bandwidth_world import LineWorld, list_counterparts
from netwatch.agent.events import LineLoaded
from netwatch.agent.runner import Runner
from netwatch.bandwidth.base import Counterpart
from netwatch.clock import Clock
from netwatch.config.model import Settings
from netwatch.errors import NetwatchError
from netwatch.records import Cause, Verdict
from netwatch.snapshot import BandwidthView
from netwatch.store.writer import Writer


class Bandwidth:
    """The tests of one agent: `start`, `stop`, and what is shown of them."""

    def __init__(self, tests: BandwidthTests, board: BandwidthBoard) -> None:
        self._tests = tests
        self._board = board

    @property
    def view(self) -> BandwidthView:
        return self._board.view

    def start(self) -> None:
        self._tests.start()

    def stop(self) -> None:
        self._tests.stop()


def build_bandwidth(
    settings: Settings, *, clock: Clock, writer: Writer, runner: Runner
) -> Bandwidth | None:
    """Everything that is needed for tests; None where no engine is configured."""
    counterparts = list_counterparts(settings.bandwidth)
    if not counterparts:
        return None
    zone = ZoneInfo(settings.site.timezone)
    stopping = threading.Event()
    engines = tuple(each.engine for each in counterparts)

    def tell_load(loaded: bool, at_ms: int) -> None:
        runner.events.put(LineLoaded(loaded=loaded, at_ms=at_ms))

    def enter(work: Callable[[sqlite3.Connection], None]) -> None:
        def within(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            work(connection)
            connection.execute("COMMIT")

        writer.call(within)

    def is_line_down() -> bool:
        try:
            snapshot = runner.ask(runner.build_snapshot)
        except NetwatchError:  # it is stalled, and says so itself
            return False
        # Where names alone fail, a server that is named by its address can be reached.
        return snapshot.verdict is Verdict.DOWN and snapshot.cause is not Cause.DNS

    def read_run_id() -> int | None:
        return None if writer.begun is None else writer.begun.run_id

    board = BandwidthBoard(
        settings.store.path,
        clock=clock,
        zone=zone,
        engines=engines,
        budget_bytes=int(settings.bandwidth.monthly_budget),
        is_running=lambda: tests.under_way,
    )
    conduct = build_conduct(
        settings,
        counterparts,
        clock=clock,
        run_id=lambda: read_run_id() or 0,
        enter=enter,
        tell_load=tell_load,
        pause=stopping.wait,
    )
    tests = BandwidthTests(
        settings=settings,
        clock=clock,
        zone=zone,
        run_id=read_run_id,
        conduct=conduct,
        board=board,
        enter=enter,
        tell_load=tell_load,
        engines=engines,
        is_line_down=is_line_down,
        stopping=stopping,
    )
    return Bandwidth(tests, board)


def build_conduct(
    settings: Settings,
    counterparts: tuple[Counterpart, ...],
    *,
    clock: Clock,
    run_id: Callable[[], int],
    enter: Callable[[Callable[[sqlite3.Connection], None]], None],
    tell_load: Callable[[bool, int], None] = lambda _loaded, _at_ms: None,
    pause: Callable[[float], object] = time.sleep,
) -> Conduct:
    """The conduct of tests, for the agent and for `netwatch speedtest` alike."""
    lease = None
    if settings.bandwidth.lease is not None:
        from netwatch.agent.bandwidth_lease import TownLease  # noqa: PLC0415 -- 1.5 MB of http.client, for those with a lease alone

        lease = TownLease(settings.bandwidth.lease, holder=settings.site.id, clock=clock)
    return Conduct(
        settings=settings,
        clock=clock,
        zone=ZoneInfo(settings.site.timezone),
        run_id=run_id,
        counterparts=counterparts,
        world=LineWorld(settings, clock),
        enter=enter,
        tell_load=tell_load,
        lease=lease,
        pause=pause,
    )
