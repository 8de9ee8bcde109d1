"""Which dashboards there are, and their files and pictures.

Rule of this file: the same descriptions give the same bytes; it writes nowhere itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from dashboards import (
    agents,
    bandwidth,
    fleet,
    influx_agents,
    influx_bandwidth,
    influx_fleet,
    influx_site,
    influx_sla,
    site,
    sla,
)
from dashboards.form import LANGUAGES, Dashboard
from dashboards.frame import render_dashboard
from dashboards.wireframe import draw_page

PAGES: tuple[Callable[[], Dashboard], ...] = (
    fleet.build, site.build, sla.build, bandwidth.build, agents.build,
    influx_fleet.build, influx_site.build, influx_sla.build, influx_bandwidth.build,
    influx_agents.build,
)  # fmt: skip


def build_files() -> dict[PurePosixPath, str]:
    """Path below ``dashboards/`` -> JSON, of every page in every language."""
    pages = [build() for build in PAGES]
    return {
        PurePosixPath(page.source, language, f"{page.name}.json"): render_dashboard(page, language)
        for page in pages
        for language in LANGUAGES
    }


def build_pictures() -> dict[PurePosixPath, str]:
    """Path below ``docs/images/`` -> SVG of where the panels of each page over Prometheus stand."""
    return {
        PurePosixPath(f"dashboard-{path.stem}.{language}.svg"): draw_page(text, language)
        for path, text in build_files().items()
        for language in LANGUAGES
        if path.parts[:2] == ("prometheus", language)
    }
