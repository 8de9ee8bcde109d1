"""What every probe is to its caller.

Rule of this file: the protocol only. A probe is told its target and its timeout,
finds something out, and says so. It knows no schedule, no store and no verdict,
and it does not report times of day: the caller owns those.
"""

from __future__ import annotations

from typing import Protocol

from netwatch.records import Check, Finding


class Probe(Protocol):
    """One kind of probe.

    ``measure`` never takes longer than ``check.timeout_ms`` and a small constant,
    never keeps more than it needs in memory whatever the far side sends, and never
    raises for what the network does: that is a finding with a reason. What it does
    raise is a fault of ours, and the caller turns it into an unknown observation.
    """

    def measure(self, check: Check) -> Finding: ...
