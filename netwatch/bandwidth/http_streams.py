"""The loop that drives the streams of one direction: epoll, bounded by its plan.

Rule of this file: it wakes as seldom as it can, looks at every stream five times a second,
and ends by itself, whatever the streams meet. It knows no HTTP.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from netwatch.bandwidth.base import Plan, Progress, Tell
from netwatch.bandwidth.reach import Trouble
from netwatch.core.goodput import Goodput, Sample, is_spent, is_stalled, measure_goodput
from netwatch.core.throughput import Direction

LOOK_MS = 200
_TELL_MS = 300
#: More than half of the streams silent for so long: in mid-test, and at the very end.
STALL_MS = 3_000
_END_STALL_MS = 1_000
#: Of the grace, what is kept for ending.
_ENDING_MS = 1_000
#: Fewer bytes than this in the measured stretch are a handful of packets, and no rate.
LEAST_BYTES = 32_768
#: The longest wait for more to do at once, where the kernel has enough to send meanwhile.
_MOST_PAUSE_S = 0.03
_PLENTY_BYTES = 393_216


_BUDGET = "the bytes allowed were used up before a rate could be told"


class Stream(Protocol):
    """One connection at a time that moves bytes when it is told to."""

    interest: int  # epoll events to wait for
    is_ready: bool  # the server has begun to serve it
    connections: int  # made so far; the socket is another when this is
    changes: int  # of socket or interest, so far

    def fileno(self) -> int: ...

    def advance(self, events: int) -> None: ...

    def read_moved(self) -> int: ...

    def count_unsent(self) -> int: ...


class Run(msgspec.Struct, kw_only=True):
    """What the loop has counted so far; it says as much when a run fails."""

    samples: list[Sample]
    goodput: Goodput | None = None

    @property
    def moved_bytes(self) -> int:
        return self.samples[-1].moved_bytes if self.samples else 0


class Loop:
    """Runs the streams of one direction from their first byte to the end of the plan."""

    def __init__(
        self,
        direction: Direction,
        plan: Plan,
        *,
        began_ms: int,
        allowance_bytes: int | None,
        tell: Tell,
        now_ms: Callable[[], int],
    ) -> None:
        self._direction, self._plan, self._tell = direction, plan, tell
        self._began_ms, self._allowance_bytes, self._now_ms = began_ms, allowance_bytes, now_ms
        self.run = Run(samples=[])
        self._told_ms = 0
        self._told_bytes = 0
        self._phase = "connect"

    def drive(self, streams: Sequence[Stream]) -> Goodput:
        """The goodput of the measured stretch; Trouble for all that is no rate."""
        self._streams = streams
        self._served: list[tuple[int, Stream, int]] = [(-1, stream, -1) for stream in streams]
        self._connections = [0 for _ in streams]
        self._wakes = 0
        self._last_moved = [(0, self._now_ms()) for _ in streams]
        # One buffer is soon empty; and where the kernel waits there is nothing to do but look.
        waits = any(stream.interest & select.EPOLLOUT for stream in streams)
        self._pauses = self._direction == "up" and len(streams) > 1 and waits
        self._pause_s = 0.0
        with select.epoll() as poll:
            self._poll = poll
            self._register()
            ready_by_ms = self._began_ms + max(1_000, self._plan.grace_ms - _ENDING_MS)
            while not all(stream.is_ready for stream in streams):
                self._pass_until(min(ready_by_ms, self._now_ms() + LOOK_MS))
                if self._look() >= ready_by_ms:
                    raise Trouble("timeout", "the server did not begin to answer in time")
            warm_ms = self._now_ms() + self._plan.warm_up_ms
            end_ms = warm_ms + self._plan.measure_ms
            self._phase = "warm_up"
            self._pass_by(warm_ms)
            self._phase = "measure"
            self._look()
            self._pass_by(end_ms)
            self._look()
        return self._conclude(warm_ms)

    def _pass_by(self, until_ms: int) -> None:
        """Work and look until an instant."""
        while (now_ms := self._now_ms()) < until_ms:
            self._pass_until(min(until_ms, now_ms + LOOK_MS))
            if self._now_ms() < until_ms:
                self._look()

    def _pass_until(self, until_ms: int) -> None:
        """Work as it comes until an instant; all streams are served at each wake."""
        while (left_ms := until_ms - self._now_ms()) > 0:
            events = self._poll.poll(left_ms / 1_000)
            if not events:
                return
            if self._pause_s:
                time.sleep(self._pause_s)
            self._serve(dict(events))

    def _serve(self, events: dict[int, int]) -> None:
        """One that has something to do is reason enough to wake: all are served at once."""
        self._wakes += 1
        measured = self._pauses and not self._wakes % 4
        unsent = _PLENTY_BYTES
        changed = False
        for number, stream, changes in self._served:
            if measured:
                unsent = min(unsent, stream.count_unsent())
            stream.advance(events.get(number, select.EPOLLOUT))
            changed = changed or stream.changes != changes
        if measured:
            self._adapt_pause(unsent)
        if changed:
            self._register()
        allowance = self._allowance_bytes
        # A line far faster than expected is not let run until the next look.
        if (
            allowance is not None
            and not self._wakes % 4
            and sum(stream.read_moved() for _, stream, _ in self._served) > allowance
        ):
            raise Trouble("budget", _BUDGET)

    def _adapt_pause(self, unsent_bytes: int) -> None:
        """Wait longer where the kernel has plenty to send on every stream, at once less where not."""
        if unsent_bytes == 0:
            self._pause_s /= 2
        elif unsent_bytes >= _PLENTY_BYTES:
            self._pause_s = min(_MOST_PAUSE_S, self._pause_s + 0.002)

    def _register(self) -> None:
        """Wait for what each stream waits for; a closed socket has left the poll by itself."""
        for index, (number, stream, changes) in enumerate(self._served):
            if stream.changes == changes:
                continue
            connections = stream.connections
            if self._connections[index] == connections:
                self._poll.modify(number, stream.interest)
            else:
                number = stream.fileno()  # noqa: PLW2901 -- a new connection of the stream has another number
                self._poll.register(number, stream.interest)
                self._connections[index] = connections
            self._served[index] = (number, stream, stream.changes)

    def _look(self) -> int:
        """Take stock of every stream: count, tell, and stop what must not go on."""
        for stream in self._streams:
            # A download may have less than it wakes for; the answer to an upload always wakes.
            if self._direction == "down" or stream.interest & select.EPOLLOUT:
                stream.advance(select.EPOLLIN)
        self._register()
        moved = [stream.read_moved() for stream in self._streams]
        now_ms = self._now_ms()
        for index, count in enumerate(moved):
            if count > self._last_moved[index][0]:
                self._last_moved[index] = (count, now_ms)
        self.run.samples.append(Sample(at_ms=now_ms, moved_bytes=sum(moved)))
        self.report(now_ms)
        if is_spent(self.run.samples, self._allowance_bytes):
            raise Trouble("budget", _BUDGET)
        if self._phase != "connect" and self._is_stalled(now_ms, STALL_MS):
            raise Trouble("stalled", f"nothing moved for {STALL_MS // 1_000} s")
        return now_ms

    def _is_stalled(self, now_ms: int, silence_ms: int) -> bool:
        return is_stalled([moved_ms for _, moved_ms in self._last_moved], now_ms, silence_ms)

    def report(self, now_ms: int) -> None:
        """Tell how far it has come; at the very beginning too, a few times a second at most."""
        since_ms = now_ms - self._told_ms
        if self._told_ms and since_ms < _TELL_MS:
            return
        moved = self.run.moved_bytes
        rate = (moved - self._told_bytes) * 1_000 // since_ms if self._told_ms else 0
        self._told_ms, self._told_bytes = now_ms, moved
        self._tell(
            Progress(
                direction=self._direction,
                at_ms=now_ms,
                phase=self._phase,
                moved_bytes=moved,
                bytes_per_second=max(0, rate),
            )
        )

    def _conclude(self, warm_ms: int) -> Goodput:
        samples = self.run.samples
        goodput = measure_goodput(samples, warm_ms, samples[-1].at_ms)
        silence_ms = min(_END_STALL_MS, self._plan.measure_ms // 2)
        if self.run.moved_bytes >= LEAST_BYTES and self._is_stalled(samples[-1].at_ms, silence_ms):
            raise Trouble("stalled", "nothing moved at the end of the test")
        if goodput is None or goodput.moved_bytes < LEAST_BYTES:
            moved = 0 if goodput is None else goodput.moved_bytes
            raise Trouble("too_slow", f"only {moved} bytes moved: no rate can be told of that")
        self.run.goodput = goodput
        return goodput
