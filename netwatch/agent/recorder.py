"""From what happens to what is entered in the books: observations, totals, batches.

Rule of this file: it gathers between two commits and hands over in one piece. It knows
no database: a batch goes to whoever takes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netwatch.agent.tcp_rounds import WITNESS_TIMEOUT_MS
from netwatch.core.ledger import Key
from netwatch.probes.icmp_report import FinishedProbe
from netwatch.records import (
    Anchor,
    Cause,
    Check,
    Finding,
    Observation,
    Outcome,
    Role,
    RoundProbe,
    Span,
    Verdict,
)
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.counted import INCIDENTS, LINK_MS

#: Why a probe did not go out, or was not waited for, through a fault of our own.
OWN_FAULTS = frozenset(
    {
        "replaced",
        "stalled",
        "no_route",
        "network_down",
        "no_address",
        "refused_local",
        "send_failed",
    }
)
SEEN = "seen"


def build_icmp_observation(probe: FinishedProbe, timeout_ms: int) -> Observation:
    """One finished ICMP probe as it is kept."""
    if probe.rtt_us is not None:
        return Observation(
            check_id=probe.target_id,
            due_ms=probe.due_ms,
            started_ms=probe.sent_ms,
            elapsed_ms=probe.rtt_us // 1000,
            outcome=Outcome.ANSWERED,
            measures={"rtt_us": probe.rtt_us},
        )
    return Observation(
        check_id=probe.target_id,
        due_ms=probe.due_ms,
        started_ms=probe.sent_ms,
        elapsed_ms=int(timeout_ms),
        outcome=Outcome.UNKNOWN if probe.reason in OWN_FAULTS else Outcome.FAILED,
        reason=probe.reason,
    )


def build_tcp_observation(probe: RoundProbe) -> Observation:
    """One connection of a TCP round, as it is kept where no ping can be sent.

    Its round trip is the kernel's figure for SYN to SYN-ACK; a refusal has come back too.
    """
    answered = probe.rtt_us is not None
    failed = Outcome.UNKNOWN if probe.reason in OWN_FAULTS else Outcome.FAILED
    return Observation(
        check_id=probe.target_id,
        due_ms=probe.sent_ms,
        started_ms=probe.sent_ms,
        elapsed_ms=WITNESS_TIMEOUT_MS if probe.rtt_us is None else probe.rtt_us // 1000,
        outcome=Outcome.ANSWERED if answered else failed,
        reason=None if answered else probe.reason,
        measures={} if probe.rtt_us is None else {"rtt_us": probe.rtt_us},
    )


def build_observation(
    check: Check, finding: Finding, *, due_ms: int, started_ms: int, elapsed_ms: int
) -> Observation:
    """A slower probe's finding as it is kept; its detail is for people and is not."""
    return Observation(
        check_id=check.id,
        due_ms=due_ms,
        started_ms=started_ms,
        elapsed_ms=elapsed_ms,
        outcome=finding.outcome,
        reason=finding.reason,
        measures=finding.measures,
    )


def build_skipped(check_id: str, due_ms: int, reason: str) -> Observation:
    """A due slot that was not run: a row like any other."""
    return Observation(
        check_id=check_id,
        due_ms=due_ms,
        started_ms=due_ms,
        elapsed_ms=0,
        outcome=Outcome.SKIPPED,
        reason=reason,
    )


class Recorder:
    """What has not been handed to the store yet, and the totals that outlive restarts."""

    def __init__(self, counters: Mapping[tuple[str, str], int] | None) -> None:
        """``counters``: the totals of earlier lives; None while they cannot be read."""
        self._run_id = 0
        self._observations: list[Observation] = []
        self._increments: dict[tuple[str, str], int] = {}
        self._checks: tuple[Check, ...] = ()
        self.link_ms: dict[Key, int] = {}
        self.incidents: dict[Cause, int] = {}
        self.seen: set[Role] = set()
        self.totals_known = counters is not None
        self._add_totals(counters or {})

    def begin(self, run_id: int) -> None:
        self._run_id = run_id

    def learn_totals(self, counters: Mapping[tuple[str, str], int]) -> None:
        """The totals of earlier lives, read late: what this one has counted is on top of them."""
        self._add_totals(counters)
        self.totals_known = True

    def _add_totals(self, counters: Mapping[tuple[str, str], int]) -> None:
        for (name, label), value in counters.items():
            if name == LINK_MS:
                key = parse_key(label)
                self.link_ms[key] = self.link_ms.get(key, 0) + value
            elif name == INCIDENTS:
                self.incidents[Cause(label)] = self.incidents.get(Cause(label), 0) + value
            elif name == SEEN and value:
                self.seen.add(Role(label))

    def observe(self, observation: Observation) -> None:
        self._observations.append(observation)

    def define(self, checks: tuple[Check, ...]) -> None:
        """The checks now in force, entered with the next batch."""
        self._checks = checks

    def count(self, link_ms: Mapping[Key, int], incidents: Mapping[Cause, int]) -> None:
        """Newly settled time and incidents."""
        for key, duration_ms in link_ms.items():
            self.link_ms[key] = self.link_ms.get(key, 0) + duration_ms
            self._increase((LINK_MS, format_key(key)), duration_ms)
        for cause, number in incidents.items():
            self.incidents[cause] = self.incidents.get(cause, 0) + number
            self._increase((INCIDENTS, cause.value), number)

    def remember_seen(self, roles: frozenset[Role]) -> None:
        """Who along the path answers as a rule: said once, kept for the next life."""
        for role in roles - self.seen:
            self.seen.add(role)
            self._increase((SEEN, role.value), 1)

    def take_batch(
        self,
        *,
        anchor: Anchor | None,
        watched_to_ms: int,
        spans: Sequence[tuple[str, Span]],
        with_observations: bool,
        settled_ms: int | None = None,
        caught_up: bool = False,
    ) -> Batch:
        """All since the last batch. Observations wait for the minute's own commit: one row each.

        ``settled_ms``: so far the totals have come; ``caught_up``: they have what lies before
        this life.
        """
        batch = Batch(
            run_id=self._run_id,
            anchor=anchor,
            watched_to_mono_ms=watched_to_ms,
            spans=tuple(LayerSpan(layer=layer, span=span) for layer, span in spans),
            observations=tuple(self._observations) if with_observations else (),
            counters=self._increments,
            checks=self._checks,
            settled_mono_ms=settled_ms if with_observations else None,
            counted_mono_ms=settled_ms,
            caught_up=caught_up,
        )
        if with_observations:
            self._observations = []
        self._increments = {}
        self._checks = ()
        return batch

    def _increase(self, key: tuple[str, str], by: int) -> None:
        self._increments[key] = self._increments.get(key, 0) + by


def format_key(key: Key) -> str:
    """A counter's label.

    >>> format_key((Verdict.DOWN, Cause.ACCESS)), format_key((Verdict.UP, None))
    ('down access', 'up')
    """
    verdict, cause = key
    return verdict.value if cause is None else f"{verdict.value} {cause.value}"


def parse_key(text: str) -> Key:
    """What `format_key` wrote.

    >>> parse_key("down access")[1].value
    'access'
    """
    verdict, _, cause = text.partition(" ")
    return Verdict(verdict), Cause(cause) if cause else None
