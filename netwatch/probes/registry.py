"""The one registry of probes: kind, as the configuration says it, to the class.

Rule of this file: a literal. A new probe is its module and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from netwatch.probes.base import Probe
from netwatch.probes.dns import DnsProbe
from netwatch.probes.tcp import TcpProbe


def make_http_probe() -> Probe:
    """HTTP and TLS take memory: most agents have no such target, and need not hold them."""
    from netwatch.probes.http import HttpProbe  # noqa: PLC0415 -- HTTP and TLS take memory that an agent without such a target does without

    return HttpProbe()


#: What makes a probe of each kind. `icmp` is not among them: one loop sends all pings
#: (netwatch.probes.icmp_loop), and one alone is netwatch.probes.icmp_once.
PROBES: Mapping[str, Callable[[], Probe]] = MappingProxyType(
    {
        "tcp": TcpProbe,
        "dns": DnsProbe,
        "http": make_http_probe,
    }
)
