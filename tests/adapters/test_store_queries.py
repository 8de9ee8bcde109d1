"""Reading by UTC: clipped, ordered, complete, and with a lost probe never averaged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.stats import distribution
from netwatch.errors import StoreCorrupt
from netwatch.records import Cause, Outcome, RttPoint, Verdict
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.queries import Reader
from netwatch.store.rtt import rank_percentile
from tests.adapters.store_samples import (
    OFFSET_MS,
    SET_ASIDE,
    anchor,
    answered,
    batch,
    check,
    lost,
    open_journal,
    span,
)

HOUR_MS = 3_600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netwatch.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with open_journal(path) as opened:
        yield opened


def relative(spans: list) -> list[tuple[str, int, int]]:
    return [
        (each.verdict.value, each.start_ms - OFFSET_MS, each.end_ms - OFFSET_MS) for each in spans
    ]


def test_spans_are_clipped_to_the_range(journal: Journal, path: Path) -> None:
    """A span of months is found from within, and only the asked part of it is returned."""
    journal.append(
        batch(
            90 * 24 * HOUR_MS,
            span(0, 80 * 24 * HOUR_MS),
            span(80 * 24 * HOUR_MS, 90 * 24 * HOUR_MS, Verdict.DOWN, Cause.ACCESS),
        )
    )
    start = 40 * 24 * HOUR_MS
    read = Reader(path).read_spans(OFFSET_MS + start, OFFSET_MS + start + HOUR_MS, "link")
    assert relative(read) == [("up", start, start + HOUR_MS)]


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "expected"),
    [
        (0, 10, [("up", 0, 10)]),
        (5, 15, [("up", 5, 10), ("down", 10, 15)]),
        (10, 20, [("down", 10, 20)]),
        (20, 30, []),
        (0, 0, []),
        (25, 45, [("up", 30, 40)]),
    ],
)
def test_ranges_are_half_open(
    journal: Journal, path: Path, from_ms: int, to_ms: int, expected: list[tuple[str, int, int]]
) -> None:
    """A span that ends at the start of the range, or starts at its end, is not in it."""
    journal.append(batch(40, span(0, 10), span(10, 20, Verdict.DOWN, Cause.ACCESS), span(30, 40)))
    read = Reader(path).read_spans(OFFSET_MS + from_ms, OFFSET_MS + to_ms, "link")
    assert relative(read) == expected


def test_layers_are_apart(journal: Journal, path: Path) -> None:
    """Each timeline is read alone, and all names are listed once."""
    for run_id in (1, 2):
        if run_id == 2:
            journal.begin_run(
                "boot-b", 2, "0.1.0", 0, anchor(OFFSET_MS + HOUR_MS, boot_id="boot-b")
            )
        journal.append(
            batch(
                10,
                span(0, 5),
                span(5, 10, Verdict.DOWN, Cause.ACCESS),
                span(0, 10, layer="dns"),
                span(0, 10, layer="service:ent"),
                run_id=run_id,
                anchored=anchor(OFFSET_MS + (run_id - 1) * HOUR_MS),
            )
        )
    reader = Reader(path)
    assert reader.read_layers() == ["dns", "link", "service:ent"]
    everything = (OFFSET_MS, OFFSET_MS + 2 * HOUR_MS)
    assert [len(reader.read_spans(*everything, layer)) for layer in ("dns", "link", "none")] == [
        2,
        4,
        0,
    ]


def test_of_a_time_that_a_clock_repeats_the_first_reading_counts(
    journal: Journal, path: Path
) -> None:
    """Where an instant was lived twice, what was recorded first is all that is returned."""
    journal.append(batch(60_000, span(0, 60_000)))
    back = anchor(OFFSET_MS - 30_000, at_ms=60_000)
    journal.append(batch(90_000, span(60_000, 90_000, Verdict.DOWN, Cause.ACCESS), anchored=back))
    read = Reader(path).read_spans(OFFSET_MS + 40_000, OFFSET_MS + 50_000, "link")
    assert relative(read) == [("up", 40_000, 50_000)]
    journal.append(batch(120_000, span(60_000, 120_000, Verdict.DOWN, Cause.ACCESS), anchored=back))
    read = Reader(path).read_spans(OFFSET_MS, OFFSET_MS + 200_000, "link")
    assert relative(read) == [("up", 0, 60_000), ("down", 60_000, 90_000)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=12),
    st.lists(st.integers(-300, 300), min_size=12, max_size=12),
    st.integers(-500, 900),
    st.integers(0, 900),
)
def test_steps_of_the_clock_hide_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[tuple[int, int]],
    steps: list[int],
    from_s: int,
    length_s: int,
) -> None:
    """Whatever the steps, a range holds exactly the spans and observations that a full reading has in it, no instant twice."""
    place = tmp_path_factory.mktemp("steps") / "netwatch.db"
    with closing(open_database(place, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        now_s, offset_ms = 0, OFFSET_MS
        for (gap_s, length), step_s in zip(lengths, steps, strict=False):
            start_s, now_s = now_s + gap_s, now_s + gap_s + length
            offset_ms += step_s * 1_000
            journal.append(
                batch(
                    now_s * 1_000,
                    span(start_s * 1_000, now_s * 1_000),
                    observations=[answered("box", start_s * 1_000)],
                    anchored=anchor(offset_ms, at_ms=start_s * 1_000),
                )
            )
    reader = Reader(place)
    far = (OFFSET_MS - 10**9, OFFSET_MS + 10**9)
    start, end = OFFSET_MS + from_s * 1_000, OFFSET_MS + (from_s + length_s) * 1_000
    every = reader.read_spans(*far, "link")
    in_order = sorted(every, key=lambda each: each.start_ms)
    assert all(one.end_ms <= two.start_ms for one, two in itertools.pairwise(in_order))
    expected = [
        (max(each.start_ms, start), min(each.end_ms, end))
        for each in every
        if each.start_ms < end and each.end_ms > start
    ]
    assert [
        (each.start_ms, each.end_ms) for each in reader.read_spans(start, end, "link")
    ] == expected
    dues = [due for due, _ in reader.read_observations(*far)]
    assert [due for due, _ in reader.read_observations(start, end)] == [
        due for due in dues if start <= due < end
    ]


def test_runs_and_first_instant(journal: Journal, path: Path) -> None:
    """Runs are listed where they touch the range; the first instant is that of the first run."""
    journal.append(batch(HOUR_MS))
    journal.begin_run("boot-b", 2, "0.1.0", 5, anchor(OFFSET_MS + 2 * HOUR_MS, boot_id="boot-b"))
    reader = Reader(path)
    assert reader.read_first_ms() == OFFSET_MS
    assert [run.id for run in reader.read_runs(OFFSET_MS, OFFSET_MS + 3 * HOUR_MS)] == [1, 2]
    assert [
        run.id for run in reader.read_runs(OFFSET_MS + HOUR_MS + 1, OFFSET_MS + 3 * HOUR_MS)
    ] == [2]
    assert reader.read_runs(OFFSET_MS + 4 * HOUR_MS, OFFSET_MS + 5 * HOUR_MS) == []


def test_observations_of_some_checks(journal: Journal, path: Path) -> None:
    """Only the checks that were asked for come, and only those due in the range."""
    journal.append(
        batch(
            60_000,
            observations=[
                answered(name, due) for name in ("box", "ent") for due in (0, 5_000, 10_000)
            ],
        )
    )
    read = Reader(path).read_observations(OFFSET_MS + 5_000, OFFSET_MS + 10_000, {"ent"})
    assert [(due - OFFSET_MS, each.check_id) for due, each in read] == [(5_000, "ent")]


def test_points_count_the_lost_and_never_average_them(journal: Journal, path: Path) -> None:
    """Percentiles take a lost probe as infinite; what was skipped is in no count."""
    skipped = answered("box", 59_000).__class__(
        check_id="box",
        due_ms=59_000,
        started_ms=59_000,
        elapsed_ms=0,
        outcome=Outcome.SKIPPED,
        reason="overlap",
    )
    times = [answered("box", index * 1_000, rtt_us=1_000 + index) for index in range(9)]
    journal.append(
        batch(
            120_000,
            observations=[*times, lost("box", 9_000), skipped, lost("ent", 61_000)],
            checks=[check()],
        )
    )
    assert Reader(path).read_rtt_points(OFFSET_MS, OFFSET_MS + 120_000, 60_000) == [
        RttPoint(
            target="box",
            start_ms=OFFSET_MS,
            sent=10,
            lost=1,
            min_us=1_000,
            median_us=1_004,
            p95_us=None,
            max_us=1_008,
        ),
        RttPoint(target="ent", start_ms=OFFSET_MS + 60_000, sent=1, lost=1),
    ]


@pytest.mark.parametrize("step_ms", [7_000, 60_000, 3_600_000])
def test_points_are_those_of_the_observations(journal: Journal, path: Path, step_ms: int) -> None:
    """Points made from columns equal those counted from each observation, at any step and range."""
    for minute in range(30):
        end = minute * 60_000 + 60_000
        journal.append(
            batch(
                end,
                observations=[
                    lost("box", due)
                    if due % 35_000 == 0
                    else answered("box", due, rtt_us=due % 977 + 500)
                    for due in range(end - 60_000, end, 5_000)
                ],
            )
        )
    start, end = OFFSET_MS + 61_500, OFFSET_MS + 25 * 60_000 + 17
    reader = Reader(path)
    counted: dict[int, list[int | None]] = {}
    for due, each in reader.read_observations(start, end):
        counted.setdefault((due - start) // step_ms, []).append(each.measures.get("rtt_us"))
    expected = []
    for step, values in sorted(counted.items()):
        known = sorted(value for value in values if value is not None)
        expected.append(
            (
                start + step * step_ms,
                len(values),
                values.count(None),
                min(known),
                max(known),
            )
        )
    assert [
        (each.start_ms, each.sent, each.lost, each.min_us, each.max_us)
        for each in reader.read_rtt_points(start, end, step_ms)
    ] == expected


@given(
    st.lists(st.integers(1, 10**6), max_size=40),
    st.integers(0, 20),
    st.sampled_from([50, 95]),
)
def test_percentiles_are_those_of_the_statistics(
    values: list[int], lost_count: int, percent: int
) -> None:
    """The quick percentile equals that of core.stats wherever it is finite."""
    sent = len(values) + lost_count
    if sent:
        expected = distribution(values, lost_count).percentile(percent)
        quick = rank_percentile(sorted(values), sent, percent)
        assert quick == (expected if isinstance(expected, int) else None)
        assert Fraction(percent, 100) <= 1


def test_a_step_must_be_positive(path: Path) -> None:
    """A step of nothing is refused before anything is read."""
    with pytest.raises(ValueError, match="a step must be longer than 0 ms, got 0"):
        Reader(path).read_rtt_points(0, 1, 0)


def test_a_damaged_block_is_said(journal: Journal, path: Path) -> None:
    """A row whose block is not sound raises StoreCorrupt, not a wrong figure."""
    journal.append(batch(60_000, observations=[answered("box", 0)]))
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        connection.execute("UPDATE observation_minute SET block = x'01ff'")
    with pytest.raises(StoreCorrupt):
        list(Reader(path).read_observations(OFFSET_MS, OFFSET_MS + 60_000))
