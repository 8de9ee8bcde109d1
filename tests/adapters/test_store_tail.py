"""What waits in the daybook, read as if it were in the database: the same lines, only sooner."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.line_source import LineSource
from netwatch.clock import SystemClock
from netwatch.core.line_points import build_tags
from netwatch.records import Anchor, Cause, Receipt, Verdict
from netwatch.store.backlog import Backlog
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.chain import close_days
from netwatch.store.spool import Spool
from netwatch.store.tail import open_tail
from netwatch.store.throughput import BandwidthRow, append_test
from netwatch.store.writer import Writer
from tests.adapters.store_samples import (
    OFFSET_MS,
    SET_ASIDE,
    anchor,
    answered,
    batch,
    check,
    lost,
    span,
)

MINUTE = 60_000
TAGS = build_tags("ecole", None, None)
ANSWER = 12_000


@contextmanager
def open_writer(path: Path) -> Iterator[Writer]:
    """One that enters nothing into the database by itself: all waits in the daybook."""
    writer = Writer(path, clock=SystemClock(), set_aside=lambda: SET_ASIDE, commit_every=1_000)
    writer.begin_run(boot_id="boot-a", pid=1, version="1", monotonic_ms=0, anchor=anchor())
    try:
        yield writer
    finally:
        writer.close(monotonic_ms=10**9, anchor=anchor(at_ms=10**9))


def settled(given: Batch, settled_ms: int | None = None) -> Batch:
    """With the word that all before its end is settled, or before another instant."""
    certain_ms = given.watched_to_mono_ms if settled_ms is None else settled_ms
    return msgspec.structs.replace(given, settled_mono_ms=certain_ms)


def submit_safely(writer: Writer, *batches: Batch) -> None:
    for each in batches:
        writer.submit(each)
    assert writer.wait_safe(10_000)


def make_spool(path: Path, writer: Writer) -> Spool:
    return Spool(
        path,
        "influx",
        call=writer.call,
        margin_ms=2 * MINUTE,
        pending=writer.pending,
        entered=writer.entered,
        answer_ms=ANSWER,
    )


def draw_life(dice: random.Random, minutes: int) -> list[Batch]:
    """Batches of so many minutes: outages confirmed afterwards, spans taken back, probes lost."""
    checks = (check("box"), check("far"))
    open_spans: dict[str, LayerSpan] = {}
    batches: list[Batch] = []
    for minute in range(minutes):
        end_ms = (minute + 1) * MINUTE
        moved: list[LayerSpan] = []
        for layer in ("link", "dns", "quality"):
            at_ms = end_ms - dice.randrange(1, 90_000)
            current = open_spans.get(layer)
            if current is None or dice.random() < 0.5:
                if current is not None and at_ms > current.span.start_ms and dice.random() < 0.5:
                    ended = msgspec.structs.replace(current.span, end_ms=at_ms)
                    moved.append(LayerSpan(layer=layer, span=ended))
                down = dice.random() < 0.4
                current = span(
                    max(at_ms, 0) if current else 0,
                    end_ms,
                    Verdict.DOWN if down else Verdict.UP,
                    dice.choice((Cause.DNS, Cause.ACCESS)) if down else None,
                    layer=layer,
                )
            grown = msgspec.structs.replace(current.span, end_ms=end_ms - dice.randrange(9_000))
            if grown.end_ms <= grown.start_ms:
                grown = msgspec.structs.replace(grown, end_ms=grown.start_ms + 1)
            open_spans[layer] = LayerSpan(layer=layer, span=grown)
            moved.append(open_spans[layer])
        observations = [
            lost(each.id, due_ms)
            if dice.random() < 0.2
            else answered(each.id, due_ms, dice.randrange(500, 90_000))
            for each in checks
            for due_ms in range(end_ms - MINUTE - 3_000, end_ms - 3_000, 5_000)
            if due_ms >= 0
        ]
        made = batch(
            end_ms,
            *moved,
            anchored=anchor(OFFSET_MS + dice.randrange(-9, 10) if minute else OFFSET_MS, end_ms),
            observations=observations,
            checks=checks if minute == 0 else (),
        )
        batches.append(settled(made))
    return batches


@pytest.mark.parametrize("seed", range(24))
def test_lines_before_the_commit_are_those_after_it(tmp_path: Path, seed: int) -> None:
    """Whatever happened, every point of the newest minutes is the one that the books will give."""
    dice = random.Random(seed)
    path = tmp_path / "netwatch.db"
    life = draw_life(dice, 14)
    with open_writer(path) as writer:
        committed = dice.randrange(0, 8)
        submit_safely(writer, *life[:committed])
        assert writer.flush(10_000)
        submit_safely(writer, *life[committed:])
        ranges = [(0, 13), (9, 13), (committed, committed + 3), (12, 13)]
        asked = [(OFFSET_MS + a * MINUTE, OFFSET_MS + b * MINUTE) for a, b in ranges]
        source = LineSource(path, TAGS, writer.pending)
        before = [source.read_minutes(*each) for each in asked]
        tail = open_tail(path, writer.pending())
        assert tail is not None
        assert len(tail.batches) == 14 - committed
        assert writer.flush(10_000)
        assert writer.pending() == ()
        assert [LineSource(path, TAGS).read_minutes(*each) for each in asked] == before
        assert any("down_ms=0i" not in line for each in before[0] for line in each.lines[:1])


def test_the_newest_minute_is_handed_out_before_the_commit(tmp_path: Path) -> None:
    """As soon as a batch says that it is settled, and probes under way have had their time."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_safely(writer, batch(10, span(0, 10)))
        assert writer.flush(10_000)
        submit_safely(writer, settled(batch(10 * MINUTE + ANSWER - 1, span(0, 10 * MINUTE))))
        spool = make_spool(path, writer)
        spool.refresh()
        given = spool.claim()
        assert given is not None
        assert given.until_ms == OFFSET_MS + 9 * MINUTE
        submit_safely(writer, settled(batch(10 * MINUTE + ANSWER, span(0, 10 * MINUTE))))
        spool.refresh()
        given = spool.claim()
        assert given is not None
        assert given.until_ms == OFFSET_MS + 10 * MINUTE


def test_what_may_yet_change_is_not_handed_out(tmp_path: Path) -> None:
    """A line under suspicion, or windows on their way to degraded: nothing after that instant."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_safely(writer, batch(10, span(0, 10)))
        assert writer.flush(10_000)
        doubtful = settled(batch(10 * MINUTE, span(0, 10 * MINUTE)), 6 * MINUTE + 59_999)
        hurried = batch(10 * MINUTE + 1, span(0, 10 * MINUTE))  # says nothing of observations
        submit_safely(writer, doubtful, hurried)
        spool = make_spool(path, writer)
        assert spool.refresh().minutes == 6


def test_a_commit_takes_nothing_back(tmp_path: Path) -> None:
    """What was certain in the daybook is so in the database: no minute is sent twice."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_safely(writer, batch(10, span(0, 10)))
        assert writer.flush(10_000)
        submit_safely(writer, settled(batch(10 * MINUTE, span(0, 10 * MINUTE))))
        spool = make_spool(path, writer)
        assert spool.refresh().minutes == 9
        lines = [(OFFSET_MS + minute * MINUTE, 1) for minute in range(8, -1, -1)]
        assert spool.settle(lines, Receipt(accepted=9, rejected=0)) == 9
        assert writer.flush(10_000)
        assert spool.refresh().minutes == 0


def test_a_batch_that_went_straight_into_the_database_is_as_certain(tmp_path: Path) -> None:
    """The last before a commit is never in the daybook: its minute waits for no margin."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_safely(writer, settled(batch(10 * MINUTE + ANSWER, span(0, 10 * MINUTE))))
        assert writer.flush(10_000)
        assert writer.pending() == ()
        assert make_spool(path, writer).refresh().minutes == 10


@pytest.mark.parametrize(
    "known",
    [None, anchor(OFFSET_MS + 60_000, MINUTE), anchor(OFFSET_MS - 60_000, MINUTE)],
    ids=["no clock", "stepped forward", "stepped back"],
)
def test_near_a_clock_that_was_stepped_there_is_no_tail(
    tmp_path: Path, known: Anchor | None
) -> None:
    """Before the commit and for hours after it: the database alone is read."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_safely(writer, batch(10, span(0, 10)))
        assert writer.flush(10_000)
        submit_safely(writer, settled(batch(5 * MINUTE, span(0, 5 * MINUTE), anchored=known)))
        assert open_tail(path, writer.pending()) is None
        assert writer.flush(10_000)
        later = anchor(OFFSET_MS if known is None else known.offset_ms, 6 * MINUTE)
        submit_safely(writer, settled(batch(6 * MINUTE, span(0, 6 * MINUTE), anchored=later)))
        assert (open_tail(path, writer.pending()) is None) == (known is not None)


def test_what_a_power_cut_would_take_is_not_read() -> None:
    """Of what waits, only what the daybook has is certain."""
    backlog = Backlog()
    for number in (1, 2, 3):
        backlog.add(batch(number, sequence=number))
    assert [each.sequence for each in backlog.list_held({1, 3, 4})] == [1, 3]


def test_a_test_that_ends_after_its_minute_was_sent_is_sent_with_it_again(tmp_path: Path) -> None:
    """It is entered when it is over, into the minute of its beginning; once."""
    path = tmp_path / "netwatch.db"
    with open_writer(path) as writer:
        submit_safely(writer, batch(10 * MINUTE, span(0, 10 * MINUTE)))
        assert writer.flush(10_000)
        spool = make_spool(path, writer)
        assert spool.refresh().minutes == 8
        lines = [(OFFSET_MS + minute * MINUTE, 1) for minute in range(7, -1, -1)]
        spool.settle(lines, Receipt(accepted=8, rejected=0))
        began_ms = 7 * MINUTE + 50_000
        row = BandwidthRow(
            run_id=1,
            started_mono_ms=began_ms,
            started_ms=OFFSET_MS + began_ms,
            engine="iperf3",
            down_bytes_per_second=1,
        )
        writer.call(lambda books: append_test(books, row))
        assert spool.refresh().minutes == 1
        given = spool.claim()
        assert given is not None
        assert given.from_ms == OFFSET_MS + 7 * MINUTE
        spool.settle([(given.from_ms, 2)], Receipt(accepted=2, rejected=0))
        assert spool.refresh().minutes == 0


def test_a_day_that_is_closed_after_its_minute_was_sent_is_sent_with_it_again(
    tmp_path: Path,
) -> None:
    """Its hash stands under the end of the database, which the pending minutes are ahead of."""
    path = tmp_path / "netwatch.db"
    day = 24 * 60 * MINUTE
    end = day + 2 * 60 * MINUTE
    with open_writer(path) as writer:
        submit_safely(writer, batch(end, span(0, end), anchored=anchor(at_ms=end)))
        assert writer.flush(10_000)
        ahead = batch(end + 5 * MINUTE, span(0, end + 5 * MINUTE), anchored=anchor(at_ms=end))
        submit_safely(writer, settled(ahead))
        spool = make_spool(path, writer)
        waiting = spool.refresh().minutes
        assert waiting == end // MINUTE + 4
        lines = [(OFFSET_MS + minute * MINUTE, 1) for minute in range(waiting - 1, -1, -1)]
        spool.settle(lines, Receipt(accepted=waiting, rejected=0))
        assert spool.refresh().minutes == 0
        [entry] = writer.call(lambda books: close_days(books, OFFSET_MS + end + 5 * MINUTE))
        assert entry.closed_ms < OFFSET_MS + waiting * MINUTE
        assert spool.refresh().minutes == 1
        given = spool.claim()
        assert given is not None
        [minute] = LineSource(path, TAGS, writer.pending).read_minutes(
            given.from_ms, given.until_ms
        )
        assert any(line.startswith("netwatch_chain,") for line in minute.lines)
