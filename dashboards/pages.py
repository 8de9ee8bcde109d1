"""The five pages as every store has them: names, titles, what they open with.

Rule of this file: a page is told once; which panels a store can fill is its own matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.form import Dashboard, Panel, Row, Source, Text


@dataclass(frozen=True, kw_only=True)
class _Page:
    title: Text
    description: Text
    time: tuple[str, str] = ("now-24h", "now")
    refresh: str = "1m"
    one_site: bool = False


_PAGES = {
    "fleet": _Page(
        title=Text("Fleet", "Parc"),
        description=Text(
            "All sites: state, since when, by what cause, and what they share.",
            "Tous les sites : état, depuis quand, pour quelle cause, et ce qu’ils ont en commun.",
        ),
    ),
    "site": _Page(
        title=Text("Site", "Site"),
        description=Text(
            "One site: its line, the commitment, latency, throughput.",
            "Un site : sa ligne, l’engagement, la latence, le débit.",
        ),
        one_site=True,
    ),
    "sla": _Page(
        title=Text("SLA", "Engagements"),
        description=Text(
            "Commitments month by month, by operator and contract; GTR and IMS.",
            "Engagements mois par mois, par opérateur et par contrat ; GTR et IMS.",
        ),
        time=("now-1M/M", "now-1M/M"),
        refresh="5m",
    ),
    "bandwidth": _Page(
        title=Text("Bandwidth", "Débit"),
        description=Text(
            "Throughput tests by hour and weekday, and how many reach the guaranteed rate.",
            "Tests de débit par heure et par jour, et combien atteignent le débit garanti.",
        ),
        time=("now-30d", "now"),
        refresh="15m",
    ),
    "agents": _Page(
        title=Text("Agents", "Agents"),
        description=Text(
            "Whether the agents watch, and what waits on them.",
            "Si les agents observent, et ce qui attend chez eux.",
        ),
    ),
}


def build_page(
    name: str,
    source: Source,
    *parts: Panel | Row,
    incidents: str = "",
    description: Text | None = None,
) -> Dashboard:
    """The page of this name over one store.

    ``incidents`` is the query behind the marks on all graphs; ``description`` stands where the
    store carries less than the page's own says.
    """
    page = _PAGES[name]
    return Dashboard(
        name=name,
        title=page.title,
        description=description or page.description,
        source=source,
        parts=parts,
        time=page.time,
        refresh=page.refresh,
        one_site=page.one_site,
        incidents=incidents,
    )
