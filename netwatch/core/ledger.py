"""The ledger: what is said of every millisecond, derived from spans.

The law of this file: over any period the entries add up to its length exactly. What
no span covers is unknown, with the cause and reason that the lives of the agent give
(`core.lives`). Where two spans claim one instant, because a clock was put back, the one
that was recorded first keeps it.

Pure; on UTC milliseconds. It knows no store: spans and runs are handed in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from netwatch.core.lives import build_unknown, explain_silence
from netwatch.records import (
    MINUTE_MS,
    Cause,
    Entry,
    Incident,
    LedgerMinute,
    Run,
    Span,
    Verdict,
)

#: A failing of all resolvers shorter than this beside an outage of the line is that outage.
MINIMUM_DNS_MS = 3_000

Key = tuple[Verdict, Cause | None]


def build_ledger(
    layers: Mapping[str, Sequence[Span]],
    runs: Sequence[Run],
    start_ms: int,
    end_ms: int,
) -> list[Span]:
    """The final spans of ``[start_ms, end_ms)``: ordered, without hole or overlap.

    ``layers`` holds the recorded spans by layer (`link`, `dns`, `quality`; others are
    ignored), each in the order of recording; ``runs`` the lives of the agent in that
    order, those that no clock ever dated among them.

    >>> up = Span(verdict=Verdict.UP, cause=None, start_ms=10, end_ms=30)
    >>> [(s.verdict.value, s.start_ms, s.end_ms) for s in build_ledger({"link": [up]}, [], 0, 40)]
    [('unknown', 0, 10), ('up', 10, 30), ('unknown', 30, 40)]
    """
    link = resolve_overlaps(clip_spans(layers.get("link", ()), start_ms, end_ms))
    dns = [span for span in layers.get("dns", ()) if span.verdict is Verdict.DOWN]
    dns = resolve_overlaps(clip_spans(dns, start_ms, end_ms))
    quality = resolve_overlaps(clip_spans(layers.get("quality", ()), start_ms, end_ms))
    laid = overlay(link, quality, minimum_ms=0)
    laid = overlay(laid, dns, minimum_ms=MINIMUM_DNS_MS)
    return join_equal(fill_unknown(laid, runs, start_ms, end_ms))


def clip_spans(spans: Iterable[Span], start_ms: int, end_ms: int) -> list[Span]:
    """The parts within ``[start_ms, end_ms)``, in the order given."""
    return [
        span
        if start_ms <= span.start_ms and span.end_ms <= end_ms
        else msgspec.structs.replace(
            span, start_ms=max(span.start_ms, start_ms), end_ms=min(span.end_ms, end_ms)
        )
        for span in spans
        if span.end_ms > start_ms and span.start_ms < end_ms and span.end_ms > span.start_ms
    ]


def resolve_overlaps(spans: Sequence[Span]) -> list[Span]:
    """Disjoint spans in order of time; of two that overlap the earlier given keeps its time.

    >>> first = Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=10, end_ms=30)
    >>> later = Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=40)
    >>> [(s.verdict.value, s.start_ms, s.end_ms) for s in resolve_overlaps([first, later])]
    [('up', 0, 10), ('down', 10, 30), ('up', 30, 40)]
    """
    in_order = sorted(spans, key=lambda span: span.start_ms)
    if all(earlier.end_ms <= later.start_ms for earlier, later in itertools.pairwise(in_order)):
        return in_order
    kept: list[Span] = []
    for span in spans:
        free = [(span.start_ms, span.end_ms)]
        for other in kept:
            free = [
                part
                for start_ms, end_ms in free
                for part in (
                    (start_ms, min(end_ms, other.start_ms)),
                    (max(start_ms, other.end_ms), end_ms),
                )
                if part[0] < part[1]
            ]
        kept += [
            msgspec.structs.replace(span, start_ms=start_ms, end_ms=end_ms)
            for start_ms, end_ms in free
        ]
    return sorted(kept, key=lambda span: span.start_ms)


def overlay(base: Sequence[Span], upper: Sequence[Span], *, minimum_ms: int) -> list[Span]:
    """``upper`` laid over the parts of ``base`` in which the line carried traffic.

    Both disjoint and in order. Parts of ``upper`` shorter than ``minimum_ms`` within
    one stretch of carried traffic are left out.
    """
    result: list[Span] = []
    index = 0
    for run in _carrying_runs(base):
        if run[0].verdict is Verdict.DOWN or run[0].verdict is Verdict.UNKNOWN:
            result += run
            continue
        start_ms, end_ms = run[0].start_ms, run[-1].end_ms
        while index < len(upper) and upper[index].end_ms <= start_ms:
            index += 1
        parts = []
        at = index
        while at < len(upper) and upper[at].start_ms < end_ms:
            part = clip_spans([upper[at]], start_ms, end_ms)[0]
            if part.duration_ms >= minimum_ms:
                parts.append(part)
            at += 1
        result += _replace_parts(run, parts)
    return result


def _carrying_runs(base: Sequence[Span]) -> list[list[Span]]:
    """The base split into adjoining stretches of carried traffic, and single other spans."""
    runs: list[list[Span]] = []
    for span in base:
        carries = span.verdict is Verdict.UP or span.verdict is Verdict.DEGRADED
        if (
            carries
            and runs
            and (runs[-1][-1].verdict is Verdict.UP or runs[-1][-1].verdict is Verdict.DEGRADED)
            and runs[-1][-1].end_ms == span.start_ms
        ):
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs


def _replace_parts(run: Sequence[Span], parts: Sequence[Span]) -> list[Span]:
    if not parts:
        return list(run)
    result: list[Span] = []
    for span in run:
        at_ms = span.start_ms
        for part in clip_spans(parts, span.start_ms, span.end_ms):
            if part.start_ms > at_ms:
                result.append(msgspec.structs.replace(span, start_ms=at_ms, end_ms=part.start_ms))
            result.append(part)
            at_ms = part.end_ms
        if at_ms < span.end_ms:
            result.append(msgspec.structs.replace(span, start_ms=at_ms))
    return result


def fill_unknown(
    spans: Sequence[Span], runs: Sequence[Run], start_ms: int, end_ms: int
) -> list[Span]:
    """The same with every hole filled by unknown spans that say why nobody watched."""
    silences = explain_silence(runs)
    index = 0
    result: list[Span] = []
    at_ms = start_ms
    for span in (*spans, None):
        until_ms = end_ms if span is None else span.start_ms
        if until_ms > at_ms:
            while silences[index].end_ms <= at_ms:
                index += 1
            last = index
            while silences[last].end_ms < until_ms:
                last += 1
            result += build_unknown(at_ms, until_ms, silences[index : last + 1])
        if span is not None:
            result.append(span)
            at_ms = span.end_ms
    return result


def join_equal(spans: Sequence[Span]) -> list[Span]:
    """Adjoining spans that say the same become one."""
    result: list[Span] = []
    for span in spans:
        if (
            result
            and result[-1].end_ms == span.start_ms
            and (result[-1].verdict, result[-1].cause, result[-1].reason)
            == (span.verdict, span.cause, span.reason)
        ):
            result[-1] = msgspec.structs.replace(result[-1], end_ms=span.end_ms)
        else:
            result.append(span)
    return result


def sum_spans(spans: Iterable[Span]) -> dict[Key, int]:
    """Milliseconds by verdict and cause."""
    totals: dict[Key, int] = {}
    for span in spans:
        key = (span.verdict, span.cause)
        totals[key] = totals.get(key, 0) + span.duration_ms
    return totals


def build_minutes(spans: Sequence[Span]) -> list[LedgerMinute]:
    """The ledger minute by minute; ``spans`` as `build_ledger` gives them.

    Only whole minutes: a first or last one that the spans cover in part is left out.
    """
    if not spans:
        return []
    minutes: list[LedgerMinute] = []
    first_ms = -(-spans[0].start_ms // MINUTE_MS) * MINUTE_MS
    last_ms = spans[-1].end_ms // MINUTE_MS * MINUTE_MS
    index = 0
    for start_ms in range(first_ms, last_ms, MINUTE_MS):
        end_ms = start_ms + MINUTE_MS
        while spans[index].end_ms <= start_ms:
            index += 1
        at = index
        totals: dict[Key, int] = {}
        while at < len(spans) and spans[at].start_ms < end_ms:
            span = spans[at]
            key = (span.verdict, span.cause)
            within_ms = min(span.end_ms, end_ms) - max(span.start_ms, start_ms)
            totals[key] = totals.get(key, 0) + within_ms
            at += 1
        entries = tuple(
            Entry(verdict=verdict, cause=cause, duration_ms=duration_ms)
            for (verdict, cause), duration_ms in sorted(
                totals.items(), key=lambda item: (item[0][0].value, item[0][1] or "")
            )
        )
        minutes.append(LedgerMinute(start_ms=start_ms, entries=entries))
    return minutes


def find_incidents(spans: Sequence[Span], *, now_ms: int | None = None) -> list[Incident]:
    """The maximal stretches of down; the cause is that of the stretch's longest part.

    A stretch that reaches ``now_ms`` is not over: its end is None.

    >>> down = Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=10, end_ms=30)
    >>> find_incidents([down], now_ms=30)[0].end_ms is None
    True
    """
    incidents: list[Incident] = []
    stretch: list[Span] = []
    for span in (*spans, None):
        if span is not None and span.verdict is Verdict.DOWN:
            if stretch and stretch[-1].end_ms != span.start_ms:
                incidents.append(_build_incident(stretch, now_ms))
                stretch = []
            stretch.append(span)
        elif stretch:
            incidents.append(_build_incident(stretch, now_ms))
            stretch = []
    return incidents


def _build_incident(stretch: Sequence[Span], now_ms: int | None) -> Incident:
    by_cause: dict[Cause, int] = {}
    for span in stretch:
        cause = span.cause or Cause.ACCESS
        by_cause[cause] = by_cause.get(cause, 0) + span.duration_ms
    end_ms = stretch[-1].end_ms
    return Incident(
        cause=max(by_cause, key=lambda cause: by_cause[cause]),
        start_ms=stretch[0].start_ms,
        end_ms=None if now_ms is not None and end_ms >= now_ms else end_ms,
    )
