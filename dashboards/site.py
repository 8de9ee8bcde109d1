"""The page of one site: what its line did, and what was promised.

Rule of this file: what was watched and what was not are told apart on every panel.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text, same
from dashboards.pages import build_page
from dashboards.panels import (
    CAUSE,
    CIRCUIT,
    COMMUNE,
    CONTRACT,
    NAME,
    OPERATOR,
    build_seconds_column,
    build_table,
)
from dashboards.promql import INCIDENTS, ONE, SITE_INFO, build_state, describe
from dashboards.site_measures import build_latency, build_throughput
from dashboards.words import VERDICT_COLOURS

_DAY = Text("24 hours", "24 heures")
_MONTH = Text("30 days", "30 jours")


def _figure(
    title: Text, description: Text, queries: tuple[tuple[str, Text], ...], *,
    unit: str = "percentunit", decimals: int | None = 3, warn: float | None = None,
    below: bool = False, width: int = 6,
) -> Panel:  # fmt: skip
    return Panel(
        kind="stat", title=title, description=description, unit=unit, width=width, height=5,
        queries=tuple(Query(expression=each, legend=name, instant=True) for each, name in queries),
        decimals=decimals, warn=warn, worse_below=below,
    )  # fmt: skip


def _now() -> tuple[Panel, ...]:
    state = Panel(
        kind="stat", title=Text("Now", "Maintenant"),
        description=Text(
            "The line's state. A site whose agent Prometheus does not reach is “agent silent”: its "
            "line is not known to be down, nor to be up.",
            "État de la ligne. Quand Prometheus ne joint pas l’agent, le site est « agent muet » : "
            "on ne sait pas si la ligne est coupée ou en service.",
        ),
        unit="none", state=True, width=4, height=5,
        queries=(Query(expression=build_state(ONE, "down", "silent", "unknown", "degraded", "up"),
                       legend=same("{{site}}"), instant=True),),
    )  # fmt: skip
    info = build_table(
        Text("Line and contract", "Ligne et contrat"),
        Text(
            "From the inventory. The address leads to the agent's own page, which works without "
            "internet; the contract's hours are those in which its time to restore runs.",
            "D’après l’inventaire. L’adresse mène à la page de l’agent, qui fonctionne sans "
            "internet ; les heures du contrat sont celles où court le délai de rétablissement.",
        ),
        (f"{SITE_INFO}{{{ONE}}}",),
        (
            NAME, COMMUNE, OPERATOR, CIRCUIT,
            Column(field="technology", title=Text("technology", "technologie")),
            CONTRACT,
            Column(field="hours", title=Text("hours", "heures")),
            Column(field="timezone", title=Text("zone", "fuseau")),
            Column(field="page", title=same("agent"), link="${__value.raw}",
                   link_title=Text("the agent's own page", "page de l’agent")),
            *(Column(field=each, title=same(each), hidden=True)
              for each in ("Value", "__name__", "site", "latitude", "longitude", "instance", "job")),
        ),
        None,
        width=20, height=5, unit="string",
    )  # fmt: skip
    return state, info


def _timelines() -> tuple[Panel, ...]:
    lanes = Panel(
        kind="timeline", title=Text("What Prometheus saw", "Ce que Prometheus a vu"),
        description=Text(
            "First lane: the line, where its state was known. Second lane: the time that nobody "
            "watched: unknown to the agent itself, or agent silent. Where the line is the only way "
            "to the agent, an outage is silence here, and stands in the bars below once it is over.",
            "Première bande : la ligne, quand son état était connu. Seconde bande : le temps que "
            "personne n’a observé : inconnu de l’agent lui-même, ou agent muet. Si la ligne est le "
            "seul accès à l’agent, une coupure n’est ici que silence, et figure dans les barres "
            "ci-dessous dès qu’elle est finie.",
        ),
        unit="none", state=True, width=24, height=7,
        queries=(
            Query(expression=build_state(ONE, "down", "degraded", "up"),
                  legend=Text("line", "ligne"), interval="30s"),
            Query(expression=build_state(ONE, "silent", "unknown"),
                  legend=Text("not watched", "non observé"), interval="30s"),
        ),
    )  # fmt: skip
    books = Panel(
        kind="bars", title=Text("What the books say, by hour", "Ce que disent les livres, par heure"),
        description=Text(
            "Seconds of each hour by verdict, from the agent's counters, which outlast outages and "
            "restarts. After a gap without a reading, the first bar holds all of the gap: it can be "
            "longer than an hour. Figures of a civil month are the report's.",
            "Secondes de chaque heure par verdict, d’après les compteurs de l’agent, qui survivent "
            "aux coupures et aux redémarrages. Après un trou sans relevé, la première barre contient "
            "tout le trou et peut dépasser une heure. Les chiffres d’un mois civil sont ceux du "
            "rapport.",
        ),
        unit="s", stacked=True, width=24, height=8, least=0,
        queries=(
            Query(expression=f'sum by (verdict) (netwatch:link_seconds:window{{window="1h",{ONE}}})',
                  legend=same("{{verdict}}"), interval="1h"),
        ),
        colours=VERDICT_COLOURS,
    )  # fmt: skip
    return lanes, books


def _commitment() -> tuple[Panel, ...]:
    measured = "netwatch:availability_ratio"
    target = (
        f"max by (site) ({SITE_INFO}{{{ONE}}} * on (contract) group_left () "
        "netwatch:contract_availability_target)"
    )
    low = f'max by (site) (netwatch:availability_low_ratio{{window="30d",{ONE}}})'
    burn = f'max by (site) (netwatch:burn_rate{{window="30d",{ONE}}})'
    down_s = f'max by (site) (netwatch:counted_seconds:window{{window="30d",{ONE}}})'
    used = f"max by (site) (netwatch:restore_used_ratio{{{ONE}}})"
    covered = f"max by (site, hours) (netwatch:incident_covered_seconds{{{ONE}}})"
    return (
        _figure(
            Text("Availability against target", "Disponibilité et engagement"),
            Text(
                "Over 24 hours of every day. “at worst”: had all the unknown time been down. What "
                "the contract's own calendar and exclusions make of it is the monthly report's: "
                "from outside nobody can say in which hours the seconds between two readings fell.",
                "Sur 24 heures de chaque jour. « au pire » : si tout le temps inconnu avait été coupé. "
                "Ce qu’en font le calendrier et les exclusions du contrat relève du rapport mensuel : "
                "de l’extérieur, nul ne sait à quelles heures sont tombées les secondes entre deux "
                "relevés.",
            ),
            (
                (f'max by (site) ({measured}{{window="1d",{ONE}}})', _DAY),
                (f'max by (site) ({measured}{{window="30d",{ONE}}})', _MONTH),
                (low, Text("at worst", "au pire")),
                (target, Text("target", "engagement")),
            ),
            width=10,
        ),
        _figure(
            Text("Error budget left", "Crédit d’indisponibilité restant"),
            Text(
                "What is left of the downtime that the promised availability allows in 30 days; "
                "below 0 the commitment is missed. Absent without a promise or without readings.",
                "Ce qui reste de l’indisponibilité que permet l’engagement sur 30 jours ; sous 0, "
                "l’engagement est manqué. Absent sans engagement ou sans relevés.",
            ),
            ((f"1 - {burn}", _MONTH),),
            decimals=1, warn=0, below=True, width=4,
        ),
        _figure(
            Text("Downtime that counts", "Indisponibilité comptée"),
            Text(
                "Seconds down in 30 days by the causes that the contract counts.",
                "Secondes de coupure sur 30 jours dues aux causes que compte le contrat.",
            ),
            ((down_s, _MONTH),),
            unit="s", decimals=0, width=4,
        ),
        _figure(
            Text("Coverage", "Couverture"),
            Text(
                "Share of the time that is known. Below 95 % a figure concludes little.",
                "Part du temps qui est connue. Sous 95 %, un chiffre ne prouve pas grand-chose.",
            ),
            (
                (f'max by (site) (netwatch:coverage_ratio{{window="1d",{ONE}}})', _DAY),
                (f'max by (site) (netwatch:coverage_ratio{{window="30d",{ONE}}})', _MONTH),
            ),
            decimals=2, warn=0.95, below=True, width=6,
        ),
        _figure(
            Text("Time to restore (GTR) used", "GTR consommée"),
            Text(
                "Share of the guaranteed time to restore that the present outage has used. "
                "Nothing while the line is not down.",
                "Part du délai de rétablissement garanti consommée par la coupure en cours. Rien tant "
                "que la ligne n’est pas coupée.",
            ),
            ((used, same("GTR")),),
            decimals=0, warn=0.5, width=12,
        ),
        _figure(
            Text("Present outage, contract's hours", "Coupure en cours, heures du contrat"),
            Text(
                "How long the present outage has lasted within the hours that the contract covers. "
                "Nothing while the line is not down.",
                "Durée de la coupure en cours dans les heures couvertes par le contrat. Rien tant que "
                "la ligne n’est pas coupée.",
            ),
            ((covered, same("{{hours}}")),),
            unit="s", decimals=0, width=12,
        ),
    )  # fmt: skip


def _incidents() -> tuple[Panel, ...]:
    seen = Panel(
        kind="table", title=Text("Incidents that were seen", "Incidents observés"),
        description=Text(
            "Beginnings of outages while Prometheus reached the agent, and when they were last seen "
            "to last. Outages during which it could not are in the agent's own list and in the report.",
            "Débuts des coupures pendant lesquelles Prometheus joignait l’agent, et dernier instant "
            "où elles duraient. Les autres sont dans la liste de l’agent et dans le rapport.",
        ),
        unit="dateTimeAsIso", width=12, height=8,
        queries=(Query(expression=f"max by (site) ({INCIDENTS}{{{ONE}}}) * 1000", table=True,
                       interval="30s"),),
        transformations=(
            ("groupBy", {"fields": {
                "Value": {"operation": "groupby", "aggregations": []},
                "Time": {"operation": "aggregate", "aggregations": ["max"]},
            }}),
        ),
        sort=("Value", True),
        columns=(
            Column(field="Value", title=Text("began", "début"), unit="dateTimeAsIso"),
            Column(field="Time (max)", title=Text("last seen down", "vue coupée jusqu’à"),
                   unit="dateTimeAsIso"),
        ),
    )  # fmt: skip
    causes = build_table(
        Text("30 days by verdict and cause", "30 jours par verdict et cause"),
        Text(
            "Seconds under each verdict and cause in the agent's books over 30 days.",
            "Secondes sous chaque verdict et chaque cause dans les livres de l’agent sur 30 jours.",
        ),
        (f'sort_desc(sum by (verdict, cause) (netwatch:link_seconds:window{{window="30d",{ONE}}}))',),
        (Column(field="verdict", title=same("verdict")), CAUSE,
         build_seconds_column("Value", Text("time", "durée"))),
        ("Value", True),
        width=12, unit="s",
    )  # fmt: skip
    return seen, causes


def build() -> Dashboard:
    """One site."""
    return build_page(
        "site",
        "prometheus",
        *_now(),
        Row(title=Text("The line", "La ligne")),
        *_timelines(),
        Row(title=Text("The commitment", "L’engagement")),
        *_commitment(),
        Row(title=same("Incidents")),
        *_incidents(),
        Row(title=Text("Latency and loss", "Latence et perte")),
        *build_latency(),
        Row(title=Text("Throughput", "Débit")),
        *build_throughput(),
        incidents=f"{INCIDENTS}{{{ONE}}} * 1000 {describe(ONE, 'operator, circuit')}",
    )
