"""The metrics of the centre's configuration: which is in force, which is refused, since when.

Rule of this file: a reading of a :class:`CentralView`, nothing else; absent where no centre is
configured.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from netwatch.snapshot import CentralView


def collect_central(view: CentralView | None) -> Iterator[Metric]:
    """The families; none without ``[central]``."""
    if view is None:
        return
    optional: tuple[tuple[str, str, float | None], ...] = (
        (
            "netwatch_configuration_version",
            "Version of the centre's configuration that is in force; absent while none is.",
            view.version,
        ),
        (
            "netwatch_configuration_refused_version",
            "Version of the centre's configuration that this agent refuses; absent without any.",
            view.refused_version,
        ),
        (
            "netwatch_configuration_answered_timestamp_seconds",
            "When the centre last gave a good answer, in seconds since 1970 UTC.",
            None if view.answered_ms is None else view.answered_ms / 1_000,
        ),
    )
    for name, text, value in optional:
        if value is not None:
            yield GaugeMetricFamily(name, text, value=value)
    if view.reason is not None:
        problem = GaugeMetricFamily(
            "netwatch_configuration_problem",
            "1 for what stood in the way of the newest asking; absent when all went well.",
            labels=["reason"],
        )
        problem.add_metric([view.reason], 1)
        yield problem
