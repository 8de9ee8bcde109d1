"""What the ICMP loop is told, and what it tells.

Rule of this file: values only, on the monotonic scale of :mod:`netwatch.records`.
"""

from __future__ import annotations

import msgspec

from netwatch.records import Round, Slot


class IcmpTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One address to probe. ``ttl``: ask the router that many hops out on the way there."""

    id: str
    address: str  # literal, with a scope where it needs one (fe80::1%eth0)
    timeout_ms: int
    ttl: int | None = None


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What came in and was not believed, since the opening."""

    late: int = 0  # true, but after the timeout
    duplicate: int = 0
    wrong_source: int = 0
    wrong_identifier: int = 0
    wrong_payload: int = 0
    unmatched: int = 0  # no probe of that sequence is known
    malformed: int = 0
    overflowed: int = 0  # thrown away by the kernel unread: our buffer was full


class FinishedProbe(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one slot. ``rtt_us`` None: not answered, and ``reason`` says why.

    Reasons: ``timeout``, ``unreachable``, ``time_exceeded`` (a loop on the way),
    ``replaced`` (the target was taken away meanwhile), and those of a probe that never
    left: ``no_route``, ``network_down``, ``no_address``, ``refused_local``,
    ``send_failed``.
    """

    target_id: str
    round: int
    due_ms: int
    sent_ms: int
    rtt_us: int | None
    reason: str | None
    lateness_us: int  # sending after it was due
    hop: str | None = None  # the router that answered or complained
    kernel_timed: bool = False
    clock_stepped: bool = False


class LoopReport(msgspec.Struct, frozen=True, kw_only=True):
    """News of the loop, at least every second: its sign of life.

    ``stalled_from_ms`` and ``stalled_to_ms`` are given together when the loop had been
    kept from running: in between it watched nothing but what the kernel kept for it.
    """

    at_ms: int
    probes: tuple[FinishedProbe, ...]
    rounds: tuple[Round, ...]
    missed_slots: tuple[Slot, ...]  # dropped since the last report: their time had passed
    missed: int  # how many of these since the start
    send_lateness_us: int | None  # worst of the last minute; None: nothing was sent in it
    counters: Counters
    stalled_from_ms: int | None = None
    stalled_to_ms: int | None = None
