"""`netwatch fleet configurations`: what the agents of the fleet fetch from the centre.

Rule of this file: thin. The inventory and a key in, signed files out; a web server that hands
them out is all that the centre needs beside.
"""

from __future__ import annotations

from pathlib import Path

import click

from netwatch.cli.options import inventory_option, json_option
from netwatch.cli.report import load_needed
from netwatch.clock import SystemClock


@click.command()
@inventory_option
@json_option
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings of the agents beyond the inventory: tables [all] and [only.SITE].",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The folder that the web server hands out.",
)
@click.option(
    "--sign",
    type=click.Path(path_type=Path),
    required=True,
    metavar="KEY",
    help="The centre's Ed25519 key (OpenSSH or PEM); the agents have its public part.",
)
def configurations(
    *, config: Path, as_json: bool, settings_file: Path | None, output: Path, sign: Path
) -> None:
    """Write each site's agent configuration, signed, for the agents to fetch."""
    from netwatch.config.load import read_document
    from netwatch.fleet.configurations import (
        build_configurations,
        find_strangers,
        read_agent_settings,
        write_configurations,
    )
    from netwatch.fleet.inventory import read_inventory

    inventory = read_inventory(config)
    built = build_configurations(
        read_document(config), inventory, read_agent_settings(settings_file, inventory)
    )
    load_needed(("cryptography",))
    from netwatch.report.sign import CONFIGURATION_NAMESPACE, build_signature, read_private_key

    key = read_private_key(sign)
    written = write_configurations(
        output,
        built,
        sign=lambda content: build_signature(content, key, namespace=CONFIGURATION_NAMESPACE),
        now_s=SystemClock().wall_ms() // 1_000,
    )
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode({"configurations": written})).decode())
    else:
        changed = [each.site for each in written if each.changed]
        click.echo(
            f"{output}: {len(written)} configurations, {len(changed)} changed"
            + (f": {', '.join(changed)}" if changed else "")
        )
    for name in find_strangers(output, built):
        click.echo(f"{output}: {name} is of no site in {config}: remove it", err=True)
