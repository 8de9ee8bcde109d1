"""The lines of claimed minutes, newest minute first, from everything that the books hold.

Rule of this file: it joins what was read with `core.line_points`; a line belongs to the
minute with which it leaves. It must not know who sends it, or whether it arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from netwatch.core.judge import DNS, LINK, QUALITY
from netwatch.core.ledger import build_ledger, build_minutes, clip_spans, find_incidents
from netwatch.core.line_points import (
    BandwidthPoint,
    format_bandwidth,
    format_day_hash,
    format_incident,
    format_ledger_minute,
    format_rtt_minute,
    group_by_minute,
)
from netwatch.errors import StoreError
from netwatch.records import Incident, Run, Span, Verdict
from netwatch.store.batch import Batch
from netwatch.store.chain_entries import read_entries_after
from netwatch.store.loaded import read_loaded_time
from netwatch.store.queries import Reader
from netwatch.store.rtt_minutes import read_rtt_minutes
from netwatch.store.tail import Tail, is_still_tail, open_tail
from netwatch.store.throughput import BandwidthRow, ThroughputBooks

#: So much beside a range is looked at: whether a failing of the resolvers is long enough
#: to count must not depend on where a claim ends.
BESIDE_MS = 10_000
_HOUR_MS = 3_600_000
#: The database moves on every few minutes: two readings in a row do not both meet it.
_READINGS = 5
_MEASURES = (
    "down_bytes_per_second",
    "up_bytes_per_second",
    "down_bytes",
    "up_bytes",
    "idle_rtt_us",
    "down_loaded_rtt_us",
    "up_loaded_rtt_us",
    "responsiveness_rpm",
)


class MinuteLines(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent of one minute; never empty: its ledger point is always there."""

    start_ms: int
    lines: tuple[str, ...]


class LineSource:
    """Reads the books at ``path``; every point carries ``tags``. For one thread.

    ``pending`` gives what is not in the database yet (`Writer.pending`).
    """

    def __init__(
        self,
        path: Path | str,
        tags: Mapping[str, str | None],
        pending: Callable[[], Sequence[Batch]] = tuple,
    ) -> None:
        self._path = Path(path)
        self._tags = tags
        self._pending = pending
        self._tail: Tail | None = None
        self._reader = Reader(path)
        self._tests = ThroughputBooks(path)
        self._chain: list[tuple[int, str]] = []
        self._chain_number = 0

    def read_minutes(self, from_ms: int, until_ms: int) -> list[MinuteLines]:
        """Every minute of ``[from_ms, until_ms)`` (whole UTC minutes), the newest first.

        Raises StoreError.
        """
        for _ in range(_READINGS):
            self._tail = open_tail(self._path, self._pending())
            if self._tail is not None and not self._tail.touches(until_ms + BESIDE_MS):
                self._tail = None
            minutes = self._read_all(from_ms, until_ms)
            if self._tail is None or is_still_tail(self._path, self._tail):
                return minutes
        raise StoreError(f"{self._path}: it was written again and again while it was read")

    def _read_all(self, from_ms: int, until_ms: int) -> list[MinuteLines]:
        spans = self._read_ledger(from_ms, until_ms)
        dated = [
            (minute.start_ms, format_ledger_minute(minute, self._tags))
            for minute in build_minutes(spans)
        ]
        loaded = read_loaded_time(self._path, from_ms, until_ms)
        dated += [
            (minute.start_ms, format_rtt_minute(minute, self._tags))
            for minute in read_rtt_minutes(
                self._reader, from_ms, until_ms, self._tail, without=loaded
            )
        ]
        dated += [
            (row.started_ms or 0, format_bandwidth(build_bandwidth_point(row), self._tags))
            for row in self._tests.read_tests(from_ms, until_ms)
        ]
        dated += [
            (incident.end_ms or 0, format_incident(incident, self._tags))
            for incident in self._find_ended(spans, from_ms, until_ms)
        ]
        dated += self._read_chain(from_ms, until_ms)
        minutes = group_by_minute(dated)
        return [
            MinuteLines(start_ms=start_ms, lines=tuple(minutes[start_ms]))
            for start_ms in sorted(minutes, reverse=True)
        ]

    def _read_ledger(self, from_ms: int, until_ms: int) -> list[Span]:
        """The ledger of the range, the same as that of any longer one there."""
        start_ms, end_ms = from_ms - BESIDE_MS, until_ms + BESIDE_MS
        layers = {
            layer: self._read_spans(start_ms, end_ms, layer) for layer in (LINK, DNS, QUALITY)
        }
        spans = build_ledger(layers, self._read_runs(start_ms, end_ms), start_ms, end_ms)
        return clip_spans(spans, from_ms, until_ms)

    def _read_spans(self, from_ms: int, until_ms: int, layer: str) -> list[Span]:
        spans = self._reader.read_spans(from_ms, until_ms, layer)
        tail = self._tail
        return spans if tail is None else tail.lay_over(spans, layer, from_ms, until_ms)

    def _read_runs(self, from_ms: int, until_ms: int) -> list[Run]:
        runs = self._reader.read_lives(from_ms, until_ms)
        return runs if self._tail is None else self._tail.lengthen(runs)

    def _find_ended(self, spans: list[Span], from_ms: int, until_ms: int) -> list[Incident]:
        """Incidents that ended in the range, whenever they began: each leaves once."""
        before = self._read_ledger(from_ms - 1, from_ms)
        if before[0].verdict is not Verdict.DOWN and not any(
            span.verdict is Verdict.DOWN for span in spans
        ):
            return []
        first_ms = self._reader.read_first_ms() or 0
        look_ms = 0
        while before[0].verdict is Verdict.DOWN and before[0].start_ms > first_ms:
            look_ms = max(2 * look_ms, _HOUR_MS)
            before = self._read_ledger(from_ms - look_ms, from_ms)
        return [
            incident
            for incident in find_incidents([*before, *spans], now_ms=until_ms)
            if incident.end_ms is not None and from_ms <= incident.end_ms
        ]

    def _read_chain(self, from_ms: int, until_ms: int) -> list[tuple[int, str]]:
        """Entries of the chain, kept as lines: there are four hundred a year."""
        for entry in read_entries_after(self._path, self._chain_number):
            self._chain.append((entry.closed_ms, format_day_hash(entry, self._tags)))
            self._chain_number = entry.number
        return [each for each in self._chain if from_ms <= each[0] < until_ms]


def build_bandwidth_point(row: BandwidthRow) -> BandwidthPoint:
    """A test as it is pushed. Raises ValueError for one without an instant.

    >>> row = BandwidthRow(run_id=1, started_mono_ms=0, started_ms=5, engine="iperf3")
    >>> build_bandwidth_point(row).measures["down_bytes"]
    0
    """
    if row.started_ms is None:
        raise ValueError("a test without an instant has no place in time")
    return BandwidthPoint(
        started_ms=row.started_ms,
        engine=row.engine,
        server=row.server,
        down_invalid=row.down_invalid,
        up_invalid=row.up_invalid,
        measures={name: getattr(row, name) for name in _MEASURES},
    )
