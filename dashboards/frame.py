"""The whole dashboard round its panels: variables, links, marks, identity.

Rule of this file: what is the same on every page. It gives the JSON's text: the same
description gives the same bytes.
"""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.form import Dashboard, Language, Row, Source, Text
from dashboards.render import build_panel
from dashboards.stores import STORES
from dashboards.words import VERMILLION

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
    return f"netwatch-{name}{STORES[source].suffix}-{language}"


def render_dashboard(page: Dashboard, language: Language) -> str:
    """The dashboard's JSON, ending with a line break."""
    document = json.loads(JSONEncoder().encode(_build(page, language).build()))
    _finish_annotations(document, page, language)
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _build(page: Dashboard, language: Language) -> dashboard.Dashboard:
    source = page.source
    store = STORES[source]
    reference = models.DataSourceRef(type_val=store.kind, uid="${datasource}")
    title = f"netwatch · {page.title.say(language)}{store.title}"
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
                store.build_target(query, chr(ord("A") + number), language, reference)
                for number, query in enumerate(part.queries)
            ]
            builder.with_panel(build_panel(part, language, store.suffix, reference, targets))
    return builder


def _build_variables(
    page: Dashboard, language: Language, reference: models.DataSourceRef
) -> list[Builder[models.VariableModel]]:
    store = STORES[page.source]
    uid = store.uid
    chosen = models.VariableOption(selected=True, text=uid, value=uid)
    datasource = (
        dashboard.DatasourceVariable("datasource")
        .label(_LABELS["datasource"].say(language))
        .type(store.kind)
        .current(chosen)
    )
    variables: list[Builder[models.VariableModel]] = [datasource]
    for name, query in store.variables:
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
    """What the data source reads of a mark, which the SDK's model has no fields for."""
    for each in document["annotations"]["list"]:
        if "expr" in each:
            each.update(STORES[page.source].describe_mark(each.pop("expr"), language))
