"""Files as a power cut leaves them: torn and garbled anywhere, taken from a writer in mid-work."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwatch.core.packing import unpack_minute
from netwatch.errors import StoreError
from netwatch.store.books import BegunRun, Books, Life
from netwatch.store.daybook import BLOCK_BYTES, Daybook
from netwatch.store.db import PAGE_BYTES
from netwatch.store.queries import Reader
from tests.adapters.store_samples import SET_ASIDE

NAMES = ("netwatch.db", "netwatch.db-wal", "netwatch.db-daybook")
SEED = 20261124


@contextlib.contextmanager
def working_writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that writes batches of fifty observations as fast as it goes."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.store_victim", str(path), "secure"],
        stdout=subprocess.PIPE,
        text=True,
    ) as victim:
        assert victim.stdout is not None
        victim.stdout.readline()
        drain = threading.Thread(target=victim.stdout.read)
        drain.start()
        try:
            yield victim
        finally:
            victim.kill()
            drain.join()


def take_images(tmp_path: Path, count: int, seed: int) -> list[Path]:
    """Copies of a writer's files at random instants, the writer held still while it is copied."""
    live = tmp_path / "live"
    live.mkdir()
    images, chance = [], random.Random(seed)
    with working_writer(live / "netwatch.db") as victim:
        for number in range(count):
            threading.Event().wait(chance.uniform(0.01, 0.15))
            victim.send_signal(signal.SIGSTOP)
            image = tmp_path / f"image-{number}"
            image.mkdir()
            for name in NAMES:
                shutil.copy(live / name, image / name)
            victim.send_signal(signal.SIGCONT)
            images.append(image)
    return images


def begin(path: Path) -> BegunRun:
    """What the next start does with these files; ended again without a leave."""
    books = Books(path, lambda: SET_ASIDE)
    try:
        return books.begin(Life(boot_id="z", pid=1, version="0", monotonic_ms=0, anchor=None))
    finally:
        books.close()


def begin_or_refuse(path: Path) -> BegunRun | None:
    """None where garbage in its header made it another program's or a later version's file."""
    try:
        return begin(path)
    except StoreError:
        return None


def read_sequence(path: Path) -> int:
    """The last batch of the writer's run in a sound database."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT last_sequence FROM run WHERE id = 1").fetchone()
    return 0 if row is None else int(row[0])


def assert_holds(path: Path, batches: int) -> None:
    """Sound, and so many whole batches in it, each observation once."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        blocks = connection.execute("SELECT block FROM observation_minute").fetchall()
        counters = dict(connection.execute("SELECT name, value FROM counter").fetchall())
    due = [each.due_ms for (block,) in blocks for each in unpack_minute(block, {1: "box"})]
    assert len(due) == len(set(due)) == 50 * batches
    assert counters.get("batches", 0) == batches


def test_a_torn_log_costs_what_was_torn_off_and_the_daybook_gives_back_what_it_has(
    tmp_path: Path,
) -> None:
    """Cut or garbled from any offset: what lies before it and every sound record of the daybook is in."""
    chance = random.Random(SEED)
    given_back = 0
    for image in take_images(tmp_path, 30, SEED):
        path, log = image / "netwatch.db", image / "netwatch.db-wal"
        content = log.read_bytes()
        if len(content) > 60_000:  # the run's own beginning is in the first pages of all
            at = chance.randrange(max(60_000, len(content) - 60_000), len(content))
            garbage = chance.randbytes(chance.choice((0, 10, len(content) - at)))
            log.write_bytes(content[:at] + garbage)
        alone = image / "alone"
        alone.mkdir()
        for name in NAMES[:2]:
            shutil.copy(image / name, alone / name)
        kept = read_sequence(alone / "netwatch.db")
        safe = {batch.sequence for batch in Daybook(image / NAMES[2]).read()}
        missing = sum(1 for sequence in safe if sequence is not None and sequence > kept)
        begun = begin(path)
        assert begun.notice is None
        assert_holds(path, kept + missing)
        given_back += missing
    assert given_back > 0


def test_a_torn_daybook_costs_the_records_that_were_torn(tmp_path: Path) -> None:
    """Garbage over any part of it: the database loses nothing, and every other record is entered."""
    chance = random.Random(SEED + 1)
    spared = 0
    for image in take_images(tmp_path, 30, SEED + 1):
        path, daybook = image / "netwatch.db", image / NAMES[2]
        content = bytearray(daybook.read_bytes())
        at = chance.randrange(6 * BLOCK_BYTES)
        length = chance.choice((1, 100, 2 * BLOCK_BYTES))
        content[at : at + length] = chance.randbytes(length)
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        daybook.write_bytes(content)
        kept = read_sequence(path)
        safe = {batch.sequence for batch in Daybook(daybook).read()}
        missing = sum(1 for sequence in safe if sequence is not None and sequence > kept)
        assert begin(path).notice is None
        assert_holds(path, kept + missing)
        spared += missing
    assert spared > 0


def test_a_garbled_database_never_stops_a_start_and_is_kept_when_it_is_set_aside(
    tmp_path: Path,
) -> None:
    """Any pages overwritten: begun anew with the old file kept byte for byte and named, or sound enough."""
    chance = random.Random(SEED + 2)
    set_aside = 0
    for image in take_images(tmp_path, 30, SEED + 2):
        path = image / "netwatch.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        content = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(content))
            length = chance.choice((1, 64, PAGE_BYTES, 4 * PAGE_BYTES))
            content[at : at + length] = chance.randbytes(min(length, len(content) - at))
        path.write_bytes(content)
        begun = begin_or_refuse(path)
        if begun is None:
            continue
        kept = path.with_name(f"netwatch.db.corrupt-{SET_ASIDE}")
        assert (begun.notice is not None) == kept.exists()
        if begun.notice is not None:
            set_aside += 1
            assert kept.name in begun.notice
            assert kept.stat().st_size == len(content)
        with contextlib.suppress(StoreError):
            Reader(path).read_counters()
            Reader(path).read_runs(0, 4_000_000_000_000)
    assert set_aside > 10


def test_a_file_that_is_no_file_is_said(tmp_path: Path) -> None:
    """What no retry mends stops the start with one sentence."""
    (tmp_path / "netwatch.db").mkdir()
    with pytest.raises(StoreError, match="let the agent's user write there"):
        begin(tmp_path / "netwatch.db")
