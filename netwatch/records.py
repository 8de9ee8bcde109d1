"""The vocabulary: the frozen records that modules hand to one another.

Rule of this file: values only. It knows no clock, socket, file or setting, and
imports nothing of netwatch.

Two time scales are used, and a record says which one it is on:

* *monotonic*: integer milliseconds of ``CLOCK_MONOTONIC`` of one boot. Everything
  that is measured is on it first, for it never steps.
* *UTC*: integer milliseconds since 1970-01-01T00:00:00Z, obtained from the former
  with an :class:`Anchor`, and only while the clock is known to be synchronised.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NoReturn

import msgspec

MINUTE_MS = 60_000


class Verdict(enum.StrEnum):
    """What is known of the circuit at an instant (STANDARDS.md, 1).

    It refuses ``bool()``, because the question "is it up?" has four answers.

    >>> Verdict.UP.value
    'up'
    >>> bool(Verdict.UNKNOWN)
    Traceback (most recent call last):
    TypeError: a verdict is neither true nor false: compare it with Verdict.UP
    """

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is neither true nor false: compare it with Verdict.UP")


class Cause(enum.StrEnum):
    """Why a verdict is not ``up``, ordered along the path (STANDARDS.md, 1)."""

    AGENT = "agent"
    CLOCK = "clock"
    LOCAL = "local"
    GATEWAY = "gateway"
    ACCESS = "access"
    UPSTREAM = "upstream"
    DNS = "dns"
    LOSS = "loss"
    LATENCY = "latency"
    THROUGHPUT = "throughput"


#: Which causes a verdict can have; ``up`` has none.
CAUSES: Mapping[Verdict, tuple[Cause, ...]] = {
    Verdict.UP: (),
    Verdict.DEGRADED: (Cause.LOSS, Cause.LATENCY, Cause.THROUGHPUT),
    Verdict.DOWN: (Cause.GATEWAY, Cause.ACCESS, Cause.UPSTREAM, Cause.DNS),
    Verdict.UNKNOWN: (Cause.AGENT, Cause.CLOCK, Cause.LOCAL),
}


class Role(enum.StrEnum):
    """What a target stands for on the path from the agent outwards."""

    GATEWAY = "gateway"
    FIRST_HOP = "first_hop"
    INTERNET = "internet"
    RESOLVER = "resolver"
    SERVICE = "service"
    HOST = "host"  # the agent's own machine


class Outcome(enum.StrEnum):
    """How one due slot ended. Every slot ends in exactly one of these."""

    ANSWERED = "answered"
    FAILED = "failed"  # the probe ran, and the far side did not answer as it should
    UNKNOWN = "unknown"  # the probe could not be run or trusted: a failing of ours
    SKIPPED = "skipped"  # deliberately not run, or its time had passed


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do again and again."""

    id: str  # the target's name; unique in one agent
    kind: str  # key of probes.PROBES: icmp, tcp, dns, http
    target: str  # address or URL
    role: Role
    every_ms: int
    timeout_ms: int
    params: Mapping[str, str | int | bool] = {}


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A slot of the schedule that has come (monotonic)."""

    check_id: str
    due_ms: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found, without any time of day: the runner stamps that.

    ``measures`` holds integers with the unit in the key (``rtt_us``,
    ``ttfb_us``, ``certificate_expires_ms``); what was not measured is absent.
    """

    outcome: Outcome
    reason: str | None = None  # one word of the probe's documented list; None when answered
    measures: Mapping[str, int] = {}
    detail: str | None = None  # a short text for a person; never parsed


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with its times (monotonic)."""

    check_id: str
    due_ms: int
    started_ms: int
    elapsed_ms: int
    outcome: Outcome
    reason: str | None = None
    measures: Mapping[str, int] = {}


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """A due slot that was not run, and why (monotonic)."""

    check_id: str
    due_ms: int
    reason: str


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A half-open stretch ``[start_ms, end_ms)`` of one verdict and cause.

    The scale, monotonic or UTC, is that of the module that handles it: the
    timeline works on monotonic time, the ledger on UTC.
    """

    verdict: Verdict
    cause: Cause | None
    start_ms: int
    end_ms: int
    reason: str | None = (
        None  # finer than the cause: stopped, crashed, power_loss, stalled, carrier …
    )

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """So many milliseconds under one verdict and cause."""

    verdict: Verdict
    cause: Cause | None
    duration_ms: int


class LedgerMinute(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC minute of the ledger; its entries add up to 60 000 ms."""

    start_ms: int
    entries: tuple[Entry, ...]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One probe that a round asks for (monotonic)."""

    round: int
    target_id: str
    due_ms: int


class RoundProbe(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one probe of a round (monotonic)."""

    target_id: str
    role: Role
    sent_ms: int
    rtt_us: int | None  # None: not answered
    reason: str | None = None  # timeout, unreachable, no_route, send_failed …; None when answered


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One completed round of probes: the evidence on which a verdict rests (monotonic)."""

    number: int
    burst: bool
    probes: tuple[RoundProbe, ...]  # in the order of sending
    settled_ms: int  # when the last of them was answered or given up


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A maximal stretch of down (UTC); ``end_ms`` is None while it lasts."""

    cause: Cause
    start_ms: int
    end_ms: int | None


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """What ties the monotonic scale of one boot to UTC: ``utc = monotonic + offset``.

    Only made while the wall clock is known to be synchronised.
    """

    boot_id: str
    monotonic_ms: int  # when it was read
    offset_ms: int

    def to_utc_ms(self, monotonic_ms: int) -> int:
        """
        >>> Anchor(boot_id="b", monotonic_ms=5, offset_ms=1_000).to_utc_ms(250)
        1250
        """
        return monotonic_ms + self.offset_ms


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel says of the agent's own way out; None is "could not be read"."""

    interface: str | None
    carrier: bool | None
    address: bool | None
    default_route: bool | None
    port_speed_mbit: int | None = None

    @property
    def fault(self) -> str | None:
        """The word for what is missing, nearest first; None when nothing is known to be.

        >>> HostFacts(interface="eth0", carrier=False, address=True, default_route=True).fault
        'carrier'
        >>> HostFacts(interface=None, carrier=None, address=None, default_route=None).fault
        """
        if self.carrier is False:
            return "carrier"
        if self.address is False:
            return "address"
        if self.default_route is False:
            return "default_route"
        return None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One life of the agent process (UTC; None where no synchronised clock told it).

    ``ended_ms`` is the last instant the books speak of; ``clean`` says that the
    process took its leave.
    """

    id: int
    boot_id: str
    version: str
    started_ms: int | None
    ended_ms: int | None
    clean: bool
    started_mono_ms: int = 0
    ended_mono_ms: int = 0


class RttPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of one target over one step of a graph or table (UTC).

    Percentiles are by nearest rank with the lost counted as infinite (STANDARDS.md,
    2); None says that the rank falls among the lost, or that no time was measured.
    """

    target: str
    start_ms: int
    sent: int  # answered and lost; what was skipped or not trusted is in neither
    lost: int
    min_us: int | None = None
    median_us: int | None = None
    p95_us: int | None = None
    max_us: int | None = None


class PushReason(enum.StrEnum):
    """What can stand in the way of an outlet: the words of a metric's label, and no others.

    `core.push_problems` has the sentence for each.
    """

    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a word for a mistake, no secret
    FORBIDDEN = "forbidden"
    NO_BUCKET = "no_bucket"
    URL = "url"  # no server can be reached by what influx.url says
    URL_PATH = "url_path"  # nothing takes points under the path that it has
    HTML_ANSWER = "html_answer"
    NO_INFLUXDB = "no_influxdb"
    REDIRECT = "redirect"
    PROXY_LOGIN = "proxy_login"
    POINTS_REFUSED = "points_refused"  # every one: they stay
    POINTS_REJECTED = "points_rejected"  # some, for good, while all else goes
    TOO_LARGE = "too_large"
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET = "certificate_not_yet"
    CERTIFICATE_SELF_SIGNED = "certificate_self_signed"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_NAME = "certificate_name"
    CERTIFICATE = "certificate"
    TLS = "tls"
    UNKNOWN_NAME = "unknown_name"
    CONNECTION_REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CUT = "cut"
    NO_CLIENT = "no_client"
    TOKEN_UNREADABLE = "token_unreadable"  # noqa: S105 - a word for a mistake, no secret
    TOKEN_EMPTY = "token_empty"  # noqa: S105 - a word for a mistake, no secret
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - a word for a mistake, no secret
    AUTHORITY_FILE = "authority_file"
    BOOKS = "books"
    FAULT = "fault"


class PushProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why points wait, or some were lost; `core.push_problems` puts it into words."""

    reason: PushReason
    where: str  # the address or the file that it is about
    fills: Mapping[str, str] = {}  # for the names in the sentence: status, bucket …
    said: str | None = None  # the server's own words, made harmless


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of lines handed to an outlet, in the order given.

    The first ``accepted + rejected`` of them are done with, for good; the rest stays
    (DESIGN.md, rule 7). ``problem`` is for whoever can mend it.
    """

    accepted: int
    rejected: int
    retry_after_ms: int | None = None  # the server's own wish
    problem: PushProblem | None = None


class CheckDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What a check was, from an instant on: a target's address may change over the years."""

    number: int  # stands for it in the store
    check_id: str
    kind: str | None  # None: observations came before any definition
    target: str | None
    role: Role | None
    since_ms: int | None  # UTC; None where no synchronised clock told it


class RttSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of one target over a window. Lost probes are counted, never averaged."""

    target: str
    role: Role
    address: str
    sent: int
    lost: int
    last_us: int | None = None
    minimum_us: int | None = None
    median_us: int | None = None
    p95_us: int | None = None
    maximum_us: int | None = None
    jitter_us: int | None = None
    answered: bool | None = None  # the newest completed probe; None before the first


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Cumulative counts below each bound, as Prometheus has them; the last is all."""

    bounds_us: tuple[int, ...]
    counts: tuple[int, ...]  # one more than bounds_us
    sum_us: int


class StoreFault(enum.StrEnum):
    """Why the books cannot be written for now: the words of a metric's label, and no others."""

    FULL = "full"
    READ_ONLY = "read_only"
    IO_ERROR = "io_error"
    OTHER = "other"
