"""The page of the agents over InfluxDB: who was heard, who watched, what can no longer change.

Rule of this file: our own failures, which are never the operator's. Versions, memory, queue
and clock are not in the points (they are in the metrics), and not here.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text
from dashboards.influx_panels import (
    RECEIVED_COLUMN,
    UNKNOWN_CAUSES,
    build_cause_bars,
    build_newest,
)
from dashboards.influxql import (
    CHAIN,
    COVERAGE,
    LEDGER,
    RECEIVED,
    SELECTED,
    join,
    select,
    select_steps,
    sum_causes,
)
from dashboards.pages import build_page
from dashboards.panels import (
    SITE,
    build_coverage_column,
    build_seconds_column,
    build_table,
)


def _heard() -> Panel:
    return build_newest(
        Text("Heard last", "Entendus pour la dernière fois"),
        Text(
            "The newest minute of each line that is here, longest silent first. A minute leaves the "
            "agent 10 to 80 seconds after its end. Agents that sent nothing in the page's time are "
            "not here: choose a longer one.",
            "La dernière minute arrivée de chaque ligne, le plus longtemps muet en premier. Une minute "
            "quitte l’agent 10 à 80 secondes après sa fin. Les agents qui n’ont rien envoyé pendant la "
            "période n’y sont pas : choisissez-en une plus longue.",
        ),
        SELECTED, width=12, height=10,
    )  # fmt: skip


def _watch() -> Panel:
    whose = {
        "agent": Text("agent off", "agent arrêté"),
        "clock": Text("clock not set", "horloge non réglée"),
        "local": Text("own cable", "câble de l’agent"),
    }
    return build_table(
        Text("Who watched", "Qui a observé"),
        Text(
            "“received”: the share of the page's minutes that are here; what the push still owes is "
            "missing from it. Coverage: of those, the share that is known. Beside it why the rest is "
            "not.",
            "« reçu » : part des minutes de la période qui sont là ; ce que l’envoi doit encore y "
            "manque. Couverture : de celles-là, la part connue. À côté, pourquoi le reste ne l’est pas.",
        ),
        (select(f"{RECEIVED}, {COVERAGE}, {sum_causes('unknown', UNKNOWN_CAUSES)}", LEDGER, SELECTED,
                by='"site"'),),
        (
            SITE,
            RECEIVED_COLUMN,
            build_coverage_column("coverage"),
            *(build_seconds_column(cause, whose[cause]) for cause in UNKNOWN_CAUSES),
        ),
        ("received", False),
        width=12, height=10,
    )  # fmt: skip


def _over_time() -> tuple[Panel, ...]:
    minutes = select_steps(
        'count("up_ms") AS "minutes"', LEDGER, SELECTED, by='"site"', fill="none"
    )
    heard = Panel(
        kind="bars", title=Text("Agents whose minutes are here", "Agents dont les minutes sont là"),
        description=Text(
            "How many agents each step has points of. A dent that fills later was a line down or an "
            "agent that could not send; one that stays was an agent that was off.",
            "Nombre d’agents dont chaque pas a des points. Un creux qui se remplit était une ligne "
            "coupée ou un agent qui ne pouvait pas envoyer ; un creux qui reste, un agent arrêté.",
        ),
        unit="short", least=0, decimals=0, width=12, height=8, step="5m",
        queries=(
            Query(
                expression=select_steps('count("minutes") AS "agents"', join(minutes), fill="none"),
                legend=Text("agents heard", "agents entendus"),
            ),
        ),
    )  # fmt: skip
    unknown = build_cause_bars(
        Text("Time nobody watched, by cause", "Temps non observé, par cause"),
        Text(
            "Seconds of each hour of all chosen sites that are unknown: agent off, clock not set, own "
            "cable out (local). Never counted as up, never the operator's.",
            "Secondes inconnues de chaque heure, pour tous les sites choisis : agent arrêté, horloge "
            "non réglée, son propre câble (local). Jamais comptées en service, jamais imputées à "
            "l’opérateur.",
        ),
        "unknown", UNKNOWN_CAUSES, SELECTED,
    )  # fmt: skip
    return heard, unknown


def _late() -> Panel:
    return build_table(
        Text("Days closed, and corrected", "Jours clos, et corrigés"),
        Text(
            "Hashes of the days that agents have closed: with them here, the device can no longer "
            "change what it said (docs/chain.md says how to compare). “late” above 0: the day was "
            "corrected, by what was entered after it was closed.",
            "Empreintes des jours clos par les agents : une fois ici, l’appareil ne peut plus changer "
            "ce qu’il a dit (docs/chain.md dit comment comparer). « tardif » au-dessus de 0 : le jour "
            "a été corrigé par ce qui a été saisi après sa clôture.",
        ),
        (select('"number", "rows", "late", "day", "hash", "site"', CHAIN, SELECTED,
                rest="ORDER BY time DESC LIMIT 1000"),),
        (
            Column(field="Time", title=Text("closed", "clos"), unit="dateTimeAsIso"),
            SITE,
            Column(field="day", title=Text("day", "jour")),
            Column(field="number", title=Text("number", "numéro"), unit="none"),
            Column(field="rows", title=Text("rows", "lignes"), unit="none"),
            Column(field="late", title=Text("late", "tardif"), unit="none", warn=1),
            Column(field="hash", title=Text("hash", "empreinte")),
        ),
        ("Time", True),
        height=10,
    )  # fmt: skip


def build() -> Dashboard:
    """The agents of all chosen sites, as far as their points tell of them."""
    return build_page(
        "agents",
        "influx",
        _heard(),
        _watch(),
        Row(title=Text("Over time", "Dans le temps")),
        *_over_time(),
        Row(title=Text("The chain of days", "La chaîne des jours")),
        _late(),
        description=Text(
            "Whether the agents were heard and watched, and the days that they closed.",
            "Si les agents ont été entendus et ont observé, et les jours qu’ils ont clos.",
        ),
    )
