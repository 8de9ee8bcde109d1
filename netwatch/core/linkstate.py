"""Whether a line carries traffic: the transition table.

The law of this file:

* A line is *up* from the sending of the first answered probe, *down* from the
  sending of the first missed probe after the last answered one, and *unknown* when
  nobody was in a position to look. Each verdict starts in the past: it is dated
  back to its evidence.
* *down* takes ``down_after`` rounds in a row without any answer and the word of a
  second witness (a TCP attempt) begun after the first missed probe. *up* takes
  ``up_after`` rounds in a row with an answer.
* What cannot be seen is not judged: a fault of our own (`blind`) or a gap in our
  own watching makes the time unknown, and what was suspected then is forgotten.
* What is missed under our own load (a throughput test fills the queue) confirms
  nothing. Silence that goes on after it does, and the outage then begins with the
  first probe that was missed, under load or not.

Pure: rounds and words come in with their instants (monotonic milliseconds),
changes go out. It knows no probe, no clock and no store. The same machine serves
the circuit, its resolvers and each single service; only the naming of the cause
differs (`name_cause`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from netwatch.records import Cause, Role, Round, Verdict

#: Printed in every report; raise it when the rule below changes its meaning.
OUTAGE_RULE_VERSION = "2"


class OutageRule(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the rule (STANDARDS.md, 1)."""

    down_after: int = 3
    up_after: int = 2
    #: A pause between two probes longer than this was not watched: unknown, never up.
    maximum_gap_ms: int = 12_000
    #: Whether down needs the second witness; services do without.
    corroborate: bool = True
    #: Whether the cause of a down is told from the path (`name_cause`), or is ``cause``.
    path: bool = True
    cause: Cause | None = None
    #: Whose answers count.
    role: Role = Role.INTERNET


class Phase(enum.Enum):
    UNSEEN = "unseen"  # no evidence yet
    UP = "up"
    SUSPECT = "suspect"  # missed rounds, not enough of them
    DOWN = "down"
    RECOVERING = "recovering"  # answered rounds, not enough of them
    BLIND = "blind"  # a fault of our own hides the line


class Event(enum.Enum):
    ANSWERED = "answered"
    MISSED = "missed"
    CONFIRMED = "confirmed"  # enough rounds in a row, and the second witness where wanted
    BLIND = "blind"
    SIGHTED = "sighted"
    GAP = "gap"


#: The table. An event that a phase does not list leaves the phase as it was.
TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = {
    (Phase.UNSEEN, Event.ANSWERED): Phase.UP,
    (Phase.UNSEEN, Event.MISSED): Phase.SUSPECT,
    (Phase.UP, Event.MISSED): Phase.SUSPECT,
    (Phase.SUSPECT, Event.ANSWERED): Phase.UP,
    (Phase.SUSPECT, Event.CONFIRMED): Phase.DOWN,
    (Phase.DOWN, Event.ANSWERED): Phase.RECOVERING,
    (Phase.RECOVERING, Event.MISSED): Phase.DOWN,
    (Phase.RECOVERING, Event.CONFIRMED): Phase.UP,
    (Phase.BLIND, Event.SIGHTED): Phase.UNSEEN,
    (Phase.BLIND, Event.ANSWERED): Phase.UP,
    **{(phase, Event.BLIND): Phase.BLIND for phase in Phase},
    **{(phase, Event.GAP): Phase.UNSEEN for phase in Phase if phase is not Phase.BLIND},
}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """From ``at_ms`` on, until the next change, this is the verdict."""

    at_ms: int
    verdict: Verdict
    cause: Cause | None
    reason: str | None = None


class _Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Who along the path answered in one missed round."""

    first_sent_ms: int
    gateway: bool
    first_hop: bool


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one line; `begin` makes the first, the other functions the next.

    ``settled_ms``: no later event changes what is said of the time before it.
    """

    phase: Phase
    settled_ms: int
    watched_ms: int  # sending of the newest probe that was judged
    missed_rounds: int = 0
    answered_rounds: int = 0
    first_missed_ms: int | None = None  # after the last answered probe
    first_answered_ms: int | None = None  # of a recovery
    witness_ms: int | None = None  # a second witness found nothing, asked at this instant
    gateway_seen: bool = False  # it answers as a rule, so that its silence means something
    first_hop_seen: bool = False
    recent: tuple[_Heard, ...] = ()
    cause: Cause | None = None
    other_cause: Cause | None = None
    other_cause_ms: int | None = None
    other_cause_rounds: int = 0
    sighted_ms: int = 0  # probes sent before this were sent blind
    was_unseen: bool = False  # the suspicion began before anything was known

    @property
    def wants_witness(self) -> bool:
        return self.phase is Phase.SUSPECT and self.witness_ms is None


Step = tuple[Line, tuple[Change, ...]]


def begin(
    at_ms: int,
    *,
    reason: str = "starting",
    gateway_seen: bool = False,
    first_hop_seen: bool = False,
) -> Step:
    """A line of which nothing is known, but perhaps who along it answers as a rule.

    >>> line, changes = begin(1_000)
    >>> line.phase.value, changes[0].verdict.value, changes[0].cause.value
    ('unseen', 'unknown', 'agent')
    """
    change = Change(at_ms=at_ms, verdict=Verdict.UNKNOWN, cause=Cause.AGENT, reason=reason)
    line = Line(
        phase=Phase.UNSEEN,
        settled_ms=at_ms,
        watched_ms=at_ms,
        gateway_seen=gateway_seen,
        first_hop_seen=first_hop_seen,
    )
    return line, (change,)


def hear_round(line: Line, round_: Round, rule: OutageRule, *, loaded: bool = False) -> Step:
    """Judge one completed round.

    Rounds come in the order in which they began; one without a probe of the rule's
    role says nothing. Probes missed while blind are left out. ``loaded``: all of it was
    sent while a test of ours filled the line, so that its silence is a suspicion at most.
    """
    probes = [
        probe
        for probe in round_.probes
        if probe.role is rule.role and probe.sent_ms >= line.sighted_ms
    ]
    if line.phase is Phase.BLIND:
        # What was missed then proves nothing; an answer proves that the fault is over.
        probes = [probe for probe in probes if probe.rtt_us is not None]
    if not probes:
        return line, ()
    changes: list[Change] = []
    first_sent_ms = min(probe.sent_ms for probe in probes)
    last_sent_ms = max(probe.sent_ms for probe in probes)
    if (
        line.phase not in (Phase.UNSEEN, Phase.BLIND)
        and first_sent_ms - line.watched_ms > rule.maximum_gap_ms
    ):
        line, gap = lose_sight(line, line.watched_ms, until_ms=first_sent_ms, reason="stalled")
        changes += gap
    line = msgspec.structs.replace(line, watched_ms=max(line.watched_ms, last_sent_ms))

    answered_ms = [probe.sent_ms for probe in probes if probe.rtt_us is not None]
    missed_ms = [probe.sent_ms for probe in probes if probe.rtt_us is None]
    heard = _Heard(
        first_sent_ms=first_sent_ms,
        gateway=_answered(round_, Role.GATEWAY, last_sent_ms),
        first_hop=_answered(round_, Role.FIRST_HOP, last_sent_ms),
    )
    if answered_ms:
        line, more = _hear_answer(line, answered_ms, missed_ms, heard, rule)
    else:
        line, more = _hear_silence(line, missed_ms, heard, rule, loaded=loaded)
    return line, (*changes, *more)


def hear_witness(line: Line, asked_ms: int, rule: OutageRule) -> Step:
    """A second witness, asked at ``asked_ms``, found nothing either.

    Heeded only if it was asked after the first missed probe was sent.
    """
    if line.phase is not Phase.SUSPECT or line.first_missed_ms is None:
        return line, ()
    if asked_ms < line.first_missed_ms:
        return line, ()
    return _confirm_down(msgspec.structs.replace(line, witness_ms=asked_ms), rule)


def go_blind(line: Line, at_ms: int, *, cause: Cause, reason: str) -> Step:
    """From ``at_ms`` on a fault of our own hides the line.

    What was suspected and not confirmed is unknown from its beginning, for it may
    have been our fault already.
    """
    start_ms = at_ms
    if line.phase is Phase.SUSPECT and line.first_missed_ms is not None:
        start_ms = min(at_ms, line.first_missed_ms)
    start_ms = max(start_ms, line.settled_ms)
    change = Change(at_ms=start_ms, verdict=Verdict.UNKNOWN, cause=cause, reason=reason)
    return _forget(line, phase=Phase.BLIND, settled_ms=start_ms, sighted_ms=at_ms), (change,)


def regain_sight(line: Line, at_ms: int) -> Step:
    """The fault of our own is over; the verdict stays unknown until a round speaks."""
    if line.phase is not Phase.BLIND:
        return line, ()
    phase = TRANSITIONS[line.phase, Event.SIGHTED]
    return _forget(line, phase=phase, settled_ms=line.settled_ms, sighted_ms=at_ms), ()


def lose_sight(line: Line, at_ms: int, *, until_ms: int, reason: str) -> Step:
    """Nobody watched between ``at_ms`` and ``until_ms``: the agent was stopped or starved.

    The verdict is unknown until a probe sent after ``until_ms`` says more.
    """
    if line.phase is Phase.BLIND:
        return line, ()
    start_ms = at_ms
    if line.phase is Phase.SUSPECT and line.first_missed_ms is not None:
        start_ms = min(at_ms, line.first_missed_ms)
    start_ms = max(start_ms, line.settled_ms)
    change = Change(at_ms=start_ms, verdict=Verdict.UNKNOWN, cause=Cause.AGENT, reason=reason)
    phase = TRANSITIONS[line.phase, Event.GAP]
    return _forget(line, phase=phase, settled_ms=start_ms, sighted_ms=until_ms), (change,)


def let_pass(line: Line, until_ms: int) -> Line:
    """While nothing is known, time before ``until_ms`` stays so: no later answer reaches back.

    Of use to the books, which can be closed up to there; other phases are settled by
    their probes alone.
    """
    if line.phase not in (Phase.UNSEEN, Phase.BLIND):
        return line
    return msgspec.structs.replace(line, settled_ms=max(line.settled_ms, until_ms))


def name_cause(line: Line, heard: tuple[_Heard, ...]) -> Cause:
    """Whose fault a silence of the internet is, from who along the path still answers.

    A gateway or first hop that never answered while the line was up proves nothing
    by its silence. One answer is enough to be heard: a single lost probe must not
    move the fault to another's door. Where the first hop is not known, the fault is
    placed at the nearest place that it can be: `access`.
    """
    if line.gateway_seen and not any(one.gateway for one in heard):
        return Cause.GATEWAY
    if line.first_hop_seen and any(one.first_hop for one in heard):
        return Cause.UPSTREAM
    return Cause.ACCESS


# -- within ------------------------------------------------------------------------


def _answered(round_: Round, role: Role, last_sent_ms: int) -> bool:
    """Whether one of that role answered before the last of the judged probes was sent.

    A later one may have been sent after the fault was mended.
    """
    return any(
        probe.role is role and probe.rtt_us is not None and probe.sent_ms <= last_sent_ms
        for probe in round_.probes
    )


def _forget(line: Line, *, phase: Phase, settled_ms: int, sighted_ms: int | None = None) -> Line:
    """The same line with all that was suspected forgotten."""
    return Line(
        phase=phase,
        settled_ms=settled_ms,
        watched_ms=line.watched_ms if sighted_ms is None else max(line.watched_ms, sighted_ms),
        gateway_seen=line.gateway_seen,
        first_hop_seen=line.first_hop_seen,
        sighted_ms=line.sighted_ms if sighted_ms is None else sighted_ms,
    )


def _hear_answer(
    line: Line, answered_ms: list[int], missed_ms: list[int], heard: _Heard, rule: OutageRule
) -> Step:
    last_answered_ms = max(answered_ms)
    tail = [at for at in missed_ms if at > last_answered_ms]
    line = msgspec.structs.replace(
        line,
        gateway_seen=line.gateway_seen or heard.gateway,
        first_hop_seen=line.first_hop_seen or heard.first_hop,
    )
    changes: tuple[Change, ...] = ()
    if line.phase in (Phase.DOWN, Phase.RECOVERING):
        first_ms = line.first_answered_ms
        if first_ms is None:
            first_ms = max(min(answered_ms), line.settled_ms)
        line = msgspec.structs.replace(
            line,
            phase=TRANSITIONS.get((line.phase, Event.ANSWERED), line.phase),
            answered_rounds=line.answered_rounds + 1,
            first_answered_ms=first_ms,
        )
        if line.answered_rounds < rule.up_after:
            return line, ()
        changes = (Change(at_ms=first_ms, verdict=Verdict.UP, cause=None),)
        phase = TRANSITIONS[line.phase, Event.CONFIRMED]
    else:
        if line.phase in (Phase.UNSEEN, Phase.BLIND) or line.was_unseen:
            first_ms = max(min(answered_ms), line.settled_ms)
            changes = (Change(at_ms=first_ms, verdict=Verdict.UP, cause=None),)
        phase = TRANSITIONS.get((line.phase, Event.ANSWERED), line.phase)
    # Settled up to the last answer: what was missed after it may begin an outage.
    settled_ms = max(line.settled_ms, min(tail) if tail else last_answered_ms)
    forgotten = _forget(line, phase=phase, settled_ms=settled_ms)
    return msgspec.structs.replace(forgotten, first_missed_ms=min(tail, default=None)), changes


def _hear_silence(
    line: Line, missed_ms: list[int], heard: _Heard, rule: OutageRule, *, loaded: bool
) -> Step:
    if line.phase in (Phase.DOWN, Phase.RECOVERING):
        return _go_on_down(line, max(missed_ms), heard, rule)
    first_ms = line.first_missed_ms
    if first_ms is None:
        first_ms = max(min(missed_ms), line.settled_ms)
    line = msgspec.structs.replace(
        line,
        phase=TRANSITIONS.get((line.phase, Event.MISSED), line.phase),
        was_unseen=line.was_unseen or line.phase is Phase.UNSEEN,
        first_missed_ms=first_ms,
    )
    if loaded:
        return line, ()
    line = msgspec.structs.replace(
        line,
        missed_rounds=line.missed_rounds + 1,
        # The first round may have begun before the fault: it is not asked who answered.
        recent=(*line.recent, heard)[-(rule.down_after - 1 or 1) :],
    )
    return _confirm_down(line, rule)


def _confirm_down(line: Line, rule: OutageRule) -> Step:
    if line.missed_rounds < rule.down_after or line.first_missed_ms is None:
        return line, ()
    if rule.corroborate and line.witness_ms is None:
        return line, ()
    cause = name_cause(line, line.recent) if rule.path else rule.cause
    change = Change(at_ms=line.first_missed_ms, verdict=Verdict.DOWN, cause=cause)
    line = msgspec.structs.replace(
        line,
        phase=TRANSITIONS[line.phase, Event.CONFIRMED],
        settled_ms=max(line.settled_ms, line.watched_ms),
        cause=cause,
        answered_rounds=0,
        first_answered_ms=None,
        was_unseen=False,
    )
    return line, (change,)


def _go_on_down(line: Line, last_missed_ms: int, heard: _Heard, rule: OutageRule) -> Step:
    """Another missed round of an outage: it may show that the fault has moved."""
    line = msgspec.structs.replace(
        line,
        phase=TRANSITIONS.get((line.phase, Event.MISSED), line.phase),
        answered_rounds=0,
        first_answered_ms=None,
    )
    cause = name_cause(line, (heard,)) if rule.path else rule.cause
    if cause is line.cause:
        return msgspec.structs.replace(
            line,
            other_cause=None,
            other_cause_ms=None,
            other_cause_rounds=0,
            settled_ms=max(line.settled_ms, last_missed_ms),
        ), ()
    if cause is line.other_cause and line.other_cause_ms is not None:
        rounds, since_ms = line.other_cause_rounds + 1, line.other_cause_ms
    else:
        rounds, since_ms = 1, max(heard.first_sent_ms, line.settled_ms)
    line = msgspec.structs.replace(
        line, other_cause=cause, other_cause_ms=since_ms, other_cause_rounds=rounds
    )
    if rounds < rule.down_after:
        return line, ()
    change = Change(at_ms=since_ms, verdict=Verdict.DOWN, cause=cause)
    return msgspec.structs.replace(
        line,
        cause=cause,
        other_cause=None,
        other_cause_ms=None,
        other_cause_rounds=0,
        settled_ms=max(line.settled_ms, last_missed_ms),
    ), (change,)
