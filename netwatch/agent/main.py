"""Where the agent's process begins, after `process.become_agent`.

Rule of this file: settings in, exit code out; no command line library, no configuration
reader is loaded here.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from netwatch.agent.service import run_agent
from netwatch.config.handover import HANDOVER_VARIABLE, decode_settings
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
    try:
        sys.exit(run_agent(read_handover()))
    except NetwatchError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def read_handover() -> Settings:
    """The settings that `become_agent` left. Raises KeyError where there are none."""
    with os.fdopen(int(os.environ.pop(HANDOVER_VARIABLE)), "rb") as handed:
        return decode_settings(handed.read())
