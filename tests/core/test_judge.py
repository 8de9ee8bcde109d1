"""The judge: all lines of a site, settled in order and counted once."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.judge import IPV6, LINK, QUALITY, SERVICE, Judge
from netwatch.core.ledger import build_ledger, sum_spans
from netwatch.core.linkstate import OutageRule
from netwatch.core.quality import QualityRule
from netwatch.records import Cause, Role, Round, RoundProbe, Span, Verdict

TARGETS = (
    ("a", Role.INTERNET),
    ("b6", Role.INTERNET),
    ("box", Role.GATEWAY),
    ("hop", Role.FIRST_HOP),
    ("c", Role.INTERNET),
)


def make_judge(*, windows: int = 3, start_ms: int = 0, quality: bool = True) -> Judge:
    return Judge(
        start_ms=start_ms,
        link_rule=OutageRule(),
        quality_rule=QualityRule(
            maximum_loss=Fraction(1, 100) if quality else None,
            maximum_rtt_us=40_000 if quality else None,
            window_ms=10_000,
            after_windows=windows,
        ),
        timeout_ms=2_000,
        dns_gap_ms=10_000,
        services={"portal": 60_000},
        ipv6_targets=frozenset({"b6"}),
    )


def round_at(at_ms: int, answered: set[str], rtt_us: int = 20_000) -> Round:
    return Round(
        number=at_ms,
        burst=False,
        probes=tuple(
            RoundProbe(
                target_id=name,
                role=role,
                sent_ms=at_ms + 10 * index,
                rtt_us=rtt_us if name in answered else None,
            )
            for index, (name, role) in enumerate(TARGETS)
        ),
        settled_ms=at_ms + 2_000,
    )


def resolver_at(at_ms: int, *, answered: bool) -> Round:
    probe = RoundProbe(
        target_id="r", role=Role.RESOLVER, sent_ms=at_ms, rtt_us=1_000 if answered else None
    )
    return Round(number=0, burst=False, probes=(probe,), settled_ms=at_ms)


ALL = {name for name, _ in TARGETS}


class Books:
    """What a store would hold: the newest word on each span, by layer."""

    def __init__(self) -> None:
        self.layers: dict[str, dict[int, Span]] = {}

    def enter(self, judge: Judge) -> None:
        for layer, span in judge.take_spans():
            kept = self.layers.setdefault(layer, {})
            for start in [start for start in kept if span.start_ms < start < span.end_ms]:
                del kept[start]
            kept[span.start_ms] = span

    def ledger(self, start_ms: int, end_ms: int) -> list[Span]:
        layers = {name: list(spans.values()) for name, spans in self.layers.items()}
        return build_ledger(layers, [], start_ms, end_ms)


def find_outage_start(judge: Judge, books: Books, now_ms: int) -> int | None:
    """As the whole ledger has it, of which the judge keeps the newest spans alone."""
    standing = judge.standing(now_ms)
    if standing.verdict is not Verdict.DOWN:
        return None
    start_ms = standing.since_ms
    for span in reversed(books.ledger(0, start_ms)):
        if span.verdict is not Verdict.DOWN:
            break
        start_ms = span.start_ms
    return start_ms


def test_an_outage_whose_cause_changes_began_with_its_first_cause() -> None:
    """However long ago that was counted; once the line works there is none."""
    judge = make_judge(quality=False)
    for at in range(0, 400_000, 1_000):
        answering = ALL
        if 60_000 <= at < 300_000:
            answering = {"box", "hop"} if at >= 200_000 else {"box"}
        judge.hear_round(round_at(at, answering))
        judge.hear_witness(at)
        judge.hear_resolvers(resolver_at(at, answered=answering is ALL))
        judge.let_pass(at)
        judge.take_totals()
        if at == 250_000:
            standing = judge.standing(at)
            assert (standing.cause, standing.since_ms) == (Cause.UPSTREAM, 200_000)
        if 70_000 <= at < 300_000:
            assert judge.find_outage_start(at) == 60_000
    assert judge.find_outage_start(400_000) is None


def test_resolvers_that_all_fail_on_a_line_that_is_up_are_down_by_dns() -> None:
    """From the first question that failed; three seconds later it shows."""
    judge = make_judge()
    for at in range(0, 20_000, 1_000):
        judge.hear_round(round_at(at, ALL))
        judge.hear_resolvers(resolver_at(at, answered=at < 10_000))
    standing = judge.standing(20_000)
    assert (standing.verdict, standing.cause, standing.since_ms) == (
        Verdict.DOWN,
        Cause.DNS,
        10_000,
    )


def test_a_failing_of_the_resolvers_is_counted_as_it_is_entered() -> None:
    """Its first three seconds too, though it was no outage yet while they passed."""
    judge, books = make_judge(quality=False), Books()
    counted: dict[tuple[Verdict, Cause | None], int] = {}
    for at in range(0, 60_000, 1_000):
        judge.hear_round(round_at(at, ALL))
        judge.hear_resolvers(resolver_at(at, answered=not 20_000 <= at < 30_000))
        judge.let_pass(at)
        books.enter(judge)
        for key, duration in judge.take_totals()[0].items():
            counted[key] = counted.get(key, 0) + duration
    assert counted[Verdict.DOWN, Cause.DNS] == 10_000
    assert counted == sum_spans(books.ledger(0, sum(counted.values())))


def test_ipv6_and_services_have_timelines_of_their_own_and_leave_the_circuit_alone() -> None:
    """One failing service, and a dead IPv6, are never the circuit's outage."""
    judge = make_judge()
    for at in range(0, 30_000, 1_000):
        judge.hear_round(round_at(at, ALL - ({"b6"} if at >= 10_000 else set())))
        judge.hear_service(
            RoundProbe(
                target_id="portal",
                role=Role.SERVICE,
                sent_ms=at,
                rtt_us=None if at >= 10_000 else 5_000,
                reason="status",
            )
        )
    assert judge.standing(30_000).verdict is Verdict.UP
    ipv6, service = judge.standing_of(IPV6), judge.standing_of(SERVICE + "portal")
    assert ipv6 is not None
    assert service is not None
    assert (ipv6.verdict, ipv6.since_ms) == (Verdict.DOWN, 10_010)
    assert (service.verdict, service.since_ms, service.cause) == (Verdict.DOWN, 10_000, None)


def test_slow_answers_degrade_and_the_totals_say_so_once() -> None:
    """Three windows above the limit: degraded from the first; each second is counted once."""
    judge, books = make_judge(), Books()
    counted: dict[tuple[Verdict, Cause | None], int] = {}
    for at in range(0, 120_000, 1_000):
        slow = 40_000 <= at < 90_000
        judge.hear_round(round_at(at, ALL, 60_000 if slow else 20_000))
        judge.hear_resolvers(resolver_at(at, answered=True))
        judge.let_pass(at + 2_000)
        for key, duration in judge.take_totals()[0].items():
            counted[key] = counted.get(key, 0) + duration
        books.enter(judge)
    spans = books.layers[QUALITY]
    assert [(span.start_ms, span.end_ms) for span in spans.values()] == [(40_000, 90_000)]
    assert counted[Verdict.DEGRADED, Cause.LATENCY] == 50_000
    end_ms = sum(counted.values())
    assert counted == sum_spans(books.ledger(0, end_ms))


@settings(max_examples=300, deadline=None)
@given(
    events=st.lists(
        st.sampled_from(["all", "all", "all", "none", "box", "blind", "sight", "pause", "slow"]),
        max_size=80,
    ),
    names=st.lists(st.booleans(), max_size=80),
    quality=st.booleans(),
)
def test_the_totals_are_the_ledgers_whatever_happens(
    events: list[str], names: list[bool], quality: bool
) -> None:
    """Counted piece by piece or derived at the end: the same, to the millisecond."""
    judge, books = make_judge(windows=1, quality=quality), Books()
    counted: dict[tuple[Verdict, Cause | None], int] = {}
    at = 0
    for index, event in enumerate(events):
        at += 30_000 if event == "pause" else 1_000
        if event == "blind":
            judge.go_blind(at, cause=Cause.LOCAL, reason="carrier")
        elif event == "sight":
            judge.regain_sight(at)
        elif event in ("all", "slow"):
            judge.hear_round(round_at(at, ALL, 90_000 if event == "slow" else 20_000))
        else:
            judge.hear_round(round_at(at, {"box"} if event == "box" else set()))
            judge.hear_witness(at)
        answered = names[index] if index < len(names) else True
        judge.hear_resolvers(resolver_at(at + 1, answered=answered))
        judge.let_pass(at)
        books.enter(judge)
        assert judge.find_outage_start(at) == find_outage_start(judge, books, at)
        for key, duration in judge.take_totals()[0].items():
            counted[key] = counted.get(key, 0) + duration
        assert judge.find_outage_start(at) == find_outage_start(judge, books, at)
    end_ms = sum(counted.values())
    assert end_ms <= at + 2_000
    if LINK in books.layers and end_ms:
        derived = sum_spans(books.ledger(0, end_ms))
        assert {key: duration for key, duration in counted.items() if duration} == derived
