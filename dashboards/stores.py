"""What differs between the stores that a dashboard can ask.

Rule of this file: it is the only one that says how a query, a variable and a mark are kept
for one kind of data source; the frame and the pages do not ask which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.form import Language, Query, Source, Text

_INFO = "netwatch:site_info"
_OF_OPERATOR = 'operator=~"$operator"'


@dataclass(frozen=True, kw_only=True)
class Store:
    """One kind of data source."""

    #: The `uid` of the data source that deploy/central provisions.
    uid: str
    #: Grafana's word for the kind.
    kind: str
    #: What stands in the dashboards' addresses, and after their titles.
    suffix: str = ""
    title: str = ""
    #: Variable -> the query for its values, in the order in which they depend on one another.
    variables: tuple[tuple[str, str], ...]
    build_target: Callable[[Query, str, Language, models.DataSourceRef], Builder[Dataquery]]
    #: What the data source reads of a mark, and the SDK's model has no field for.
    describe_mark: Callable[[str, Language], dict[str, Any]]


def build_prometheus_target(
    query: Query, letter: str, language: Language, reference: models.DataSourceRef
) -> Builder[Dataquery]:
    """A PromQL query; ``letter`` names it within its panel."""
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


class InfluxTarget(Builder[Dataquery]):
    """An InfluxQL query as Grafana's InfluxDB data source keeps it; the SDK has no builder for it."""

    def __init__(
        self, query: Query, letter: str, language: Language, reference: models.DataSourceRef
    ) -> None:
        document: dict[str, object] = {
            "refId": letter,
            "datasource": reference.to_json(),
            "rawQuery": True,
            "query": query.expression,
            "resultFormat": "table" if query.table else "time_series",
        }
        if legend := query.legend.say(language):
            document["alias"] = legend
        self._document = document

    def build(self) -> Dataquery:
        """The query's model."""
        return UnknownDataquery(self._document)


def describe_prometheus_mark(query: str, language: Language) -> dict[str, Any]:
    """The series' value is the incident's beginning, in milliseconds."""
    words = Text("down", "coupée").say(language)
    return {"expr": query, "step": "60s", "titleFormat": "{{site}} · " + words,
            "textFormat": "{{operator}} {{circuit}}", "tagKeys": "site,operator",
            "useValueForTime": True}  # fmt: skip


def describe_influx_mark(query: str, _language: Language) -> dict[str, Any]:
    """Columns by their names: the point is the beginning, ``end`` (milliseconds) the end.

    The query stands beside the target, not in it: Grafana moves it there itself since 10, and
    did not look there before.
    """
    target = {"limit": 1000, "matchAny": False, "tags": [], "type": "dashboard"}
    return {"query": query, "titleColumn": "site", "textColumn": "cause", "tagsColumn": "operator",
            "timeEndColumn": "end", "target": target}  # fmt: skip


STORES: Mapping[Source, Store] = {
    "prometheus": Store(
        uid="netwatch-prometheus",
        kind="prometheus",
        variables=(
            ("operator", f"label_values({_INFO}, operator)"),
            ("commune", f"label_values({_INFO}{{{_OF_OPERATOR}}}, commune)"),
            ("site", f'label_values({_INFO}{{{_OF_OPERATOR},commune=~"$commune"}}, site)'),
        ),
        build_target=build_prometheus_target,
        describe_mark=describe_prometheus_mark,
    ),
    "influx": Store(
        uid="netwatch-influx",
        kind="influxdb",
        suffix="-influx",
        title=" (InfluxDB)",
        # Points have no commune (docs/push.md).
        variables=(
            ("operator", 'SHOW TAG VALUES FROM "netwatch_ledger" WITH KEY = "operator"'),
            (
                "site",
                'SHOW TAG VALUES FROM "netwatch_ledger" WITH KEY = "site"'
                ' WHERE "operator" =~ /^$operator$/',
            ),
        ),
        build_target=InfluxTarget,
        describe_mark=describe_influx_mark,
    ),
}
