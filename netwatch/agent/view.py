"""The snapshot: what page, metrics and `netwatch status` show, gathered at one instant.

Rule of this file: it reads what others hold and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from netwatch.core.judge import IPV6, SERVICE, Judge, list_keys
from netwatch.core.ledger import Key
from netwatch.core.rtt_window import RttWindow
from netwatch.records import Check, Finding, Role, TargetSnapshot, Verdict


class TargetState:
    """What is known of one check while the agent runs."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.window = RttWindow(check.id, check.role)
        self.detail: str | None = None
        self.measures: Mapping[str, int] = {}

    def hear(self, finding: Finding, started_ms: int) -> None:
        """A slower probe's finding; its time to the first answer stands for the round trip."""
        rtt_us = next(
            (
                finding.measures[name]
                for name in ("rtt_us", "ttfb_us", "connect_us")
                if name in finding.measures
            ),
            None,
        )
        answered = finding.outcome.value == "answered"
        self.window.add(started_ms, rtt_us if answered else None, finding.reason)
        self.detail = finding.detail
        self.measures = finding.measures


def build_target(
    state: TargetState, judge: Judge, *, now_ms: int, offset_ms: int | None
) -> TargetSnapshot:
    """One target as it is shown. ``offset_ms`` leads to UTC; None: the clock cannot tell."""
    standing = None
    if state.check.role is Role.SERVICE:
        standing = judge.standing_of(SERVICE + state.check.id)
    return TargetSnapshot(
        summary=state.window.summarise(state.check.target, now_ms=now_ms),
        kind=state.check.kind,
        probes=state.window.probes,
        failures=dict(state.window.failures),
        histogram=state.window.build_histogram(),
        detail=state.detail,
        measures=dict(state.measures),
        verdict=Verdict.UNKNOWN if standing is None else standing.verdict,
        since_ms=None if standing is None or offset_ms is None else standing.since_ms + offset_ms,
    )


def ipv6_verdict(judge: Judge) -> Verdict | None:
    """The verdict on IPv6 by itself; None when no target is IPv6."""
    standing = judge.standing_of(IPV6)
    return None if standing is None else standing.verdict


def complete_totals(link_ms: Mapping[Key, int]) -> dict[Key, int]:
    """Totals from nothing for what has not happened yet, so that a counter exists before."""
    return {key: link_ms.get(key, 0) for key in list_keys()}
