"""The page of throughput tests over InfluxDB: when lines are slow, and which tests count.

Rule of this file: a test is a mark of its own. What is guaranteed is not in the points.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text, same
from dashboards.influxql import BANDWIDTH, SELECTED, build_tests, select
from dashboards.pages import build_page
from dashboards.panels import (
    DOWN,
    OPERATOR,
    PER_HOUR,
    PER_WEEKDAY,
    SITE,
    UP,
    build_by_time,
    build_responsiveness,
    build_table,
)

_DIRECTIONS = (("down", DOWN), ("up", UP))


def _by_times() -> tuple[Panel, ...]:
    return tuple(
        build_by_time(title, pattern, words,
                      Query(expression=build_tests(direction, SELECTED), table=True))
        for direction, words in _DIRECTIONS
        for title, pattern in ((PER_HOUR, "HH"), (PER_WEEKDAY, "E"))
    )  # fmt: skip


def _sites() -> Panel:
    def sum_up(direction: str) -> str:
        rate = f'"{direction}_bytes_per_second"'
        return select(
            f'count({rate}) AS "{direction}_tests", median({rate}) * 8 AS "{direction}_median", '
            f'percentile({rate}, 10) * 8 AS "{direction}_low", last({rate}) * 8 AS "{direction}_newest"',
            BANDWIDTH, SELECTED, by='"site", "operator"', only=f"\"{direction}_invalid\" = ''",
        )  # fmt: skip

    def columns(direction: str, words: Text) -> tuple[Column, ...]:
        heads = (
            ("tests", same("tests"), "short"),
            ("median", Text("median", "médiane"), "bps"),
            ("low", Text("9 of 10 reach", "9 sur 10 atteignent"), "bps"),
            ("newest", Text("newest", "dernier"), "bps"),
        )
        return tuple(
            Column(field=f"{direction}_{name}", unit=unit,
                   title=Text(f"{head.en}, {words.en}", f"{head.fr}, {words.fr}"))
            for name, head, unit in heads
        )  # fmt: skip

    return build_table(
        Text("Tests that count, by site", "Tests valables, par site"),
        Text(
            "Goodput of the tests in the chosen time that count. “9 of 10 reach”: the rate that nine "
            "tests in ten have or exceed, absent under five tests, to be held against the contract's; "
            "whether the promised share was kept is in the report.",
            "Débit utile des tests valables de la période. « 9 sur 10 atteignent » : débit que neuf "
            "tests sur dix ont ou dépassent, absent sous cinq tests, à comparer au contrat ; si la part "
            "promise a été tenue, le rapport le dit.",
        ),
        (sum_up("down"), sum_up("up")),
        (SITE, OPERATOR, *columns("down", DOWN), *columns("up", UP)),
        ("down_median", False),
        height=10,
    )


def _results() -> Panel:
    reasons = [
        Column(field=f"{direction}_invalid",
               title=Text(f"{words.en}: why not", f"{words.fr} : pourquoi"))
        for direction, words in _DIRECTIONS
    ]  # fmt: skip
    return build_table(
        Text("Tests by result", "Tests par résultat"),
        Text(
            "Tests of the chosen time by engine and by the reason for which a direction does not "
            "count; without a reason it counts.",
            "Tests de la période par moteur et par raison d’écarter un sens ; sans raison, il compte.",
        ),
        (
            select('count("down_bytes") AS "tests"', BANDWIDTH, SELECTED,
                   by='"engine", "down_invalid", "up_invalid"'),
        ),
        (
            Column(field="engine", title=Text("engine", "moteur")),
            *reasons,
            Column(field="tests", title=same("tests"), unit="short"),
        ),
        ("tests", True),
        height=7,
    )  # fmt: skip


def _under_load() -> tuple[Panel, Panel]:
    bloat = Panel(
        kind="points",
        title=Text("Delay that load adds", "Délai ajouté par la charge"),
        description=Text(
            "Round trip (p90) while the test loads the line downwards, less that at rest, test by "
            "test.",
            "Temps aller-retour (p90) pendant que le test charge la ligne en descendant, moins celui "
            "au repos, test par test.",
        ),
        unit="s", width=12, height=9,
        queries=(
            Query(expression=select('("down_loaded_rtt_us" - "idle_rtt_us") / 1000000 AS "added"',
                                    BANDWIDTH, SELECTED, by='"site"'), legend=same("$tag_site")),
        ),
    )  # fmt: skip
    responsive = select('"responsiveness_rpm" AS "rpm"', BANDWIDTH, SELECTED, by='"site"')
    return (
        build_responsiveness(Query(expression=responsive, legend=same("$tag_site")), points=True),
        bloat,
    )


def build() -> Dashboard:
    """Throughput of all chosen sites."""
    return build_page(
        "bandwidth",
        "influx",
        *_by_times(),
        Row(title=Text("By site and result", "Par site et par résultat")),
        _sites(),
        _results(),
        Row(title=Text("Under load", "Sous charge")),
        *_under_load(),
        description=Text(
            "Throughput tests by hour and weekday, by site, and those that do not count.",
            "Tests de débit par heure et par jour, par site, et ceux qui sont écartés.",
        ),
    )
