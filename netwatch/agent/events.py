"""What reaches the runner's queue: one struct for each kind of news.

Rule of this file: values only. Instants are monotonic.
"""

from __future__ import annotations

import queue
from collections.abc import Callable

import msgspec

from netwatch.records import Check, Finding, Round, Skip


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled probe ran."""

    check: Check
    due_ms: int
    started_ms: int
    elapsed_ms: int
    finding: Finding


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled probe was not run."""

    skip: Skip


class WitnessHeard(msgspec.Struct, frozen=True, kw_only=True):
    """TCP connections were tried in an outage. ``portal``: something else answered for them."""

    asked_ms: int
    carries: bool
    portal: bool


class TcpRound(msgspec.Struct, frozen=True, kw_only=True):
    """A round of TCP connections, where ICMP cannot be had or is filtered."""

    round: Round


class FirstHopFound(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's first hop; ``ttl`` when it answers only as a router on the way."""

    address: str
    ttl: int | None


class LineLoaded(msgspec.Struct, frozen=True, kw_only=True):
    """A throughput test of this device begins to load the line, or has ceased to."""

    loaded: bool
    at_ms: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be answered between two turns of the runner, by its own thread."""

    answer: Callable[[], object]
    reply: queue.SimpleQueue[object]


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Take leave."""
