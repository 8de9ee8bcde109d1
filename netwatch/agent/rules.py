"""From settings to the rules by which the line is judged.

Rule of this file: pure; each number of a rule has its setting, and is read here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from netwatch.agent.addresses import is_ipv6
from netwatch.config.model import Settings
from netwatch.core.judge import Judge
from netwatch.core.linkstate import OutageRule
from netwatch.core.quality import QualityRule
from netwatch.records import Check, Role


def build_judge(
    settings: Settings, checks: Sequence[Check], at_ms: int, seen: frozenset[Role]
) -> Judge:
    """The judge of this site, with the contract's thresholds and the outage rule's numbers."""
    latency, contract = settings.latency, settings.circuit.contract
    rule = OutageRule(
        down_after=latency.down_after_rounds,
        up_after=latency.up_after_rounds,
        maximum_gap_ms=2 * latency.interval_ms + latency.timeout_ms,
    )
    quality = QualityRule(
        maximum_loss=None if contract.max_loss is None else Fraction(contract.max_loss),
        maximum_rtt_us=None if contract.max_rtt_ms is None else contract.max_rtt_ms * 1000,
        window_ms=latency.window_ms,
        after_windows=latency.degraded_after_windows,
    )
    services = {
        check.id: 3 * check.every_ms + check.timeout_ms
        for check in checks
        if check.role is Role.SERVICE
    }
    return Judge(
        start_ms=at_ms,
        link_rule=rule,
        quality_rule=quality,
        timeout_ms=latency.timeout_ms,
        dns_gap_ms=3 * settings.dns.interval_ms + 2 * settings.dns.timeout_ms,
        services=services,
        ipv6_targets=frozenset(
            check.id for check in checks if check.role is Role.INTERNET and is_ipv6(check.target)
        ),
        seen=seen,
    )
