"""What a committed dashboard asks its store, with its variables filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "dashboards"
_SPANS = {"m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class Asked:
    """One expression of one panel; ``step_s`` is None for an instant alone."""

    page: str
    panel: str
    expression: str
    step_s: int | None
    range_s: int


def read_pages(source: str, language: str = "en") -> dict[str, dict[str, Any]]:
    """Name -> the committed dashboard."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((FOLDER / source / language).glob("*.json"))
    }


def list_panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every panel that shows something, rows left out."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def list_asked(source: str = "prometheus") -> Iterator[Asked]:
    """Every expression of every panel and mark, as it is committed."""
    for name, document in read_pages(source).items():
        default_s = _range_s(document["time"]["from"])
        for panel in list_panels(document):
            for target in panel.get("targets", []):
                range_s = _range_s(f"now-{panel['timeFrom']}") if "timeFrom" in panel else default_s
                step = target.get("interval")
                step_s = max(30, range_s // 1_000) if step is None else parse_span(step)
                yield Asked(
                    page=name,
                    panel=panel["title"],
                    expression=target.get("expr") or target["query"],
                    step_s=None if target.get("instant") else step_s,
                    range_s=range_s,
                )
        for mark in document["annotations"]["list"]:
            expression = mark.get("expr") or mark.get("target", {}).get("query")
            if expression:
                yield Asked(page=name, panel=f"mark {mark['name']}", expression=expression,
                            step_s=60, range_s=default_s)  # fmt: skip


def parse_span(text: str) -> int:
    """Seconds of ``30s``, ``6h``, ``400d``."""
    return int(text[:-1]) * {"s": 1, **_SPANS}[text[-1]]


def _range_s(begin: str) -> int:
    if begin == "now-1M/M":
        return 31 * 86_400
    return parse_span(begin.removeprefix("now-"))


def fill_in(expression: str, *, site: str = ".*", range_s: int = 30 * 86_400) -> str:
    """The expression with Grafana's variables and the page's replaced."""
    values = {
        "__range": f"{range_s}s",
        "__rate_interval": "2m",
        "operator": ".*",
        "commune": ".*",
        "site": site,
        "datasource": "",
    }
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], expression)
