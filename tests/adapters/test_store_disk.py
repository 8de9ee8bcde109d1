"""A disk that refuses, at the start and under way: nothing that was taken in is lost, and all is said."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.clock import SystemClock
from netwatch.errors import StoreError, StoreFailing
from netwatch.records import StoreFault
from netwatch.store.attempts import WriterState
from netwatch.store.backlog import Backlog
from netwatch.store.books import PROVISIONAL_RUN, REOPEN_AFTER
from netwatch.store.db import open_database
from netwatch.store.queries import Reader
from netwatch.store.writer import TOGETHER, Writer
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


def begin(writer: Writer) -> object:
    return writer.begin_run(
        boot_id="boot-a", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor()
    )


def end(writer: Writer) -> bool:
    return writer.close(monotonic_ms=10_000_000, anchor=anchor())


def minute(number: int, run_id: int = PROVISIONAL_RUN) -> object:
    """Batch ``number`` (from 1): one span that is extended, twelve observations, one count."""
    to_ms = number * 60_000
    return batch(
        to_ms,
        span(0, to_ms),
        run_id=run_id,
        observations=[answered("box", due) for due in range(to_ms - 60_000, to_ms, 5_000)],
        counters={("probes", "box"): 12},
        checks=[check()],
    )


def wait_for(condition: Callable[[], object], what: str) -> None:
    for _ in range(4_000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError(what)


def assert_holds(path: Path, minutes: int) -> None:
    """All of that many minutes, each observation and each millisecond once."""
    reader = Reader(path)
    assert reader.read_counters() == {("probes", "box"): 12 * minutes}
    observed = [each.due_ms for _, each in reader.read_observations(*ALWAYS)]
    assert len(observed) == len(set(observed)) == 12 * minutes
    (whole,) = reader.read_spans(*ALWAYS, "link")
    assert whole.duration_ms == minutes * 60_000


def fill(folder: Path) -> Path:
    """Take all the space that is left, to the last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return filler


@contextlib.contextmanager
def card(tmp_path: Path, *options: str, held_by: Path | None = None) -> Iterator[tuple[str, Path]]:
    """A loop device with an ext4 on it, mounted; its image lies in ``held_by``."""
    image, folder = (held_by or tmp_path) / "card", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, str(image)], check=True)
    attached = subprocess.run(
        ["losetup", "--show", "-f", str(image)], check=True, capture_output=True, text=True
    )
    device = attached.stdout.strip()
    try:
        subprocess.run(["mount", "-o", "errors=remount-ro", device, str(folder)], check=True)
        yield device, folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)
        subprocess.run(["losetup", "-d", device], check=True)


def test_a_disk_that_is_full_at_the_start_stops_nothing(tmp_path: Path) -> None:
    """Batches wait from the first one on; the books are begun and written once there is room."""
    states: list[WriterState] = []
    with small_disk(tmp_path / "disk", "2m") as disk:
        path = disk / "netwatch.db"
        filler = fill(disk)
        writer = build_writer(path, states)
        assert begin(writer) is None
        assert writer.state.fault is StoreFault.FULL
        assert "the disk is full" in (writer.state.reason or "")
        for number in range(1, 8):
            writer.submit(minute(number))
        assert not writer.flush(200)
        assert writer.state.queued_batches == 7
        assert writer.begun is None
        filler.unlink()
        assert writer.flush(20_000)
        assert writer.begun is not None
        assert (writer.begun.run_id, writer.begun.previous) == (1, None)
        assert_holds(path, 7)
        assert [state.ok for state in states] == [True]
        assert end(writer)


def test_books_on_a_full_disk_go_on_from_their_totals(tmp_path: Path) -> None:
    """The run before and the totals are told late, and the new run follows the old."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        path = disk / "netwatch.db"
        writer = build_writer(path)
        begin(writer)
        writer.submit(minute(1))
        assert end(writer)
        filler = fill(disk)
        writer = build_writer(path)
        begun = begin(writer)
        writer.submit(minute(1))
        filler.unlink()
        assert writer.flush(20_000)
        begun = writer.begun
        assert begun is not None
        assert (begun.run_id, begun.counters) == (2, {("probes", "box"): 12})
        assert begun.previous is not None
        assert begun.previous.clean
        assert Reader(path).read_counters() == {("probes", "box"): 24}
        assert end(writer)


def test_a_start_on_a_read_only_disk_stops_nothing(tmp_path: Path) -> None:
    """The reason is said with what to do; remounted, everything is entered."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        path = disk / "netwatch.db"
        writer = build_writer(path)
        begin(writer)
        assert end(writer)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        writer = build_writer(path)
        assert begin(writer) is None
        assert writer.state.fault is StoreFault.READ_ONLY
        assert writer.state.reason == (
            f"{path}: its file system is read-only (Read-only file system): look at `dmesg`, "
            "mount it read-write; a card that fails must be replaced"
        )
        for number in range(1, 4):
            writer.submit(minute(number))
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert writer.flush(20_000)
        assert writer.begun is not None
        assert writer.begun.run_id == 2
        assert_holds(path, 3)
        assert end(writer)


def test_damaged_books_on_a_full_disk_are_named_though_none_can_be_begun(tmp_path: Path) -> None:
    """The old file is set aside at once and told; the new one is begun when there is room."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        path = disk / "netwatch.db"
        path.write_bytes(b"no database at all " * 1_000)
        filler = fill(disk)
        writer = build_writer(path)
        assert begin(writer) is None
        reason = writer.state.reason or ""
        assert f"kept as netwatch.db.corrupt-{SET_ASIDE}" in reason
        assert "the disk is full" in reason
        writer.submit(minute(1))
        filler.unlink()
        assert writer.flush(20_000)
        assert_holds(path, 1)
        assert end(writer)


def test_a_run_that_never_could_be_entered_ends_in_time(tmp_path: Path) -> None:
    """The end does not wait for a disk that stays full, and says that not all was written."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        fill(disk)
        writer = build_writer(disk / "netwatch.db")
        assert begin(writer) is None
        writer.submit(minute(1))
        assert not end(writer)
        assert "store" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("number", "fault"),
    [(errno.ENOSPC, "full"), (errno.EROFS, "read_only"), (errno.EIO, "io_error")],
)
def test_rights_and_names_are_not_the_disks_fault(tmp_path: Path, number: int, fault: str) -> None:
    """What somebody must set right stops the start; what the disk refuses does not."""
    from netwatch.store.failures import explain_refusal

    refused = explain_refusal(tmp_path, OSError(number, os.strerror(number)), ("", ""))
    assert isinstance(refused, StoreFailing)
    assert refused.kind == fault
    with pytest.raises(StoreError) as caught:
        open_database(tmp_path, set_aside=lambda: SET_ASIDE)
    assert not isinstance(caught.value, StoreFailing)
    blocked = tmp_path / "a file"
    blocked.write_bytes(b"")
    with pytest.raises(StoreError) as caught:
        open_database(blocked / "netwatch.db", set_aside=lambda: SET_ASIDE)
    assert not isinstance(caught.value, StoreFailing)


def test_a_device_that_fails_to_write_costs_nothing(tmp_path: Path) -> None:
    """Real I/O errors of a block device: batches wait, and are entered once it writes again."""
    states: list[WriterState] = []
    with (
        small_disk(tmp_path / "below", "12m") as below,
        # Without a journal, which would end the file system for good; sparse: what lies
        # below has room for some of it only, and the device fails beyond that.
        card(tmp_path, "-O", "^has_journal", held_by=below) as (_, folder),
    ):
        path = folder / "netwatch.db"
        writer = build_writer(path, states)
        begin(writer)
        writer.submit(minute(1))
        assert writer.flush(10_000)
        filler = fill(below)
        for number in range(2, 300):
            writer.submit(minute(number))
        wait_for(lambda: not writer.state.ok, "the device never failed")
        assert writer.state.fault is StoreFault.IO_ERROR
        assert "look at `dmesg`" in (writer.state.reason or "")
        filler.unlink()
        assert writer.flush(30_000)
        assert_holds(path, 299)
        assert end(writer)
        assert [state.ok for state in states][:2] == [False, True]


def test_a_card_can_be_repaired_under_the_running_agent(tmp_path: Path) -> None:
    """After an error that makes ext4 read-only: taken out, checked, mounted again; nothing is lost."""
    with card(tmp_path) as (device, folder):
        path = folder / "netwatch.db"
        writer = build_writer(path)
        begin(writer)
        writer.submit(minute(1))
        assert writer.flush(10_000)
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("test")
        for number in range(2, 10):
            writer.submit(minute(number))
        wait_for(lambda: not writer.state.ok, "the card never failed")

        def unmounted() -> bool:
            done = subprocess.run(["umount", str(folder)], check=False, capture_output=True)
            return done.returncode == 0

        wait_for(unmounted, f"something still holds the disk after {REOPEN_AFTER} refusals")
        wait_for(
            # A flush does not wait for the next attempt's time.
            lambda: writer.flush(20) or "no longer mounted" in (writer.state.reason or ""),
            "the bare mount point was taken for the disk",
        )
        assert not path.exists()
        repaired = subprocess.run(
            ["fsck.ext4", "-y", device], check=False, capture_output=True, text=True
        )
        assert repaired.returncode in (0, 1), repaired.stdout
        subprocess.run(["mount", device, str(folder)], check=True)
        assert writer.flush(60_000)
        for number in range(10, 14):
            writer.submit(minute(number))
        assert writer.wait_safe(10_000)
        assert writer.flush(10_000)
        assert_holds(path, 13)
        assert end(writer)


def test_the_books_of_another_disk_are_not_mixed_with_ours(tmp_path: Path) -> None:
    """Mounted in our disk's place, they stay as they are; ours back, everything is entered."""
    path, ours = tmp_path / "netwatch.db", tmp_path / "ours"
    writer = build_writer(path)
    begin(writer)
    writer.submit(minute(1))
    assert writer.flush(10_000)
    ours.mkdir()
    for each in (*tmp_path.glob("netwatch.db*"),):
        each.rename(ours / each.name)
    other = build_writer(path)
    other.begin_run(boot_id="boot-b", pid=2, version="0.1.0", monotonic_ms=7, anchor=anchor())
    assert end(other)
    # Damage that shows: our own file was taken from under the connection and emptied.
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT * FROM run").fetchall()
    writer.call(lambda connection: connection.execute("PRAGMA query_only = 1").fetchall())
    writer.submit(minute(2))
    assert not writer.flush(100)
    wait_for(
        lambda: writer.flush(20) or "these are other books" in (writer.state.reason or ""),
        "they were taken for ours",
    )
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM run").fetchall() == before
    for each in (*tmp_path.glob("netwatch.db*"),):
        each.unlink()
    for each in ours.iterdir():
        each.rename(tmp_path / each.name)
    assert writer.flush(60_000)
    assert_holds(path, 2)
    assert end(writer)


def test_days_on_a_full_disk_stay_within_bounds(tmp_path: Path) -> None:
    """Three days that cannot be written cost a bounded number of batches and observations, no span."""
    minutes = 3 * 1_440
    with small_disk(tmp_path / "disk", "1m") as disk:
        filler = fill(disk)
        writer = Writer(
            disk / "netwatch.db",
            clock=SystemClock(trusted=True),
            set_aside=lambda: SET_ASIDE,
            backlog=Backlog(max_observations=300, max_batches=60),
            first_retry_ms=10,
        )
        assert begin(writer) is None
        for number in range(1, minutes + 1):
            writer.submit(minute(number))
        state = writer.state
        assert state.queued_observations <= 300
        assert state.queued_batches <= 60 + TOGETHER + 300 // 12
        assert (state.dropped_spans, state.dropped_observations > 0) == (0, True)
        filler.unlink()
        assert writer.flush(60_000)
        (whole,) = Reader(disk / "netwatch.db").read_spans(*ALWAYS, "link")
        assert whole.duration_ms == minutes * 60_000
        assert Reader(disk / "netwatch.db").read_counters() == {("probes", "box"): 12 * minutes}
        assert end(writer)


def test_a_writer_at_rest_or_refused_is_not_stuck_and_one_in_endless_work_is(
    tmp_path: Path,
) -> None:
    """What the watchdog asks: a full disk is no hang, work that never ends is one."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        writer = build_writer(disk / "netwatch.db")
        begin(writer)
        wait_for(lambda: not writer.is_stuck(-1), "a writer at rest was taken for stuck")
        filler = fill(disk)
        for number in range(1, 300):
            writer.submit(minute(number))
        wait_for(lambda: not writer.state.ok, "the disk never refused")
        assert not writer.is_stuck(10_000)
        filler.unlink()
        assert writer.flush(20_000)
        release = threading.Event()
        caller = threading.Thread(target=lambda: writer.call(lambda _: release.wait(30)))
        caller.start()
        wait_for(lambda: writer.is_stuck(5), "endless work was not noticed")
        release.set()
        caller.join()
        wait_for(lambda: not writer.is_stuck(1_000), "work that ended was not noticed")
        assert end(writer)
        assert not writer.is_stuck(0)
