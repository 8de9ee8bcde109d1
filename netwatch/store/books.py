"""The open database of one run with its daybook, and what is done when it stops obeying.

The law of this file: a refusal leaves the caller with the same batches to try again. After
some refusals the file is opened anew; one that is damaged is checked whole, set aside
if it is unsound, and the run goes on in a new one. For one thread; it knows no queue.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from netwatch.errors import StoreCorrupt, StoreError
from netwatch.records import Anchor, Run
from netwatch.store.batch import Batch
from netwatch.store.daybook import Daybook
from netwatch.store.db import make_file, open_database, set_database_aside
from netwatch.store.failures import explain_failure
from netwatch.store.journal import Journal
from netwatch.store.sole_writer import lock_books

T = TypeVar("T")

#: After so many refusals in a row the file is closed and opened anew.
REOPEN_AFTER = 5


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


class Books:
    """Made by the thread that uses it; every method raises StoreError when refused."""

    def __init__(self, path: Path, set_aside: Callable[[], str]) -> None:
        self._path = path
        self._set_aside = set_aside
        self._daybook_path = path.with_name(f"{path.name}-daybook")
        self._daybook = Daybook(self._daybook_path)
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._journal: Journal | None = None
        self._life: Life | None = None
        self._run_id = 0
        self._refusals = 0
        self._distrust = False
        self.notice: str | None = None

    def begin(self, life: Life) -> BegunRun:
        """Open the database, enter what the daybook still has, and the new run.

        Refused, with nothing touched, while another agent has these books.
        """
        make_file(self._path)
        self._lock = lock_books(self._path, self._daybook_path)
        journal = self._open()
        journal.recover(self._daybook.read())
        run_id, previous = journal.begin_run(
            life.boot_id, life.pid, life.version, life.monotonic_ms, life.anchor
        )
        self._life, self._run_id = life, run_id
        # Without a daybook every batch goes to the database at once: that is no failure.
        with contextlib.suppress(StoreError):
            self._daybook.begin()
        return BegunRun(
            run_id=run_id, previous=previous, counters=journal.read_counters(), notice=self.notice
        )

    def secure(self, batch: Batch) -> bool:
        """Write a batch into the daybook; False when it cannot take it."""
        try:
            return self._daybook.append(batch)
        except StoreError:
            return False

    def clear_daybook(self) -> None:
        """All that was secured is in the database."""
        self._daybook.clear()

    def append(self, batches: Sequence[Batch]) -> None:
        """Enter batches in one transaction; see `Journal.append_all`."""
        try:
            self._reopened().append_all(batches)
        except StoreCorrupt as error:
            self._recover(error)
            raise
        except StoreError:
            self._refusals += 1
            if self._refusals % REOPEN_AFTER == 0:
                self._close_database()
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
        """Close both files for good."""
        self._daybook.close()
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
                size += self._path.with_name(f"{self._path.name}-wal").stat().st_size
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
        journal = self._open()
        if self._life is not None:
            journal.resume_run(
                self._run_id,
                self._life.boot_id,
                self._life.pid,
                self._life.version,
                self._life.monotonic_ms,
            )
        return journal

    def _open(self) -> Journal:
        opened = open_database(self._path, set_aside=self._set_aside, distrust=self._distrust)
        self._connection = opened.connection
        self._journal = Journal(opened.connection)
        self.notice = opened.notice or self.notice
        return self._journal
