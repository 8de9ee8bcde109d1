"""The names of the fleet's series, and the pieces of PromQL that rules share.

Rule of this file: names and quoting. What is computed is the rules'.
"""

from __future__ import annotations

from collections.abc import Iterable

from netwatch.records import CAUSES, Verdict

Rule = dict[str, object]
Group = dict[str, object]

COUNTER = "netwatch_link_seconds_total"
LIVE = "netwatch:link_seconds:total"
HELD = "netwatch:link_seconds:held"
BOOKED = "netwatch:booked_seconds:total"
#: The held counters by verdict, at the end of each hour: a year of them can be read at once.
HOURLY = "netwatch:link_seconds:hourly"
WINDOW = "netwatch:link_seconds:window"
TESTED = "netwatch:test_bytes_per_second"
ADDED_DELAY = "netwatch:added_delay_seconds:hourly"
RESPONSIVENESS = "netwatch:responsiveness_rpm:hourly"
SITE = "netwatch:site_info"
#: What is joined to a recorded figure, so that a dashboard filters without joining.
JOINED = "commune, operator, circuit, contract, technology"
#: Every cause of down, as a regular expression: for dashboards that count them all.
DOWN_CAUSES = "|".join(cause.value for cause in CAUSES[Verdict.DOWN])


def join_line(expression: str) -> str:
    """PromQL: a figure by site with the labels of its line; of sites of the inventory alone."""
    return f"({expression})\n* on (site) group_left ({JOINED}) {SITE}"


def match_any(names: Iterable[str]) -> str:
    r"""A regular expression, inside a PromQL text, for exactly these values.

    >>> match_any(["a.b", ""])
    'a\\\\.b|'
    """
    quoted = (
        "".join(f"\\{sign}" if sign in r"\.+*?()[]{}|^$" else sign for sign in name)
        for name in names
    )
    return "|".join(text.replace("\\", "\\\\").replace('"', '\\"') for text in quoted)


def quote_promql(text: str) -> str:
    r"""A text of PromQL.

    >>> print(quote_promql('a "b"'))
    "a \"b\""
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
