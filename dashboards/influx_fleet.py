"""The page of all sites over InfluxDB: where it burns, and what has not been heard.

Rule of this file: worst first. Points have no places, names or contracts: neither has this page.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text
from dashboards.influx_panels import (
    FIGURES,
    build_cause_table,
    build_operator_line,
    build_outages,
    sum_up,
)
from dashboards.influxql import (
    LEDGER,
    RECENT,
    SELECTED,
    build_incidents,
    build_present,
    join,
    select,
)
from dashboards.pages import build_page
from dashboards.panels import (
    CIRCUIT,
    OPERATOR,
    SITE,
    build_state_column,
    build_table,
)
from dashboards.words import CODES, STATES

_ALL = ("down", "silent", "unknown", "degraded", "up")


def _states() -> Panel:
    present = join(build_present(SELECTED))
    return Panel(
        kind="stat",
        title=Text("Sites by state", "Sites par état"),
        description=Text(
            "How many sites are in each state at the end of the page's time, by the newest minute of "
            "each: a minute that was partly down counts as down. “agent silent”: no point of the last "
            "15 minutes, but some in the page's time; who sent nothing in all of it is not counted: "
            "choose a longer one. A state in which there is no site is not shown.",
            "Nombre de sites dans chaque état à la fin de la période de la page, d’après la dernière "
            "minute de chacun : une minute en partie coupée compte comme coupée. « agent muet » : "
            "aucun point des 15 dernières minutes, mais au moins un dans la période ; qui n’a rien envoyé "
            "de toute la période n’est pas compté : choisissez-en une plus longue. Un état sans site "
            "n’est pas affiché.",
        ),
        unit="short",
        queries=tuple(
            Query(expression=select('count("state")', present, only=f'"state" = {CODES[state]}'),
                  legend=STATES[CODES[state]][0])
            for state in _ALL
        ),
        colours={word: STATES[CODES[state]][1] for state in _ALL for word in STATES[CODES[state]][0]},
        width=24, height=4, decimals=0,
    )  # fmt: skip


def _sites() -> Panel:
    return build_table(
        Text("Sites, worst first", "Sites, les plus graves d’abord"),
        Text(
            "Each line's state at the end of the page's time, and the page's whole time in figures. "
            "“at worst”: had all unknown time been down. A site whose line changed in that time has a "
            "row for each. A click on the site opens its page.",
            "État de chaque ligne à la fin de la période de la page, et la période entière en chiffres. "
            "« au pire » : si tout le temps inconnu avait été coupé. Un site dont la ligne a changé "
            "pendant la période a une rangée pour chacune. Un clic sur le site ouvre sa page.",
        ),
        (
            build_present(SELECTED),
            *sum_up(),
        ),
        (
            SITE, build_state_column("state"), OPERATOR, CIRCUIT,
            *FIGURES,
        ),
        ("state", True),
        height=14,
    )  # fmt: skip


def _shared() -> Panel:
    newest = join(select('last("down_access_ms") + last("down_upstream_ms") AS "shared"', LEDGER,
                         SELECTED, by='"site", "operator"', when=RECENT))  # fmt: skip
    by, when = '"operator"', RECENT
    return build_table(
        Text("Outages that an operator's sites share", "Pannes communes à un opérateur"),
        Text(
            "Sites of one operator that were down in their newest minute by its access network or "
            "beyond it, of those that were heard in the last 15 minutes. An outage that silences "
            "agents is not here but in “agent silent”, until their points come.",
            "Sites d’un même opérateur coupés dans leur dernière minute par son réseau d’accès ou "
            "au-delà, parmi ceux entendus dans les 15 dernières minutes. Une panne qui rend les agents "
            "muets n’est pas ici mais dans « agent muet », jusqu’à l’arrivée de leurs points.",
        ),
        (
            select('count("shared") AS "down"', newest, only='"shared" > 0', by=by, when=when),
            select('count("shared") AS "heard"', newest, by=by, when=when),
        ),
        (
            OPERATOR,
            Column(field="down", title=Text("sites down", "sites coupés"), unit="short", warn=3),
            Column(field="heard", title=Text("sites heard", "sites entendus"), unit="short"),
        ),
        ("down", True),
        width=12,
    )  # fmt: skip


def build() -> Dashboard:
    """All sites on one page."""
    return build_page(
        "fleet",
        "influx",
        _states(),
        Row(title=Text("Sites", "Sites")),
        _sites(),
        Row(title=Text("Operators", "Opérateurs")),
        build_operator_line(SELECTED),
        _shared(),
        build_cause_table(SELECTED, '"operator"', OPERATOR),
        build_outages(SELECTED, width=12, fleet=True),
        incidents=build_incidents(SELECTED),
        description=Text(
            "All sites: state, what they share, whose part of the path failed.",
            "Tous les sites : état, ce qu’ils ont en commun, quelle partie du chemin a failli.",
        ),
    )
