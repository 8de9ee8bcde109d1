"""Observations that wait in memory, kept small.

Rule of this file: what comes out is what went in. Between two writings of the database a
busy agent has thousands of them waiting, already safe in the daybook; as objects they
would take megabytes, like this tens of kilobytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from netwatch.records import Observation


class CompactObservations(Sequence[Observation]):
    """A sequence that is unpacked whenever it is gone through: do that once.

    >>> from netwatch.records import Outcome
    >>> one = Observation(check_id="a", due_ms=1, started_ms=2, elapsed_ms=3,
    ...                   outcome=Outcome.ANSWERED, measures={"rtt_us": 20_000})
    >>> kept = CompactObservations([one, one])
    >>> len(kept), list(kept) == [one, one]
    (2, True)
    """

    __slots__ = ("_count", "_packed")

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._count = len(observations)
        self._packed = zlib.compress(msgspec.msgpack.encode(list(observations)), 1)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Observation]:
        return iter(self._unpack())

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
        return self._unpack()[index]

    def _unpack(self) -> list[Observation]:
        return msgspec.msgpack.decode(zlib.decompress(self._packed), type=list[Observation])
