"""The speedtest engine: speedtest-cli as a library, held within bounds it does not have.

Rule of this file: which server, which direction, and what its figures come to. The limits
are in `speedtest_bounds`. Its faults are named in docs/bandwidth.md; the ones that could be
mended from outside are (no half-latency is used, a town's own server is tested without
asking speedtest.net, uploads are not kept in memory), the rest are why it is tried last.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from types import ModuleType
from typing import ClassVar

from netwatch.bandwidth.base import (
    Counterpart,
    DirectionFinding,
    EngineFinding,
    Plan,
    Progress,
    Tell,
)
from netwatch.bandwidth.reach import Trouble, now_ms
from netwatch.bandwidth.speedtest_bounds import Guard, Opener, Untyped, explain, limit_memory
from netwatch.core.throughput import Direction

#: Beyond what the process has when the test begins.
MEMORY_BYTES = 192 * 2**20
STALL_MS = 4_000
_STREAMS_LIMIT = 8
_TELL_MS = 250
_LEAST_BYTES = 16_384
#: What the library itself would take for a middling line (its configuration of 2021).
_MINI_CONFIG: dict[str, Untyped] = {
    "client": {"ip": "", "lat": "0", "lon": "0"},
    "ignore_servers": [],
    "sizes": {
        "upload": [524_288, 1_048_576, 7_340_032],
        "download": [350, 500, 750, 1000, 1500, 2000, 2500, 3000, 3500, 4000],
    },
    "counts": {"upload": 64, "download": 8},
    "threads": {"upload": 4, "download": 4},
    "length": {"upload": 10, "download": 10},
    "upload_max": 192,
}
#: What a library without checks of its own raises for an answer that is not as it thinks.
_MISREAD = (
    NameError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    SyntaxError,
)


class SpeedtestEngine:
    """Measures against a mini server (``counterpart.url``), or speedtest.net's nearest.

    ``service_url`` stands in for speedtest.net, ``memory_bytes`` is what may be taken.
    """

    name: ClassVar[str] = "speedtest"

    def __init__(
        self,
        counterpart: Counterpart,
        *,
        service_url: str | None = None,
        memory_bytes: int = MEMORY_BYTES,
        stall_ms: int = STALL_MS,
    ) -> None:
        self._counterpart = counterpart
        self._service_url = service_url
        self._memory_bytes = memory_bytes
        self._stall_ms = stall_ms

    def measure(self, plan: Plan, tell: Tell) -> EngineFinding:
        """Each direction in turn, in a thread that is left behind at the deadline.

        See `base.Engine`. The library reads a header for as long as bytes drip; the thread
        ends with the test process.
        """
        work = _Work(self._counterpart, plan)
        try:
            work.library = load_library()
        except ImportError:
            return work.finish(
                Trouble(
                    "no_program",
                    "speedtest-cli is not installed; pip install 'netwatch[speedtest]' does it",
                )
            )
        deadline_ms = now_ms() + plan.deadline_ms
        stall_ms = min(self._stall_ms, max(100, plan.grace_ms // 2))
        with limit_memory(self._memory_bytes), warnings.catch_warnings():
            # Of the library: datetime.utcnow(), and connections that it leaves to be collected.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            thread = threading.Thread(
                target=work.run, args=(stall_ms, self._service_url), name="speedtest", daemon=True
            )
            thread.start()
            before, threading.excepthook = threading.excepthook, work.note_thread
            try:
                while thread.is_alive() and now_ms() < deadline_ms and not work.broken:
                    thread.join(_TELL_MS / 1_000)
                    work.tell_progress(tell)
            finally:
                threading.excepthook = before
        work.guard.stop()
        return work.finish(Trouble("timeout", "speedtest-cli was not over when it had to be"))


def load_library() -> ModuleType:
    """Imports speedtest-cli; ImportError where it is not installed.

    On import it wraps the file descriptors of standard output and error in objects that
    close them when they are collected, unless they have none.
    """
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        import speedtest  # noqa: PLC0415 -- its import takes hold of standard output, which here is another
    return speedtest  # type: ignore[no-any-return]  # speedtest-cli has no types


class _Work:
    """What the thread does, and what is known of it so far."""

    def __init__(self, counterpart: Counterpart, plan: Plan) -> None:
        self._counterpart = counterpart
        self._plan = plan
        self.guard = Guard()
        self.library: Untyped = None
        self._findings: list[DirectionFinding] = []
        self._server: str | None = counterpart.url
        self._trouble: Trouble | None = None
        self.broken = False
        self._present: Direction | None = None
        self._told = (0, 0)

    def note_thread(self, ended: threading.ExceptHookArgs) -> None:
        """One of the library's threads died; the others would wait for it for ever."""
        self.broken = True
        if ended.exc_value is not None:
            self._trouble = explain(ended.exc_value, "speedtest-cli")

    def run(self, stall_ms: int, service_url: str | None) -> None:
        """Finds a server and measures each direction; all that goes wrong is kept for `finish`."""
        try:
            self._measure(stall_ms, service_url)
        except Trouble as trouble:
            self._trouble = trouble
        except MemoryError as error:
            self._trouble = explain(error, "")
        except (self.library.SpeedtestException, OSError) as error:
            self._trouble = self.guard.trouble or _name_fault(error)
        except _MISREAD as error:
            self._trouble = self.guard.trouble or _name_fault(error)

    def _measure(self, stall_ms: int, service_url: str | None) -> None:
        opener = Opener(
            self.guard,
            user_agent=self.library.build_user_agent(),
            timeout_s=stall_ms / 1_000,
            authority=self._counterpart.certificate_authority,
            service_url=service_url,
        )
        tester = build_tester(self.library, opener, self.guard, mini=self._counterpart.url)
        if self._counterpart.url is not None:
            tester.set_mini_server(self._counterpart.url)
            best = tester.get_best_server(tester.servers)
        else:
            best = tester.get_best_server()
        self._server = str(best.get("host") or best.get("url"))[:100]
        seconds = (self._plan.warm_up_ms + self._plan.measure_ms) / 1_000
        for key in ("download", "upload"):
            tester.config["length"][key] = seconds
        opener.loading = True
        for direction in self._plan.directions:
            self._findings.append(self._measure_direction(tester, direction))

    def _measure_direction(self, tester: Untyped, direction: Direction) -> DirectionFinding:
        moved = sum(finding.moved_bytes for finding in self._findings)
        budget = None if self._plan.budget_bytes is None else self._plan.budget_bytes - moved
        if budget is not None and budget <= 0:
            return _fail(direction, Trouble("budget", "nothing is left of the bytes allowed"), 0)
        streams = max(1, min(_STREAMS_LIMIT, self._plan.streams))
        from_ms = now_ms()
        self.guard.begin(budget, from_ms + self._plan.warm_up_ms + self._plan.measure_ms)
        self._told = (from_ms, 0)
        self._present = direction
        if direction == "down":
            bits_per_second = tester.download(threads=streams)
        else:
            bits_per_second = tester.upload(pre_allocate=False, threads=streams)
        self._present = None
        to_ms = now_ms()
        guard = self.guard
        trouble = guard.trouble
        if guard.spent and to_ms - from_ms < (self._plan.warm_up_ms + self._plan.measure_ms) // 2:
            trouble = Trouble("budget", f"the {budget} bytes allowed were used up")
        elif trouble is not None and guard.failed >= guard.finished:
            pass  # half or more of its requests failed: what came is no rate
        elif guard.moved_bytes < _LEAST_BYTES or bits_per_second < 8:
            trouble = Trouble("too_slow", f"{guard.moved_bytes} bytes tell no rate")
        else:
            trouble = None
        if trouble is not None:
            return _fail(direction, trouble, guard.moved_bytes)
        return DirectionFinding(
            direction=direction,
            bytes_per_second=int(bits_per_second) // 8,
            moved_bytes=guard.moved_bytes,
            loaded_from_ms=from_ms,
            loaded_to_ms=to_ms,
            streams=streams,
        )

    def tell_progress(self, tell: Tell) -> None:
        direction, at_ms, moved = self._present, now_ms(), self.guard.moved_bytes
        told_ms, told_bytes = self._told
        if direction is None or at_ms <= told_ms or moved < told_bytes:
            return
        tell(
            Progress(
                direction=direction,
                at_ms=at_ms,
                phase="measure",  # it discards no warm-up
                moved_bytes=moved,
                bytes_per_second=(moved - told_bytes) * 1_000 // (at_ms - told_ms),
            )
        )
        self._told = (at_ms, moved)

    def finish(self, trouble: Trouble) -> EngineFinding:
        """What was found; each direction that has nothing has the reason why, or ``trouble``."""
        findings = list(self._findings)
        trouble = self._trouble or trouble
        for direction in self._plan.directions[len(findings) :]:
            moved = self.guard.moved_bytes if direction == self._present else 0
            findings.append(_fail(direction, trouble, moved))
        return EngineFinding(
            engine=SpeedtestEngine.name, server=self._server, directions=tuple(findings)
        )


def _fail(direction: Direction, trouble: Trouble, moved: int) -> DirectionFinding:
    return DirectionFinding(
        direction=direction, reason=trouble.reason, detail=trouble.detail, moved_bytes=moved
    )


def _name_fault(error: BaseException) -> Trouble:
    return Trouble("answer_invalid", f"speedtest-cli: {type(error).__name__}: {error}")


def build_tester(library: Untyped, opener: Opener, guard: Guard, *, mini: str | None) -> Untyped:
    """The library's own tester, with our opener for all it asks.

    With a ``mini`` server it does not ask speedtest.net for a configuration, as its own
    constructor always would; Trouble where no server is to be had.
    """

    class BoundedTester(library.Speedtest):  # type: ignore[misc]  # the library has no types
        def get_config(self) -> Untyped:
            self._opener = opener
            if mini is None:
                return super().get_config()
            self.config.update({key: _copy(value) for key, value in _MINI_CONFIG.items()})
            self.lat_lon = (0.0, 0.0)
            return self.config

        def get_best_server(self, servers: Untyped = None) -> Untyped:
            """The first of the nearest that answers; its latency is measured elsewhere."""
            for server in servers or self.get_closest_servers():
                url = f"{server['url'].rpartition('/')[0]}/latency.txt"
                with (
                    contextlib.suppress(OSError),
                    contextlib.closing(opener.open(library.build_request(url))) as answer,
                ):
                    if answer.read(9) == b"test=test":
                        self._best.update(server)
                        self.results.server = server
                        return server
            raise guard.trouble or Trouble("no_capacity", "no server of speedtest.net answers")

    return BoundedTester(secure=True, shutdown_event=guard)


def _copy(value: Untyped) -> Untyped:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return list(value) if isinstance(value, list) else value
