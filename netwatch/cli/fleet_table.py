"""The fleet's state as a table in the terminal.

Rule of this file: rows to a table; it asks nobody. No availability without its coverage,
no meaning by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from netwatch.cli.status import MARKS, render_duration, render_share
from netwatch.fleet.status import SiteStatus, count_states

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_MARKS = {**MARKS, "unreachable": ("∅", "bold magenta"), "wrong_site": ("≠", "bold magenta")}


def build_fleet_table(rows: Sequence[SiteStatus], at: datetime) -> Group:
    """The sums in one line, then a row a site in the order given; ``at`` is local time."""
    from rich.console import Group
    from rich.text import Text

    head = Text(f"{at:%Y-%m-%d %H:%M:%S}  {len(rows)} {'site' if len(rows) == 1 else 'sites'}: ")
    for number, (state, count) in enumerate(count_states(rows).items()):
        mark, colour = _MARKS[state]
        head.append(f"{'  ' if number else ''}{mark} {count} {_say(state)}", style=colour)
    return Group(head, "", _build_rows(rows))


def _build_rows(rows: Sequence[SiteStatus]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("site", "operator"):
        table.add_column(heading, overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("for", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for heading in ("today", "watched", "down today", "down month", "queue"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("agent", overflow="fold")
    for row in rows:
        mark, colour = _MARKS[row.state]
        table.add_row(
            escape(row.site),
            escape(row.operator),
            f"[{colour}]{mark} {_say(row.state)}[/]",
            _duration(row.held_ms),
            escape(say_why(row)),
            render_share(row.availability_today),
            render_share(row.coverage_today),
            _duration(row.down_today_ms),
            _duration(row.down_month_ms),
            _duration(None if row.queued_minutes is None else row.queued_minutes * 60_000),
            escape(say_agent(row)),
        )
    return table


def say_why(row: SiteStatus) -> str:
    """The cause and the reason, or what stands in the way of knowing.

    >>> row = SiteStatus(site="a", name="A", commune=None, operator="O", circuit=None,
    ...     state="unknown", cause="agent", reason="power_loss")
    >>> say_why(row)
    'agent (power loss)'
    """
    if row.problem is not None:
        return row.problem
    if row.cause is None:
        return ""
    return row.cause + (f" ({row.reason.replace('_', ' ')})" if row.reason else "")


def say_agent(row: SiteStatus) -> str:
    """The version, and what is the matter with the agent itself."""
    words = [row.version] if row.version else []
    if row.clock_synchronised is False:
        words.append("clock not synchronised")
    if row.push_problem is not None:
        words.append(f"push: {row.push_problem.replace('_', ' ')}")
    words += [
        notice.replace("_", " ") for notice in row.notices if notice != "clock_unsynchronised"
    ]
    return ", ".join(words)


def _say(state: str) -> str:
    return state.replace("_", " ")


def _duration(milliseconds: int | None) -> str:
    return "—" if milliseconds is None else render_duration(milliseconds)
