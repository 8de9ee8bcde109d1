"""Pieces of PromQL that several dashboards share.

Rule of this file: selections and codes; each expression keeps to series of docs/metrics.md
and docs/fleet.md. Nothing is counted with `increase()` over the persistent counters:
docs/fleet.md says why.
"""

from __future__ import annotations

from dashboards.words import CODES

#: The chosen sites of the fleet, and the one site of a page about one.
SELECTED = 'operator=~"$operator",commune=~"$commune",site=~"$site"'
ONE = 'site="$site"'
SITE_INFO = "netwatch:site_info"
HELD = "netwatch:link_seconds:held"
HOURLY = "netwatch:link_seconds:hourly"
#: The inventory as it is at the end of the page's time: it may be younger than the books.
NOW = " @ end()"
INCIDENTS = "netwatch:incident_start_timestamp_seconds"


def describe(chosen: str, labels: str) -> str:
    """Multiplies a figure by site by 1 and gives it labels of the inventory."""
    return f"* on (site) group_left ({labels}) {SITE_INFO}{{{chosen}}}"


def only(chosen: str) -> str:
    """Keeps the figures of the chosen sites alone."""
    return f"and on (site) {SITE_INFO}{{{chosen}}}{NOW}"


def build_state(chosen: str, *states: str) -> str:
    """The code of `words.STATES` of each site that is in one of these states now."""
    parts = [
        f"netwatch:site_silent{{{chosen}}} * {CODES[state]}"
        if state == "silent"
        else f'netwatch:site_verdict{{verdict="{state}",{chosen}}} * {CODES[state]}'
        for state in states
    ]
    return "max by (site) (\n  " + "\n  or ".join(parts) + "\n)"


def build_growth(chosen: str, verdicts: str, window: str = "$__range") -> str:
    """Seconds by site under these verdicts over a window: the difference of two readings.

    Books that are younger than the window are read from their beginning.
    """
    counted = f'{HELD}{{verdict=~"{verdicts}"}}'
    return (
        f"sum by (site) (\n"
        f"  clamp_min({counted} - (last_over_time({counted}[1h] offset {window})), 0)\n"
        f"  or {counted}\n"
        f") {only(chosen)}"
    )


def build_yearly_growth(chosen: str, verdicts: str, window: str) -> str:
    """As `build_growth`, from the readings of each full hour: for months on end."""
    counted = f'{HOURLY}{{verdict=~"{verdicts}"}}'
    return (
        f"sum by (site) (\n"
        f"  clamp_min(last_over_time({counted}[3h]) - (last_over_time({counted}[3h] offset {window})), 0)\n"
        f"  or last_over_time({counted}[3h])\n"
        f") {only(chosen)}"
    )


def build_tests(direction: str, chosen: str) -> str:
    """The goodput of a test, at the first half-hour after it and nowhere else."""
    return f'max by (site) (netwatch:test_bytes_per_second{{direction="{direction}",{chosen}}})'


def build_guarantee(direction: str, chosen: str, at: str = "") -> str:
    """The guaranteed rate of each chosen site, by site, in bytes per second.

    ``at`` is a modifier for what the inventory says: `NOW` for what it says at the end of
    the page's time, whenever the tests were.
    """
    return (
        f"max by (site) ({SITE_INFO}{{{chosen}}}{at} * on (contract) group_left () "
        f'netwatch:contract_guaranteed_bytes_per_second{{direction="{direction}"}}{at})'
    )
