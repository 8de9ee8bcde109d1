"""The one registry of bandwidth engines: name, as the configuration says it, to its maker.

Rule of this file: a literal, in the order in which `auto` tries those that are configured.
A new engine is its module and one line here. Each is loaded only in the process that runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from netwatch.bandwidth.base import Counterpart, Engine


def make_librespeed(counterpart: Counterpart) -> Engine:
    """The engine of parallel HTTP streams."""
    from netwatch.bandwidth.librespeed import LibrespeedEngine  # noqa: PLC0415 -- loaded only in the process that runs it

    return LibrespeedEngine(counterpart)


def make_iperf3(counterpart: Counterpart) -> Engine:
    """The engine that runs the system's iperf3."""
    from netwatch.bandwidth.iperf3 import Iperf3Engine  # noqa: PLC0415 -- loaded only in the process that runs it

    return Iperf3Engine(counterpart)


def make_ndt7(counterpart: Counterpart) -> Engine:
    """The engine of M-Lab's ndt7, over WebSockets."""
    from netwatch.bandwidth.ndt7 import Ndt7Engine  # noqa: PLC0415 -- loaded only in the process that runs it

    return Ndt7Engine(counterpart)


def make_speedtest(counterpart: Counterpart) -> Engine:
    """The engine that runs speedtest-cli as a library."""
    from netwatch.bandwidth.speedtest import SpeedtestEngine  # noqa: PLC0415 -- loaded only in the process that runs it

    return SpeedtestEngine(counterpart)


ENGINES: Mapping[str, Callable[[Counterpart], Engine]] = MappingProxyType(
    {
        "librespeed": make_librespeed,
        "iperf3": make_iperf3,
        "ndt7": make_ndt7,
        "speedtest": make_speedtest,
    }
)
