"""The process that tells the agent the public holidays, and is gone when it has.

Rule of this file: region and years as arguments; the days on standard output, an ISO date
a line, or one sentence on standard error and exit 1. It asks nobody on the network. The
library is loaded here and not in the agent.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

from netwatch.errors import ConfigError
from netwatch.report.holidays_calendar import read_holidays

_NICE = 15


def main() -> NoReturn:
    """``REGION YEAR [YEAR …]``."""
    with contextlib.suppress(OSError):  # a sandbox may forbid to be modest
        os.nice(_NICE)
    try:
        days = read_holidays(sys.argv[1], map(int, sys.argv[2:]))
    except ConfigError as error:
        sys.exit(error.problems[0])
    sys.stdout.write("\n".join(day.isoformat() for day in sorted(days)))
    sys.exit(0)
