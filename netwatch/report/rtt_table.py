"""rtt.csv, written while its probes go by: a month has millions of them.

Rule of this file: the same bytes as `tables.write_table` would write, in pieces; probes
are read once, and memory stays flat. It must not know where they come from.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from netwatch.report.inputs import Probe, list_instants
from netwatch.report.tables import HOUR_MS, RTT, InstantWriter, write_rest

_PIECE = 20_000
_MOST_RESTS = 50_000


class RttTable:
    """One file on its way to its place; a context manager, at whose end a partial one is gone.

    ``place`` once, after the last probe.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RTT.file_name
        self.rows = 0
        self._partial = folder / f"{RTT.file_name}.partial"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._partial.unlink(missing_ok=True)

    def keep(self, probes: Iterable[Probe]) -> Iterator[Probe]:
        """The same probes, in the order of sending, each written on its way.

        The folder is made with the first. Raises OSError for a disk that is full.
        """
        return chain.from_iterable(self._keep(probes))

    def place(self) -> int:
        """Give the file its name; returns its rows. Raises OSError."""
        self._partial.replace(self.path)
        return self.rows

    def _keep(self, probes: Iterable[Probe]) -> Iterator[Sequence[Probe]]:
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        with self._partial.open("w", encoding="utf-8", newline="") as stream:
            for piece in write_probes(stream, probes):
                self.rows += len(piece)
                yield piece


def write_probes(stream: IO[str], probes: Iterable[Probe]) -> Iterator[Sequence[Probe]]:
    """Write the table into a text stream that does not translate line ends, piece by piece.

    Raises ValueError for probes that are not in order.

    >>> text = io.StringIO(newline="")
    >>> [len(piece) for piece in write_probes(text, [(5, "a", 900), (60_000, "b, c", None)])]
    [2]
    >>> print(text.getvalue(), end="")
    at,target,rtt_us
    1970-01-01T00:00:00.005Z,a,900
    1970-01-01T00:01:00Z,"b, c",
    """
    stream.write(_write_line(column.name for column in RTT.columns))
    names = _Names()
    rests = _Rests()
    instants = InstantWriter()
    source = iter(probes)
    while piece := list(islice(source, _PIECE)):
        sent = list_instants(piece)
        at = 0
        while at < len(piece):
            hour_ms = sent[at] // HOUR_MS * HOUR_MS
            hour = instants.write(hour_ms)[: -len("00:00Z")]
            until = bisect_left(sent, hour_ms + HOUR_MS, at)
            stream.write(
                "".join(
                    [
                        f"{hour}{rests[sent_ms - hour_ms]},{names[target]},"
                        f"{'' if rtt_us is None else rtt_us}\n"
                        for sent_ms, target, rtt_us in piece[at:until]
                    ]
                )
            )
            at = until
            if len(rests) > _MOST_RESTS:
                rests.clear()
        yield piece


def _write_line(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


class _Names(dict[str, str]):
    """A target's name as a cell."""

    def __missing__(self, target: str) -> str:
        self[target] = _write_line(["", target])[1:-1]
        return self[target]


class _Rests(dict[int, str]):
    """Milliseconds within an hour as the end of an instant; a steady pace repeats them."""

    def __missing__(self, rest_ms: int) -> str:
        text = self[rest_ms] = write_rest(rest_ms)
        return text
