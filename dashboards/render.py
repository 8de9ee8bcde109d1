"""A panel as Grafana's own model has it.

Rule of this file: it is the only one that knows the SDK's panel builders. House rules that
hold for every panel are here: no line is drawn across a gap, null stays null, legends are
tables that can be read without colours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    geomap,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.text import TextMode

from dashboards.form import Column, Language, Panel
from dashboards.words import BLUE, GREEN, STATES, VERMILLION

_LEGEND = ["mean", "max"]


def build_panel(
    panel: Panel,
    language: Language,
    suffix: str,
    reference: models.DataSourceRef,
    targets: list[Any],
) -> Any:  # noqa: ANN401 - a builder of the SDK, each kind its own class
    """The SDK's builder for it; ``targets`` are its queries' builders."""
    builder = _KINDS[panel.kind](panel, language, suffix)
    builder.title(panel.title.say(language)).description(panel.description.say(language))
    builder.height(panel.height).span(panel.width)
    if panel.kind == "note":
        return builder
    builder.datasource(reference).targets(targets).no_value(panel.nothing.say(language))
    if panel.kind != "table":
        builder.unit(panel.unit)
    for name, set_it in (("min", panel.least), ("max", panel.most), ("decimals", panel.decimals)):
        if set_it is not None:
            getattr(builder, name)(set_it)
    if panel.state:
        builder.mappings([build_state_mapping(language)]).thresholds(_state_thresholds())
    elif panel.warn is not None:
        builder.thresholds(_warning(panel.warn, below=panel.worse_below))
    if panel.time_from is not None:
        builder.time_from(panel.time_from)
    for series, colour in panel.colours.items():
        builder.override_by_name(
            series, [_property("color", {"mode": "fixed", "fixedColor": colour})]
        )
    for name, options in panel.transformations:
        builder.with_transformation(_transformation(name, options))
    return builder


def build_state_mapping(language: Language) -> models.ValueMap:
    """Code -> word and colour."""
    return models.ValueMap(
        options={
            str(code): models.ValueMappingResult(text=words.say(language), color=colour, index=code)
            for code, (words, colour) in STATES.items()
        }
    )


def _state_thresholds() -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=STATES[1][1])]
    steps += [models.Threshold(value=code, color=STATES[code][1]) for code in range(2, 6)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _warning(value: float, *, below: bool) -> dashboard.ThresholdsConfig:
    low, high = (VERMILLION, GREEN) if below else (GREEN, VERMILLION)
    steps = [models.Threshold(value=None, color=low), models.Threshold(value=value, color=high)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _property(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


def _transformation(name: str, options: Mapping[str, object]) -> models.DataTransformerConfig:
    return models.DataTransformerConfig(id_val=name, options=dict(options))


def _tooltip() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions()
        .mode(common_models.TooltipDisplayMode.MULTI)
        .sort(common_models.SortOrder.DESCENDING)
    )


def _series(panel: Panel, *, bars: bool) -> timeseries.Panel:
    builder = timeseries.Panel()
    # What was not measured is not drawn: neither joined over, nor taken for 0.
    builder.span_nulls(False).tooltip(_tooltip())
    builder.show_points(common_models.VisibilityMode.AUTO)
    builder.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(_LEGEND)
    )
    if bars:
        builder.draw_style(common_models.GraphDrawStyle.BARS).fill_opacity(80).line_width(1)
    else:
        builder.draw_style(common_models.GraphDrawStyle.LINE).line_width(2).fill_opacity(0)
    if panel.stacked:
        builder.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    return builder


def _line(panel: Panel, _language: Language, _suffix: str) -> timeseries.Panel:
    return _series(panel, bars=False)


def _bars(panel: Panel, _language: Language, _suffix: str) -> timeseries.Panel:
    return _series(panel, bars=True)


def _stat(_panel: Panel, _language: Language, _suffix: str) -> stat.Panel:
    return (
        stat.Panel()
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .text_mode(common_models.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(common.ReduceDataOptions().calcs(["last"]).values(False))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(
            dashboard.ThresholdsConfig()
            .mode(models.ThresholdsMode.ABSOLUTE)
            .steps([models.Threshold(value=None, color=BLUE)])
        )
    )


def _timeline(_panel: Panel, _language: Language, _suffix: str) -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(common_models.VisibilityMode.AUTO)
        .align_value(common_models.TimelineValueAlignment.LEFT)
        .fill_opacity(85)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )


def _barchart(panel: Panel, _language: Language, _suffix: str) -> barchart.Panel:
    builder = barchart.Panel().show_value(common_models.VisibilityMode.AUTO)
    builder.line_width(1).fill_opacity(80).gradient_mode(common_models.GraphGradientMode.NONE)
    builder.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    if panel.x_field is not None:
        builder.x_field(panel.x_field)
    return builder


def _note(panel: Panel, language: Language, _suffix: str) -> text.Panel:
    return text.Panel().mode(TextMode.MARKDOWN).content(panel.description.say(language))


def _table(panel: Panel, language: Language, suffix: str) -> table.Panel:
    builder = table.Panel().show_header(True)
    builder.unit(panel.unit)
    for column in panel.columns:
        builder.override_by_name(
            column.title.say(language), _column_properties(column, language, suffix)
        )
    renamed = {each.field: each.title.say(language) for each in panel.columns}
    order = {each.field: number for number, each in enumerate(panel.columns)}
    if panel.sort is not None:
        name, descending = panel.sort
        builder.sort_by(
            [common.TableSortByFieldState().display_name(renamed[name]).desc(descending)]
        )
    for name, options in panel.transformations:
        builder.with_transformation(_transformation(name, options))
    builder.with_transformation(
        _transformation(
            "organize",
            {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed},
        )
    )
    return builder


def _column_properties(
    column: Column, language: Language, suffix: str
) -> list[models.DynamicConfigValue]:
    properties = [_property("unit", column.unit)]
    if column.hidden:
        properties.append(_property("custom.hidden", value=True))
    if column.decimals is not None:
        properties.append(_property("decimals", column.decimals))
    if column.state:
        properties += [
            _property("mappings", [build_state_mapping(language).to_json()]),
            _property("thresholds", _state_thresholds().build().to_json()),
            _property("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
        ]
    elif column.warn is not None:
        thresholds = _warning(column.warn, below=column.worse_below).build().to_json()
        properties += [
            _property("thresholds", thresholds),
            _property("custom.cellOptions", {"type": "color-text"}),
        ]
    if column.link is not None:
        url = column.link.replace("{language}", language).replace("{source}", suffix)
        link = {"title": column.link_title.say(language), "url": url,
                "targetBlank": not url.startswith("/")}  # fmt: skip
        properties.append(_property("links", [link]))
    return properties


def _map(_panel: Panel, _language: Language, _suffix: str) -> geomap.Panel:
    place = (
        common.FrameGeometrySource()
        .mode(common_models.FrameGeometrySourceMode.COORDS)
        .latitude("latitude")
        .longitude("longitude")
    )
    # A worse state is a larger mark with its name beside it: not told by colour alone.
    markers = (
        common.MapLayerOptions()
        .type("markers")
        .name("sites")
        .location(place)
        .tooltip(True)
        .config(
            {
                "showLegend": True,
                "style": {
                    "color": {"field": "Value", "fixed": BLUE},
                    "opacity": 0.8,
                    "size": {"field": "Value", "fixed": 6, "min": 5, "max": 14},
                    "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
                    "text": {"mode": "field", "field": "name", "fixed": ""},
                    "textConfig": {"fontSize": 11, "offsetX": 0, "offsetY": 12,
                                   "textAlign": "center", "textBaseline": "middle"},
                },
            }
        )
    )  # fmt: skip
    return (
        geomap.Panel()
        .view(geomap.MapViewConfig().id("fit").zoom(12).padding(10).all_layers(True))
        .basemap(common.MapLayerOptions().type("osm-standard").name("OpenStreetMap").config({}))
        .layers([markers])
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )


_KINDS: Mapping[str, Callable[[Panel, Language, str], Any]] = {
    "stat": _stat, "line": _line, "bars": _bars, "timeline": _timeline, "table": _table,
    "map": _map, "barchart": _barchart, "note": _note,
}  # fmt: skip
