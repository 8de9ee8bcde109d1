"""The outage rule against truth: whatever the line does, the verdict is dated to its evidence."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.linkstate import (
    TRANSITIONS,
    Event,
    Line,
    OutageRule,
    Phase,
    begin,
    go_blind,
    hear_round,
    hear_witness,
    lose_sight,
    regain_sight,
)
from netwatch.records import Cause, Round, RoundProbe, Verdict
from tests.core.simulated_line import TARGETS, Cut, simulate

RULE = OutageRule()
STEP_MS = 834  # six internet targets over 5 s
RTT_MS = 20


def round_at(at_ms: int, *answered: str) -> Round:
    """A burst round at ``at_ms`` in which those named answered."""
    probes = tuple(
        RoundProbe(
            target_id=target.id,
            role=target.role,
            sent_ms=at_ms + index,
            rtt_us=20_000 if target.id in answered else None,
        )
        for index, target in enumerate((*TARGETS[2:5], *TARGETS[:2], *TARGETS[5:]))
    )
    return Round(number=0, burst=True, probes=probes, settled_ms=at_ms + 2_000)


def play(line: Line, rounds: list[Round]) -> tuple[Line, list]:
    changes = []
    for round_ in rounds:
        line, more = hear_round(line, round_, RULE)
        changes += more
    return line, changes


def test_every_transition_of_the_table_begins_and_ends_in_a_phase() -> None:
    """Blindness is reached from everywhere, and down only from suspicion or a relapse."""
    assert {phase for phase, event in TRANSITIONS if event is Event.BLIND} == set(Phase)
    assert {source for (source, _), goal in TRANSITIONS.items() if goal is Phase.DOWN} == {
        Phase.SUSPECT,
        Phase.RECOVERING,
    }


def test_two_missed_rounds_are_no_outage_and_three_without_a_witness_neither() -> None:
    """Down needs its three rounds and the word of the second witness."""
    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5", "box")])
    line, changes = play(line, [round_at(2_000), round_at(3_000)])
    assert changes == []
    line, _ = hear_witness(line, 2_500, RULE)
    assert line.phase is Phase.SUSPECT
    line, changes = play(line, [round_at(4_000)])
    assert [(change.verdict, change.at_ms) for change in changes] == [(Verdict.DOWN, 2_000)]

    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5")])
    line, changes = play(line, [round_at(at) for at in range(2_000, 30_000, 1_000)])
    assert changes == []
    assert line.wants_witness


def test_a_witness_asked_before_the_first_missed_probe_is_not_heeded() -> None:
    """An attempt that failed before the outage began says nothing about it."""
    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5"), round_at(2_000), round_at(3_000)])
    line, _ = hear_witness(line, 1_500, RULE)
    line, changes = play(line, [round_at(4_000)])
    assert changes == []
    assert line.wants_witness


def test_a_refused_event_leaves_the_state_as_it_was() -> None:
    """Regaining a sight that was not lost, or a witness nobody asked for, changes nothing."""
    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5")])
    assert regain_sight(line, 2_000) == (line, ())
    assert hear_witness(line, 2_000, RULE) == (line, ())


def test_the_fault_moves_only_after_three_rounds_that_say_so() -> None:
    """A box that comes back before the access line does makes the cause move, dated back."""
    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5", "box", "hop")])
    line, _ = play(line, [round_at(2_000), round_at(3_000), round_at(4_000)])
    line, changes = hear_witness(line, 2_500, RULE)
    assert changes[0].cause is Cause.GATEWAY
    line, changes = play(line, [round_at(5_000, "box"), round_at(6_000), round_at(7_000, "box")])
    assert changes == []
    line, changes = play(line, [round_at(8_000, "box"), round_at(9_000, "box")])
    assert [(change.cause, change.at_ms) for change in changes] == [(Cause.ACCESS, 7_000)]


def test_a_gateway_that_never_answers_proves_nothing_by_its_silence() -> None:
    """Boxes that drop pings are not blamed."""
    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5")])
    line, _ = play(line, [round_at(2_000), round_at(3_000), round_at(4_000)])
    _, changes = hear_witness(line, 2_500, RULE)
    assert changes[0].cause is Cause.ACCESS


def test_what_was_suspected_when_the_cable_came_out_is_unknown() -> None:
    """A failure of ours is never the operator's, from its first missed probe on."""
    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5"), round_at(2_000), round_at(3_000)])
    line, changes = go_blind(line, 3_400, cause=Cause.LOCAL, reason="carrier")
    assert (changes[0].at_ms, changes[0].verdict) == (2_000, Verdict.UNKNOWN)
    line, changes = play(line, [round_at(at) for at in (4_000, 5_000, 6_000, 7_000)])
    assert changes == []
    line, _ = regain_sight(line, 8_000)
    _, changes = play(line, [round_at(8_500, "net3")])
    assert (changes[0].verdict, changes[0].at_ms) == (Verdict.UP, 8_503 + 2)


def test_a_pause_in_our_own_watching_is_unknown() -> None:
    """An agent that was stopped for a minute does not claim that minute."""
    line, _ = begin(0)
    line, _ = play(line, [round_at(1_000, "net5")])
    _, changes = play(line, [round_at(61_000, "net0")])
    assert [(change.verdict, change.cause, change.at_ms) for change in changes] == [
        (Verdict.UNKNOWN, Cause.AGENT, 1_007),
        (Verdict.UP, None, 61_000),
    ]


@settings(max_examples=60, deadline=None)
@given(
    start_ms=st.integers(30_000, 60_000),
    length_ms=st.integers(3_000, 40_000),
    where=st.sampled_from(["gateway", "access", "upstream"]),
    seed=st.integers(0, 1_000),
)
def test_a_cut_of_three_seconds_or_more_is_found_within_one_second(
    start_ms: int, length_ms: int, where: str, seed: int
) -> None:
    """One down span, its cause right, both its ends within a second of the truth."""
    cut = Cut(start_ms=start_ms, end_ms=start_ms + length_ms, where=where)
    spans, _ = simulate([cut], end_ms=cut.end_ms + 20_000, seed=seed)
    down = [span for span in spans if span.verdict is Verdict.DOWN]
    assert [span.cause for span in down] == [Cause(where)]
    assert 0 <= down[0].start_ms - cut.start_ms <= 1_000
    assert 0 <= down[0].end_ms - cut.end_ms <= 1_000


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), loss=st.sampled_from([0.01, 0.05, 0.1]))
def test_random_loss_is_never_an_outage(seed: int, loss: float) -> None:
    """Half an hour at up to 10 % loss: up throughout."""
    spans, sent = simulate([], end_ms=1_800_000, seed=seed, loss=loss)
    assert {span.verdict for span in spans[1:]} == {Verdict.UP}
    assert sent < 2 * 8 * 360  # the alarms cost less than as much again


def test_a_dead_host_is_no_outage_and_costs_no_bursts() -> None:
    """One internet host dead for ten minutes: up, and hardly a probe more."""
    spans, sent = simulate([], end_ms=600_000, dead=["net2"])
    assert {span.verdict for span in spans[1:]} == {Verdict.UP}
    _, healthy = simulate([], end_ms=600_000)
    assert sent <= healthy * 1.02


def test_a_filter_that_drops_pings_is_never_an_outage() -> None:
    """Where the second witness gets through, nothing is said against the line."""
    spans, _ = simulate([], end_ms=120_000, icmp_dropped=True)
    assert all(span.verdict is not Verdict.DOWN for span in spans)


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(
        st.tuples(
            st.integers(0, 200_000),
            st.integers(100, 30_000),
            st.sampled_from(["gateway", "access", "upstream", "local"]),
        ),
        max_size=6,
    ),
    frozen=st.lists(st.tuples(st.integers(0, 200_000), st.integers(100, 40_000)), max_size=2),
    loss=st.sampled_from([0.0, 0.05, 0.4]),
    seed=st.integers(0, 100),
)
def test_whatever_happens_spans_adjoin_and_settled_time_is_never_rewritten(
    data: list[tuple[int, int, str]], frozen: list[tuple[int, int]], loss: float, seed: int
) -> None:
    """No hole, no overlap, no change before what was settled, nothing down that is not cut."""
    cuts = [Cut(start_ms=at, end_ms=at + length, where=where) for at, length, where in data]
    settled = 0

    def never_back(line: Line) -> None:
        nonlocal settled
        assert line.settled_ms >= settled
        settled = line.settled_ms

    spans, _ = simulate(
        cuts,
        end_ms=240_000,
        seed=seed,
        loss=loss,
        frozen=[(at, at + length) for at, length in frozen],
        check=never_back,
    )
    for earlier, later in itertools.pairwise(spans):
        assert earlier.end_ms == later.start_ms
    if loss < 0.1:
        for span in spans:
            if span.verdict is Verdict.DOWN:
                assert any(
                    cut.start_ms <= span.end_ms and span.start_ms <= cut.end_ms + 2_000
                    for cut in cuts
                )


def test_losing_sight_while_blind_changes_nothing() -> None:
    """Blindness already covers the gap."""
    line, _ = begin(0)
    line, _ = go_blind(line, 100, cause=Cause.LOCAL, reason="carrier")
    assert lose_sight(line, 500, until_ms=900, reason="stalled") == (line, ())
