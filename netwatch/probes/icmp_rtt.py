"""One round trip from the stamps of four clocks' readings.

Rule of this file: arithmetic on nanoseconds, nothing read. The kernel stamps packets
on the wall clock, which may step; the program stamps on the monotonic clock, which
may be late by as long as the program was kept from running. The kernel's stamps are
preferred for as long as they can be true.
"""

from __future__ import annotations

import msgspec

#: A change of the wall clock's offset beyond this is a step, not the noise of reading it.
STEP_NS = 1_000_000


class Stamps(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one probe and its answer; all nanoseconds.

    ``sent_ns`` was read before the probe was handed to the kernel and ``read_ns`` after
    the answer was taken from it: the true round trip lies between the two. The offsets
    (wall less monotonic) were read at the same two moments.
    """

    sent_ns: int  # monotonic
    sent_offset_ns: int
    tx_wall_ns: int | None  # the kernel's, None: it gave none
    rx_wall_ns: int | None
    read_ns: int  # monotonic
    read_offset_ns: int


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """A duration, and how good it is."""

    rtt_ns: int
    kernel_timed: bool  # both ends: False when either stamp is the program's own
    clock_stepped: bool  # the wall clock stepped while the probe was under way


def compute_round_trip(stamps: Stamps) -> RoundTrip:
    """The round trip (RFC 2681), never negative and never more than the program itself saw.

    A stamp that lies outside what the program saw is not believed. When the wall clock
    has stepped, the answer's stamp is read against the offset before and after the step;
    it is believed when exactly one of the two is possible.

    >>> quiet = dict(sent_ns=100, sent_offset_ns=0, read_offset_ns=0)
    >>> compute_round_trip(
    ...     Stamps(tx_wall_ns=150, rx_wall_ns=250, read_ns=9_000_000, **quiet)
    ... ).rtt_ns
    100
    >>> compute_round_trip(Stamps(tx_wall_ns=None, rx_wall_ns=None, read_ns=400, **quiet))
    RoundTrip(rtt_ns=300, kernel_timed=False, clock_stepped=False)
    """
    stepped = abs(stamps.read_offset_ns - stamps.sent_offset_ns) > STEP_NS
    start = _place(stamps.tx_wall_ns, (stamps.sent_offset_ns,), stamps.sent_ns, stamps.read_ns)
    offsets = (
        (stamps.sent_offset_ns, stamps.read_offset_ns) if stepped else (stamps.sent_offset_ns,)
    )
    earliest = stamps.sent_ns if start is None else start
    end = _place(stamps.rx_wall_ns, offsets, earliest, stamps.read_ns)
    first = stamps.sent_ns if start is None else start
    last = stamps.read_ns if end is None else end
    return RoundTrip(
        rtt_ns=max(0, last - first),
        kernel_timed=start is not None and end is not None,
        clock_stepped=stepped,
    )


def _place(
    wall_ns: int | None, offsets: tuple[int, ...], earliest_ns: int, latest_ns: int
) -> int | None:
    """The stamp on the monotonic scale, when exactly one of ``offsets`` makes it possible."""
    if wall_ns is None:
        return None
    possible = [
        wall_ns - offset
        for offset in offsets
        if earliest_ns - STEP_NS <= wall_ns - offset <= latest_ns + STEP_NS
    ]
    return possible[0] if len(possible) == 1 else None
