"""How values read and when they are marked: mappings, thresholds, properties of fields.

Rule of this file: a state has its word wherever it has its colour.
"""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from dashboards.form import Language
from dashboards.words import GREEN, STATES, VERMILLION


def build_state_mapping(language: Language) -> models.ValueMap:
    """Code -> word and colour."""
    return models.ValueMap(
        options={
            str(code): models.ValueMappingResult(text=words.say(language), color=colour, index=code)
            for code, (words, colour) in STATES.items()
        }
    )


def build_state_thresholds() -> dashboard.ThresholdsConfig:
    """The colours of `words.STATES`, for marks without a mapping."""
    steps = [models.Threshold(value=None, color=STATES[1][1])]
    steps += [models.Threshold(value=code, color=STATES[code][1]) for code in range(2, 6)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def build_warning(value: float, *, below: bool) -> dashboard.ThresholdsConfig:
    """Marked from ``value`` on, or ``below`` it."""
    low, high = (VERMILLION, GREEN) if below else (GREEN, VERMILLION)
    steps = [models.Threshold(value=None, color=low), models.Threshold(value=value, color=high)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def build_property(name: str, value: object) -> models.DynamicConfigValue:
    """One setting of a field that differs from its panel's."""
    return models.DynamicConfigValue(id_val=name, value=value)


def build_transformation(name: str, options: Mapping[str, object]) -> models.DataTransformerConfig:
    """One of Grafana's transformations by its name."""
    return models.DataTransformerConfig(id_val=name, options=dict(options))


#: What a division of nothing by nothing shows: neither "NaN" nor a figure.
NO_FIGURE = models.SpecialValueMap(
    options=models.DashboardSpecialValueMapOptions(
        match=models.SpecialValueMatch.NA_N, result=models.ValueMappingResult(text="–", index=0)
    )
)
