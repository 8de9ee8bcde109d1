"""The ledger made anew from what was booked between two instants, and not when.

The law of this file: of each step the milliseconds under every verdict and cause stay what
they are; only their place within the step is inferred, from what goes before and comes
after it, and from instants that are known. What a step does not account for is unknown.

An edge is therefore off by the length of its step at most, and by nothing where one state
follows another or where the last change is known. Pure; on UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from netwatch.core.intervals import Intervals, clip, difference, normalise
from netwatch.core.ledger import Key, join_equal
from netwatch.core.sla import NO_RECORD
from netwatch.records import Cause, Span, Verdict

#: A counter can fall by what an agent that lost power had counted and not yet written.
LONGEST_LOSS_MS = 600_000
#: Readings of one life of the books lag behind the time by so much at most.
LONGEST_LAG_MS = 600_000
_NOT_BOOKED: Key = (Verdict.UNKNOWN, None)
_LOST: Key = (Verdict.UNKNOWN, Cause.AGENT)
_UP: Key = (Verdict.UP, None)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of a ledger's whole life at one instant, in milliseconds.

    ``since`` is when the verdict that it ends with began, where that is known too.
    """

    at_ms: int
    totals: Mapping[Key, int]
    since: tuple[Verdict, int] | None = None

    @property
    def booked_ms(self) -> int:
        """The age of the books."""
        return sum(self.totals.values())


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What was booked in ``[start_ms, end_ms)``, its order unknown but for the ``known`` spans.

    ``lost`` are milliseconds that had been booked before and were taken back: they are
    the newest of theirs, and unknown now.
    """

    start_ms: int
    end_ms: int
    amounts: Mapping[Key, int]
    known: tuple[tuple[Key, int, int], ...] = ()
    lost: Mapping[Key, int] = {}


def date_readings(readings: Iterable[Reading]) -> list[Reading]:
    """The same on the books' own scale: between two, exactly as much time as was booked.

    A reading is taken some time after what it speaks of. All a life's verdicts together
    grow by a millisecond a millisecond, so the reading of the life that lags least tells
    where the others stand.

    >>> late = [Reading(at_ms=at, totals={_UP: up}) for at, up in [(1_900, 1_000), (2_050, 2_000)]]
    >>> [each.at_ms for each in date_readings(late)]
    [1050, 2050]
    """
    dated: list[Reading] = []
    for life in _split_lives(readings):
        begun_ms = min(each.at_ms - each.booked_ms for each in life)
        for each in life:
            at_ms = begun_ms + each.booked_ms
            if not dated or at_ms > dated[-1].at_ms:
                dated.append(msgspec.structs.replace(each, at_ms=at_ms))
    return dated


def _split_lives(readings: Iterable[Reading]) -> Iterator[list[Reading]]:
    life: list[Reading] = []
    begun_ms = 0
    for each in readings:
        begins_ms = each.at_ms - each.booked_ms
        if life and (
            _find_loss(life[-1].totals, each.totals) is None
            or not -LONGEST_LAG_MS <= begins_ms - begun_ms <= LONGEST_LAG_MS
        ):
            yield life
            life = []
        begun_ms = begins_ms if not life else min(begun_ms, begins_ms)
        life.append(each)
    if life:
        yield life


def build_steps(readings: Sequence[Reading]) -> Iterator[Step]:
    """What was booked between each reading and the next; readings as `date_readings` gives them.

    Where the books were begun anew, the step has what the new ones hold.
    """
    for before, after in pairwise(readings):
        length_ms = after.at_ms - before.at_ms
        lost = _find_loss(before.totals, after.totals)
        if lost is None:
            amounts = {key: total for key, total in after.totals.items() if total > 0}
            if sum(amounts.values()) > length_ms:
                amounts = {}  # older than the step, so they are no books of this line
            yield Step(start_ms=before.at_ms, end_ms=after.at_ms, amounts=amounts)
            continue
        amounts = {
            key: grown
            for key, total in after.totals.items()
            if (grown := total - before.totals.get(key, 0)) > 0
        }
        # What was taken back was entered anew, as unknown: it is no time of this step.
        owed_ms = sum(lost.values())
        for key in sorted(amounts, key=lambda key: (key != _LOST, key[0] is not Verdict.UNKNOWN)):
            taken_ms = min(amounts[key], owed_ms)
            amounts[key] -= taken_ms
            owed_ms -= taken_ms
        known: tuple[tuple[Key, int, int], ...] = ()
        if after.since is not None and before.at_ms < after.since[1] < after.at_ms:
            ends = [key for key in amounts if key[0] is after.since[0]]
            known = tuple((key, after.since[1], after.at_ms) for key in ends if len(ends) == 1)
        yield Step(
            start_ms=before.at_ms,
            end_ms=after.at_ms,
            amounts={key: amount for key, amount in amounts.items() if amount},
            known=known,
            lost=lost,
        )


def _find_loss(before: Mapping[Key, int], after: Mapping[Key, int]) -> dict[Key, int] | None:
    """By how much each total fell; None where these are other books."""
    lost = {
        key: total - after.get(key, 0) for key, total in before.items() if total > after.get(key, 0)
    }
    fell_ms = sum(lost.values())
    grown_ms = sum(max(0, total - before.get(key, 0)) for key, total in after.items())
    return None if fell_ms > min(LONGEST_LOSS_MS, grown_ms) else lost


def place_steps(steps: Iterable[Step], start_ms: int, end_ms: int) -> list[Span]:
    """The spans of ``[start_ms, end_ms)``, without hole or overlap; steps disjoint and in order.

    >>> step = Step(start_ms=0, end_ms=60, amounts={_UP: 50, (Verdict.DOWN, Cause.DNS): 10})
    >>> [(s.verdict.value, s.start_ms, s.end_ms) for s in place_steps([step], 0, 60)]
    [('up', 0, 25), ('down', 25, 35), ('up', 35, 60)]
    """
    spans: list[Span] = []
    row = list(steps)
    for index, step in enumerate(row):
        for key, lost_ms in step.lost.items():
            spans = _take_back(spans, key, lost_ms)
        if spans and spans[-1].end_ms < step.start_ms:
            spans.append(_span(_NOT_BOOKED, spans[-1].end_ms, step.start_ms))
        before = (spans[-1].verdict, spans[-1].cause) if spans else None
        following = row[index + 1] if index + 1 < len(row) else None
        if following is not None and following.start_ms != step.end_ms:
            following = None
        spans += _place(step, before, following)
    return _complete(join_equal(spans), start_ms, end_ms)


def measure_doubt(steps: Iterable[Step]) -> int:
    """By how many milliseconds an edge that `place_steps` puts can be off at most.

    A state that fills its step but for some time can be moved by no more than that time.

    >>> step = Step(start_ms=0, end_ms=60, amounts={_UP: 50, (Verdict.DOWN, Cause.DNS): 10})
    >>> measure_doubt([step])
    10
    """
    doubt_ms = 0
    for step in steps:
        _, _, left = _place_known(step, _fit(step))
        if len(left) > 1:
            doubt_ms = max(doubt_ms, sum(left.values()) - max(left.values()))
    return doubt_ms


def _take_back(spans: list[Span], key: Key, lost_ms: int) -> list[Span]:
    """The newest milliseconds of a state, made unknown."""
    kept: list[Span] = []
    for index in range(len(spans) - 1, -1, -1):
        span = spans[index]
        if not lost_ms:
            return spans[: index + 1] + kept
        if (span.verdict, span.cause) != key:
            kept.insert(0, span)
            continue
        taken_ms = min(lost_ms, span.duration_ms)
        lost_ms -= taken_ms
        at_ms = span.end_ms - taken_ms
        kept.insert(0, _span(_LOST, at_ms, span.end_ms))
        if at_ms > span.start_ms:
            kept.insert(0, msgspec.structs.replace(span, end_ms=at_ms))
    return kept


def _place(step: Step, before: Key | None, following: Step | None) -> list[Span]:
    amounts = _fit(step)
    known, free, left = _place_known(step, amounts)
    order = _order(left, before, following, closed=any(k.end_ms == step.end_ms for k in known))
    placed = list(known)
    parts = list(free)
    for key, amount_ms in order:
        left_ms = amount_ms
        while left_ms:
            start_ms, end_ms = parts[0]
            taken_ms = min(left_ms, end_ms - start_ms)
            placed.append(_span(key, start_ms, start_ms + taken_ms))
            left_ms -= taken_ms
            parts[:1] = [(start_ms + taken_ms, end_ms)] if start_ms + taken_ms < end_ms else []
    return sorted(placed, key=lambda span: span.start_ms)


def _fit(step: Step) -> dict[Key, int]:
    """The amounts, made to add up to the step's length: what is missing is unknown."""
    length_ms = step.end_ms - step.start_ms
    amounts = dict(step.amounts)
    over_ms = sum(amounts.values()) - length_ms
    # A clock that was put back: the longest state gives way.
    for key in sorted(amounts, key=lambda key: -amounts[key]):
        if over_ms > 0:
            cut_ms = min(over_ms, amounts[key])
            amounts[key] -= cut_ms
            over_ms -= cut_ms
    if over_ms < 0:
        amounts[_NOT_BOOKED] = amounts.get(_NOT_BOOKED, 0) - over_ms
    return {key: amount for key, amount in amounts.items() if amount > 0}


def _place_known(
    step: Step, amounts: Mapping[Key, int]
) -> tuple[list[Span], Intervals, dict[Key, int]]:
    """The spans that are known, the time left, and what is left for it."""
    left = dict(amounts)
    known: list[Span] = []
    taken: Intervals = ()
    for key, from_ms, to_ms in step.known:
        start_ms, end_ms = max(from_ms, step.start_ms), min(to_ms, step.end_ms)
        duration_ms = end_ms - start_ms
        if duration_ms <= 0 or left.get(key, 0) < duration_ms or clip(taken, start_ms, end_ms):
            continue  # it contradicts what was booked, which holds
        left[key] -= duration_ms
        known.append(_span(key, start_ms, end_ms))
        taken = normalise((*taken, (start_ms, end_ms)))
    free = difference(((step.start_ms, step.end_ms),), taken)
    return known, free, {key: amount for key, amount in left.items() if amount}


def _order(
    left: Mapping[Key, int], before: Key | None, following: Step | None, *, closed: bool
) -> list[tuple[Key, int]]:
    """What went on before comes first, what goes on comes last; one that does both is halved.

    ``closed``: the end of the step is known, and not among what is left.
    """
    first = before if before in left else None
    if before is None and _UP in left:
        first = _UP
    last = None
    if not closed:
        last = first if following is None else _find_shared(left, first, following)
    middle = [(key, left[key]) for key in sorted(left, key=str) if key not in (first, last)]
    if first is not None and first == last:
        half_ms = left[first] // 2
        return [(first, half_ms), *middle, (first, left[first] - half_ms)]
    return [
        *((key, left[key]) for key in (first,) if key is not None),
        *middle,
        *((key, left[key]) for key in (last,) if key is not None),
    ]


def _find_shared(left: Mapping[Key, int], first: Key | None, following: Step) -> Key | None:
    """With which of these states the next step most likely begins."""
    shared = [key for key in following.amounts if key in left]
    others = [key for key in shared if key != first]
    return next(iter(others or shared), None)


def _complete(spans: Sequence[Span], start_ms: int, end_ms: int) -> list[Span]:
    """Cut to the range; what no step reaches is unknown."""
    whole: list[Span] = []
    at_ms = start_ms
    for span in spans:
        begin_ms, until_ms = max(span.start_ms, start_ms), min(span.end_ms, end_ms)
        if begin_ms >= until_ms:
            continue
        if begin_ms > at_ms:
            whole.append(_span(_NOT_BOOKED, at_ms, begin_ms))
        whole.append(msgspec.structs.replace(span, start_ms=begin_ms, end_ms=until_ms))
        at_ms = until_ms
    if at_ms < end_ms:
        whole.append(_span(_NOT_BOOKED, at_ms, end_ms))
    return join_equal(whole)


def _span(key: Key, start_ms: int, end_ms: int) -> Span:
    """A span; what was not booked at all is unknown for the reason that there is no record."""
    verdict, cause = key
    if verdict is Verdict.UNKNOWN and cause is None:
        return Span(
            verdict=verdict, cause=Cause.AGENT, start_ms=start_ms, end_ms=end_ms, reason=NO_RECORD
        )
    return Span(verdict=verdict, cause=cause, start_ms=start_ms, end_ms=end_ms)
