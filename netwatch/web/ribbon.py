"""A ribbon of time: from spans to strips of cells.

Rule of this file: pure geometry. However many spans there are, a ribbon has no more
strips than cells. A cell shows the gravest that happened within it, so that an
outage of three seconds stays visible and unknown time never passes for up.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from netwatch.core.ledger import clip_spans
from netwatch.records import Cause, Span, Verdict

#: From what yields to what stands out.
_GRAVITY = (Verdict.UP, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN)


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """Cells ``[first, last)`` of one verdict, and what lies within them.

    ``start_ms`` to ``end_ms`` is where that verdict truly begins and ends there,
    ``held_ms`` how long it held in sum, ``cause`` and ``reason`` those of its longest part.
    """

    verdict: Verdict
    first: int
    last: int
    start_ms: int
    end_ms: int
    held_ms: int
    cause: Cause | None
    reason: str | None


def build_strips(spans: Sequence[Span], start_ms: int, end_ms: int, cells: int) -> list[Strip]:
    """The strips of ``[start_ms, end_ms)`` cut into ``cells``; what no span covers is left out.

    >>> down = Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=495, end_ms=505)
    >>> up = [Span(verdict=Verdict.UP, cause=None, start_ms=a, end_ms=b) for a, b in ((0, 495), (505, 1000))]
    >>> [(s.verdict.value, s.first, s.last) for s in build_strips([up[0], down, up[1]], 0, 1000, 10)]
    [('up', 0, 4), ('down', 4, 6), ('up', 6, 10)]
    """
    length_ms = end_ms - start_ms
    clipped = clip_spans(spans, start_ms, end_ms)
    gravest = [-1] * cells
    by_cell: list[list[Span]] = [[] for _ in range(cells)]
    for span in clipped:
        first = (span.start_ms - start_ms) * cells // length_ms
        last = -(-(span.end_ms - start_ms) * cells // length_ms)
        rank = _GRAVITY.index(span.verdict)
        for cell in range(first, last):
            gravest[cell] = max(gravest[cell], rank)
            by_cell[cell].append(span)
    strips: list[Strip] = []
    for rank, group in groupby(range(cells), key=gravest.__getitem__):
        if rank < 0:
            continue
        members = list(group)
        verdict = _GRAVITY[rank]
        within = [span for cell in members for span in by_cell[cell] if span.verdict is verdict]
        strips.append(_build_strip(verdict, members[0], members[-1] + 1, within))
    return strips


def _build_strip(verdict: Verdict, first: int, last: int, spans: Sequence[Span]) -> Strip:
    unique = {id(span): span for span in spans}.values()
    longest = max(unique, key=lambda span: span.duration_ms)
    return Strip(
        verdict=verdict,
        first=first,
        last=last,
        start_ms=min(span.start_ms for span in unique),
        end_ms=max(span.end_ms for span in unique),
        held_ms=sum(span.duration_ms for span in unique),
        cause=longest.cause,
        reason=longest.reason,
    )
