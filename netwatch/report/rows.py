"""Rows for the tables of the evidence, from spans, probes and the report's own entries.

Rule of this file: one record in, one row out (a span gives one for each minute it
touches). It leaves nothing out and reckons nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import msgspec

from netwatch.core.campaign_record import CampaignBooks, SlotTest
from netwatch.core.incidents import Annotation, Pause
from netwatch.core.sla import Exclusion
from netwatch.core.throughput import ThroughputTest
from netwatch.errors import EvidenceError
from netwatch.records import MINUTE_MS, Cause, Span, Verdict
from netwatch.report.identity import iso_utc
from netwatch.report.model import IncidentEntry
from netwatch.report.tables import Cell, InstantWriter, Value, parse_instant_ms


def ledger_rows(spans: Iterable[Span]) -> Iterator[Sequence[Cell]]:
    """Spans (UTC, in order) cut at every minute.

    >>> down = Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=59_000, end_ms=61_500)
    >>> for row in ledger_rows([down]): print(row)
    ('1970-01-01T00:00:59Z', '1970-01-01T00:01:00Z', 'down', 'dns', None)
    ('1970-01-01T00:01:00Z', '1970-01-01T00:01:01.500Z', 'down', 'dns', None)
    """
    write = InstantWriter().write
    for span in spans:
        cause = None if span.cause is None else span.cause.value
        at_ms = span.start_ms
        at = write(at_ms)
        while at_ms < span.end_ms:
            until_ms = min(span.end_ms, (at_ms // MINUTE_MS + 1) * MINUTE_MS)
            until = write(until_ms)
            yield at, until, span.verdict.value, cause, span.reason
            at_ms, at = until_ms, until


def merge_ledger(rows: Iterable[dict[str, Value]]) -> Iterator[Span]:
    """The spans that the rows of a ledger came from, neighbours of a kind joined again.

    Raises ``EvidenceError`` where rows overlap, leave a hole or end before they begin:
    a ledger has an entry for every millisecond.
    """
    last: Span | None = None
    for number, row in enumerate(rows, start=2):
        start_ms = parse_instant_ms(cast("str", row["start"]))
        end_ms = parse_instant_ms(cast("str", row["end"]))
        if end_ms <= start_ms or (last is not None and start_ms != last.end_ms):
            raise EvidenceError(
                f"ledger.csv: line {number}: must begin where the line before ended and end later, "
                f"got {row['start']} to {row['end']}"
            )
        try:
            verdict = Verdict(cast("str", row["verdict"]))
            cause = None if row["cause"] is None else Cause(cast("str", row["cause"]))
        except ValueError as error:
            raise EvidenceError(f"ledger.csv: line {number}: {error}") from error
        reason = cast("str | None", row["reason"])
        if last is not None and (last.verdict, last.cause, last.reason) == (verdict, cause, reason):
            last = msgspec.structs.replace(last, end_ms=end_ms)
            continue
        if last is not None:
            yield last
        last = Span(verdict=verdict, cause=cause, reason=reason, start_ms=start_ms, end_ms=end_ms)
    if last is not None:
        yield last


def bandwidth_rows(tests: Iterable[ThroughputTest]) -> Iterator[Sequence[Cell]]:
    """Tests by time, one row a direction."""
    write = InstantWriter().write
    ordered = sorted(tests, key=lambda each: (each.at_ms, each.direction))
    return (
        (write(each.at_ms), each.direction, each.bytes_per_second, each.invalid, each.engine,
         each.server, None if each.ended_ms is None else write(each.ended_ms))
        for each in ordered
    )  # fmt: skip


def incident_rows(incidents: Iterable[IncidentEntry]) -> Iterator[Sequence[Cell]]:
    """Incidents as the report has them."""
    for each in incidents:
        met = None if each.restore_met is None else str(each.restore_met).lower()
        yield (
            each.id, each.cause, each.started_at, each.ended_at, each.duration_ms,
            each.covered_ms, each.counted_ms, each.restore_deadline, met, each.recurrence_of,
            each.ticket, each.reported_at, each.closed_at,
        )  # fmt: skip


def annotation_rows(annotations: Iterable[Annotation]) -> Iterator[Sequence[Cell]]:
    """The incident ledger in the order of its entries."""
    for each in annotations:
        pauses = msgspec.json.encode(each.pauses).decode() if each.pauses else None
        yield (
            each.incident_id, each.author, iso_utc(each.entered_ms), each.ticket,
            _iso(each.reported_ms), _iso(each.closed_ms), pauses, each.answer, each.note,
            each.parent,
        )  # fmt: skip


def read_annotation(row: dict[str, Value]) -> Annotation:
    """One row of annotations.csv. Raises ``EvidenceError`` for pauses that are none."""
    try:
        pauses = msgspec.convert(row["pauses"] or [], tuple[Pause, ...])
    except msgspec.ValidationError as error:
        raise EvidenceError(f"annotations.csv: pauses: {error}") from error
    return Annotation(
        incident_id=cast("str", row["incident_id"]),
        author=cast("str", row["author"]),
        entered_ms=parse_instant_ms(cast("str", row["entered_at"])),
        ticket=cast("str | None", row["ticket"]),
        reported_ms=_ms(row["reported_at"]),
        closed_ms=_ms(row["closed_at"]),
        pauses=pauses,
        answer=cast("str | None", row["answer"]),
        note=cast("str | None", row["note"]),
        parent=cast("str | None", row["parent"]),
    )


def exclusion_rows(exclusions: Iterable[Exclusion]) -> Iterator[Sequence[Cell]]:
    """The exclusion ledger, withdrawn entries too."""
    return (
        (each.id, iso_utc(each.start_ms), iso_utc(each.end_ms), each.reason, each.kind,
         each.author, iso_utc(each.entered_ms), _iso(each.notice_ms), _iso(each.withdrawn_ms))
        for each in exclusions
    )  # fmt: skip


def read_exclusion(row: dict[str, Value]) -> Exclusion:
    """One row of exclusions.csv."""
    return Exclusion(
        id=cast("str", row["id"]),
        start_ms=parse_instant_ms(cast("str", row["started_at"])),
        end_ms=parse_instant_ms(cast("str", row["ended_at"])),
        reason=cast("str", row["reason"]),
        author=cast("str", row["author"]),
        entered_ms=parse_instant_ms(cast("str", row["entered_at"])),
        notice_ms=_ms(row["notice_at"]),
        withdrawn_ms=_ms(row["withdrawn_at"]),
        kind=cast("str", row.get("kind", "maintenance")),  # earlier bundles have none
    )


def campaign_rows(campaigns: Iterable[CampaignBooks]) -> Iterator[Sequence[Cell]]:
    """Every test of every campaign, and every slot without one."""
    for books in campaigns:
        for each in books.tests:
            yield (
                books.campaign.id, iso_utc(each.slot_ms), _iso(each.at_ms), each.down, each.up,
                each.down_invalid, each.up_invalid,
            )  # fmt: skip


def read_slot_test(row: dict[str, Value]) -> tuple[str, SlotTest]:
    """One row of campaigns.csv: the campaign's id, and the test."""
    return cast("str", row["campaign"]), SlotTest(
        slot_ms=parse_instant_ms(cast("str", row["slot"])),
        at_ms=_ms(row["at"]),
        down=cast("int | None", row["down"]),
        up=cast("int | None", row["up"]),
        down_invalid=cast("str | None", row["down_invalid"]),
        up_invalid=cast("str | None", row["up_invalid"]),
    )


def _iso(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else iso_utc(instant_ms)


def _ms(value: Value) -> int | None:
    return None if value is None else parse_instant_ms(cast("str", value))
