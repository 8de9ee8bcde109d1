"""The page of the agents: whether they watch, and what their words wait for.

Rule of this file: our own failures, which are never the operator's.
"""

from __future__ import annotations

from dashboards.form import Column, Dashboard, Panel, Query, Row, Text, same
from dashboards.pages import build_page
from dashboards.panels import NAME, OPERATOR, SITE, build_table
from dashboards.promql import SELECTED, describe


def _agents() -> Panel:
    last = f"max by (site) (last_over_time(netwatch_snapshot_timestamp_seconds{{{SELECTED}}}[7d]))"
    oldest = f"min by (site) (netwatch_spool_oldest_timestamp_seconds{{{SELECTED}}})"
    used = f"max by (site) (netwatch_bandwidth_budget_used_bytes{{{SELECTED}}})"
    budget = f"max by (site) (netwatch_bandwidth_budget_bytes{{{SELECTED}}})"
    figures = (
        f"({last}) * 1000 {describe(SELECTED, 'name, operator, page')}",
        f"max by (site, version) (netwatch_build_info{{{SELECTED}}})",
        f"max by (site) (netwatch_spool_rows{{{SELECTED}}})",
        f"{oldest} * 1000",
        f"min by (site) (netwatch_clock_synchronised{{{SELECTED}}})",
        f"{used} / ({budget} > 0)",
        f"max by (site) (netwatch_store_device_written_today_bytes{{{SELECTED}}})",
        f"max by (site) (netwatch_store_bytes{{{SELECTED}}})",
        f"max by (site) (process_resident_memory_bytes{{{SELECTED}}})",
    )
    return build_table(
        Text("Agents", "Agents"),
        Text(
            "When each agent's figures were last read, what it runs, what waits to be pushed, whether "
            "its clock is right (1: yes), the share of the month's test volume, and what the card has "
            "taken today. Longest silent first.",
            "Dernier relevé de chaque agent, version, ce qui attend d’être envoyé, justesse de "
            "l’horloge (1 : oui), part du volume mensuel de tests, et écritures du jour sur la carte. "
            "Le plus longtemps muet en premier.",
        ),
        figures,
        (
            SITE,
            NAME,
            OPERATOR,
            Column(field="Value #A", title=Text("last seen", "vu"), unit="dateTimeFromNow"),
            Column(field="version", title=same("version")),
            Column(field="Value #C", title=Text("queue, minutes", "file, minutes"), unit="short",
                   warn=60),
            Column(field="Value #D", title=Text("oldest in queue", "plus ancien en file"),
                   unit="dateTimeFromNow"),
            Column(field="Value #E", title=Text("clock right", "horloge juste"), unit="bool_yes_no",
                   warn=1, worse_below=True),
            Column(field="Value #F", title=Text("data budget used", "volume consommé"),
                   unit="percentunit", decimals=0, warn=0.9),
            Column(field="Value #G", title=Text("card writes today", "écrit ce jour"),
                   unit="decbytes"),
            Column(field="Value #H", title=Text("store", "base"), unit="decbytes"),
            Column(field="Value #I", title=Text("memory", "mémoire"), unit="bytes"),
            Column(field="page", title=Text("agent's page", "page de l’agent"),
                   link="${__value.raw}", link_title=Text("open", "ouvrir")),
            Column(field="Value #B", title=same("B"), hidden=True),
        ),
        ("Value #A", False),
        height=14,
    )  # fmt: skip


def _over_time() -> tuple[Panel, ...]:
    def line(
        title: Text, description: Text, expression: str, unit: str, legend: str = "{{site}}"
    ) -> Panel:
        return Panel(
            kind="line", title=title, description=description, unit=unit, least=0, width=12,
            height=8, queries=(Query(expression=expression, legend=same(legend)),),
        )  # fmt: skip

    return (
        line(
            Text("Queue of the push", "File d’envoi"),
            Text("Minutes that wait to be sent, the ten longest. They are kept on the device.",
                 "Minutes qui attendent d’être envoyées, les dix plus longues. Elles restent sur "
                 "l’appareil."),
            f"topk(10, max by (site) (netwatch_spool_rows{{{SELECTED}}}))",
            "short",
        ),
        line(
            Text("Agents that answer", "Agents qui répondent"),
            Text("How many agents Prometheus reaches.",
                 "Nombre d’agents que Prometheus joint."),
            f'sum(up{{job="netwatch",{SELECTED}}})',
            "short",
            "",
        ),
        line(
            Text("Probes missed for want of time", "Sondes manquées faute de temps"),
            Text("Probes that were due and not run in time: the device, not the line, is slow.",
                 "Sondes dues et non exécutées à temps : c’est l’appareil qui est lent, pas la ligne."),
            f"topk(10, sum by (site) (rate(netwatch_slots_missed_total{{{SELECTED}}}"
            "[$__rate_interval])) > 0) or vector(0)",
            "cps",
        ),
        line(
            Text("Memory of the agents", "Mémoire des agents"),
            Text("Resident memory of the agent's process, the ten largest.",
                 "Mémoire résidente du processus de l’agent, les dix plus grandes."),
            f"topk(10, max by (site) (process_resident_memory_bytes{{{SELECTED}}}))",
            "bytes",
        ),
    )  # fmt: skip


def _words() -> tuple[Panel, ...]:
    def table(title: Text, description: Text, expression: str, *labels: str) -> Panel:
        return build_table(
            title, description, (expression,),
            (*(Column(field=each, title=same(each)) for each in labels),
             Column(field="Value", title=Text("agents", "agents"), unit="short")),
            None, width=8,
        )  # fmt: skip

    return (
        table(
            Text("Versions", "Versions"),
            Text("How many agents run each version.", "Nombre d’agents par version."),
            f"count by (version) (netwatch_build_info{{{SELECTED}}})",
            "version",
        ),
        table(
            Text("What the agents ask to be seen to", "Ce que les agents signalent"),
            Text("Notices of the agents' pages and what stands in the way of a push, by site.",
                 "Avis des pages des agents et obstacles à l’envoi, par site."),
            f"max by (site, notice) (netwatch_notice{{{SELECTED}}}) == 1\n"
            f"or max by (site, outlet, reason) (netwatch_push_problem{{{SELECTED}}}) == 1",
            "site", "notice", "outlet", "reason",
        ),
        table(
            Text("Certificates that end within 60 days", "Certificats qui expirent sous 60 jours"),
            Text("Seconds until the TLS certificate of a watched service ends.",
                 "Secondes avant l’expiration du certificat TLS d’un service surveillé."),
            "min by (site, target) "
            f"(netwatch_certificate_expiry_timestamp_seconds{{{SELECTED}}}) - time() < 5184000",
            "site", "target",
        ),
    )  # fmt: skip


def build() -> Dashboard:
    """The agents of all chosen sites."""
    return build_page(
        "agents",
        "prometheus",
        _agents(),
        Row(title=Text("Over time", "Dans le temps")),
        *_over_time(),
        Row(title=Text("To see to", "À traiter")),
        *_words(),
    )
