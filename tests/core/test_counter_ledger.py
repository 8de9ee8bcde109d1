"""A ledger made anew from readings of its totals says what the ledger said."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.counter_ledger import Reading, Step, build_steps, date_readings, place_steps
from netwatch.core.ledger import Key, find_incidents, sum_spans
from netwatch.records import CAUSES, Cause, Span, Verdict

UP: Key = (Verdict.UP, None)
ACCESS: Key = (Verdict.DOWN, Cause.ACCESS)
AGENT: Key = (Verdict.UNKNOWN, Cause.AGENT)
KEYS: list[Key] = [(v, c) for v, causes in CAUSES.items() for c in causes or (None,)]
PAST = 7_000_003


def life(*parts: tuple[Key, int]) -> list[Span]:
    """Spans one behind the other, from 0 on."""
    ends = list(accumulate(duration for _, duration in parts))
    return [
        Span(verdict=key[0], cause=key[1], start_ms=end - duration, end_ms=end)
        for (key, duration), end in zip(parts, ends, strict=True)
    ]


def read(spans: list[Span], at_ms: int, late_ms: int = 0) -> Reading:
    """The totals at an instant, of books that began long before."""
    totals = {UP: PAST}
    for span in spans:
        key = (span.verdict, span.cause)
        within_ms = max(0, min(span.end_ms, at_ms) - span.start_ms)
        totals[key] = totals.get(key, 0) + within_ms
    return Reading(at_ms=at_ms + late_ms, totals=totals)


def rebuild(readings: list[Reading], start_ms: int, end_ms: int) -> list[Span]:
    return place_steps(build_steps(date_readings(readings)), start_ms, end_ms)


lives = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(1, 5_000)), min_size=1, max_size=12)


@given(lives, st.data())
def test_sums_are_the_ledgers_and_every_instant_is_told_once(
    parts: list[tuple[Key, int]], data: st.DataObject
) -> None:
    """Between the first reading and the last, by verdict and cause, to the millisecond."""
    spans = life(*parts)
    end_ms = spans[-1].end_ms
    inner = data.draw(st.lists(st.integers(1, end_ms), unique=True, max_size=8))
    at = sorted({0, end_ms, *inner})
    found = rebuild([read(spans, each) for each in at], 0, end_ms)
    assert sum_spans(found) == sum_spans(spans)
    assert (found[0].start_ms, found[-1].end_ms) == (0, end_ms)
    assert all(one.end_ms == other.start_ms for one, other in pairwise(found))
    for start_ms, until_ms in pairwise(at):
        inside = place_steps([Step(start_ms=start_ms, end_ms=until_ms, amounts={})], 0, end_ms)
        assert sum_spans(inside)  # the frame: nothing of a step leaves it
        mine = {key: max(0, sum(_within(s, start_ms, until_ms) for s in spans
                                if (s.verdict, s.cause) == key)) for key in KEYS}  # fmt: skip
        theirs = {key: sum(_within(s, start_ms, until_ms) for s in found
                           if (s.verdict, s.cause) == key) for key in KEYS}  # fmt: skip
        assert mine == theirs


def _within(span: Span, start_ms: int, end_ms: int) -> int:
    return max(0, min(span.end_ms, end_ms) - max(span.start_ms, start_ms))


@given(st.integers(1, 50_000), st.integers(1, 50_000), st.integers(100, 30_000), st.data())
def test_a_single_outage_lies_within_one_interval_of_where_it_was(
    before_ms: int, lasts_ms: int, every_ms: int, data: st.DataObject
) -> None:
    """However it falls between the readings, and with none while it lasts; its length is exact."""
    spans = life((UP, before_ms), (ACCESS, lasts_ms), (UP, 60_000))
    blind = data.draw(st.booleans())
    at = [each for each in range(0, spans[-1].end_ms + 1, every_ms)
          if not (blind and before_ms < each < before_ms + lasts_ms)]  # fmt: skip
    if at[-1] < before_ms + lasts_ms:
        at.append(spans[-1].end_ms)
    [incident] = find_incidents(rebuild([read(spans, each) for each in at], 0, at[-1]))
    assert incident.end_ms is not None
    assert incident.end_ms - incident.start_ms == lasts_ms
    assert abs(incident.start_ms - before_ms) <= every_ms


def test_an_outage_with_a_known_end_is_where_it_was_to_the_millisecond() -> None:
    """The agent says since when the line is up again; its beginning follows from the length."""
    spans = life((UP, 12_345), (ACCESS, 40_001), (UP, 9_000))
    last = read(spans, 60_000)
    known = Reading(at_ms=last.at_ms, totals=last.totals, since=(Verdict.UP, 52_346))
    assert rebuild([read(spans, 0), known], 0, 60_000) == life(
        (UP, 12_345), (ACCESS, 40_001), (UP, 7_654)
    )


def test_a_known_instant_that_contradicts_the_totals_is_not_believed() -> None:
    """The line cannot be up for longer than was booked as up."""
    spans = life((UP, 1_000), (ACCESS, 58_000), (UP, 1_000))
    last = read(spans, 60_000)
    wrong = Reading(at_ms=last.at_ms, totals=last.totals, since=(Verdict.UP, 10_000))
    assert sum_spans(rebuild([read(spans, 0), wrong], 0, 60_000)) == {UP: 2_000, ACCESS: 58_000}


def test_what_a_power_cut_took_back_is_unknown_where_it_had_been_up() -> None:
    """The counter fell by 30 s that had not been written; they and the time off are unknown."""
    readings = [
        Reading(at_ms=at_ms, totals={UP: up_ms, AGENT: lost_ms})
        for at_ms, up_ms, lost_ms in [(0, 0, 0), (100_000, 100_000, 0), (300_000, 70_000, 230_000)]
    ]
    assert rebuild(readings, 0, 300_000) == life((UP, 70_000), (AGENT, 230_000))


def test_books_begun_anew_leave_unknown_what_neither_speaks_of() -> None:
    """A card was replaced: the new books hold 20 s of the 100."""
    found = rebuild(
        [Reading(at_ms=0, totals={UP: 9_000_000}), Reading(at_ms=50_000, totals={UP: 9_050_000}),
         Reading(at_ms=150_000, totals={UP: 20_000}), Reading(at_ms=160_000, totals={UP: 30_000})],
        0, 160_000,
    )  # fmt: skip
    assert sum_spans(found) == {UP: 80_000, AGENT: 80_000}
    assert found[1].reason == "no_record"


def test_readings_that_come_late_say_when_they_were_booked() -> None:
    """The lag of a scrape is no time of the line's."""
    spans = life((UP, 500_000))
    late = [read(spans, at, late) for at, late in [(0, 900), (60_000, 20), (120_000, 4_000)]]
    assert [each.at_ms for each in date_readings(late)] == [20, 60_020, 120_020]


def test_time_without_any_reading_is_unknown() -> None:
    """Never up."""
    [span] = place_steps([], 5, 9)
    assert (span.verdict, span.reason) == (Verdict.UNKNOWN, "no_record")
