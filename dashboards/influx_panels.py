"""What several pages over InfluxDB show: lanes, hours, causes, outages.

Rule of this file: time of which no point is here has no colour and no bar.
"""

from __future__ import annotations

from dashboards.form import Column, Panel, Query, Text, same
from dashboards.influxql import (
    AT_WORST,
    COVERAGE,
    DOWN_S,
    INCIDENT,
    LEDGER,
    LINE,
    OUTAGES,
    SELECTED,
    STEP,
    build_availability,
    build_incidents,
    build_lane,
    join,
    select,
    select_steps,
    sum_causes,
)
from dashboards.panels import (
    CAUSE,
    CIRCUIT,
    OPERATOR,
    SITE,
    build_availability_column,
    build_coverage_column,
    build_seconds_column,
    build_table,
)
from dashboards.words import CODES, STATES
from netwatch.records import CAUSES, Verdict

#: Causes of each verdict, along the path.
DOWN_CAUSES = tuple(cause.value for cause in CAUSES[Verdict.DOWN])
DEGRADED_CAUSES = tuple(cause.value for cause in CAUSES[Verdict.DEGRADED])
UNKNOWN_CAUSES = tuple(cause.value for cause in CAUSES[Verdict.UNKNOWN])
_VERDICTS = ("down", "degraded", "unknown", "up")


#: What a site's time comes to; `sum_up` gives the fields.
FIGURES = (
    build_availability_column("availability"),
    build_availability_column("at_worst", Text("at worst", "au pire")),
    build_coverage_column("coverage"),
    build_seconds_column("down"),
    Column(field="outages", title=Text("outages over", "coupures terminées"), unit="short"),
    build_seconds_column("longest", Text("longest", "la plus longue")),
)
RECEIVED_COLUMN = build_coverage_column("received", Text("received", "reçu"))


def sum_up(*more: str) -> tuple[str, ...]:
    """Queries for `FIGURES` of each line over the page's time, and ``more`` of its ledger."""
    columns = ", ".join((COVERAGE, AT_WORST, DOWN_S, *more))
    return (
        build_availability(SELECTED, LINE),
        select(columns, LEDGER, SELECTED, by=LINE),
        select(OUTAGES, INCIDENT, SELECTED, by=LINE),
    )


def build_newest(title: Text, description: Text, chosen: str, *, width: int, height: int) -> Panel:
    """The newest minute of each line that is here, the oldest first."""
    return build_table(
        title,
        description,
        (select('last("up_ms") AS "up"', LEDGER, chosen, by=LINE),),
        (
            SITE,
            OPERATOR,
            CIRCUIT,
            Column(
                field="Time",
                title=Text("newest minute", "dernière minute"),
                unit="dateTimeFromNow",
            ),
            Column(field="up", title=same("up"), hidden=True),
        ),
        ("Time", False),
        width=width,
        height=height,
    )


def build_lanes(chosen: str) -> Panel:
    """The line's own lane and that of the time that nobody watched."""
    return Panel(
        kind="timeline", title=Text("What the points say", "Ce que disent les points"),
        description=Text(
            "First lane: the line, the worst of each step. Second lane: the time that nobody "
            "watched. Where neither has a colour, no point is here yet: the agent is silent, and "
            "sends what it knows once it can, so that an outage fills its place afterwards.",
            "Première bande : la ligne, le pire de chaque pas. Seconde bande : le temps que personne "
            "n’a observé. Là où aucune n’a de couleur, aucun point n’est encore arrivé : l’agent est "
            "muet et enverra ce qu’il sait dès qu’il le pourra ; une coupure se remplit donc après "
            "coup.",
        ),
        unit="none", state=True, width=24, height=7, step=STEP,
        queries=(
            Query(expression=build_lane(chosen, "up", "degraded", "down"),
                  legend=Text("line", "ligne")),
            Query(expression=build_lane(chosen, "unknown"),
                  legend=Text("not watched", "non observé")),
        ),
    )  # fmt: skip


def build_hours(chosen: str) -> Panel:
    """The ledger by hour."""
    return Panel(
        kind="bars", title=Text("What the books say, by hour", "Ce que disent les livres, par heure"),
        description=Text(
            "Seconds of each hour (UTC) by verdict, minute by minute from the agent's ledger. An hour "
            "with less than 3600 s is one of which not every minute is here: it has just begun, the "
            "page's time cuts it, or the agent has not sent it yet.",
            "Secondes de chaque heure (UTC) par verdict, minute par minute d’après le registre de "
            "l’agent. Une heure de moins de 3600 s est une heure dont toutes les minutes ne sont pas "
            "là : elle commence, la période de la page la coupe, ou l’agent ne l’a pas encore envoyée.",
        ),
        unit="s", stacked=True, width=24, height=8, least=0, most=3600,
        queries=tuple(
            Query(expression=select(f'sum("{verdict}_ms") / 1000', LEDGER, chosen,
                                    by="time(1h)", rest="fill(null)"),
                  legend=STATES[CODES[verdict]][0])
            for verdict in _VERDICTS
        ),
        colours={word: STATES[CODES[verdict]][1]
                 for verdict in _VERDICTS for word in STATES[CODES[verdict]][0]},
    )  # fmt: skip


def build_cause_bars(
    title: Text, description: Text, verdict: str, causes: tuple[str, ...], chosen: str, *,
    every: str = "1h", width: int = 12,
) -> Panel:  # fmt: skip
    """Seconds under one verdict by cause and hour, or day."""
    return Panel(
        kind="bars", title=title, description=description,
        unit="s", stacked=True, width=width, height=8, least=0,
        queries=(Query(expression=select(sum_causes(verdict, causes), LEDGER, chosen,
                                         by=f"time({every})", rest="fill(null)"),
                       legend=same("$col")),),
    )  # fmt: skip


def build_cause_table(chosen: str, by: str, first: Column) -> Panel:
    """Down by cause: whose part of the path it was."""
    whose = {
        "gateway": Text("gateway (the box)", "passerelle (la box)"),
        "access": Text("access (operator)", "accès (opérateur)"),
        "upstream": Text("beyond (operator)", "au-delà (opérateur)"),
        "dns": Text("name servers", "serveurs de noms"),
    }
    return build_table(
        Text("Whose fault: time down by cause", "À qui la faute : temps de coupure par cause"),
        Text(
            "Time down in the page's time, by the part of the path that did not answer. “access” and "
            "“beyond” are the operator's network; the gateway is the box in the building. What was "
            "not watched is in none of them.",
            "Temps de coupure sur la période de la page, selon la partie du chemin qui ne répondait "
            "pas. « accès » et « au-delà » sont le réseau de l’opérateur ; la passerelle est la box "
            "dans le bâtiment. Le temps non observé n’est dans aucune colonne.",
        ),
        (select(sum_causes("down", DOWN_CAUSES), LEDGER, chosen, by=by),),
        (first, *(build_seconds_column(cause, whose[cause]) for cause in DOWN_CAUSES)),
        ("access", True),
        width=12,
        height=10,
        unit="s",
    )


def build_outages(chosen: str, *, width: int, fleet: bool) -> Panel:
    """Each outage that began in the page's time and is over."""
    who = (SITE, OPERATOR) if fleet else ()
    hidden = (
        ()
        if fleet
        else tuple(
            Column(field=each, title=same(each), hidden=True) for each in ("site", "operator")
        )
    )
    return build_table(
        Text("Outages that are over", "Coupures terminées"),
        Text(
            "Outages that began in the page's time, once they are over, to the millisecond as in the "
            "agent's books, also those during which nobody could reach it. The contract's hours and "
            "exclusions are the report's.",
            "Coupures commencées pendant la période de la page, une fois terminées, à la milliseconde "
            "près comme dans les livres de l’agent, même celles pendant lesquelles il était "
            "injoignable. Les heures et exclusions du contrat relèvent du rapport.",
        ),
        (build_incidents(chosen),),
        (
            Column(field="Time", title=Text("began", "début"), unit="dateTimeAsIso"),
            Column(field="end", title=Text("ended", "fin"), unit="dateTimeAsIso"),
            build_seconds_column("duration", Text("lasted", "durée")),
            CAUSE,
            *who,
            *hidden,
        ),
        ("duration" if fleet else "Time", True),
        width=width,
        height=10 if fleet else 8,
    )  # fmt: skip


def build_operator_line(chosen: str) -> Panel:
    """Sites down at once, by operator and step."""
    down = select_steps(
        'max("down_ms") AS "down"', LEDGER, chosen, by='"site", "operator"', fill="none",
        only='("down_access_ms" > 0 OR "down_upstream_ms" > 0)',
    )  # fmt: skip
    count = select_steps('count("down")', join(down), by='"operator"', fill="none")
    return Panel(
        kind="bars",
        title=Text("Sites down, by operator", "Sites coupés, par opérateur"),
        description=Text(
            "Sites that were down by the operator's access network or beyond it for any part of a "
            "step. No bar: none of those whose points are here. Points of an outage come once it is "
            "over, if the line is the only way.",
            "Sites coupés par le réseau d’accès de l’opérateur ou au-delà pendant une partie d’un pas. "
            "Pas de barre : aucun parmi ceux dont les points sont là. Les points d’une coupure "
            "arrivent après elle si la ligne est le seul chemin.",
        ),
        unit="short", least=0, decimals=0, width=12, height=8, step="5m",
        queries=(Query(expression=count, legend=same("$tag_operator")),),
    )  # fmt: skip
