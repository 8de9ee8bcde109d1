"""Incidents that several sites of one operator had together.

Rule of this file: pure; it groups what began at the same time for the same cause, and says
nothing of why. Two lines of one operator that fail within a minute of one another for a
cause beyond the sites point at what they share, the operator's network.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec

#: Beginnings no further apart than this are taken for one.
TOGETHER_MS = 60_000


class SiteIncident(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One site's incident (UTC); ``end_ms`` None: it went on. ``edge_ms``: how sure its edges are."""

    operator: str
    cause: str
    start_ms: int
    site: str
    id: str
    end_ms: int | None = None
    edge_ms: int = 0


class SharedIncident(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents of at least two sites, in order of their beginnings.

    ``end_ms`` is when the last of them was over; None while one lasts.
    """

    operator: str
    cause: str
    start_ms: int
    end_ms: int | None
    incidents: tuple[SiteIncident, ...]

    @property
    def sites(self) -> tuple[str, ...]:
        """Each site once, in alphabetical order."""
        return tuple(sorted({each.site for each in self.incidents}))


def find_shared(
    incidents: Iterable[SiteIncident], together_ms: int = TOGETHER_MS
) -> tuple[SharedIncident, ...]:
    """The incidents that at least two sites of one operator had for one cause at one time.

    Each that begins within ``together_ms`` of another is with it, and so on from one to
    the next; where edges are not sure, so much more. In order of time.

    >>> a, b, c = (SiteIncident(operator="A", cause="upstream", start_ms=at, site=site, id=site)
    ...     for site, at in [("x", 0), ("y", 59_000), ("z", 200_000)])
    >>> [shared.sites for shared in find_shared([c, b, a])]
    [('x', 'y')]
    """
    found: list[SharedIncident] = []
    ordered = sorted(incidents, key=_order)
    for _, row in groupby(ordered, key=lambda each: (each.operator, each.cause)):
        group: list[SiteIncident] = []
        for each in row:
            if group and each.start_ms - group[-1].start_ms > (
                together_ms + max(each.edge_ms, group[-1].edge_ms)
            ):
                found += _build(group)
                group = []
            group.append(each)
        found += _build(group)
    return tuple(sorted(found, key=lambda each: (each.start_ms, each.operator, each.cause)))


def _order(each: SiteIncident) -> tuple[str, str, int, str, str]:
    return each.operator, each.cause, each.start_ms, each.site, each.id


def _build(group: list[SiteIncident]) -> list[SharedIncident]:
    if len({each.site for each in group}) < 2:
        return []
    ends = [each.end_ms for each in group if each.end_ms is not None]
    return [
        SharedIncident(
            operator=group[0].operator,
            cause=group[0].cause,
            start_ms=group[0].start_ms,
            end_ms=max(ends) if len(ends) == len(group) else None,
            incidents=tuple(group),
        )
    ]
