"""The test process seen from outside: started, listened to, bounded, ended.

Rule of this file: whatever the child does (nothing, too much, for ever, nonsense), this
returns in time with a finding, and no process is left behind. It must not know what the
test is for.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from netwatch.agent.lean_start import LEAN_HEAP, build_child_environment, build_lean_command
from netwatch.bandwidth.base import DirectionFinding, EngineFinding, Job, Progress
from netwatch.clock import Clock
from netwatch.core.throughput import Direction

#: To start an interpreter and load an engine, on a Pi with a tenth of a core.
STARTING_MS = 8_000
#: Address space, not memory: an interpreter with a few threads reserves far more than it uses.
MEMORY_BYTES = 768_000_000
NICE = 5
_TURN_S = 0.25
_LINE_BYTES = 65_536
_STDERR_BYTES = 4_096
_LINES = 2_000


class ChildRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one test process. Instants are monotonic."""

    finding: EngineFinding
    started_ms: int
    ended_ms: int
    cpu_ms: int | None = None
    peak_bytes: int | None = None  # resident; None where it was gone before it was looked at
    cancelled: bool = False


def build_command() -> list[str]:
    """The child's command line: as lean a start as the agent's own.

    Collecting garbage while modules are loaded finds none, and takes a seventh of the start.
    """
    start = "import gc; gc.disable(); from netwatch.bandwidth.child import main; main()"
    return build_lean_command(start)


def run_child(
    job: Job,
    *,
    clock: Clock,
    tell: Callable[[Progress], None],
    turn: Callable[[int], None] = lambda _pid: None,
    cancelled: Callable[[], bool] = lambda: False,
    command: Sequence[str] | None = None,
    starting_ms: int = STARTING_MS,
) -> ChildRun:
    """Run one job to its end. ``turn`` is called with its number several times a second.

    Never raises for what the child does: a direction that it did not account for has the
    reason ``crashed``, ``memory`` or ``cancelled``, with the bytes last heard of.
    """
    started_ms = clock.monotonic_ms()
    heard = _Heard(job)
    try:
        child = subprocess.Popen(  # noqa: S603 -- our own interpreter with a fixed text: what the configuration says goes in by a pipe
            list(command or build_command()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=build_child_environment(LEAN_HEAP),
            start_new_session=True,  # so that what it starts (iperf3) ends with it
        )
    except OSError as error:
        heard.fail("crashed", f"the test process cannot be started: {error.strerror}")
        return ChildRun(
            finding=heard.conclude(started_ms), started_ms=started_ms, ended_ms=started_ms
        )
    _limit(child.pid, job.plan.deadline_ms + starting_ms)
    try:
        stopped = _listen(
            child,
            job,
            heard,
            tell=tell,
            turn=turn,
            cancelled=cancelled,
            is_over=lambda: clock.monotonic_ms() > started_ms + job.plan.deadline_ms + starting_ms,
        )
        ended_ms = clock.monotonic_ms()
    finally:  # whatever is raised meanwhile, nothing of it stays behind
        usage, status = _end(child)
    if heard.finding is None and stopped is None:
        heard.explain_end(status)
    elif stopped is not None:
        heard.fail(*stopped)
    return ChildRun(
        finding=heard.conclude(ended_ms),
        started_ms=started_ms,
        ended_ms=ended_ms,
        cpu_ms=int((usage.ru_utime + usage.ru_stime) * 1000),
        peak_bytes=heard.peak_bytes,
        cancelled=stopped is not None and stopped[0] == "cancelled",
    )


class _Heard:
    """What the child has said so far."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._last: dict[Direction, Progress] = {}
        self._lines = 0
        self._reason = "crashed"
        self._detail: str | None = None
        self.errors = b""
        self.peak_bytes: int | None = None
        self.finding: EngineFinding | None = None
        self._decoder: msgspec.json.Decoder[Progress | EngineFinding] = msgspec.json.Decoder(
            Progress | EngineFinding
        )

    def hear(self, line: bytes) -> Progress | None:
        """One line; raises ValueError for what is none of the protocol's, or one too many."""
        self._lines += 1
        if self._lines > _LINES or self.finding is not None:
            raise ValueError("it said more than a test has to say")
        said = self._decoder.decode(line)
        if isinstance(said, EngineFinding):
            self.finding = said
            return None
        self._last[said.direction] = said
        return said

    def fail(self, reason: str, detail: str) -> None:
        self.finding = None
        self._reason, self._detail = reason, detail

    def explain_end(self, status: int) -> None:
        """Why it ended without a finding."""
        said = self.errors.decode("utf-8", errors="replace").strip().splitlines()
        last = said[-1][:200] if said else "it said nothing"
        code = os.waitstatus_to_exitcode(status)
        if "MemoryError" in last or "Cannot allocate memory" in last:
            self.fail("memory", "the test process asked for more memory than it may")
        elif code < 0:
            self.fail("crashed", f"the test process was ended by signal {-code}: {last}")
        else:
            self.fail("crashed", f"the test process ended with {code}: {last}")

    def conclude(self, ended_ms: int) -> EngineFinding:
        """The finding, or one that says why there is none, with the bytes that are known of."""
        if self.finding is not None:
            return self.finding
        counterpart = self._job.counterpart
        return EngineFinding(
            engine=counterpart.engine,
            server=counterpart.host or counterpart.url,
            directions=tuple(
                DirectionFinding(
                    direction=direction,
                    reason=self._reason,
                    detail=self._detail,
                    moved_bytes=self._estimate(direction, ended_ms),
                )
                for direction in self._job.plan.directions
            ),
        )

    def _estimate(self, direction: Direction, ended_ms: int) -> int:
        """Bytes moved: what was told, and that pace until the end for the direction in course."""
        told = self._last.get(direction)
        if told is None:
            return 0
        newest = max(each.at_ms for each in self._last.values())
        since_ms = max(0, ended_ms - told.at_ms) if told.at_ms == newest else 0
        return told.moved_bytes + told.bytes_per_second * since_ms // 1000


def _listen(
    child: subprocess.Popen[bytes],
    job: Job,
    heard: _Heard,
    *,
    tell: Callable[[Progress], None],
    turn: Callable[[int], None],
    cancelled: Callable[[], bool],
    is_over: Callable[[], bool],
) -> tuple[str, str] | None:
    """Hear the child until it has ended, or must be; then the reason and the sentence."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(msgspec.json.encode(job))
    output, errors = child.stdout.fileno(), child.stderr.fileno()
    poll = select.poll()
    for descriptor in (output, errors):
        os.set_blocking(descriptor, False)
        poll.register(descriptor, select.POLLIN)
    open_ones, rest = {output, errors}, b""
    while open_ones:
        for descriptor, _ in poll.poll(_TURN_S * 1000):
            piece = os.read(descriptor, _LINE_BYTES)
            if not piece:
                poll.unregister(descriptor)
                open_ones.discard(descriptor)
            elif descriptor == errors:
                heard.errors = (heard.errors + piece)[-_STDERR_BYTES:]
            else:
                *lines, rest = (rest + piece).split(b"\n")
                try:
                    for line in lines:
                        said = heard.hear(line)
                        if said is not None:
                            tell(said)
                except (ValueError, msgspec.MsgspecError) as error:
                    return "crashed", f"the test process is not to be understood: {error}"
                if len(rest) > _LINE_BYTES:
                    return "crashed", "the test process is not to be understood: endless line"
        heard.peak_bytes = _read_peak_bytes(child.pid) or heard.peak_bytes
        turn(child.pid)
        if heard.finding is not None and output not in open_ones:
            return None
        if cancelled():
            return "cancelled", "the test was called off"
        if is_over():
            return "crashed", "the test process was not over when it had to be, and was ended"
    return None


def _end(child: subprocess.Popen[bytes]) -> tuple[resource.struct_rusage, int]:
    """See that it is gone, with all that it started, and what it has used."""
    for _ in range(20):  # one that has said all it had to say is about to go
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            break
        time.sleep(0.01)
    _kill(child.pid)  # before it is waited for: until then its number is nobody else's
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    return usage, status


def _read_peak_bytes(pid: int) -> int | None:
    """Its own highest resident size; ``ru_maxrss`` would begin with ours, from before exec."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def _kill(group: int) -> None:
    """End the session that we started, by its number; gone already is as good."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _limit(pid: int, longest_ms: int) -> None:
    """Bounds that hold whatever the engine does; set from here, between its start and its work."""
    seconds = -(-longest_ms // 1000)
    bounds = (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_FSIZE, 64_000_000),
        (resource.RLIMIT_CORE, 0),
    )
    # A service's own bounds may forbid one of these, or be tighter already: the others hold.
    for kind, most in bounds:
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, kind, (most, most))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
