"""The town's open data set: what a fleet report says of the sites that it publishes.

Rule of this file: it takes from a fleet report that was made, and adds nothing. No address
of a person or a machine is in it, no ticket, note or author, no server, no amount: only what
is named here leaves the town. The form is a Frictionless Data Package: CSV in UTF-8 with its
Table Schema, ISO 8601 instants in UTC, decimal points.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from netwatch.errors import NetwatchError, UsageError
from netwatch.fleet.files import new_folder
from netwatch.fleet.model import FleetSite, Inventory, OpenData
from netwatch.fleet.open_data_words import FIELDS, LICENCES, README, TABLES
from netwatch.fleet.report import INDEX, Index
from netwatch.report.json_form import decode_report
from netwatch.report.model import Report

Cell = str | int | float | bool | None
#: Table -> its columns, each with its type and whether it always has a value.
COLUMNS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "sites": (
        ("site", "string", True), ("name", "string", True), ("commune", "string", False),
        ("latitude", "number", False), ("longitude", "number", False),
        ("operator", "string", False), ("technology", "string", False),
        ("timezone", "string", True),
    ),
    "availability": (
        ("month", "yearmonth", True), ("site", "string", True), ("from", "datetime", True),
        ("until", "datetime", True), ("complete", "boolean", True),
        ("availability", "number", False), ("availability_low", "number", False),
        ("availability_high", "number", False), ("coverage", "number", False),
        ("up_seconds", "number", True), ("degraded_seconds", "number", True),
        ("down_seconds", "number", True), ("unknown_seconds", "number", True),
        ("incidents", "integer", True),
    ),
    "incidents": (
        ("site", "string", True), ("started_at", "datetime", True),
        ("ended_at", "datetime", False), ("cause", "string", True),
        ("duration_seconds", "number", True),
    ),
    "throughput": (
        ("month", "yearmonth", True), ("site", "string", True), ("direction", "string", True),
        ("tests", "integer", True), ("valid", "integer", True),
        ("median_bits_per_second", "number", False), ("p10_bits_per_second", "number", False),
        ("p90_bits_per_second", "number", False),
    ),
}  # fmt: skip
#: A site's place, to some hundred metres: it is a public building, not a room.
_PLACE_DIGITS = 3


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the data set; ``missing`` are sites that should be in it and have no report."""

    sites: tuple[str, ...]
    missing: tuple[str, ...]
    files: tuple[str, ...]


def choose_published(inventory: Inventory) -> tuple[FleetSite, ...]:
    """The sites that the town publishes. Raises UsageError where there is none to publish."""
    if inventory.options.open_data.publisher is None:
        raise UsageError(
            "fleet.open_data.publisher: is missing: write who answers for the data, "
            'publisher = "Ville de …"'
        )
    chosen = tuple(site for site in inventory.sites if site.publish)
    if not chosen:
        raise UsageError(
            "no site is to be published: write publish = true into the [[site]] of each that is"
        )
    return chosen


def build_package(
    inventory: Inventory, report_folder: Path, month: str
) -> tuple[Published, Mapping[str, bytes]]:
    """The files of the data set, by name, from the folder of a fleet report.

    Raises UsageError for a folder that holds none of this month, NetwatchError for a
    report in it that cannot be read.
    """
    chosen = choose_published(inventory)
    index = read_index(report_folder)
    if index.month != month:
        raise UsageError(f"{report_folder}: is the fleet report of {index.month}, not of {month}")
    reports: dict[str, Report] = {}
    for site in chosen:
        path = report_folder / "sites" / site.id / "report.json"
        if path.exists():
            reports[site.id] = _read_report(path)
    told = [site for site in chosen if site.id in reports]
    options = inventory.options.open_data
    tables = {
        "sites": [_site_row(site, options) for site in told],
        "availability": [_month_row(month, site, reports[site.id]) for site in told],
        "incidents": [row for site in told for row in _incident_rows(site, reports[site.id])],
        "throughput": [row for site in told for row in _rate_rows(month, site, reports[site.id])],
    }
    files = {f"{name}.csv": _write_csv(name, rows) for name, rows in tables.items()}
    files |= {f"{name}.schema.json": _encode(build_schema(name)) for name in COLUMNS}
    files["LICENCE.txt"] = (LICENCES[options.licence].text + "\n").encode()
    files["README.md"] = README.format(
        title_fr=options.title_fr,
        title_en=options.title_en,
        publisher=options.publisher,
        month=month,
        sites=len(told),
        licence=LICENCES[options.licence].title,
    ).encode()
    package = build_description(options, month, index.generated_at, files)
    files["datapackage.json"] = _encode(package)
    published = Published(
        sites=tuple(site.id for site in told),
        missing=tuple(site.id for site in chosen if site.id not in reports),
        files=tuple(sorted(files)),
    )
    return published, files


def write_package(output: Path, files: Mapping[str, bytes]) -> None:
    """Put the files into a folder, whole. Raises UsageError where that cannot be."""
    with new_folder(output, "datapackage.json", "a data set") as staging:
        for name, content in files.items():
            (staging / name).write_bytes(content)


def read_index(folder: Path) -> Index:
    """The index of a fleet report. Raises UsageError where the folder holds none."""
    try:
        return msgspec.json.decode((folder / INDEX).read_bytes(), type=Index)
    except OSError:
        raise UsageError(
            f"{folder}: holds no fleet report: make it with netwatch fleet report, or say where "
            "it is with --report"
        ) from None
    except msgspec.DecodeError as error:
        raise UsageError(f"{folder / INDEX}: cannot be read: {error}") from None


def build_description(
    options: OpenData, month: str, made_at: str, files: Mapping[str, bytes]
) -> dict[str, object]:
    """``datapackage.json`` (Data Package 1.0) of files by name."""
    licence = LICENCES[options.licence]
    return {
        "profile": "tabular-data-package",
        "name": f"netwatch-{month}",
        "id": hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest(),
        "title": options.title_fr,
        "titles": {"fr": options.title_fr, "en": options.title_en},
        "description": TABLES["package"]["fr"],
        "descriptions": dict(TABLES["package"]),
        "version": month,
        "created": made_at,
        **({} if options.homepage is None else {"homepage": options.homepage}),
        "licenses": [{"name": licence.name, "title": licence.title, "path": licence.path}],
        "contributors": [{"title": options.publisher, "role": "publisher"}],
        "resources": [
            {
                "profile": "tabular-data-resource",
                "name": name,
                "path": f"{name}.csv",
                "title": TABLES[name]["fr"],
                "titles": dict(TABLES[name]),
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "dialect": {"delimiter": ",", "lineTerminator": "\n", "header": True},
                "bytes": len(files[f"{name}.csv"]),
                "hash": f"sha256:{hashlib.sha256(files[f'{name}.csv']).hexdigest()}",
                "schema": build_schema(name),
            }
            for name in COLUMNS
        ],
    }


def build_schema(table: str) -> dict[str, object]:
    """The Table Schema of one table."""
    keys = {
        "sites": ["site"],
        "availability": ["month", "site"],
        "incidents": ["site", "started_at"],
        "throughput": ["month", "site", "direction"],
    }
    schema: dict[str, object] = {
        "fields": [
            {
                "name": name,
                "type": kind,
                **({"format": "any"} if kind == "datetime" else {}),
                "title": FIELDS[name]["fr"],
                "description": FIELDS[name]["en"],
                "constraints": {"required": required},
            }
            for name, kind, required in COLUMNS[table]
        ],
        "missingValues": [""],
        "primaryKey": keys[table],
    }
    if table != "sites":
        schema["foreignKeys"] = [
            {"fields": "site", "reference": {"resource": "sites", "fields": "site"}}
        ]
    return schema


def _site_row(site: FleetSite, options: OpenData) -> Sequence[Cell]:
    place = (site.latitude, site.longitude) if options.locations else (None, None)
    return (
        site.id,
        site.name or site.id,
        site.commune,
        *(None if each is None else round(each, _PLACE_DIGITS) for each in place),
        site.circuit.operator if options.operators else None,
        site.circuit.technology,
        site.timezone,
    )


def _month_row(month: str, site: FleetSite, report: Report) -> Sequence[Cell]:
    """Around the clock: the contract's own hours are between the town and its operator."""
    figures, ledger = report.calendars["24/7"], report.ledger
    return (
        month,
        site.id,
        report.period.start,
        report.period.until,
        report.period.complete,
        *(
            None if each is None else float(each)
            for each in (figures.measured, figures.low, figures.high, figures.coverage)
        ),
        *(each / 1000 for each in (ledger.up_ms, ledger.degraded_ms, ledger.down_ms, ledger.unknown_ms)),
        report.incident_summary.count,
    )  # fmt: skip


def _incident_rows(site: FleetSite, report: Report) -> Iterator[Sequence[Cell]]:
    for each in report.incidents:
        yield site.id, each.started_at, each.ended_at, each.cause, each.duration_ms / 1000


def _rate_rows(month: str, site: FleetSite, report: Report) -> Iterator[Sequence[Cell]]:
    for direction in ("down", "up"):
        figures = getattr(report.throughput, direction)
        rates = (figures.median, figures.p10, figures.p90)
        yield (
            month,
            site.id,
            direction,
            figures.tests,
            figures.valid,
            *(None if each is None else round(float(each) * 8) for each in rates),
        )


def _read_report(path: Path) -> Report:
    try:
        return decode_report(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise NetwatchError(f"{path}: cannot be read: {error}") from None


def _write_csv(table: str, rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _, _ in COLUMNS[table]])
    for row in rows:
        writer.writerow([str(each).lower() if isinstance(each, bool) else each for each in row])
    return text.getvalue().encode()


def _encode(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
