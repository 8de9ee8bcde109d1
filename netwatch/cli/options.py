"""Options that several commands share.

Rule of this file: what `--config` means, for every command alike.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

DEFAULT_CONFIG = Path("/etc/netwatch/agent.toml")
CONFIG_VARIABLE = "NETWATCH_CONFIG"

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


def json_option(command: _Command) -> _Command:
    """Adds ``--json``; the command gets ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def find_config(option: Path | None, environment: Mapping[str, str]) -> Path:
    """The file to load: the option, else the environment's, else the system's.

    >>> str(find_config(None, {})), str(find_config(None, {"NETWATCH_CONFIG": "a.toml"}))
    ('/etc/netwatch/agent.toml', 'a.toml')
    """
    if option is not None:
        return option
    return Path(environment.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
