"""What `[fleet.grafana]` must meet beyond its types.

Rule of this file: settings alone; it asks no Grafana.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from netwatch.config.forms import check_path, check_text
from netwatch.config.notes import Notes
from netwatch.config.notes import Path as At
from netwatch.config.rules import of_text
from netwatch.fleet.address import check_base_url
from netwatch.fleet.model import FleetOptions, GrafanaSettings

_AT: At = ("fleet", "grafana")

#: By (struct, attribute): part of the inventory's rules.
GRAFANA_RULES: Mapping[tuple[type, str], Callable[[object], None]] = {
    (GrafanaSettings, "url"): of_text(check_base_url),
    (GrafanaSettings, "token_file"): of_text(check_path),
    (GrafanaSettings, "ca"): of_text(check_path),
    (GrafanaSettings, "folder"): of_text(check_text),
    (GrafanaSettings, "prometheus_url"): of_text(check_base_url),
    (GrafanaSettings, "prometheus_user"): of_text(check_text),
    (GrafanaSettings, "prometheus_password_file"): of_text(check_path),
    (GrafanaSettings, "influx_url"): of_text(check_base_url),
}


def check_grafana(options: FleetOptions, notes: Notes) -> None:
    """Notes what does not go together."""
    grafana = options.grafana
    for key in ("languages", "sources"):
        words = getattr(grafana, key)
        if not notes.sound(_AT, key):
            continue
        if not words:
            notes.refuse((*_AT, key), "must name at least one")
        elif len(set(words)) < len(words):
            notes.refuse((*_AT, key), f"must name each once, got {', '.join(map(str, words))}")
    if grafana.prometheus_user is not None and grafana.prometheus_password_file is None:
        notes.refuse(
            (*_AT, "prometheus_user"),
            "needs its password: write prometheus_password_file beside it, or remove it",
        )
    if grafana.prometheus_password_file is not None and grafana.prometheus_user is None:
        notes.refuse(
            (*_AT, "prometheus_password_file"),
            "needs a user: write prometheus_user beside it, or remove it",
        )
    if grafana.prometheus_user is not None and options.prometheus.token_file is not None:
        notes.refuse(
            (*_AT, "prometheus_user"),
            "cannot go with fleet.prometheus.token_file: a request has one of the two, remove one",
        )


def resolve_grafana(grafana: GrafanaSettings, folder: Path) -> GrafanaSettings:
    """The same, every relative path joined to the folder."""

    def resolve(text: str | None) -> str | None:
        return None if text is None else str(folder / text)

    return msgspec.structs.replace(
        grafana,
        token_file=resolve(grafana.token_file),
        ca=resolve(grafana.ca),
        prometheus_password_file=resolve(grafana.prometheus_password_file),
    )
