"""What the pages ask of the books.

Rule of this file: protocols only. The store fulfils them by shape, and neither
knows the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from netwatch.records import Span


class RttPoint(Protocol):
    """Latency of one target over ``[start_ms, start_ms + step)`` (UTC); None: nothing answered."""

    @property
    def target(self) -> str: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def min_us(self) -> int | None: ...
    @property
    def median_us(self) -> int | None: ...
    @property
    def p95_us(self) -> int | None: ...
    @property
    def max_us(self) -> int | None: ...


class ThroughputRow(Protocol):
    """A throughput test; rates in bytes per second, ``*_invalid`` why one does not count."""

    @property
    def started_ms(self) -> int | None: ...
    @property
    def engine(self) -> str: ...
    @property
    def server(self) -> str | None: ...
    @property
    def down_bytes_per_second(self) -> int | None: ...
    @property
    def up_bytes_per_second(self) -> int | None: ...
    @property
    def idle_rtt_us(self) -> int | None: ...
    @property
    def down_loaded_rtt_us(self) -> int | None: ...
    @property
    def up_loaded_rtt_us(self) -> int | None: ...
    @property
    def down_invalid(self) -> str | None: ...
    @property
    def up_invalid(self) -> str | None: ...


class Books(Protocol):
    """The ledger as pages read it; called from one thread of the server only.

    Each may raise :class:`netwatch.errors.StoreError`; the page then says so and
    shows what it has.
    """

    def read_ledger(self, from_ms: int, to_ms: int) -> Sequence[Span]:
        """UTC spans in order that cover ``[from_ms, to_ms)`` without gap or overlap.

        Time of which the books say nothing is entered as unknown.
        """

    def read_rtt_points(self, from_ms: int, to_ms: int, step_ms: int) -> Sequence[RttPoint]:
        """One point per target and step in which it was asked; none for the others."""

    def read_tests(self, from_ms: int, to_ms: int) -> Sequence[ThroughputRow]:
        """The throughput tests begun in ``[from_ms, to_ms)``, in order."""


class SiteIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Whose line it is, as the page's head says it."""

    id: str
    name: str | None = None
    commune: str | None = None
    operator: str | None = None
    reference: str | None = None
    timezone: str = "Europe/Paris"
    guaranteed_down: int | None = None  # bytes per second; None: the contract is silent
    guaranteed_up: int | None = None

    @property
    def title(self) -> str:
        """
        >>> SiteIdentity(id="ecole-jaures").title
        'ecole-jaures'
        """
        return self.name or self.id
