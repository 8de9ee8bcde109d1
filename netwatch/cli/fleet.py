"""`netwatch fleet`: the centre's commands.

Rule of this file: thin. The inventory in, files or a table out.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwatch.cli.fleet_configurations import configurations
from netwatch.cli.fleet_dashboards import dashboards
from netwatch.cli.fleet_publish import publish
from netwatch.cli.fleet_report import report
from netwatch.cli.options import inventory_option, json_option
from netwatch.clock import SystemClock
from netwatch.errors import NetwatchError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, Group

    from netwatch.fleet.asking import Patience
    from netwatch.fleet.model import Inventory
    from netwatch.fleet.status import SiteStatus

#: Public holidays and clock changes are written out for the present year and these.
_YEARS_AHEAD = 2


@click.group()
def fleet() -> None:
    """The centre: the inventory, Prometheus' files, the state of all sites."""


fleet.add_command(report)
fleet.add_command(publish)
fleet.add_command(configurations)
fleet.add_command(dashboards)


@fleet.command("import")
@click.argument("spreadsheet", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The inventory to write; else it is printed.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def import_sites(spreadsheet: Path, output: Path | None, *, force: bool) -> None:
    """Make an inventory from a spreadsheet of sites, saved as CSV (UTF-8)."""
    from netwatch.fleet.files import write_atomically
    from netwatch.fleet.inventory import build_inventory
    from netwatch.fleet.spreadsheet import parse_spreadsheet, read_spreadsheet

    found = parse_spreadsheet(read_spreadsheet(spreadsheet), str(spreadsheet))
    build_inventory(_parse_toml(found.text), str(output or "fleet.toml"))
    if output is None:
        click.echo(found.text, nl=False)
    else:
        if output.exists() and not force:
            raise UsageError(
                f"{output}: is there already: give another name, or --force to replace it"
            )
        write_atomically(output, found.text)
    click.echo(
        f"{found.sites} sites, operators: {', '.join(found.operators)}"
        + (f", contracts: {', '.join(found.contracts)}" if found.contracts else ""),
        err=True,
    )
    if found.unused:
        click.echo(f"columns left out: {', '.join(found.unused)}", err=True)
    if found.contracts:
        click.echo("write into each [[contract]] what it promises", err=True)


def _parse_toml(text: str) -> dict[str, object]:
    import tomllib
    from decimal import Decimal

    return tomllib.loads(text, parse_float=Decimal)


@fleet.command()
@inventory_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file that Prometheus watches; else it is printed.",
)
def targets(config: Path, output: Path | None) -> None:
    """Write the sites as Prometheus targets (file_sd), with their labels."""
    from netwatch.fleet.inventory import read_inventory
    from netwatch.fleet.targets import render_targets

    inventory = read_inventory(config)
    _write(output, render_targets(inventory), f"{len(inventory.sites)} targets")


@fleet.command()
@inventory_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where it goes; else it is printed.",
)
@click.option(
    "--targets-file",
    default="targets.json",
    show_default=True,
    metavar="PATH",
    help="Where Prometheus finds what `fleet targets` writes.",
)
@click.option(
    "--rules-files",
    default="rules/*.yml",
    show_default=True,
    metavar="PATTERN",
    help="Where it finds what `fleet rules` writes.",
)
@click.option(
    "--alertmanager", default="localhost:9093", show_default=True, metavar="HOST:PORT",
    help="Who sends the alerts on.",
)  # fmt: skip
def scrape(
    config: Path, output: Path | None, targets_file: str, rules_files: str, alertmanager: str
) -> None:
    """Write Prometheus' configuration: a job for each token and authority in use."""
    from netwatch.fleet.inventory import read_inventory
    from netwatch.fleet.targets import render_scrape_configuration

    text = render_scrape_configuration(
        read_inventory(config),
        targets_path=targets_file,
        rules_path=rules_files,
        alertmanager=alertmanager,
    )
    _write(output, text, "Prometheus' configuration")


@fleet.command()
@inventory_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for both files; else they are printed.",
)
def rules(config: Path, output: Path | None) -> None:
    """Write the recording and alerting rules that follow from the contracts."""
    from netwatch.fleet.inventory import read_inventory
    from netwatch.fleet.rules import build_rules, write_rules

    inventory = read_inventory(config)
    first = datetime.fromtimestamp(SystemClock().wall_ms() / 1000, UTC).year
    years = range(first, first + 1 + _YEARS_AHEAD)
    files = build_rules(inventory, _read_holidays(inventory, years), years)
    if output is None:
        click.echo("---\n".join(files.values()), nl=False)
        return
    changed = write_rules(output, files)
    for name in files:
        click.echo(f"{output / name}: {'written' if output / name in changed else 'unchanged'}")


@fleet.command()
@inventory_option
@json_option
@click.option(
    "--watch",
    type=click.FloatRange(1, 3_600),
    metavar="SECONDS",
    help="Ask again and again, so often, until interrupted.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 120),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an agent may take.",
)
def status(config: Path, *, as_json: bool, watch: float | None, timeout: float) -> int:
    """Show every site's line, the worst first.

    Exit code 0 when every agent answers for its own site and every line is up or degraded,
    1 otherwise.
    """
    from netwatch.fleet.asking import Patience
    from netwatch.fleet.inventory import read_inventory
    from netwatch.fleet.status import read_fleet_status

    inventory = read_inventory(config)
    patience = Patience(timeout_s=timeout)
    if watch is not None and as_json:
        raise UsageError("--watch is for a person, --json for a program: give one of them")
    if watch is not None:
        _watch(inventory, patience, watch)
    if as_json:
        rows = read_fleet_status(inventory, patience)
        click.echo(_render_json(rows))
    else:
        console = _console()
        # Shown on a terminal alone.
        with console.status(f"asking {len(inventory.sites)} agents"):
            rows = read_fleet_status(inventory, patience)
        console.print(_build_table(rows))
    return 0 if all(row.fine for row in rows) else 1


def _watch(inventory: Inventory, patience: Patience, every_s: float) -> None:
    """A table that stays in its place; ends with an interruption. Piped, one table after another."""
    from rich.live import Live

    from netwatch.fleet.status import read_fleet_status

    console = _console()
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            table = _build_table(read_fleet_status(inventory, patience))
            if console.is_terminal:
                live.update(table, refresh=True)
            else:
                console.print(table)
            time.sleep(every_s)


def _console() -> Console:
    from rich.console import Console

    console = Console()
    # Half a table is of no use to who reads it from a file.
    return console if console.is_terminal else Console(width=200)


def _build_table(rows: list[SiteStatus]) -> Group:
    from netwatch.cli.fleet_table import build_fleet_table

    now = datetime.fromtimestamp(SystemClock().wall_ms() / 1000, UTC).astimezone()
    return build_fleet_table(rows, now)


def _render_json(rows: list[SiteStatus]) -> str:
    import msgspec

    from netwatch.fleet.status import count_states

    document = {"schema_version": 1, "states": count_states(rows), "sites": rows}
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _read_holidays(inventory: Inventory, years: range) -> dict[str, frozenset[date]]:
    """The closed days of the sites whose contract has any; the library only where there are."""
    from netwatch.fleet.rules import needs_holidays

    found = {}
    for site_id in needs_holidays(inventory):
        site = inventory.site(site_id)
        try:
            from netwatch.report.holidays_calendar import read_holidays

            found[site_id] = read_holidays(site.holidays, years, site.extra_holidays)
        except ModuleNotFoundError as error:
            raise NetwatchError(
                f"site {site_id}: its contract rests on public holidays, which needs the Python "
                f"package {error.name}: pip install 'netwatch[fleet]'"
            ) from None
    return found


def _write(output: Path | None, text: str, what: str) -> None:
    from netwatch.fleet.files import write_atomically

    if output is None:
        click.echo(text, nl=False)
        return
    word = "written" if write_atomically(output, text) else "unchanged"
    click.echo(f"{output}: {what}, {word}", err=True)
