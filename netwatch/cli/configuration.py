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
@click.option("--from-fleet", metavar="URL", help="Take the rest from the town's centre, there.")
@click.option("--site", metavar="ID", help="With --from-fleet: this site's id.")
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="PUB",
    help="With --from-fleet: the public key (.pub) of the centre.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --from-fleet: the centre's token, if it wants one.",
)
@click.option(
    "--certificate-authority",
    type=click.Path(path_type=Path),
    metavar="PEM",
    help="With --from-fleet: whom to trust for HTTPS in place of the system's.",
)
def init(
    *,
    output: Path | None,
    store: Path | None,
    force: bool,
    from_fleet: str | None,
    site: str | None,
    key: Path | None,
    token_file: Path | None,
    certificate_authority: Path | None,
) -> int | None:
    """Write a commented configuration from what is detected on this machine.

    Nothing leaves this machine but a few ICMP probes that look for the operator's first hop,
    and with --from-fleet what is asked of the centre.
    """
    from netwatch.cli.detection import detect, find_operators_first_hop

    def look() -> Detected:
        return detect(find_first_hop=find_operators_first_hop)

    if from_fleet is None:
        if site or key or token_file or certificate_authority:
            raise UsageError("--site, --key and their like go with --from-fleet URL")
        run_init(output, store, force=force, detect=look)
        return None
    from netwatch.cli.init_from_fleet import FleetOrigin, run_init_from_fleet

    if site is None or key is None:
        raise UsageError("--from-fleet needs --site ID and --key PUB beside it")
    origin = FleetOrigin(
        url=from_fleet,
        site=site,
        key=key,
        token_file=token_file,
        certificate_authority=certificate_authority,
    )
    return run_init_from_fleet(origin, output, store, force=force, detect=look)


def run_init(
    output: Path | None, store: Path | None, *, force: bool, detect: Callable[[], Detected]
) -> None:
    """Write the file and say what comes next; that goes to standard error.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    refuse_present(output, force=force)
    write_text(output, lambda folder: build_config(detect(), store_path=place_store(store, folder)))
    if output is None or str(output) == "-":
        click.echo("Next: save this as FILE, then netwatch check --config FILE", err=True)
        return
    click.echo(
        f"Wrote {output}. Next: netwatch check --config {shlex.quote(str(output))}", err=True
    )


def refuse_present(output: Path | None, *, force: bool) -> None:
    """Raises UsageError for a file that is there, and is not to be replaced."""
    if output is not None and str(output) != "-" and output.exists() and not force:
        raise UsageError(
            f"{output}: is there already: give another --output, or --force to replace it"
        )


def write_text(output: Path | None, build: Callable[[Path | None], str]) -> None:
    """What ``build`` makes for a file in that folder, into the file or to standard output.

    Raises UsageError where it cannot be written.
    """
    if output is None or str(output) == "-":
        click.echo(build(None), nl=False)
        return
    text = build(output.parent)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_file(output, text)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None


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
@click.option(
    "--configuration-only",
    is_flag=True,
    help="Look at the file alone: nothing is probed, opened or asked.",
)
@json_option
def check(config: Path, *, configuration_only: bool, as_json: bool) -> int:
    """Say what stands in the way of measuring, and what to do about it.

    Exit code 0: nothing; 1: a problem was found; 2: the configuration cannot be used.
    """
    from netwatch.cli.examination import State, build_json, examine

    findings, usable = examine(config, configuration_only=configuration_only)
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
