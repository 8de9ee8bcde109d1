r"""What Prometheus computes beforehand for the fleet, generated from the inventory.

Rule of this file: pure. Every figure of a window is a difference of two readings of the
agents' persistent counters: the newest, and the last one before the window began, however
long nothing could be read in between. `increase()` is not used anywhere:

* it extrapolates to the edges of the window, and so reads too much or too little;
* it does not see a jump between the last reading before the window and the first in it,
  and that jump is the outage during which nothing could be scraped;
* it takes every fall for a new counter. An agent that lost power enters its last minute
  as unknown: a counter may fall by some seconds, and `increase()` would add its whole life.

When the books are younger than the window (a new site, or a card that was replaced), they
are read from their beginning: all the verdicts' counters together grow by a second a
second, so books that began within a window hold less than its length, and only such do.

Between two readings nothing is known of when the seconds fell, so a window may reach back
to the last reading before it: every share is of the time between the readings, the same
for what is above and below its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from netwatch.config.model import ContractSettings
from netwatch.fleet.inventory_rules import build_contract_terms, build_hours, build_site_info
from netwatch.fleet.model import Inventory
from netwatch.fleet.present_rules import build_incident_rules, build_present_rules
from netwatch.fleet.series import (
    ADDED_DELAY,
    BOOKED,
    COUNTER,
    HELD,
    HOURLY,
    LIVE,
    RESPONSIVENESS,
    SITE,
    TESTED,
    WINDOW,
    Group,
    Rule,
    join_line,
    match_any,
)
from netwatch.fleet.windows import WINDOWS

#: PromQL that keeps a figure at the last evaluation of each hour alone.
_EACH_HOUR = "and on () (vector(time() % 3600) >= 3570)"


def build_recording_groups(
    inventory: Inventory, holidays: Mapping[str, frozenset[date]], years: range
) -> list[Group]:
    """The groups of ``netwatch-recording.yml``.

    ``holidays`` are the days on which each site's calendar rests, by site id; a site that
    is not in it has none. ``years`` are the civil years for which covered hours are exact.
    """
    hours = build_hours(inventory, holidays)
    return [
        {"name": "netwatch-inventory", "interval": "1m", "rules": [
            *(build_site_info(site, hours[site.id]) for site in inventory.sites),
            *build_contract_terms(inventory.contracts.values()),
        ]},
        {"name": "netwatch-counters", "interval": "30s", "rules": build_counter_rules()},
        {"name": "netwatch-windows", "interval": "1m", "rules": [
            *(build_window_rule(window) for window in WINDOWS),
            *build_share_rules(inventory),
            *build_test_rules(),
        ]},
        {"name": "netwatch-incidents", "interval": "30s", "rules": [
            *build_present_rules(),
            *build_incident_rules(hours.values(), years),
        ]},
    ]  # fmt: skip


# -- the counters ----------------------------------------------------------------------------


def build_counter_rules() -> list[Rule]:
    """The counters by site, and the same held on to while they cannot be read.

    `max` and not `sum`: while a target's labels change, or two Prometheus scrape one agent,
    its counters are there twice.
    """
    return [
        {"record": LIVE, "expr": f"max by (site, verdict, cause) ({COUNTER})"},
        {
            "record": HELD,
            "expr": f"{LIVE}\nor (last_over_time({HELD}[15m]) and on (site) {SITE})",
        },
        {"record": BOOKED, "expr": f"sum by (site) ({LIVE})"},
        {
            # At the last evaluation of each hour alone: what is read at the full hour is the
            # newest that was held, and a month of it is 744 readings and not 89 280.
            "record": HOURLY,
            "expr": f"sum by (site, verdict) ({HELD}) {_EACH_HOUR}",
        },
    ]


def build_window_increase(
    window_s: int, *, live: str = LIVE, held: str = HELD, booked: str = BOOKED, reach: str = "1h"
) -> str:
    """PromQL for the seconds by which each counter grew over a window, to the millisecond.

    From the last reading before the window (looked for over ``reach`` before its beginning)
    to the newest. Absent while there is no newest, and where the books are older than the
    window but nothing was ever read of them before it. ``booked`` is the site's sum of all.
    """
    window = f"{window_s}s"
    return (
        f"clamp_min(\n"
        f"  {live} - (last_over_time({held}[{reach}] offset {window}) and on (site) {booked} >= {window_s}),\n"
        f"  0\n"
        f")\n"
        f"or ({live} and on (site) {booked} < {window_s})"
    )


def build_window_rule(window: str) -> Rule:
    """Seconds under each verdict and cause over a window; pairs that had none are left out."""
    return {
        "record": WINDOW,
        "expr": f"(\n{build_window_increase(WINDOWS[window])}\n) > 0",
        "labels": {"window": window},
    }


def build_test_rules() -> list[Rule]:
    """The goodput of each throughput test, for half an hour from when it was seen.

    The agent shows its newest test until the next one. Here each is there once, so that a
    page that asks every half hour counts tests and not the time for which they stand. What
    load does to the delay is drawn as a line, and kept at the end of each hour.
    """
    began = "netwatch_bandwidth_test_timestamp_seconds"
    tested: Rule = {
        "record": TESTED,
        "expr": join_line(
            "max by (site, direction) (netwatch_throughput_bytes_per_second)\n"
            f"and on (site) (max by (site) ({began})\n"
            f"  != max by (site) (last_over_time({began}[1d] offset 30m)))"
        ),
    }
    added = (
        "max by (site, direction) (netwatch_loaded_rtt_seconds)\n"
        "- on (site) group_left () max by (site) (netwatch_idle_rtt_seconds)"
    )
    rpm = "max by (site) (netwatch_responsiveness_rpm)"
    return [
        tested,
        {"record": ADDED_DELAY, "expr": f"{join_line(added)}\n{_EACH_HOUR}"},
        {"record": RESPONSIVENESS, "expr": f"{join_line(rpm)}\n{_EACH_HOUR}"},
    ]


# -- shares ----------------------------------------------------------------------------------


def build_share_rules(inventory: Inventory) -> list[Rule]:
    """Availability, coverage and burn rate by site and window (STANDARDS.md, 3 and 4)."""
    known, booked = "netwatch:known_seconds:window", "netwatch:booked_seconds:window"
    counted, measured = "netwatch:counted_seconds:window", "netwatch:availability_ratio"
    return [
        {"record": booked, "expr": f"sum by (site, window) ({WINDOW})"},
        {
            "record": known,
            "expr": f'sum by (site, window) ({WINDOW}{{verdict!="unknown"}})\nor {booked} * 0',
        },
        {"record": counted, "expr": build_counted(inventory, known)},
        {
            "record": measured,
            "expr": join_line(f"1 - {counted} / ({known} > 0)"),
        },
        {
            "record": "netwatch:availability_low_ratio",
            "expr": join_line(f"({known} - {counted}) / {booked}"),
        },
        {"record": "netwatch:coverage_ratio", "expr": join_line(f"{known} / {booked}")},
        {
            "record": "netwatch:burn_rate",
            "expr": (
                f"(1 - {measured})\n"
                "/ on (contract) group_left () "
                "(1 - (netwatch:contract_availability_target < 1))"
            ),
        },
    ]


def build_counted(inventory: Inventory, known: str) -> str:
    """PromQL for the seconds that count against the operator: by the causes of each contract."""
    selections: dict[tuple[str, ...], list[str]] = {}
    for name, terms in inventory.contracts.items():
        causes = tuple(sorted(cause.value for cause in terms.counted_causes))
        selections.setdefault(causes, []).append(name)
    usual = tuple(sorted(cause.value for cause in ContractSettings().counted_causes))
    # A line without a contract counts as the silence of one would: every cause of down.
    selections.setdefault(usual, []).append("")
    parts = [
        f'sum by (site, window) ({WINDOW}{{cause=~"{"|".join(causes)}"}} '
        f'and on (site) {SITE}{{contract=~"{match_any(names)}"}})'
        for causes, names in selections.items()
        if causes
    ]
    return "\nor ".join([*parts, f"{known} * 0"])
