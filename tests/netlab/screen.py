"""What the interactive lab shows: the network, its faults, what the agent makes of them.

Rule of this file: from plain values to something rich can print. It reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tests.netlab.faults import FAULTS
from tests.netlab.scenario import Result

_COLOURS = {"up": "green", "degraded": "yellow", "down": "red", "unknown": "magenta"}
#: Where on the path each fault sits: the link (or place) that is drawn broken.
_PLACES = {
    "cable_out": "cable",
    "box_off": "box",
    "fibre_cut": "fibre",
    "core_down": "core",
    "one_host_down": "internet",
    "resolver_down": "box",
    "loss": "fibre",
    "delay": "fibre",
    "ipv6_dead": "fibre",
    "icmp_dropped": "box",
    "icmp_dropped_everywhere": "box",
    "captive_portal": "box",
}
_PATH = (
    ("school", "[agent]"),
    ("cable", "────"),
    ("box", "[box]"),
    ("fibre", "════"),
    ("operator", "[first hop]"),
    ("core", "────"),
    ("internet", "[six hosts]"),
)


class View(NamedTuple):
    """What is known at one instant."""

    page: str
    link: Mapping[str, object] | None  # the agent's own word; None: it does not answer
    active: Mapping[str, float]
    found: Mapping[str, str]  # fault -> what the ledger says of it


def list_keys() -> dict[str, str]:
    """The key of each fault: a, b, c … in the order of the table.

    >>> list_keys()["a"]
    'cable_out'
    """
    return {chr(ord("a") + number): fault for number, fault in enumerate(FAULTS)}


def draw_path(active: Sequence[str] | Mapping[str, float]) -> Text:
    """The network in one line; places with a fault are marked by colour and by a cross.

    >>> draw_path(["fibre_cut"]).plain
    '[agent]────[box]═╳╳═[first hop]────[six hosts]'
    """
    broken = {_PLACES[fault] for fault in active}
    line = Text()
    for place, drawn in _PATH:
        if place in broken:
            marked = f"{drawn[0]}╳╳{drawn[-1]}" if len(drawn) == 4 else drawn.replace("]", " ╳]")
            line.append(marked, style="bold red")
        else:
            line.append(drawn)
    return line


def draw_verdict(link: Mapping[str, object] | None) -> Text:
    """The agent's verdict in one line."""
    if link is None:
        return Text("the agent does not answer", style="magenta")
    verdict = str(link["verdict"])
    words = [verdict.upper()]
    words += [str(link[key]) for key in ("cause", "reason") if link.get(key)]
    line = Text(" · ".join(words), style=f"bold {_COLOURS[verdict]}")
    if link.get("since"):
        line.append(f"   since {link['since']}", style="default")
    if link.get("ipv6"):
        line.append(f"   IPv6 {link['ipv6']}", style="default")
    return line


def draw(view: View) -> RenderableType:
    """The whole screen."""
    faults = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("key", "fault", "", "in the ledger"):
        faults.add_column(title)
    for key, fault in list_keys().items():
        state = Text("on", style="bold red") if fault in view.active else Text("")
        faults.add_row(key, FAULTS[fault].title, state, view.found.get(fault, ""))
    return Group(
        Panel(draw_path(view.active), title="the network"),
        Panel(draw_verdict(view.link), title="the agent's verdict"),
        faults,
        Text(f"\nthe agent's page: {view.page}\n"),
        Text("a key switches its fault on or off · 0 ends them all · q leaves", style="bold"),
    )


def draw_results(results: Sequence[Result]) -> Table:
    """Truth against ledger, one line for each story."""
    table = Table(header_style="bold")
    for title in ("story", "expected", "found", "start error", "end error", "right"):
        table.add_column(title, justify="right" if "error" in title else "left")
    for result in results:
        labels = [entry.label for entry in result.ledger]
        others = sorted({label for label in labels if label != "up"}) or ["up"]
        errors = result.errors_ms if result.story.verdict != "up" else []
        table.add_row(
            result.story.name,
            result.story.expected,
            ", ".join(others),
            "\n".join(f"{start:+.0f} ms" for start, _ in errors),
            "\n".join(f"{end:+.0f} ms" for _, end in errors),
            Text("yes", style="green")
            if not result.problems
            else Text("NO: " + "; ".join(result.problems), style="red"),
        )
    return table
