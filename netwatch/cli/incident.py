"""`netwatch incident`: what the ledger shows as failures, and what people know of them.

Rule of this file: an incident's own times come from the ledger and are never typed in;
what is typed in is an entry of its own. Deadlines and penalties are the report's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from netwatch.cli.civil_time import parse_instant, parse_month, show_instant
from netwatch.cli.options import author_option, config_option, json_option
from netwatch.cli.status import render_duration
from netwatch.clock import SystemClock
from netwatch.config.load import load_settings
from netwatch.core.calendars import month_window
from netwatch.core.incidents import Annotation, Pause, merge_annotations
from netwatch.core.outages import Outage, find_outages
from netwatch.errors import UsageError
from netwatch.report.identity import iso_utc

if TYPE_CHECKING:
    from netwatch.config.model import Settings

_DAYS_LISTED = 31
_DAY_MS = 86_400_000


@click.group()
def incident() -> None:
    """Failures of the line: list them, and enter tickets, times and answers."""


@incident.command("list")
@config_option
@json_option
@click.option("--month", metavar="YYYY-MM", help="The month to list; else the last 31 days.")
def list_incidents(config: Path, month: str | None, *, as_json: bool) -> None:
    """The failures of a month with what was entered of each."""
    settings = load_settings(config)
    zone = ZoneInfo(settings.site.timezone)
    now_ms = SystemClock().wall_ms()
    start_ms, end_ms = now_ms - _DAYS_LISTED * _DAY_MS, now_ms
    if month is not None:
        start_ms, end_ms = month_window(*parse_month(month), zone)
    outages, annotations = read_incidents(settings, start_ms, min(end_ms, now_ms), now_ms)
    if as_json:
        import msgspec

        rows = [describe(each, annotations.get(each.id, ())) for each in outages]
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    _print(outages, annotations, zone)


@incident.command()
@config_option
@author_option
@click.argument("incident_id", metavar="ID")
@click.option("--ticket", help="The operator's reference.")
@click.option("--reported", metavar="TIME", help="When it was reported to the operator.")
@click.option("--closed", metavar="TIME", help="When the operator closed it.")
@click.option(
    "--pause",
    "pauses",
    multiple=True,
    metavar="FROM/TO[/WHY]",
    help="Time in which the operator could not work; may be given again.",
)
@click.option("--answer", help="What the operator answered.")
@click.option("--note", help="Anything else worth knowing.")
@click.option("--parent", metavar="ID", help="The incident that this one is part of.")
def annotate(
    *,
    config: Path,
    author: str,
    incident_id: str,
    ticket: str | None,
    reported: str | None,
    closed: str | None,
    pauses: tuple[str, ...],
    answer: str | None,
    note: str | None,
    parent: str | None,
) -> None:
    """Enter what is known of an incident; what is left out stays as it was."""
    settings = load_settings(config)
    zone = ZoneInfo(settings.site.timezone)
    now_ms = SystemClock().wall_ms()
    if not any((ticket, reported, closed, pauses, answer, note, parent)):
        raise UsageError(
            "nothing to enter: give --ticket, --reported, --closed, --pause, --answer, --note "
            "or --parent"
        )
    for each in filter(None, (incident_id, parent)):
        find_incident(settings, each, now_ms)
    from netwatch.store.annals import Annals

    Annals(settings.store.path).enter_annotation(
        Annotation(
            incident_id=incident_id,
            author=author,
            entered_ms=now_ms,
            ticket=ticket,
            reported_ms=None if reported is None else parse_instant(reported, zone, "--reported"),
            closed_ms=None if closed is None else parse_instant(closed, zone, "--closed"),
            pauses=tuple(parse_pause(text, zone) for text in pauses),
            answer=answer,
            note=note,
            parent=parent,
        )
    )
    click.echo(f"{incident_id}: entered by {author}.")


def read_incidents(
    settings: Settings, start_ms: int, end_ms: int, now_ms: int
) -> tuple[list[Outage], Mapping[str, Sequence[Annotation]]]:
    """The failures that touch the range, whole, and every entry by its incident."""
    from netwatch.agent.month_books import MonthBooks

    books = MonthBooks(settings.store.path)
    spans = books.read_around(start_ms, end_ms, now_ms, ()) if start_ms < end_ms else []
    outages = [
        each for each in find_outages(spans) if each.start_ms < end_ms and each.last_ms > start_ms
    ]
    annotations: dict[str, list[Annotation]] = {}
    for entry in books.annals.read_annotations():
        annotations.setdefault(entry.incident_id, []).append(entry)
    return outages, annotations


def find_incident(settings: Settings, incident_id: str, now_ms: int) -> Outage:
    """The failure of that name; raises UsageError where the ledger knows none."""
    try:
        begin_ms = parse_instant(incident_id, ZoneInfo("UTC"), "ID")
    except UsageError:
        raise UsageError(
            f"{incident_id!r} is no incident's id, which is like 20261006T071500Z: "
            "see `netwatch incident list`"
        ) from None
    outages, _ = read_incidents(settings, begin_ms, begin_ms + 1, now_ms)
    for each in outages:
        if each.id == incident_id:
            return each
    known = f" The one then under way is {outages[0].id}." if outages else ""
    raise UsageError(
        f"{incident_id}: no incident begins then: see `netwatch incident list`.{known}"
    )


def parse_pause(text: str, zone: ZoneInfo) -> Pause:
    """``FROM/TO`` or ``FROM/TO/WHY``.

    >>> parse_pause("2026-10-06 10:00/2026-10-06 10:10/no access", ZoneInfo("UTC")).reason
    'no access'

    Raises UsageError for another form, and for a pause that ends before it begins.
    """
    begin, _, rest = text.partition("/")
    end, _, reason = rest.partition("/")
    start_ms, end_ms = parse_instant(begin, zone, "--pause"), parse_instant(end, zone, "--pause")
    if end_ms <= start_ms:
        raise UsageError(f"--pause: ends before it begins, got {text!r}")
    return Pause(start_ms=start_ms, end_ms=end_ms, reason=reason.strip() or None)


def describe(outage: Outage, annotations: Sequence[Annotation]) -> dict[str, object]:
    """An incident as JSON has it: instants in UTC."""
    merged = merge_annotations(annotations)
    return {
        "id": outage.id,
        "cause": outage.cause.value,
        "started_at": iso_utc(outage.start_ms),
        "ended_at": None if outage.end_ms is None else iso_utc(outage.end_ms),
        "duration_ms": outage.duration_ms,
        "start_seen": outage.start_seen,
        "end_seen": outage.end_seen,
        "ticket": merged.ticket if merged else None,
        "entries": len(annotations),
    }


def _print(
    outages: Sequence[Outage],
    annotations: Mapping[str, Sequence[Annotation]],
    zone: ZoneInfo,
) -> None:
    from rich.console import Console
    from rich.table import Table

    if not outages:
        click.echo("no failure of the line is on record")
        return
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 1))
    for heading in ("id", "from", "for", "cause"):
        table.add_column(heading, no_wrap=True)
    table.add_column("ticket", overflow="fold", min_width=6)
    for each in outages:
        merged = merge_annotations(annotations.get(each.id, ()))
        table.add_row(
            each.id,
            show_instant(each.start_ms, zone),
            render_duration(each.duration_ms) + (", under way" if each.end_ms is None else ""),
            each.cause.value,
            (merged.ticket if merged else None) or "—",
        )
    Console().print(table)
