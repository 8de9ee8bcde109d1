"""One point to the configured outlet, for `netwatch check`.

Rule of this file: what the agent would send with, in one attempt and with a short wait. The
point is of a measurement of its own, so that no graph and no sum of the line sees it.
"""

from __future__ import annotations

from netwatch.agent.push_parts import build_outlet
from netwatch.clock import Clock
from netwatch.config.model import Influx, Settings
from netwatch.core.line_points import build_tags, format_line
from netwatch.records import PushProblem

CONNECT_TIMEOUT_MS = 5_000
ANSWER_TIMEOUT_MS = 10_000


def try_push(settings: Settings, influx: Influx, clock: Clock) -> PushProblem | None:
    """What stands in the way of points now; None when one was taken.

    A token that may only write can be tried in no other way than by writing.
    """
    outlet = build_outlet(
        influx, clock.monotonic_ms, timeouts_ms=(CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS)
    )
    tags = build_tags(settings.site.id, settings.circuit.reference, settings.circuit.operator)
    try:
        return outlet.send(
            [format_line("netwatch_check", tags, {"ok": 1}, clock.wall_ms())]
        ).problem
    finally:
        outlet.close()
