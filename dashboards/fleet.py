"""The page of all sites: where it burns, and since when.

Rule of this file: worst first. One row a site; what several sites share is the operator's.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text, same
from dashboards.pages import build_page
from dashboards.panels import (
    CAUSE,
    CIRCUIT,
    COMMUNE,
    NAME,
    OPERATOR,
    SITE,
    build_availability_column,
    build_coverage_column,
    build_state_column,
    build_table,
)
from dashboards.promql import INCIDENTS, SELECTED, SITE_INFO, build_state, describe
from dashboards.words import CODES, STATES

_ALL = ("down", "silent", "unknown", "degraded", "up")
_SHARED = f'netwatch:site_cause{{verdict="down",cause=~"access|upstream",{SELECTED}}}'


def _count(state: str, title: Text) -> Query:
    series = "site_silent" if state == "silent" else "site_verdict"
    chosen = SELECTED if state == "silent" else f'verdict="{state}",{SELECTED}'
    return Query(
        expression=f"count(netwatch:{series}{{{chosen}}}) or vector(0)", legend=title, instant=True
    )


def _states() -> Panel:
    return Panel(
        kind="stat",
        title=Text("Sites by state", "Sites par état"),
        description=Text(
            "How many sites are in each state now. “agent silent”: Prometheus has not reached the "
            "agent for two minutes; whether its line is down is not known.",
            "Nombre de sites dans chaque état en ce moment. « agent muet » : Prometheus n’a pas "
            "joint l’agent depuis deux minutes ; on ne sait pas si sa ligne est coupée.",
        ),
        unit="short",
        queries=tuple(_count(state, STATES[CODES[state]][0]) for state in _ALL),
        colours={
            text: STATES[CODES[state]][1] for state in _ALL for text in STATES[CODES[state]][0]
        },
        width=24,
        height=4,
        decimals=0,
    )


def _map() -> Panel:
    return Panel(
        kind="map",
        title=Text("Map", "Carte"),
        description=Text(
            "Sites that have latitude and longitude in the inventory. A worse state is a larger "
            "mark; its word stands in the tip. The background comes from OpenStreetMap.",
            "Sites dont l’inventaire donne latitude et longitude. Plus l’état est grave, plus la "
            "marque est grande ; le mot est dans l’infobulle. Fond de carte OpenStreetMap.",
        ),
        unit="none",
        state=True,
        width=10,
        height=14,
        queries=(
            Query(
                expression=f"{build_state(SELECTED, *_ALL)}\n"
                + describe(
                    f'latitude!="",{SELECTED}', "name, operator, commune, latitude, longitude"
                ),
                instant=True,
                table=True,
            ),
        ),
        transformations=(
            (
                "convertFieldType",
                {
                    "conversions": [
                        {"targetField": "latitude", "destinationType": "number"},
                        {"targetField": "longitude", "destinationType": "number"},
                    ],
                    "fields": {},
                },
            ),
        ),
    )


def _sites() -> Panel:
    changed = (
        f"max by (site) (last_over_time(netwatch_link_changed_timestamp_seconds{{{SELECTED}}}[1d]))"
    )
    figures = (
        f"{build_state(SELECTED, *_ALL)}\n"
        + describe(SELECTED, "name, commune, operator, circuit, page"),
        f"{changed} * 1000",
        f"max by (site, cause) (netwatch:site_cause{{{SELECTED}}})",
        f'max by (site) (netwatch:coverage_ratio{{window="1d",{SELECTED}}})',
        f'max by (site) (netwatch:availability_ratio{{window="30d",{SELECTED}}})',
        f"max by (site) (netwatch:restore_used_ratio{{{SELECTED}}})",
    )
    return build_table(
        Text("Sites, worst first", "Sites, les plus graves d’abord"),
        Text(
            "Each site's state, since when, by what cause, and how much of the last day is known. "
            "GTR: the share of the guaranteed restoration time that the present outage has used. "
            "A click on the site opens its page, one on its address the agent's own.",
            "État de chaque site, depuis quand, pour quelle cause, et part connue du dernier jour. "
            "GTR : part du temps de rétablissement garanti consommée par la coupure en cours. Un "
            "clic sur le site ouvre sa page, un clic sur l’adresse celle de l’agent.",
        ),
        figures,
        (
            SITE,
            build_state_column("Value #A"),
            Column(field="Value #B", title=Text("since", "depuis"), unit="dateTimeFromNow"),
            CAUSE,
            build_coverage_column("Value #D", Text("coverage 24 h", "couverture 24 h")),
            build_availability_column("Value #E", Text("availability 30 d", "disponibilité 30 j")),
            Column(field="Value #F", title=Text("GTR used", "GTR consommée"),
                   unit="percentunit", decimals=0, warn=0.5),
            NAME, COMMUNE, OPERATOR, CIRCUIT,
            Column(field="page", title=Text("agent", "agent"), link="${__value.raw}",
                   link_title=Text("the agent's own page", "page de l’agent")),
            Column(field="Value #C", title=same("C"), hidden=True),
        ),
        ("Value #A", True),
        width=14,
        height=14,
    )  # fmt: skip


def _operators() -> tuple[Panel, Panel]:
    down = f"count by (operator) ({_SHARED})"
    sites = f"count by (operator) ({SITE_INFO}{{{SELECTED}}})"
    silent = f"count by (operator) (netwatch:site_silent{{{SELECTED}}})"
    now = build_table(
        Text("Outages that an operator's sites share", "Pannes communes à un opérateur"),
        Text(
            "Sites of one operator that are down at once by its access network or beyond it. From "
            "3 sites and 30 % of them it is the operator's own outage (NetwatchOperatorOutage): "
            "one ticket names them all.",
            "Sites d’un même opérateur coupés en même temps par son réseau d’accès ou au-delà. À "
            "partir de 3 sites et de 30 %, c’est une panne de l’opérateur "
            "(NetwatchOperatorOutage) : un seul ticket les nomme tous.",
        ),
        (down, f"{down} / {sites}", silent, sites),
        (
            OPERATOR,
            Column(field="Value #A", title=Text("sites down", "sites coupés"), unit="short", warn=3),
            Column(field="Value #B", title=Text("share", "part"), unit="percentunit", decimals=0,
                   warn=0.3),
            Column(field="Value #C", title=Text("silent", "muets"), unit="short"),
            Column(field="Value #D", title=Text("sites", "sites"), unit="short"),
        ),
        ("Value #B", True),
        width=10,
    )  # fmt: skip
    then = Panel(
        kind="line",
        title=Text("Sites down, by operator", "Sites coupés, par opérateur"),
        description=Text(
            "Sites that were seen down by the operator's access network or beyond. An outage "
            "during which the agent could not be reached is not in this line: it is in the "
            "site's books, and in its page's bars.",
            "Sites vus coupés par le réseau d’accès de l’opérateur ou au-delà. Une coupure pendant "
            "laquelle l’agent était injoignable n’est pas sur cette courbe : elle est dans les "
            "livres du site et dans les barres de sa page.",
        ),
        unit="short",
        queries=(Query(expression=down, legend=same("{{operator}}")),),
        least=0,
        decimals=0,
        width=14,
        height=8,
    )
    return now, then


def build() -> Dashboard:
    """All sites on one page."""
    return build_page(
        "fleet",
        "prometheus",
        _states(),
        Row(title=Text("Sites", "Sites")),
        _map(),
        _sites(),
        Row(title=Text("Operators", "Opérateurs")),
        *_operators(),
        incidents=f"{INCIDENTS} * 1000 {describe(SELECTED, 'operator, circuit')}",
    )
