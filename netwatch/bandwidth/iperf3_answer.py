"""What iperf3's JSON says: a rate, or why there is none.

Rule of this file: pure; text of a program in, figures out. The program relays what the far
side claims, so nothing in it is believed that cannot be true.
"""

from __future__ import annotations

import msgspec

from netwatch.bandwidth.reach import Trouble
from netwatch.core.throughput import Direction

#: Parts of iperf3's messages (iperf_error.c, 3.9 to 3.19) and what each is here, in order.
_REASONS: tuple[tuple[str, str], ...] = (
    ("server is busy", "no_capacity"),
    ("name or service not known", "name"),
    ("name resolution", "name"),
    ("unable to connect", "unreachable"),
    ("authorization failed", "refused"),
    ("access denied", "refused"),
    ("server limit", "refused"),
    ("bitrate limit", "refused"),
    ("maximum allowed", "refused"),
    ("reset by peer", "closed_early"),
    ("broken pipe", "closed_early"),
    ("closed unexpectedly", "closed_early"),
    ("server has terminated", "closed_early"),
    ("unable to send", "closed_early"),
    ("timed out", "timeout"),
    ("idle timeout", "stalled"),
    ("cannot allocate memory", "memory"),
)
#: How far the measured stretch may differ from the one that was asked for.
_STRETCH_TOLERANCE = 0.25


class _Sum(msgspec.Struct, frozen=True):
    bytes: int | None = None
    seconds: float | None = None


class _Interval(msgspec.Struct, frozen=True):
    sum: _Sum = _Sum()


class _End(msgspec.Struct, frozen=True):
    sum_received: _Sum = _Sum()


class _Answer(msgspec.Struct, frozen=True):
    intervals: tuple[_Interval, ...] = ()
    end: _End = _End()
    error: str | None = None


class Iperf3Result(msgspec.Struct, frozen=True, kw_only=True):
    """A test that came to its end: of the receiver's side, warm-up omitted."""

    bytes_per_second: int
    moved_bytes: int  # warm-up too


def find_reason(error: str) -> str:
    """The word of `base.REASONS` for a message of iperf3.

    >>> find_reason("the server is busy running a test. try again later")
    'no_capacity'
    >>> find_reason("received an unknown control message")
    'answer_invalid'
    """
    text = error.lower()
    return next((reason for part, reason in _REASONS if part in text), "answer_invalid")


def parse_answer(text: bytes, *, direction: Direction, measure_s: int) -> Iperf3Result:
    """The figures of ``iperf3 -J``, of a test of ``measure_s`` seconds after its warm-up.

    Goodput is ``sum_received``: what the receiver read, never what the sender wrote into its
    buffers. Raises Trouble: the program's own error by its reason, "answer_invalid" for what
    is not its JSON or cannot be, as when the far side counts more than was ever sent.

    >>> parse_answer(b'{"intervals":[{"sum":{"bytes":300}},{"sum":{"bytes":900}}],'
    ...     b'"end":{"sum_received":{"bytes":1000,"seconds":1.0}}}', direction="up", measure_s=1)
    Iperf3Result(bytes_per_second=1000, moved_bytes=1200)
    """
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Trouble(
            "answer_invalid", f"iperf3's output is not as it should be: {error}"
        ) from error
    if answer.error is not None:
        raise Trouble(find_reason(answer.error), f"iperf3: {answer.error}")
    moved = 0
    for interval in answer.intervals:
        if interval.sum.bytes is None or interval.sum.bytes < 0:
            raise Trouble("answer_invalid", "iperf3 counts an interval without bytes")
        moved += interval.sum.bytes
    received, seconds = answer.end.sum_received.bytes, answer.end.sum_received.seconds
    if received is None or seconds is None or received < 0:
        raise Trouble("answer_invalid", "iperf3 does not say how much arrived")
    if not abs(seconds - measure_s) <= _STRETCH_TOLERANCE * measure_s:
        raise Trouble(
            "answer_invalid",
            f"{seconds:.1f} s are said to have been measured, {measure_s} were asked for",
        )
    if received > moved:
        verb = "sent" if direction == "up" else "counted on the way"
        raise Trouble(
            "answer_invalid", f"{received} bytes are said to have arrived, {moved} were {verb}"
        )
    return Iperf3Result(bytes_per_second=int(received / seconds), moved_bytes=moved)
