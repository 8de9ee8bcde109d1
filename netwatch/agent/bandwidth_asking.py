"""What is asked for and answered when a test is to be made.

Rule of this file: values, and the protocols of what a test needs. It measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from netwatch.agent.bandwidth_rtt import RttWatch
from netwatch.agent.bandwidth_run import Before, MadeTest
from netwatch.bandwidth.base import Progress
from netwatch.core.bandwidth_plan import AskedBy
from netwatch.core.data_budget import Allowance
from netwatch.core.throughput import Direction
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.records import HostFacts


class World(Protocol):
    """`bandwidth_world.LineWorld`."""

    def read_facts(self) -> HostFacts: ...
    def open_sockets(self) -> IcmpSockets | None: ...
    def find_ping_target(self) -> str | None: ...
    def is_right_circuit(self) -> bool: ...


class Lease(Protocol):
    """`bandwidth_lease.TownLease`: the town's own server for us alone, for a while.

    Entering ``held`` raises `bandwidth_lock.NoLock` where the server keeps no leases.
    """

    def held(self) -> AbstractContextManager[bool]: ...


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """No test was made. ``reason`` is a word of docs/bandwidth.md; ``again`` says that
    waiting may help.
    """

    reason: str
    sentence: str
    again: bool = False


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a test, which, and who is told how it goes."""

    asked_by: AskedBy
    due_ms: int | None = None  # the slot (UTC); None where a person asks
    directions: tuple[Direction, ...] = ("down", "up")
    although_busy: bool = False  # a person may have it all the same: it is marked
    tell: Callable[[Progress], None] = lambda _progress: None
    say: Callable[[str], None] = lambda _sentence: None
    cancelled: Callable[[], bool] = lambda: False
    begin: Callable[[], None] = lambda: None  # before the first byte
    watch: Callable[[RttWatch], None] = lambda _rtt: None  # may ask it from then on


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The tests that were made, one for each engine tried; the last is the one that counts."""

    tests: tuple[MadeTest, ...]


def refuse_budget(allowance: Allowance) -> Refused | None:
    """No test where the month has too little left for one."""
    if allowance.test_bytes is not None:
        return None
    return Refused(
        reason="data_budget",
        sentence=f"{allowance.left_bytes / 1e6:,.0f} MB are left of this month's "
        f"{allowance.limit_bytes / 1e9:g} GB, too little for a test: "
        "bandwidth.monthly_budget sets the limit",
    )


def refuse_busy(before: Before, share: float) -> Refused:
    """No test while others use more than ``share`` of the line."""
    rate = before.traffic.rate
    assert rate is not None  # what was not seen is not busy
    return Refused(
        reason="busy_link",
        sentence=f"the line is in use ({rate.down * 8 / 1e6:.1f} Mbit/s down, "
        f"{rate.up * 8 / 1e6:.1f} up, by the counters of the {before.traffic.counters}): "
        f"above {share:.0%} of its rate a test would disturb, and not be the line's",
        again=True,
    )


def refuse_place(asking: Asking, *, dated: bool, right_circuit: bool) -> Refused | None:
    """What a person may have all the same, marked, and no plan may."""
    if asking.asked_by == "person":
        return None
    if not dated:
        return Refused(
            reason="clock_unsynced",
            sentence="the clock is not set: a test could not be dated",
            again=True,
        )
    if not right_circuit:
        return Refused(
            reason="wrong_circuit",
            sentence="the way out is not the contract's circuit: "
            "a test would measure another line, and cost there",
        )
    return None
