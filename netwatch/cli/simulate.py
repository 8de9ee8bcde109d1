"""`netwatch simulate`: a described month as a database, to see its report before it is real.

Rule of this file: thin. Files in, the story told, its ledger in words out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwatch.cli.options import find_config, json_option

if TYPE_CHECKING:
    from netwatch.agent.simulate import Simulated


@click.command()
@click.option(
    "--scenario",
    "scenario_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="What happened (TOML).",
)
@click.option(
    "--db",
    "database",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The database to write: a new one, or a simulation to be replaced.",
)
@click.option(
    "--days", type=click.IntRange(1, 366), metavar="N", help="Only the scenario's first N days."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The agent's configuration; else the one that the scenario names.",
)
@click.option("--sparse", is_flag=True, help="A probe a minute instead of the usual pace: quicker.")
@json_option
def simulate(
    scenario_path: Path,
    database: Path,
    days: int | None,
    config: Path | None,
    *,
    sparse: bool,
    as_json: bool,
) -> None:
    """Fill a database from a described month, to see its report before it is real."""
    import datetime as dt
    import zoneinfo

    import msgspec

    from netwatch.agent import simulate as simulation
    from netwatch.agent.scenario_file import load_document, parse_scenario
    from netwatch.config.load import complete_targets, load_settings
    from netwatch.core.calendars import civil_date, day_start
    from netwatch.core.scenario import shorten_story

    document = load_document(scenario_path)
    settings = load_settings(choose_config(config, document, scenario_path))
    zone = zoneinfo.ZoneInfo(settings.site.timezone)
    names = [target.name for target in complete_targets(settings)]
    scenario, story = parse_scenario(document, str(scenario_path), zone, names)
    if sparse:
        from netwatch.config.model import Milliseconds

        slow = Milliseconds(max(60_000, scenario.interval_ms or 0))
        scenario = msgspec.structs.replace(scenario, interval_ms=slow)
    if days is not None:
        last = civil_date(story.start_ms, zone) + dt.timedelta(days=days)
        story = shorten_story(story, day_start(last, zone))
    written = simulation.simulate(
        settings, scenario, story, database, zone=zone, name=scenario_path.name
    )
    click.echo(build_json(written) if as_json else build_text(written, database))


def choose_config(given: Path | None, document: dict[str, object], scenario_path: Path) -> Path:
    """The configuration: the option's, else the scenario's (from its folder), else the usual.

    >>> str(choose_config(None, {"configuration": "a.toml"}, Path("docs/october.toml")))
    'docs/a.toml'
    """
    named = document.get("configuration")
    if given is None and isinstance(named, str):
        return scenario_path.parent / named
    return find_config(given, os.environ)


def build_json(written: Simulated) -> str:
    """The simulation's figures, durations in milliseconds."""
    import msgspec

    from netwatch.agent.recorder import format_key
    from netwatch.core.ledger import sum_spans

    ledger = {format_key(key): ms for key, ms in sum_spans(written.ledger).items()}
    figures = {
        "start_ms": written.start_ms,
        "end_ms": written.end_ms,
        "ledger_ms": dict(sorted(ledger.items())),
        "runs": written.runs,
        "observations": written.observations,
        "bandwidth_slots": written.tests,
        "closed_days": written.closed_days,
    }
    return msgspec.json.format(msgspec.json.encode(figures)).decode()


def build_text(written: Simulated, database: Path) -> str:
    """The same for a person."""
    from netwatch.agent.recorder import format_key
    from netwatch.config.units import format_duration
    from netwatch.core.ledger import sum_spans

    lines = [
        f"{database}: simulated, {written.runs} runs of the agent, {written.observations} probes, "
        f"{written.tests} throughput tests, {written.closed_days} days closed"
    ]
    totals = sorted(sum_spans(written.ledger).items(), key=lambda item: -item[1])
    lines += [f"  {format_key(key):18} {format_duration(ms)}" for key, ms in totals]
    return "\n".join(lines)
