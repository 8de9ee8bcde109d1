"""The one thread that owns the database.

The law of this file: a batch that was taken in is written, however long the disk
refuses, up to the bound of the backlog; the caller never waits for the disk. Batches
are entered in the order they came. It must not know what the batches say.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from netwatch.errors import StoreError, StoreFailing
from netwatch.records import Anchor
from netwatch.store.attempts import FIRST_RETRY_MS, Attempts, WriterState
from netwatch.store.backlog import Backlog
from netwatch.store.batch import Batch
from netwatch.store.books import BegunRun, Books, Life
from netwatch.store.jobs import Job
from netwatch.store.meter import StoreClock, StoreMeter

T = TypeVar("T")

#: So many batches wait in the daybook before the database is written: an urgent one, a
#: flush and the end do not wait. Chosen by measurement: docs/decisions/0004-store.md.
COMMIT_EVERY = 5
#: So many batches at most in one transaction when a backlog is written.
TOGETHER = 30


class Writer:
    """Takes batches, and enters them from its own thread.

    ``set_aside`` gives the text for the name of a file that is found corrupt
    (`open_database`); ``on_state`` is called by the writer's thread whenever writing
    begins to fail or to work again, and must not block.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: StoreClock,
        set_aside: Callable[[], str],
        on_state: Callable[[WriterState], None] | None = None,
        backlog: Backlog | None = None,
        first_retry_ms: int = FIRST_RETRY_MS,
        commit_every: int = COMMIT_EVERY,
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._set_aside = set_aside
        self._on_state = on_state
        self._commit_every = commit_every
        self._thread: threading.Thread | None = None
        # All that follows is shared with the thread, under the lock.
        self._changed = threading.Condition()
        self._backlog = Backlog() if backlog is None else backlog
        self._jobs: deque[Job[Any]] = deque()
        self._sequence = 0
        self._urgent = False
        self._daybook_full = False
        self._secured: set[int] = set()  # sequences that the daybook has
        self._entered: tuple[Batch, ...] = ()
        self._closing: tuple[int, Anchor | None] | None = None
        self._ended = False
        self._attempts = Attempts(clock.monotonic_ms(), first_retry_ms)
        self._begun: BegunRun | None = None
        self._busy_since_ms: int | None = None  # the thread is at a piece of work since then
        self._notice: str | None = None
        self._written_bytes: int | None = None
        self._device_written_bytes: int | None = None
        self._store_bytes: int | None = None

    def begin_run(
        self, *, boot_id: str, pid: int, version: str, monotonic_ms: int, anchor: Anchor | None
    ) -> BegunRun | None:
        """Start the thread, open the database and enter the run.

        None where the disk refuses for now (`StoreFailing`): batches are taken in, numbered
        `PROVISIONAL_RUN`, the state says why, and `begun` tells once the run is entered.
        Raises StoreError (StoreTooNew) where the books cannot be opened: the start stops.
        """
        life = Life(
            boot_id=boot_id, pid=pid, version=version, monotonic_ms=monotonic_ms, anchor=anchor
        )
        job = self._post(lambda books: self._begin(books, life))
        self._thread = threading.Thread(target=self._main, name="store", daemon=True)
        self._thread.start()
        job.wait(None)
        begun = False
        try:
            answer = job.answer()
            begun = True
        finally:
            if not begun:
                with self._changed:
                    self._ended = True
                    self._changed.notify_all()
                self._thread.join()
        return answer

    def submit(self, batch: Batch, *, urgent: bool = False) -> None:
        """Take a batch over; returns at once.

        It is made safe on the disk at once, in the daybook, and reaches the database with
        others, `COMMIT_EVERY` together; an ``urgent`` one takes all into the database at
        once, and cuts short the wait for the next attempt while the disk refuses.
        """
        with self._changed:
            self._sequence += 1
            self._backlog.add(msgspec.structs.replace(batch, sequence=self._sequence))
            self._urgent = self._urgent or urgent
            self._changed.notify_all()

    def flush(self, timeout_ms: int) -> bool:
        """Have all that was submitted in the database, where readers see it; False if it is not by then."""
        with self._changed:
            self._urgent = len(self._backlog) > 0
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._ended or len(self._backlog) == 0, timeout_ms / 1000
            )
            return len(self._backlog) == 0

    def wait_safe(self, timeout_ms: int) -> bool:
        """Wait until all that was submitted would outlive a power cut; False if it would not."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._unsafe(), timeout_ms / 1000)
            return not self._unsafe()

    def call(self, work: Callable[[sqlite3.Connection], T], timeout_ms: int = 30_000) -> T:
        """Do something else with the connection, between two batches, and wait for it.

        ``work`` makes its own transactions, and short ones: batches wait meanwhile.
        Raises what it raises, sqlite3.Error as StoreError; StoreError when the database
        cannot be had or the time is over (the work may still be done later).
        """
        job = self._post(lambda books: books.use(work))
        if not job.wait(timeout_ms / 1000):
            raise StoreError(f"{self._path}: the writer was not done within {timeout_ms} ms")
        return job.answer()

    def close(self, *, monotonic_ms: int, anchor: Anchor | None, timeout_ms: int = 10_000) -> bool:
        """Write what is left, enter the leave, close; False if not all of it could be written."""
        with self._changed:
            self._closing = (monotonic_ms, anchor)
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_ms / 1000)
        with self._changed:
            return self._ended and self._attempts.reason is None and len(self._backlog) == 0

    def pending(self) -> tuple[Batch, ...]:
        """What would outlive a power cut and is not in the database yet, oldest first."""
        with self._changed:
            return self._backlog.list_held(self._secured)

    def entered(self) -> tuple[Batch, ...]:
        """The newest batch that is in the database, bare of what it brought; none before the first."""
        with self._changed:
            return self._entered

    @property
    def begun(self) -> BegunRun | None:
        """What the beginning of the run found; None until the disk has let it happen."""
        with self._changed:
            return self._begun

    def is_stuck(self, after_ms: int) -> bool:
        """Whether the thread has ended by itself, or been at one piece of work for so long.

        A disk that refuses is no such thing: each refusal ends the work, and is told.
        """
        with self._changed:
            if self._ended:
                return self._closing is None
            since_ms = self._busy_since_ms
        return since_ms is not None and self._clock.monotonic_ms() - since_ms > after_ms

    @property
    def state(self) -> WriterState:
        with self._changed:
            return WriterState(
                ok=self._attempts.reason is None,
                reason=self._attempts.reason,
                since_mono_ms=self._attempts.since_ms,
                queued_batches=len(self._backlog),
                unsafe_batches=self._unsafe(),
                queued_observations=self._backlog.observations,
                dropped_observations=self._backlog.dropped_observations,
                dropped_spans=self._backlog.dropped_spans,
                written_bytes_today=self._written_bytes,
                store_bytes=self._store_bytes,
                notice=self._notice,
                fault=self._attempts.fault,
                device_written_bytes_today=self._device_written_bytes,
            )

    def _unsafe(self) -> int:
        return sum(sequence not in self._secured for sequence in self._backlog.sequences())

    def _post(self, work: Callable[[Books], T]) -> Job[T]:
        job = Job(work)
        with self._changed:
            if self._ended:
                raise StoreError(f"{self._path}: the writer has ended")
            self._jobs.append(job)
            self._changed.notify_all()
        return job

    # What follows runs in the writer's thread.

    def _begin(self, books: Books, life: Life) -> BegunRun | None:
        """At the start: a disk that refuses for now stops nothing."""
        try:
            begun = books.begin(life)
        except StoreFailing as error:
            self._note(error)
            return None
        with self._changed:
            self._begun = begun
        return begun

    def _main(self) -> None:
        books = Books(self._path, self._set_aside)
        try:
            meter = StoreMeter(self._clock, self._path)
            while self._do_next(books, meter):
                pass
        finally:
            books.close()
            with self._changed:
                self._ended = True
                ended = StoreError(f"{self._path}: the writer has ended")
                if self._closing is None and self._attempts.reason is None:
                    self._attempts.note(ended, self._clock.monotonic_ms())
                for job in self._jobs:
                    job.refuse(ended)
                self._changed.notify_all()

    def _do_next(self, books: Books, meter: StoreMeter) -> bool:
        """Wait for something to do and do it; False at the end."""
        job: Job[Any] | None = None
        batches: tuple[Batch, ...] = ()
        new: Batch | None = None
        with self._changed:
            self._busy_since_ms = None
            while not (self._jobs or self._is_due() or self._find_new() or self._is_over()):
                self._changed.wait(self._wait_s())
            self._busy_since_ms = self._clock.monotonic_ms()
            if self._jobs:
                job = self._jobs.popleft()
            elif self._is_due():
                batches = self._backlog.take(TOGETHER)
            else:
                new = self._find_new()
            closing = self._closing
        if job is not None:
            job.do(books)
            self._measure(books, meter)
        elif batches:
            # At the end everything is tried once more, not again and again.
            if not self._write(books, meter, batches) and closing is not None:
                self._attempt(lambda: books.leave(*closing))
                return False
        elif new is not None:
            self._secure(books, new)
            self._measure(books, meter)
        else:
            if closing is not None:
                self._attempt(lambda: books.leave(*closing))
            return False
        return True

    def _is_due(self) -> bool:
        """Whether the database is to be written."""
        if not len(self._backlog):
            return False
        if self._urgent or self._closing is not None:
            return True
        if self._attempts.refusals:
            return self._clock.monotonic_ms() >= self._attempts.retry_at_ms
        return self._daybook_full or len(self._backlog) >= self._commit_every

    def _find_new(self) -> Batch | None:
        """What the daybook has not been given yet."""
        return None if self._daybook_full else self._backlog.next_new()

    def _secure(self, books: Books, new: Batch) -> None:
        secured = books.secure(new)
        with self._changed:
            if secured and new.sequence is not None:
                self._backlog.mark_handed_out()
                self._secured.add(new.sequence)
            else:
                self._daybook_full = True
            self._changed.notify_all()

    def _is_over(self) -> bool:
        return self._ended or (self._closing is not None and not len(self._backlog))

    def _wait_s(self) -> float | None:
        if not len(self._backlog) or not self._attempts.refusals:
            return None
        return max(self._attempts.retry_at_ms - self._clock.monotonic_ms(), 1) / 1000

    def _write(self, books: Books, meter: StoreMeter, batches: tuple[Batch, ...]) -> bool:
        try:
            written = self._attempt(lambda: books.append(batches))
        except ValueError:
            # An integer that no block holds: a defect of a probe must not stop the ledger.
            with self._changed:
                self._backlog.strip_oldest(len(batches))
            return True
        if written:
            self._measure(books, meter)  # before anyone who waits for this hears of it
            with self._changed:
                self._backlog.settle(len(batches))
                self._entered = (msgspec.structs.replace(batches[-1], spans=(), observations=()),)
                done = not len(self._backlog)
                if done:
                    self._secured.clear()
                    self._daybook_full = self._urgent = False
                self._changed.notify_all()
            if done:
                books.clear_daybook()
        return written

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Try it, keep the state, and say when it has changed."""
        refused: StoreError | None = None
        try:
            work()
        except StoreError as error:
            refused = error
        if self._note(refused) and self._on_state is not None:
            self._on_state(self.state)
        return refused is None

    def _note(self, refused: StoreError | None) -> bool:
        """Keep how an attempt ended; whether that has turned."""
        now_ms = self._clock.monotonic_ms()
        with self._changed:
            self._urgent = self._urgent and refused is None
            return self._attempts.note(refused, now_ms)

    def _measure(self, books: Books, meter: StoreMeter) -> None:
        written, taken, size = *meter.read(), books.read_store_bytes()
        with self._changed:
            self._written_bytes, self._device_written_bytes = written, taken
            self._store_bytes, self._notice, self._begun = size, books.notice, books.begun
