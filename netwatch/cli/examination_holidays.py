"""What `netwatch check` says of the public holidays of the site.

Rule of this file: only what the report's library knows beyond the configuration's own
check; where that library is not installed, there is nothing to say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from netwatch.cli.examination import Examined, State, World
from netwatch.config.model import Settings
from netwatch.errors import ConfigError


def examine_holidays(settings: Settings, world: World) -> Iterator[Examined]:
    """One problem for each thing that makes the month's report impossible."""
    if settings.site.holidays is None or not world.has_module("holidays"):
        return
    from netwatch.report.holidays_calendar import read_holidays

    year = dt.datetime.fromtimestamp(world.now_ms() / 1000, dt.UTC).year
    try:
        read_holidays(settings.site.holidays, [year])
    except ConfigError as error:
        for problem in error.problems:
            message, _, remedy = problem.rpartition(": ")
            yield Examined(subject="holidays", state=State.PROBLEM, message=message, remedy=remedy)
