"""What a dashboard is made of, before it has a language or a data source.

Rule of this file: data only. Every text has both languages, every panel its description
and its unit: one without cannot be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Language = Literal["en", "fr"]
Source = Literal["prometheus", "influx"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")
SOURCES: tuple[Source, ...] = ("prometheus", "influx")


class Text(NamedTuple):
    """The same sentence in both languages."""

    en: str
    fr: str

    def say(self, language: Language) -> str:
        """The sentence in one of them.

        >>> Text("site", "site").say("fr")
        'site'
        """
        return self.en if language == "en" else self.fr


def same(text: str) -> Text:
    """What both languages write alike."""
    return Text(text, text)


_NONE = same("")
_NOTHING = Text("nothing", "rien")


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question to the store: PromQL or InfluxQL, by the dashboard's source."""

    expression: str
    #: The series' name, Grafana's ``{{label}}`` or ``$tag_label`` in it.
    legend: Text = _NONE
    #: Prometheus: the value at the end of the range alone.
    instant: bool = False
    #: As rows with columns instead of a line on a graph.
    table: bool = False
    #: The least distance between two points (``"1h"``).
    interval: str | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table: the field that it shows, its head and how its values read."""

    field: str
    title: Text
    unit: str = "string"
    #: Codes of `words.STATES` as words with colours.
    state: bool = False
    decimals: int | None = None
    #: Where a click on it leads; ``{language}`` is the dashboard's, ``{source}`` its suffix.
    link: str | None = None
    link_title: Text = _NONE
    #: From this value on the cell is marked; below it where ``worse_below``.
    warn: float | None = None
    worse_below: bool = False
    hidden: bool = False


Kind = Literal["stat", "line", "bars", "points", "timeline", "table", "map", "barchart", "note"]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel; what does not concern its kind stays as it is."""

    kind: Kind
    title: Text
    description: Text
    unit: str
    queries: tuple[Query, ...] = ()
    width: int = 12
    height: int = 8
    columns: tuple[Column, ...] = ()
    sort: tuple[str, bool] | None = None  # field, descending
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    stacked: bool = False
    #: Values are codes of `words.STATES`.
    state: bool = False
    #: Series name -> colour.
    colours: Mapping[str, str] = field(default_factory=dict)
    #: Grafana's transformations: (id, options).
    transformations: tuple[tuple[str, Mapping[str, object]], ...] = ()
    #: What stands where there is nothing to show.
    nothing: Text = _NOTHING
    time_from: str | None = None
    #: The least distance between two points of all its queries; no query of it has its own.
    step: str | None = None
    x_field: str | None = None
    #: A stat that is marked from this value on.
    warn: float | None = None
    worse_below: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A heading over the panels that follow."""

    title: Text


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A page of panels. ``name`` is its place in addresses: ``netwatch-<name>-<language>``."""

    name: str
    title: Text
    description: Text
    source: Source
    parts: tuple[Panel | Row, ...]
    time: tuple[str, str] = ("now-24h", "now")
    refresh: str = "1m"
    #: The site is chosen alone: the page is about one.
    one_site: bool = False
    #: Instants of incidents: the query behind the marks on all graphs.
    incidents: str = ""
