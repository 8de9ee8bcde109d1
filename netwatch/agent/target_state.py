"""What is known of one check while the agent runs.

Rule of this file: it keeps; the store keeps what must last.
"""

from __future__ import annotations

from collections.abc import Mapping

from netwatch.core.rtt_window import RttWindow
from netwatch.records import Check, Finding, Outcome


class TargetState:
    """The last minutes of a check, and what its newest finding said."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.window = RttWindow(check.id, check.role)
        self.detail: str | None = None
        self.measures: Mapping[str, int] = {}

    def hear(self, finding: Finding, started_ms: int, *, loaded: bool = False) -> None:
        """A slower probe's finding; its time to the first answer stands for the round trip.

        ``loaded``: a throughput test of ours filled the line, so its time is not the line's.
        """
        rtt_us = next(
            (
                finding.measures[name]
                for name in ("rtt_us", "ttfb_us", "connect_us")
                if name in finding.measures
            ),
            None,
        )
        answered = finding.outcome is Outcome.ANSWERED
        if loaded:
            self.window.note(answered=answered)
        else:
            self.window.add(started_ms, rtt_us if answered else None, finding.reason)
        self.detail = finding.detail
        self.measures = finding.measures
