"""What `netwatch check` says of the public holidays of the site.

Rule of this file: only what the report's library knows beyond the configuration's own
check; where that library is not installed, only what the agent cannot show without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from netwatch.cli.examination import Examined, State, World
from netwatch.config.model import Settings
from netwatch.core.calendars import build_calendar, rests_on_holidays
from netwatch.errors import ConfigError


def examine_holidays(settings: Settings, world: World) -> Iterator[Examined]:
    """One problem for each thing that makes the month's report impossible.

    Without the library: a warning where the contract's restoration time rests on holidays.
    """
    if settings.site.holidays is None:
        return
    if not world.has_module("holidays"):
        contract = settings.circuit.contract
        if contract.restore_within_ms is not None and rests_on_holidays(
            build_calendar(contract.calendar)
        ):
            yield Examined(
                subject="holidays",
                state=State.WARNING,
                message=f"circuit.contract.restore_within runs in hours that rest on the public "
                f"holidays of {settings.site.holidays}, which are not known here: in an outage "
                "the agent shows no deadline",
                remedy="pip install 'netwatch[report]'",
            )
        return
    from netwatch.report.holidays_calendar import read_holidays

    year = dt.datetime.fromtimestamp(world.now_ms() / 1000, dt.UTC).year
    try:
        read_holidays(settings.site.holidays, [year])
    except ConfigError as error:
        for problem in error.problems:
            message, _, remedy = problem.rpartition(": ")
            yield Examined(subject="holidays", state=State.PROBLEM, message=message, remedy=remedy)
