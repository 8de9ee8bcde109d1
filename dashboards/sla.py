"""The page of commitments: month by month, by operator and by contract.

Rule of this file: months here are of UTC and of all 24 hours; the civil month in the
contract's hours, with exclusions and penalties, is the report's and is said to be.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text, same
from dashboards.pages import build_page
from dashboards.panels import (
    CONTRACT,
    NAME,
    OPERATOR,
    SITE,
    build_availability_column,
    build_coverage_column,
    build_seconds_column,
    build_table,
)
from dashboards.promql import (
    HOURLY,
    INCIDENTS,
    NOW,
    SELECTED,
    SITE_INFO,
    build_growth,
    build_yearly_growth,
    describe,
)

_LENGTHS = (28, 29, 30, 31)
_YEAR = "365d"
_TARGET = Text("target", "engagement")


def build_month(verdicts: str) -> str:
    """PromQL for the seconds by site of the month that ended at this first of the month, UTC."""
    counted = f'{HOURLY}{{verdict=~"{verdicts}"}}'
    # At 00:00 of the first, the day before is in the month that is asked for.
    length = "days_in_month(vector(time() - 43200))"
    before = "\n    or ".join(
        f"(last_over_time({counted}[3h] offset {days}d) and on () {length} == {days})"
        for days in _LENGTHS
    )
    return (
        f"sum by (site) (clamp_min(last_over_time({counted}[3h]) - (\n    {before}\n  ), 0)) "
        f"and on () day_of_month() == 1"
    )


def build_monthly_share(label: str) -> str:
    """Availability of all of an operator's, or a contract's, known time in that month."""
    line = f"* on (site) group_left ({label}) {SITE_INFO}{{{SELECTED}}}{NOW}"
    return (
        f"1 - sum by ({label}) (({build_month('down')}) {line})\n"
        f"/ sum by ({label}) (({build_month('up|degraded|down')}) {line})"
    )


def _months(label: str, title: Text) -> Panel:
    return Panel(
        kind="bars", title=title,
        description=Text(
            "Share of the known time in which lines were not down, by any cause. Each mark stands at "
            "the end of its month (the first of the next, 00:00 UTC). Contracts that do not count "
            "every cause, their hours and exclusions: see the report.",
            "Part du temps connu pendant laquelle les lignes n’étaient pas coupées, toutes causes "
            "confondues. Chaque marque est à la fin de son mois (le 1er du suivant, 00:00 UTC). "
            "Causes non comptées, heures et exclusions du contrat : voir le rapport.",
        ),
        unit="percentunit", decimals=3, most=1, width=12, height=9, time_from="400d",
        queries=(Query(expression=build_monthly_share(label), legend=same(f"{{{{{label}}}}}"),
                       interval="1d"),),
    )  # fmt: skip


def _ranking() -> Panel:
    line = describe(SELECTED, "name, operator, contract")
    down, known, booked = (build_growth(SELECTED, verdicts) for verdicts in
                           ("down", "up|degraded|down", "up|degraded|down|unknown"))  # fmt: skip
    target = (
        f"max by (site) ({SITE_INFO}{{{SELECTED}}} * on (contract) group_left () "
        "netwatch:contract_availability_target)"
    )
    used = f"max by (site) (max_over_time(netwatch:restore_used_ratio{{{SELECTED}}}[$__range]))"
    return build_table(
        Text("Sites over the chosen time", "Sites sur la période choisie"),
        Text(
            "For the time range of the page (the last month when it opens): the difference of the "
            "agents' counters at its end and at its beginning. GTR: the largest share of the "
            "guaranteed time that an outage used, as far as it was seen while it lasted.",
            "Pour la période de la page (le mois dernier à l’ouverture) : différence des compteurs des "
            "agents entre sa fin et son début. GTR : plus grande part du délai garanti consommée par "
            "une coupure, pour autant qu’elle ait été vue pendant qu’elle durait.",
        ),
        (f"(1 - ({down}) / ({known} > 0)) {line}", target, down, f"({known}) / ({booked})", used),
        (
            SITE, NAME, OPERATOR, CONTRACT,
            build_availability_column("Value #A"),
            build_availability_column("Value #B", _TARGET),
            build_seconds_column("Value #C"),
            build_coverage_column("Value #D"),
            Column(field="Value #E", title=Text("worst GTR", "pire GTR"), unit="percentunit",
                   decimals=0, warn=1),
        ),
        ("Value #A", False),
        height=12,
    )  # fmt: skip


def _thirty_days() -> Panel:
    counted = 'netwatch:counted_seconds:window{window="30d"}'
    known = 'netwatch:known_seconds:window{window="30d"}'
    line = f"* on (site) group_left (operator, contract) {SITE_INFO}{{{SELECTED}}}"
    by = "by (operator, contract)"
    return build_table(
        Text("Last 30 days by operator and contract",
             "30 derniers jours par opérateur et contrat"),
        Text(
            "Availability by the causes that each contract counts, its target, and how many sites are "
            "below it.",
            "Disponibilité selon les causes que compte chaque contrat, engagement, et nombre de sites "
            "en dessous.",
        ),
        (
            f"1 - sum {by} ({counted} {line}) / sum {by} ({known} {line})",
            f"max {by} ({SITE_INFO}{{{SELECTED}}} * on (contract) group_left () "
            "netwatch:contract_availability_target)",
            f'count {by} (netwatch:burn_rate{{window="30d",{SELECTED}}} > 1) '
            f"or count {by} ({SITE_INFO}{{{SELECTED}}}) * 0",
            f"count {by} ({SITE_INFO}{{{SELECTED}}})",
        ),
        (
            OPERATOR, CONTRACT,
            build_availability_column("Value #A"),
            build_availability_column("Value #B", _TARGET),
            Column(field="Value #C", title=Text("sites below target", "sites sous l’engagement"),
                   warn=1, unit="short"),
            Column(field="Value #D", title=same("sites"), unit="short"),
        ),
        ("Value #A", False),
    )  # fmt: skip


def _restore() -> Panel:
    return Panel(
        kind="line", title=Text("Time to restore (GTR) used", "GTR consommée"),
        description=Text(
            "Share of the guaranteed time to restore that each outage has used while it lasted, in "
            "the contract's hours, from the first missed probe. Above 100 % it is missed.",
            "Part du délai de rétablissement garanti consommée par chaque coupure pendant qu’elle "
            "durait, dans les heures du contrat, depuis la première sonde manquée. Au-delà de 100 %, "
            "elle est manquée.",
        ),
        unit="percentunit", least=0, width=12, height=9,
        queries=(Query(expression=f"max by (site) (netwatch:restore_used_ratio{{{SELECTED}}})",
                       legend=same("{{site}}")),),
    )  # fmt: skip


def _yearly() -> Panel:
    allowed = (
        f"max by (site) ({SITE_INFO}{{{SELECTED}}}{NOW} * on (contract) group_left () "
        f"netwatch:contract_yearly_interruption_seconds{NOW})"
    )
    down = build_yearly_growth(SELECTED, "down", _YEAR)
    return Panel(
        kind="line", title=Text("Yearly interruption (IMS) left", "IMS restante"),
        description=Text(
            "What is left of the interruption that the contract allows in a year, over the last 365 "
            "days, down by any cause in all 24 hours; below 0 it is used up. Books that are younger "
            "than a year are read from their beginning.",
            "Ce qui reste de l’interruption maximale de service d’une année, sur les 365 derniers "
            "jours, coupures de toutes causes, 24 heures sur 24 ; sous 0, elle est épuisée. Des "
            "livres de moins d’un an sont lus depuis leur début.",
        ),
        unit="s", width=12, height=9, time_from="90d",
        queries=(Query(expression=f"{allowed} - ({down})", legend=same("{{site}}"), interval="6h"),),
    )  # fmt: skip


def build() -> Dashboard:
    """Commitments of all chosen sites."""
    return build_page(
        "sla",
        "prometheus",
        Row(title=Text("Month by month", "Mois par mois")),
        _months("operator", Text("Availability by operator", "Disponibilité par opérateur")),
        _months("contract", Text("Availability by contract", "Disponibilité par contrat")),
        Row(title=Text("The chosen time", "La période choisie")),
        _ranking(),
        Row(title=Text("Commitments", "Engagements")),
        _thirty_days(),
        _restore(),
        _yearly(),
        incidents=f"{INCIDENTS} * 1000 {describe(SELECTED, 'operator, circuit')}",
    )
