"""The page of throughput tests: when lines are slow, and how often they keep their promise.

Rule of this file: the weight is the test: a figure that stands for hours is one test.
Hours and weekdays are the viewer's own, because Grafana tells the time, not the store.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text, same
from dashboards.pages import build_page
from dashboards.panels import (
    CONTRACT,
    DOWN,
    NAME,
    OPERATOR,
    PER_HOUR,
    PER_WEEKDAY,
    SITE,
    UP,
    build_by_time,
    build_responsiveness,
    build_table,
)
from dashboards.promql import NOW, SELECTED, build_guarantee, build_tests, describe

_TESTS = "30m"


def _by_time(title: Text, pattern: str, direction: str) -> Panel:
    query = Query(expression=f"{build_tests(direction, SELECTED)} * 8", table=True, interval=_TESTS)
    return build_by_time(title, pattern, DOWN if direction == "down" else UP, query)


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
    return build_table(
        Text("Share of tests at the guarantee", "Part des tests au débit garanti"),
        Text(
            "Of the tests in the chosen time that count, the share that reached the guaranteed rate; "
            "beside it the share that the contract promises and the newest test.",
            "Parmi les tests valables de la période choisie, part de ceux qui ont atteint le débit "
            "garanti ; à côté, la part promise par le contrat et le dernier test.",
        ),
        (
            f"{build_kept('down')} {line}", build_kept("up"),
            f"max by (site) (netwatch:site_info{{{SELECTED}}} * on (contract) group_left () {promised})",
            newest.format(rate, "down", SELECTED), newest.format(rate, "up", SELECTED),
        ),
        (
            SITE, NAME, OPERATOR, CONTRACT,
            Column(field="Value #A", title=Text("kept, down", "tenu, descendant"),
                   unit="percentunit", decimals=1),
            Column(field="Value #B", title=Text("kept, up", "tenu, montant"), unit="percentunit",
                   decimals=1),
            Column(field="Value #C", title=Text("promised share", "part promise"),
                   unit="percentunit", decimals=1),
            Column(field="Value #D", title=Text("newest down", "dernier descendant"), unit="bps"),
            Column(field="Value #E", title=Text("newest up", "dernier montant"), unit="bps"),
        ),
        ("Value #A", False),
        height=10,
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
    return build_table(
        Text("Tests by result", "Tests par résultat"),
        Text(
            "All tests of the agents' lives: “valid”, or the reason for which one does not count.",
            "Tous les tests de la vie des agents : « valid », ou la raison qui l’écarte.",
        ),
        (f"sort_desc(sum by (engine, result) (netwatch_bandwidth_tests_total{{{SELECTED}}}))",),
        (
            Column(field="engine", title=Text("engine", "moteur")),
            Column(field="result", title=Text("result", "résultat")),
            Column(field="Value", title=same("tests"), unit="short"),
        ),
        None,
        width=12,
        height=7,
    )  # fmt: skip


def _lines() -> tuple[Panel, Panel]:
    # Of each hour the last reading: a page of a month reads 744 of them and not 89 280.
    added = f"last_over_time(netwatch:added_delay_seconds:hourly{{{SELECTED}}}[65m])"
    rpm = f"last_over_time(netwatch:responsiveness_rpm:hourly{{{SELECTED}}}[65m])"
    responsive = build_responsiveness(
        Query(
            expression=f"max by (site) ({rpm})",
            legend=same("{{site}}"),
        )
    )
    bloat = Panel(
        kind="line", title=Text("Delay that load adds, worst sites",
                                "Délai ajouté par la charge, pires sites"),
        description=Text(
            "Round trip (p90) under load less that at rest, of the ten worst at each moment.",
            "Temps aller-retour (p90) sous charge moins celui au repos, pour les dix pires à chaque "
            "instant.",
        ),
        unit="s", least=0, width=12, height=9,
        queries=(Query(expression=f"topk(10, max by (site, direction) ({added}))",
                       legend=same("{{site}} {{direction}}")),),
    )  # fmt: skip
    return responsive, bloat


def build() -> Dashboard:
    """Throughput of all chosen sites."""
    return build_page(
        "bandwidth",
        "prometheus",
        _by_time(PER_HOUR, "HH", "down"),
        _by_time(PER_WEEKDAY, "E", "down"),
        _by_time(PER_HOUR, "HH", "up"),
        _by_time(PER_WEEKDAY, "E", "up"),
        Row(title=Text("The guarantee", "Le débit garanti")),
        _shares(),
        _by_operator(),
        _results(),
        Row(title=Text("Under load", "Sous charge")),
        *_lines(),
    )
