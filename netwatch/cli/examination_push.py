"""What `netwatch check` says of the push.

Rule of this file: one line for what stands in the way, in the words that the page and the
log have for it; the token file's own line only where its content is not that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from netwatch.cli.examination import Examined, State, World, examine_secret
from netwatch.config.model import Influx, Settings
from netwatch.core.push_problems import explain_problem
from netwatch.records import PushProblem, PushReason

_OF_THE_TOKEN_FILE = (
    PushReason.TOKEN_UNREADABLE,
    PushReason.TOKEN_EMPTY,
    PushReason.TOKEN_MALFORMED,
)


def examine_push(settings: Settings, influx: Influx, world: World) -> Iterator[Examined]:
    """Whether a point is taken now, and who may read the token."""
    if world.has_module("influxdb_client"):
        problem = world.try_push(settings, influx)
    else:
        problem = PushProblem(reason=PushReason.NO_CLIENT, where=influx.url)
    yield describe_push(influx, problem)
    if problem is None or problem.reason not in _OF_THE_TOKEN_FILE:
        yield examine_secret("influx.token_file", Path(influx.token_file))


def describe_push(influx: Influx, problem: PushProblem | None) -> Examined:
    """The outlet's line."""
    if problem is None:
        return Examined(
            subject="influx",
            state=State.OK,
            message=f"{influx.url}: takes points into bucket {influx.bucket!r}",
        )
    explained = explain_problem(problem)
    return Examined(
        subject="influx",
        state=State.PROBLEM,
        message=explained.sentence,
        remedy=explained.remedy,
        reason=problem.reason.value,
    )
