"""`netwatch run` and `netwatch once`: the agent, and one round of its probes.

Rule of this file: thin. Options in, the agent's parts called, a table out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from netwatch.cli.options import config_option, json_option
from netwatch.config.load import load_settings
from netwatch.config.secrets import place_secrets

if TYPE_CHECKING:
    from rich.table import Table

    from netwatch.agent.once import OnceReport, OnceResult


@click.command()
@config_option
@click.option("--verbose", is_flag=True, help="Log what the agent does in detail.")
def run(config: Path, *, verbose: bool) -> NoReturn:
    """Run the agent in the foreground, until it is told to stop."""
    import json
    import sys

    from netwatch.agent.central_start import choose_settings
    from netwatch.agent.process import become_agent
    from netwatch.clock import SystemClock
    from netwatch.config.handover import COMMAND_VARIABLE, DIGEST_VARIABLE
    from netwatch.store.marks import refuse_simulated

    chosen = choose_settings(config, now_ms=SystemClock().wall_ms())
    settings = place_secrets(chosen.settings, os.environ)
    os.environ[DIGEST_VARIABLE] = chosen.digest or ""
    os.environ[COMMAND_VARIABLE] = json.dumps(sys.orig_argv)
    refuse_simulated(settings.store.path)
    become_agent(settings, verbose=verbose)


@click.command()
@config_option
@json_option
def once(config: Path, *, as_json: bool) -> int:
    """Make every probe once, and show what it found. Exit 1 if one was not answered."""
    settings = load_settings(config)
    from netwatch.agent.once import run_once

    report = run_once(settings)
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        from rich.console import Console

        console = Console()
        console.print(build_once_table(report))
        if " " in report.icmp:
            console.print(f"[bold]ICMP:[/bold] {report.icmp}")
    return 0 if all(result.answered for result in report.results) else 1


def build_once_table(report: OnceReport) -> Table:
    """What each probe found, a row each; the state is a word, not only a colour."""
    from rich.table import Table

    facts = report.facts
    table = Table(
        title=f"{facts.interface or 'no interface'}: {facts.fault or 'way out is there'}",
        title_justify="left",
        title_style="bold",
        header_style="bold",
    )
    for heading in ("target", "role", "kind", "address"):
        table.add_column(heading, overflow="fold")
    table.add_column("result")
    table.add_column("time", justify="right")
    table.add_column("detail", overflow="fold")
    for result in report.results:
        table.add_row(*_row(result))
    return table


def _row(result: OnceResult) -> tuple[str, ...]:
    check, finding = result.check, result.finding
    measures = finding.measures
    time_us = next(
        (measures[name] for name in ("rtt_us", "ttfb_us", "connect_us") if name in measures), None
    )
    word = "answered" if result.answered else (finding.reason or finding.outcome.value)
    colour = "green" if result.answered else "red"
    return (
        check.id,
        check.role.value.replace("_", " "),
        check.kind,
        check.target,
        f"[{colour}]{word.replace('_', ' ')}[/{colour}]",
        "" if time_us is None else f"{time_us / 1000:.2f} ms",
        finding.detail or "",
    )
