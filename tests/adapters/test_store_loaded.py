"""What our own throughput tests do to latency is in no figure of the line's: pushed or drawn."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.agent.ledger_books import AgentBooks
from netwatch.agent.line_source import LineSource
from netwatch.records import MINUTE_MS, Receipt
from netwatch.store.bandwidth_books import Begun, append_begun, append_result
from netwatch.store.loaded import LONGEST_MS, hold_for_tests, read_loaded_time
from netwatch.store.queries import Reader
from netwatch.store.writer import Writer
from tests.adapters.store_samples import OFFSET_MS, answered, batch, check, lost, span
from tests.adapters.test_bandwidth_books import make_around, make_row
from tests.adapters.test_store_tail import (
    ANSWER,
    TAGS,
    make_spool,
    open_writer,
    settled,
    submit_safely,
)

#: The test of these tests: 26 s from the middle of the third minute on.
BEGAN_MS = 2 * MINUTE_MS + 30_000
ENDED_MS = BEGAN_MS + 26_000


def enter_beginning(writer: Writer, began_ms: int = BEGAN_MS) -> None:
    begun = Begun(
        run_id=1,
        started_mono_ms=began_ms,
        started_ms=OFFSET_MS + began_ms,
        due_ms=None,
        reserved_bytes=1,
    )
    writer.call(lambda books: append_begun(books, begun))


def enter_end(writer: Writer, began_ms: int = BEGAN_MS) -> None:
    row = make_row(began_ms)
    writer.call(lambda books: append_result(books, row, make_around(row)))


def submit_minutes(writer: Writer, *minutes: int) -> None:
    """Probes every five seconds: 20 ms, and slow or lost while the test loads the line."""
    for minute in minutes:
        end_ms = (minute + 1) * MINUTE_MS
        observations = [
            answered("box", due_ms, 20_000)
            if not BEGAN_MS <= due_ms < ENDED_MS
            else (lost("box", due_ms) if due_ms % 10_000 else answered("box", due_ms, 900_000))
            for due_ms in range(end_ms - MINUTE_MS, end_ms, 5_000)
        ]
        submit_safely(
            writer,
            settled(
                batch(
                    end_ms,
                    span(0, end_ms),
                    observations=observations,
                    checks=(check("box"),) if minute == 0 else (),
                )
            ),
        )


def read_rtt_lines(path: Path, writer: Writer, from_minute: int, to_minute: int) -> list[str]:
    minutes = LineSource(path, TAGS, writer.pending).read_minutes(
        OFFSET_MS + from_minute * MINUTE_MS, OFFSET_MS + to_minute * MINUTE_MS
    )
    return [
        line.split(" ")[1]
        for minute in reversed(minutes)
        for line in minute.lines
        if line.startswith("netwatch_rtt")
    ]


def test_a_pushed_minute_has_no_sample_that_our_own_test_loaded(tmp_path: Path) -> None:
    """Neither their times nor their losses, before the commit as after it."""
    path = tmp_path / "netwatch.db"
    quiet = "sent=12i,lost=0i,min=20000i,mean=20000i,p50=20000i,p95=20000i,p99=20000i,max=20000i,jitter=0i"
    with open_writer(path) as writer:
        submit_minutes(writer, 0, 1, 2, 3)
        enter_beginning(writer)
        enter_end(writer)
        expected = [quiet, quiet, quiet.replace("sent=12i", "sent=6i"), quiet]
        # 150 to 176 s: the sixth of those of the third minute, at 175 s, is within too.
        assert read_rtt_lines(path, writer, 0, 4) == expected
        assert writer.flush(10_000)
        assert read_rtt_lines(path, writer, 0, 4) == expected


def test_a_minute_that_was_loaded_throughout_has_no_point_of_latency(tmp_path: Path) -> None:
    """What was not measured is absent; its ledger point is there all the same."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_minutes(writer, 0, 1, 2, 3)
        enter_beginning(writer, MINUTE_MS - 1)  # and cut off: no row ever comes
        assert len(read_rtt_lines(path, writer, 0, 4)) == 3
        (minute,) = LineSource(path, TAGS, writer.pending).read_minutes(
            OFFSET_MS + MINUTE_MS, OFFSET_MS + 2 * MINUTE_MS
        )
        assert [line.partition(",")[0] for line in minute.lines] == ["netwatch_ledger"]


def test_minutes_wait_for_a_test_that_is_under_way(tmp_path: Path) -> None:
    """From its beginning to its row: then they leave, once, as they will always be."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_minutes(writer, 0, 1)
        assert writer.flush(10_000)
        enter_beginning(writer)
        submit_minutes(writer, 2)
        submit_safely(
            writer, settled(batch(3 * MINUTE_MS + ANSWER, span(0, 3 * MINUTE_MS + ANSWER)))
        )
        spool = make_spool(path, writer)
        assert spool.refresh().minutes == 2
        spool.settle(
            [(OFFSET_MS + minute * MINUTE_MS, 1) for minute in (1, 0)],
            Receipt(accepted=2, rejected=0),
        )
        assert spool.refresh().minutes == 0
        enter_end(writer)
        assert spool.refresh().minutes == 1
        spool.settle([(OFFSET_MS + 2 * MINUTE_MS, 2)], Receipt(accepted=2, rejected=0))
        assert spool.refresh().minutes == 0


def test_a_test_that_was_cut_off_holds_nothing_for_ever(tmp_path: Path) -> None:
    """As long as the longest test takes, and not a millisecond more; another one's end frees none."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_minutes(writer, 0)
        assert writer.flush(10_000)
        enter_beginning(writer, 5_000)
        enter_beginning(writer, 40_000)
        enter_end(writer, 40_000)
        with closing(sqlite3.connect(path)) as connection:
            began_ms = OFFSET_MS + 5_000
            held = {
                at_ms: hold_for_tests(connection, began_ms + at_ms)
                for at_ms in (0, 1, LONGEST_MS - 1, LONGEST_MS)
            }
        assert held == {
            0: began_ms,
            1: began_ms,
            LONGEST_MS - 1: began_ms,
            LONGEST_MS: began_ms + LONGEST_MS,
        }


def test_loaded_time_is_that_of_tests_made_and_of_those_cut_off(tmp_path: Path) -> None:
    """Touching the range; one that was cut off counts with the longest that it may have taken."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_minutes(writer, 0)
        assert writer.flush(10_000)
        for began_ms in (5_000, 200_000):
            enter_beginning(writer, began_ms)
        enter_end(writer, 5_000)
        made = (OFFSET_MS + 5_000, OFFSET_MS + 31_000)
        cut_off = (OFFSET_MS + 200_000, OFFSET_MS + 200_000 + LONGEST_MS)
        assert read_loaded_time(path, OFFSET_MS, OFFSET_MS + 400_000) == (made, cut_off)
        assert read_loaded_time(path, made[1], cut_off[0]) == ()
        assert read_loaded_time(path, made[1] - 1, cut_off[0] + 1) == (made, cut_off)


@pytest.mark.parametrize("step_ms", [MINUTE_MS, 300_000])
def test_the_latency_curve_leaves_our_own_tests_out(tmp_path: Path, step_ms: int) -> None:
    """On the page as in the push: the line's own round trips alone."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_minutes(writer, 0, 1, 2, 3, 4)
        enter_beginning(writer)
        enter_end(writer)
        assert writer.flush(10_000)
        span_ms = (OFFSET_MS, OFFSET_MS + 5 * MINUTE_MS)
        plain = Reader(path).read_rtt_points(*span_ms, step_ms)
        assert max(point.max_us or 0 for point in plain) == 900_000
        points = AgentBooks(Reader(path), dict, lambda: 1).read_rtt_points(*span_ms, step_ms)
        assert {(point.min_us, point.max_us, point.lost) for point in points} == {
            (20_000, 20_000, 0)
        }
        assert sum(point.sent for point in points) == 5 * 12 - 6


def test_books_of_an_earlier_netwatch_have_no_loaded_time(tmp_path: Path) -> None:
    """Nothing is left out and nothing is held where there is no table of tests."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE run (id INTEGER)")
        connection.commit()
        assert hold_for_tests(connection, 7) == 7
    assert read_loaded_time(path, 0, 9) == ()
