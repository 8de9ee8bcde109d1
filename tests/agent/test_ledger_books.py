"""The ledger as pages and tools ask for it, piece by piece."""

from __future__ import annotations

from pathlib import Path

from netwatch.agent.ledger_books import AgentBooks
from netwatch.clock import SystemClock
from netwatch.core.ledger import sum_spans
from netwatch.records import Cause, Verdict
from netwatch.store.queries import Reader
from netwatch.store.writer import Writer
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, batch, span


def test_the_pieces_of_a_time_add_up_to_it(tmp_path: Path) -> None:
    """Wherever it is cut: a failing of the resolvers is weighed whole, not by what lies within."""
    path = tmp_path / "netwatch.db"
    writer = Writer(path, clock=SystemClock(trusted=True), set_aside=lambda: SET_ASIDE)
    begun = writer.begin_run(
        boot_id="boot-a", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor()
    )
    writer.submit(
        batch(
            60_000,
            span(0, 60_000),
            span(0, 10_000, layer="dns"),
            span(10_000, 20_000, Verdict.DOWN, Cause.DNS, layer="dns"),
            span(20_000, 40_000, layer="dns"),
            span(40_000, 42_000, Verdict.DOWN, Cause.DNS, layer="dns"),
            span(42_000, 60_000, layer="dns"),
        )
    )
    assert writer.flush(10_000)
    books = AgentBooks(Reader(path), dict, lambda: begun.run_id)
    for cut_ms in (1, 9_999, 11_000, 18_500, 20_001, 41_000, 59_000):
        pieces = [
            *books.read_ledger(OFFSET_MS, OFFSET_MS + cut_ms),
            *books.read_ledger(OFFSET_MS + cut_ms, OFFSET_MS + 60_000),
        ]
        assert sum_spans(pieces) == {
            (Verdict.UP, None): 50_000,
            (Verdict.DOWN, Cause.DNS): 10_000,
        }
    writer.close(monotonic_ms=60_000, anchor=anchor())
