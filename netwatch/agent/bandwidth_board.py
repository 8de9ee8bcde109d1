"""What is shown of the throughput tests: read from the books, kept for whoever asks.

Rule of this file: reading and putting together. It is refreshed by the thread of the
tests, so that neither a scrape nor the page waits for a disk.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path

import msgspec

from netwatch.clock import Clock
from netwatch.core.bufferbloat import grade_test
from netwatch.core.data_budget import find_month
from netwatch.snapshot import BandwidthView, DirectionView
from netwatch.store.bandwidth_books import (
    BYTES_COUNTER,
    SKIPS_COUNTER,
    TESTS_COUNTER,
    BandwidthBooks,
    LastTest,
)


class BandwidthBoard:
    """The newest view; ``view`` is replaced as a whole and may be read by any thread."""

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        zone: tzinfo,
        engines: tuple[str, ...],
        budget_bytes: int,
        is_running: Callable[[], bool] = lambda: False,
    ) -> None:
        self._books = BandwidthBooks(path)
        self._clock = clock
        self._zone = zone
        self._is_running = is_running
        self.view = BandwidthView(
            engines=engines, running=False, next_ms=None, used_bytes=0, budget_bytes=budget_bytes
        )

    def refresh(self, next_ms: int | None) -> None:
        """Read the books anew. Raises StoreError; the view then stays as it was."""
        totals = self._books.read_totals()
        skipped = self._books.read_last_skip()
        from_ms, to_ms = find_month(self._clock.wall_ms(), self._zone)
        self.view = build_view(
            self._books.read_last(),
            engines=self.view.engines,
            running=self._is_running(),
            next_ms=next_ms,
            used_bytes=self._books.sum_used(from_ms, to_ms),
            budget_bytes=self.view.budget_bytes,
            bytes_moved={
                label: value for (name, label), value in totals.items() if name == BYTES_COUNTER
            },
            tests={
                _split(label): value
                for (name, label), value in totals.items()
                if name == TESTS_COUNTER
            },
            skips={
                label: value for (name, label), value in totals.items() if name == SKIPS_COUNTER
            },
            skipped=skipped,
        )


def build_view(
    last: LastTest | None,
    *,
    engines: tuple[str, ...],
    running: bool,
    next_ms: int | None,
    used_bytes: int,
    budget_bytes: int,
    bytes_moved: dict[str, int],
    tests: dict[tuple[str, str], int],
    skips: dict[str, int],
    skipped: tuple[int, str] | None,
) -> BandwidthView:
    """What is shown; without a test, only what is planned and used."""
    skipped_ms, skipped_reason = skipped or (None, None)
    planned = BandwidthView(
        engines=engines,
        running=running,
        next_ms=next_ms,
        used_bytes=used_bytes,
        budget_bytes=budget_bytes,
        bytes_moved=bytes_moved,
        tests=tests,
        skips=skips,
        skipped_ms=skipped_ms,
        skipped_reason=skipped_reason,
    )
    if last is None:
        return planned
    row, around = last.row, last.around
    return msgspec.structs.replace(
        planned,
        at_ms=row.started_ms,
        engine=row.engine,
        server=row.server,
        asked_by=None if around is None else around.asked_by,
        down=_build_direction(
            row.down_bytes_per_second,
            row.down_loaded_rtt_us,
            row.down_invalid,
            None if around is None else around.down_reason,
        ),
        up=_build_direction(
            row.up_bytes_per_second,
            row.up_loaded_rtt_us,
            row.up_invalid,
            None if around is None else around.up_reason,
        ),
        idle_rtt_us=row.idle_rtt_us,
        responsiveness_rpm=row.responsiveness_rpm,
        grade=grade_test(
            row.idle_rtt_us, {"down": row.down_loaded_rtt_us, "up": row.up_loaded_rtt_us}
        ),
    )


def _build_direction(
    rate: int | None, loaded_us: int | None, invalid: str | None, reason: str | None
) -> DirectionView | None:
    """None for a direction that was not tested: neither a rate nor a reason."""
    if rate is None and invalid is None:
        return None
    return DirectionView(
        bytes_per_second=rate, loaded_rtt_us=loaded_us, invalid=invalid, reason=reason
    )


def _split(label: str) -> tuple[str, str]:
    engine, _, result = label.partition(" ")
    return engine, result
