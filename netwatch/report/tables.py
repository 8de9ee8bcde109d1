"""The tables of the evidence: their columns, their CSV, their Table Schema.

Rule of this file: what is written reads back as it was, or is refused with file, line
and column. UTF-8, comma, line feed, ISO 8601 instants in UTC, decimal point; an empty
cell is "absent". Schemas follow Frictionless Table Schema 1.0. It must not know how a
figure follows from a row.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

import msgspec

from netwatch.errors import EvidenceError

ColumnType = Literal["datetime", "integer", "number", "string", "boolean", "array"]
#: A cell as `csv` writes it: None is empty. Booleans and arrays are given as text.
Cell = str | int | None
Value = str | int | bool | list[object] | None
HOUR_MS = 3_600_000


class Column(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    type: ColumnType
    description: str
    required: bool = False
    enum: tuple[str, ...] = ()


class Table(msgspec.Struct, frozen=True, kw_only=True):
    name: str  # without .csv
    title: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        return f"{self.name}.csv"

    @property
    def schema_name(self) -> str:
        return f"{self.name}.schema.json"


def _instant(name: str, description: str, *, required: bool = True) -> Column:
    return Column(name=name, type="datetime", description=description, required=required)


def _text(
    name: str, description: str, *, required: bool = False, enum: tuple[str, ...] = ()
) -> Column:
    return Column(name=name, type="string", description=description, required=required, enum=enum)


def _whole(name: str, description: str, *, required: bool = True) -> Column:
    return Column(name=name, type="integer", description=description, required=required)


LEDGER = Table(
    name="ledger",
    title="Every millisecond of the period under one verdict; no row crosses a minute",
    columns=(
        _instant("start", "first instant"),
        _instant("end", "first instant after"),
        _text("verdict", "what was known of the line", required=True,
              enum=("up", "degraded", "down", "unknown")),
        _text("cause", "why it was not up"),
        _text("reason", "finer than the cause"),
    ),
    primary_key=("start",),
)  # fmt: skip
INCIDENTS = Table(
    name="incidents",
    title="Failures of the line with what the contract makes of them",
    columns=(
        _text("id", "reference", required=True),
        _text("cause", "main cause", required=True),
        _instant("started_at", "first missed probe sent"),
        _instant("ended_at", "first answered probe sent; empty while it lasts", required=False),
        _whole("duration_ms", "whole duration"),
        _whole("covered_ms", "in hours that the contract covers"),
        _whole("counted_ms", "that count, after exclusions and pauses"),
        _instant("restore_deadline", "when restoration was due", required=False),
        Column(name="restore_met", type="boolean", description="whether it was kept"),
        _text("recurrence_of", "id of the incident that it repeats"),
        _text("ticket", "the operator's reference"),
        _instant("reported_at", "when it was reported to the operator", required=False),
        _instant("closed_at", "when the operator closed it", required=False),
    ),
    primary_key=("id",),
)
ANNOTATIONS = Table(
    name="annotations",
    title="The incident ledger: what was entered, by whom, when; nothing is ever changed in it",
    columns=(
        _text("incident_id", "of which incident", required=True),
        _text("author", "who entered it", required=True),
        _instant("entered_at", "when it was entered"),
        _text("ticket", "the operator's reference"),
        _instant("reported_at", "when it was reported to the operator", required=False),
        _instant("closed_at", "when the operator closed it", required=False),
        Column(
            name="pauses", type="array", description="time in which the operator could not work"
        ),
        _text("answer", "the operator's answer"),
        _text("note", "a note"),
        _text("parent", "id of the incident that it is part of"),
    ),
)
BANDWIDTH = Table(
    name="bandwidth",
    title="Throughput tests, one row a direction; those that do not count with their reason",
    columns=(
        _instant("at", "start of the test"),
        _text("direction", "as seen from the site", required=True, enum=("down", "up")),
        _whole("bytes_per_second", "application goodput; empty when it failed", required=False),
        _text("invalid", "why it does not count; empty when it does"),
        _text("engine", "how it was measured"),
        _text("server", "against what"),
        _instant(
            "ended_at",
            "first instant that the test, both directions, no longer loaded the line",
            required=False,
        ),
    ),
    primary_key=("at", "direction"),
)
RTT = Table(
    name="rtt",
    title="Every latency probe, counted by stretch of time and target; a stretch is of one day, "
    "and wholly available or wholly not",
    columns=(
        _instant("start", "first instant of the stretch"),
        _instant("end", "first instant after"),
        _text("target", "name of the target", required=True),
        Column(
            name="available",
            type="boolean",
            description="whether the line was up or degraded, and no throughput test of ours "
            "loaded it: latency is told of that time alone",
            required=True,
        ),
        _whole("answered", "how many round trips this row has"),
        _whole("lost", "how many probes sent in the stretch never came back; in its first row"),
        _text(
            "rtt_us",
            "round-trip times in microseconds, ascending, each less the one before it in the "
            "row; *N: N probes had it; a stretch with many goes on in the next row",
        ),
    ),
)
EXCLUSIONS = Table(
    name="exclusions",
    title="Time that the contract takes out, with who entered it and when",
    columns=(
        _text("id", "reference", required=True),
        _instant("started_at", "first instant"),
        _instant("ended_at", "first instant after"),
        _text("reason", "why", required=True),
        _text("kind", "maintenance, customer or force_majeure", required=True),
        _text("author", "who entered it", required=True),
        _instant("entered_at", "when it was entered"),
        _instant("notice_at", "when the operator gave notice", required=False),
        _instant("withdrawn_at", "when it was taken back", required=False),
    ),
    primary_key=("id",),
)
CAMPAIGNS = Table(
    name="campaigns",
    title="Every test of a campaign, and every slot that has none; rates in bytes per second",
    columns=(
        _text("campaign", "of which campaign", required=True),
        _instant("slot", "planned instant"),
        _instant("at", "start of the test; empty: none began in the slot's time", required=False),
        _whole("down", "application goodput towards the site", required=False),
        _whole("up", "the same from it", required=False),
        _text("down_invalid", "why it does not count; empty when it does"),
        _text("up_invalid", "the same from the site"),
    ),
)
#: Those of every bundle; campaigns.csv is in that of a month with a campaign.
TABLES: tuple[Table, ...] = (ANNOTATIONS, BANDWIDTH, EXCLUSIONS, INCIDENTS, LEDGER, RTT)


def build_schema(table: Table) -> bytes:
    """The Table Schema of a table, as JSON."""
    fields = []
    for column in table.columns:
        constraints: dict[str, object] = {"required": True} if column.required else {}
        if column.enum:
            constraints["enum"] = list(column.enum)
        field: dict[str, object] = {"name": column.name, "type": column.type}
        if column.type == "datetime":
            field["format"] = "any"  # ISO 8601 with or without milliseconds
        field["description"] = column.description
        if constraints:
            field["constraints"] = constraints
        fields.append(field)
    schema: dict[str, object] = {
        "$schema": "https://specs.frictionlessdata.io/schemas/table-schema.json",
        "title": table.title,
        "fields": fields,
        "missingValues": [""],
    }
    if table.primary_key:
        schema["primaryKey"] = list(table.primary_key)
    return json.dumps(schema, indent=2, ensure_ascii=False).encode() + b"\n"


def write_table(path: Path, table: Table, rows: Iterable[Sequence[Cell]]) -> int:
    """Write a CSV row by row, never held whole; return how many rows. Raises ``OSError``."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        return write_rows(stream, table, rows)


def write_rows(stream: IO[str], table: Table, rows: Iterable[Sequence[Cell]]) -> int:
    """Like :func:`write_table`, into a text stream that does not translate line ends."""
    count = 0

    def counted() -> Iterator[Sequence[Cell]]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows(counted())
    return count


def read_table(stream: IO[bytes], table: Table) -> Iterator[dict[str, Value]]:
    """The rows, with values in their types. Raises ``EvidenceError`` naming line and column.

    Instants stay the ISO text that they are; :func:`parse_instant_ms` counts them.
    """
    name = table.file_name
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="strict", newline="")
    reader = csv.reader(text, strict=True)
    wanted = [column.name for column in table.columns]
    try:
        header = next(reader, None)
        if header != wanted:
            raise EvidenceError(
                f"{name}: line 1: the columns must be {','.join(wanted)}, got {','.join(header or [])}"
            )
        for row in reader:
            if len(row) != len(wanted):
                raise EvidenceError(
                    f"{name}: line {reader.line_num}: must have {len(wanted)} cells, got {len(row)}"
                )
            yield {
                column.name: _parse(cell, column, f"{name}: line {reader.line_num}")
                for column, cell in zip(table.columns, row, strict=True)
            }
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{name}: not UTF-8 text") from error
    except csv.Error as error:
        raise EvidenceError(f"{name}: line {reader.line_num}: not CSV ({error})") from error
    finally:
        if not stream.closed:
            text.detach()  # the stream is the caller's to close


def _parse(cell: str, column: Column, where: str) -> Value:
    if not cell:
        if column.required:
            raise EvidenceError(f"{where}: {column.name}: must not be empty")
        return None
    if column.enum and cell not in column.enum:
        raise EvidenceError(
            f"{where}: {column.name}: must be one of {', '.join(column.enum)}, got {cell!r}"
        )
    try:
        if column.type == "integer":
            return int(cell)
        if column.type == "datetime":
            parse_instant_ms(cell)
        elif column.type == "number":
            float(cell)  # stays the text that it is: no figure is rounded by being read
        elif column.type == "boolean":
            return {"true": True, "false": False}[cell]
        elif column.type == "array":
            value = msgspec.json.decode(cell, type=list[object])
            return list(value)
    except (ValueError, KeyError) as error:
        raise EvidenceError(
            f"{where}: {column.name}: must be of type {column.type}, got {cell!r}"
        ) from error
    return cell


def parse_instant_ms(text: str) -> int:
    """UTC milliseconds of an ISO instant that ends in Z.

    >>> parse_instant_ms("2026-10-01T00:00:00.250Z")
    1790812800250
    """
    if not text.endswith("Z"):
        raise ValueError(f"must be UTC and end in Z, got {text!r}")
    moment = datetime.fromisoformat(text)
    if moment.microsecond % 1000:
        raise ValueError(f"must be whole milliseconds, got {text!r}")
    return round(moment.timestamp() * 1000)


class InstantWriter:
    """ISO text of instants that come nearly in order; an hour's beginning is kept.

    >>> InstantWriter().write(1790812800250), InstantWriter().write(1790812859000)
    ('2026-10-01T00:00:00.250Z', '2026-10-01T00:00:59Z')
    """

    def __init__(self) -> None:
        self._hour = -1
        self._prefix = ""

    def write(self, instant_ms: int) -> str:
        hour, rest = divmod(instant_ms, HOUR_MS)
        if hour != self._hour:
            self._hour = hour
            self._prefix = datetime.fromtimestamp(hour * 3600, tz=UTC).isoformat()[:14]
        return self._prefix + write_rest(rest)


def write_rest(rest_ms: int) -> str:
    """What follows the hour in the ISO text of an instant so long after it.

    >>> write_rest(61_007)
    '01:01.007Z'
    """
    seconds, thousandths = divmod(rest_ms, 1000)
    minute, second = divmod(seconds, 60)
    if thousandths:
        return f"{minute:02d}:{second:02d}.{thousandths:03d}Z"
    return f"{minute:02d}:{second:02d}Z"
