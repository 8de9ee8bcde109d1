"""What is so at this moment, as series: verdicts, causes, incidents, the time to restore.

Rule of this file: pure. A scrape that fails ends nothing: the last word is believed for a
while. The time to restore runs in the contract's hours, from the first missed probe.
"""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from netwatch.fleet.covered_time import Hours, build_covered_seconds, build_local_time
from netwatch.fleet.series import HELD, JOINED, SITE, Rule, join_line, quote_promql
from netwatch.fleet.windows import BELIEVED


def build_present_rules() -> list[Rule]:
    """What is so at this moment: the verdict, and of what is not up its cause.

    The last word is believed for two minutes: one scrape that fails ends no outage.
    """
    verdict = f"max by (site, verdict) (last_over_time(netwatch_link_verdict[{BELIEVED}])) == 1"
    growing = f'{HELD}{{cause!="none"}} - {HELD}{{cause!="none"}} offset 2m > 0'
    return [
        {"record": "netwatch:site_verdict", "expr": join_line(verdict)},
        {
            # Of two causes that grew in the last two minutes, the one that grew more.
            "record": "netwatch:site_cause",
            "expr": join_line(
                f"topk by (site) (1,\n"
                f"  ({growing})\n  and on (site, verdict) netwatch:site_verdict\n) > bool 0"
            ),
        },
        {
            "record": "netwatch:site_silent",
            "expr": (
                f'{SITE} unless on (site) (max_over_time(up{{job="netwatch"}}[{BELIEVED}]) == 1)'
            ),
        },
    ]


def build_incident_rules(hours: Iterable[Hours], years: range) -> list[Rule]:
    """Since when each site is down, and how much of the contract's time for restoring is used."""
    down = 'netwatch:site_verdict{verdict="down"}'
    start = "netwatch:incident_start_timestamp_seconds"
    local = "netwatch:incident_start_local_seconds"
    changed = f"max by (site) (last_over_time(netwatch_link_changed_timestamp_seconds[{BELIEVED}]))"
    rules: list[Rule] = [
        {
            # The first change to down: a cause that changes meanwhile begins no new incident.
            "record": start,
            "expr": f"({start} and on (site) {down})\nor ({changed} and on (site) {down})",
        }
    ]
    distinct = {each.name: each for each in hours}
    for name, each in distinct.items():
        label = {"hours": name}
        here = f"({start} and on (site) {SITE}{{hours={quote_promql(name)}}})"
        zone = ZoneInfo(each.timezone)
        if each.always:
            rules += [
                {"record": "netwatch:hours_covered_seconds", "expr": "vector(time())",
                 "labels": label},
                {"record": "netwatch:incident_covered_seconds", "expr": f"time() - {here}"},
            ]  # fmt: skip
            continue
        now = f"netwatch:hours_local_seconds{{hours={quote_promql(name)}}}"
        rules += [
            {"record": "netwatch:hours_local_seconds",
             "expr": build_local_time("vector(time())", zone, years), "labels": label},
            {"record": "netwatch:hours_covered_seconds",
             "expr": build_covered_seconds(each, now, years), "labels": label},
            {"record": local, "expr": build_local_time(here, zone, years), "labels": label},
            {"record": "netwatch:incident_covered_seconds",
             "expr": f"scalar(netwatch:hours_covered_seconds{{hours={quote_promql(name)}}}) - (\n"
             + build_covered_seconds(each, f"{local}{{hours={quote_promql(name)}}}", years)
             + "\n)", "labels": label},
        ]  # fmt: skip
    rules.append(
        {
            "record": "netwatch:restore_used_ratio",
            "expr": (
                f"((sum by (site) (netwatch:incident_covered_seconds))\n"
                f"* on (site) group_left ({JOINED}) {SITE})\n"
                "/ on (contract) group_left () netwatch:contract_restore_within_seconds"
            ),
        }
    )
    return rules
