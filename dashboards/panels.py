"""Panels and columns that several pages, or both stores, show alike.

Rule of this file: what is shown and how; the queries come in, in whatever language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dashboards.form import Column, Panel, Query, Text, same
from dashboards.words import BLUE, GREY, ORANGE

DOWN, UP = Text("down", "descendant"), Text("up", "montant")
PER_HOUR, PER_WEEKDAY = (
    Text("By hour of day", "Par heure"),
    Text("By weekday", "Par jour de semaine"),
)

AVAILABILITY = Text("availability", "disponibilité")
COVERAGE = Text("coverage", "couverture")
DOWN_TIME = Text("down", "coupée")

SITE = Column(
    field="site",
    title=same("site"),
    link="/d/netwatch-site{source}-{language}?var-site=${__value.raw}&${__url_time_range}",
    link_title=Text("the site's page", "page du site"),
)
NAME = Column(field="name", title=Text("name", "nom"))
COMMUNE = Column(field="commune", title=same("commune"))
OPERATOR = Column(field="operator", title=Text("operator", "opérateur"))
CIRCUIT = Column(field="circuit", title=Text("circuit", "ligne"))
CONTRACT = Column(field="contract", title=Text("contract", "contrat"))
CAUSE = Column(field="cause", title=same("cause"))


def build_state_column(field: str) -> Column:
    """Codes of `words.STATES` as words with colours."""
    return Column(field=field, title=Text("state", "état"), unit="none", state=True)


def build_availability_column(field: str, title: Text = AVAILABILITY) -> Column:
    """A share of time to a thousandth of a percent: a minute of a month shows."""
    return Column(field=field, title=title, unit="percentunit", decimals=3)


def build_coverage_column(field: str, title: Text = COVERAGE) -> Column:
    """The share of time that is known; marked below 95 %, where a figure concludes little."""
    return Column(
        field=field, title=title, unit="percentunit", decimals=2, warn=0.95, worse_below=True
    )


def build_seconds_column(field: str, title: Text = DOWN_TIME) -> Column:
    """A length of time."""
    return Column(field=field, title=title, unit="s")


def build_table(
    title: Text,
    description: Text,
    expressions: Iterable[str],
    columns: Sequence[Column],
    sort: tuple[str, bool] | None,
    *,
    width: int = 24,
    height: int = 8,
    unit: str = "short",
    transformations: Sequence[tuple[str, Mapping[str, object]]] = (),
    time_from: str | None = None,
) -> Panel:
    """A row for each site, operator or the like, from one query or several.

    Rows of several are put together where all that they have in common is equal: the instant
    (so each query gives one alone, the same for all) and labels. ``sort``: field, descending.
    """
    queries = tuple(Query(expression=each, instant=True, table=True) for each in expressions)
    merge: tuple[tuple[str, Mapping[str, object]], ...] = (("merge", {}),)
    return Panel(
        kind="table", title=title, description=description, unit=unit, width=width, height=height,
        queries=queries, columns=tuple(columns), sort=sort, time_from=time_from,
        transformations=(*(merge if len(queries) > 1 else ()), *transformations),
    )  # fmt: skip


def build_by_time(title: Text, pattern: str, direction: Text, query: Query) -> Panel:
    """Tests by hour of day (``HH``) or weekday (``E``): ``Value`` in bit/s at each one's instant."""
    return Panel(
        kind="barchart",
        title=Text(f"{title.en}, {direction.en}", f"{title.fr}, {direction.fr}"),
        description=Text(
            "Mean and worst goodput of the tests that count, in bit/s, in the viewer's time zone. Only "
            "hours with tests have a bar. The town's lines are together unless one site is chosen.",
            "Débit utile moyen et le plus faible des tests valables, en bit/s, dans le fuseau du "
            "lecteur. Seules les heures avec des tests ont une barre. Toutes les lignes sont réunies, "
            "sauf si un site est choisi.",
        ),
        unit="bps", least=0, width=12, height=9, x_field="Time", queries=(query,),
        transformations=(
            ("formatTime", {"timeField": "Time", "outputFormat": pattern, "useTimezone": True}),
            ("groupBy", {"fields": {
                "Time": {"operation": "groupby", "aggregations": []},
                "Value": {"operation": "aggregate", "aggregations": ["mean", "min"]},
            }}),
            ("sortBy", {"fields": {}, "sort": [{"field": "Time"}]}),
        ),
    )  # fmt: skip


def build_loss(query: Query, step: str | None = None) -> Panel:
    """Probes without an answer, by target."""
    return Panel(
        kind="line", title=Text("Loss by target", "Perte par cible"),
        description=Text(
            "Share of probes without an answer. No line where no probe was sent.",
            "Part des sondes sans réponse. Pas de courbe quand aucune sonde n’a été envoyée.",
        ),
        unit="percentunit", least=0, width=12, height=9, queries=(query,), step=step,
    )  # fmt: skip


def build_bloat(*queries: Query, points: bool = False) -> Panel:
    """What load does to the delay of one line; series ``down``, ``up`` and at rest."""
    names = {"down": BLUE, "up": ORANGE, DOWN.fr: BLUE, UP.fr: ORANGE}
    return Panel(
        kind="points" if points else "line",
        title=Text("Delay that load adds (bufferbloat)",
                   "Délai ajouté par la charge (bufferbloat)"),
        description=Text(
            "Round trip (p90) while a test loads the line, less that of the seconds before it.",
            "Temps aller-retour (p90) pendant qu’un test charge la ligne, moins celui des secondes "
            "qui précèdent.",
        ),
        unit="s", width=12, height=9, queries=queries,
        colours={**names, "idle": GREY, "au repos": GREY},
    )  # fmt: skip


def build_responsiveness(query: Query, *, points: bool = False) -> Panel:
    """Round trips a minute under load, site by site."""
    return Panel(
        kind="points" if points else "line",
        title=Text("Responsiveness under load", "Réactivité sous charge"),
        description=Text(
            "Round trips a minute while a test loads the line; more is better. HTTP engines alone.",
            "Allers-retours par minute pendant qu’un test charge la ligne ; plus est mieux. Moteurs "
            "HTTP seulement.",
        ),
        unit="rotrpm", least=0, width=12, height=9, queries=(query,),
    )  # fmt: skip
