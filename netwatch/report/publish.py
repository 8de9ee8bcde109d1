"""A month's files in a folder: tables, figures, pages, and the bundle that holds them all.

Rule of this file: the order of writing, so that each file can name the hashes of those
before it: tables, then report.json and the pages with the tables' hashes, then the
manifest with everyone's. It computes no figure and reads no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from netwatch.report.build import build_report
from netwatch.report.evidence import (
    FileEntry,
    Manifest,
    build_bundle_name,
    read_entry,
    write_bundle,
)
from netwatch.report.identity import Evidence, EvidenceFile
from netwatch.report.inputs import Probe, ReportInputs
from netwatch.report.json_form import encode_report
from netwatch.report.language import LanguageCode
from netwatch.report.model import Report
from netwatch.report.recompute import completed_ledger, list_tables
from netwatch.report.render import render_html, render_pdf
from netwatch.report.rows import (
    annotation_rows,
    bandwidth_rows,
    campaign_rows,
    exclusion_rows,
    incident_rows,
    ledger_rows,
)
from netwatch.report.rtt_table import RttTable
from netwatch.report.sign import build_fingerprint, build_raw_public
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

Format = Literal["html", "pdf", "csv", "json"]
FORMATS: tuple[Format, ...] = ("html", "pdf", "csv", "json")
BUNDLE_VERSION = 1


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the report with its evidence list, every file, the bundle."""

    report: Report
    files: tuple[Path, ...]
    bundle: Path | None
    manifest: Manifest | None


def write_evidence(
    folder: Path, inputs: ReportInputs, report: Report, probes: Iterable[Probe] | RttTable
) -> tuple[FileEntry, ...]:
    """Write the tables, their schemas and the contract; return their hashes, by name.

    ``probes`` are consumed as they come, in the order of sending; a table of them that was
    written into the same folder on the way only gets its name. Raises ``OSError``.
    """
    counts = {RTT.file_name: _place_probes(folder, probes)}
    tables = list_tables(inputs)
    for table, rows in (
        (ANNOTATIONS, annotation_rows(inputs.annotations)),
        (BANDWIDTH, bandwidth_rows(inputs.tests)),
        (CAMPAIGNS, campaign_rows(inputs.campaigns)),
        (EXCLUSIONS, exclusion_rows(inputs.exclusions)),
        (INCIDENTS, incident_rows(report.incidents)),
        (LEDGER, ledger_rows(completed_ledger(inputs))),
    ):
        if table not in tables:
            continue
        counts[table.file_name] = write_table(folder / table.file_name, table, rows)
    for table in tables:
        (folder / table.schema_name).write_bytes(build_schema(table))
    (folder / "contract.toml").write_bytes(encode_terms(build_terms(inputs)))
    names = sorted([*counts, *(table.schema_name for table in tables), "contract.toml"])
    return tuple(read_entry(folder / name, name, counts.get(name)) for name in names)


def _place_probes(folder: Path, probes: Iterable[Probe] | RttTable) -> int:
    if isinstance(probes, RttTable):
        return probes.place()
    with RttTable(folder) as table:
        for _ in table.keep(probes):
            pass
        return table.place()


def publish_report(
    folder: Path,
    inputs: ReportInputs,
    probes: Iterable[Probe] | RttTable,
    *,
    languages: Sequence[LanguageCode] = ("fr", "en"),
    formats: Sequence[Format] = FORMATS,
    key: Ed25519PrivateKey | None = None,
) -> Published:
    """Build a month's report, write its files into ``folder`` (made when absent), bundle them.

    ``inputs.targets`` come from the same ``probes`` (`recompute.collect_targets`), which are
    gone through once more here, unless an `RttTable` in ``folder`` kept them then. Tables and report.json are always written, for the pages
    speak of their hashes; the bundle is made when ``csv`` and ``json`` are among the
    formats. The same inputs give the same bytes. Raises ``OSError``, and ``ValueError``
    for inputs that contradict themselves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = build_report(inputs)
    entries = write_evidence(folder, inputs, report, probes)
    listed = tuple(
        EvidenceFile(name=entry.name, sha256=entry.sha256, rows=entry.rows) for entry in entries
    )
    report = msgspec.structs.replace(
        report, evidence=Evidence(files=listed, chain=report.evidence.chain)
    )
    (folder / "report.json").write_bytes(encode_report(report))
    files = {entry.name: folder / entry.name for entry in entries}
    files["report.json"] = folder / "report.json"
    fingerprint = None if key is None else build_fingerprint(build_raw_public(key.public_key()))
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
