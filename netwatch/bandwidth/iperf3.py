"""The iperf3 engine: the system's own program, run once for each direction.

Rule of this file: it starts the program, watches what it moves, reads what it says within
bounds, and ends it by its own process id. What the answer means is in `iperf3_answer`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar

from netwatch.bandwidth.base import (
    Counterpart,
    DirectionFinding,
    EngineFinding,
    Plan,
    Progress,
    Tell,
)
from netwatch.bandwidth.iperf3_answer import parse_answer
from netwatch.bandwidth.reach import Trouble, now_ms, resolve_host
from netwatch.core.goodput import Sample, is_spent
from netwatch.core.throughput import Direction

DEFAULT_PORT = 5201
STALL_MS = 4_000
_OUTPUT_LIMIT_BYTES = 1_048_576
#: Started anew by systemd, a server takes some tenths of a second to listen again.
_RESTART_S = 1.0
_TICK_MS = 100
_TELL_MS = 250
_STREAMS_LIMIT = 16
_CONNECT_LIMIT_MS = 4_000
_LEAST_BYTES = 16_384
_PR_SET_PDEATHSIG = 1


class Iperf3Engine:
    """Measures against an iperf3 server. ``program`` is looked up in PATH."""

    name: ClassVar[str] = "iperf3"

    def __init__(
        self, counterpart: Counterpart, *, program: str = "iperf3", stall_ms: int = STALL_MS
    ) -> None:
        self._host = counterpart.host
        self._port = counterpart.port or DEFAULT_PORT
        self._program = program
        self._stall_ms = stall_ms

    def measure(self, plan: Plan, tell: Tell) -> EngineFinding:
        """Each direction in turn, by a program run of its own; see `base.Engine`."""
        findings: list[DirectionFinding] = []
        for direction in plan.directions:
            moved = sum(finding.moved_bytes for finding in findings)
            budget = None if plan.budget_bytes is None else plan.budget_bytes - moved
            answered = any(finding.reason is None for finding in findings)
            findings.append(self._measure_direction(direction, plan, budget, tell, answered))
        return EngineFinding(
            engine=self.name,
            server=None if self._host is None else f"{self._host}:{self._port}",
            directions=tuple(findings),
        )

    def _measure_direction(
        self, direction: Direction, plan: Plan, budget: int | None, tell: Tell, answered: bool
    ) -> DirectionFinding:
        deadline_ms = now_ms() + plan.warm_up_ms + plan.measure_ms + plan.grace_ms
        run = _Run(direction, plan, budget=budget, deadline_ms=deadline_ms, tell=tell)
        try:
            path = self._find_program()
            if budget is not None and budget <= 0:
                raise Trouble("budget", "nothing is left of the bytes allowed")  # noqa: TRY301 -- told below, where every reason that ends a direction is
            addresses = self._find_addresses(deadline_ms)
            # One that is started anew after each test (--one-off) may not be back yet.
            tries = addresses * 2 if answered else addresses
            for number, address in enumerate(tries, start=1):
                try:
                    return run.measure(path, address, self._port, self._stall_ms)
                except Trouble as trouble:
                    if trouble.reason != "unreachable" or number == len(tries):
                        raise
                if number == len(addresses):
                    time.sleep(_RESTART_S)
        except Trouble as trouble:
            return run.fail(trouble)
        raise AssertionError("there is no address without an outcome")

    def _find_program(self) -> str:
        path = shutil.which(self._program)
        if path is None:
            raise Trouble(
                "no_program", "iperf3 is not installed; sudo apt-get install iperf3 does it"
            )
        return path

    def _find_addresses(self, deadline_ms: int) -> list[str]:
        """The first address of each family: a site may have IPv6 that leads nowhere."""
        if self._host is None:
            raise Trouble("name", "no iperf3 server is configured")
        first: dict[int, str] = {}
        for family, address in resolve_host(self._host, self._port, deadline_ms):
            first.setdefault(family, address[0])
        return list(first.values())


class _Run:
    """One run of the program, from its start to its end."""

    def __init__(
        self,
        direction: Direction,
        plan: Plan,
        *,
        budget: int | None,
        deadline_ms: int,
        tell: Tell,
    ) -> None:
        self._direction = direction
        self._plan = plan
        self._budget = budget
        self._deadline_ms = deadline_ms
        self._stall_ms = STALL_MS
        self._tell = tell
        self.streams = max(1, min(_STREAMS_LIMIT, plan.streams))
        # The program takes whole seconds.
        self._omit_s = -(-plan.warm_up_ms // 1_000)
        self._measure_s = max(1, -(-plan.measure_ms // 1_000))
        self._output = bytearray()
        self._started_ms: int | None = None
        self._ended_ms = 0
        self._base_bytes = 0
        self._moved_at_ms = 0
        self._told = (0, 0)
        self._samples: list[Sample] = []
        self.moved_bytes = 0

    def fail(self, trouble: Trouble) -> DirectionFinding:
        return DirectionFinding(
            direction=self._direction,
            reason=trouble.reason,
            detail=trouble.detail,
            moved_bytes=self.moved_bytes,
            streams=self.streams,
        )

    def measure(self, path: str, host: str, port: int, stall_ms: int) -> DirectionFinding:
        """Runs the program to its end or ours; raises Trouble."""
        self._stall_ms = stall_ms
        self._output.clear()
        # Found before the fork: between fork and exec nothing may be loaded.
        end_with_parent = ctypes.CDLL(None).prctl
        with subprocess.Popen(  # noqa: S603 -- no shell; the address is one that was resolved
            self._build_command(path, host, port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            preexec_fn=lambda: end_with_parent(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 -- one call, loaded before; a program left behind would load the line
        ) as process:
            try:
                self._follow(process)
            finally:
                process.kill()
        return self._conclude(process.returncode)

    def _build_command(self, path: str, host: str, port: int) -> list[str]:
        connect_ms = min(_CONNECT_LIMIT_MS, max(100, self._plan.grace_ms // 2))
        command = [
            *(path, "--client", host, "--port", str(port), "--json", "--interval", "1"),
            *("--time", str(self._measure_s), "--omit", str(self._omit_s)),
            *("--parallel", str(self.streams), "--connect-timeout", str(connect_ms)),
        ]
        return [*command, "--reverse"] if self._direction == "down" else command

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        """Reads the output as it comes until it ends, and looks at what is moved meanwhile."""
        assert process.stdout is not None
        handle = process.stdout.fileno()
        while True:
            ready, _, _ = select.select([handle], [], [], _TICK_MS / 1_000)
            if ready:
                piece = os.read(handle, 65_536)
                if not piece:
                    self._ended_ms = now_ms()
                    process.wait(max(0.1, (self._deadline_ms - now_ms()) / 1_000))
                    return
                self._output += piece
                if len(self._output) > _OUTPUT_LIMIT_BYTES:
                    raise Trouble("answer_invalid", "iperf3's output does not end")
            self._look(process.pid)

    def _look(self, pid: int) -> None:
        at_ms = now_ms()
        if at_ms >= self._deadline_ms:
            raise Trouble("timeout", "iperf3 was not over when it had to be")
        if self._started_ms is None:
            if count_sockets(pid) <= self.streams:  # one is for control
                return
            self._started_ms = self._moved_at_ms = at_ms
            self._base_bytes = read_moved_bytes(pid, self._direction) or 0
            self._told = (at_ms, 0)
            return
        count = read_moved_bytes(pid, self._direction)
        if count is None:
            if self._budget is not None:
                raise Trouble("budget", "this kernel does not count what iperf3 moves")
            return
        if count - self._base_bytes > self.moved_bytes:
            self.moved_bytes, self._moved_at_ms = count - self._base_bytes, at_ms
        self._samples = [*self._samples[-1:], Sample(at_ms=at_ms, moved_bytes=self.moved_bytes)]
        if is_spent(self._samples, self._budget):
            raise Trouble("budget", f"the {self._budget} bytes allowed were used up")
        if at_ms - self._moved_at_ms >= self._stall_ms:
            raise Trouble(
                "stalled", f"nothing moved for {self._stall_ms} ms after {self.moved_bytes} bytes"
            )
        if at_ms - self._told[0] >= _TELL_MS:
            self._tell_progress(at_ms)

    def _tell_progress(self, at_ms: int) -> None:
        assert self._started_ms is not None
        told_ms, told_bytes = self._told
        warm = at_ms < self._started_ms + self._omit_s * 1_000
        self._tell(
            Progress(
                direction=self._direction,
                at_ms=at_ms,
                phase="warm_up" if warm else "measure",
                moved_bytes=self.moved_bytes,
                bytes_per_second=(self.moved_bytes - told_bytes) * 1_000 // (at_ms - told_ms),
            )
        )
        self._told = (at_ms, self.moved_bytes)

    def _conclude(self, returncode: int) -> DirectionFinding:
        if not self._output.strip():
            raise Trouble("crashed", f"iperf3 ended without a word (status {returncode})")
        result = parse_answer(
            bytes(self._output), direction=self._direction, measure_s=self._measure_s
        )
        self.moved_bytes = result.moved_bytes
        if result.bytes_per_second * self._measure_s < _LEAST_BYTES:
            raise Trouble("too_slow", f"{result.bytes_per_second} bytes/s tell no rate")
        from_ms = to_ms = None
        if self._started_ms is not None:
            # Its start is seen a look late: the stretch ends with the program at the latest.
            from_ms = self._started_ms + self._omit_s * 1_000
            to_ms = min(self._ended_ms, from_ms + self._measure_s * 1_000)
        return DirectionFinding(
            direction=self._direction,
            bytes_per_second=result.bytes_per_second,
            moved_bytes=result.moved_bytes,
            loaded_from_ms=from_ms,
            loaded_to_ms=to_ms,
            streams=self.streams,
        )


def count_sockets(pid: int) -> int:
    """How many sockets a process of ours has open; 0 when it is gone.

    Pipes and files are not counted. iperf3 opens one for control, then one for each stream.
    """
    count = 0
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += os.readlink(entry).startswith("socket:")  # noqa: PTH115 -- the target is no path
    return count


def read_moved_bytes(pid: int, direction: Direction) -> int | None:
    """What a process has read (or written) so far, by the kernel's count of its calls.

    iperf3's JSON comes when all is over, and the counters of an interface see everybody's
    traffic; this one sees the program's alone (proc_pid_io(5)). It is exact for reading; of
    writing it counts what the socket took, which is ahead of what has arrived. None when
    the process is gone or the kernel does not count (CONFIG_TASK_XACCT).
    """
    key = "rchar:" if direction == "down" else "wchar:"
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    return None
