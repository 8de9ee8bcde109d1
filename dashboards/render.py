"""A panel as Grafana's own model has it.

Rule of this file: it is the only one that knows the SDK's panel builders. House rules that
hold for every panel are here: no line is drawn across a gap, null stays null, legends are
tables that can be read without colours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    geomap,
    stat,
    statetimeline,
    text,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.text import TextMode

from dashboards.field_options import (
    build_property,
    build_state_mapping,
    build_state_thresholds,
    build_transformation,
    build_warning,
)
from dashboards.form import Language, Panel
from dashboards.render_table import build_arrangement, build_table_panel
from dashboards.words import BLUE

_LEGEND = ["mean", "max"]


def build_panel(
    panel: Panel,
    language: Language,
    suffix: str,
    reference: models.DataSourceRef,
    targets: Sequence[Builder[Dataquery]],
) -> Builder[models.Panel]:
    """The SDK's builder for it; ``targets`` are its queries' builders.

    Each kind's builder is a class of its own, and they share no interface but `build`: what
    all of them are told is told here, and the type is lost within this function alone.
    """
    finished = _KINDS[panel.kind](panel, language, suffix)
    builder: Any = finished
    builder.title(panel.title.say(language)).description(panel.description.say(language))
    builder.height(panel.height).span(panel.width)
    if panel.kind == "note":
        return finished
    builder.datasource(reference).targets(list(targets)).no_value(panel.nothing.say(language))
    if panel.kind != "table":
        builder.unit(panel.unit)
    for name, set_it in (("min", panel.least), ("max", panel.most), ("decimals", panel.decimals)):
        if set_it is not None:
            getattr(builder, name)(set_it)
    if panel.state:
        builder.mappings([build_state_mapping(language)]).thresholds(build_state_thresholds())
    elif panel.warn is not None:
        builder.thresholds(build_warning(panel.warn, below=panel.worse_below))
    if panel.time_from is not None:
        builder.time_from(panel.time_from)
    for series, colour in panel.colours.items():
        builder.override_by_name(
            series, [build_property("color", {"mode": "fixed", "fixedColor": colour})]
        )
    if panel.step is not None:
        builder.interval(panel.step)
    for name, options in panel.transformations:
        builder.with_transformation(build_transformation(name, options))
    if panel.kind == "table":
        builder.with_transformation(build_arrangement(panel, language))
    return finished


def _tooltip() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions()
        .mode(common_models.TooltipDisplayMode.MULTI)
        .sort(common_models.SortOrder.DESCENDING)
    )


def _series(panel: Panel) -> timeseries.Panel:
    builder = timeseries.Panel()
    # What was not measured is not drawn: neither joined over, nor taken for 0.
    builder.span_nulls(False).tooltip(_tooltip())
    builder.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(_LEGEND)
    )
    if panel.stacked:
        builder.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    return builder


def _line(panel: Panel, _language: Language, _suffix: str) -> timeseries.Panel:
    builder = _series(panel).show_points(common_models.VisibilityMode.AUTO)
    return builder.draw_style(common_models.GraphDrawStyle.LINE).line_width(2).fill_opacity(0)


def _bars(panel: Panel, _language: Language, _suffix: str) -> timeseries.Panel:
    builder = _series(panel).show_points(common_models.VisibilityMode.AUTO)
    return builder.draw_style(common_models.GraphDrawStyle.BARS).fill_opacity(80).line_width(1)


def _points(panel: Panel, _language: Language, _suffix: str) -> timeseries.Panel:
    """Marks alone: what happened now and then is joined by nothing."""
    builder = _series(panel).show_points(common_models.VisibilityMode.ALWAYS)
    return builder.draw_style(common_models.GraphDrawStyle.POINTS).point_size(7)


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
    # What is grouped is every reading: fewer points than the pixels that a line has lose some.
    builder.max_data_points(9_000)
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


_KINDS: Mapping[str, Callable[[Panel, Language, str], Builder[models.Panel]]] = {
    "stat": _stat, "line": _line, "bars": _bars, "points": _points, "timeline": _timeline, "table": build_table_panel,
    "map": _map, "barchart": _barchart, "note": _note,
}  # fmt: skip
