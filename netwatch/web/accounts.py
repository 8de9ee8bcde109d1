"""The account of a stretch of time: how much of it was up, degraded, down and unknown.

Rule of this file: exact sums of spans; the four always add up to the length. It
rounds nothing and knows no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

import msgspec

from netwatch.core.ledger import clip_spans, sum_spans
from netwatch.records import Cause, Span, Verdict


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds by verdict and cause.

    Availability is the share of the *known* time in which the line carried traffic
    (up or degraded); ``low`` and ``high`` are what it would be had all the unknown
    time been down, or up. Coverage is the share of the time that is known, and
    belongs beside every availability.

    >>> account = build_account([Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=30)], 0, 40)
    >>> account.availability, account.low, account.high, account.coverage
    (Fraction(1, 1), Fraction(3, 4), Fraction(1, 1), Fraction(3, 4))
    """

    entries: Mapping[tuple[Verdict, Cause | None], int]

    def total_ms(self, verdict: Verdict) -> int:
        return sum(held for (each, _), held in self.entries.items() if each is verdict)

    @property
    def length_ms(self) -> int:
        return sum(self.entries.values())

    @property
    def carried_ms(self) -> int:
        return self.total_ms(Verdict.UP) + self.total_ms(Verdict.DEGRADED)

    @property
    def known_ms(self) -> int:
        return self.length_ms - self.total_ms(Verdict.UNKNOWN)

    @property
    def availability(self) -> Fraction | None:
        return _share(self.carried_ms, self.known_ms)

    @property
    def coverage(self) -> Fraction | None:
        return _share(self.known_ms, self.length_ms)

    @property
    def low(self) -> Fraction | None:
        return _share(self.carried_ms, self.length_ms)

    @property
    def high(self) -> Fraction | None:
        return _share(self.carried_ms + self.total_ms(Verdict.UNKNOWN), self.length_ms)


def _share(part_ms: int, whole_ms: int) -> Fraction | None:
    return Fraction(part_ms, whole_ms) if whole_ms else None


def build_account(spans: Iterable[Span], start_ms: int, end_ms: int) -> Account:
    """The account of ``[start_ms, end_ms)``; what no span covers is unknown.

    ``spans`` must not overlap one another.
    """
    entries = sum_spans(clip_spans(spans, start_ms, end_ms))
    missing_ms = max(0, end_ms - start_ms) - sum(entries.values())
    if missing_ms:
        key = (Verdict.UNKNOWN, Cause.AGENT)
        entries[key] = entries.get(key, 0) + missing_ms
    return Account(entries=entries)
