"""`netwatch verify`: whether a report follows from its evidence, and who signed it.

Rule of this file: it words what `report.verify` found. It needs no store, no agent and no
configuration: an operator runs it on his own machine.
"""

from __future__ import annotations

from pathlib import Path

import click

from netwatch.cli.options import json_option
from netwatch.cli.report import load_needed
from netwatch.errors import EvidenceError


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key", type=click.Path(path_type=Path), metavar="PUB", help="The public key of who sent it."
)
@json_option
def verify(bundle: Path, key: Path | None, *, as_json: bool) -> int:
    """Check a bundle: its files, its signature, and every figure made anew.

    Exit 1 when anything differs, each thing on a line of its own.
    """
    load_needed(("cryptography",))
    from netwatch.report.recompute import recompute_report
    from netwatch.report.sign import read_public_key
    from netwatch.report.verify import verify_bundle

    public = None if key is None else read_public_key(key)
    if not bundle.is_file():
        raise EvidenceError(f"{bundle}: there is no such file: give the path of a bundle (.zip)")
    found = verify_bundle(bundle, recompute_report, key=public)
    if as_json:
        import msgspec

        answer = msgspec.to_builtins(found) | {"sound": found.sound}
        click.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
        return 0 if found.sound else 1
    for problem in found.problems:
        click.echo(problem.sentence)
    if not found.sound:
        count = len(found.problems)
        click.echo(
            f"{bundle}: {count} {'thing is' if count == 1 else 'things are'} wrong", err=True
        )
        return 1
    click.echo(
        f"{bundle}: sound: {found.files} files, every figure of {found.site} {found.month} "
        "follows from them"
    )
    if found.fingerprint is None:
        click.echo("It is not signed.")
    elif found.trusted:
        click.echo(f"Signed by the key given ({found.fingerprint}).")
    else:
        click.echo(
            f"Signed by {found.fingerprint}; whose that is, --key with the sender's key would tell."
        )
    return 0
