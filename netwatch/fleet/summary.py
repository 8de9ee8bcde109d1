"""What one operator's sites came to in a month.

Rule of this file: pure; outcomes in, summaries out. Rows are put in order, sums are made,
and no availability is averaged over sites: each stays beside its coverage.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from netwatch.fleet.correlate import SharedIncident, SiteIncident, find_shared
from netwatch.fleet.model import FleetSite, Inventory
from netwatch.fleet.site_report import Charge, SiteFigures, SiteOutcome
from netwatch.records import Cause
from netwatch.report.identity import iso_utc

SCHEMA_VERSION = 1
#: Below this share of the covered time known, a site's figure is not concluded from
#: (STANDARDS.md 4: an alert at the same share).
LEAST_COVERAGE = Fraction(95, 100)


class SharedPart(msgspec.Struct, frozen=True, kw_only=True):
    """One site's part of a shared incident."""

    site: str
    incident: str
    started_at: str
    ended_at: str | None


class SharedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that several sites had together."""

    cause: str
    started_at: str
    ended_at: str | None
    sites: int
    parts: tuple[SharedPart, ...]


class FailedSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site without a report, and why."""

    site: str
    name: str
    problem: str


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the reported sites."""

    sites: int  # of the inventory that were asked for
    reported: int
    inconclusive: int  # watched too little: neither kept nor missed
    missed: int  # below their commitment
    kept: int
    incidents: int
    restore_missed: int
    down_ms: int
    unknown_ms: int
    ims_exceeded: int
    penalties: tuple[Charge, ...]  # one for each currency


class OperatorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All that a month's page of one operator shows, in order."""

    schema_version: int = SCHEMA_VERSION
    month: str
    generated_at: str
    operator: str
    customer: str | None
    slug: str
    timezone: str
    least_coverage: Fraction = LEAST_COVERAGE
    totals: Totals
    league: tuple[SiteFigures, ...]  # the lowest availability first
    inconclusive: tuple[SiteFigures, ...]  # too little of the time is known
    failed: tuple[FailedSite, ...]
    shared: tuple[SharedEntry, ...]


def build_summaries(
    inventory: Inventory,
    sites: Sequence[FleetSite],
    outcomes: Iterable[SiteOutcome],
    month: str,
    generated_ms: int,
) -> tuple[OperatorSummary, ...]:
    """One for each operator that has one of the sites, in the inventory's order."""
    by_site = {each.site: each for each in outcomes}
    slugs = build_slugs(tuple(inventory.operators))
    summaries = []
    for name, operator in inventory.operators.items():
        mine = [site for site in sites if site.circuit.operator == name]
        if not mine:
            continue
        found = [by_site[site.id] for site in mine]
        figures = [each.figures for each in found if each.figures is not None]
        conclusive = [each for each in figures if is_conclusive(each)]
        summaries.append(
            OperatorSummary(
                month=month,
                generated_at=iso_utc(generated_ms),
                operator=name,
                customer=operator.customer,
                slug=slugs[name],
                timezone=mine[0].timezone,
                totals=_sum(len(mine), figures),
                league=tuple(sorted(conclusive, key=_worst_first)),
                inconclusive=tuple(
                    sorted(
                        (each for each in figures if not is_conclusive(each)),
                        key=lambda each: (each.coverage or Fraction(0), each.site),
                    )
                ),
                failed=tuple(
                    FailedSite(site=site.id, name=site.name or site.id, problem=each.problem)
                    for site, each in zip(mine, found, strict=True)
                    if each.problem is not None
                ),
                shared=tuple(map(_tell, find_shared(_flatten(each.incidents for each in found)))),
            )
        )
    return tuple(summaries)


def is_conclusive(figures: SiteFigures) -> bool:
    """Whether enough of the covered time is known to say anything of it."""
    return figures.coverage is not None and figures.coverage >= LEAST_COVERAGE


def build_slugs(names: Sequence[str]) -> dict[str, str]:
    """A name for a folder for each, no two alike.

    >>> build_slugs(["Opérateur A", "opérateur-a", "…"])
    {'Opérateur A': 'operateur-a', 'opérateur-a': 'operateur-a-2', '…': 'operator'}
    """
    slugs: dict[str, str] = {}
    for name in names:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "operator"
        slug, number = base, 1
        while slug in slugs.values():
            number += 1
            slug = f"{base}-{number}"
        slugs[name] = slug
    return slugs


def _flatten(rows: Iterable[Sequence[SiteIncident]]) -> list[SiteIncident]:
    """Those beyond the site: boxes that fail together share the town's power, say."""
    return [each for row in rows for each in row if each.cause != Cause.GATEWAY]


def _worst_first(figures: SiteFigures) -> tuple[Fraction, int, str]:
    shown = figures.contractual if figures.contractual is not None else figures.measured
    return (Fraction(2) if shown is None else shown, -figures.down_ms, figures.site)


def _sum(sites: int, figures: Sequence[SiteFigures]) -> Totals:
    charges: dict[str, Decimal] = {}
    for each in figures:
        if each.penalties is not None:
            held = charges.get(each.penalties.currency, Decimal(0))
            charges[each.penalties.currency] = held + each.penalties.amount
    return Totals(
        sites=sites,
        reported=len(figures),
        inconclusive=sum(not is_conclusive(each) for each in figures),
        missed=sum(each.met is False for each in figures if is_conclusive(each)),
        kept=sum(each.met is True for each in figures if is_conclusive(each)),
        incidents=sum(each.incidents for each in figures),
        restore_missed=sum(each.restore_missed for each in figures),
        down_ms=sum(each.down_ms for each in figures),
        unknown_ms=sum(each.unknown_ms for each in figures),
        ims_exceeded=sum(
            each.ims_allowed_ms is not None and each.ims_used_ms > each.ims_allowed_ms
            for each in figures
        ),
        penalties=tuple(
            Charge(amount=amount, currency=currency) for currency, amount in sorted(charges.items())
        ),
    )


def _tell(shared: SharedIncident) -> SharedEntry:
    return SharedEntry(
        cause=shared.cause,
        started_at=iso_utc(shared.start_ms),
        ended_at=None if shared.end_ms is None else iso_utc(shared.end_ms),
        sites=len(shared.sites),
        parts=tuple(
            SharedPart(
                site=each.site,
                incident=each.id,
                started_at=iso_utc(each.start_ms),
                ended_at=None if each.end_ms is None else iso_utc(each.end_ms),
            )
            for each in shared.incidents
        ),
    )
