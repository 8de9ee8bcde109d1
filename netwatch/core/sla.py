"""Availability: what share of the promised time the circuit was there.

Rule of this file: milliseconds are counted once and kept as integers; every share is a
fraction of them, and a share of nothing is None. It knows no clock, zone or store: spans,
covered windows and exclusions come in as UTC.

The definitions (STANDARDS.md 3), for a calendar that covers C ms of a period of which U
are unknown, D are down by the contract's causes and X are excluded (D′ and U′ are what
is left of D and U after the exclusions):

    coverage        (C − U) / C                   the share of the covered time that is known
    measured        1 − D / (C − U)               over the known time alone
    high            1 − D / C                     had all the unknown time been up
    low             1 − (D + U) / C               had all the unknown time been down
    contractual     1 − D′ / (C − X)              unknown time never counts against the operator
    contractual_low 1 − (D′ + U′) / (C − X)       what the unknown time leaves of it at worst

So low ≤ measured ≤ high always. With no known covered time measured and contractual are
None (never 100 %), while low and high still say 0 and 1: nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from netwatch.core.calendars import CoveredHours
from netwatch.core.contract import Contract, ContractPart
from netwatch.core.intervals import (
    EMPTY,
    Intervals,
    clip,
    difference,
    from_spans,
    intersection,
    normalise,
    total,
)
from netwatch.core.stats import share
from netwatch.records import CAUSES, Cause, Span, Verdict

#: The reason of time for which there is no entry at all.
NO_RECORD = "no_record"


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the exclusion ledger (UTC): time that the contract takes out.

    ``notice_ms`` is when the operator gave notice; ``withdrawn_ms`` when a later entry
    took this one back, after which it excludes nothing.
    """

    id: str
    start_ms: int
    end_ms: int
    reason: str
    author: str
    entered_ms: int
    notice_ms: int | None = None
    withdrawn_ms: int | None = None
    kind: str = "maintenance"  # what the contract calls it; said, and reckoned no differently

    @property
    def after_the_fact(self) -> bool:
        """Whether it was entered when it had already begun."""
        return self.entered_ms > self.start_ms


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """The covered time of one calendar, in milliseconds, and the shares that follow.

    ``up + degraded + down + unknown = covered``, before exclusions. ``counted`` is what
    counts against the operator: the causes of the contract, in covered hours.
    """

    covered_ms: int
    excluded_ms: int
    up_ms: int
    degraded_ms: int
    down_ms: int
    unknown_ms: int
    counted_ms: int
    counted_after_exclusions_ms: int
    unknown_after_exclusions_ms: int

    @property
    def known_ms(self) -> int:
        return self.covered_ms - self.unknown_ms

    @property
    def coverage(self) -> Fraction | None:
        """None when the calendar covers nothing."""
        return share(self.known_ms, self.covered_ms)

    @property
    def measured(self) -> Fraction | None:
        return share(self.known_ms - self.counted_ms, self.known_ms)

    @property
    def high(self) -> Fraction | None:
        return share(self.covered_ms - self.counted_ms, self.covered_ms)

    @property
    def low(self) -> Fraction | None:
        return share(self.covered_ms - self.counted_ms - self.unknown_ms, self.covered_ms)

    @property
    def contractual(self) -> Fraction | None:
        """None when nothing is known of the time that the exclusions leave."""
        left = self.covered_ms - self.excluded_ms
        if left == self.unknown_after_exclusions_ms:
            return None
        return share(left - self.counted_after_exclusions_ms, left)

    @property
    def contractual_low(self) -> Fraction | None:
        left = self.covered_ms - self.excluded_ms
        lost = self.counted_after_exclusions_ms + self.unknown_after_exclusions_ms
        return share(left - lost, left)

    def met(self, target: Fraction | None) -> bool | None:
        """Whether the contractual availability reaches a commitment; None where either is not.

        >>> NOTHING.met(Fraction(1, 2)) is None
        True
        """
        if target is None or self.contractual is None:
            return None
        return self.contractual >= target


NOTHING = Availability(
    covered_ms=0,
    excluded_ms=0,
    up_ms=0,
    degraded_ms=0,
    down_ms=0,
    unknown_ms=0,
    counted_ms=0,
    counted_after_exclusions_ms=0,
    unknown_after_exclusions_ms=0,
)


def complete_spans(spans: Iterable[Span], start_ms: int, end_ms: int) -> tuple[Span, ...]:
    """The spans within ``[start_ms, end_ms)``, in order, every gap filled as unknown.

    Time that nothing covers is unknown, with the reason ``no_record``. Raises ValueError
    when two spans claim the same instant: an instant has one verdict.

    >>> span = Span(verdict=Verdict.UP, cause=None, start_ms=2, end_ms=9)
    >>> [(each.verdict.value, each.start_ms, each.end_ms) for each in complete_spans([span], 0, 5)]
    [('unknown', 0, 2), ('up', 2, 5)]
    """
    whole: list[Span] = []
    at = start_ms
    for span in sorted(spans, key=lambda each: each.start_ms):
        begin, end = max(span.start_ms, start_ms), min(span.end_ms, end_ms)
        if begin >= end:
            continue
        if begin < at:
            raise ValueError(f"two spans claim the instant {begin} (UTC ms)")
        if begin > at:
            whole.append(_unrecorded(at, begin))
        whole.append(msgspec.structs.replace(span, start_ms=begin, end_ms=end))
        at = end
    if at < end_ms:
        whole.append(_unrecorded(at, end_ms))
    return tuple(whole)


def add_up(spans: Iterable[Span]) -> dict[tuple[Verdict, Cause | None], int]:
    """The milliseconds under each verdict and cause.

    >>> add_up([Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=5)])
    {(<Verdict.UP: 'up'>, None): 5}
    """
    totals: dict[tuple[Verdict, Cause | None], int] = {}
    for span in spans:
        key = (span.verdict, span.cause)
        totals[key] = totals.get(key, 0) + span.duration_ms
    return totals


def available_time(spans: Iterable[Span]) -> Intervals:
    """When the circuit carried traffic, well or badly: where loss and delay are summarised.

    (RFC 6703: unavailability is stated as its own share of time.)
    """
    return from_spans(span for span in spans if span.verdict in {Verdict.UP, Verdict.DEGRADED})


def excluded_time(exclusions: Iterable[Exclusion]) -> Intervals:
    """The time that the exclusions in force take out; where they overlap, once."""
    return normalise(
        (each.start_ms, each.end_ms) for each in exclusions if each.withdrawn_ms is None
    )


def measure_availability(
    spans: Sequence[Span],
    covered: Intervals,
    excluded: Intervals = EMPTY,
    counted_causes: Iterable[Cause] = CAUSES[Verdict.DOWN],
) -> Availability:
    """The availability within ``covered``, of spans that `complete_spans` made whole.

    A cause of ``degraded`` counts when the contract names it; a cause of ``unknown``
    never does, whatever the contract says. Covered time beyond the spans is unknown.

    >>> down = Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=0, end_ms=25)
    >>> up = Span(verdict=Verdict.UP, cause=None, start_ms=25, end_ms=75)
    >>> figures = measure_availability([down, up], ((0, 100),), excluded=((0, 5),))
    >>> figures.measured, figures.low, figures.high, figures.coverage
    (Fraction(2, 3), Fraction(1, 2), Fraction(3, 4), Fraction(3, 4))
    >>> figures.contractual
    Fraction(15, 19)
    """
    causes = set(counted_causes) - set(CAUSES[Verdict.UNKNOWN])
    by_verdict = {
        verdict: intersection(from_spans(s for s in spans if s.verdict is verdict), covered)
        for verdict in (Verdict.UP, Verdict.DEGRADED, Verdict.DOWN)
    }
    counted = intersection(from_spans(s for s in spans if s.cause in causes), covered)
    known = normalise(interval for each in by_verdict.values() for interval in each)
    unknown = difference(covered, known)
    return Availability(
        covered_ms=total(covered),
        excluded_ms=total(intersection(covered, excluded)),
        up_ms=total(by_verdict[Verdict.UP]),
        degraded_ms=total(by_verdict[Verdict.DEGRADED]),
        down_ms=total(by_verdict[Verdict.DOWN]),
        unknown_ms=total(unknown),
        counted_ms=total(counted),
        counted_after_exclusions_ms=total(difference(counted, excluded)),
        unknown_after_exclusions_ms=total(difference(unknown, excluded)),
    )


def combine(figures: Iterable[Availability]) -> Availability:
    """The availability of stretches that do not overlap, taken as one.

    >>> combine([]) == NOTHING
    True
    """
    names = Availability.__struct_fields__
    sums: Mapping[str, int] = dict.fromkeys(names, 0)
    for each in figures:
        sums = {name: sums[name] + getattr(each, name) for name in names}
    return Availability(**sums)


def measure_contract(
    spans: Sequence[Span],
    parts: Iterable[ContractPart],
    hours_of: Callable[[Contract], CoveredHours],
    excluded: Intervals = EMPTY,
) -> Availability:
    """The availability by the contract, each stretch by the version then in force.

    Over a contract year its ``counted_after_exclusions_ms`` is the interruption used so
    far, to hold against the IMS.
    """
    return combine(
        measure_availability(
            spans,
            hours_of(part.contract).within(part.start_ms, part.end_ms),
            clip(excluded, part.start_ms, part.end_ms),
            part.contract.counted_causes,
        )
        for part in parts
    )


def _unrecorded(start_ms: int, end_ms: int) -> Span:
    return Span(
        verdict=Verdict.UNKNOWN,
        cause=Cause.AGENT,
        start_ms=start_ms,
        end_ms=end_ms,
        reason=NO_RECORD,
    )
