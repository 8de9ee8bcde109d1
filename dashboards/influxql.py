"""Pieces of InfluxQL that several dashboards share, over the points of docs/push.md.

Rule of this file: what InfluxDB 1.8, 2 and 3 all understand. InfluxQL makes 0 of a division
by 0, so that a share of nothing would read as "all down" or "all up": whatever divides here
first leaves out what it would divide by 0. A missing point stays missing; no query fills.
"""

from __future__ import annotations

from dashboards.words import CODES

#: The chosen sites of the fleet, and the one site of a page about one.
SELECTED = '"operator" =~ /^$operator$/ AND "site" =~ /^$site$/'
ONE = '"site" =~ /^$site$/'
#: The page's time, and the quarter of an hour before its end: who sent nothing then is silent.
RANGE = "$timeFilter"
RECENT = "time > ${__to}ms - 15m AND time <= ${__to}ms"
LEDGER, RTT = '"netwatch_ledger"', '"netwatch_rtt"'
BANDWIDTH, INCIDENT, CHAIN = '"netwatch_bandwidth"', '"netwatch_incident"', '"netwatch_chain"'
#: One line of one site, as its points are tagged.
LINE = '"site", "operator", "circuit"'
#: One point a minute: a shorter step would be mostly empty.
STEP = "1m"


def select(
    columns: str,
    source: str,
    chosen: str = "",
    *,
    by: str = "",
    when: str = RANGE,
    only: str = "",
    rest: str = "",
) -> str:
    """One statement: ``columns`` of what is chosen of ``source``, in groups ``by`` tags or time.

    >>> select('last("up_ms")', LEDGER, by='"site"', only='"up_ms" > 0')
    'SELECT last("up_ms") FROM "netwatch_ledger" WHERE $timeFilter AND "up_ms" > 0 GROUP BY "site"'
    """
    where = " AND ".join(each for each in (when, chosen, only) if each)
    groups = f"GROUP BY {by}" if by else ""
    words = ("SELECT", columns, "FROM", source, "WHERE", where, groups, rest)
    return " ".join(each for each in words if each)


def select_steps(
    columns: str, source: str, chosen: str = "", *, by: str = "", only: str = "",
    fill: str = "null",
) -> str:  # fmt: skip
    """The same in steps of the graph's own length; a step without a point is null, or not there.

    >>> select_steps('max("up_ms")', LEDGER, fill="none").partition(RANGE)[2]
    ' GROUP BY time($__interval) fill(none)'
    """
    groups = f"time($__interval), {by}" if by else "time($__interval)"
    return select(columns, source, chosen, by=groups, only=only, rest=f"fill({fill})")


def join(*statements: str) -> str:
    """Statements as the source of another: its rows are those of all of them.

    >>> join("SELECT 1", "SELECT 2")
    '(SELECT 1), (SELECT 2)'
    """
    return ", ".join(f"({each})" for each in statements)


def _codes(states: tuple[str, ...], chosen: str, when: str, by: str) -> str:
    """Points with the code of each state that a minute has any of."""
    return join(*(
        select(f'"{state}_ms" * 0 + {CODES[state]} AS "code"', LEDGER, chosen, when=when,
               only=f'"{state}_ms" > 0', by=by)
        for state in states
    ))  # fmt: skip


def build_lane(chosen: str, *states: str) -> str:
    """The code of the worst of these states in each step; null where a step has none of them."""
    return select_steps('max("code") AS "state"', _codes(states, chosen, RANGE, '"site"'))


def build_present(chosen: str, by: str = LINE) -> str:
    """The code of the worst of each line's newest minute, "silent" where it is 15 minutes old.

    From every line's code for "silent" and, where there is a newer minute, what this differs
    from it: InfluxQL knows no "if".
    """
    silent = CODES["silent"]
    minutes = select(
        'max("code") AS "code"', _codes(("up", "degraded", "unknown", "down"), chosen, RECENT, by),
        when=RECENT, by=f"time(1m), {by}", rest="fill(none)",
    )  # fmt: skip
    known = select(f'last("up_ms") * 0 + {silent} AS "state"', LEDGER, chosen, by=by)
    newest = select(f'last("code") - {silent} AS "state"', join(minutes), when=RECENT, by=by)
    return select('sum("state") AS "state"', join(known, newest), by=by)


def build_availability(chosen: str, by: str) -> str:
    """Share of the known time that was not down; nothing for whom nothing is known."""
    sums = select(
        'sum("up_ms") + sum("degraded_ms") + sum("down_ms") AS "known", sum("down_ms") AS "down"',
        LEDGER, chosen, by=by,
    )  # fmt: skip
    share = '1 - sum("down") / sum("known") AS "availability"'
    return select(share, join(sums), only='"known" > 0', by=by)


#: Every minute has 60 000 ms of something: what is divided by here is never 0.
COVERAGE = '1 - sum("unknown_ms") / (count("up_ms") * 60000) AS "coverage"'
AT_WORST = '1 - (sum("down_ms") + sum("unknown_ms")) / (count("up_ms") * 60000) AS "at_worst"'
DOWN_S = 'sum("down_ms") / 1000 AS "down"'
UNKNOWN_S = 'sum("unknown_ms") / 1000 AS "unknown"'
#: Of the minutes of the page's time, those of which a point is here.
RECEIVED = 'count("up_ms") * 60000 / (${__to} - ${__from}) AS "received"'
OUTAGES = 'count("duration_ms") AS "outages", max("duration_ms") / 1000 AS "longest"'


def sum_causes(verdict: str, causes: tuple[str, ...]) -> str:
    """Seconds by cause, a column each."""
    return ", ".join(f'sum("{verdict}_{cause}_ms") / 1000 AS "{cause}"' for cause in causes)


def build_tests(direction: str, chosen: str, name: str = "Value") -> str:
    """The goodput (bit/s) of each test that counts, at its beginning."""
    return select(
        f'"{direction}_bytes_per_second" * 8 AS "{name}"',
        BANDWIDTH, chosen, only=f"\"{direction}_invalid\" = ''",
    )  # fmt: skip


def build_incidents(chosen: str) -> str:
    """Outages that are over, at their beginnings; ``end`` in milliseconds."""
    return select('"end", "duration_ms" / 1000 AS "duration", "cause", "site", "operator"',
                  INCIDENT, chosen)  # fmt: skip
