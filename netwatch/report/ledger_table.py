"""ledger.csv, hour by hour: a month has 44 640 minutes, and most of them are alike.

Rule of this file: the same bytes as `tables.write_rows` of `rows.ledger_rows`, which says
what the rows are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import IO

import msgspec

from netwatch.records import MINUTE_MS, Span
from netwatch.report.rows import ledger_rows
from netwatch.report.tables import HOUR_MS, LEDGER, InstantWriter, write_rest, write_rows


def write_ledger(path: Path, spans: Iterable[Span]) -> int:
    """Write the spans (UTC, in order) cut at every minute; returns the rows. Raises OSError."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        return write_ledger_rows(stream, spans)


def write_ledger_rows(stream: IO[str], spans: Iterable[Span]) -> int:
    """The same, into a text stream that does not translate line ends."""
    count = write_rows(stream, LEDGER, ())
    writer = csv.writer(stream, lineterminator="\n")
    write = InstantWriter().write
    minutes = [write_rest(at_ms) for at_ms in range(0, HOUR_MS, MINUTE_MS)]
    for span in spans:
        first_ms = min(-(-span.start_ms // HOUR_MS) * HOUR_MS, span.end_ms)
        last_ms = max(span.end_ms // HOUR_MS * HOUR_MS, first_ms)
        before = list(ledger_rows([msgspec.structs.replace(span, end_ms=first_ms)]))
        after = list(ledger_rows([msgspec.structs.replace(span, start_ms=last_ms)]))
        count += len(before) + len(after) + (last_ms - first_ms) // MINUTE_MS
        writer.writerows(before)
        verdict = _write_verdict(span)
        for hour_ms in range(first_ms, last_ms, HOUR_MS):
            hour = write(hour_ms).removesuffix(minutes[0])
            stream.write(
                "".join([f"{hour}{start},{hour}{end}{verdict}" for start, end in pairwise(minutes)])
                + f"{hour}{minutes[-1]},{write(hour_ms + HOUR_MS)}{verdict}"
            )
        writer.writerows(after)
    return count


def _write_verdict(span: Span) -> str:
    r"""What follows the two instants in each row of a span.

    >>> from netwatch.records import Verdict
    >>> _write_verdict(Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=1))
    ',up,,\n'
    """
    line = io.StringIO(newline="")
    cause = None if span.cause is None else span.cause.value
    csv.writer(line, lineterminator="\n").writerow(["", span.verdict.value, cause, span.reason])
    return line.getvalue()
