"""`netwatch init` and `netwatch check`.

Rule of this file: the commands' words and exit codes. What is detected, written and
examined is elsewhere.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import click

from netwatch.cli.options import config_option, json_option
from netwatch.config.write import Detected, build_config
from netwatch.errors import ConfigError, UsageError


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Where to write it; standard output without, or with -.",
)
@click.option(
    "--store", type=click.Path(path_type=Path), metavar="PATH", help="Where the ledger is to be."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(output: Path | None, store: Path | None, *, force: bool) -> None:
    """Write a commented configuration from what is detected on this machine.

    Nothing leaves this machine but a few ICMP probes that look for the operator's first hop.
    """
    from netwatch.cli.detection import detect, find_operators_first_hop

    run_init(
        output, store, force=force, detect=lambda: detect(find_first_hop=find_operators_first_hop)
    )


def run_init(
    output: Path | None, store: Path | None, *, force: bool, detect: Callable[[], Detected]
) -> None:
    """Write the file and say what comes next; that goes to standard error.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    to_file = output is not None and str(output) != "-"
    if to_file and output is not None and output.exists() and not force:
        raise UsageError(
            f"{output}: is there already: give another --output, or --force to replace it"
        )
    folder = output.parent if to_file and output is not None else None
    text = build_config(detect(), store_path=place_store(store, folder))
    if not to_file or output is None:
        click.echo(text, nl=False)
        click.echo("Next: save this as FILE, then netwatch check --config FILE", err=True)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_file(output, text)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    click.echo(
        f"Wrote {output}. Next: netwatch check --config {shlex.quote(str(output))}", err=True
    )


def place_store(store: Path | None, folder: Path | None) -> str | None:
    """The path to write for a store given from here, in a file that lies in ``folder``.

    A path in a file counts from that file's folder: one below it is written so, that
    both can be moved together, and any other in full.

    >>> place_store(Path("/srv/run/n.db"), Path("/srv/run"))
    'n.db'
    """
    if store is None:
        return None
    absolute = store.absolute()
    if folder is not None and absolute.is_relative_to(folder.absolute()):
        return str(absolute.relative_to(folder.absolute()))
    return str(absolute)


def write_file(path: Path, text: str) -> None:
    """The whole file or none of it, even if the power goes."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@click.command()
@config_option
@json_option
def check(config: Path, *, as_json: bool) -> int:
    """Say what stands in the way of measuring, and what to do about it.

    Exit code 0: nothing; 1: a problem was found; 2: the configuration cannot be used.
    """
    from netwatch.cli.examination import State, build_json, examine

    findings, usable = examine(config)
    if as_json:
        click.echo(build_json(findings))
    elif usable:
        from netwatch.cli.examination_table import print_findings

        print_findings(findings)
    else:
        # Line by line, as every other command refuses it: to be copied and searched.
        raise ConfigError([finding.message for finding in findings])
    if not usable:
        return 2
    return 1 if any(finding.state is State.PROBLEM for finding in findings) else 0
