"""The journal: whole or not at all, once, and never two words on one instant."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netwatch.errors import StoreError
from netwatch.records import Cause, Role, Run, Span, Verdict
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.db import open_database
from netwatch.store.entries import ROW_SPAN_MS
from netwatch.store.journal import STAMPED_ROWS, Journal
from netwatch.store.queries import Reader
from tests.adapters.store_samples import (
    OFFSET_MS,
    SET_ASIDE,
    anchor,
    answered,
    batch,
    check,
    open_journal,
    span,
)

DAY_MS = 86_400_000
ALWAYS = (OFFSET_MS - DAY_MS, OFFSET_MS + 10 * DAY_MS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netwatch.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with open_journal(path) as opened:
        yield opened


def dump(path: Path) -> list[str]:
    """Every row of the database, as text."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def full_batch(sequence: int | None = None) -> Batch:
    return batch(
        60_000,
        span(0, 50_000),
        span(50_000, 60_000, Verdict.DOWN, Cause.ACCESS, reason="timeout"),
        observations=[answered("box", due_ms) for due_ms in range(0, 60_000, 5_000)],
        counters={("link_ms", "up"): 50_000, ("probes", "box"): 12},
        checks=[check()],
        sequence=sequence,
    )


def test_a_batch_is_read_back(journal: Journal, path: Path) -> None:
    """Spans, observations, totals and definitions of a batch are there, in UTC."""
    journal.append(full_batch())
    reader = Reader(path)
    assert reader.read_spans(*ALWAYS, "link") == [
        Span(verdict=Verdict.UP, cause=None, start_ms=OFFSET_MS, end_ms=OFFSET_MS + 50_000),
        Span(
            verdict=Verdict.DOWN,
            cause=Cause.ACCESS,
            start_ms=OFFSET_MS + 50_000,
            end_ms=OFFSET_MS + 60_000,
            reason="timeout",
        ),
    ]
    assert list(reader.read_observations(*ALWAYS)) == [
        (OFFSET_MS + due_ms, answered("box", due_ms)) for due_ms in range(0, 60_000, 5_000)
    ]
    assert journal.read_counters() == {("link_ms", "up"): 50_000, ("probes", "box"): 12}
    assert [(each.check_id, each.target, each.role) for each in reader.read_checks()] == [
        ("box", "192.0.2.1", Role.GATEWAY)
    ]


def test_the_same_batch_twice_changes_nothing(journal: Journal, path: Path) -> None:
    """A batch that was entered already leaves every row as it was."""
    journal.append(full_batch(sequence=1))
    before = dump(path)
    journal.append(full_batch(sequence=1))
    assert dump(path) == before


def test_batches_together_are_as_batches_one_by_one(tmp_path: Path) -> None:
    """One transaction of several batches leaves what several transactions leave."""
    batches = [
        batch(
            end,
            span(0, end),
            observations=[answered("box", end - 5_000)],
            counters={("probes", "box"): 1},
            sequence=number,
        )
        for number, end in enumerate(range(60_000, 360_000, 60_000), start=1)
    ]
    dumps = []
    for name in ("together", "apart"):
        place = tmp_path / name
        opened = open_database(place, set_aside=lambda: SET_ASIDE)
        with closing(opened.connection) as connection:
            journal = Journal(connection)
            journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
            if name == "together":
                journal.append_all(batches)
            else:
                for each in batches:
                    journal.append(each)
        dumps.append(dump(place))
    assert dumps[0] == dumps[1]


def test_a_refused_batch_leaves_everything_as_it_was(journal: Journal, path: Path) -> None:
    """A batch that fails at its last part takes its first parts back, and can be sent again."""
    journal.append(full_batch(sequence=1))
    before = dump(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON counter BEGIN SELECT raise(ABORT, 'no'); END"
        )
        with pytest.raises(StoreError):
            journal.append(full_batch(sequence=2))
        other.execute("DROP TRIGGER refuse")
    assert dump(path) == before
    journal.append(full_batch(sequence=2))
    assert journal.read_counters()[("probes", "box")] == 24


def test_an_unpackable_observation_leaves_everything_as_it_was(
    journal: Journal, path: Path
) -> None:
    """An integer that no block holds refuses the whole batch."""
    before = dump(path)
    with pytest.raises(ValueError, match="beyond 2"):
        journal.append(batch(60_000, span(0, 60_000), observations=[answered("box", 5, 2**63)]))
    assert dump(path) == before


def test_a_run_that_was_never_begun_is_said(journal: Journal, path: Path) -> None:
    """A batch of a run that the books do not know is refused."""
    with pytest.raises(StoreError) as caught:
        journal.append(batch(60_000, run_id=9))
    assert str(caught.value) == f"{path}: run 9 was never begun in it"


def test_a_lock_that_stays_is_said(path: Path) -> None:
    """A database that another program holds gives one sentence, and nothing is half done."""
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        connection.execute("PRAGMA busy_timeout = 10")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError) as caught:
                journal.append(full_batch())
    assert str(caught.value) == (
        f"{path}: another program holds it locked (database is locked): "
        "end the program that has it open"
    )


def test_an_open_span_is_extended(journal: Journal, path: Path) -> None:
    """The span that holds is one row, whose end moves."""
    for end in range(60_000, 300_000, 60_000):
        journal.append(batch(end, span(0, end)))
    assert [
        (each.start_ms - OFFSET_MS, each.end_ms - OFFSET_MS)
        for each in Reader(path).read_spans(*ALWAYS, "link")
    ] == [(0, 240_000)]


def test_a_change_dated_back_cuts_what_was_said(journal: Journal, path: Path) -> None:
    """An outage found later shortens the span before it and takes back those within it."""
    journal.append(
        batch(60_000, span(0, 50_000), span(50_000, 60_000, Verdict.UNKNOWN, Cause.LOCAL))
    )
    journal.append(batch(120_000, span(48_000, 120_000, Verdict.DOWN, Cause.UPSTREAM)))
    assert [
        (each.verdict, each.start_ms - OFFSET_MS, each.end_ms - OFFSET_MS)
        for each in Reader(path).read_spans(*ALWAYS, "link")
    ] == [(Verdict.UP, 0, 48_000), (Verdict.DOWN, 48_000, 120_000)]


_ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["link", "dns"]),
        st.integers(0, 30),
        st.integers(1, 12),
        st.sampled_from(list(Verdict)),
    ),
    max_size=25,
)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(_ENTRIES, st.lists(st.integers(1, 4), max_size=25))
def test_the_latest_word_on_an_instant_counts(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, int, int, Verdict]],
    sizes: list[int],
) -> None:
    """Whatever the order of spans, each layer reads as a row of cells last written wins.

    A span that is cut in its middle keeps its first part alone: the rest was unsaid
    with the verdict that replaced it, and what nobody says is unknown.
    """
    place = tmp_path_factory.mktemp("model") / "netwatch.db"
    cells: dict[tuple[str, int], tuple[int, Verdict]] = {}
    spans: list[tuple[LayerSpan, tuple[str, int, int, Verdict]]] = [
        (span(start, start + length, verdict, layer=layer), (layer, start, length, verdict))
        for layer, start, length, verdict in entries
    ]
    with closing(open_database(place, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        while spans:
            size = sizes.pop() if sizes else len(spans)
            taken, spans = spans[:size], spans[size:]
            journal.append(batch(100, *(each for each, _ in taken)))
            for _, (layer, start, length, verdict) in taken:
                for key in [key for key in cells if key[0] == layer]:
                    told_from = cells[key][0]
                    beyond = key[1] >= start + length
                    if (
                        (start <= key[1] < start + length)
                        or (beyond and told_from <= start)
                        or (beyond and start < told_from < start + length)
                    ):
                        del cells[key]
                for instant in range(start, start + length):
                    cells[layer, instant] = (start, verdict)
    for layer in ("link", "dns"):
        read = Reader(place).read_spans(*ALWAYS, layer)
        assert {
            (layer, instant - OFFSET_MS): each.verdict
            for each in read
            for instant in range(each.start_ms, each.end_ms)
        } == {key: verdict for key, (_, verdict) in cells.items() if key[0] == layer}
        assert all(one.end_ms <= two.start_ms for one, two in itertools.pairwise(read))


def test_the_run_before_is_told_as_it_was_left(path: Path) -> None:
    """A run that took its leave is clean, one that did not is known up to its last batch."""
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        assert journal.begin_run("boot-a", 1, "0.1.0", 1_000, anchor()) == (1, None)
        journal.append(batch(60_000))
        assert journal.begin_run("boot-a", 2, "0.1.0", 90_000, anchor()) == (
            2,
            Run(
                id=1,
                boot_id="boot-a",
                version="0.1.0",
                started_ms=OFFSET_MS + 1_000,
                ended_ms=OFFSET_MS + 60_000,
                clean=False,
            ),
        )
        journal.end_run(2, 95_000, anchor())
        third, before = journal.begin_run("boot-b", 3, "0.1.0", 10, None)
        assert third == 3
        assert before is not None
        assert (before.clean, before.ended_ms) == (True, OFFSET_MS + 95_000)


def test_a_range_that_ends_decades_ahead_gives_each_row_once(journal: Journal, path: Path) -> None:
    """The keys of one run end where those of the next begin, however late the range ends."""
    journal.append(batch(60_000, span(0, 60_000), observations=[answered("box", 5)]))
    for run_id in (2, 3):
        journal.begin_run("boot-a", run_id, "0.1.0", run_id * 100_000, anchor())
        journal.append(
            batch(
                run_id * 100_000 + 60_000,
                run_id=run_id,
                observations=[answered("box", run_id * 100_000 + 5)],
            )
        )
    for to_ms in (OFFSET_MS + 300_006, OFFSET_MS + 2**40, 2**60):
        rows = Reader(path).read_observations(OFFSET_MS, to_ms)
        assert [due_ms - OFFSET_MS for due_ms, _ in rows] == [5, 200_005, 300_005]


def test_time_without_a_clock_is_not_told(path: Path) -> None:
    """Rows of a run that never had an anchor are in no answer by UTC."""
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, None)
        journal.append(
            batch(60_000, span(0, 60_000), observations=[answered("box", 5)], anchored=None)
        )
    reader = Reader(path)
    assert reader.read_spans(-(2**60), 2**60, "link") == []
    assert list(reader.read_observations(-(2**60), 2**60)) == []
    assert reader.read_runs(-(2**60), 2**60) == []
    assert reader.read_first_ms() is None
    assert reader.read_layers() == ["link"]


@pytest.mark.parametrize("how", ["append", "stamp", "begin"])
def test_time_before_the_clock_is_told_once_it_is_known(path: Path, how: str) -> None:
    """Rows made before synchronisation get their UTC from the first anchor of their boot."""
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 1_000, None)
        journal.append(
            batch(
                60_000,
                span(1_000, 60_000),
                observations=[answered("box", 5_000)],
                anchored=None,
                checks=[check()],
            )
        )
        if how == "append":
            journal.append(batch(120_000, span(1_000, 120_000)))
        elif how == "stamp":
            for _ in range(2):
                journal.stamp(1, anchor())
        else:
            journal.begin_run("boot-a", 2, "0.1.0", 200_000, anchor())
    reader = Reader(path)
    assert reader.read_spans(*ALWAYS, "link")[0].start_ms == OFFSET_MS + 1_000
    assert [due for due, _ in reader.read_observations(*ALWAYS)] == [OFFSET_MS + 5_000]
    assert reader.read_checks()[0].since_ms == OFFSET_MS + 5_000
    assert reader.read_runs(*ALWAYS)[0].started_ms == OFFSET_MS + 1_000


@pytest.mark.parametrize("boot_id", ["boot-b", "unknown"])
def test_another_boot_tells_nothing_of_this_one(path: Path, boot_id: str) -> None:
    """An anchor never stamps rows of another boot, nor of one without a name."""
    first = "boot-a" if boot_id == "boot-b" else boot_id
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run(first, 1, "0.1.0", 0, None)
        journal.append(batch(60_000, span(0, 60_000), anchored=None))
        journal.begin_run(boot_id, 2, "0.1.0", 0, anchor(boot_id=boot_id))
        journal.append(batch(60_000, span(0, 60_000), run_id=2, anchored=anchor(boot_id=boot_id)))
    assert len(Reader(path).read_spans(*ALWAYS, "link")) == 1


def test_a_long_time_without_a_clock_is_stamped_in_pieces(journal: Journal, path: Path) -> None:
    """One commit rewrites a bounded number of raw rows; the next ones do the rest."""
    rows = STAMPED_ROWS + 50
    for minute in range(rows):
        due_ms = minute * 60_000
        journal.append(batch(due_ms, observations=[answered("box", due_ms)], anchored=None))
    journal.append(batch(rows * 60_000))
    assert len(list(Reader(path).read_observations(*ALWAYS))) == STAMPED_ROWS
    journal.append(batch(rows * 60_000 + 1))
    assert len(list(Reader(path).read_observations(*ALWAYS))) == rows


def test_a_step_of_the_clock_holds_from_then_on(journal: Journal, path: Path) -> None:
    """What was told before a step keeps its instant; what comes after has the new offset."""
    journal.append(batch(60_000, span(0, 60_000), observations=[answered("box", 5_000)]))
    back = anchor(OFFSET_MS - 3_600_000, at_ms=60_000)
    journal.append(
        batch(
            120_000,
            span(60_000, 120_000, Verdict.DOWN, Cause.ACCESS),
            observations=[answered("box", 65_000)],
            anchored=back,
        )
    )
    reader = Reader(path)
    assert [each.start_ms - OFFSET_MS for each in reader.read_spans(*ALWAYS, "link")] == [
        0,
        60_000 - 3_600_000,
    ]
    dues = [due - OFFSET_MS for due, _ in reader.read_observations(*ALWAYS)]
    assert dues == [5_000, 65_000 - 3_600_000]


def test_a_span_that_goes_on_over_a_step_is_told_in_two_parts(journal: Journal, path: Path) -> None:
    """The time that a clock put forward leaped over is in no span, and no duration changes."""
    journal.append(batch(60_000, span(0, 60_000)))
    forward = anchor(OFFSET_MS + 3_600_000, at_ms=60_000)
    journal.append(batch(120_000, span(0, 120_000), anchored=forward))
    read = Reader(path).read_spans(*ALWAYS, "link")
    assert [(each.start_ms - OFFSET_MS, each.duration_ms) for each in read] == [
        (0, 60_000),
        (3_660_000, 60_000),
    ]


def test_a_row_whose_anchor_came_later_is_told_by_it(path: Path) -> None:
    """A span begun without a clock is told whole by the first anchor, not cut at it."""
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, None)
        journal.append(batch(60_000, span(0, 60_000), anchored=None))
        journal.append(batch(120_000, span(0, 120_000), anchored=anchor(at_ms=90_000)))
    (whole,) = Reader(path).read_spans(*ALWAYS, "link")
    assert (whole.start_ms, whole.duration_ms) == (OFFSET_MS, 120_000)


def test_reading_a_clock_twice_is_no_step(journal: Journal, path: Path) -> None:
    """Offsets that differ by the millisecond of two readings are one: spans stay joined."""
    journal.append(batch(60_000, span(0, 60_000)))
    journal.append(
        batch(120_000, span(60_000, 120_000), anchored=anchor(OFFSET_MS + 1, at_ms=120_000))
    )
    first, second = Reader(path).read_spans(*ALWAYS, "link")
    assert first.end_ms == second.start_ms


def test_a_changed_target_is_a_new_definition(journal: Journal, path: Path) -> None:
    """An address that changes gets a number of its own; the same one again does not."""
    for target in ("192.0.2.1", "192.0.2.1", "192.0.2.254"):
        journal.append(batch(60_000, checks=[check(target=target)]))
    assert [(each.number, each.target) for each in Reader(path).read_checks()] == [
        (1, "192.0.2.1"),
        (2, "192.0.2.254"),
    ]


def test_definitions_are_known_after_a_restart(journal: Journal, path: Path) -> None:
    """A new run with the same checks defines nothing anew."""
    journal.append(batch(60_000, checks=[check()]))
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        again = Journal(connection)
        again.begin_run("boot-a", 2, "0.1.0", 70_000, anchor())
        again.append(batch(80_000, run_id=2, checks=[check()]))
    assert len(Reader(path).read_checks()) == 1


def test_an_observation_without_definition_is_kept(journal: Journal, path: Path) -> None:
    """A slot's row is never lost because its check was not announced."""
    journal.append(batch(60_000, observations=[answered("ghost", 5_000)]))
    assert [each.check_id for _, each in Reader(path).read_observations(*ALWAYS)] == ["ghost"]
    assert Reader(path).read_checks()[0].target is None


def test_a_late_slow_observation_is_kept_beside_the_others(journal: Journal, path: Path) -> None:
    """Batches may have the same first slot, and one may come late: every row stays."""
    for _ in range(3):
        journal.append(batch(60_000, observations=[answered("box", 5_000)]))
    journal.append(batch(60_000, observations=[answered("box", 4_000)]))
    dues = [due - OFFSET_MS for due, _ in Reader(path).read_observations(*ALWAYS)]
    assert sorted(dues) == [4_000, 5_000, 5_000, 5_000]


def test_no_row_spans_more_than_a_reader_looks_back(journal: Journal, path: Path) -> None:
    """A batch of an hour becomes several rows, and each of its slots is found by its time."""
    dues = range(0, 3_600_000, 30_000)
    journal.append(batch(3_600_000, observations=[answered("box", due) for due in dues]))
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT count(*) FROM observation_minute").fetchone()[0]
    assert rows == 3_600_000 // ROW_SPAN_MS
    for due in dues:
        start = OFFSET_MS + due
        assert [each for each, _ in Reader(path).read_observations(start, start + 1)] == [start]
