"""The open database of one run with its daybook, and what is done when it stops obeying.

The law of this file: a refusal leaves the caller with the same batches to try again. After
some refusals every file is let go and opened anew, so that a disk can be taken out and
mounted again under the agent; one that is damaged is checked whole, set aside if it is
unsound, and the run goes on in a new one. For one thread; it knows no queue.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from netwatch.errors import StoreCorrupt, StoreError, StoreFailing
from netwatch.records import Anchor, Run, StoreFault
from netwatch.store.batch import Batch
from netwatch.store.daybook import Daybook
from netwatch.store.db import make_file, open_database, set_database_aside
from netwatch.store.failures import explain_failure
from netwatch.store.journal import Journal
from netwatch.store.lives import Told
from netwatch.store.sole_writer import lock_books

T = TypeVar("T")

#: After so many refusals in a row the file is closed and opened anew.
REOPEN_AFTER = 5
#: A daybook that could not be had is tried for again after so many commits.
DAYBOOK_AGAIN_AFTER = 12
#: The run of batches made before the books could be opened; they get its number then.
PROVISIONAL_RUN = 0


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What is entered at the beginning of a run."""

    boot_id: str
    pid: int
    version: str
    monotonic_ms: int
    anchor: Anchor | None


class BegunRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the beginning of a run found."""

    run_id: int
    previous: Run | None  # the run before, and whether it took its leave
    counters: dict[tuple[str, str], int]
    notice: str | None  # a file that had to be set aside
    told: Told = Told()


def read_device(path: Path) -> int | None:
    """Which file system a file is on; None where it cannot be asked."""
    try:
        return path.stat().st_dev
    except OSError:
        return None


class Books:
    """Made by the thread that uses it; every method raises StoreError when refused."""

    def __init__(self, path: Path, set_aside: Callable[[], str]) -> None:
        self._path = path
        self._set_aside = set_aside
        self._daybook_path = path.with_name(f"{path.name}-daybook")
        # Made once: each making of a path enters its names in the interpreter's table.
        self._log_path = path.with_name(f"{path.name}-wal")
        self._daybook = Daybook(self._daybook_path)
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._journal: Journal | None = None
        self._life: Life | None = None
        self._run_id = PROVISIONAL_RUN
        self._device: int | None = None  # the file system that the books were begun on
        self._commits_without_daybook = 0
        self._refusals = 0
        self._distrust = False
        self.notice: str | None = None
        #: What the beginning found; None until the disk has let it happen.
        self.begun: BegunRun | None = None

    def begin(self, life: Life) -> BegunRun:
        """Open the database, enter what the daybook still has, and the new run.

        Refused, with nothing touched, while another agent has these books. After a
        StoreFailing, every later use tries again with the same ``life``.
        """
        self._life = life
        try:
            return self._begin(life)
        except StoreError:
            self.close()
            raise

    def _begin(self, life: Life) -> BegunRun:
        make_file(self._path)
        self._lock = lock_books(self._path, self._daybook_path)
        journal = self._open()
        journal.recover(self._daybook.read())
        self._run_id, previous = journal.begin_run(
            life.boot_id, life.pid, life.version, life.monotonic_ms, life.anchor
        )
        self._device = read_device(self._path)
        # Without a daybook every batch goes to the database at once: that is no failure.
        with contextlib.suppress(StoreError):
            self._daybook.begin()
        self.begun = BegunRun(
            run_id=self._run_id,
            previous=previous,
            counters=journal.read_counters(),
            notice=self.notice,
            told=journal.read_told(self._run_id),
        )
        return self.begun

    def secure(self, batch: Batch) -> bool:
        """Write a batch into the daybook; False when it cannot take it."""
        if self.begun is None:
            return False
        try:
            return self._daybook.append(self._number(batch))
        except StoreError:
            return False

    def clear_daybook(self) -> None:
        """All that was secured is in the database. One that was let go is had again."""
        self._daybook.clear()
        if self._daybook.is_open:
            return
        self._commits_without_daybook += 1
        if self._commits_without_daybook % DAYBOOK_AGAIN_AFTER == 1:
            with contextlib.suppress(StoreError):
                self._daybook.begin()

    def append(self, batches: Sequence[Batch]) -> None:
        """Enter batches in one transaction; see `Journal.append_all`."""
        try:
            journal = self._reopened()
            journal.append_all([self._number(batch) for batch in batches])
        except StoreCorrupt as error:
            self._recover(error)
            raise
        except StoreError:
            self._refusals += 1
            if self._refusals % REOPEN_AFTER == 0:
                self.close()
            raise
        self._refusals = 0
        self._distrust = False

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something else with the connection; a transaction left open is taken back."""
        self._reopened()
        connection = self._connection
        assert connection is not None
        try:
            return work(connection)
        except sqlite3.Error as error:
            raise explain_failure(self._path, error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def leave(self, monotonic_ms: int, anchor: Anchor | None) -> None:
        """Enter that the run has ended of its own will."""
        self._reopened().end_run(self._run_id, monotonic_ms, anchor)

    def close(self) -> None:
        """Close every file, so that nothing here holds the disk; the next use opens them."""
        self._daybook.close()
        self._commits_without_daybook = 0
        self._close_database()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _close_database(self) -> None:
        """The next use opens it again."""
        connection, self._connection, self._journal = self._connection, None, None
        if connection is not None:
            # What is committed is safe, and a device that fails must not stop us here.
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def read_store_bytes(self) -> int | None:
        """Size of the database and its log; None where it cannot be had."""
        try:
            size = self._path.stat().st_size
            with contextlib.suppress(FileNotFoundError):
                size += self._log_path.stat().st_size
        except OSError:
            return None
        return size

    def _recover(self, error: StoreCorrupt) -> None:
        """First look at the whole file; if it seems sound and fails again, believe the failure."""
        self._close_database()
        if self._distrust:
            kept = set_database_aside(self._path, self._set_aside())
            self.notice = f"{error}; it is kept as {kept.name}, and a new one was begun"
        self._distrust = not self._distrust

    def _reopened(self) -> Journal:
        if self._journal is not None:
            return self._journal
        if self._life is not None and self.begun is None:
            self.begin(self._life)
            assert self._journal is not None
            return self._journal
        self._refuse_bare_mount_point()
        if self._lock is None:
            self._lock = lock_books(self._path, self._daybook_path)
        journal = self._open()
        if self._life is not None:
            try:
                journal.resume_run(
                    self._run_id,
                    self._life.boot_id,
                    self._life.pid,
                    self._life.version,
                    self._life.monotonic_ms,
                )
            except StoreError:
                self._close_database()  # nothing may be written before the run is known there
                raise
        return journal

    def _refuse_bare_mount_point(self) -> None:
        """New books in the folder below a disk that was taken out would be lost to sight."""
        device = read_device(self._path.parent)
        if None in (device, self._device) or device == self._device or self._path.exists():
            return
        raise StoreFailing(
            f"{self._path}: the file system that it was on is no longer mounted there: mount it",
            StoreFault.IO_ERROR,
        )

    def _number(self, batch: Batch) -> Batch:
        if batch.run_id != PROVISIONAL_RUN:
            return batch
        return msgspec.structs.replace(batch, run_id=self._run_id)

    def _open(self) -> Journal:
        opened = open_database(self._path, set_aside=self._set_aside, distrust=self._distrust)
        self._connection = opened.connection
        self._journal = Journal(opened.connection)
        self.notice = opened.notice or self.notice
        return self._journal
