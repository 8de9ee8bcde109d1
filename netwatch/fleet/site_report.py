"""One site's report in its folder, and the figures that the operator's summary takes from it.

Rule of this file: whatever the source, the figures come out of the site's report; nothing
is reckoned twice. A site that fails leaves a sentence and no file.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from netwatch.errors import ConfigError, NetwatchError, SourceFailed
from netwatch.fleet.correlate import SiteIncident
from netwatch.fleet.model import FleetSite, Inventory
from netwatch.fleet.sources.base import LatencySummary, Period, SiteMonth, Source, build_period
from netwatch.fleet.sources.inputs import build_month_inputs, list_versions
from netwatch.report.evidence import open_bundle, read_entry
from netwatch.report.inputs import ReportInputs
from netwatch.report.json_form import decode_report
from netwatch.report.language import LanguageCode
from netwatch.report.model import Report
from netwatch.report.publish import Format, publish_report
from netwatch.report.render import render_html
from netwatch.report.tables import parse_instant_ms
from netwatch.report.terms import decode_terms


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which month, in which forms; ``now_ms`` is the instant of asking (UTC)."""

    year: int
    month: int
    now_ms: int
    formats: tuple[Format, ...] = ("html", "csv", "json")
    languages: tuple[LanguageCode, ...] = ("fr", "en")


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a site's penalties come to, as a proposal."""

    amount: Decimal
    currency: str


class SiteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the league; every figure is the one of the site's own report."""

    site: str
    name: str
    commune: str | None
    operator: str
    circuit: str | None
    contract: str | None
    timezone: str
    complete: bool
    measured: Fraction | None
    low: Fraction | None
    high: Fraction | None
    contractual: Fraction | None
    contractual_low: Fraction | None
    coverage: Fraction | None
    target: Fraction | None
    met: bool | None
    up_ms: int  # of the whole month, around the clock
    degraded_ms: int
    down_ms: int
    unknown_ms: int
    counted_ms: int  # against the operator, after exclusions, in the contract's hours
    incidents: int
    restore_missed: int
    ims_used_ms: int
    ims_allowed_ms: int | None
    ims_coverage: Fraction | None
    throughput_down_met: Fraction | None
    throughput_up_met: Fraction | None
    penalties: Charge | None
    source: str
    where: str
    edge_ms: int
    bundle: str | None = None
    bundle_sha256: str | None = None
    notes: tuple[str, ...] = ()
    latency: tuple[LatencySummary, ...] = ()


class SiteOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Figures and incidents, or the problem."""

    site: str
    figures: SiteFigures | None = None
    incidents: tuple[SiteIncident, ...] = ()
    problem: str | None = None
    silent: bool = False  # nobody answered (`errors.SourceFailed`)


def find_period(inventory: Inventory, site: FleetSite, wanted: Wanted) -> Period:
    """The month in the site's zone, by the site's contract."""
    versions = list_versions(inventory, site)
    return build_period(wanted.year, wanted.month, wanted.now_ms, ZoneInfo(site.timezone), versions)


def make_site_report(
    inventory: Inventory, site: FleetSite, source: Source, wanted: Wanted, folder: Path
) -> SiteOutcome:
    """Write the site's files into ``folder``, which is made, and gone again when it fails.

    Never raises for what a source or an agent does; OSError for the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    silent = False
    try:
        period = find_period(inventory, site, wanted)
        found = source.read(site, period, folder)
        if found.bundle is None:
            inputs = build_month_inputs(inventory, site, period, found)
            report = _write_report(inputs, wanted, folder)
            notes: tuple[str, ...] = ()
        else:
            report = _unpack_report(found.bundle, wanted, folder)
            notes = tuple(_compare(inventory, site, found.bundle))
    except ConfigError as error:
        problem = "; ".join(error.problems)
    except NetwatchError as error:
        problem = str(error)
        silent = isinstance(error, SourceFailed) and error.silent
    except ValueError as error:
        problem = f"its records contradict themselves: {error}"
    else:
        bundle = next(folder.glob("netwatch-*.zip"), None)
        return SiteOutcome(
            site=site.id,
            figures=build_figures(site, report, found, bundle, notes),
            incidents=tuple(list_incidents(site, report, found.edge_ms)),
        )
    shutil.rmtree(folder)
    return SiteOutcome(site=site.id, problem=problem, silent=silent)


def _write_report(inputs: ReportInputs, wanted: Wanted, folder: Path) -> Report:
    published = publish_report(
        folder, inputs, (), languages=wanted.languages, formats=wanted.formats
    )
    if published.bundle is not None:
        # The tables are in the bundle: in the folder are what people read, and it.
        for path in folder.iterdir():
            if path.suffix in (".csv", ".toml") or path.name.endswith(".schema.json"):
                path.unlink()
    return published.report


def _unpack_report(bundle: Path, wanted: Wanted, folder: Path) -> Report:
    """The pages of the agent's own bundle beside it; one that it has not is made of its figures."""
    with open_bundle(bundle) as opened:
        data = opened.read("report.json")
        try:
            report = decode_report(data)
        except msgspec.DecodeError as error:
            raise SourceFailed(f"its bundle's report.json is of another form: {error}") from None
        (folder / "report.json").write_bytes(data)
        for code in wanted.languages:
            for kind in ("html", "pdf"):
                name = f"report.{code}.{kind}"
                if kind not in wanted.formats:
                    continue
                if name in opened.names:
                    with opened.open(name) as stream, (folder / name).open("wb") as into:
                        shutil.copyfileobj(stream, into)
                elif kind == "html":
                    (folder / name).write_text(render_html(report, code), encoding="utf-8")
    return report


def _compare(inventory: Inventory, site: FleetSite, bundle: Path) -> Sequence[str]:
    """Where the agent's own settings are not those of the inventory."""
    with open_bundle(bundle) as opened:
        terms = decode_terms(opened.read("contract.toml"))
    notes = []
    if terms.versions != tuple(list_versions(inventory, site)):
        notes.append("contract_differs")
    if terms.circuit.operator != site.circuit.operator:
        notes.append("operator_differs")
    return notes


def build_figures(
    site: FleetSite, report: Report, found: SiteMonth, bundle: Path | None, notes: tuple[str, ...]
) -> SiteFigures:
    """The row of a report."""
    main, total = report.availability, report.penalties_total
    return SiteFigures(
        site=site.id,
        name=site.name or site.id,
        commune=site.commune,
        operator=site.circuit.operator,
        circuit=site.circuit.reference,
        contract=site.circuit.contract,
        timezone=site.timezone,
        complete=report.period.complete,
        measured=main.measured,
        low=main.low,
        high=main.high,
        contractual=main.contractual,
        contractual_low=main.contractual_low,
        coverage=main.coverage,
        target=main.target,
        met=main.met,
        up_ms=report.ledger.up_ms,
        degraded_ms=report.ledger.degraded_ms,
        down_ms=report.ledger.down_ms,
        unknown_ms=report.ledger.unknown_ms,
        counted_ms=main.counted_after_exclusions_ms,
        incidents=report.incident_summary.count,
        restore_missed=sum(each.restore_met is False for each in report.incidents),
        ims_used_ms=report.yearly_interruption.used_ms,
        ims_allowed_ms=report.yearly_interruption.allowed_ms,
        ims_coverage=report.yearly_interruption.coverage,
        throughput_down_met=report.throughput.down.share_met,
        throughput_up_met=report.throughput.up.share_met,
        penalties=None if total is None else Charge(amount=total.amount, currency=total.currency),
        source=found.source,
        where=found.where,
        edge_ms=found.edge_ms,
        bundle=None if bundle is None else f"sites/{site.id}/{bundle.name}",
        bundle_sha256=None if bundle is None else read_entry(bundle, bundle.name).sha256,
        notes=notes,
        latency=found.latency,
    )


def list_incidents(site: FleetSite, report: Report, edge_ms: int) -> Sequence[SiteIncident]:
    """The incidents of a report, to be held against those of other sites."""
    return [
        SiteIncident(
            operator=site.circuit.operator,
            cause=each.cause,
            start_ms=parse_instant_ms(each.started_at),
            site=site.id,
            id=each.id,
            end_ms=None if each.ended_at is None else parse_instant_ms(each.ended_at),
            edge_ms=edge_ms,
        )
        for each in report.incidents
    ]
