"""What makes bundles, not loaded before somebody asks for one.

Rule of this file: memory is a feature; most agents are never asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netwatch.clock import Clock
from netwatch.config.model import Settings

if TYPE_CHECKING:
    from netwatch.agent.evidence_bundles import EvidenceBundles
    from netwatch.web.evidence_route import EvidenceBundle, NoBundle


class LazyEvidence:
    """`EvidenceBundles`, from the first question on."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._bundles: EvidenceBundles | None = None

    def find(self, year: int, month: int) -> EvidenceBundle | NoBundle:
        """See `EvidenceBundles.find`."""
        if self._bundles is None:
            from netwatch.agent.evidence_bundles import EvidenceBundles  # noqa: PLC0415 -- what this file is for: most agents are never asked

            self._bundles = EvidenceBundles(self._settings, wall_ms=self._clock.wall_ms)
        return self._bundles.find(year, month)

    def stop(self) -> None:
        """End what is under way."""
        if self._bundles is not None:
            self._bundles.stop()
