"""rtt.csv: round trips counted by stretch and target, every value kept.

Rule of this file: what is written reads back as it was. A cell is short enough for a
spreadsheet; what does not fit into one goes on in the next row. The file is written while
its round trips go by: memory stays flat. It must not know where they come from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from operator import sub
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from netwatch.core.round_trips import StretchCount
from netwatch.errors import EvidenceError
from netwatch.report.inputs import Stretch
from netwatch.report.tables import RTT, Cell, InstantWriter, Value, parse_instant_ms

#: So many values a row: twelve characters each at most, where a spreadsheet's cell has 32 767.
_ROW_VALUES = 2_000
_MOST_WORDS = 50_000
#: No round trip is longer than an hour.
_LONGEST_US = 3_600_000_000
_CELL = re.compile(r"(0|[1-9]\d*)(\*[1-9]\d*)?( [1-9]\d*(\*[1-9]\d*)?)*", re.ASCII)


class RttTable:
    """One file on its way to its place; a context manager, at whose end a partial one is gone.

    ``place`` once, after the last row.
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

    def keep(
        self, round_trips: Iterable[StretchCount], stretches: Iterable[Stretch]
    ) -> Iterator[StretchCount]:
        """The same round trips, each written on its way.

        The folder is made with the first. Raises OSError for a disk that is full.
        """
        available = {part.start_ms: part.available for part in stretches}
        words = _Words()
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        with self._partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([column.name for column in RTT.columns])
            for each in round_trips:
                for row in _list_rows(each, words, available=available[each.start_ms]):
                    writer.writerow(row)
                    self.rows += 1
                yield each

    def place(self) -> int:
        """Give the file its name; returns its rows. Raises OSError."""
        self._partial.replace(self.path)
        return self.rows


def rtt_rows(each: StretchCount, *, available: bool) -> Iterator[Sequence[Cell]]:
    """The rows of one target's round trips in a stretch.

    >>> some = StretchCount(start_ms=0, end_ms=60_000, target="a", values=[900, 907], counts=[1, 2], lost=1)
    >>> for row in rtt_rows(some, available=True): print(row)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:01:00Z', 'a', 'true', 3, 1, '900 7*2')
    """
    return _list_rows(each, _Words(), available=available)


def read_round_trips(
    rows: Iterable[Mapping[str, Value]], stretches: Iterable[Stretch]
) -> Iterator[StretchCount]:
    """The round trips of the rows of rtt.csv; a stretch in several rows comes in several.

    A row that is of no stretch of the month, or says of one what the ledger does not, is
    left out: what it holds can be counted nowhere. Raises ``EvidenceError`` for times that
    are none.
    """
    known = {(part.start_ms, part.end_ms): part.available for part in stretches}
    for number, row in enumerate(rows, start=2):
        where = f"rtt.csv: line {number}"
        start_ms = parse_instant_ms(cast("str", row["start"]))
        end_ms = parse_instant_ms(cast("str", row["end"]))
        values, counts = parse_round_trips(cast("str | None", row["rtt_us"]) or "", where)
        answered, lost = cast("int", row["answered"]), cast("int", row["lost"])
        if sum(counts) != answered or lost < 0:
            raise EvidenceError(
                f"{where}: answered: must be the {sum(counts)} round trips of the row and lost "
                f"no less than 0, got {answered} and {lost}"
            )
        if known.get((start_ms, end_ms)) is row["available"]:
            yield StretchCount(
                start_ms=start_ms,
                end_ms=end_ms,
                target=cast("str", row["target"]),
                values=values,
                counts=counts,
                lost=lost,
            )


def parse_round_trips(cell: str, where: str) -> tuple[Sequence[int], Sequence[int]]:
    """Values and counts of a cell. Raises ``EvidenceError`` for what is no such cell.

    >>> parse_round_trips("900 7*2", "rtt.csv: line 2")
    ((900, 907), (1, 2))
    """
    if not cell:
        return (), ()
    if not _CELL.fullmatch(cell):
        shown = cell if len(cell) <= 40 else f"{cell[:37]}…"
        raise EvidenceError(
            f"{where}: rtt_us: must be whole numbers with a space between, each perhaps with "
            f"*N, got {shown!r}"
        )
    parts = [part.partition("*") for part in cell.split(" ")]
    values = tuple(accumulate(int(step) for step, _, _ in parts))
    counts = tuple(int(count) if count else 1 for _, _, count in parts)
    if values[-1] > _LONGEST_US or max(counts) > _LONGEST_US:
        raise EvidenceError(f"{where}: rtt_us: more than an hour, or more probes than there can be")
    return values, counts


def _list_rows(each: StretchCount, words: _Words, *, available: bool) -> Iterator[Sequence[Cell]]:
    write = InstantWriter().write
    start, end = write(each.start_ms), write(each.end_ms)
    lost = each.lost
    for at in range(0, max(len(each.values), 1), _ROW_VALUES):
        values, counts = each.values[at : at + _ROW_VALUES], each.counts[at : at + _ROW_VALUES]
        steps = map(sub, values, chain((0,), values))
        cell = " ".join(map(words.__getitem__, zip(steps, counts, strict=True)))
        yield (
            start, end, each.target, "true" if available else "false", sum(counts), lost,
            cell or None,
        )  # fmt: skip
        lost = 0
    if len(words) > _MOST_WORDS:
        words.clear()


class _Words(dict[tuple[int, int], str]):
    """A step and its count as text; few are different."""

    def __missing__(self, step: tuple[int, int]) -> str:
        difference, count = step
        self[step] = text = f"{difference}" if count == 1 else f"{difference}*{count}"
        return text
