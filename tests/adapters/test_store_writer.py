"""The writer: nothing that was submitted is lost while the process lives, whatever the disk does."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from netwatch.clock import SystemClock
from netwatch.errors import StoreError
from netwatch.store.attempts import WriterState
from netwatch.store.backlog import Backlog
from netwatch.store.books import BegunRun
from netwatch.store.db import PAGE_BYTES
from netwatch.store.queries import Reader
from netwatch.store.retention import prune
from netwatch.store.writer import Writer
from tests.adapters.store_samples import (
    OFFSET_MS,
    SET_ASIDE,
    anchor,
    answered,
    batch,
    build_writer,
    check,
    small_disk,
    span,
)

ALWAYS = (OFFSET_MS - 86_400_000, OFFSET_MS + 864_000_000)


@contextmanager
def writing(
    path: Path, states: list[WriterState] | None = None, backlog: Backlog | None = None
) -> Iterator[tuple[Writer, BegunRun]]:
    """A writer with its run begun; ended at the end."""
    writer = build_writer(path, states, backlog)
    begun = writer.begin_run(
        boot_id="boot-a", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor()
    )
    try:
        yield writer, begun
    finally:
        writer.close(monotonic_ms=10_000_000, anchor=anchor())


def minute(number: int, run_id: int = 1) -> object:
    """Batch ``number`` (from 1): one span that is extended, twelve observations, one count."""
    end = number * 60_000
    return batch(
        end,
        span(0, end),
        run_id=run_id,
        observations=[answered("box", due) for due in range(end - 60_000, end, 5_000)],
        counters={("probes", "box"): 12},
        checks=[check()],
    )


def await_refusal(writer: Writer) -> WriterState:
    """The state once writing has begun to fail."""
    for _ in range(2_000):
        if not writer.state.ok:
            return writer.state
        threading.Event().wait(0.005)
    raise AssertionError("the disk never refused")


def fill(folder: Path) -> Path:
    """Take all the space that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return filler


def test_what_is_submitted_is_written(tmp_path: Path) -> None:
    """Batches are in the books after a flush, and the run has taken its leave after the close."""
    path = tmp_path / "netwatch.db"
    with writing(path) as (writer, begun):
        assert (begun.run_id, begun.previous, begun.counters) == (1, None, {})
        assert begun.notice is None
        for number in range(1, 6):
            writer.submit(minute(number))
        assert writer.flush(10_000)
        assert len(list(Reader(path).read_observations(*ALWAYS))) == 60
        assert (writer.state.ok, writer.state.queued_batches) == (True, 0)
    assert [run.clean for run in Reader(path).read_runs(*ALWAYS)] == [True]


def test_totals_go_on_after_a_restart(tmp_path: Path) -> None:
    """A second run finds the first one and its totals, and adds to them."""
    path = tmp_path / "netwatch.db"
    with writing(path) as (writer, _):
        writer.submit(minute(1))
    with writing(path) as (writer, begun):
        assert begun.run_id == 2
        assert begun.previous is not None
        assert begun.previous.clean
        assert begun.counters == {("probes", "box"): 12}
        writer.submit(minute(1, run_id=2))
        assert writer.flush(10_000)
        assert Reader(path).read_counters() == {("probes", "box"): 24}


def test_a_start_that_cannot_open_says_why_and_ends(tmp_path: Path) -> None:
    """The refusal reaches the caller, no thread stays behind, and later calls say so."""
    writer = Writer(tmp_path, clock=SystemClock(), set_aside=lambda: SET_ASIDE)
    with pytest.raises(StoreError, match="it cannot be opened or created"):
        writer.begin_run(boot_id="b", pid=1, version="0.1.0", monotonic_ms=0, anchor=None)
    assert "store" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(StoreError, match="the writer has ended"):
        writer.call(lambda _: None)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """While the disk is full batches wait in memory and the state says why; then all is written once."""
    states: list[WriterState] = []
    with small_disk(tmp_path / "disk", "2m") as disk:
        path = disk / "netwatch.db"
        with writing(path, states) as (writer, _):
            writer.submit(minute(1))
            assert writer.flush(10_000)
            filler = fill(disk)
            for number in range(2, 400):
                writer.submit(minute(number))
            refused = await_refusal(writer)
            assert refused.reason is not None
            assert refused.queued_batches > 0
            assert "disk is full" in refused.reason
            assert Reader(path).read_counters()[("probes", "box")] < 12 * 399
            filler.unlink()
            assert writer.flush(20_000)
            assert Reader(path).read_counters() == {("probes", "box"): 12 * 399}
            assert len(list(Reader(path).read_observations(*ALWAYS))) == 12 * 399
            assert writer.state.dropped_observations == 0
        assert [state.ok for state in states][:2] == [False, True]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_stays_full_drops_raw_rows_first(tmp_path: Path) -> None:
    """Beyond the bound the oldest raw observations go and are counted; spans and totals stay."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        path = disk / "netwatch.db"
        backlog = Backlog(max_observations=100, max_batches=10)
        with writing(path, backlog=backlog) as (writer, _):
            filler = fill(disk)
            for number in range(1, 400):
                writer.submit(minute(number))
            await_refusal(writer)
            state = writer.state
            assert state.queued_observations <= 100
            filler.unlink()
            assert writer.flush(20_000)
            assert writer.state.dropped_observations > 0
            kept = len(list(Reader(path).read_observations(*ALWAYS)))
            assert kept + writer.state.dropped_observations == 12 * 399
            assert Reader(path).read_counters() == {("probes", "box"): 12 * 399}
            (whole,) = Reader(path).read_spans(*ALWAYS, "link")
            assert whole.duration_ms == 399 * 60_000


def test_a_card_that_goes_read_only_is_said_and_costs_nothing_committed(tmp_path: Path) -> None:
    """After an I/O error of the device the agent lives, says so, and what was committed is sound."""
    image, folder = tmp_path / "card", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    made = subprocess.run(
        ["losetup", "--show", "-f", str(image)], check=True, capture_output=True, text=True
    )
    device = made.stdout.strip()
    try:
        subprocess.run(["mount", "-o", "errors=remount-ro", device, str(folder)], check=True)
        path = folder / "netwatch.db"
        writer = Writer(path, clock=SystemClock(), set_aside=lambda: SET_ASIDE, first_retry_ms=10)
        writer.begin_run(boot_id="b", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor())
        writer.submit(minute(1))
        assert writer.flush(10_000)
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("test")
        writer.submit(minute(2))
        state = await_refusal(writer)
        assert state.reason is not None
        assert "look at `dmesg`" in state.reason or "read-only" in state.reason
        assert not writer.close(monotonic_ms=130_000, anchor=anchor())
        subprocess.run(["umount", str(folder)], check=True)
        subprocess.run(["fsck.ext4", "-y", str(device)], check=False, capture_output=True)
        subprocess.run(["mount", device, str(folder)], check=True)
        with writing(path) as (_, begun):
            assert begun.previous is not None
            assert begun.previous.ended_ms == OFFSET_MS + 60_000
            assert not begun.previous.clean
            assert begun.counters == {("probes", "box"): 12}
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)
        subprocess.run(["losetup", "-d", device], check=True)


def test_a_file_that_is_damaged_under_way_is_replaced(tmp_path: Path) -> None:
    """Damage found while running sets the file aside, and the run goes on in a new one."""
    path = tmp_path / "netwatch.db"
    with writing(path) as (writer, _):
        for number in range(1, 40):
            writer.submit(minute(number))
        assert writer.flush(10_000)
        writer.call(
            lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        )
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(PAGE_BYTES)
            file.write(os.urandom(size - PAGE_BYTES))
        # A change by another connection has the writer's read its pages again.
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA user_version = 5")
        writer.call(lambda connection: connection.execute("PRAGMA shrink_memory").fetchall())
        for number in range(40, 60):
            writer.submit(minute(number))
        assert writer.flush(20_000)
        state = writer.state
        assert state.notice is not None
        assert f"netwatch.db.corrupt-{SET_ASIDE}" in state.notice
        assert (tmp_path / f"netwatch.db.corrupt-{SET_ASIDE}").exists()
        (whole,) = Reader(path).read_spans(*ALWAYS, "link")
        assert whole.duration_ms == 59 * 60_000
        assert Reader(path).read_counters() == {("probes", "box"): 12 * 20}


def test_an_observation_that_no_block_holds_does_not_stop_the_ledger(tmp_path: Path) -> None:
    """A probe's absurd figure costs its batch the raw rows, counted, and nothing else."""
    path = tmp_path / "netwatch.db"
    with writing(path) as (writer, _):
        absurd = batch(
            60_000,
            span(0, 60_000),
            observations=[answered("box", 5_000, rtt_us=2**63)],
            counters={("probes", "box"): 1},
        )
        writer.submit(absurd)
        assert writer.flush(10_000)
        assert writer.state.dropped_observations == 1
        assert len(Reader(path).read_spans(*ALWAYS, "link")) == 1
        assert Reader(path).read_counters() == {("probes", "box"): 1}


def test_other_work_is_done_between_batches(tmp_path: Path) -> None:
    """A caller gets the result of its own work on the connection, or its refusal."""
    path = tmp_path / "netwatch.db"
    with writing(path) as (writer, _):
        writer.submit(minute(1))
        assert writer.call(lambda c: prune(c, OFFSET_MS, 1_000, 10**9)).finished
        with pytest.raises(StoreError, match="no such table"):
            writer.call(lambda c: c.execute("SELECT * FROM nowhere"))
        with pytest.raises(ZeroDivisionError):
            writer.call(lambda c: c.execute("BEGIN").rowcount // 0)
        writer.submit(minute(2))
        assert writer.flush(10_000)


def test_readers_do_not_hold_up_the_writer(tmp_path: Path) -> None:
    """A reading that is left standing half-way blocks no commit, and ends with what it began."""
    path = tmp_path / "netwatch.db"
    with writing(path) as (writer, _):
        for number in range(1, 200):
            writer.submit(minute(number))
        assert writer.flush(10_000)
        reading = Reader(path).read_observations(*ALWAYS)
        next(reading)
        for number in range(200, 300):
            writer.submit(minute(number))
        assert writer.flush(10_000)
        reading.close()  # type: ignore[attr-defined] # it is a generator
        assert Reader(path).read_counters() == {("probes", "box"): 12 * 299}


def test_the_state_has_sizes(tmp_path: Path) -> None:
    """Bytes written and bytes held are known after a commit."""
    path = tmp_path / "netwatch.db"
    with writing(path) as (writer, _):
        writer.submit(minute(1))
        assert writer.flush(10_000)
        writer.call(lambda _: None)
        writer.call(lambda _: None)  # measured after each piece of work
        state = writer.state
    assert state.store_bytes is not None
    assert state.store_bytes > PAGE_BYTES
    assert state.written_bytes_today is not None
