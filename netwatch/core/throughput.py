"""Throughput over a period: percentiles of the valid tests, and why others are not valid.

Rule of this file: a test that is not valid is counted with its reason and kept out of
every figure (STANDARDS.md 2). Rates are bytes per second of application goodput, each
direction on its own. It knows no engine, server or store.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

import msgspec

from netwatch.core.intervals import Intervals, normalise
from netwatch.core.stats import distribution

Direction = Literal["down", "up"]


class ThroughputTest(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of one test. It is valid when it has a rate and ``invalid`` is None.

    ``invalid`` is a word of STANDARDS.md 2: ``device_limited``, ``busy_link``,
    ``wrong_circuit``, ``clock_unsynced``, ``test_server_failed``. ``ended_ms`` is when the
    whole test, both directions, no longer loaded the line; None where nobody kept it.
    """

    at_ms: int
    direction: Direction
    bytes_per_second: int | None
    invalid: str | None = None
    engine: str | None = None
    server: str | None = None
    ended_ms: int | None = None


class ThroughputSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Of the valid tests; None where there was none. Percentiles by nearest rank (`stats`).

    ``share_met`` is None without a guarantee, ``met`` without a share to reach.
    """

    tests: int
    valid: int
    median: Fraction | None
    p10: int | None
    p20: int | None
    p90: int | None
    minimum: int | None
    maximum: int | None
    share_met: Fraction | None
    met: bool | None


def summarise_tests(
    tests: Iterable[ThroughputTest],
    direction: Direction,
    guaranteed: int | None = None,
    guaranteed_share: Fraction | None = None,
) -> ThroughputSummary:
    """The figures of one direction.

    >>> def tested(rate, invalid=None):
    ...     return ThroughputTest(at_ms=0, direction="up", bytes_per_second=rate, invalid=invalid)
    >>> figures = summarise_tests(
    ...     [tested(10), tested(20), tested(30), tested(1, "busy_link")], "up", guaranteed=20)
    >>> figures.tests, figures.valid, figures.median, figures.share_met
    (4, 3, Fraction(20, 1), Fraction(2, 3))
    """
    every = [test for test in tests if test.direction == direction]
    rates = [
        test.bytes_per_second
        for test in every
        if test.invalid is None and test.bytes_per_second is not None
    ]
    valid = distribution(rates)
    median = valid.median()
    share_met = None if guaranteed is None else valid.share_at_least(guaranteed)
    return ThroughputSummary(
        tests=len(every),
        valid=len(rates),
        median=median if isinstance(median, Fraction) else None,
        p10=_percentile(rates, 10),
        p20=_percentile(rates, 20),
        p90=_percentile(rates, 90),
        minimum=valid.minimum,
        maximum=valid.maximum,
        share_met=share_met,
        met=None
        if share_met is None or guaranteed_share is None
        else share_met >= guaranteed_share,
    )


def loaded_time(tests: Iterable[ThroughputTest]) -> Intervals:
    """When our own tests loaded the line: its latency is not told of that time.

    >>> loaded_time([ThroughputTest(at_ms=5, direction="up", bytes_per_second=1, ended_ms=9)])
    ((5, 9),)
    """
    return normalise(
        (each.at_ms, each.ended_ms)
        for each in tests
        if each.ended_ms is not None and each.ended_ms > each.at_ms
    )


def count_reasons(reasons: Iterable[str | None]) -> dict[str, int]:
    """How often each reason was given, in alphabetical order; None is no reason.

    >>> count_reasons(["overlap", None, "busy_link", "overlap"])
    {'busy_link': 1, 'overlap': 2}
    """
    given = [reason for reason in reasons if reason is not None]
    return {reason: given.count(reason) for reason in sorted(set(given))}


def _percentile(rates: Iterable[int], percent: int) -> int | None:
    value = distribution(rates).percentile(percent)
    return value if isinstance(value, int) else None
