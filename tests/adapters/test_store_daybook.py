"""The daybook: what it took in is found again, whatever happened to the rest of the file."""

from __future__ import annotations

import os
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.clock import SystemClock
from netwatch.errors import StoreError
from netwatch.records import Verdict
from netwatch.store.batch import Batch
from netwatch.store.books import Books, Life
from netwatch.store.daybook import BLOCK_BYTES, BLOCKS, Daybook
from netwatch.store.queries import Reader
from netwatch.store.writer import Writer
from tests.adapters.store_samples import (
    OFFSET_MS,
    SET_ASIDE,
    anchor,
    answered,
    batch,
    check,
    span,
)

ALWAYS = (OFFSET_MS - 86_400_000, OFFSET_MS + 864_000_000)


def make(sequence: int, observations: int = 12, run_id: int = 1) -> Batch:
    """Batch ``sequence``; with many observations it fills several blocks."""
    end = sequence * 60_000
    chance = random.Random(sequence)
    return batch(
        end,
        span(0, end),
        run_id=run_id,
        observations=[
            answered("box", end - 60_000 + index, rtt_us=chance.randrange(10**9))
            for index in range(observations)
        ],
        counters={("probes", "box"): observations},
        checks=[check()],
        sequence=sequence,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netwatch.db-daybook"


def test_what_was_appended_is_read(path: Path) -> None:
    """Records of one block and of several come back equal, in order."""
    daybook = Daybook(path)
    daybook.begin()
    batches = [make(1), make(2, 2_000), make(3)]
    assert all(daybook.append(each) for each in batches)
    daybook.close()
    assert path.stat().st_size > 5 * BLOCK_BYTES
    assert Daybook(path).read() == batches


def test_there_is_room_for_so_much_and_again_after_clearing(path: Path) -> None:
    """A full daybook refuses, keeps what it has, and after a clearing writes from the start."""
    daybook = Daybook(path)
    daybook.begin()
    taken = 0
    while daybook.append(make(taken + 1)):
        taken += 1
    assert taken == BLOCKS
    assert len(daybook.read()) == BLOCKS
    daybook.clear()
    assert daybook.append(make(taken + 1))
    assert [each.sequence for each in daybook.read()] == list(range(2, taken + 2))
    assert path.stat().st_size == BLOCKS * BLOCK_BYTES
    daybook.close()


def test_a_batch_too_large_for_it_is_refused(path: Path) -> None:
    """What does not fit at all is left to the database."""
    daybook = Daybook(path)
    daybook.begin()
    assert not daybook.append(make(1, 100_000))
    daybook.close()


def test_without_a_beginning_it_takes_nothing(path: Path) -> None:
    """A daybook that could not be made refuses, and one that never was reads as empty."""
    daybook = Daybook(path)
    assert not daybook.append(make(1))
    assert daybook.read() == []


def test_a_beginning_empties_it(path: Path) -> None:
    """A new run finds nothing of the one before, which has been entered by then."""
    daybook = Daybook(path)
    daybook.begin()
    daybook.append(make(1))
    daybook.begin()
    assert daybook.read() == []
    daybook.close()


def test_a_folder_in_the_way_is_said(path: Path) -> None:
    """What stands in the way is told in one sentence."""
    path.mkdir()
    with pytest.raises(StoreError) as caught:
        Daybook(path).begin()
    assert str(caught.value) == (
        f"{path}: it cannot be read or written (Is a directory): "
        "let the agent's user read and write it"
    )


@settings(deadline=None)  # a disk takes the time that it takes
@given(st.integers(0, 12), st.integers(0, BLOCK_BYTES), st.binary(min_size=1, max_size=64))
def test_a_torn_write_costs_that_record_alone(
    tmp_path_factory: pytest.TempPathFactory, block: int, within: int, garbage: bytes
) -> None:
    """Whatever one block was torn into, every record that does not lie in it is read."""
    path = tmp_path_factory.mktemp("torn") / "daybook"
    daybook = Daybook(path)
    daybook.begin()
    batches = [make(sequence) for sequence in range(1, 13)]
    for each in batches:
        daybook.append(each)
    daybook.close()
    with path.open("r+b") as file:
        file.seek(min(block * BLOCK_BYTES + within, (block + 1) * BLOCK_BYTES - len(garbage)))
        file.write(garbage)
    read = Daybook(path).read()
    assert [each for each in batches if each.sequence != block + 1] == [
        each for each in read if each.sequence != block + 1
    ]
    assert all(each in batches for each in read)


@given(st.binary(max_size=3 * BLOCK_BYTES))
def test_garbage_is_no_record(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    """A file of anything reads as a daybook without records."""
    path = tmp_path_factory.mktemp("garbage") / "daybook"
    path.write_bytes(garbage)
    assert Daybook(path).read() == []


def begin(path: Path, boot_id: str = "boot-a") -> Books:
    books = Books(path, lambda: SET_ASIDE)
    books.begin(Life(boot_id=boot_id, pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor()))
    return books


def test_a_start_enters_what_the_daybook_has_once(tmp_path: Path) -> None:
    """After a power cut batches that were safe are entered by the next start, and not by the one after."""
    path = tmp_path / "netwatch.db"
    books = begin(path)
    books.append([make(1), make(2)])
    for sequence in (2, 3, 4):
        assert books.secure(make(sequence))
    books.close()  # without a leave: the power went
    for _ in range(2):
        begin(path, "boot-b").close()
        assert Reader(path).read_counters() == {("probes", "box"): 48}
        (whole,) = Reader(path).read_spans(*ALWAYS, "link")
        assert whole.duration_ms == 240_000


@pytest.mark.parametrize("lost", [(), (3,), (2, 4), (2, 3, 4, 5)])
def test_totals_and_ledger_agree_whatever_batch_was_lost(
    tmp_path: Path, lost: tuple[int, ...]
) -> None:
    """A card that lost a commit after saying that it had it: the next life adds what is missing."""
    path = tmp_path / "netwatch.db"
    books = begin(path)

    def count(sequence: int) -> Batch:
        """A minute more, all of it counted."""
        end = sequence * 60_000
        one = batch(
            end,
            span(0, end),
            counters={("link_ms", "up:none"): 60_000, ("seen", "box"): 1},
            sequence=sequence,
        )
        return msgspec.structs.replace(one, settled_mono_ms=end, counted_mono_ms=end)

    books.append([count(1)])
    for sequence in (2, 3, 4, 5):
        if sequence not in lost:
            assert books.secure(count(sequence))
    books.close()  # without a leave: the power went
    later = Books(path, lambda: SET_ASIDE)
    begun = later.begin(
        Life(
            boot_id="boot-b",
            pid=1,
            version="0.1.0",
            monotonic_ms=0,
            anchor=anchor(OFFSET_MS + 900_000, 0, "boot-b"),
        )
    )
    later.close()
    ledger_ms = sum(each.duration_ms for each in Reader(path).read_spans(*ALWAYS, "link"))
    added_ms = sum(
        length for (verdict, _), length in begun.told.uncounted.items() if verdict is Verdict.UP
    )
    assert ledger_ms == (300_000 if lost[-1:] != (5,) else 60_000)
    assert begun.counters["link_ms", "up:none"] + added_ms == ledger_ms
    assert begun.counters["seen", "box"] == 5 - len(lost)


def test_a_daybook_of_other_books_is_passed_over(tmp_path: Path) -> None:
    """When the database is gone, or was set aside, nothing of its daybook gets into the new one."""
    path = tmp_path / "netwatch.db"
    books = begin(path)
    books.secure(make(1))
    books.close()
    for leftover in tmp_path.glob("netwatch.db*"):
        if not leftover.name.endswith("daybook"):
            leftover.unlink()
    begin(path, "boot-b").close()
    begin(path, "boot-c").close()
    assert Reader(path).read_counters() == {}


def test_a_figure_that_no_block_holds_does_not_stop_the_start(tmp_path: Path) -> None:
    """What the daybook has is entered without its raw rows when these cannot be packed."""
    path = tmp_path / "netwatch.db"
    books = begin(path)
    absurd = batch(
        60_000, span(0, 60_000), observations=[answered("box", 5, rtt_us=2**63)], sequence=1
    )
    assert books.secure(absurd)
    books.close()
    begin(path, "boot-b").close()
    assert len(Reader(path).read_spans(*ALWAYS, "link")) == 1


def test_batches_are_safe_at_once_and_in_the_database_by_and_by(tmp_path: Path) -> None:
    """Four batches wait in the daybook, the fifth takes all into the database; an urgent one too."""
    path = tmp_path / "netwatch.db"
    writer = Writer(path, clock=SystemClock(), set_aside=lambda: SET_ASIDE, commit_every=5)
    writer.begin_run(boot_id="boot-a", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor())
    for sequence in range(1, 5):
        writer.submit(make(sequence))
        assert writer.wait_safe(10_000)
    assert (writer.state.queued_batches, writer.state.unsafe_batches) == (4, 0)
    assert Reader(path).read_counters() == {}
    writer.submit(make(5))
    assert writer.wait_safe(10_000)
    assert Reader(path).read_counters() == {("probes", "box"): 60}
    writer.submit(make(6))
    writer.submit(make(7), urgent=True)
    assert writer.wait_safe(10_000)
    while writer.state.queued_batches:
        os.sched_yield()
    assert Reader(path).read_counters() == {("probes", "box"): 84}
    assert writer.close(monotonic_ms=500_000, anchor=anchor())


def test_without_a_daybook_the_database_takes_each_batch(tmp_path: Path) -> None:
    """Where the daybook cannot be made nothing waits."""
    path = tmp_path / "netwatch.db"
    (tmp_path / "netwatch.db-daybook").mkdir()
    writer = Writer(path, clock=SystemClock(), set_aside=lambda: SET_ASIDE, commit_every=5)
    with pytest.raises(StoreError, match="Is a directory"):
        writer.begin_run(boot_id="boot-a", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor())
    (tmp_path / "netwatch.db-daybook").rmdir()
    (tmp_path / "netwatch.db-daybook").symlink_to("/proc/self/mem-nothing")
    writer = Writer(path, clock=SystemClock(), set_aside=lambda: SET_ASIDE, commit_every=5)
    writer.begin_run(boot_id="boot-a", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor())
    writer.submit(make(1))
    assert writer.wait_safe(10_000)
    assert Reader(path).read_counters() == {("probes", "box"): 12}
    assert writer.close(monotonic_ms=500_000, anchor=anchor())
