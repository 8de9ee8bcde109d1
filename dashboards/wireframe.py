"""Where the panels of a page stand, as a drawing for the documentation.

Rule of this file: it draws what the dashboard's JSON says and nothing else: frames, titles and
kinds. No value is drawn, for none is known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from dashboards.form import Language, Text

_COLUMN_PX, _ROW_PX, _GAP_PX, _TOP_PX = 40, 16, 4, 44
_KINDS: Mapping[str, Text] = {
    "stat": Text("figures", "chiffres"),
    "table": Text("table", "tableau"),
    "timeseries": Text("over time", "dans le temps"),
    "state-timeline": Text("lanes of states", "bandes d’états"),
    "geomap": Text("map", "carte"),
    "barchart": Text("bars", "barres"),
    "text": Text("text", "texte"),
}
_STYLE = (
    "text{font-family:sans-serif;fill:#222}.t{font-size:13px}.k{font-size:11px;fill:#666}"
    ".h{font-size:15px;font-weight:bold}.r{font-size:13px;font-weight:bold}"
    "rect{fill:#fff;stroke:#999}.b{fill:#f4f4f4;stroke:none}"
)
#: So wide is a letter at the size of titles, about.
_LETTER_PX = 7


def draw_page(document: str, language: Language) -> str:
    """An SVG of a dashboard's JSON; the same JSON gives the same bytes.

    >>> page = {"title": "netwatch · Site", "panels": [{"type": "stat", "title": "Now",
    ...         "gridPos": {"x": 0, "y": 0, "w": 24, "h": 4}}]}
    >>> "Now" in draw_page(json.dumps(page), "en")
    True
    """
    page: dict[str, Any] = json.loads(document)
    bottom = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in page["panels"])
    width, height = 24 * _COLUMN_PX + _GAP_PX, bottom * _ROW_PX + _TOP_PX + _GAP_PX
    note = Text("layout, without data", "disposition, sans données").say(language)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><title>{escape(page["title"])} ({note})</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="b" width="{width}" height="{height}"/>',
        f'<text class="h" x="8" y="20">{escape(page["title"])}</text>',
        f'<text class="k" x="8" y="36">{note}</text>',
    ]
    for panel in page["panels"]:
        parts += _draw_panel(panel, language)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _draw_panel(panel: Mapping[str, Any], language: Language) -> list[str]:
    place = panel["gridPos"]
    x, y = place["x"] * _COLUMN_PX + _GAP_PX, place["y"] * _ROW_PX + _TOP_PX
    if panel["type"] == "row":
        return [f'<text class="r" x="{x + 4}" y="{y + 11}">▾ {escape(panel["title"])}</text>']
    wide, high = place["w"] * _COLUMN_PX - _GAP_PX, place["h"] * _ROW_PX - _GAP_PX
    lines = _break_title(panel["title"], (wide - 16) // _LETTER_PX)
    drawn = [f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="3"/>']
    drawn += [
        f'<text class="t" x="{x + 8}" y="{y + 17 + 15 * number}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    kind = _KINDS[panel["type"]].say(language)
    drawn.append(f'<text class="k" x="{x + 8}" y="{y + 17 + 15 * len(lines)}">{kind}</text>')
    return drawn


def _break_title(title: str, letters: int) -> list[str]:
    """The title in lines that fit."""
    lines = [""]
    for word in title.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
