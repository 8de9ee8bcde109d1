"""A month's probes read once from the books, and given twice: to be counted, to be written.

Rule of this file: what is kept comes back as it was, in its order, from a file without a
name, so that memory stays flat and the books are unpacked once.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import IO, Self

from netwatch.store.probes import SentProbe

_CHUNK = 20_000
# A round trip is positive: in the file, and there alone, this stands for a lost probe.
_LOST = -1


class ProbeSpool:
    """Holds one stream of probes; a context manager, at whose end the file is gone."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def keep(self, probes: Iterable[SentProbe]) -> Iterator[SentProbe]:
        """The same probes, each written down on its way. Raises OSError for a full disk.

        >>> with ProbeSpool() as spool:
        ...     kept = list(spool.keep([(5, "a", 900), (6, "b", None)]))
        ...     kept == list(spool.replay()) == [(5, "a", 900), (6, "b", None)]
        True
        """
        numbers: dict[str, int] = {}
        stream = iter(probes)
        while chunk := list(islice(stream, _CHUNK)):
            for _, name, _ in chunk:
                if name not in numbers:
                    numbers[name] = len(numbers)
                    self._names.append(name)
            array("q", [sent_ms for sent_ms, _, _ in chunk]).tofile(self._file)
            array("q", [numbers[name] for _, name, _ in chunk]).tofile(self._file)
            array("q", [_LOST if rtt is None else rtt for _, _, rtt in chunk]).tofile(self._file)
            yield from chunk

    def replay(self) -> Iterator[SentProbe]:
        """All that was kept, from the first."""
        self._file.flush()
        length = self._file.seek(0, 2) // 24
        self._file.seek(0)
        while length:
            count = min(length, _CHUNK)
            columns = (array("q"), array("q"), array("q"))
            for column in columns:
                column.fromfile(self._file, count)
            names = self._names
            for sent_ms, number, rtt in zip(*columns, strict=True):
                yield sent_ms, names[number], None if rtt == _LOST else rtt
            length -= count
