"""Degraded: whole windows in a row, seen from end to end."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.quality import Quality, QualityRule
from netwatch.records import Cause, Role, RoundProbe, Span

RULE = QualityRule(maximum_loss=Fraction(1, 100), maximum_rtt_us=40_000, window_ms=100)
GOOD = [20_000] * 12
LOSSY = [20_000] * 10 + [None, None]
SLOW = [60_000] * 12


def probes(rtts: list[int | None], target: str = "a") -> list[RoundProbe]:
    return [
        RoundProbe(target_id=target, role=Role.INTERNET, sent_ms=index, rtt_us=rtt)
        for index, rtt in enumerate(rtts)
    ]


def play(windows: list[list[int | None] | None]) -> list[Span]:
    """None stands for a window in which the line was not up throughout."""
    quality = Quality(RULE, 0)
    spans: dict[int, Span] = {}
    for window in windows:
        for span in quality.judge(probes(window or []), up_throughout=window is not None):
            spans[span.start_ms] = span
    return list(spans.values())


def test_four_windows_are_nothing_and_five_are_degraded_from_the_first() -> None:
    """The fifth dates it back."""
    assert play([GOOD, *[LOSSY] * 4, GOOD]) == []
    spans = play([GOOD, *[LOSSY] * 5, GOOD])
    assert [(span.cause, span.start_ms, span.end_ms) for span in spans] == [(Cause.LOSS, 100, 600)]


def test_one_good_or_unseen_window_ends_the_run() -> None:
    """What is said against an operator is said of windows in a row that were seen."""
    assert play([*[LOSSY] * 4, GOOD, *[LOSSY] * 4]) == []
    assert play([*[LOSSY] * 4, None, *[LOSSY] * 4]) == []


def test_a_change_of_cause_within_a_run_makes_a_new_span() -> None:
    """Loss and then latency: two spans that adjoin."""
    spans = play([*[LOSSY] * 5, *[SLOW] * 2])
    assert [(span.cause, span.start_ms, span.end_ms) for span in spans] == [
        (Cause.LOSS, 0, 500),
        (Cause.LATENCY, 500, 700),
    ]


def test_a_dead_host_says_nothing_about_the_line() -> None:
    """A target without any answer is left out of the loss."""
    quality = Quality(RULE, 0)
    window = [*probes(GOOD), *probes([None] * 12, "dead")]
    for _ in range(6):
        assert quality.judge(window, up_throughout=True) == []


@given(st.lists(st.sampled_from(["good", "lossy", "slow", "unseen"]), max_size=40))
def test_degraded_time_is_the_runs_of_five_and_nothing_else(kinds: list[str]) -> None:
    """Against a reference that looks for maximal runs by itself."""
    windows = {"good": GOOD, "lossy": LOSSY, "slow": SLOW, "unseen": None}
    degraded = {
        at // 100
        for span in play([windows[kind] for kind in kinds])
        for at in range(span.start_ms, span.end_ms, 100)
    }
    expected: set[int] = set()
    run: list[int] = []
    for index, kind in enumerate([*kinds, "good"]):
        if kind in ("lossy", "slow"):
            run.append(index)
        else:
            expected |= set(run) if len(run) >= 5 else set()
            run = []
    assert degraded == expected
