"""`netwatch maintenance`: the ledger of exclusions, from the terminal.

Rule of this file: words in, one entry of the ledger out. Nothing entered is changed; what
is taken back stays listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from netwatch.cli.civil_time import parse_instant, show_instant
from netwatch.cli.options import author_option, config_option, json_option
from netwatch.clock import SystemClock
from netwatch.config.load import load_settings
from netwatch.report.identity import iso_utc
from netwatch.store.annals import KINDS, Annals, ExclusionRecord


@click.group()
def maintenance() -> None:
    """The ledger of exclusions: time that the contract takes out, with who entered it."""


@maintenance.command()
@config_option
@author_option
@click.option(
    "--from",
    "start",
    required=True,
    metavar="TIME",
    help='In the site\'s zone: "2026-10-24 03:00".',
)
@click.option("--to", "end", required=True, metavar="TIME", help="The first instant after.")
@click.option("--reason", required=True, help="Why, in words; it stands in the report.")
@click.option("--notice", metavar="TIME", help="When the operator gave notice of it.")
@click.option(
    "--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="Of exclusion."
)
def add(
    *, config: Path, author: str, start: str, end: str, reason: str, notice: str | None, kind: str
) -> None:
    """Take a stretch of time out of the contract's count."""
    settings = load_settings(config)
    zone = ZoneInfo(settings.site.timezone)
    annals = Annals(settings.store.path)
    others = annals.read_exclusions()
    entry = annals.enter_exclusion(
        from_ms=parse_instant(start, zone, "--from"),
        to_ms=parse_instant(end, zone, "--to"),
        reason=reason,
        author=author,
        entered_ms=SystemClock().wall_ms(),
        kind=kind,
        notice_ms=None if notice is None else parse_instant(notice, zone, "--notice"),
    )
    click.echo(
        f"{entry.id}: {show_instant(entry.start_ms, zone)} to {show_instant(entry.end_ms, zone)} "
        f"is excluded: {entry.reason}"
    )
    overlapped = [
        other.entry.id
        for other in others
        if other.entry.withdrawn_ms is None
        and other.entry.start_ms < entry.end_ms
        and other.entry.end_ms > entry.start_ms
    ]
    if overlapped:
        click.echo(
            f"It overlaps {', '.join(overlapped)}: what they share is taken out once.", err=True
        )
    if entry.after_the_fact:
        click.echo("It was entered after it had begun, and the report will say so.", err=True)


@maintenance.command("list")
@config_option
@json_option
def list_entries(config: Path, *, as_json: bool) -> None:
    """Every entry, those taken back too."""
    settings = load_settings(config)
    zone = ZoneInfo(settings.site.timezone)
    records = Annals(settings.store.path).read_exclusions()
    if as_json:
        import msgspec

        rows = [describe(record) for record in records]
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    _print(records, zone)


@maintenance.command()
@config_option
@author_option
@click.argument("exclusion_id", metavar="ID")
@click.option("--reason", help="Why it is taken back.")
def remove(config: Path, author: str, exclusion_id: str, reason: str | None) -> None:
    """Take an entry back: it stays in the ledger, and excludes nothing."""
    settings = load_settings(config)
    record = Annals(settings.store.path).withdraw_exclusion(
        exclusion_id, author=author, entered_ms=SystemClock().wall_ms(), reason=reason
    )
    click.echo(f"{record.entry.id}: taken back by {author}; it stays in the ledger.")


def describe(record: ExclusionRecord) -> dict[str, str | bool | None]:
    """An entry as JSON has it: instants in UTC."""
    entry = record.entry

    def show(instant_ms: int | None) -> str | None:
        return None if instant_ms is None else iso_utc(instant_ms)

    return {
        "id": entry.id,
        "from": show(entry.start_ms),
        "to": show(entry.end_ms),
        "kind": record.kind,
        "reason": entry.reason,
        "author": entry.author,
        "entered_at": show(entry.entered_ms),
        "after_the_fact": entry.after_the_fact,
        "notice_at": show(entry.notice_ms),
        "withdrawn_at": show(entry.withdrawn_ms),
        "withdrawn_by": record.withdrawn_by,
        "withdrawal_reason": record.withdrawal_reason,
    }


def _print(records: Sequence[ExclusionRecord], zone: ZoneInfo) -> None:
    from rich.console import Console
    from rich.table import Table

    if not records:
        click.echo("no time is excluded")
        return
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2))
    for heading in ("id", "from", "to", "reason", "entered"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "id")
    for record in records:
        entry = record.entry
        entered = f"{entry.author}, {show_instant(entry.entered_ms, zone)}"
        if entry.after_the_fact:
            entered += ", after the fact"
        if entry.withdrawn_ms is not None:
            entered += f"; taken back by {record.withdrawn_by}"
        kind = "" if record.kind == "maintenance" else f"{record.kind.replace('_', ' ')}: "
        table.add_row(
            entry.id,
            show_instant(entry.start_ms, zone),
            show_instant(entry.end_ms, zone),
            f"{kind}{entry.reason}",
            entered,
        )
    Console().print(table)
