"""The page of throughput tests: when lines are slow, and how often they keep their promise.

Rule of this file: the weight is the test: a figure that stands for hours is one test.
Hours and weekdays are the viewer's own, because Grafana tells the time, not the store.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text, same
from dashboards.promql import NOW, SELECTED, build_guarantee, build_tests, describe

_DOWN, _UP = Text("down", "descendant"), Text("up", "montant")
_TESTS = "30m"


def _by_time(title: Text, pattern: str, direction: str, width: int) -> Panel:
    words = _DOWN if direction == "down" else _UP
    return Panel(
        kind="barchart",
        title=Text(f"{title.en}, {words.en}", f"{title.fr}, {words.fr}"),
        description=Text(
            "Mean and worst goodput of the tests that count, in bit/s, in the viewer's time zone. Only "
            "hours with tests have a bar. The town's lines are together unless one site is chosen.",
            "Débit utile moyen et le plus faible des tests valables, en bit/s, dans le fuseau du "
            "lecteur. Seules les heures avec des tests ont une barre. Toutes les lignes sont réunies, "
            "sauf si un site est choisi.",
        ),
        unit="bps", least=0, width=width, height=9, x_field="Time",
        queries=(Query(expression=f"{build_tests(direction, SELECTED)} * 8", table=True,
                       interval=_TESTS),),
        transformations=(
            ("formatTime", {"timeField": "Time", "outputFormat": pattern, "useTimezone": True}),
            ("groupBy", {"fields": {
                "Time": {"operation": "groupby", "aggregations": []},
                "Value": {"operation": "aggregate", "aggregations": ["mean", "min"]},
            }}),
            ("sortBy", {"fields": {}, "sort": [{"field": "Time"}]}),
        ),
    )  # fmt: skip


def build_kept(direction: str, by: str = "site", window: str = "$__range") -> str:
    """Share of tests at the guaranteed rate or above it, by site or by another label of its line."""
    tests = build_tests(direction, SELECTED)
    kept = f"({tests} >= bool on (site) {build_guarantee(direction, SELECTED, NOW)})"
    if by == "site":
        return f"avg_over_time({kept}[{window}:{_TESTS}])"
    line = describe(SELECTED, by)
    return (
        f"sum by ({by}) (sum_over_time({kept}[{window}:{_TESTS}]) {line})\n"
        f"/ sum by ({by}) (count_over_time({kept}[{window}:{_TESTS}]) {line})"
    )


def _shares() -> Panel:
    promised = "netwatch:contract_guaranteed_ratio"
    line = describe(SELECTED, "name, operator, contract")
    rate = "netwatch_throughput_bytes_per_second"
    newest = 'max by (site) ({}{{direction="{}",{}}}) * 8'
    return Panel(
        kind="table",
        title=Text("Share of tests at the guarantee", "Part des tests au débit garanti"),
        description=Text(
            "Of the tests in the chosen time that count, the share that reached the guaranteed rate; "
            "beside it the share that the contract promises and the newest test.",
            "Parmi les tests valables de la période choisie, part de ceux qui ont atteint le débit "
            "garanti ; à côté, la part promise par le contrat et le dernier test.",
        ),
        unit="short", width=24, height=10,
        queries=tuple(Query(expression=each, instant=True, table=True) for each in (
            f"{build_kept('down')} {line}", build_kept("up"),
            f"max by (site) (netwatch:site_info{{{SELECTED}}} * on (contract) group_left () {promised})",
            newest.format(rate, "down", SELECTED), newest.format(rate, "up", SELECTED),
        )),
        transformations=(("merge", {}),),
        sort=("Value #A", False),
        columns=(
            Column(field="site", title=same("site"),
                   link="/d/netwatch-site{source}-{language}?var-site=${__value.raw}&${__url_time_range}",
                   link_title=Text("the site's page", "page du site")),
            Column(field="name", title=Text("name", "nom")),
            Column(field="operator", title=Text("operator", "opérateur")),
            Column(field="contract", title=Text("contract", "contrat")),
            Column(field="Value #A", title=Text("kept, down", "tenu, descendant"),
                   unit="percentunit", decimals=1),
            Column(field="Value #B", title=Text("kept, up", "tenu, montant"), unit="percentunit",
                   decimals=1),
            Column(field="Value #C", title=Text("promised share", "part promise"),
                   unit="percentunit", decimals=1),
            Column(field="Value #D", title=Text("newest down", "dernier descendant"), unit="bps"),
            Column(field="Value #E", title=Text("newest up", "dernier montant"), unit="bps"),
        ),
    )  # fmt: skip


def _by_operator() -> Panel:
    return Panel(
        kind="stat",
        title=Text("Tests at the guarantee, by operator", "Tests au débit garanti, par opérateur"),
        description=Text(
            "Share of all tests of an operator's lines, downwards, in the chosen time.",
            "Part de tous les tests des lignes d’un opérateur, sens descendant, sur la période.",
        ),
        unit="percentunit", decimals=1, width=12, height=7,
        queries=(Query(expression=build_kept("down", "operator"), legend=same("{{operator}}"),
                       instant=True),),
    )  # fmt: skip


def _results() -> Panel:
    return Panel(
        kind="table", title=Text("Tests by result", "Tests par résultat"),
        description=Text(
            "All tests of the agents' lives: “valid”, or the reason for which one does not count.",
            "Tous les tests de la vie des agents : « valid », ou la raison qui l’écarte.",
        ),
        unit="short", width=12, height=7,
        queries=(Query(expression="sort_desc(sum by (engine, result) "
                       f"(netwatch_bandwidth_tests_total{{{SELECTED}}}))", instant=True, table=True),),
        columns=(
            Column(field="engine", title=Text("engine", "moteur")),
            Column(field="result", title=Text("result", "résultat")),
            Column(field="Value", title=same("tests"), unit="short"),
        ),
    )  # fmt: skip


def _lines() -> tuple[Panel, Panel]:
    loaded = f"max by (site, direction) (netwatch_loaded_rtt_seconds{{{SELECTED}}})"
    idle = f"max by (site) (netwatch_idle_rtt_seconds{{{SELECTED}}})"
    responsive = Panel(
        kind="line", title=Text("Responsiveness under load", "Réactivité sous charge"),
        description=Text(
            "Round trips a minute while a test loads the line; more is better. HTTP engines alone.",
            "Allers-retours par minute pendant qu’un test charge la ligne ; plus est mieux. Moteurs "
            "HTTP seulement.",
        ),
        unit="rpm", least=0, width=12, height=9,
        queries=(Query(expression=f"max by (site) (netwatch_responsiveness_rpm{{{SELECTED}}})",
                       legend=same("{{site}}")),),
    )  # fmt: skip
    bloat = Panel(
        kind="line", title=Text("Delay that load adds, worst sites",
                                "Délai ajouté par la charge, pires sites"),
        description=Text(
            "Median round trip under load less that at rest, of the ten worst at each moment.",
            "Temps aller-retour médian sous charge moins celui au repos, pour les dix pires à chaque "
            "instant.",
        ),
        unit="s", least=0, width=12, height=9,
        queries=(Query(expression=f"topk(10, {loaded} - on (site) group_left () {idle})",
                       legend=same("{{site}} {{direction}}")),),
    )  # fmt: skip
    return responsive, bloat


def build() -> Dashboard:
    """Throughput of all chosen sites."""
    hour, day = Text("By hour of day", "Par heure"), Text("By weekday", "Par jour de semaine")
    return Dashboard(
        name="bandwidth",
        title=Text("Bandwidth", "Débit"),
        description=Text(
            "Throughput tests by hour and weekday, and how many reach the guaranteed rate.",
            "Tests de débit par heure et par jour, et combien atteignent le débit garanti.",
        ),
        source="prometheus",
        time=("now-30d", "now"),
        refresh="15m",
        parts=(
            _by_time(hour, "HH", "down", 12),
            _by_time(day, "E", "down", 12),
            _by_time(hour, "HH", "up", 12),
            _by_time(day, "E", "up", 12),
            Row(title=Text("The guarantee", "Le débit garanti")),
            _shares(),
            _by_operator(),
            _results(),
            Row(title=Text("Under load", "Sous charge")),
            *_lines(),
        ),
    )
