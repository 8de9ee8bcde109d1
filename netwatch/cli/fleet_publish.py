"""`netwatch fleet publish`: the town's open data set of a month.

Rule of this file: thin. Which sites are in it, and under what licence, is the inventory's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from netwatch.cli.civil_time import parse_month
from netwatch.cli.options import inventory_option, json_option
from netwatch.cli.report import load_needed
from netwatch.clock import SystemClock


@click.command()
@inventory_option
@json_option
@click.option("--month", required=True, metavar="YYYY-MM", help="The civil month.")
@click.option(
    "--report",
    "report_folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A fleet report of the month; else one is made for the purpose, and not kept.",
)
@click.option(
    "--source",
    type=click.Choice(("agents", "prometheus", "influx")),
    default="agents",
    show_default=True,
    help="Where its figures come from, without --report.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to; else ./netwatch-open-data-MONTH.",
)
def publish(
    *,
    config: Path,
    as_json: bool,
    month: str,
    report_folder: Path | None,
    source: str,
    output: Path | None,
) -> int:
    """Write the data set of the sites that the town publishes, ready for data.gouv.fr.

    Exit code 1 when a site that should be in it has no report; the others are written.
    """
    from netwatch.fleet.inventory import read_inventory
    from netwatch.fleet.open_data import build_package, choose_published, write_package

    parse_month(month)
    inventory = read_inventory(config)
    chosen = choose_published(inventory)
    folder = output or Path(f"netwatch-open-data-{month}")
    if report_folder is not None:
        published, files = build_package(inventory, report_folder, month)
    else:
        load_needed(("babel", "holidays"))
        from netwatch.fleet.report import Asked, count_processors, report_fleet
        from netwatch.fleet.site_report import Wanted

        year, number = parse_month(month)
        asked = Asked(
            wanted=Wanted(
                year=year,
                month=number,
                now_ms=SystemClock().wall_ms(),
                formats=("json",),
                languages=(),
            ),
            source=source,  # type: ignore[arg-type]  # click lets only the choices through
            sites=tuple(site.id for site in chosen),
            workers=min(count_processors(), len(chosen)),
        )
        with tempfile.TemporaryDirectory(prefix="netwatch-") as scratch:
            made = report_fleet(inventory, asked, Path(scratch) / "report")
            for summary in made.summaries:
                for each in summary.failed:
                    click.echo(f"  {each.site}: no report: {each.problem}", err=True)
            published, files = build_package(inventory, made.folder, month)
    write_package(folder, files)
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(published)).decode())
    else:
        click.echo(f"{folder}: {len(published.sites)} sites, {len(published.files)} files")
        if published.missing:
            click.echo(f"without a report, and left out: {', '.join(published.missing)}", err=True)
    return 1 if published.missing else 0
