"""A table: columns in their order, under their heads, each with its unit and marks.

Rule of this file: what a column is not told of is not hidden, but stands behind the others.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import dashboard as models

from dashboards.field_options import (
    NO_FIGURE,
    build_property,
    build_state_mapping,
    build_state_thresholds,
    build_transformation,
    build_warning,
)
from dashboards.form import Column, Language, Panel


def build_table_panel(panel: Panel, language: Language, suffix: str) -> table.Panel:
    """The SDK's builder; `build_arrangement` comes behind the panel's own transformations."""
    builder = table.Panel().show_header(True)
    builder.unit(panel.unit).mappings([NO_FIGURE])
    for column in panel.columns:
        builder.override_by_name(
            column.title.say(language), _column_properties(column, language, suffix)
        )
    if panel.sort is not None:
        name, descending = panel.sort
        builder.sort_by(
            [
                common.TableSortByFieldState()
                .display_name(_heads(panel, language)[name])
                .desc(descending)
            ]
        )
    return builder


def build_arrangement(panel: Panel, language: Language) -> models.DataTransformerConfig:
    """Columns in their order under their heads; the time of a row only where it is a column."""
    order = {each.field: number for number, each in enumerate(panel.columns)}
    excluded = {} if "Time" in order else {"Time": True}
    return build_transformation(
        "organize",
        {"excludeByName": excluded, "indexByName": order, "renameByName": _heads(panel, language)},
    )


def _heads(panel: Panel, language: Language) -> dict[str, str]:
    return {each.field: each.title.say(language) for each in panel.columns}


def _column_properties(
    column: Column, language: Language, suffix: str
) -> list[models.DynamicConfigValue]:
    properties = [build_property("unit", column.unit)]
    if column.hidden:
        properties.append(build_property("custom.hidden", value=True))
    if column.decimals is not None:
        properties.append(build_property("decimals", column.decimals))
    if column.state:
        properties += [
            build_property("mappings", [build_state_mapping(language).to_json()]),
            build_property("thresholds", build_state_thresholds().build().to_json()),
            build_property("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
        ]
    elif column.warn is not None:
        thresholds = build_warning(column.warn, below=column.worse_below).build().to_json()
        properties += [
            build_property("thresholds", thresholds),
            build_property("custom.cellOptions", {"type": "color-text"}),
        ]
    if column.link is not None:
        url = column.link.replace("{language}", language).replace("{source}", suffix)
        link = {"title": column.link_title.say(language), "url": url,
                "targetBlank": not url.startswith("/")}  # fmt: skip
        properties.append(build_property("links", [link]))
    return properties
