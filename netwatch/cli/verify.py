"""`netwatch verify`: whether a report follows from its evidence, or a database from its chain.

Rule of this file: it words what `report.verify` and `store.chain_verify` found. A bundle
needs no store, no agent and no configuration: an operator checks it on his own machine.
"""

from __future__ import annotations

from pathlib import Path

import click

from netwatch.cli.options import json_option
from netwatch.cli.report import load_needed
from netwatch.errors import EvidenceError, UsageError


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option(
    "--key", type=click.Path(path_type=Path), metavar="PUB", help="The public key of who sent it."
)
@click.option(
    "--db",
    "database",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A database instead: whether its days still are what they were closed with.",
)
@json_option
def verify(bundle: Path | None, key: Path | None, database: Path | None, *, as_json: bool) -> int:
    """Check a bundle: its files, its signature, and every figure made anew.

    Exit 1 when anything differs, each thing on a line of its own.
    """
    if (bundle is None) == (database is None):
        raise UsageError("verify takes one thing: a BUNDLE (.zip), or a database with --db FILE")
    if database is not None:
        if key is not None:
            raise UsageError("--key: a database is not signed: leave it out with --db")
        return _verify_database(database, as_json=as_json)
    assert bundle is not None
    return _verify_bundle(bundle, key, as_json=as_json)


def _verify_database(path: Path, *, as_json: bool) -> int:
    from netwatch.store.chain_verify import read_chain_end, verify_chain

    problems = verify_chain(path)
    newest = read_chain_end(path)
    if as_json:
        import msgspec

        answer = {
            "path": str(path),
            "sound": not problems,
            "newest": None
            if newest is None
            else {"number": newest.number, "day": newest.day, "hash": newest.hash},
            "problems": [msgspec.to_builtins(problem) for problem in problems],
        }
        click.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
        return 1 if problems else 0
    for problem in problems:
        click.echo(problem.text)
    if problems:
        count = len(problems)
        click.echo(f"{path}: {count} {'thing is' if count == 1 else 'things are'} wrong", err=True)
        return 1
    if newest is None:
        click.echo(f"{path}: no day is closed yet: there is nothing to compare")
        return 0
    click.echo(
        f"{path}: sound: every day is what it was closed with, up to {newest.day} "
        f"(entry {newest.number})"
    )
    click.echo(f"Its hash stands for all of them: {newest.hash}")
    return 0


def _verify_bundle(bundle: Path, key: Path | None, *, as_json: bool) -> int:
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
