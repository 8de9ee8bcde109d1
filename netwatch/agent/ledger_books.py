"""The ledger as the pages read it: what is in the books, and the minute that is not yet.

Rule of this file: it joins what the store holds with what the runner has settled since
the last commit. The derivation is `core.ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from netwatch.agent.view import Recent
from netwatch.core.judge import DNS, LINK, QUALITY
from netwatch.core.ledger import MINIMUM_DNS_MS, build_ledger, clip_spans
from netwatch.core.lives import find_piece, find_taken, leave_taken
from netwatch.records import RttPoint, Run, Span
from netwatch.store.loaded import read_loaded_time
from netwatch.store.queries import Reader
from netwatch.store.throughput import BandwidthRow, ThroughputBooks


class AgentBooks:
    """`web.books.Books` over a store that is being written.

    ``read_live`` gives by layer what the store may not have yet, ``read_run_id`` the run
    that is going on; None while it could not be entered.
    """

    def __init__(
        self,
        reader: Reader,
        read_live: Callable[[], Mapping[str, Recent]],
        read_run_id: Callable[[], int | None],
    ) -> None:
        self._reader = reader
        self._reader_of_tests = ThroughputBooks(reader.path)
        self._read_live = read_live
        self._read_run_id = read_run_id

    def read_ledger(self, from_ms: int, to_ms: int) -> list[Span]:
        """The final spans of ``[from_ms, to_ms)``, without hole or overlap.

        What lies around is read too: a failing of the resolvers that the edge cuts short
        is weighed whole, so that the pieces of a day add up to the day.
        """
        first_ms, last_ms = from_ms - MINIMUM_DNS_MS, to_ms + MINIMUM_DNS_MS
        run_id, live = self._read_run_id(), self._read_live()
        lives = reach_on(self._reader.read_lives(first_ms, last_ms), run_id, to_ms)
        taken = find_taken(lives)
        layers: dict[str, list[Span]] = {}
        for layer in (LINK, DNS, QUALITY):
            recent = live.get(layer)
            known = None if recent is None or run_id is None else (run_id, recent.from_mono_ms)
            layers[layer] = self._reader.read_spans(first_ms, last_ms, layer, known)
            for mono_ms, span in () if recent is None else recent.parts:
                piece = find_piece(run_id or 0, mono_ms, lives)
                layers[layer] += [
                    msgspec.structs.replace(span, start_ms=start_ms, end_ms=end_ms)
                    for start_ms, end_ms in leave_taken(
                        span.start_ms, span.end_ms, taken.get(piece)
                    )
                ]
        return clip_spans(build_ledger(layers, lives, first_ms, last_ms), from_ms, to_ms)

    def read_rtt_points(self, from_ms: int, to_ms: int, step_ms: int) -> Sequence[RttPoint]:
        """Latency by target and step, as far as it has been committed.

        Without what was sent while a throughput test of ours loaded the line.
        """
        loaded = read_loaded_time(self._reader.path, from_ms, to_ms)
        return self._reader.read_rtt_points(from_ms, to_ms, step_ms, without=loaded)

    def read_tests(self, from_ms: int, to_ms: int) -> list[BandwidthRow]:
        """The throughput tests begun in the range, in order."""
        return self._reader_of_tests.read_tests(from_ms, to_ms)


def reach_on(lives: Sequence[Run], run_id: int | None, to_ms: int) -> list[Run]:
    """The lives, the last piece of the one that is going on up to the end of the question.

    One whose clock has told nothing yet goes on too, however short it was at the last commit.
    """
    last = [index for index, run in enumerate(lives) if run.id == run_id][-1:]
    return [
        msgspec.structs.replace(
            run,
            ended_ms=None if run.started_ms is None else max(to_ms, run.ended_ms or 0),
            ended_mono_ms=max(run.ended_mono_ms, run.started_mono_ms + 1),
        )
        if index in last
        else run
        for index, run in enumerate(lives)
    ]
