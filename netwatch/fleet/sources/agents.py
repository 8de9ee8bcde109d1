"""The agents themselves: each one's own bundle, downloaded and verified.

Rule of this file: a bundle is believed when every figure in it follows from its tables, and
when it is of the site and month that were asked for. Nothing of one that is not is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from netwatch.config.notes import show_quoted
from netwatch.errors import AgentUnreachable, EvidenceError, SourceFailed
from netwatch.fleet.address import parse_agent_address
from netwatch.fleet.asking import Patience, check_answer, fetch
from netwatch.fleet.model import FleetSite
from netwatch.fleet.sources.base import Period, SiteMonth
from netwatch.report.evidence import Manifest, build_bundle_name, open_bundle
from netwatch.report.recompute import recompute_report
from netwatch.report.verify import verify_bundle

#: As the agent limits itself (`agent.evidence_bundles`).
LARGEST_BYTES = 33_000_000
_SHOWN_PROBLEMS = 3


class Agents:
    """Asks each agent for its month; one that is making it is asked again until ``longest_s``.

    ``pause`` waits for so many seconds; True from it: nobody wants the answer any more.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 60.0,
        longest_s: float = 900.0,
        pause: Callable[[float], bool | None] = time.sleep,
    ) -> None:
        self._patience = Patience(timeout_s=timeout_s, limit_bytes=LARGEST_BYTES)
        self._longest_s = longest_s
        self._pause = pause

    def list_sites(self, _from_ms: int, _to_ms: int) -> tuple[str, ...] | None:
        """None: every agent knows itself alone."""
        return None

    def read(self, site: FleetSite, period: Period, folder: Path) -> SiteMonth:
        """The bundle, in the folder under the name that it goes by."""
        bundle = folder / build_bundle_name(site.id, period.name)
        if not bundle.exists():
            self.download(site, period, folder)
        check_bundle(bundle, site.id, period.name)
        return SiteMonth(
            site=site.id,
            source="agents",
            where=parse_agent_address(site.address).url(""),
            edge_ms=0,
            bundle=bundle,
        )

    def download(self, site: FleetSite, period: Period, folder: Path) -> Path:
        """Put the site's bundle into the folder, unread. Raises SourceFailed."""
        bundle = folder / build_bundle_name(site.id, period.name)
        bundle.write_bytes(self._download(site, period.name))
        return bundle

    def _download(self, site: FleetSite, month: str) -> bytes:
        address = parse_agent_address(site.address)
        waited_s = 0.0
        try:
            while True:
                answer = fetch(
                    address,
                    f"/api/v1/evidence/{month}",
                    self._patience,
                    token_file=site.token_file,
                    ca=site.ca,
                )
                if answer.status != 503 or answer.retry_after_s is None:
                    return check_answer(answer, has_token=site.token_file is not None)
                pause_s = float(max(1, min(answer.retry_after_s, 60)))
                if waited_s + pause_s > self._longest_s:
                    raise SourceFailed(
                        f"the agent was still making the bundle after {self._longest_s:g} s"
                    )
                if self._pause(pause_s):
                    raise SourceFailed("interrupted")
                waited_s += pause_s
        except AgentUnreachable as error:
            raise SourceFailed(str(error)) from None


def check_bundle(path: Path, site: str, month: str) -> None:
    """Whether a bundle is this site's month, and every figure in it follows from its tables.

    Raises SourceFailed with what is wrong.
    """
    try:
        with open_bundle(path) as bundle:
            try:
                manifest = msgspec.json.decode(bundle.read("manifest.json"), type=Manifest)
            except msgspec.DecodeError as error:
                raise SourceFailed(f"its bundle's manifest.json cannot be read: {error}") from None
            report = msgspec.json.decode(bundle.read("report.json"), type=_Whose)
        if (manifest.site, report.site.id) != (site, site):
            said = manifest.site if manifest.site != site else report.site.id
            raise SourceFailed(
                f"the agent there gave the bundle of site {show_quoted(said)}: "
                "correct the address in fleet.toml, or site.id in that agent's configuration"
            )
        if (manifest.month, report.period.month) != (month, month):
            raise SourceFailed(f"the agent gave the bundle of {manifest.month}, not of {month}")
        found = verify_bundle(path, recompute_report)
    except (EvidenceError, msgspec.DecodeError) as error:
        raise SourceFailed(f"its bundle is not sound: {error}") from None
    if not found.sound:
        told = "; ".join(problem.sentence for problem in found.problems[:_SHOWN_PROBLEMS])
        more = len(found.problems) - _SHOWN_PROBLEMS
        raise SourceFailed(
            f"its bundle is not sound: {told}" + (f"; and {more} more" if more > 0 else "")
        )


class _Id(msgspec.Struct):
    id: str


class _Month(msgspec.Struct):
    month: str


class _Whose(msgspec.Struct):
    site: _Id
    period: _Month
