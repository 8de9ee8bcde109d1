"""When somebody is called, as Prometheus alerting rules (STANDARDS.md, 4).

Rule of this file: pure; expressions and severities. What an alert says is `alert_words`,
the numbers are `windows`. `page` is for somebody now, `ticket` for somebody this week,
`none` for nobody: Alertmanager holds other alerts back by it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from netwatch.fleet.alert_facts import build_facts
from netwatch.fleet.alert_words import WORDS
from netwatch.fleet.model import Inventory
from netwatch.fleet.series import BOOKED, HELD, JOINED, SITE, Group, Rule
from netwatch.fleet.windows import (
    BURN_POLICIES,
    CERTIFICATE_DAYS,
    COVERAGE_LEAST,
    DOWN_AFTER_S,
    SHARED_SHARE,
    SHARED_SITES,
    SILENT_SHARE,
    SPOOL_OLDEST_S,
)

_DAY_S = 86_400
_NAMED = f"* on (site) group_left (name, {JOINED}) {SITE}"


def build_alerting_groups(inventory: Inventory, years: range, *, dated: bool) -> list[Group]:
    """The groups of ``netwatch-alerts.yml``.

    ``dated``: the recorded hours are exact for ``years`` only, and somebody is to be told
    before they end.
    """
    rules = [
        *build_line_alerts(),
        *build_budget_alerts(),
        *build_agent_alerts(),
    ]
    if dated:
        end_s = int(datetime(years.stop, 1, 1, tzinfo=UTC).timestamp()) - 60 * _DAY_S
        rules.append(_alert("NetwatchRulesOutdated", f"vector(time()) > {end_s}", "ticket"))
    runbook = inventory.options.runbook
    for rule in rules:
        name = str(rule["alert"])
        rule["annotations"] = build_annotations(name, runbook) | build_facts(name, inventory)
    return [{"name": "netwatch-alerts", "interval": "30s", "rules": rules}]


def build_annotations(alert: str, runbook: str) -> dict[str, str]:
    """Both languages' texts, and where to read on.

    >>> build_annotations("NetwatchLinkDown", "docs/alerts.md")["runbook_url"]
    'docs/alerts.md#netwatchlinkdown'
    """
    english, french = WORDS[alert]
    return {
        "summary": english.summary,
        "description": english.description,
        "summary_fr": french.summary,
        "description_fr": french.description,
        "runbook_url": f"{runbook}#{alert.lower()}",
    }


def build_line_alerts() -> list[Rule]:
    """Down, shared outages, and the time that the contract gives for restoring."""
    down = 'netwatch:site_verdict{verdict="down"}'
    start = "netwatch:incident_start_timestamp_seconds"
    # An agent whose clock cannot tell since when is told by what was seen of it from here.
    seen = f"(max by (site) (count_over_time({down}[3m])) - 1) * 30 >= {DOWN_AFTER_S}"
    lasted = (
        f"(time() - {start} >= {DOWN_AFTER_S})\n"
        f"or ({seen} and on (site) {down} unless on (site) {start})"
    )
    used = "netwatch:restore_used_ratio"
    together = 'count by (operator) (netwatch:site_cause{verdict="down",cause=~"access|upstream"})'
    silent = "count by (operator) (netwatch:site_silent)"
    sites = f"count by (operator) ({SITE})"
    return [
        _alert("NetwatchLinkDown", _named(lasted), "page"),
        _alert(
            "NetwatchOperatorOutage",
            f"({together} >= {SHARED_SITES} and {together} / {sites} >= {SHARED_SHARE})\n"
            f"or ({together} >= 2 and {together} / {sites} >= {SILENT_SHARE})",
            "page",
            wait="1m",
        ),
        _alert(
            "NetwatchOperatorSilent",
            f"{silent} >= {SHARED_SITES} and {silent} / {sites} >= {SILENT_SHARE}\n"
            f"and on () (count({SITE}) > count(netwatch:site_silent))",
            "page",
            wait="3m",
        ),
        _alert("NetwatchRestoreHalfUsed", _named(f"{used} >= 0.5 < 0.8"), "ticket"),
        _alert("NetwatchRestoreNearlyUsed", _named(f"{used} >= 0.8 < 1"), "page"),
        _alert("NetwatchRestoreExceeded", _named(f"{used} >= 1"), "page"),
    ]


def build_budget_alerts() -> list[Rule]:
    """Burn rates over two windows each: the long one that it matters, the short that it lasts.

    And what tells an outage that has been told from one that has not: for half an hour after
    it, the longest short window of a page, a budget still burns by it.
    """
    burn = "netwatch:burn_rate"
    told = 'max_over_time(ALERTS{alertname="NetwatchLinkDown",alertstate="firing"}[35m])'
    return [
        _alert("NetwatchLineWasDown", _named(f"max by (site) ({told})"), "none"),
        *(
            _alert(
                policy.alert,
                _named(
                    f'max by (site) ({burn}{{window="{policy.long}"}}) > {policy.factor:g}\n'
                    f'and on (site) {burn}{{window="{policy.short}"}} > {policy.factor:g}'
                ),
                policy.severity,
            )
            for policy in BURN_POLICIES
        ),
    ]


def build_agent_alerts() -> list[Rule]:
    """What keeps an agent from watching, or its words from arriving."""
    oldest = (
        "time() - min by (site, outlet) (netwatch_spool_oldest_timestamp_seconds)"
        f" > {SPOOL_OLDEST_S}"
    )
    rows = "max by (site, outlet) (netwatch_spool_rows)"
    before = "max by (site, outlet) (netwatch_spool_rows offset 30m)"
    return [
        # Two minutes without an answer, and three more.
        _alert("NetwatchAgentSilent", "netwatch:site_silent", "ticket", wait="3m"),
        _alert(
            "NetwatchOtherSite",
            # What the agent calls itself is `exported_site` beside the target's own label.
            _named(
                'max by (site, exported_site) (netwatch_build_info{exported_site!=""})\n'
                "unless on (site, exported_site) "
                f'label_replace({SITE}, "exported_site", "$1", "site", "(.*)")'
            ),
            "ticket",
            wait="5m",
        ),
        _alert(
            "NetwatchCoverageLow",
            _named(f'max by (site) (netwatch:coverage_ratio{{window="1d"}}) < {COVERAGE_LEAST}'),
            "ticket",
            wait="30m",
        ),
        _alert(
            "NetwatchSpoolGrowing",
            _named(f"{oldest}\nand on (site, outlet) ({rows} > {before})"),
            "ticket",
            wait="15m",
        ),
        _alert(
            "NetwatchClockNotSynchronised",
            _named("max by (site) (netwatch_clock_synchronised) == 0"),
            "ticket",
            wait="15m",
        ),
        _alert(
            "NetwatchCertificateEnding",
            _named(
                "min by (site, target) (netwatch_certificate_expiry_timestamp_seconds) - time()"
                f" < {CERTIFICATE_DAYS * _DAY_S}"
            ),
            "ticket",
            wait="1h",
        ),
        _alert(
            "NetwatchBooksRestarted",
            # A minute or two is what a power cut takes; more is other books.
            _named(f"{BOOKED} - on (site) sum by (site) ({HELD} offset 1h) < -600"),
            "ticket",
        ),
        _alert(
            "NetwatchNotice",
            _named(
                'max by (site, notice) (netwatch_notice{notice!="clock_unsynchronised"}) == 1'
            ),
            "ticket",
            wait="30m",
        ),
    ]  # fmt: skip


def _named(expression: str) -> str:
    """The same with the site's name and line as labels, for the words and for routing."""
    return f"({expression})\n{_NAMED}"


def _alert(name: str, expression: str, severity: str, *, wait: str | None = None) -> Rule:
    rule: Rule = {"alert": name, "expr": expression}
    if wait is not None:
        rule["for"] = wait
    rule["labels"] = {"severity": severity}
    return rule
