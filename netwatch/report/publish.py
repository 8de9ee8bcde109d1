"""A month's files in a folder: tables, figures, pages, and the bundle that holds them all.

Rule of this file: the order of writing, so that each file can name the hashes of those
before it: tables, then report.json and the pages with the tables' hashes, then the
manifest with everyone's. It computes no figure and reads no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from netwatch.core.round_trips import StretchCount
from netwatch.report.build import build_report
from netwatch.report.evidence import (
    FileEntry,
    Manifest,
    build_bundle_name,
    read_entry,
    write_bundle,
)
from netwatch.report.identity import Evidence, EvidenceFile
from netwatch.report.inputs import ReportInputs
from netwatch.report.json_form import encode_report
from netwatch.report.language import LanguageCode
from netwatch.report.ledger_table import write_ledger
from netwatch.report.model import Report
from netwatch.report.recompute import completed_ledger, list_stretches, list_tables
from netwatch.report.render import render_html, render_pdf
from netwatch.report.rows import (
    annotation_rows,
    bandwidth_rows,
    campaign_rows,
    exclusion_rows,
    incident_rows,
)
from netwatch.report.rtt_table import RttTable
from netwatch.report.tables import (
    ANNOTATIONS,
    BANDWIDTH,
    CAMPAIGNS,
    EXCLUSIONS,
    INCIDENTS,
    LEDGER,
    RTT,
    build_schema,
    write_table,
)
from netwatch.report.terms import build_terms, encode_terms

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Format = Literal["html", "pdf", "csv", "json"]
FORMATS: tuple[Format, ...] = ("html", "pdf", "csv", "json")
#: 2: rtt.csv counts by stretch and target, exclusions.csv has the kind (older_tables).
BUNDLE_VERSION = 2


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the report with its evidence list, every file, the bundle."""

    report: Report
    files: tuple[Path, ...]
    bundle: Path | None
    manifest: Manifest | None


def write_evidence(
    folder: Path,
    inputs: ReportInputs,
    report: Report,
    round_trips: Iterable[StretchCount] | RttTable,
) -> tuple[FileEntry, ...]:
    """Write the tables, their schemas and the contract; return their hashes, by name.

    ``round_trips`` are consumed as they come, counted in the stretches of
    `recompute.list_stretches`; a table of them that was written into the same folder on the
    way only gets its name. Raises ``OSError``.
    """
    counts = {
        RTT.file_name: _place_round_trips(folder, inputs, round_trips),
        LEDGER.file_name: write_ledger(folder / LEDGER.file_name, completed_ledger(inputs)),
    }
    tables = list_tables(inputs)
    for table, rows in (
        (ANNOTATIONS, annotation_rows(inputs.annotations)),
        (BANDWIDTH, bandwidth_rows(inputs.tests)),
        (CAMPAIGNS, campaign_rows(inputs.campaigns)),
        (EXCLUSIONS, exclusion_rows(inputs.exclusions)),
        (INCIDENTS, incident_rows(report.incidents)),
    ):
        if table not in tables:
            continue
        counts[table.file_name] = write_table(folder / table.file_name, table, rows)
    for table in tables:
        (folder / table.schema_name).write_bytes(build_schema(table))
    (folder / "contract.toml").write_bytes(encode_terms(build_terms(inputs)))
    names = sorted([*counts, *(table.schema_name for table in tables), "contract.toml"])
    return tuple(read_entry(folder / name, name, counts.get(name)) for name in names)


def _tell_fingerprint(key: Ed25519PrivateKey) -> str:
    from netwatch.report.sign import build_fingerprint, build_raw_public  # noqa: PLC0415 -- a library that only a signature pays for

    return build_fingerprint(build_raw_public(key.public_key()))


def _place_round_trips(
    folder: Path, inputs: ReportInputs, round_trips: Iterable[StretchCount] | RttTable
) -> int:
    if isinstance(round_trips, RttTable):
        return round_trips.place()
    with RttTable(folder) as table:
        for _ in table.keep(round_trips, list_stretches(inputs)):
            pass
        return table.place()


def publish_report(
    folder: Path,
    inputs: ReportInputs,
    round_trips: Iterable[StretchCount] | RttTable,
    *,
    languages: Sequence[LanguageCode] = ("fr", "en"),
    formats: Sequence[Format] = FORMATS,
    key: Ed25519PrivateKey | None = None,
) -> Published:
    """Build a month's report, write its files into ``folder`` (made when absent), bundle them.

    ``inputs.targets`` come from the same ``round_trips`` (`recompute.collect_targets`), which
    are gone through once more here, unless an `RttTable` in ``folder`` kept them then. Tables
    and report.json are always written, for the pages speak of their hashes; the bundle is
    made when ``csv`` and ``json`` are among the formats. The same inputs give the same bytes. Raises ``OSError``, and ``ValueError``
    for inputs that contradict themselves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = build_report(inputs)
    entries = write_evidence(folder, inputs, report, round_trips)
    listed = tuple(
        EvidenceFile(name=entry.name, sha256=entry.sha256, rows=entry.rows) for entry in entries
    )
    report = msgspec.structs.replace(
        report, evidence=Evidence(files=listed, chain=report.evidence.chain)
    )
    (folder / "report.json").write_bytes(encode_report(report))
    files = {entry.name: folder / entry.name for entry in entries}
    files["report.json"] = folder / "report.json"
    fingerprint = None if key is None else _tell_fingerprint(key)
    for code in languages:
        if "html" in formats:
            name = f"report.{code}.html"
            page = render_html(report, code, fingerprint=fingerprint)
            (folder / name).write_text(page, encoding="utf-8")
            files[name] = folder / name
        if "pdf" in formats:
            name = f"report.{code}.pdf"
            (folder / name).write_bytes(render_pdf(report, code, fingerprint=fingerprint))
            files[name] = folder / name
    bundle = manifest = None
    if "csv" in formats and "json" in formats:
        bundle = folder / build_bundle_name(report.site.id, report.period.month)
        manifest = write_bundle(
            bundle,
            files,
            Manifest(
                bundle_version=BUNDLE_VERSION,
                site=report.site.id,
                month=report.period.month,
                created_at=report.generated_at,
                netwatch_version=report.method.software_version,
                rule_version=str(report.rule.get("version", "unknown")),
                files=entries,
                chain=report.evidence.chain,
            ),
            key=key,
        )
    return Published(
        report=report, files=tuple(sorted(files.values())), bundle=bundle, manifest=manifest
    )
