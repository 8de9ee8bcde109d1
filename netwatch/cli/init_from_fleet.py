"""`netwatch init --from-fleet`: a device's own file, and the centre's configuration over it.

Rule of this file: nothing is written before the centre has shown a configuration of this site
that bears the signature of the key that was given.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from netwatch.agent.central_update import fetch_signed, update
from netwatch.cli.configuration import place_store, refuse_present, write_text
from netwatch.cli.report import load_needed
from netwatch.clock import SystemClock
from netwatch.config.central import check_central_url, show_public_key
from netwatch.config.forms import check_site_id
from netwatch.config.load import load_own_settings
from netwatch.config.model import Central
from netwatch.config.notes import Refused
from netwatch.config.write import CentralLines, Detected, build_config
from netwatch.errors import UsageError


class FleetOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """What a device must be told to find its place in a fleet."""

    url: str
    site: str
    key: Path
    token_file: Path | None = None
    certificate_authority: Path | None = None


def run_init_from_fleet(
    origin: FleetOrigin,
    output: Path | None,
    store: Path | None,
    *,
    force: bool,
    detect: Callable[[], Detected],
) -> int:
    """Fetch, verify, write; exit code 1 where this device refuses what the centre publishes.

    Raises:
        UsageError: an option that will not do, or a file that is there or cannot be written.
        CentralError: the centre's configuration cannot be had, or is not believed.
    """
    refuse_present(output, force=force)
    lines = read_origin(origin)
    central = Central(**msgspec.structs.asdict(lines))
    fetched = fetch_signed(central, origin.site)

    def build(folder: Path | None) -> str:
        detected = msgspec.structs.replace(detect(), host_name=origin.site)
        return build_config(detected, store_path=place_store(store, folder), central=lines)

    write_text(output, build)
    if output is None or str(output) == "-":
        click.echo(
            f"Version {fetched.version} for {origin.site} is signed. Next: save this as FILE, then "
            "netwatch configure --config FILE",
            err=True,
        )
        return 0
    done = update(output, load_own_settings(output), now_ms=SystemClock().wall_ms())
    told = f"Wrote {output}; version {fetched.version} of the centre's configuration"
    if done.result == "refused":
        click.echo(f"{told} is refused here, and this file holds alone:", err=True)
        click.echo(done.problem, err=True)
        return 1
    click.echo(
        f"{told} lies over it. Next: netwatch check --config {shlex.quote(str(output))}", err=True
    )
    return 0


def read_origin(origin: FleetOrigin) -> CentralLines:
    """The lines of ``[central]``. Raises UsageError for an option that will not do."""
    for option, check, value in (
        ("--from-fleet", check_central_url, origin.url),
        ("--site", check_site_id, origin.site),
    ):
        try:
            check(value)
        except Refused as refused:
            raise UsageError(f"{option}: {refused}") from None
    load_needed(("cryptography",))
    from netwatch.report.sign import build_raw_public, read_public_key

    def place(path: Path | None) -> str | None:
        return None if path is None else str(path.absolute())

    return CentralLines(
        url=origin.url,
        public_key=show_public_key(build_raw_public(read_public_key(origin.key))),
        token_file=place(origin.token_file),
        certificate_authority=place(origin.certificate_authority),
    )
