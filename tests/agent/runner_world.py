"""A runner of a school's usual settings, with whatever machine and clock a test has.

Rule of this file: it builds the runner and says nothing of what it hears.
"""

from __future__ import annotations

import msgspec

from netwatch.agent.outside import Outside
from netwatch.agent.recorder import Recorder
from netwatch.agent.rules import build_judge
from netwatch.agent.runner import Runner
from netwatch.clock import Clock
from netwatch.config.model import Settings, Site
from netwatch.config.targets import complete_targets


def build_runner(outside: Outside, clock: Clock) -> Runner:
    """One that has not begun: `run` returns once a `Stop` was put into its events."""
    settings = Settings(site=Site(id="school"))
    settings = msgspec.structs.replace(settings, target=complete_targets(settings))
    return Runner(
        settings=settings,
        targets=settings.target,
        clock=clock,
        outside=outside,
        recorder=Recorder({}),
        build_judge=lambda checks, at_ms, seen: build_judge(settings, checks, at_ms, seen),
        offset_ms=0,
    )
