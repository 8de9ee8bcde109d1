"""What counts as evidence: pings, connections, resolvers, and our own faults.

Rule of this file: it decides who may speak for the line. Pings do as a rule; where they
are dropped and connections go through, connections do; where a captive portal answers
for everyone, or this device has no way out, nobody does. What the evidence means is
the judge's.
"""

from __future__ import annotations

import logging

import msgspec

from netwatch.agent.events import WitnessHeard
from netwatch.agent.outside import Outside
from netwatch.agent.recorder import OWN_FAULTS
from netwatch.core.judge import Judge
from netwatch.records import Cause, HostFacts, Role, Round, RoundProbe, Verdict

_LOG = logging.getLogger(__name__)

WITNESS_AGAIN_MS = 2_000
PORTAL_AGAIN_MS = 15_000
#: Longer than a round of pings takes to be given up.
WEIGHED_AFTER_MS = 15_000


class Evidence:
    """Hears rounds, witnesses and facts, and tells the judge what may be believed."""

    def __init__(self, judge: Judge, outside: Outside) -> None:
        self._judge = judge
        self._outside = outside
        #: Pings say nothing here: TCP speaks for the line.
        self.filtered = outside.icmp_kind == "none"
        #: Something else answers in the internet's place.
        self.portal = False
        self.facts: HostFacts = outside.read_facts()
        self._fault: str | None = None
        self._fault_entered = False
        self._witness_asked_ms: int | None = None
        self._witness_waiting = False
        self._alarmed = False
        #: Connections that came about while pings were suspected; weighed against later pings.
        self._carried: WitnessHeard | None = None
        self._resolvers: frozenset[str] = frozenset()
        self._resolver_probes: dict[str, RoundProbe] = {}
        self._resolver_answered_ms: dict[str, int] = {}

    def expect_resolvers(self, check_ids: frozenset[str]) -> None:
        """Which resolvers there are: a round of theirs is complete when all were asked."""
        self._resolvers = check_ids
        self._resolver_probes = {}

    # -- rounds --------------------------------------------------------------------------

    def hear_icmp_round(self, round_: Round) -> None:
        """A round of pings. Those that never left this machine are no evidence."""
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("round %d: %s", round_.number, describe_round(round_))
        probes = tuple(probe for probe in round_.probes if probe.reason not in OWN_FAULTS)
        internet = [probe for probe in probes if probe.role is Role.INTERNET]
        if not internet:
            self._hear_own_failure(round_)
            return
        answered = any(probe.rtt_us is not None for probe in internet)
        if self.filtered and not answered:
            return
        if answered:
            self.portal = False
            self._carried = None
            if self.filtered:
                _LOG.info("pings are answered again: they speak for the line")
                self.filtered = False
        self._judge.hear_round(msgspec.structs.replace(round_, probes=probes))
        if not answered:
            self._weigh_silence(min(probe.sent_ms for probe in internet))

    def _hear_own_failure(self, round_: Round) -> None:
        own = [probe for probe in round_.probes if probe.role is Role.INTERNET]
        reasons = {probe.reason for probe in own} - {"replaced", None}
        if own and reasons and not self._judge.blind:
            self._judge.go_blind(
                min(probe.sent_ms for probe in own),
                cause=Cause.LOCAL,
                reason=own[0].reason or "send_failed",
            )

    def hear_tcp_round(self, round_: Round) -> None:
        """A round of connections: heard only where pings say nothing. It is its own witness."""
        if not self.filtered:
            return
        self._judge.hear_round(round_)
        if self._judge.wants_witness:
            self._judge.hear_witness(min(probe.sent_ms for probe in round_.probes))

    def hear_resolver(self, probe: RoundProbe, *, settled_ms: int) -> None:
        """One resolver's answer or silence.

        Silence is known later than an answer: that of a question put before the newest
        one that was answered is no news.
        """
        if probe.rtt_us is not None:
            self._resolver_answered_ms[probe.target_id] = probe.sent_ms
        elif probe.sent_ms < self._resolver_answered_ms.get(probe.target_id, probe.sent_ms):
            return
        self._resolver_probes[probe.target_id] = probe
        if not self._resolvers <= set(self._resolver_probes):
            return
        probes = tuple(sorted(self._resolver_probes.values(), key=lambda each: each.sent_ms))
        self._resolver_probes = {}
        self._judge.hear_resolvers(
            Round(number=0, burst=False, probes=probes, settled_ms=settled_ms)
        )

    # -- the second witness ----------------------------------------------------------------

    def call_witness(self, now_ms: int, *, alarmed: bool) -> None:
        """Have TCP tried where an outage is suspected, and again where a portal answers.

        ``alarmed``: a second burst round has begun. Waiting for its silence to be
        certain would be to ask after a short cut is over.
        """
        if self.filtered or self._witness_waiting:
            return
        asked_ms = self._witness_asked_ms
        if self.portal:
            wanted = asked_ms is None or now_ms - asked_ms >= PORTAL_AGAIN_MS
        elif self._judge.wants_witness:
            # One that got through is weighed first: the pings sent after it are under way.
            again_ms = WITNESS_AGAIN_MS if self._carried is None else WEIGHED_AFTER_MS
            wanted = asked_ms is None or now_ms - asked_ms >= again_ms
        else:
            wanted = alarmed and not self._alarmed and not self._judge.blind
        self._alarmed = alarmed
        if wanted:
            self._witness_asked_ms = now_ms
            self._witness_waiting = True
            self._outside.ask_witness()

    def hear_witness(self, event: WitnessHeard) -> None:
        """What the connections found: silence, the internet, or a portal.

        A connection that came about says nothing against pings that were silent before
        it: the line may have come back. Only silence after it shows that pings are
        dropped (`hear_icmp_round`).
        """
        self._witness_waiting = False
        _LOG.debug("connections were tried: %s", "traffic passes" if event.carries else "none")
        if not event.carries:
            self._carried = None
            self._judge.hear_witness(event.asked_ms)
            return
        self._carried = event
        if self.portal and not event.portal:
            self.portal = False
            self._judge.regain_sight(event.asked_ms)

    def _weigh_silence(self, silent_ms: int) -> None:
        """Pings sent from ``silent_ms`` on got no answer: did connections, asked before?"""
        carried = self._carried
        if carried is None or silent_ms < carried.asked_ms or not self._judge.wants_witness:
            return
        self._carried = None
        if carried.portal:
            _LOG.warning("a captive portal answers in the internet's place")
            self.portal = True
            self._judge.go_blind(silent_ms, cause=Cause.LOCAL, reason="captive_portal")
        else:
            _LOG.warning("pings get no answer and connections do: judging the line by TCP")
            self.filtered = True

    # -- our own faults ----------------------------------------------------------------------

    def check_facts(self, now_ms: int) -> bool:
        """Read what the kernel says of our own way out; True when it has just come back.

        An answer that came although the kernel says there is no way out refutes it:
        then that fault is not entered again until it has changed.
        """
        self.facts = self._outside.read_facts()
        fault = self.facts.fault
        came_back = False
        if fault != self._fault:
            self._fault, self._fault_entered = fault, False
            if fault is None:
                self._judge.regain_sight(now_ms)
                came_back = True
            else:
                _LOG.warning("this device has no way out: %s", fault)
        if fault is not None and not self._fault_entered:
            self._fault_entered = True
            if not self._judge.blind:
                self._judge.go_blind(now_ms, cause=Cause.LOCAL, reason=fault)
        if fault is not None and self._judge.standing(now_ms).verdict is Verdict.DOWN:
            # A local fault beside a silence is the local fault's.
            self._judge.go_blind(now_ms, cause=Cause.LOCAL, reason=fault)
        return came_back


def describe_round(round_: Round) -> str:
    """Who answered within how much, and who did not, for the log.

    >>> told = RoundProbe(target_id="box", role=Role.GATEWAY, sent_ms=0, rtt_us=450)
    >>> silent = RoundProbe(target_id="a", role=Role.INTERNET, sent_ms=0, rtt_us=None, reason="timeout")
    >>> describe_round(Round(number=1, burst=False, probes=(told, silent), settled_ms=9))
    'box 0.45 ms, a timeout'
    """
    return ", ".join(
        f"{probe.target_id} {probe.reason}"
        if probe.rtt_us is None
        else f"{probe.target_id} {probe.rtt_us / 1000:.2f} ms"
        for probe in round_.probes
    )
