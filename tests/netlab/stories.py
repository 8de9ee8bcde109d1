"""Every scripted fault with what the ledger must say of it: the table of the promises.

Rule of this file: data. Suites are played side by side, the stories of one in turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.netlab.scenario import Story, Suite

#: The shortest windows that may be set, and two of them: five of a minute are too long to wait.
_QUICK_WINDOWS: Mapping[str, Any] = {
    "latency": {
        "interval": "1s",
        "timeout": "900ms",
        "window": "10s",
        "degraded_after_windows": 2,
    },
    "circuit": {"contract": {"max_loss": 0.01, "max_rtt": "40ms"}},
}

SUITES: tuple[Suite, ...] = (
    Suite(
        "line",
        (
            Story("fibre cut, 30 s", "fibre_cut", 30, "down", "access"),
            Story("fibre cut, 3 s", "fibre_cut", 3, "down", "access"),
            Story("flapping, 10 s", "fibre_cut", 10, "down", "access", times=2, pause_s=10),
            Story(
                # Shorter than a confirmation takes: found or not, but never more than it was.
                "flapping, 2 s",
                "fibre_cut",
                2,
                "down",
                "access",
                times=3,
                pause_s=2,
                every=False,
            ),
        ),
    ),
    Suite(
        "path",
        (
            Story("cable out", "cable_out", 10, "unknown", "local", reason="carrier"),
            Story("box off", "box_off", 12, "down", "gateway"),
            Story("core down", "core_down", 12, "down", "upstream"),
            Story("one host down", "one_host_down", 15, "up"),
            Story("resolver down", "resolver_down", 12, "down", "dns"),
        ),
    ),
    Suite(
        "seeming",
        (
            Story("IPv6 dead", "ipv6_dead", 20, "up", ipv6="down"),
            Story("ICMP dropped", "icmp_dropped", 20, "up"),
            Story("ICMP dropped everywhere", "icmp_dropped_everywhere", 20, "up"),
            Story(
                "captive portal", "captive_portal", 20, "unknown", "local", reason="captive_portal"
            ),
        ),
    ),
    Suite(
        "quality",
        (
            Story("+150 ms", "delay", 35, "degraded", "latency", within_ms=10_000),
            Story("5 % loss", "loss", 40, "degraded", "loss", within_ms=None),
        ),
        _QUICK_WINDOWS,
    ),
)
