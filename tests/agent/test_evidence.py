"""Who may speak for the line: pings, connections, or nobody."""

from __future__ import annotations

from collections.abc import Sequence

from netwatch.agent.events import WitnessHeard
from netwatch.agent.evidence import Evidence
from netwatch.agent.outside import StoreView
from netwatch.core.cadence import Cadence
from netwatch.core.judge import Judge
from netwatch.core.linkstate import OutageRule
from netwatch.core.quality import QualityRule
from netwatch.probes.icmp_report import IcmpTarget
from netwatch.records import Cause, Check, HostFacts, Role, Round, RoundProbe, Verdict
from netwatch.store.batch import Batch

WELL = HostFacts(interface="eth0", carrier=True, address=True, default_route=True)
UNPLUGGED = HostFacts(interface="eth0", carrier=False, address=True, default_route=True)


class FakeOutside:
    """A machine on paper: facts that the test sets, and how often the witness was called."""

    icmp_kind = "raw"

    def __init__(self) -> None:
        self.facts = WELL
        self.asked = 0

    def read_facts(self) -> HostFacts:
        return self.facts

    def ask_witness(self) -> None:
        self.asked += 1

    def read_gateways(self) -> tuple[str | None, str | None]:
        return None, None

    def read_resolvers(self) -> tuple[str, ...]:
        return ()

    def replace_icmp(self, targets: Sequence[IcmpTarget], cadence: Cadence) -> None: ...
    def replace_checks(self, checks: Sequence[Check]) -> None: ...
    def set_tcp_targets(self, checks: Sequence[Check]) -> None: ...
    def set_tcp_pace(self, *, active: bool, uneasy: bool) -> None: ...
    def realign(self) -> None: ...
    def submit(self, batch: Batch, *, urgent: bool) -> None: ...
    def show_life(self, status: str) -> None: ...
    def show_progress(self, now_ms: int) -> None: ...

    def describe_store(self) -> StoreView:
        return StoreView(notices=(), store_bytes=None, written_bytes_today=None)


def make() -> tuple[Evidence, Judge, FakeOutside]:
    judge = Judge(
        start_ms=0,
        link_rule=OutageRule(),
        quality_rule=QualityRule(maximum_loss=None, maximum_rtt_us=None),
        timeout_ms=2_000,
        dns_gap_ms=10_000,
        services={},
    )
    outside = FakeOutside()
    evidence = Evidence(judge, outside)
    evidence.expect_resolvers(frozenset({"r"}))
    return evidence, judge, outside


def round_at(at_ms: int, *, answered: bool, reason: str = "timeout") -> Round:
    probes = tuple(
        RoundProbe(
            target_id=f"net{index}",
            role=Role.INTERNET,
            sent_ms=at_ms + index,
            rtt_us=20_000 if answered else None,
            reason=None if answered else reason,
        )
        for index in range(3)
    )
    return Round(number=at_ms, burst=True, probes=probes, settled_ms=at_ms + 2_000)


def verdict(judge: Judge, at_ms: int) -> tuple[Verdict, Cause | None, str | None]:
    standing = judge.standing(at_ms)
    return standing.verdict, standing.cause, standing.reason


def suspect(evidence: Evidence) -> None:
    """Up, then two rounds of silence."""
    for at, answered in ((1_000, True), (2_000, False), (3_000, False)):
        evidence.hear_icmp_round(round_at(at, answered=answered))


def test_silence_and_a_silent_witness_are_an_outage() -> None:
    """The plain case: three rounds and nobody connects."""
    evidence, judge, outside = make()
    suspect(evidence)
    evidence.call_witness(3_500, alarmed=True)
    assert outside.asked == 1
    evidence.hear_witness(WitnessHeard(asked_ms=3_500, carries=False, portal=False))
    evidence.hear_icmp_round(round_at(4_000, answered=False))
    assert verdict(judge, 5_000) == (Verdict.DOWN, Cause.ACCESS, None)


def test_a_connection_after_the_silence_says_nothing_against_pings_before_it() -> None:
    """The line came back between the two: no filter is concluded, and no portal."""
    evidence, judge, _ = make()
    suspect(evidence)
    evidence.hear_witness(WitnessHeard(asked_ms=4_500, carries=True, portal=True))
    evidence.hear_icmp_round(round_at(4_000, answered=False))
    assert not evidence.filtered
    assert not evidence.portal
    evidence.hear_icmp_round(round_at(5_000, answered=True))
    assert verdict(judge, 6_000) == (Verdict.UP, None, None)


def test_silence_after_a_connection_is_a_filter_and_tcp_speaks_then() -> None:
    """Up by TCP, down by TCP, and back to pings as soon as one is answered."""
    evidence, judge, _ = make()
    suspect(evidence)
    evidence.hear_witness(WitnessHeard(asked_ms=3_500, carries=True, portal=False))
    evidence.hear_icmp_round(round_at(4_000, answered=False))
    assert evidence.filtered
    evidence.hear_tcp_round(round_at(4_200, answered=True))
    assert verdict(judge, 5_000) == (Verdict.UP, None, None)
    for at in (9_000, 10_000, 11_000):
        evidence.hear_icmp_round(round_at(at - 500, answered=False))
        evidence.hear_tcp_round(round_at(at, answered=False))
    assert verdict(judge, 12_000)[0] is Verdict.DOWN
    evidence.hear_icmp_round(round_at(13_000, answered=True))
    assert not evidence.filtered


def test_a_portal_that_answers_for_everyone_makes_the_time_unknown() -> None:
    """Not the operator's fault, and seen again when pings are answered."""
    evidence, judge, _ = make()
    suspect(evidence)
    evidence.hear_witness(WitnessHeard(asked_ms=3_500, carries=True, portal=True))
    evidence.hear_icmp_round(round_at(4_000, answered=False))
    assert verdict(judge, 5_000) == (Verdict.UNKNOWN, Cause.LOCAL, "captive_portal")
    evidence.hear_icmp_round(round_at(20_000, answered=True))
    assert not evidence.portal
    assert verdict(judge, 21_000)[0] is Verdict.UP


def test_pings_that_never_left_are_our_own_fault() -> None:
    """No route in this machine's table is unknown, never down."""
    evidence, judge, _ = make()
    evidence.hear_icmp_round(round_at(1_000, answered=True))
    for at in (2_000, 3_000, 4_000, 5_000):
        evidence.hear_icmp_round(round_at(at, answered=False, reason="no_route"))
    assert verdict(judge, 6_000) == (Verdict.UNKNOWN, Cause.LOCAL, "no_route")


def test_a_cable_out_is_unknown_and_an_answer_refutes_the_kernel() -> None:
    """What the tables say is believed until a probe sent since then is answered."""
    evidence, judge, outside = make()
    evidence.hear_icmp_round(round_at(1_000, answered=True))
    outside.facts = UNPLUGGED
    evidence.check_facts(2_000)
    assert verdict(judge, 2_500) == (Verdict.UNKNOWN, Cause.LOCAL, "carrier")
    evidence.hear_icmp_round(round_at(3_000, answered=True))
    evidence.check_facts(4_000)
    assert verdict(judge, 4_500)[0] is Verdict.UP
    outside.facts = WELL
    assert evidence.check_facts(5_000)


def test_an_older_question_that_times_out_is_no_news() -> None:
    """Silence is known later than an answer; it must not undo it."""
    evidence, judge, _ = make()
    evidence.hear_icmp_round(round_at(500, answered=True))

    def resolver(sent_ms: int, *, answered: bool) -> None:
        probe = RoundProbe(
            target_id="r",
            role=Role.RESOLVER,
            sent_ms=sent_ms,
            rtt_us=1_000 if answered else None,
        )
        evidence.hear_resolver(probe, settled_ms=sent_ms)

    resolver(1_000, answered=True)
    for at in (2_000, 3_000, 4_000, 5_000):
        resolver(at, answered=False)
    resolver(7_000, answered=True)
    resolver(6_000, answered=False)
    resolver(8_000, answered=True)
    standing = judge.standing_of("dns")
    assert standing is not None
    assert (standing.verdict, standing.since_ms) == (Verdict.UP, 7_000)
