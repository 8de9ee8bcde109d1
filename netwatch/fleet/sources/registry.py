"""`SOURCES`: how each source is made from the inventory.

Rule of this file: the one list. A source's libraries are loaded when it is chosen.
"""

from __future__ import annotations

from netwatch.fleet.model import Inventory
from netwatch.fleet.sources.base import Source, SourceName


def build_source(
    name: SourceName, inventory: Inventory, *, timeout_s: float, longest_s: float = 900.0
) -> Source:
    """The source of this name. ``longest_s``: how long an agent may make its bundle.

    Raises ConfigError for an address that is none, NetwatchError for a library that is
    not installed.
    """
    if name == "agents":
        from netwatch.fleet.sources.agents import Agents  # noqa: PLC0415 -- only who asks agents verifies bundles

        return Agents(timeout_s=timeout_s, longest_s=longest_s)
    if name == "influx":
        from netwatch.fleet.sources.influx import Influx  # noqa: PLC0415 -- only who asks InfluxDB reads CSV of it

        return Influx(inventory.options.influx, timeout_s=timeout_s)
    from netwatch.fleet.sources.prometheus import Prometheus  # noqa: PLC0415 -- only who asks Prometheus reads counters
    from netwatch.fleet.sources.promql import PromqlStore  # noqa: PLC0415 -- only who asks Prometheus speaks PromQL

    return Prometheus(PromqlStore(inventory.options.prometheus, timeout_s=timeout_s))
