"""The fleet's state as a table in the terminal.

Rule of this file: rows to a table; it asks nobody. No availability without its coverage,
no meaning by colour alone; a terminal too narrow for every column loses whole columns, never
the site or the reason, and is told which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from netwatch.cli.status import MARKS, render_duration, render_share
from netwatch.fleet.status import SiteStatus, count_states

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderResult
    from rich.table import Table
    from rich.text import Text

_COLUMNS = (
    "site", "operator", "state", "for", "why", "today", "watched", "down today", "down month",
    "queue", "agent",
)  # fmt: skip
#: Those whose words may be folded, and how narrow they may become.
_LEAST = {"site": 24, "operator": 20, "why": 20, "agent": 16}
#: What goes where there is no room, first to last. Availability goes with its coverage.
_FIRST_TO_GO = (
    ("queue",), ("down month",), ("agent",), ("down today",), ("operator",), ("today", "watched"),
)  # fmt: skip
_GAP = 2
_MARKS = {**MARKS, "unreachable": ("∅", "bold magenta"), "wrong_site": ("≠", "bold magenta")}


def build_fleet_table(rows: Sequence[SiteStatus], at: datetime) -> Group:
    """The sums in one line, then a row a site in the order given; ``at`` is local time."""
    from rich.console import Group
    from rich.text import Text

    head = Text(f"{at:%Y-%m-%d %H:%M:%S}  {len(rows)} {'site' if len(rows) == 1 else 'sites'}: ")
    for number, (state, count) in enumerate(count_states(rows).items()):
        mark, colour = _MARKS[state]
        head.append(f"{'  ' if number else ''}{mark} {count} {_say(state)}", style=colour)
    return Group(head, "", _Rows(rows))


class _Rows:
    """The rows in as many columns as the terminal has room for."""

    def __init__(self, rows: Sequence[SiteStatus]) -> None:
        self._rows = [_build_cells(row) for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich asks for it: the table, and below it what it has no room for."""
        from rich.text import Text

        columns, left_out = choose_columns(self._measure(), options.max_width)
        yield self._build_table(columns)
        if left_out:
            words = ", ".join(left_out)
            yield Text(f"\nleft out of {options.max_width} columns: {words}", style="dim")

    def _measure(self) -> dict[str, int]:
        return {
            heading: max(len(heading), *(cells[heading].cell_len for cells in self._rows))
            for heading in _COLUMNS
        }

    def _build_table(self, columns: Sequence[str]) -> Table:
        from rich.table import Table

        table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in columns:
            if heading in _LEAST:
                table.add_column(heading, overflow="fold")
            else:
                table.add_column(
                    heading, justify="left" if heading == "state" else "right", no_wrap=True
                )
        for cells in self._rows:
            table.add_row(*(cells[heading] for heading in columns))
        return table


def choose_columns(widths: Mapping[str, int], room: int) -> tuple[list[str], list[str]]:
    """The columns that ``room`` characters hold, and those that they do not.

    ``widths``: how wide each would be by itself. What can be folded asks for no more than
    its least width.

    >>> wide = dict.fromkeys(("site", "operator", "state", "for", "why", "today", "watched",
    ...     "down today", "down month", "queue", "agent"), 10)
    >>> choose_columns(wide, 120)[1], choose_columns(wide, 80)[1]
    (['queue'], ['operator', 'down today', 'down month', 'queue', 'agent'])
    """
    columns = list(_COLUMNS)
    for group in _FIRST_TO_GO:
        needed = sum(min(widths[each], _LEAST.get(each, widths[each])) for each in columns)
        if needed + _GAP * (len(columns) - 1) <= room:
            break
        columns = [each for each in columns if each not in group]
    return columns, [each for each in _COLUMNS if each not in columns]


def _build_cells(row: SiteStatus) -> dict[str, Text]:
    from rich.text import Text

    mark, colour = _MARKS[row.state]
    said = {
        "site": row.site,
        "operator": row.operator,
        "for": _duration(row.held_ms),
        "why": say_why(row),
        "today": render_share(row.availability_today),
        "watched": render_share(row.coverage_today),
        "down today": _duration(row.down_today_ms),
        "down month": _duration(row.down_month_ms),
        "queue": _duration(None if row.queued_minutes is None else row.queued_minutes * 60_000),
        "agent": say_agent(row),
    }
    cells = {heading: Text(text) for heading, text in said.items()}
    return cells | {"state": Text(f"{mark} {_say(row.state)}", style=colour)}


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
