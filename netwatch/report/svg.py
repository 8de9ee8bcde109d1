"""A few strokes of SVG: rectangles, lines, marks and text, gathered by class.

Rule of this file: it knows shapes and coordinates, not what is drawn. Shapes of one
class become one path, so that a month of hours stays a small drawing. Everything has
its style as attributes, for a drawing may stand in a page or alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Literal

import msgspec

INK = "#1c2430"
MUTED = "#56606e"  # 6.4:1 on white
RULE = "#c9d0d9"
_FONT = "'Source Sans 3', 'Liberation Sans', Arial, sans-serif"

Anchor = Literal["start", "middle", "end"]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A drawing with what it says: ``title`` names it, ``description`` tells what it shows."""

    id: str
    title: str
    description: str
    width: int
    height: int
    content: str

    def markup(self, *, for_pdf: bool = False) -> str:
        """The ``svg`` element. A PDF takes its alternative from the title alone, so it is all there."""
        title = f"{self.title}. {self.description}" if for_pdf else self.title
        described = (
            ""
            if for_pdf
            else f'<desc id="{self.id}-d">{escape(self.description, quote=False)}</desc>'
        )
        labels = f' aria-labelledby="{self.id}-t"'
        if not for_pdf:
            labels += f' aria-describedby="{self.id}-d"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img"{labels} '
            f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}" font-family="{_FONT}">'
            f'<title id="{self.id}-t">{escape(title, quote=False)}</title>{described}{self.content}</svg>'
        )


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How the shapes of one class look."""

    fill: str = "none"
    stroke: str = "none"
    width: float = 1
    dash: str | None = None


class Canvas:
    """Gathers shapes; later classes lie above earlier ones."""

    def __init__(self, styles: Mapping[str, Style]) -> None:
        self._styles = styles
        self._paths: dict[str, list[str]] = {name: [] for name in styles}
        self._texts: list[str] = []

    def rectangle(self, name: str, x: float, y: float, width: float, height: float) -> None:
        """With its upper left corner at (x, y)."""
        self._paths[name].append(f"M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z")

    def line(self, name: str, x1: float, y1: float, x2: float, y2: float) -> None:
        self._paths[name].append(f"M{x1:g} {y1:g}L{x2:g} {y2:g}")

    def polyline(self, name: str, points: list[tuple[float, float]]) -> None:
        """One point alone is drawn as a short dash, or it would not be seen."""
        if len(points) == 1:
            x, y = points[0]
            points = [(x - 2, y), (x + 2, y)]
        joined = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self._paths[name].append(f"M{joined}")

    def dot(self, name: str, x: float, y: float, radius: float) -> None:
        self._paths[name].append(
            f"M{x - radius:.1f} {y:.1f}a{radius:g} {radius:g} 0 1 0 {2 * radius:g} 0"
            f"a{radius:g} {radius:g} 0 1 0 {-2 * radius:g} 0z"
        )

    def triangle(self, name: str, x: float, y: float, radius: float) -> None:
        """Pointing down."""
        self._paths[name].append(
            f"M{x - radius:.1f} {y - radius:.1f}h{2 * radius:g}L{x:.1f} {y + radius:.1f}z"
        )

    def cross(self, name: str, x: float, y: float, radius: float) -> None:
        self._paths[name].append(
            f"M{x - radius:.1f} {y - radius:.1f}l{2 * radius:g} {2 * radius:g}"
            f"M{x - radius:.1f} {y + radius:.1f}l{2 * radius:g} {-2 * radius:g}"
        )

    def stripes(self, name: str, x: float, y: float, width: float, height: float) -> None:
        """Upright strokes 3 units apart."""
        count = max(1, int(width // 3))
        step = width / count
        self._paths[name].extend(
            f"M{x + step * (index + 0.5):.1f} {y:.1f}v{height:.1f}" for index in range(count)
        )

    def saltire(self, name: str, x: float, y: float, width: float, height: float) -> None:
        """Both diagonals of a rectangle."""
        self._paths[name].append(
            f"M{x:.1f} {y:.1f}l{width:g} {height:g}M{x:.1f} {y + height:.1f}l{width:g} {-height:g}"
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: Anchor = "start",
        size: float = 10,
        bold: bool = False,
        fill: str = MUTED,
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        self._texts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size:g}" '
            f'fill="{fill}"{weight}>{escape(words, quote=False)}</text>'
        )

    def content(self) -> str:
        """The paths in the order of their styles, then the texts."""
        parts = []
        for name, shapes in self._paths.items():
            if shapes:
                style = self._styles[name]
                dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
                width = f' stroke-width="{style.width:g}"' if style.stroke != "none" else ""
                parts.append(
                    f'<path d="{"".join(shapes)}" fill="{style.fill}" '
                    f'stroke="{style.stroke}"{width}{dash}/>'
                )
        return "".join(parts + self._texts)


def build_ticks(top: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to at least ``top``: 1, 2, 2.5 or 5 times a power of ten apart.

    >>> build_ticks(93.0)
    [0.0, 25.0, 50.0, 75.0, 100.0]
    >>> build_ticks(0)
    [0.0, 1.0]
    """
    if top <= 0:
        return [0.0, 1.0]
    rough = top / count
    power = 1.0
    while power > rough:
        power /= 10
    while power * 10 <= rough:
        power *= 10
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    ticks = [0.0]
    while ticks[-1] < top:
        ticks.append(round(step * len(ticks), 9))
    return ticks
