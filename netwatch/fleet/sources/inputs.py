"""From the inventory and a source's month to what a report is built from.

Rule of this file: composition, for sources that keep no bundle. What the centre does not
know of a site (exclusions, tickets, single round trips, the agent's own thresholds) is
left out of the report, and its method says where the figures come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec

from netwatch import __version__
from netwatch.config.contract_terms import build_money, build_versions
from netwatch.core.contract import Contract
from netwatch.core.linkstate import OUTAGE_RULE_VERSION
from netwatch.fleet.model import FleetSite, Inventory
from netwatch.fleet.sources.base import Period, SiteMonth
from netwatch.report.build import measure_year_before
from netwatch.report.holidays_calendar import read_holidays
from netwatch.report.identity import CircuitIdentity, Method, SiteIdentity
from netwatch.report.inputs import ReportInputs


def list_versions(inventory: Inventory, site: FleetSite) -> Sequence[Contract]:
    """The versions of the site's contract, as the inventory has them."""
    return build_versions(inventory.circuit_of(site), ZoneInfo(site.timezone))


def build_month_inputs(
    inventory: Inventory, site: FleetSite, period: Period, found: SiteMonth
) -> ReportInputs:
    """Everything that the site's report depends on.

    What the rules of penalties had charged in earlier months is not known: a cap over a
    quarter or a year is held for this month alone. Raises ConfigError for holidays that
    nobody knows.
    """
    circuit = inventory.circuit_of(site)
    inputs = ReportInputs(
        year=period.year,
        month=period.month,
        now_ms=period.now_ms,
        zone=ZoneInfo(site.timezone),
        site=SiteIdentity(
            id=site.id,
            name=site.name,
            commune=site.commune,
            timezone=site.timezone,
            holidays=site.holidays,
            latitude=site.latitude,
            longitude=site.longitude,
        ),
        circuit=CircuitIdentity(
            operator=circuit.operator,
            reference=circuit.reference,
            technology=circuit.technology,
            monthly_fee=build_money(circuit.contract.monthly_fee or circuit.monthly_fee),
        ),
        versions=tuple(list_versions(inventory, site)),
        opening_hours=site.opening_hours,
        holidays=read_holidays(
            site.holidays, range(period.year - 1, period.year + 2), site.extra_holidays
        ),
        spans=(),
        rule={"version": OUTAGE_RULE_VERSION},
        method=Method(
            software_version=__version__,
            thresholds={
                "source": found.source,
                "source.edge_ms": found.edge_ms,
                "source.exclusions": "not known" if found.exclusions is None else "known",
            },
        ),
        exclusions=found.exclusions or (),
        tests=found.tests,
    )
    before = measure_year_before(inputs, found.spans)
    # The year's spans have had their use; the evidence is of the month and its margins.
    margin_ms = max(0, period.last_ms - period.end_ms)
    kept = tuple(
        span
        for span in found.spans
        if span.end_ms > period.start_ms - max(margin_ms, 8 * 86_400_000)
    )
    return msgspec.structs.replace(inputs, spans=kept, year_before=before)
