"""Which dashboards there are, and their files.

Rule of this file: the same descriptions give the same bytes; it writes nowhere itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from dashboards import agents, bandwidth, fleet, site, sla
from dashboards.form import LANGUAGES, Dashboard
from dashboards.frame import render_dashboard

PAGES: tuple[Callable[[], Dashboard], ...] = (
    fleet.build, site.build, sla.build, bandwidth.build, agents.build,
)  # fmt: skip


def build_files() -> dict[PurePosixPath, str]:
    """Path below ``dashboards/`` -> JSON, of every page in every language."""
    pages = [build() for build in PAGES]
    return {
        PurePosixPath(page.source, language, f"{page.name}.json"): render_dashboard(page, language)
        for page in pages
        for language in LANGUAGES
    }
