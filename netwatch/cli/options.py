"""Options that several commands share.

Rule of this file: what `--config`, `--json` and `--author` mean, for every command alike.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from netwatch.errors import UsageError

DEFAULT_CONFIG = Path("/etc/netwatch/agent.toml")
CONFIG_VARIABLE = "NETWATCH_CONFIG"
DEFAULT_FLEET = Path("/etc/netwatch/fleet.toml")
FLEET_VARIABLE = "NETWATCH_FLEET"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def config_option(command: _Command) -> _Command:
    """Adds ``--config FILE``; the command gets ``config: Path``, whichever was meant."""

    def choose(_context: click.Context, _option: click.Parameter, value: Path | None) -> Path:
        return find_config(value, os.environ)

    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        callback=choose,
        help=f"The configuration; else ${CONFIG_VARIABLE}, else {DEFAULT_CONFIG}.",
    )(command)


def inventory_option(command: _Command) -> _Command:
    """Adds the centre's ``--config FILE``; the command gets ``config: Path``, the inventory."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar=FLEET_VARIABLE,
        default=DEFAULT_FLEET,
        metavar="FILE",
        help=f"The inventory; else ${FLEET_VARIABLE}, else {DEFAULT_FLEET}.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Adds ``--json``; the command gets ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def author_option(command: _Command) -> _Command:
    """Adds ``--author NAME``; the command gets ``author: str``: who makes the entry."""

    def choose(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
        return find_author(value, os.environ)

    return click.option(
        "--author",
        metavar="NAME",
        callback=choose,
        help="Who enters this; else the user that is logged in.",
    )(command)


def find_author(option: str | None, environment: Mapping[str, str]) -> str:
    """Who makes an entry: the option, else the user behind sudo, else the user.

    >>> find_author(None, {"USER": "root", "SUDO_USER": "marie"})
    'marie'

    Raises UsageError where nobody is named.
    """
    author = option or environment.get("SUDO_USER") or environment.get("USER")
    if author is None or not author.strip() or not author.isprintable():
        raise UsageError("an entry has an author: say who you are with --author")
    return author.strip()


def find_config(option: Path | None, environment: Mapping[str, str]) -> Path:
    """The file to load: the option, else the environment's, else the system's.

    >>> str(find_config(None, {})), str(find_config(None, {"NETWATCH_CONFIG": "a.toml"}))
    ('/etc/netwatch/agent.toml', 'a.toml')
    """
    if option is not None:
        return option
    return Path(environment.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
