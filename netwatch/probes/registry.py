"""The one registry of probes: kind, as the configuration says it, to the class.

Rule of this file: a literal. A new probe is its module and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from netwatch.probes.base import Probe
from netwatch.probes.dns import DnsProbe
from netwatch.probes.http import HttpProbe
from netwatch.probes.tcp import TcpProbe

#: What makes a probe of each kind. The kind icmp belongs here with the class of
#: netwatch.probes.icmp_once.
PROBES: Mapping[str, Callable[[], Probe]] = MappingProxyType(
    {
        "tcp": TcpProbe,
        "dns": DnsProbe,
        "http": HttpProbe,
    }
)
