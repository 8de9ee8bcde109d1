"""`netwatch export`: raw records as they are in the books, one after another.

Rule of this file: rows are written as they are read, so that a year takes no more memory
than an hour. Nothing is added up.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import msgspec

from netwatch.cli.civil_time import parse_instant
from netwatch.cli.options import config_option
from netwatch.clock import SystemClock
from netwatch.config.load import load_settings
from netwatch.errors import UsageError
from netwatch.report.identity import iso_utc

if TYPE_CHECKING:
    from netwatch.config.model import Settings

_DAY_MS = 86_400_000
_COLUMNS: Mapping[str, Sequence[str]] = {
    "observations": ("due_at", "check", "outcome", "reason", "late_ms", "elapsed_ms", "measures"),
    "ledger": ("start", "end", "verdict", "cause", "reason"),
    "bandwidth": (
        "started_at", "engine", "server", "down_bytes_per_second", "up_bytes_per_second",
        "down_bytes", "up_bytes", "idle_rtt_us", "down_loaded_rtt_us", "up_loaded_rtt_us",
        "responsiveness_rpm", "down_invalid", "up_invalid",
    ),
}  # fmt: skip

Cell = str | int | None
Row = Sequence[Cell | Mapping[str, int]]


@click.command()
@config_option
@click.option("--from", "start", required=True, metavar="TIME", help="In the site's zone.")
@click.option("--to", "end", metavar="TIME", help="The first instant after; else now.")
@click.option(
    "--what", type=click.Choice(list(_COLUMNS)), default="observations", show_default=True
)
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Standard output without.",
)
def export(
    *, config: Path, start: str, end: str | None, what: str, form: str, output: Path | None
) -> None:
    """Write raw records: every probe, the ledger, or the throughput tests. Instants are UTC."""
    settings = load_settings(config)
    zone = ZoneInfo(settings.site.timezone)
    from_ms = parse_instant(start, zone, "--from")
    to_ms = SystemClock().wall_ms() if end is None else parse_instant(end, zone, "--to")
    if to_ms <= from_ms:
        raise UsageError("--to: must be later than --from")
    rows = read_rows(settings, what, from_ms, to_ms)
    if output is None:
        write_records(sys.stdout, rows, _COLUMNS[what], form)
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as stream:
            write_records(stream, rows, _COLUMNS[what], form)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None


def read_rows(settings: Settings, what: str, from_ms: int, to_ms: int) -> Iterator[Row]:
    """The rows of a kind in ``[from_ms, to_ms)``, in the order of recording."""
    from netwatch.agent.month_books import MonthBooks

    books = MonthBooks(settings.store.path)
    if what == "observations":
        for due_ms, each in books.reader.read_observations(from_ms, to_ms):
            yield (
                iso_utc(due_ms),
                each.check_id,
                each.outcome.value,
                each.reason,
                each.started_ms - each.due_ms,
                each.elapsed_ms,
                dict(each.measures),
            )
    elif what == "ledger":
        for at_ms in range(from_ms, to_ms, _DAY_MS):
            for span in books.read_ledger(at_ms, min(at_ms + _DAY_MS, to_ms)):
                cause = None if span.cause is None else span.cause.value
                yield (
                    iso_utc(span.start_ms), iso_utc(span.end_ms), span.verdict.value, cause,
                    span.reason,
                )  # fmt: skip
    else:
        for row in books.read_bandwidth(from_ms, to_ms):
            assert row.started_ms is not None  # the reader places every test in time
            told = msgspec.structs.asdict(row)
            yield (iso_utc(row.started_ms), *(told[name] for name in _COLUMNS[what][1:]))


def write_records(stream: IO[str], rows: Iterator[Row], columns: Sequence[str], form: str) -> None:
    """Each row as it comes: CSV with a header, or a JSON object a line."""
    if form == "jsonl":
        for row in rows:
            line = msgspec.json.encode(dict(zip(columns, row, strict=True)))
            stream.write(line.decode() + "\n")
        return
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            [msgspec.json.encode(cell).decode() if isinstance(cell, dict) else cell for cell in row]
        )
