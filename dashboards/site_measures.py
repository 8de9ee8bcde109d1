"""The measurements on the page of one site: latency, loss, throughput.

Rule of this file: what was not measured has no line.
"""

from __future__ import annotations

from dashboards.form import Panel, Query, Text, same
from dashboards.panels import DOWN, UP, build_bloat, build_loss
from dashboards.promql import ONE, build_guarantee
from dashboards.words import BLUE, ORANGE, SKY, VERMILLION


def build_latency() -> tuple[Panel, ...]:
    """Round trips and loss, by target."""

    def share(quantile: str) -> str:
        rates = f"rate(netwatch_rtt_seconds_bucket{{{ONE}}}[$__rate_interval])"
        return f"histogram_quantile({quantile}, sum by (le, target) ({rates}))"

    failed = f"sum by (target) (rate(netwatch_probe_failures_total{{{ONE}}}[$__rate_interval]))"
    sent = f"sum by (target) (rate(netwatch_probes_total{{{ONE}}}[$__rate_interval]))"
    rtt = Panel(
        kind="line", title=Text("Round-trip time by target", "Temps aller-retour par cible"),
        description=Text(
            "Median and 95th and 99th percentiles of answered probes, from a histogram of six "
            "buckets: between two bounds they are interpolated. Lost probes have no time and are "
            "in the panel beside. Probes during a throughput test are left out.",
            "Médiane, 95e et 99e centiles des sondes qui ont eu réponse, d’après un histogramme de six "
            "classes : entre deux bornes, ils sont interpolés. Les sondes perdues n’ont pas de temps "
            "et figurent à côté. Les sondes pendant un test de débit sont écartées.",
        ),
        unit="s", least=0, width=12, height=9,
        queries=tuple(Query(expression=share(quantile), legend=same(f"{{{{target}}}} {name}"))
                      for quantile, name in (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))),
    )  # fmt: skip
    loss = build_loss(
        Query(expression=f"({failed} or {sent} * 0) / ({sent} > 0)", legend=same("{{target}}"))
    )
    return rtt, loss


def build_throughput() -> tuple[Panel, ...]:
    """Tests against the guarantee, and what load does to the delay."""
    promised = Text("guaranteed", "garanti")
    queries = []
    for direction, words in (("down", DOWN), ("up", UP)):
        measured = f'netwatch_throughput_bytes_per_second{{direction="{direction}",{ONE}}}'
        queries += [
            Query(expression=f"max by (site) ({measured}) * 8", legend=words),
            Query(expression=f"{build_guarantee(direction, ONE)} * 8",
                  legend=Text(f"{words.en}, {promised.en}", f"{words.fr}, {promised.fr}")),
        ]  # fmt: skip
    rate = Panel(
        kind="line", title=Text("Throughput against guarantee", "Débit et débit garanti"),
        description=Text(
            "Goodput of the newest test that counts, until the next one. A test that does not count "
            "leaves no line; why is on the agent's page.",
            "Débit utile du dernier test valable, jusqu’au suivant. Un test écarté ne laisse pas de "
            "courbe ; la raison est sur la page de l’agent.",
        ),
        unit="bps", least=0, width=12, height=9, queries=tuple(queries),
        colours={DOWN.en: BLUE, DOWN.fr: BLUE, UP.en: ORANGE, UP.fr: ORANGE,
                 f"{DOWN.en}, {promised.en}": SKY, f"{DOWN.fr}, {promised.fr}": SKY,
                 f"{UP.en}, {promised.en}": VERMILLION, f"{UP.fr}, {promised.fr}": VERMILLION},
    )  # fmt: skip
    loaded = f"max by (site, direction) (netwatch_loaded_rtt_seconds{{{ONE}}})"
    idle = f"max by (site) (netwatch_idle_rtt_seconds{{{ONE}}})"
    bloat = build_bloat(
        Query(
            expression=f"{loaded} - on (site) group_left () {idle}", legend=same("{{direction}}")
        ),
        Query(expression=idle, legend=Text("idle", "au repos")),
    )
    return rate, bloat
