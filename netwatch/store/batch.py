"""What the agent hands to the store: everything since the last batch, in one piece.

Rule of this file: values, and the joining of two. It knows no database and no thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from netwatch.records import Anchor, Check, Observation, Span


class LayerSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span (monotonic) and the timeline it belongs to: link, dns, quality, service:NAME …"""

    layer: str
    span: Span


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in the books: written whole, once, or not at all."""

    run_id: int
    anchor: Anchor | None  # None while the clock is not synchronised
    watched_to_mono_ms: int  # up to here the agent answers for what the spans say
    spans: tuple[LayerSpan, ...] = ()  # new ones, and the open ones as far as they have come
    observations: Sequence[Observation] = ()
    counters: Mapping[tuple[str, str], int] = {}  # (name, label): increment
    checks: tuple[Check, ...] = ()  # those now in force; entered where they differ
    sequence: int | None = None  # ascending in a run; None: the next one (the writer gives it)
    # No span changes any more before it, and all observations due up to `watched_to_mono_ms`
    # have been handed over but those still under way; None: not said of this batch.
    settled_mono_ms: int | None = None
    # The totals, with these increments, have this run's time up to here; None: as before.
    counted_mono_ms: int | None = None
    caught_up: bool = False  # and, with these, all that lies before this run


def join_batches(first: Batch, second: Batch) -> Batch:
    """Two batches of one run as one, for when the disk has refused both for long.

    Spans of the second replace those of the first with the same layer and start;
    increments add up; the later anchor, if there is one, stands for both.

    >>> one = Batch(run_id=1, anchor=None, watched_to_mono_ms=5, counters={("a", ""): 1})
    >>> two = Batch(run_id=1, anchor=None, watched_to_mono_ms=9, counters={("a", ""): 2})
    >>> join_batches(one, two).counters
    {('a', ''): 3}
    """
    spans = {(each.layer, each.span.start_ms): each for each in first.spans}
    for each in second.spans:
        spans.pop((each.layer, each.span.start_ms), None)  # the order is that of the latest word
        spans[each.layer, each.span.start_ms] = each
    counters = dict(first.counters)
    for key, increment in second.counters.items():
        counters[key] = counters.get(key, 0) + increment
    return Batch(
        run_id=first.run_id,
        anchor=second.anchor or first.anchor,
        watched_to_mono_ms=max(first.watched_to_mono_ms, second.watched_to_mono_ms),
        spans=tuple(spans.values()),
        observations=(*first.observations, *second.observations),
        counters=counters,
        checks=second.checks or first.checks,
        sequence=second.sequence,
        settled_mono_ms=second.settled_mono_ms,
        counted_mono_ms=first.counted_mono_ms
        if second.counted_mono_ms is None
        else second.counted_mono_ms,
        caught_up=first.caught_up or second.caught_up,
    )
