"""The measurements on the page of one site: latency, loss, throughput.

Rule of this file: what was not measured has no line.
"""

from __future__ import annotations

from dashboards.form import Panel, Query, Text, same
from dashboards.promql import ONE, build_guarantee
from dashboards.words import BLUE, GREY, ORANGE, SKY, VERMILLION


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
            "Median and 95th and 99th percentiles of answered probes, from a histogram of ten "
            "buckets: between two bounds they are interpolated. Lost probes have no time and are "
            "in the panel beside. Probes during a throughput test are left out.",
            "Médiane, 95e et 99e centiles des sondes qui ont eu réponse, d’après un histogramme de dix "
            "classes : entre deux bornes, ils sont interpolés. Les sondes perdues n’ont pas de temps "
            "et figurent à côté. Les sondes pendant un test de débit sont écartées.",
        ),
        unit="s", least=0, width=12, height=9,
        queries=tuple(Query(expression=share(quantile), legend=same(f"{{{{target}}}} {name}"))
                      for quantile, name in (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))),
    )  # fmt: skip
    loss = Panel(
        kind="line", title=Text("Loss by target", "Perte par cible"),
        description=Text(
            "Share of probes without an answer. No line where no probe was sent.",
            "Part des sondes sans réponse. Pas de courbe quand aucune sonde n’a été envoyée.",
        ),
        unit="percentunit", least=0, width=12, height=9,
        queries=(Query(expression=f"({failed} or {sent} * 0) / ({sent} > 0)",
                       legend=same("{{target}}")),),
    )  # fmt: skip
    return rtt, loss


def build_throughput() -> tuple[Panel, ...]:
    """Tests against the guarantee, and what load does to the delay."""
    down, up = Text("down", "descendant"), Text("up", "montant")
    promised = Text("guaranteed", "garanti")
    queries = []
    for direction, words in (("down", down), ("up", up)):
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
        colours={down.en: BLUE, down.fr: BLUE, up.en: ORANGE, up.fr: ORANGE,
                 f"{down.en}, {promised.en}": SKY, f"{down.fr}, {promised.fr}": SKY,
                 f"{up.en}, {promised.en}": VERMILLION, f"{up.fr}, {promised.fr}": VERMILLION},
    )  # fmt: skip
    loaded = f"max by (site, direction) (netwatch_loaded_rtt_seconds{{{ONE}}})"
    idle = f"max by (site) (netwatch_idle_rtt_seconds{{{ONE}}})"
    bloat = Panel(
        kind="line", title=Text("Delay that load adds (bufferbloat)",
                                "Délai ajouté par la charge (bufferbloat)"),
        description=Text(
            "Median round trip while a test loads the line, less that of the seconds before it.",
            "Temps aller-retour médian pendant qu’un test charge la ligne, moins celui des secondes "
            "qui précèdent.",
        ),
        unit="s", width=12, height=9,
        queries=(
            Query(expression=f"{loaded} - on (site) group_left () {idle}",
                  legend=same("{{direction}}")),
            Query(expression=idle, legend=Text("idle", "au repos")),
        ),
        colours={"down": BLUE, "up": ORANGE, "idle": GREY, "au repos": GREY},
    )  # fmt: skip
    return rate, bloat
