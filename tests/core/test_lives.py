"""The lives of the agent on one line of time, against a reference that looks at every millisecond."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.clockline import STEP_MS, Tie, find_offset, split_at_steps
from netwatch.core.ledger import build_ledger, sum_spans
from netwatch.core.lives import (
    cut_life,
    explain_silence,
    find_piece,
    find_taken,
    leave_taken,
)
from netwatch.records import Cause, Run, Span, Verdict

LOW, HIGH = -4_000, 9_000


class Life(NamedTuple):
    """One run as it was recorded: monotonic, with the ties of its clock."""

    run: Run
    ties: list[Tie]
    spans: list[Span]


def build_run(number: int, boot: str, start_ms: int, end_ms: int, *, clean: bool = False) -> Run:
    return Run(
        id=number,
        boot_id=boot,
        version="1",
        started_ms=None,
        ended_ms=None,
        clean=clean,
        started_mono_ms=start_ms,
        ended_mono_ms=end_ms,
    )


def build_life(
    number: int, boot: str, start_ms: int, end_ms: int, *ties: Tie, clean: bool = False
) -> Life:
    watched = Span(verdict=Verdict.UP, cause=None, start_ms=start_ms, end_ms=end_ms)
    run = build_run(number, boot, start_ms, end_ms, clean=clean)
    return Life(run, list(ties), [watched])


@st.composite
def histories(draw: st.DrawFn) -> list[Life]:
    """Boots with runs; clocks that are wrong, put forward, put back, or never told."""
    lives: list[Life] = []
    number = 0
    for boot in range(draw(st.integers(1, 4))):
        told = draw(st.booleans()) or draw(st.booleans())
        offset_ms = draw(st.integers(-2_000, 6_000))
        mono_ms = draw(st.integers(0, 50))
        for _ in range(draw(st.integers(1, 3))):
            number += 1
            mono_ms += draw(st.integers(0, 400))
            start_ms, mono_ms = mono_ms, mono_ms + draw(st.integers(1, 700))
            ties = []
            if told:
                if draw(st.integers(0, 3)) == 0:
                    offset_ms += draw(st.integers(STEP_MS, 2_000)) * draw(st.sampled_from([1, -1]))
                ties.append((start_ms, offset_ms))
                for at_ms in sorted(draw(st.sets(st.integers(start_ms + 1, mono_ms), max_size=2))):
                    offset_ms += draw(st.integers(STEP_MS, 2_000)) * draw(st.sampled_from([1, -1]))
                    ties.append((at_ms, offset_ms))
            cut_ms = draw(st.integers(start_ms, mono_ms))
            spans = [
                Span(verdict=Verdict.UP, cause=None, start_ms=start_ms, end_ms=cut_ms),
                Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=cut_ms, end_ms=mono_ms),
            ]
            run = build_run(number, f"boot-{boot}", start_ms, mono_ms, clean=draw(st.booleans()))
            lives.append(Life(run, ties, [span for span in spans if span.duration_ms]))
    return lives


def build_books(lives: Sequence[Life]) -> tuple[list[Span], list[Run]]:
    """What the store gives of them: dated spans in the order of recording, and the pieces."""
    pieces = [piece for life in lives for piece in cut_life(life.run, life.ties)]
    taken = find_taken(pieces)
    spans: list[Span] = []
    for life in lives:
        for span in life.spans:
            offset_ms = find_offset(span.start_ms, life.ties)
            if offset_ms is None:
                continue
            for mono_ms, _, part_ms, until_ms in split_at_steps(
                span.start_ms, span.end_ms, span.start_ms + offset_ms, life.ties
            ):
                piece = find_piece(life.run.id, mono_ms, pieces)
                spans += [
                    Span(verdict=span.verdict, cause=span.cause, start_ms=start, end_ms=end)
                    for start, end in leave_taken(part_ms, until_ms, taken.get(piece))
                ]
    return spans, pieces


def read_reference(lives: Sequence[Life]) -> dict[int, Verdict]:
    """Every millisecond by itself: whose it is, and what was seen then."""
    groups: list[list[tuple[int, Verdict]]] = []
    last: tuple[str, int] | None = None
    for life in lives:
        for span in life.spans if life.ties else []:
            for mono_ms in range(span.start_ms, span.end_ms):
                offset_ms = max(tie for tie in life.ties if tie[0] <= mono_ms)[1]
                if last != (life.run.boot_id, offset_ms):
                    groups.append([])
                last = (life.run.boot_id, offset_ms)
                groups[-1].append((mono_ms + offset_ms, span.verdict))
    seen: dict[int, Verdict] = {}
    claimed: set[int] = set()
    for group in groups:
        seen |= {at_ms: verdict for at_ms, verdict in group if at_ms not in claimed}
        claimed.update(range(group[0][0], group[-1][0] + 1))
    return seen


@settings(max_examples=300, deadline=None)
@given(histories())
def test_each_millisecond_is_his_who_told_it_first(lives: list[Life]) -> None:
    """Whatever boots, steps and pauses: the ledger is the reference, and adds up."""
    spans, pieces = build_books(lives)
    ledger = build_ledger({"link": spans}, pieces, LOW, HIGH)
    assert ledger[0].start_ms == LOW
    assert ledger[-1].end_ms == HIGH
    assert all(one.end_ms == two.start_ms for one, two in itertools.pairwise(ledger))
    assert all(span.duration_ms > 0 for span in ledger)
    expected = read_reference(lives)
    for span in ledger:
        for at_ms in range(span.start_ms, span.end_ms):
            assert span.verdict is expected.get(at_ms, Verdict.UNKNOWN)


@settings(max_examples=200, deadline=None)
@given(histories(), st.lists(st.integers(LOW, HIGH), min_size=1, max_size=4))
def test_the_pieces_of_a_time_say_what_the_whole_says(lives: list[Life], cuts: list[int]) -> None:
    """Causes and reasons too: nothing depends on where a question begins or ends."""
    spans, pieces = build_books(lives)
    whole = sum_spans(build_ledger({"link": spans}, pieces, LOW, HIGH))
    bounds = [LOW, *sorted(cuts), HIGH]
    parts = [
        span
        for start_ms, end_ms in itertools.pairwise(bounds)
        if end_ms > start_ms
        for span in build_ledger({"link": spans}, pieces, start_ms, end_ms)
    ]
    assert sum_spans(parts) == whole


@settings(max_examples=200, deadline=None)
@given(histories())
def test_two_boots_never_interleave(lives: list[Life]) -> None:
    """Between two runs of one boot, its clock steady, no other boot is heard."""
    whose = {
        (part.start_ms, part.end_ms): life.run.boot_id
        for life in lives
        for part in build_books_of(life, lives)
    }
    for one, two in itertools.pairwise(life for life in lives if life.ties):
        offset_ms = two.ties[0][1]
        before_ms = find_offset(one.run.ended_mono_ms - 1, one.ties)
        if one.run.boot_id != two.run.boot_id or before_ms != offset_ms:
            continue
        pause = one.run.ended_mono_ms + offset_ms, two.run.started_mono_ms + offset_ms
        first_of_boot = min(life.run.id for life in lives if life.run.boot_id == one.run.boot_id)
        for (start_ms, end_ms), boot_id in whose.items():
            if start_ms < pause[1] and end_ms > pause[0] and boot_id != one.run.boot_id:
                earlier = [life for life in lives if life.run.id < first_of_boot]
                assert boot_id in {life.run.boot_id for life in earlier}


def build_books_of(life: Life, lives: Sequence[Life]) -> list[Span]:
    """The spans of one life, as they stand beside all the others."""
    others = [each if each is life else Life(each.run, each.ties, []) for each in lives]
    return build_books(others)[0]


def read(lives: Sequence[Life], start_ms: int, end_ms: int) -> list[tuple[str, str | None, int]]:
    spans, pieces = build_books(lives)
    return [
        (span.cause.value if span.cause else span.verdict.value, span.reason, span.duration_ms)
        for span in build_ledger({"link": spans}, pieces, start_ms, end_ms)
    ]


def test_a_boot_that_never_learned_the_time_is_unknown_by_the_clock_as_long_as_it_ran() -> None:
    """Power cut, 300 ms of a boot without a clock, another boot: 300 ms at the end of the hole."""
    lives = [
        build_life(1, "a", 0, 1_000, (0, 0)),
        build_life(2, "b", 20, 320),
        build_life(3, "c", 10, 500, (10, 2_000)),
    ]
    assert read(lives, 0, 2_510) == [
        ("up", None, 1_000),
        ("agent", "power_loss", 710),
        ("clock", "unsynchronised", 300),
        ("up", None, 490),
        ("agent", "silent", 10),
    ]


def test_a_hole_is_never_longer_by_what_ran_in_it() -> None:
    """Where the clocks say less time than was watched, the whole hole is the clock's."""
    lives = [
        build_life(1, "a", 0, 1_000, (0, 0)),
        build_life(2, "b", 0, 900),
        build_life(3, "c", 0, 500, (0, 1_400)),
    ]
    assert read(lives, 0, 1_500) == [
        ("up", None, 1_000),
        ("clock", "unsynchronised", 400),
        ("up", None, 100),
    ]


def test_while_no_later_life_knows_the_time_all_since_is_the_clocks() -> None:
    """A device that has not learned the time yet does not say that it was off."""
    lives = [build_life(1, "a", 0, 1_000, (0, 0)), build_life(2, "b", 0, 50)]
    assert read(lives, 900, 2_000) == [("up", None, 100), ("clock", "unsynchronised", 1_000)]
    assert read([build_life(1, "a", 0, 50)], 0, 10) == [("clock", "unsynchronised", 10)]


def test_before_the_first_life_with_a_place_what_ran_is_the_clocks() -> None:
    """A new device that was cut off before it learned the time, and is on again."""
    lives = [build_life(1, "a", 0, 40), build_life(2, "b", 0, 100, (0, 500))]
    assert read(lives, 400, 600) == [
        ("agent", "absent", 60),
        ("clock", "unsynchronised", 40),
        ("up", None, 100),
    ]


def test_a_clock_put_forward_leaves_a_hole_of_the_clocks() -> None:
    """What it leaped over was nobody's: unknown, never up, and no failing of the agent."""
    lives = [build_life(1, "a", 0, 1_000, (0, 0), (400, 3_000))]
    assert read(lives, 0, 4_000) == [
        ("up", None, 400),
        ("clock", "stepped", 3_000),
        ("up", None, 600),
    ]


def test_a_clock_put_back_counts_an_hour_once() -> None:
    """What is lived twice is told by who lived it first, and what follows goes on from there."""
    lives = [build_life(1, "a", 0, 2_000, (0, 0), (1_000, -600))]
    assert read(lives, 0, 1_400) == [("up", None, 1_400)]


def test_a_boot_that_a_clock_dated_back_before_the_last_one_loses_what_that_told() -> None:
    """And does not fill its pauses: the agent was off then, whatever a wrong clock says."""
    lives = [
        build_life(1, "a", 0, 400, (0, 0), clean=True),
        build_life(2, "a", 600, 1_000, (600, 0)),
        build_life(3, "b", 0, 800, (0, 300)),
    ]
    assert read(lives, 0, 1_100) == [
        ("up", None, 400),
        ("agent", "stopped", 200),
        ("up", None, 500),
    ]


@pytest.mark.parametrize(
    ("boot", "clean", "reason"),
    [("a", True, "stopped"), ("a", False, "crashed"), ("b", False, "power_loss")],
)
def test_the_reason_between_two_lives_is_how_the_first_ended(
    boot: str, clean: bool, reason: str
) -> None:
    """As it was before there were clocks in it."""
    lives = [
        build_life(1, "a", 0, 100, (0, 0), clean=clean),
        build_life(2, boot, 150, 200, (150, 0)),
    ]
    assert read(lives, 0, 200)[1] == ("agent", reason, 50)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_there_is_a_reason_for_all_time_and_one_only(lives: list[Life]) -> None:
    """Silences follow one another from the beginning to the end of time."""
    silences = explain_silence(build_books(lives)[1])
    assert all(one.end_ms == two.start_ms for one, two in itertools.pairwise(silences))
    assert silences[0].start_ms < LOW
    assert silences[-1].end_ms > HIGH
