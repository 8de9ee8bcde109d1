"""The ledger as the pages read it: what is in the books, and the minute that is not yet.

Rule of this file: it joins what the store holds with what the runner has settled since
the last commit. The derivation is `core.ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from netwatch.core.judge import DNS, LINK, QUALITY
from netwatch.core.ledger import MINIMUM_DNS_MS, build_ledger, clip_spans
from netwatch.records import RttPoint, Run, Span
from netwatch.store.queries import Reader


class AgentBooks:
    """`web.books.Books` over a store that is being written.

    ``read_live`` gives the spans (UTC) by layer that the store may not have yet.
    """

    def __init__(
        self, reader: Reader, read_live: Callable[[], dict[str, list[Span]]], run_id: int
    ) -> None:
        self._reader = reader
        self._read_live = read_live
        self._run_id = run_id

    def read_ledger(self, from_ms: int, to_ms: int) -> list[Span]:
        """The final spans of ``[from_ms, to_ms)``, without hole or overlap.

        What lies around is read too: a failing of the resolvers that the edge cuts short
        is weighed whole, so that the pieces of a day add up to the day.
        """
        first_ms, last_ms = from_ms - MINIMUM_DNS_MS, to_ms + MINIMUM_DNS_MS
        live = self._read_live()
        layers = {
            layer: replace_tail(
                self._reader.read_spans(first_ms, last_ms, layer), live.get(layer, ())
            )
            for layer in (LINK, DNS, QUALITY)
        }
        runs = [self._reach(run, to_ms) for run in self._reader.read_runs(0, last_ms)]
        return clip_spans(build_ledger(layers, runs, first_ms, last_ms), from_ms, to_ms)

    def read_rtt_points(self, from_ms: int, to_ms: int, step_ms: int) -> Sequence[RttPoint]:
        """Latency by target and step, as far as it has been committed."""
        return self._reader.read_rtt_points(from_ms, to_ms, step_ms)

    def _reach(self, run: Run, to_ms: int) -> Run:
        """The run that is going on reaches to the end of the question."""
        if run.id != self._run_id:
            return run
        return msgspec.structs.replace(run, ended_ms=max(to_ms, run.ended_ms or 0))


def replace_tail(stored: Sequence[Span], live: Sequence[Span]) -> list[Span]:
    """The stored spans with those of the runner in the place of what they cover.

    The runner's reach further, and may say of the newest what was not certain at the
    last commit.

    >>> from netwatch.records import Verdict
    >>> def up(start_ms, end_ms):
    ...     return Span(verdict=Verdict.UP, cause=None, start_ms=start_ms, end_ms=end_ms)
    >>> [(span.start_ms, span.end_ms) for span in replace_tail([up(0, 60), up(70, 90)], [up(70, 130)])]
    [(0, 60), (70, 130)]
    """
    if not live:
        return list(stored)
    first_ms = live[0].start_ms
    kept = [
        span if span.end_ms <= first_ms else msgspec.structs.replace(span, end_ms=first_ms)
        for span in stored
        if span.start_ms < first_ms
    ]
    return [*kept, *live]
