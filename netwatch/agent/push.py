"""The pump: claims from the spool, has them sent, settles by the receipt, waits.

Rule of this file: nothing here is measured, and nothing waits for it: it has its own
thread, a bounded rate, and whatever fails is tried again after a longer and jittered
wait. It must not know how a point looks, nor what a server's answer means.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from netwatch.agent.line_source import MinuteLines
from netwatch.core.push_problems import format_problem
from netwatch.errors import StoreError
from netwatch.records import PushProblem, PushReason, Receipt
from netwatch.snapshot import PushState
from netwatch.store.spool import Claim, SpoolDepth

_LOG = logging.getLogger(__name__)

#: With nothing to send, the books are looked at that often: a minute is handed over within
#: one after its end, and leaves so much later at most.
IDLE_MS = 5_000
#: The cursor is saved that often: a commit costs the card, and a lost one only sends twice.
SAVE_EVERY_MS = 300_000
#: While a backlog is drained no more than that a second, so that the line stays free.
LINES_PER_SECOND = 4_000
FIRST_RETRY_MS = 2_000
LAST_RETRY_MS = 300_000


class Queue(Protocol):
    """`store.spool.Spool`."""

    unsaved_minutes: int

    def refresh(self) -> SpoolDepth: ...
    @property
    def depth(self) -> SpoolDepth: ...
    def claim(self) -> Claim | None: ...
    def settle(self, lines: Sequence[tuple[int, int]], receipt: Receipt) -> int: ...
    def save(self) -> None: ...


class Source(Protocol):
    """`line_source.LineSource`."""

    def read_minutes(self, from_ms: int, until_ms: int) -> list[MinuteLines]: ...


class Outlet(Protocol):
    """`outlets.influx.InfluxOutlet`."""

    def send(self, lines: Sequence[str]) -> Receipt: ...
    def close(self) -> None: ...


class Push:
    """One outlet's pump. ``draw`` gives a random number of [0, 1)."""

    def __init__(
        self,
        *,
        spool: Queue,
        source: Source,
        outlet: Outlet,
        monotonic_ms: Callable[[], int],
        draw: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._source = source
        self._outlet = outlet
        self._monotonic_ms = monotonic_ms
        self._draw = draw
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._saved_ms = monotonic_ms()
        self.state = PushState()

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._main, name="push", daemon=True)
        self._thread.start()

    def stop(self, timeout_ms: int = 5_000) -> None:
        """End after what is being sent; before the writer is closed, for the cursor is saved.

        A server that hangs is not waited for longer than that: what it was sent is sent again.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_ms / 1000)

    def close(self) -> None:
        """Let go of the connection of a pump that was never started."""
        self._outlet.close()

    def step(self) -> int:
        """Send one claim; returns how long to wait before the next, in milliseconds."""
        try:
            return self._step()
        except Exception as error:  # noqa: BLE001 -- a fault of ours: shown, in the log, and the pump lives
            problem = PushProblem(
                reason=PushReason.FAULT, where="netwatch", fills={"problem": type(error).__name__}
            )
            if problem != self.state.problem:
                _LOG.exception("where the push failed:")
            return self._fail(problem, None)

    def _step(self) -> int:
        began_ms = self._monotonic_ms()
        try:
            self._spool.refresh()
            claim = self._spool.claim()
            minutes = [] if claim is None else self._source.read_minutes(*_bounds(claim))
        except StoreError as error:
            problem = PushProblem(reason=PushReason.BOOKS, where="netwatch", said=str(error))
            return self._fail(problem, None)
        if claim is None:
            self._show()
            self._save()
            return IDLE_MS
        lines = [line for minute in minutes for line in minute.lines]
        receipt = self._outlet.send(lines)
        self._spool.settle([(each.start_ms, len(each.lines)) for each in minutes], receipt)
        done = receipt.accepted + receipt.rejected
        self._count(receipt)
        if done < len(lines):
            return self._fail(receipt.problem, receipt)
        self._succeed(receipt.problem)
        self._save()
        spent_ms = self._monotonic_ms() - began_ms
        return max(len(lines) * 1000 // LINES_PER_SECOND - spent_ms, 0)

    def _main(self) -> None:
        try:
            while not self._stopping.wait(self.step() / 1000):
                pass
        finally:
            self._save(always=True)
            self._outlet.close()

    def _count(self, receipt: Receipt) -> None:
        state = self.state
        self.state = msgspec.structs.replace(
            state,
            accepted=state.accepted + receipt.accepted,
            rejected=state.rejected + receipt.rejected,
            attempts=state.attempts + 1,
        )

    def _succeed(self, problem: PushProblem | None) -> None:
        if self.state.ok is False:
            _LOG.info("the push works again")
        if problem is not None:
            _LOG.warning("%s", format_problem(problem))
        self._show(ok=True, problem=problem, failures=0)

    def _fail(self, problem: PushProblem | None, receipt: Receipt | None) -> int:
        """Keep and say why once; returns the wait: doubled each time, then half to whole of it."""
        failures = self.state.failures + 1
        if problem is not None and not _is_same(problem, self.state.problem):
            _LOG.warning("%s", format_problem(problem))
        failed = self.state.failed + (receipt is not None)
        self._show(ok=False, problem=problem, failures=failures, failed=failed)
        wait_ms = min(FIRST_RETRY_MS << min(failures - 1, 16), LAST_RETRY_MS)
        jittered_ms = int(wait_ms * (1 + self._draw()) / 2)
        asked_ms = None if receipt is None else receipt.retry_after_ms
        # The server's wish is a least, and a thousand agents must not come back at once.
        return jittered_ms if asked_ms is None else asked_ms + int(self._draw() * wait_ms)

    def _show(self, **changes: bool | int | PushProblem | None) -> None:
        depth = self._spool.depth
        self.state = msgspec.structs.replace(
            self.state, minutes=depth.minutes, oldest_ms=depth.oldest_ms, **changes
        )

    def _save(self, *, always: bool = False) -> None:
        now_ms = self._monotonic_ms()
        if not self._spool.unsaved_minutes:
            return
        if not always and now_ms - self._saved_ms < SAVE_EVERY_MS:
            return
        try:
            self._spool.save()
        except StoreError as error:
            _LOG.warning("where the push has come to could not be written: %s", error)
        self._saved_ms = now_ms


def _bounds(claim: Claim) -> tuple[int, int]:
    return claim.from_ms, claim.until_ms


def _is_same(problem: PushProblem, shown: PushProblem | None) -> bool:
    """But for the server's own words: some name the request, so each of them is another."""
    return shown is not None and (problem.reason, problem.where, problem.fills) == (
        shown.reason,
        shown.where,
        shown.fills,
    )
