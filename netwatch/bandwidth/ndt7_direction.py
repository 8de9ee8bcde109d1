"""One direction of an ndt7 test: what is done when, and what it comes to.

Rule of this file: it looks at the clock and drives a stream. Bytes are moved in
`ndt7_stream`, the server's numbers judged in `ndt7_message`.
"""

from __future__ import annotations

import msgspec

from netwatch.bandwidth.base import DirectionFinding, Plan, Progress, Tell
from netwatch.bandwidth.ndt7_message import (
    Claim,
    choose_message_bytes,
    compute_upload_rate,
    parse_claim,
)
from netwatch.bandwidth.ndt7_stream import SENT_MESSAGE_LIMIT_BYTES, Ndt7Stream
from netwatch.bandwidth.reach import Trouble, now_ms
from netwatch.core.throughput import Direction

#: v0.11: a test lasts ten seconds, and a client closes hard at thirteen.
TEST_MS = 10_000
HARD_CLOSE_MS = 13_000
#: A server that ends by itself a moment before ten seconds of ours has not ended early.
_ENDED_MS = 9_000
FIRST_MESSAGE_BYTES = 2**13
STALL_MS = 4_000
_TICK_MS = 20
_LOOK_MS = 5
_TELL_MS = 250
_CLOSING_MS = 1_000
#: Fewer bytes than these in the measured stretch say nothing of a line.
_LEAST_BYTES = 16_384
#: v0.11: measurements come no more often than every 250 ms or so; fifty times that is a flood.
_TEXTS_LIMIT = 3_000


class _Mark(msgspec.Struct, frozen=True):
    at_ms: int
    moved_bytes: int


class DirectionRun:
    """One direction of one test, from the upgrade to the close."""

    def __init__(
        self, direction: Direction, plan: Plan, *, budget: int | None, stall_ms: int, tell: Tell
    ) -> None:
        self._direction = direction
        self._plan = plan
        self._budget = budget
        self._stall_ms = stall_ms
        self._tell = tell
        self._moved = 0
        self._texts = 0
        self._claims: list[Claim] = []
        self._start_ms = self._warm_ms = self._end_ms = self._stop_ms = 0
        self._told = self._last = _Mark(0, 0)
        self._first: _Mark | None = None  # where the measured stretch begins

    @property
    def moved_bytes(self) -> int:
        """All that came or was acknowledged, also what nobody read before the end."""
        return self._moved

    def fail(self, trouble: Trouble) -> DirectionFinding:
        return DirectionFinding(
            direction=self._direction,
            reason=trouble.reason,
            detail=trouble.detail,
            streams=1,
        )

    def run(self, stream: Ndt7Stream) -> DirectionFinding:
        """Moves bytes for as long as plan and protocol say; raises Trouble."""
        try:
            self._move(stream)
        finally:
            self._settle(stream)
        return self._conclude()

    def _move(self, stream: Ndt7Stream) -> None:
        self._start_ms = start_ms = now_ms()
        # A test has ten seconds: at least half of them are measured.
        warm_up_ms = min(self._plan.warm_up_ms, TEST_MS // 2)
        self._warm_ms = start_ms + warm_up_ms
        planned_ms = warm_up_ms + self._plan.measure_ms
        # A download ends when the server is done, an upload when we are.
        most_ms = HARD_CLOSE_MS if self._direction == "down" else TEST_MS
        self._end_ms = start_ms + min(planned_ms, most_ms)
        self._told = self._last = _Mark(start_ms, 0)
        looked_ms = start_ms
        message_bytes = FIRST_MESSAGE_BYTES if self._direction == "up" else 0
        while (at_ms := now_ms()) < self._end_ms and not stream.closed:
            stream.wait(min(_TICK_MS, self._end_ms - at_ms), to_send=message_bytes > 0)
            for text in stream.receive():
                self._hear(text, stream)
            if message_bytes:
                message_bytes = choose_message_bytes(
                    message_bytes, stream.sent_bytes, SENT_MESSAGE_LIMIT_BYTES
                )
            self._send(stream, message_bytes)
            if now_ms() - looked_ms >= _LOOK_MS:
                self._look(stream)
                looked_ms = now_ms()
        self._look(stream)
        self._end(stream)

    def _settle(self, stream: Ndt7Stream) -> None:
        """A download's last bytes are in the kernel, and came over the line all the same."""
        counts = stream.count_tcp_bytes()
        if counts is not None and self._direction == "down":
            self._moved = max(self._moved, counts[1])

    def _send(self, stream: Ndt7Stream, message_bytes: int) -> None:
        try:
            stream.send(message_bytes)
        except Trouble:
            # A server that is done closes while we still send.
            if now_ms() - self._start_ms < _ENDED_MS:
                raise

    def _hear(self, text: bytes, stream: Ndt7Stream) -> None:
        """A message of the server; those of a download say nothing that we do not count."""
        self._texts += 1
        if self._texts > _TEXTS_LIMIT:
            raise Trouble("answer_invalid", "the server sends measurements without end")
        if self._direction == "down":
            return
        try:
            claim = parse_claim(
                text, at_ms=now_ms(), acknowledged_bytes=self._count_acknowledged(stream)
            )
        except ValueError as error:
            raise Trouble("answer_invalid", str(error)) from error
        if claim is None or claim.at_ms < self._warm_ms:
            return
        # Of each kind the first and the last are all that a rate takes.
        same = [held for held in self._claims if held.by_application is claim.by_application]
        if len(same) == 2:
            self._claims.remove(same[1])
        self._claims.append(claim)

    def _count_acknowledged(self, stream: Ndt7Stream) -> int:
        counts = stream.count_tcp_bytes()
        return stream.sent_bytes if counts is None else counts[0]

    def _look(self, stream: Ndt7Stream) -> None:
        """Counts, tells, and holds the limits of budget and patience."""
        at_ms = now_ms()
        if self._direction == "down":
            self._moved = stream.frames.binary_bytes + stream.frames.text_bytes
            under_way = self._moved
        else:
            if stream.frames.binary_bytes:
                raise Trouble("answer_invalid", "the server sends data during an upload")
            self._moved = min(stream.sent_bytes, self._count_acknowledged(stream))
            under_way = stream.sent_bytes
        if self._moved != self._last.moved_bytes:
            self._last = _Mark(at_ms, self._moved)
        if self._first is None and at_ms >= self._warm_ms:
            self._first = _Mark(at_ms, self._moved)
        if at_ms - self._last.at_ms >= self._stall_ms:
            raise Trouble(
                "stalled", f"nothing moved for {self._stall_ms} ms after {self._moved} bytes"
            )
        if at_ms - self._told.at_ms >= _TELL_MS:
            self._tell_progress(at_ms)
        if self._budget is not None and under_way >= self._budget:
            if self._first is None or at_ms - self._first.at_ms < self._plan.measure_ms // 2:
                raise Trouble("budget", f"the {self._budget} bytes allowed were used up")
            self._end_ms = at_ms

    def _tell_progress(self, at_ms: int) -> None:
        gone_ms = at_ms - self._told.at_ms
        self._tell(
            Progress(
                direction=self._direction,
                at_ms=at_ms,
                phase="warm_up" if at_ms < self._warm_ms else "measure",
                moved_bytes=self._moved,
                bytes_per_second=(self._moved - self._told.moved_bytes) * 1_000 // gone_ms,
            )
        )
        self._told = _Mark(at_ms, self._moved)

    def _end(self, stream: Ndt7Stream) -> None:
        """Ends as the protocol has it: the message that is under way, Close, the server's."""
        self._stop_ms = now_ms()
        if stream.closed and self._stop_ms - self._start_ms < min(
            _ENDED_MS, self._end_ms - self._start_ms
        ):
            raise Trouble(
                "closed_early",
                f"the server ended after {self._stop_ms - self._start_ms} ms"
                f" and {self._moved} bytes",
            )
        until_ms = self._stop_ms + min(_CLOSING_MS, self._plan.grace_ms // 4)
        if self._direction == "down":
            # The server would go on until it has read our Close; the line is freed at once.
            stream.send_close()
            return
        while not stream.closed and now_ms() < until_ms:
            if stream.between_messages:
                stream.send_close()
                stream.wait(until_ms - now_ms(), to_send=False)
            else:
                stream.wait(_TICK_MS, to_send=True)
            stream.send(0)
            stream.receive()
        self._moved = max(self._moved, min(stream.sent_bytes, self._count_acknowledged(stream)))

    def _conclude(self) -> DirectionFinding:
        if self._direction == "down":
            return self._conclude_download()
        pairs = [
            [claim for claim in self._claims if claim.by_application is kind]
            for kind in (True, False)
        ]
        pair = next((pair for pair in pairs if len(pair) == 2), None)
        if pair is None:
            self._check_moved(self._moved)
            raise Trouble("answer_invalid", "the server did not say how much arrived")
        try:
            rate = compute_upload_rate(*pair)
        except ValueError as error:
            raise Trouble("answer_invalid", str(error)) from error
        self._check_moved(pair[1].received_bytes - pair[0].received_bytes)
        return self._found(rate.bytes_per_second, rate.from_ms, rate.to_ms)

    def _conclude_download(self) -> DirectionFinding:
        first = self._first or self._last
        measured = self._last.moved_bytes - first.moved_bytes
        self._check_moved(measured)
        # A server that ends by itself has drained what it sent: the stretch ends with its
        # last byte, not with its Close.
        to_ms = self._last.at_ms if self._stop_ms < self._end_ms else self._stop_ms
        return self._found(measured * 1_000 // max(1, to_ms - first.at_ms), first.at_ms, to_ms)

    def _check_moved(self, measured: int) -> None:
        silent_ms = self._stop_ms - self._last.at_ms
        if silent_ms * 2 >= self._plan.measure_ms:
            raise Trouble("stalled", f"nothing moved for the last {silent_ms} ms")
        if measured < _LEAST_BYTES:
            raise Trouble("too_slow", f"{measured} bytes in the measured time tell no rate")

    def _found(self, rate: int, from_ms: int, to_ms: int) -> DirectionFinding:
        return DirectionFinding(
            direction=self._direction,
            bytes_per_second=rate,
            loaded_from_ms=from_ms,
            loaded_to_ms=to_ms,
            streams=1,
        )
