"""What an alert knows beside its words: instants, cause, sites, and whom to call.

Rule of this file: data for those who pass alerts on, in no language, as Prometheus
templates. A fact that is not there is an empty annotation, which Alertmanager drops.
Instants are RFC 3339 in the zone of the machine that Prometheus runs on: of all that pass an
alert on, Prometheus alone can make a time out of a value.
"""

from __future__ import annotations

from collections.abc import Iterable

from netwatch.fleet.model import Inventory, Operator

#: Alerts of a line that is down at this moment.
_DOWN = frozenset({
    "NetwatchLinkDown", "NetwatchRestoreHalfUsed", "NetwatchRestoreNearlyUsed",
    "NetwatchRestoreExceeded",
})  # fmt: skip
#: Which sites an alert of an operator is about, as PromQL with the operator's name to be filled in.
_SITES = {
    "NetwatchOperatorOutage": (
        "netwatch:site_info{operator=%[1]q} and on (site) "
        'netwatch:site_cause{verdict="down",cause=~"access|upstream",operator=%[1]q}'
    ),
    "NetwatchOperatorSilent": "netwatch:site_silent{operator=%[1]q}",
}
#: When the time to restore ends, where the contract's clock never rests.
_DEADLINE = (
    'sum by (site) (netwatch:site_info{site=%[1]q,hours="24/7"} '
    "* on (contract) group_left () netwatch:contract_restore_within_seconds) "
    "+ on (site) netwatch:incident_start_timestamp_seconds"
)
#: What is left of it in the contract's hours, in seconds.
_LEFT = (
    "(1 - netwatch:restore_used_ratio{site=%[1]q} < 1) "
    "* on (contract) group_left () netwatch:contract_restore_within_seconds > 0"
)
#: Alerts of no site and no operator.
_OF_NOTHING = frozenset({"NetwatchRulesOutdated"})
_INSTANT = '{{ (. | first | value | toTime).Local.Format "2006-01-02T15:04:05Z07:00" }}'


def build_facts(alert: str, inventory: Inventory) -> dict[str, str]:
    """Annotation -> template, of those that this alert has.

    ``started`` and ``restore_before`` (instants), ``restore_left`` (``2h 10m 0s`` in the
    contract's hours), ``cause``, ``page`` (the agent's), ``sites`` (names, by commas),
    ``contact`` (the operator's telephone, portal, mail and customer number, as the inventory
    has them).

    >>> from netwatch.fleet.model import FleetOptions
    >>> nobody = Inventory(options=FleetOptions(), operators={}, contracts={}, sites=())
    >>> sorted(build_facts("NetwatchLinkDown", nobody))
    ['cause', 'page', 'restore_before', 'restore_left', 'started']
    >>> sorted(build_facts("NetwatchOperatorSilent", nobody))
    ['sites']
    """
    facts = {}
    if alert in _DOWN:
        facts["started"] = _of_site("netwatch:incident_start_timestamp_seconds{site=%q}", _INSTANT)
        facts["restore_before"] = _of_site(_DEADLINE, _INSTANT)
        facts["restore_left"] = _of_site(_LEFT, "{{ . | first | value | humanizeDuration }}")
        facts["cause"] = _label("netwatch:site_cause", "cause")
    if alert in _SITES:
        facts["sites"] = (
            f"{{{{ range $number, $each := printf `{_SITES[alert]}` $labels.operator | query }}}}"
            "{{ if $number }}, {{ end }}{{ $each.Labels.name }}{{ end }}"
        )
    elif alert not in _OF_NOTHING:
        facts["page"] = _label("netwatch:site_info", "page")
    contact = build_contact(inventory.operators.values())
    if contact and alert not in _OF_NOTHING:
        facts["contact"] = contact
    return facts


def build_contact(operators: Iterable[Operator]) -> str:
    """A template for how the operator of the alert is reached; empty where no one is known.

    >>> print(build_contact([Operator(name="A", phone="+33 1 99", customer="C-1")]))
    {{ if eq $labels.operator "A" }}+33 1 99 · C-1{{ end }}
    >>> build_contact([Operator(name="A")])
    ''
    """
    cases = []
    for each in operators:
        ways = [way for way in (each.phone, each.portal, each.mail, each.customer) if way]
        if ways:
            said = _literal(" · ".join(ways))
            cases.append(f"if eq $labels.operator {_quote(each.name)} }}}}{said}")
    return f"{{{{ {'{{ else '.join(cases)}{{{{ end }}}}" if cases else ""


def _of_site(expression: str, said: str) -> str:
    """What is said of the first series that an expression gives for the site."""
    return f"{{{{ with printf `{expression}` $labels.site | query }}}}{said}{{{{ end }}}}"


def _label(series: str, name: str) -> str:
    return _of_site(f"{series}{{site=%q}}", f"{{{{ . | first | label `{name}` }}}}")


def _literal(text: str) -> str:
    """A text inside a template that stands for itself."""
    return text.replace("{{", '{{ "{{" }}')


def _quote(text: str) -> str:
    """A text as a template quotes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
