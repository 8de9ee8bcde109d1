"""Budget, validity, grades and loaded time: what holds for all figures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netwatch.bandwidth.base import REASONS
from netwatch.core.bufferbloat import GRADES, grade_delay
from netwatch.core.data_budget import allow_test, reserve_bytes
from netwatch.core.judge import Judge
from netwatch.core.linkstate import OutageRule
from netwatch.core.loaded_time import LoadedTime
from netwatch.core.quality import QualityRule
from netwatch.core.test_validity import (
    OWN_REASONS,
    Circumstances,
    explain_failure,
    is_port_limit,
    judge_direction,
)
from netwatch.records import Cause, Role, Round, RoundProbe, Verdict

BYTES = st.integers(0, 10**12)


@given(limit=BYTES, tests=st.lists(st.tuples(BYTES, BYTES), max_size=20))
def test_a_month_of_tests_never_exceeds_its_budget(
    limit: int, tests: list[tuple[int, int]]
) -> None:
    """Whatever each test expects and wants to move, the sum stays within the limit."""
    used = 0
    for expected, wanted in tests:
        allowance = allow_test(limit_bytes=limit, used_bytes=used, expected_bytes=expected)
        if allowance.test_bytes is None:
            continue
        given_bytes = reserve_bytes(
            allowance.test_bytes,
            port_speed_mbit=100,
            expected_bytes=expected,
            duration_ms=24_000,
        )
        used += min(wanted, given_bytes)
    assert used <= limit


@given(limit=BYTES, used=BYTES, expected=BYTES, speed=st.none() | st.integers(1, 100_000))
def test_a_test_is_given_no_more_than_is_left(
    limit: int, used: int, expected: int, speed: int | None
) -> None:
    allowance = allow_test(limit_bytes=limit, used_bytes=used, expected_bytes=expected)
    if allowance.test_bytes is None:
        assert allowance.left_bytes < max(1_000_000, expected)
    else:
        most = reserve_bytes(
            allowance.test_bytes, port_speed_mbit=speed, expected_bytes=expected, duration_ms=24_000
        )
        assert 0 <= most <= allowance.left_bytes


def test_every_reason_of_an_engine_has_its_word_and_only_a_servers_blames_one() -> None:
    """A failing of ours is never the server's, and no direction without a rate counts."""
    words = {reason: explain_failure(reason) for reason in REASONS}
    assert {reason for reason, word in words.items() if word == "test_failed"} == OWN_REASONS
    assert [reason for reason, word in words.items() if word == "data_budget"] == ["budget"]
    assert set(REASONS) >= OWN_REASONS


def test_what_bends_a_figure_is_named_in_the_order_of_weight() -> None:
    """No time, another line, other traffic, our own processor, our own port."""
    around = {
        "clock_synchronised": False,
        "right_circuit": False,
        "busy": True,
        "pressure_permille": 990,
        "port_speed_mbit": 100,
    }
    said = []
    for name, mended in (
        ("clock_synchronised", True),
        ("right_circuit", True),
        ("busy", False),
        ("pressure_permille", 100),
        ("port_speed_mbit", 1_000),
    ):
        said.append(
            judge_direction(
                bytes_per_second=11_700_000,
                reason=None,
                guaranteed=62_500_000,
                around=Circumstances(**around),
            )
        )
        around[name] = mended
    assert said == [
        "clock_unsynced", "wrong_circuit", "busy_link", "device_limited", "device_limited",
    ]  # fmt: skip
    assert (
        judge_direction(
            bytes_per_second=11_700_000,
            reason=None,
            guaranteed=62_500_000,
            around=Circumstances(**around),
        )
        is None
    )


def test_a_port_limits_what_comes_near_it_and_no_less() -> None:
    """A slow line behind a fast port is the line's; a port of 100 Mbit/s that is reached is not."""
    assert not is_port_limit(2_500_000, 100, 62_500_000)
    assert is_port_limit(11_700_000, 100, 6_250_000)  # though the guarantee is lower
    assert is_port_limit(115_000_000, 1_000, 125_000_000)  # it cannot carry the guarantee
    assert not is_port_limit(115_000_000, 1_000, 112_500_000)


@given(st.integers(0, 2_000_000))
def test_more_delay_never_has_a_better_grade(added_us: int) -> None:
    letters = [letter for letter, _ in GRADES]
    assert letters.index(str(grade_delay(added_us))) <= letters.index(
        str(grade_delay(added_us + 1_000))
    )


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(1, 60_000)), max_size=12))
def test_loaded_time_is_what_was_between_begin_and_end(parts: list[tuple[int, int]]) -> None:
    """Against a plain list of stretches, at every edge."""
    loaded, stretches, at_ms = LoadedTime(), [], 0
    for pause, length in parts:
        at_ms += pause + 1
        loaded.begin(at_ms)
        loaded.begin(at_ms + length // 2)  # while one goes on: nothing new
        loaded.end(at_ms + length)
        stretches.append((at_ms, at_ms + length))
        at_ms += length
    for start_ms, end_ms in stretches:
        for instant in (start_ms - 1, start_ms, end_ms - 1, end_ms):
            assert loaded.covers(instant) == any(a <= instant < b for a, b in stretches)


def _hear(judge: Judge, minute: int, rtt_us: int) -> None:
    """A minute of rounds every five seconds with that round trip."""
    for step in range(12):
        sent_ms = minute * 60_000 + step * 5_000
        probes = tuple(
            RoundProbe(target_id=name, role=Role.INTERNET, sent_ms=sent_ms, rtt_us=rtt_us)
            for name in "abc"
        )
        judge.hear_round(
            Round(number=step, burst=False, probes=probes, settled_ms=sent_ms + rtt_us // 1000)
        )
        judge.let_pass(sent_ms + 4_900)


def _make_judge() -> Judge:
    return Judge(
        start_ms=0,
        link_rule=OutageRule(),
        quality_rule=QualityRule(maximum_loss=None, maximum_rtt_us=40_000),
        timeout_ms=2_000,
        dns_gap_ms=None,
        services={},
    )


def test_latency_under_our_own_load_degrades_nothing() -> None:
    """Ten minutes over the threshold are degraded; the same ten under a test of ours are not."""
    blamed, spared = _make_judge(), _make_judge()
    for judge in (blamed, spared):
        for minute in range(2):
            _hear(judge, minute, 20_000)
    spared.hear_load(2 * 60_000, loaded=True)
    for judge in (blamed, spared):
        for minute in range(2, 12):
            _hear(judge, minute, 90_000)
    now_ms = 12 * 60_000
    assert blamed.standing(now_ms).cause is Cause.LATENCY
    assert spared.standing(now_ms).verdict is Verdict.UP


def _miss(judge: Judge, *sent_ms: int) -> None:
    """A round at each instant that nobody answers."""
    for at_ms in sent_ms:
        probes = tuple(
            RoundProbe(
                target_id=name, role=Role.INTERNET, sent_ms=at_ms, rtt_us=None, reason="timeout"
            )
            for name in "abc"
        )
        judge.hear_round(Round(number=at_ms, burst=True, probes=probes, settled_ms=at_ms + 900))


def _test_in_silence() -> Judge:
    """A judge whose line was up for a minute, and silent while a test loaded it for 20 s."""
    judge = _make_judge()
    _hear(judge, 0, 20_000)
    judge.hear_load(60_000, loaded=True)
    _miss(judge, *range(60_500, 80_000, 1_000))
    judge.hear_witness(65_000)  # connections wait in the same queue
    assert judge.standing(80_000).verdict is Verdict.UP
    judge.hear_load(80_000, loaded=False)
    return judge


def test_a_queue_that_we_filled_ourselves_is_no_outage() -> None:
    """Pings and connections that wait in it for longer than their timeout: our own doing."""
    judge = _test_in_silence()
    _hear(judge, 2, 20_000)
    assert judge.standing(3 * 60_000).verdict is Verdict.UP
    assert not any(
        span.verdict is Verdict.DOWN for spans in judge.recent_spans().values() for span in spans
    )


def test_a_line_that_dies_under_our_own_load_is_down_from_its_first_missed_probe() -> None:
    """Told once it is silent without load too, by the ordinary rounds and witness, dated back."""
    judge = _test_in_silence()
    _miss(judge, 80_500, 81_500)
    judge.hear_witness(81_000)
    assert judge.standing(82_000).verdict is Verdict.UP
    _miss(judge, 82_500)
    standing = judge.standing(83_000)
    assert (standing.verdict, standing.since_ms) == (Verdict.DOWN, 60_500)


def test_an_outage_that_was_there_before_a_test_goes_on_under_it() -> None:
    """What is confirmed is not doubted because a person tests meanwhile."""
    judge = _make_judge()
    _hear(judge, 0, 20_000)
    _miss(judge, 60_500, 61_500, 62_500)
    judge.hear_witness(61_000)
    judge.hear_load(63_000, loaded=True)
    _miss(judge, *range(63_500, 70_000, 1_000))
    standing = judge.standing(70_000)
    assert (standing.verdict, standing.since_ms) == (Verdict.DOWN, 60_500)
