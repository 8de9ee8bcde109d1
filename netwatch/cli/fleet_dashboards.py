"""`netwatch fleet dashboards`: the dashboards and their data sources in a town's Grafana.

Rule of this file: thin. What differs and what is written is `netwatch.fleet.grafana`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netwatch.cli.options import inventory_option, json_option
from netwatch.errors import NetwatchError

if TYPE_CHECKING:
    from netwatch.fleet.grafana.client import GrafanaClient
    from netwatch.fleet.grafana.compare import Difference
    from netwatch.fleet.grafana.plan import DashboardPlan, Plan
    from netwatch.fleet.grafana.push import Outcome
    from netwatch.fleet.model import Inventory

_timeout = click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long one answer may take.",
)

_RESULT_WORDS = {
    "created": "created",
    "updated": "updated",
    "unchanged": "unchanged",
    "kept": "edited by the town, kept",
    "provisioned": "read from a file by Grafana, left alone",
    "conflict": "edited while this ran, kept",
}


@click.group()
def dashboards() -> None:
    """Bring the dashboards to Grafana, and say what differs there."""


@dashboards.command()
@inventory_option
@json_option
@_timeout
@click.option(
    "--overwrite", is_flag=True, help="Replace what was edited in Grafana, too: its edits are lost."
)
def push(*, config: Path, as_json: bool, timeout: float, overwrite: bool) -> int:
    """Create or update the folder, the data sources and the dashboards.

    What was edited in Grafana since netwatch wrote it stays as it is.
    """
    inventory = _read_inventory(config)
    with _connect(inventory, timeout) as client:
        from netwatch.fleet.grafana.push import push as push_plan

        plan, rights = _read_plan(client, inventory, writes=True)
        outcome = push_plan(client, plan, rights, overwrite=overwrite)
        if as_json:
            _print_json(client.url, plan, outcome)
            return 0
        for what, result in _list_results(plan, outcome):
            click.echo(f"{what}: {_RESULT_WORDS[result]}")
        if not outcome.changed:
            click.echo(f"{client.url}: nothing to do")
        if "kept" in (outcome.folder, *outcome.sources.values(), *outcome.dashboards.values()):
            click.echo("--overwrite replaces what was edited", err=True)
    return 0


@dashboards.command()
@inventory_option
@json_option
@_timeout
def diff(*, config: Path, as_json: bool, timeout: float) -> int:
    """Say what Grafana has otherwise, and write nothing.

    Exit code 0 when all is there as netwatch has it, 1 otherwise.
    """
    inventory = _read_inventory(config)
    with _connect(inventory, timeout) as client:
        plan, _ = _read_plan(client, inventory, writes=False)
        if as_json:
            _print_json(client.url, plan, None)
        else:
            click.echo(f"{client.url}: Grafana {plan.version}")
            for line in _list_lines(plan):
                click.echo(line)
    return 1 if plan.differs else 0


def _read_inventory(config: Path) -> Inventory:
    from netwatch.fleet.inventory import read_inventory

    return read_inventory(config)


def _connect(inventory: Inventory, timeout: float) -> GrafanaClient:
    try:
        from netwatch.fleet.grafana.client import GrafanaClient
    except ModuleNotFoundError as error:
        raise NetwatchError(
            f"{error.name} is not installed, which Grafana needs: pip install 'netwatch[fleet]'"
        ) from None
    return GrafanaClient(inventory.options.grafana, timeout)


def _read_plan(
    client: GrafanaClient, inventory: Inventory, *, writes: bool
) -> tuple[Plan, frozenset[str]]:
    """All that can be known before the first write."""
    from netwatch.fleet.grafana.data_sources import build_data_sources
    from netwatch.fleet.grafana.plan import read_plan
    from netwatch.fleet.grafana.refusals import find_lack
    from netwatch.fleet.grafana.shipped import read_pages

    options = inventory.options
    pages = read_pages(options.grafana.sources, options.grafana.languages)
    sources = build_data_sources(options) if options.grafana.data_sources else ()
    version = client.read_version()
    rights = client.read_rights()
    lack = find_lack(rights, str(client.token_file), sources=bool(sources), writes=writes)
    if lack is not None:
        raise client.failed(lack)
    return read_plan(client, version, options.grafana.folder, sources, pages), rights


def _list_results(plan: Plan, outcome: Outcome) -> Iterator[tuple[str, str]]:
    yield f'folder "{plan.folder.title}"', outcome.folder
    for source in plan.sources:
        yield f'data source "{source.wanted.name}"', outcome.sources[source.wanted.uid]
    for each in plan.dashboards:
        yield _name(each), outcome.dashboards[each.page.uid]


def _list_lines(plan: Plan) -> Iterator[str]:
    folder = plan.folder
    renamed = f': it is called "{folder.held_title}"' if folder.state == "edited" else ""
    yield f'folder "{folder.title}": {folder.state}{renamed}'
    for source in plan.sources:
        changes = f": {', '.join(source.changes)}" if source.changes else ""
        yield f'data source "{source.wanted.name}": {source.state}{changes}'
    for each in plan.dashboards:
        yield f"{_name(each)}: {each.state}{_describe_editor(each)}"
        yield from _describe(each.difference)


def _name(plan: DashboardPlan) -> str:
    return f'dashboard {plan.page.uid} "{plan.page.title}"'


def _describe_editor(plan: DashboardPlan) -> str:
    from netwatch.config.notes import show_quoted, show_text

    if plan.state == "provisioned":
        return ": Grafana reads it from a file"
    if plan.edited_by is None and plan.edited_at is None:
        return ""
    by = f" by {show_text(plan.edited_by)}" if plan.edited_by else ""
    at = f" at {show_text(plan.edited_at)}" if plan.edited_at else ""
    return f"{by}{at}" + (f", {show_quoted(plan.remark)}" if plan.remark else "")


def _describe(difference: Difference) -> Iterator[str]:
    from netwatch.config.notes import show_quoted

    for title in difference.only_here:
        yield f"    panel {show_quoted(title)}: not in Grafana"
    for title in difference.only_there:
        yield f"    panel {show_quoted(title)}: in Grafana alone"
    for title, what in difference.changed:
        yield f"    panel {show_quoted(title)}: {', '.join(what)}"
    if difference.settings:
        yield f"    dashboard: {', '.join(difference.settings)}"


def _print_json(url: str, plan: Plan, outcome: Outcome | None) -> None:
    import msgspec

    def result(of: str | None) -> dict[str, str]:
        return {} if of is None else {"result": of}

    sources = outcome.sources if outcome else {}
    results = outcome.dashboards if outcome else {}
    document: dict[str, Any] = {
        "schema_version": 1,
        "url": url,
        "version": plan.version,
        "differs": plan.differs,
        "folder": {
            "title": plan.folder.title,
            "held_title": plan.folder.held_title,
            "state": plan.folder.state,
            **result(outcome.folder if outcome else None),
        },
        "data_sources": [
            {
                "uid": each.wanted.uid,
                "name": each.wanted.name,
                "state": each.state,
                "changes": each.changes,
                **result(sources.get(each.wanted.uid)),
            }
            for each in plan.sources
        ],
        "dashboards": [
            {
                "uid": each.page.uid,
                "title": each.page.title,
                "source": each.page.source,
                "language": each.page.language,
                "state": each.state,
                "edited_by": each.edited_by,
                "edited_at": each.edited_at,
                "only_here": each.difference.only_here,
                "only_there": each.difference.only_there,
                "changed": dict(each.difference.changed),
                "settings": each.difference.settings,
                **result(results.get(each.page.uid)),
            }
            for each in plan.dashboards
        ],
    }
    click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
