"""The page of one site over InfluxDB: what its line did, by the agent's own minutes.

Rule of this file: what was watched and what was not are told apart on every panel. What was
promised is not in the points: no target, budget or time to restore stands here.
"""

from __future__ import annotations

from dashboards.form import Dashboard, Panel, Query, Row, Text, same
from dashboards.influx_panels import (
    DEGRADED_CAUSES,
    DOWN_CAUSES,
    UNKNOWN_CAUSES,
    build_cause_bars,
    build_hours,
    build_lanes,
    build_newest,
    build_outages,
)
from dashboards.influxql import (
    AT_WORST,
    BANDWIDTH,
    COVERAGE,
    DOWN_S,
    INCIDENT,
    LEDGER,
    ONE,
    RTT,
    STEP,
    UNKNOWN_S,
    build_availability,
    build_incidents,
    build_present,
    build_tests,
    select,
    select_steps,
)
from dashboards.pages import build_page
from dashboards.panels import (
    DOWN,
    UP,
    build_bloat,
    build_loss,
)
from dashboards.words import BLUE, GREY, ORANGE

_REFUSED = Text("does not count", "écarté")


def _now() -> tuple[Panel, ...]:
    state = Panel(
        kind="stat", title=Text("Now", "Maintenant"),
        description=Text(
            "The state at the end of the page's time, by the newest minute: one that was partly down "
            "is down. “agent silent”: no point of the last 15 minutes; whether the line is down is "
            "not known.",
            "État à la fin de la période de la page, d’après la dernière minute : une minute en partie "
            "coupée compte comme coupée. « agent muet » : aucun point des 15 dernières minutes ; on ne "
            "sait pas si la ligne est coupée.",
        ),
        unit="none", state=True, width=6, height=5,
        queries=(Query(expression=build_present(ONE, '"site"'), legend=same("$tag_site")),),
    )  # fmt: skip
    line = build_newest(
        Text("Line", "Ligne"),
        Text(
            "As the agent's points are tagged, and the newest minute that is here. The contract is in "
            "the agent's configuration and in its report.",
            "D’après les étiquettes des points de l’agent, et la dernière minute arrivée. Le contrat est "
            "dans la configuration de l’agent et dans son rapport.",
        ),
        ONE, width=18, height=5,
    )  # fmt: skip
    return state, line


def _figure(
    title: Text, description: Text, *queries: tuple[str, Text], unit: str = "percentunit",
    decimals: int = 3, warn: float | None = None, width: int = 6,
) -> Panel:  # fmt: skip
    return Panel(
        kind="stat", title=title, description=description, unit=unit, width=width, height=5,
        queries=tuple(Query(expression=each, legend=name) for each, name in queries),
        decimals=decimals, warn=warn, worse_below=warn is not None,
    )  # fmt: skip


def _figures() -> tuple[Panel, ...]:
    page = Text("the page's time", "période de la page")
    return (
        _figure(
            Text("Availability", "Disponibilité"),
            Text(
                "Share of the known time of the page in which the line was not down, by any cause, 24 "
                "hours of every day. “at worst”: had all the unknown time been down. The contract's "
                "calendar, causes and exclusions are the monthly report's.",
                "Part du temps connu de la page pendant laquelle la ligne n’était pas coupée, toutes "
                "causes confondues, 24 heures sur 24. « au pire » : si tout le temps inconnu avait été "
                "coupé. Calendrier, causes et exclusions du contrat relèvent du rapport mensuel.",
            ),
            (build_availability(ONE, ""), Text("known time", "temps connu")),
            (select(AT_WORST, LEDGER, ONE), Text("at worst", "au pire")),
            width=8,
        ),
        _figure(
            Text("Coverage", "Couverture"),
            Text(
                "Share of the time of which points are here that is known. Below 95 % a figure "
                "concludes little.",
                "Part du temps reçu qui est connue. Sous 95 %, un chiffre ne prouve pas grand-chose.",
            ),
            (select(COVERAGE, LEDGER, ONE), page),
            decimals=2, warn=0.95, width=4,
        ),
        _figure(
            Text("Down and unknown", "Coupée et inconnue"),
            Text("Seconds of the page's time.", "Secondes de la période de la page."),
            (select(DOWN_S, LEDGER, ONE), Text("down", "coupée")),
            (select(UNKNOWN_S, LEDGER, ONE), Text("unknown", "inconnue")),
            unit="s", decimals=0, width=6,
        ),
        _figure(
            Text("Longest outage", "Plus longue coupure"),
            Text(
                "The longest of those that began in the page's time and are over, in all hours. The "
                "report has it in the contract's hours, where the time to restore (GTR) runs.",
                "La plus longue de celles commencées dans la période et terminées, toutes heures "
                "comprises. Le rapport la donne dans les heures du contrat, où court la GTR.",
            ),
            (select('max("duration_ms") / 1000', INCIDENT, ONE), page),
            unit="s", decimals=0,
        ),
    )  # fmt: skip


def _causes() -> tuple[Panel, ...]:
    return (
        build_cause_bars(
            Text("Down by cause", "Coupée, par cause"),
            Text(
                "Seconds down of each hour by the part of the path that did not answer: gateway (the "
                "box), access or upstream (the operator), dns.",
                "Secondes de coupure de chaque heure selon la partie du chemin qui ne répondait pas : "
                "gateway (la box), access ou upstream (l’opérateur), dns.",
            ),
            "down", DOWN_CAUSES, ONE,
        ),
        build_cause_bars(
            Text("Unknown by cause", "Inconnue, par cause"),
            Text(
                "Seconds of each hour that nobody watched, and why: the agent was off, its clock was "
                "not set, or its own cable was out. Nobody's fault, and never counted as up.",
                "Secondes de chaque heure que personne n’a observées, et pourquoi : agent arrêté, "
                "horloge non réglée, ou son propre câble débranché. La faute de personne, et jamais "
                "comptées en service.",
            ),
            "unknown", UNKNOWN_CAUSES, ONE,
        ),
        build_cause_bars(
            Text("Degraded by cause", "Dégradée, par cause"),
            Text(
                "Seconds of each hour beyond what the contract allows of loss, latency or throughput.",
                "Secondes de chaque heure au-delà de ce que le contrat admet de perte, de latence ou "
                "de débit.",
            ),
            "degraded", DEGRADED_CAUSES, ONE,
        ),
        build_outages(ONE, width=12, fleet=False),
    )  # fmt: skip


def _latency() -> tuple[Panel, ...]:
    rtt = Panel(
        kind="line", title=Text("Round-trip time by target", "Temps aller-retour par cible"),
        description=Text(
            "Each minute has its exact percentiles of answered probes. In a step of several minutes: "
            "the median of their medians, and the largest of their 95th and 99th percentiles. Lost "
            "probes have no time and are in the panel beside.",
            "Chaque minute a ses centiles exacts des sondes qui ont eu réponse. Dans un pas de "
            "plusieurs minutes : la médiane de leurs médianes, et le plus grand de leurs 95e et 99e "
            "centiles. Les sondes perdues n’ont pas de temps et figurent à côté.",
        ),
        unit="s", least=0, width=12, height=9, step=STEP,
        queries=(Query(
            expression=select_steps(
                'median("p50") / 1000000 AS "p50", max("p95") / 1000000 AS "p95", '
                'max("p99") / 1000000 AS "p99"', RTT, ONE, by='"target"'),
            legend=same("$tag_target $col"),
        ),),
    )  # fmt: skip
    loss = build_loss(
        Query(
            expression=select_steps('sum("lost") / sum("sent") AS "loss"', RTT, ONE, by='"target"',
                                    only='"sent" > 0'),
            legend=same("$tag_target"),
        ),
        STEP,
    )  # fmt: skip
    return rtt, loss


def _throughput() -> tuple[Panel, ...]:
    refused = {
        direction: select(f'"{direction}_bytes_per_second" * 8 AS "refused"', BANDWIDTH, ONE,
                          only=f"\"{direction}_invalid\" != ''")
        for direction in ("down", "up")
    }  # fmt: skip
    rate = Panel(
        kind="points", title=Text("Throughput tests", "Tests de débit"),
        description=Text(
            "Goodput of each test at its beginning. Tests that do not count have marks of their own; "
            "why is on the page about bandwidth. The guaranteed rate is not in the points.",
            "Débit utile de chaque test, à son début. Les tests écartés ont leurs propres marques ; la "
            "raison est sur la page du débit. Le débit garanti n’est pas dans les points.",
        ),
        unit="bps", least=0, width=12, height=9,
        queries=(
            Query(expression=build_tests("down", ONE), legend=DOWN),
            Query(expression=build_tests("up", ONE), legend=UP),
            Query(expression=refused["down"],
                  legend=Text(*(f"{a}, {b}" for a, b in zip(DOWN, _REFUSED, strict=True)))),
            Query(expression=refused["up"],
                  legend=Text(*(f"{a}, {b}" for a, b in zip(UP, _REFUSED, strict=True)))),
        ),
        colours={**dict.fromkeys(DOWN, BLUE), **dict.fromkeys(UP, ORANGE),
                 **{f"{a}, {b}": GREY for words in (DOWN, UP)
                    for a, b in zip(words, _REFUSED, strict=True)}},
    )  # fmt: skip
    added = {
        direction: select(f'("{direction}_loaded_rtt_us" - "idle_rtt_us") / 1000000 AS "added"',
                          BANDWIDTH, ONE)
        for direction in ("down", "up")
    }  # fmt: skip
    return rate, build_bloat(
        Query(expression=added["down"], legend=DOWN),
        Query(expression=added["up"], legend=UP),
        Query(
            expression=select('"idle_rtt_us" / 1000000 AS "idle"', BANDWIDTH, ONE),
            legend=Text("idle", "au repos"),
        ),
        points=True,
    )


def build() -> Dashboard:
    """One site."""
    return build_page(
        "site",
        "influx",
        *_now(),
        Row(title=Text("The line", "La ligne")),
        build_lanes(ONE),
        build_hours(ONE),
        Row(title=Text("Figures of the page's time", "Chiffres de la période de la page")),
        *_figures(),
        Row(title=Text("Causes and outages", "Causes et coupures")),
        *_causes(),
        Row(title=Text("Latency and loss", "Latence et perte")),
        *_latency(),
        Row(title=Text("Throughput", "Débit")),
        *_throughput(),
        incidents=build_incidents(ONE),
        description=Text(
            "One site: its line minute by minute, causes, outages, latency, throughput.",
            "Un site : sa ligne minute par minute, causes, coupures, latence, débit.",
        ),
    )
