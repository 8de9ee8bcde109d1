"""An agent's days in minutes: the real runner, judge, recorder, writer, metrics and page.

Rule of this file: only time and the wire are made up. One thread runs the runner, whose
queue hands it what a wire would have brought and moves the clock on to it; the writer's
thread keeps real books. Prints a line ``hours resident_bytes`` every tenth of an hour, and
``held hours objects bytes`` at every quarter of a day: the interpreter's small objects after
a full collection, and what malloc has handed out and not got back (SQLite's cache, lists,
long texts). What resides also counts what was freed and could not be given back.

    python -OO -m bench.memory_child HOURS FOLDER [--no-page] [--leak-bytes-a-minute N]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import sys
from pathlib import Path

import msgspec

from bench.memory_wire import HOUR_MS, FakeWire, SimulatedClock, require
from netwatch.agent.ledger_books import AgentBooks
from netwatch.agent.recorder import Recorder
from netwatch.agent.rules import build_judge
from netwatch.agent.runner import Event, Runner
from netwatch.config.model import Settings, Site, StoreSettings, Target
from netwatch.config.targets import complete_targets
from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.records import Role
from netwatch.store.chain import close_days
from netwatch.store.queries import Reader
from netwatch.store.retention import prune
from netwatch.store.writer import Writer
from netwatch.web.app import build_routes
from netwatch.web.books import SiteIdentity
from netwatch.web.request import Request

SCRAPE_EVERY_MS = 15_000
PAGE_EVERY_MS = 1_800_000
SAMPLE_EVERY_MS = HOUR_MS // 10
#: As often as the outages: always at the same point of what happens again and again.
COUNT_EVERY_MS = 6 * HOUR_MS
MINUTE_MS = 60_000


class Chores:
    """What others do to an agent: scrapes, looks at its page, and its own hourly work."""

    def __init__(
        self,
        runner: Runner,
        writer: Writer,
        clock: SimulatedClock,
        *,
        page: bool,
        leak_bytes_a_minute: int,
    ) -> None:
        self._clock, self._writer, self._page = clock, writer, page
        self._leak_bytes_a_minute = leak_bytes_a_minute
        self._leaked: list[bytes] = []
        self._malloc = MallocCount()
        begun = writer.begun
        assert begun is not None
        self._routes = build_routes(
            get_snapshot=runner.build_snapshot,
            books=AgentBooks(
                Reader(writer_path(writer)), runner.build_live_spans, lambda: begun.run_id
            ),
            site=SiteIdentity(
                id="bench",
                name=None,
                commune=None,
                operator=None,
                reference=None,
                timezone="Europe/Paris",
            ),
            is_alive=lambda: True,
            render_metrics=MetricsRenderer(),
        )
        self._began_ms = self._next_ms = clock.now_ms

    def turn(self) -> None:
        """To be called at every status the runner gathers: does what is due."""
        now_ms = self._clock.now_ms
        if now_ms < self._next_ms:
            return
        since_ms = self._next_ms - self._began_ms
        self._next_ms += SCRAPE_EVERY_MS
        require(self._ask("/metrics") == 200, "no metrics")
        if self._page and since_ms % PAGE_EVERY_MS == 0:
            require(self._ask("/") == 200, "no page")
        if self._leak_bytes_a_minute and since_ms % MINUTE_MS == 0:
            self._leaked.append(os.urandom(self._leak_bytes_a_minute))
        if since_ms % HOUR_MS == 0:
            wall_ms = self._clock.wall_ms()
            self._writer.call(lambda books: prune(books, wall_ms, 400 * 24 * HOUR_MS, 10**9))
            self._writer.call(lambda books: close_days(books, wall_ms))
        if since_ms % SAMPLE_EVERY_MS == 0:
            print(f"{since_ms / HOUR_MS:.1f} {read_resident_bytes()}", flush=True)
        if since_ms % COUNT_EVERY_MS == 0:
            gc.collect()
            objects, held_bytes = sys.getallocatedblocks(), self._malloc.read_bytes()
            print(f"held {since_ms / HOUR_MS:.0f} {objects} {held_bytes}", flush=True)

    def _ask(self, path: str) -> int:
        headers = {"accept-language": "fr"}
        return self._routes[path].answer(Request(method="GET", path=path, headers=headers)).status


class RunnerWithChores(Runner):
    """The runner as it is; between two of its turns, chores are done."""

    chores: Chores | None = None

    def _take_events(self, wait_ms: int) -> list[Event]:
        if self.chores is not None:
            self.chores.turn()
        return super()._take_events(wait_ms)


def writer_path(writer: Writer) -> Path:
    return writer._path  # noqa: SLF001 - the reader of this bench looks at the same books


def read_resident_bytes() -> int:
    # No `Path`: each making of one enters its names in the interpreter's table of names.
    descriptor = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    try:
        pages = int(os.read(descriptor, 256).split()[1])
    finally:
        os.close(descriptor)
    return pages * 4_096


class MallocCount:
    """What malloc has handed out (mallinfo(3), ``mallinfo2`` of glibc 2.33)."""

    class _Told(ctypes.Structure):
        _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
        _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]

    def __init__(self) -> None:
        self._ask = ctypes.CDLL(None).mallinfo2
        self._ask.restype = self._Told

    def read_bytes(self) -> int:
        """In the heap and in mappings of their own; the interpreter's small objects are in neither."""
        told = self._ask()
        return int(told.uordblks + told.hblkhd)


def main(hours: float, folder: Path, *, page: bool = True, leak_bytes_a_minute: int = 0) -> None:
    clock = SimulatedClock()
    settings = Settings(
        site=Site(id="bench"),
        store=StoreSettings(path=str(folder / "netwatch.db")),
        target=(Target(name="first-hop", role=Role.FIRST_HOP, address="100.64.0.1"),),
    )
    settings = msgspec.structs.replace(settings, target=complete_targets(settings))
    writer = Writer(settings.store.path, clock=clock, set_aside=lambda: "bench")
    begun = writer.begin_run(
        boot_id=clock.boot_id, pid=1, version="0", monotonic_ms=clock.now_ms, anchor=clock.anchor()
    )
    assert begun is not None
    recorder = Recorder(begun.counters)
    recorder.begin(begun.run_id)
    wire = FakeWire(clock, writer, clock.now_ms + round(hours * HOUR_MS) + 1)
    runner = RunnerWithChores(
        settings=settings,
        targets=settings.target,
        clock=clock,
        outside=wire,
        recorder=recorder,
        build_judge=lambda checks, at_ms, seen: build_judge(settings, checks, at_ms, seen),
        offset_ms=617,
    )
    runner.events = wire  # type: ignore[assignment]  # a queue by shape
    runner.chores = Chores(
        runner, writer, clock, page=page, leak_bytes_a_minute=leak_bytes_a_minute
    )
    runner.run()
    snapshot = runner.build_snapshot()
    print(f"incidents {sum(snapshot.incidents.values())}", flush=True)
    print(f"probes {sum(target.probes for target in snapshot.targets)}", flush=True)
    closed = writer.close(monotonic_ms=clock.now_ms, anchor=clock.anchor())
    require(closed, "not everything could be written")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="simulated days of an agent, and what it holds")
    parser.add_argument("hours", type=float)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-page", dest="page", action="store_false")
    parser.add_argument("--leak-bytes-a-minute", type=int, default=0)
    asked = parser.parse_args()
    main(asked.hours, asked.folder, page=asked.page, leak_bytes_a_minute=asked.leak_bytes_a_minute)
