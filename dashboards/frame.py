"""The whole dashboard round its panels: variables, links, marks, identity.

Rule of this file: what is the same on every page. It gives the JSON's text: the same
description gives the same bytes.
"""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.form import Dashboard, Language, Query, Row, Source, Text
from dashboards.render import build_panel
from dashboards.words import VERMILLION

#: The `uid` of the data sources that deploy/central provisions.
SOURCE_UIDS: dict[Source, str] = {"prometheus": "netwatch-prometheus", "influx": "netwatch-influx"}
_TYPES: dict[Source, str] = {"prometheus": "prometheus", "influx": "influxdb"}
_SUFFIXES: dict[Source, str] = {"prometheus": "", "influx": "-influx"}
MAINTENANCE_TAG = "netwatch-maintenance"
_LABELS = {
    "datasource": Text("data source", "source"),
    "operator": Text("operator", "opérateur"),
    "commune": Text("commune", "commune"),
    "site": Text("site", "site"),
}


def uid_of(name: str, source: Source, language: Language) -> str:
    """The dashboard's identity in addresses.

    >>> uid_of("site", "influx", "fr")
    'netwatch-site-influx-fr'
    """
    return f"netwatch-{name}{_SUFFIXES[source]}-{language}"


def render_dashboard(page: Dashboard, language: Language) -> str:
    """The dashboard's JSON, ending with a line break."""
    document = json.loads(JSONEncoder().encode(_build(page, language).build()))
    _finish_annotations(document, page, language)
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _build(page: Dashboard, language: Language) -> dashboard.Dashboard:
    source = page.source
    reference = models.DataSourceRef(type_val=_TYPES[source], uid="${datasource}")
    title = f"netwatch · {page.title.say(language)}" + (" (InfluxDB)" if source == "influx" else "")
    builder = (
        dashboard.Dashboard(title)
        .uid(uid_of(page.name, source, language))
        .description(page.description.say(language))
        .tags(["netwatch", f"netwatch-{language}", f"netwatch-{source}"])
        .timezone("browser")
        .week_start("monday")
        .refresh(page.refresh)
        .time(*page.time)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .editable()
    )
    builder.link(
        dashboard.DashboardLink("netwatch")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([f"netwatch-{language}", f"netwatch-{source}"])
        .icon("external link")
        .include_vars(True)
        .keep_time(True)
    )
    for variable in _build_variables(page, language, reference):
        builder.with_variable(variable)
    if page.incidents:
        builder.annotation(_incidents(page, language, reference))
    builder.annotation(_maintenance(language))
    for part in page.parts:
        if isinstance(part, Row):
            builder.with_row(dashboard.Row(part.title.say(language)))
        else:
            targets = [
                _build_target(source, query, chr(ord("A") + number), language, reference)
                for number, query in enumerate(part.queries)
            ]
            builder.with_panel(build_panel(part, language, _SUFFIXES[source], reference, targets))
    return builder


def _build_variables(
    page: Dashboard, language: Language, reference: models.DataSourceRef
) -> list[Any]:
    uid = SOURCE_UIDS[page.source]
    chosen = models.VariableOption(selected=True, text=uid, value=uid)
    datasource = (
        dashboard.DatasourceVariable("datasource")
        .label(_LABELS["datasource"].say(language))
        .type(_TYPES[page.source])
        .current(chosen)
    )
    variables: list[Any] = [datasource]
    for name, query in _variable_queries(page.source):
        single = page.one_site and name == "site"
        variable = (
            dashboard.QueryVariable(name)
            .label(_LABELS[name].say(language))
            .query(query)
            .datasource(reference)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
            .multi(not single)
            .include_all(not single)
        )
        if not single:
            everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
            variable.all_value(".*").current(everything)
        variables.append(variable)
    return variables


def _variable_queries(source: Source) -> list[tuple[str, str]]:
    if source == "influx":
        # Points have no commune (docs/push.md).
        return [
            ("operator", 'SHOW TAG VALUES FROM "netwatch_ledger" WITH KEY = "operator"'),
            (
                "site",
                'SHOW TAG VALUES FROM "netwatch_ledger" WITH KEY = "site"'
                ' WHERE "operator" =~ /^$operator$/',
            ),
        ]
    info = "netwatch:site_info"
    chosen = 'operator=~"$operator"'
    return [
        ("operator", f"label_values({info}, operator)"),
        ("commune", f"label_values({info}{{{chosen}}}, commune)"),
        ("site", f'label_values({info}{{{chosen},commune=~"$commune"}}, site)'),
    ]


def _build_target(
    source: Source, query: Query, letter: str, language: Language, reference: models.DataSourceRef
) -> Any:  # noqa: ANN401 - a builder of the SDK
    if source == "influx":
        return InfluxTarget(query, letter, language, reference)
    target = prometheus.Dataquery().expr(query.expression).ref_id(letter).datasource(reference)
    if query.instant:
        target.instant()
    else:
        target.range()
    target.format(PromQueryFormat.TABLE if query.table else PromQueryFormat.TIME_SERIES)
    if legend := query.legend.say(language):
        target.legend_format(legend)
    if query.interval is not None:
        target.interval(query.interval)
    return target


class InfluxTarget:
    """An InfluxQL query as Grafana's InfluxDB data source keeps it; the SDK has no builder for it."""

    def __init__(
        self, query: Query, letter: str, language: Language, reference: models.DataSourceRef
    ) -> None:
        document = {
            "refId": letter,
            "datasource": reference.to_json(),
            "rawQuery": True,
            "query": query.expression,
            "resultFormat": "table" if query.table else "time_series",
        }
        if legend := query.legend.say(language):
            document["alias"] = legend
        self._document = document

    def build(self) -> UnknownDataquery:
        """The query's model."""
        return UnknownDataquery(self._document)


def _incidents(
    page: Dashboard, language: Language, reference: models.DataSourceRef
) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(Text("incidents", "incidents").say(language))
        .datasource(reference)
        .enable(True)
        .icon_color(VERMILLION)
        .expr(page.incidents)
    )


def _maintenance(language: Language) -> dashboard.AnnotationQuery:
    """What people note in Grafana under this tag: the agents export no planned work."""
    target = dashboard.AnnotationTarget().limit(100).match_any(False).tags([MAINTENANCE_TAG])
    return (
        dashboard.AnnotationQuery()
        .name(Text("maintenance", "travaux").say(language))
        .datasource(models.DataSourceRef(type_val="grafana", uid="-- Grafana --"))
        .enable(True)
        .icon_color("#0072B2")
        .target(target.type("tags"))
    )


def _finish_annotations(document: dict[str, Any], page: Dashboard, language: Language) -> None:
    """What the data sources read of an annotation, which the SDK's model has no fields for."""
    words = Text("down", "coupée").say(language)
    for each in document["annotations"]["list"]:
        if "expr" not in each:
            continue
        if page.source == "prometheus":
            # The value is the incident's beginning, in milliseconds.
            each |= {"step": "60s", "titleFormat": "{{site}} · " + words,
                     "textFormat": "{{operator}} {{circuit}}", "tagKeys": "site,operator",
                     "useValueForTime": True}  # fmt: skip
        else:
            query = each.pop("expr")
            each["target"] = {"refId": "Anno", "query": query, "rawQuery": True,
                              "resultFormat": "table", "limit": 1000, "matchAny": False,
                              "tags": [], "type": "tags"}  # fmt: skip
            each |= {"titleColumn": "site", "textColumn": "cause", "tagsColumn": "operator",
                     "timeEndColumn": "end"}  # fmt: skip
