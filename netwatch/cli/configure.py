"""`netwatch configure`: the centre's configuration of this site, had and taken.

Rule of this file: options in, one sentence out. The steps are `agent.central_update`'s; the
running agent sees by itself that another configuration is in force.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from netwatch.cli.options import config_option, json_option
from netwatch.clock import SystemClock
from netwatch.config.central_state import CentralState, find_folder, hold_state, read_state
from netwatch.config.load import load_own_settings
from netwatch.config.secrets import place_secrets
from netwatch.errors import UsageError

#: A timer that comes a little before its time is not put off to the next one.
_EARLY_MS = 120_000


@click.command()
@config_option
@json_option
@click.option("--scheduled", is_flag=True, help="For a timer: only when central.every has passed.")
@click.option("--retry", is_flag=True, help="Try a configuration that was refused once more.")
def configure(config: Path, *, as_json: bool, scheduled: bool, retry: bool) -> int:
    """Fetch this site's configuration from the centre, check it, and have the agent take it.

    Exit code 0: taken, or nothing new; 1: it cannot be had, is not believed or is refused.
    """
    settings = place_secrets(load_own_settings(config), os.environ)
    if settings.central is None:
        if scheduled:
            return 0
        raise UsageError(f"{config}: has no [central]: docs/central-configuration.md tells how")
    folder = find_folder(settings)
    now_ms = SystemClock().wall_ms()
    if scheduled and not is_due(read_state(folder), settings.central.every_ms, now_ms):
        return 0
    if retry:
        with hold_state(folder) as keeper:
            keeper.change(refused=None, etag=None)
    from netwatch.agent.central_update import update
    from netwatch.cli.report import load_needed

    load_needed(("cryptography",))
    done = update(config, settings, now_ms=now_ms)
    if as_json:
        click.echo(
            json.dumps({"result": done.result, "version": done.version, "problem": done.problem})
        )
    elif done.result == "refused":
        click.echo(f"refused: {done.problem}", err=True)
    elif done.result == "taken":
        click.echo(f"version {done.version} of the centre's configuration is taken")
    else:
        click.echo(
            "nothing new: "
            + (
                "the centre's configuration is not in force here"
                if done.version is None
                else f"version {done.version} of the centre's configuration is in force"
            )
        )
    return 1 if done.result == "refused" else 0


def is_due(state: CentralState, every_ms: int, now_ms: int) -> bool:
    """Whether the centre is to be asked: after a failure each time that the timer comes.

    A clock that has gone back does not put it off.

    >>> is_due(CentralState(asked_ms=0, answered_ms=0), 3_600_000, 1_800_000)
    False
    >>> is_due(CentralState(asked_ms=0, problem="no answer"), 3_600_000, 1_800_000)
    True
    """
    if state.asked_ms is None or state.problem is not None or now_ms < state.asked_ms:
        return True
    return now_ms - state.asked_ms >= every_ms - _EARLY_MS
