"""What the running agent shows of itself at one instant: page, metrics, JSON and terminal.

Rule of this file: values only, none of which is read back to decide anything. What is
measured and kept is in `netwatch.records`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from netwatch.records import (
    Cause,
    Histogram,
    HostFacts,
    PushProblem,
    RttSummary,
    StoreFault,
    Verdict,
)


class PushState(msgspec.Struct, frozen=True, kw_only=True):
    """How the pushing to one outlet goes; replaced as a whole."""

    outlet: str = "influx"
    ok: bool | None = None  # None: nothing was tried yet
    problem: PushProblem | None = None  # also of points refused for good while all else goes
    minutes: int | None = None  # that wait, each with all its points; None: not looked yet
    oldest_ms: int | None = None  # UTC; None when nothing waits
    accepted: int = 0  # points since the start
    rejected: int = 0  # points refused for good since the start
    attempts: int = 0  # sendings since the start
    failed: int = 0  # of these, those that left points waiting
    failures: int = 0  # in a row


class TargetSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One target as page and metrics show it."""

    summary: RttSummary  # the last five minutes
    kind: str
    probes: int  # since the process began
    failures: Mapping[str, int]
    histogram: Histogram | None = None
    detail: str | None = None
    measures: Mapping[str, int] = {}
    verdict: Verdict = Verdict.UNKNOWN  # of its own timeline, for services and resolvers
    since_ms: int | None = None  # UTC


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the books fare. What could not be written waits in memory, up to a bound."""

    fault: StoreFault | None  # None: they are written
    waiting_observations: int
    dropped_observations: int  # since the process began: there was no room for them
    dropped_spans: int
    device_written_bytes_today: int | None  # by whoever, the file system's journal included


class DirectionView(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of the newest throughput test. ``invalid``: it does not count, and why."""

    bytes_per_second: int | None = None
    loaded_rtt_us: int | None = None
    invalid: str | None = None
    reason: str | None = None  # finer than ``invalid``, where there is no rate


class BandwidthView(msgspec.Struct, frozen=True, kw_only=True):
    """The throughput tests as page, metrics and `netwatch status` show them (UTC)."""

    engines: tuple[str, ...]  # in the order in which they are tried
    running: bool
    next_ms: int | None  # when the next one is due; None without a clock or a plan
    used_bytes: int  # of this month's budget
    budget_bytes: int
    bytes_moved: Mapping[str, int] = {}  # by direction; persistent totals
    tests: Mapping[tuple[str, str], int] = {}  # by engine and result; persistent totals
    skips: Mapping[str, int] = {}  # slots that were not run, by reason; persistent totals
    at_ms: int | None = None  # when the newest test began; None before the first
    engine: str | None = None
    server: str | None = None
    asked_by: str | None = None
    down: DirectionView | None = None  # None: this direction was not tested
    up: DirectionView | None = None
    idle_rtt_us: int | None = None
    responsiveness_rpm: int | None = None
    grade: str | None = None  # of the delay that load adds
    skipped_ms: int | None = None  # the newest slot that was not run, and why
    skipped_reason: str | None = None


class CentralView(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent runs with of the centre's configuration, and how the fetching goes (UTC)."""

    version: int | None = None  # None: the device's own file alone
    taken_ms: int | None = None
    trial: bool = False  # it has not proved good yet
    refused_version: int | None = None
    refused_why: str | None = None  # check, or start: the agent did not come up with it
    refused_problem: str | None = None
    asked_ms: int | None = None
    answered_ms: int | None = None  # when the centre last gave a good answer
    reason: str | None = None  # of the newest asking, if it failed: unreachable, untrusted
    problem: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All that the running agent shows, at one instant. Instants are UTC, or None.

    It is replaced as a whole, so that a reader never sees half a change.
    """

    at_ms: int  # UTC; as long as the time is not known what the wall clock says
    uptime_ms: int
    version: str
    verdict: Verdict
    cause: Cause | None
    reason: str | None
    since_ms: int | None  # None when the clock cannot tell
    held_ms: int  # how long the verdict has held, by the monotonic clock
    link_ms: Mapping[tuple[Verdict, Cause | None], int]  # persistent totals
    incidents: Mapping[Cause, int]  # persistent totals
    targets: tuple[TargetSnapshot, ...]
    facts: HostFacts
    clock_synchronised: bool  # now, by the kernel's word
    icmp: str  # raw, datagram, none
    notices: tuple[str, ...]  # keys of sentences that the page says: icmp_refused, disk_full, …
    missed_slots: int
    send_lateness_us: int | None  # worst of the last minute
    store_bytes: int | None
    written_bytes_today: int | None
    ipv6: Verdict | None = None  # None when no target is IPv6
    push: PushState | None = None  # None where no push is configured
    bandwidth: BandwidthView | None = None  # None where no engine is configured
    central: CentralView | None = None  # None without [central]
    store: StoreHealth | None = None
    totals_known: bool = True  # False: the books could not be read yet, so totals lack their past
    outage_since_ms: int | None = None  # of all its causes; None: none goes on, or no clock
    restore_deadline_ms: int | None = None  # by the contract; None: no such term, or no clock
    clock_held_ms: int | None = None  # the clock was last vouched for so long ago; None: now, never

    @property
    def is_dated(self) -> bool:
        """Whether the agent knows the time, so that ``at_ms`` is UTC and no made-up hour."""
        return self.clock_synchronised or self.clock_held_ms is not None
