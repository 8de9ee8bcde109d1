"""What every bandwidth engine is to its caller.

Rule of this file: the protocol and its records only. An engine moves bytes for a while in
the directions that it is told, says how fast and why not, and keeps to the plan's limits
whatever the far side does. It knows no schedule, store, contract or verdict. It runs in a
process of its own (`netwatch.bandwidth.child`), so that its memory goes back and it cannot
bend a latency sample.

Instants are monotonic milliseconds of this boot (``CLOCK_MONOTONIC`` is one clock for all
processes), so that whoever pings meanwhile knows which samples saw the load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from netwatch.core.throughput import Direction

#: Why a direction has no rate, in one word; the sentence for a person is ``detail``.
REASONS: tuple[str, ...] = (
    "answer_invalid",  # what the server said is not what its protocol allows
    "budget",  # the bytes allowed were used up before a rate could be told
    "cancelled",  # the agent was stopped meanwhile, or the person gave up
    "cached",  # an answer that was kept somewhere on the way
    "closed_early",  # the server ended in the middle
    "compressed",  # the bytes counted are not the bytes sent
    "crashed",  # our own test process ended without a word
    "login_page",  # redirected, or a page where data was asked for
    "memory",  # our own test process asked for more than it may
    "name",  # the server's name has no address
    "no_capacity",  # the service or server is full for now
    "no_program",  # iperf3 or speedtest-cli is not installed
    "refused",  # the server answers, and says no
    "stalled",  # nothing moved for some seconds
    "timeout",  # not over when the plan says it must be
    "tls",  # the certificate or the handshake
    "too_slow",  # so few bytes that no rate can be told
    "unreachable",  # no connection
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to test, and what not to exceed."""

    directions: tuple[Direction, ...] = ("down", "up")
    streams: int = 4
    warm_up_ms: int = 2_000  # slow start: run off first, and not counted
    measure_ms: int = 10_000
    grace_ms: int = 8_000  # connecting and ending, for each direction
    budget_bytes: int | None = None  # of both directions together; None: no limit

    @property
    def deadline_ms(self) -> int:
        """The most that the whole test may take.

        >>> Plan(directions=("down",)).deadline_ms
        20000
        """
        return len(self.directions) * (self.warm_up_ms + self.measure_ms + self.grace_ms)


class Counterpart(msgspec.Struct, frozen=True, kw_only=True):
    """Which engine, and what it is to measure against, as the configuration names it."""

    engine: str  # a key of registry.ENGINES
    url: str | None = (
        None  # librespeed: base; ndt7: server, None asks M-Lab; speedtest: mini server
    )
    upload_url: str | None = None  # librespeed: where it is not the backend's own empty.php
    host: str | None = None  # iperf3
    port: int | None = None  # iperf3
    certificate_authority: str | None = None  # PEM file; None: the system's


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the test process is told, on its standard input, as one JSON object."""

    counterpart: Counterpart
    plan: Plan


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far a direction has come; told a few times a second."""

    direction: Direction
    at_ms: int
    phase: str  # connect, warm_up, measure
    moved_bytes: int  # of this direction, since it began
    bytes_per_second: int  # of the last moment


class DirectionFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What one direction came to: a rate, or a reason why there is none. Never a zero."""

    direction: Direction
    bytes_per_second: int | None = None  # goodput: bytes that arrived, without any header
    reason: str | None = None  # of REASONS; None with a rate
    detail: str | None = None  # a sentence for a person; never parsed
    moved_bytes: int = 0  # all that went over the line as content, warm-up too
    loaded_from_ms: int | None = None  # the measured stretch, after warm-up
    loaded_to_ms: int | None = None
    streams: int | None = None


class EngineFinding(msgspec.Struct, frozen=True, kw_only=True, tag="finding"):
    """What a whole test came to."""

    engine: str
    server: str | None  # host:port, or the server's own name
    directions: tuple[DirectionFinding, ...]
    responsiveness_rpm: int | None = None  # round trips a minute under load; HTTP only


Tell = Callable[[Progress], None]


class Engine(Protocol):
    """One way to measure throughput.

    ``measure`` ends within ``plan.deadline_ms``, keeps memory bounded whatever the server
    sends, moves no more than ``plan.budget_bytes`` and what is already under way, and
    raises nothing for what networks and servers do: that is a direction without a rate and
    with a reason. One direction's failure does not keep the other from being tried, save
    where the server cannot be reached at all.
    """

    @property
    def name(self) -> str:
        """As the configuration says it: librespeed, iperf3, ndt7, speedtest."""

    def measure(self, plan: Plan, tell: Tell) -> EngineFinding: ...
