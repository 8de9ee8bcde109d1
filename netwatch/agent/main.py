"""Where the agent's process begins, after `process.become_agent`.

Rule of this file: settings in, exit code out; no command line library, no configuration
reader is loaded here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from typing import NoReturn

from netwatch.agent.service import BEGIN_AGAIN, run_agent
from netwatch.config.handover import COMMAND_VARIABLE, HANDOVER_VARIABLE, decode_settings
from netwatch.config.model import Settings
from netwatch.errors import NetwatchError


def main() -> NoReturn:
    """Run until told to stop; exit 1 with one sentence where the start is stopped."""
    logging.basicConfig(
        level=logging.DEBUG if "--verbose" in sys.argv else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    os.environ.pop("PYTHONPATH", None)  # it was for this start alone
    settings = read_handover()
    try:
        code = run_agent(settings)
        if code == BEGIN_AGAIN:
            begin_again()
        sys.exit(code)
    except NetwatchError as error:
        sys.stderr.write(f"{error}\n")
        if settings.central is not None:
            from netwatch.agent.central_watch import note_failure  # noqa: PLC0415 -- only where one is configured

            note_failure(settings, str(error))
        sys.exit(1)


def begin_again() -> None:
    """Become the command that this agent was started with; returns where that cannot be.

    The process keeps its number. Whoever started it starts it again where this returns.
    """
    command: list[str] = json.loads(os.environ.get(COMMAND_VARIABLE, "[]"))
    if command:
        sys.stderr.flush()
        with contextlib.suppress(OSError):
            os.execv(sys.executable, [sys.executable, *command[1:]])  # noqa: S606 -- our own interpreter, no shell


def read_handover() -> Settings:
    """The settings that `become_agent` left. Raises KeyError where there are none."""
    with os.fdopen(int(os.environ.pop(HANDOVER_VARIABLE)), "rb") as handed:
        return decode_settings(handed.read())
