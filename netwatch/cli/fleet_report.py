"""`netwatch fleet report`: the month of all sites, and one summary for each operator.

Rule of this file: thin. Options in, progress and a few lines out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwatch.cli.civil_time import parse_month
from netwatch.cli.options import inventory_option, json_option
from netwatch.cli.report import load_needed, split_choices
from netwatch.clock import SystemClock
from netwatch.errors import NetwatchError

if TYPE_CHECKING:
    from netwatch.fleet.model import Inventory
    from netwatch.fleet.report import Asked, FleetReport
    from netwatch.fleet.site_report import SiteOutcome

_FORMATS = ("html", "pdf", "csv", "json")
_LANGUAGES = ("fr", "en")
_SOURCES = ("agents", "prometheus", "influx")


@click.command()
@inventory_option
@json_option
@click.option("--month", required=True, metavar="YYYY-MM", help="The civil month.")
@click.option(
    "--source",
    type=click.Choice(_SOURCES),
    default="agents",
    show_default=True,
    help="Where the figures come from.",
)
@click.option("--site", "sites", multiple=True, metavar="ID", help="Only this site; repeat it.")
@click.option(
    "--format", "formats", default="html,csv,json", show_default=True, help="With commas."
)
@click.option("--lang", "languages", default="fr,en", show_default=True, help="With commas.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to; else ./netwatch-fleet-MONTH.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3_600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long one answer may take.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    default=900.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an agent may make its bundle.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes; else one for each processor.",
)
def report(
    *,
    config: Path,
    as_json: bool,
    month: str,
    source: str,
    sites: tuple[str, ...],
    formats: str,
    languages: str,
    output: Path | None,
    timeout: float,
    wait: float,
    workers: int | None,
) -> int:
    """Write each site's report and evidence, and one summary for each operator.

    Exit code 0 when every site has its report, 1 when one has not: it is named, with the
    reason, and does not stop the others.
    """
    wanted = split_choices(formats, _FORMATS, "--format")
    spoken = split_choices(languages, _LANGUAGES, "--lang")
    year, number = parse_month(month)
    from netwatch.fleet.inventory import read_inventory

    inventory = read_inventory(config)
    load_needed(("babel", "holidays", *(("weasyprint",) if "pdf" in wanted else ())))
    from netwatch.fleet.report import Asked, choose_sites, count_processors
    from netwatch.fleet.site_report import Wanted

    chosen = choose_sites(inventory, sites)
    asked = Asked(
        wanted=Wanted(
            year=year,
            month=number,
            now_ms=SystemClock().wall_ms(),
            formats=tuple(wanted),  # type: ignore[arg-type]  # split_choices lets only known words through
            languages=tuple(spoken),  # type: ignore[arg-type]  # split_choices lets only known words through
        ),
        source=source,  # type: ignore[arg-type]  # click lets only the choices through
        sites=sites,
        timeout_s=timeout,
        longest_s=wait,
        workers=min(workers or count_processors(), len(chosen)),
    )
    made = _run(inventory, asked, output or Path(f"netwatch-fleet-{month}"), len(chosen))
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(made.index)).decode())
    else:
        _print(made)
    return 1 if any(entry.failed for entry in made.index.operators) else 0


def _run(inventory: Inventory, asked: Asked, output: Path, sites: int) -> FleetReport:
    """With a bar where a person looks on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from netwatch.fleet.report import report_fleet

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("sites", total=sites)

        def step(outcome: SiteOutcome) -> None:
            progress.update(task, advance=1, description=outcome.site)

        try:
            return report_fleet(inventory, asked, output, step)
        except KeyboardInterrupt:
            raise NetwatchError("interrupted: nothing was written") from None


def _print(made: FleetReport) -> None:
    for summary in made.summaries:
        totals = summary.totals
        click.echo(
            f"{summary.operator}: {totals.reported} of {totals.sites} sites reported, "
            f"{totals.missed} below their commitment, {len(summary.inconclusive)} watched too "
            f"little, {totals.incidents} incidents, {len(summary.shared)} shared"
        )
        for each in summary.failed:
            click.echo(f"  {each.site}: no report: {each.problem}", err=True)
    if made.index.strangers:
        click.echo(
            f"not in the inventory, and left out: {', '.join(made.index.strangers)}", err=True
        )
    click.echo(str(made.folder))
