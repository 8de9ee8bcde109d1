"""The findings of `netwatch check` for a person.

Rule of this file: rendering only; the state is a word, not only a colour.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netwatch.cli.examination import Examined, State

_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red"}


def print_findings(findings: list[Examined], console: Console | None = None) -> None:
    """A row each; what to do about it stands below what was found."""
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found, and what to do", overflow="fold")
    for finding in findings:
        told = Text(finding.message)
        if finding.remedy:
            told.append(f"\n→ {finding.remedy}", style="bold")
        state = Text(finding.state.value, style=_COLOURS[finding.state])
        table.add_row(Text(finding.subject), state, told)
    (console or Console()).print(table)
