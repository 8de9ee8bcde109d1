"""The page of commitments over InfluxDB: months, sites and outages, by the agents' minutes.

Rule of this file: months are of UTC and of all 24 hours. What a contract promises is not in
the points, and no promise is compared with: that is the report's.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Row, Text, same
from dashboards.influx_panels import (
    FIGURES,
    RECEIVED_COLUMN,
    build_cause_table,
    build_outages,
    sum_up,
)
from dashboards.influxql import (
    DOWN_S,
    LEDGER,
    RECEIVED,
    SELECTED,
    UNKNOWN_S,
    build_incidents,
    select,
)
from dashboards.pages import build_page
from dashboards.panels import (
    CIRCUIT,
    OPERATOR,
    SITE,
    build_availability_column,
    build_coverage_column,
    build_seconds_column,
    build_table,
)

_DAYS = (
    'sum("up_ms") / 1000 + sum("degraded_ms") / 1000 AS "in_service", '
    'sum("up_ms") / 1000 + sum("degraded_ms") / 1000 + sum("down_ms") / 1000 AS "known", '
    f'{DOWN_S}, {UNKNOWN_S}, count("up_ms") * 60 AS "booked"'
)
_SUMS = ("in_service", "known", "down", "unknown", "booked")
#: Three whole months and the one that runs: more takes an InfluxDB long at many sites.
_MONTHS = "now-3M/M"


def _divide(above: str, below: str, name: str) -> tuple[str, dict[str, object]]:
    return (
        "calculateField",
        {"mode": "binary", "alias": name, "replaceFields": False,
         "binary": {"left": f"{above} (sum)", "operator": "/", "right": f"{below} (sum)"}},
    )  # fmt: skip


def _months(title: Text, tag: str, first: Column) -> Panel:
    """Days put together to months: InfluxQL groups by days at the longest."""
    columns = (
        Column(field="Time", title=Text("month", "mois")),
        first,
        build_availability_column("availability"),
        build_coverage_column("coverage"),
        build_seconds_column("down (sum)"),
        build_seconds_column("unknown (sum)", Text("unknown", "inconnue")),
        build_seconds_column("booked (sum)", Text("of which points are here", "points reçus")),
        *(Column(field=f"{each} (sum)", title=same(each), hidden=True)
          for each in ("in_service", "known")),
    )  # fmt: skip
    grouped = {name: {"operation": "groupby", "aggregations": []} for name in ("Time", tag)} | {
        name: {"operation": "aggregate", "aggregations": ["sum"]} for name in _SUMS
    }
    return build_table(
        title,
        Text(
            "Availability: share of the known time of the month (UTC) that was not down, by any "
            "cause, 24 hours of every day. The running month is so far; a month whose points do not "
            "reach its length began before the push, or is not here whole. The contract's calendar, "
            "causes and exclusions: see the report.",
            "Disponibilité : part du temps connu du mois (UTC) sans coupure, toutes causes confondues, "
            "24 heures sur 24. Le mois en cours est partiel ; un mois dont les points n’atteignent pas "
            "la durée a commencé avant l’envoi, ou n’est pas entier ici. Calendrier, causes et "
            "exclusions du contrat : voir le rapport.",
        ),
        (select(_DAYS, LEDGER, SELECTED, by=f'time(1d), "{tag}"', rest="fill(none)"),),
        columns,
        ("Time", True),
        width=12,
        height=10,
        transformations=(
            ("formatTime", {"timeField": "Time", "outputFormat": "YYYY-MM", "useTimezone": False}),
            ("groupBy", {"fields": grouped}),
            _divide("in_service", "known", "availability"),
            _divide("known", "booked", "coverage"),
        ),
        time_from=_MONTHS,
    )  # fmt: skip


def _ranking() -> Panel:
    return build_table(
        Text("Sites over the chosen time", "Sites sur la période choisie"),
        Text(
            "For the time range of the page (the last month when it opens), from the agents' own "
            "minutes: nothing is estimated between two readings. “received”: the share of the minutes "
            "that are here. Where it is below 100 % the rest is not yet, or never, pushed.",
            "Pour la période de la page (le mois dernier à l’ouverture), d’après les minutes mêmes des "
            "agents : rien n’est estimé entre deux relevés. « reçu » : part des minutes qui sont là. "
            "Sous 100 %, le reste n’est pas encore envoyé, ou ne l’a jamais été.",
        ),
        sum_up(RECEIVED),
        (SITE, OPERATOR, CIRCUIT, *FIGURES, RECEIVED_COLUMN),
        ("availability", False),
        height=12,
    )  # fmt: skip


def build() -> Dashboard:
    """Commitments of all chosen sites, as far as the points carry them."""
    return build_page(
        "sla",
        "influx",
        Row(title=Text("Month by month", "Mois par mois")),
        _months(Text("Months by operator", "Mois par opérateur"), "operator", OPERATOR),
        _months(Text("Months by site", "Mois par site"), "site", SITE),
        Row(title=Text("The chosen time", "La période choisie")),
        _ranking(),
        build_cause_table(SELECTED, '"operator"', OPERATOR),
        build_outages(SELECTED, width=12, fleet=True),
        incidents=build_incidents(SELECTED),
        description=Text(
            "Months, sites and outages by operator. Contracts are not in the points.",
            "Mois, sites et coupures par opérateur. Les contrats ne sont pas dans les points.",
        ),
    )
