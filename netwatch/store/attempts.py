"""How the writing goes: whether it is refused, since when and why, and when to try again.

Rule of this file: pure; instants come in as monotonic milliseconds, and it knows no
thread, no queue and no file.
"""

from __future__ import annotations

import msgspec

from netwatch.errors import StoreError, StoreFailing
from netwatch.records import StoreFault

FIRST_RETRY_MS = 1_000
LAST_RETRY_MS = 60_000


class WriterState(msgspec.Struct, frozen=True, kw_only=True):
    """How the writing goes, at one instant."""

    ok: bool
    reason: str | None  # the sentence of the last refusal; None while all is well
    since_mono_ms: int  # when `ok` last changed
    queued_batches: int  # not in the database yet; some are always on their way
    unsafe_batches: int  # of these, not in the daybook either: a power cut would lose them
    queued_observations: int
    dropped_observations: int  # since the start
    dropped_spans: int
    written_bytes_today: int | None  # without the file system's own journal
    store_bytes: int | None
    notice: str | None  # a file that was set aside since the start
    fault: StoreFault | None = None  # the kind of the last refusal
    device_written_bytes_today: int | None = None  # by whoever, with the journal


class Attempts:
    """The last attempt's end, and the pace of the next: a second, doubled up to a minute.

    >>> attempts = Attempts(0)
    >>> attempts.note(StoreFailing("n.db: the disk is full", "full"), 10)
    True
    >>> attempts.fault, attempts.retry_at_ms, attempts.since_ms
    (<StoreFault.FULL: 'full'>, 1010, 10)
    >>> attempts.note(StoreFailing("n.db: the disk is full", "full"), 1010), attempts.retry_at_ms
    (False, 3010)
    >>> attempts.note(None, 3010), attempts.reason, attempts.refusals
    (True, None, 0)
    """

    def __init__(self, now_ms: int, first_retry_ms: int = FIRST_RETRY_MS) -> None:
        self._first_retry_ms = first_retry_ms
        self.reason: str | None = None
        self.fault: StoreFault | None = None
        self.since_ms = now_ms  # whether it is refused last changed then
        self.refusals = 0  # in a row
        self.retry_at_ms = now_ms

    def note(self, refused: StoreError | None, now_ms: int) -> bool:
        """Keep how an attempt ended (None: well); whether that has turned."""
        turned = (refused is None) != (self.reason is None)
        if turned:
            self.since_ms = now_ms
        if refused is None:
            self.reason, self.fault, self.refusals = None, None, 0
            return turned
        self.reason, self.fault = str(refused), _find_fault(refused)
        self.retry_at_ms = now_ms + min(
            self._first_retry_ms << min(self.refusals, 16), LAST_RETRY_MS
        )
        self.refusals += 1
        return turned


def _find_fault(refused: StoreError) -> StoreFault:
    return StoreFault(refused.kind) if isinstance(refused, StoreFailing) else StoreFault.OTHER
