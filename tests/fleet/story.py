"""Made-up lives of agents as counter series, and `promtool test rules` over them.

Rule of this file: a story is spans on a scale of seconds; what an agent would export at each
scrape is added up from them exactly, and Prometheus' own tool evaluates the rules over it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from netwatch.fleet.inventory import build_inventory
from netwatch.fleet.model import Inventory
from netwatch.fleet.rules import build_rules, write_rules
from netwatch.fleet.targets import build_labels
from netwatch.records import CAUSES

STEP_S = 30
DAY_S = 86_400
YEARS = range(1970, 1973)

#: A stretch of one verdict and cause, in seconds: (verdict, cause, from, to).
Stretch = tuple[str, str, int, int]

CONTRACTS = [
    {"name": "gold", "availability": Decimal("0.999"), "restore_within": "4h"},
    {"name": "bureau", "availability": Decimal("0.99"), "restore_within": "2h",
     "calendar": ["mon-fri 08:00-18:00"], "counted_causes": ["access", "upstream"]},
]  # fmt: skip


def build_fleet(*sites: tuple[str, str, str | None]) -> Inventory:
    """An inventory of (id, operator, contract)."""
    return build_inventory(
        {
            "operator": [{"name": name} for name in sorted({operator for _, operator, _ in sites})],
            "contract": CONTRACTS,
            "site": [
                {
                    "id": name,
                    "name": f"Site {name}",
                    "address": f"{name}.example.fr",
                    "timezone": "UTC",
                    "circuit": {"operator": operator, **({"contract": terms} if terms else {})},
                }
                for name, operator, terms in sites
            ],
        },
        "fleet.toml",
    )


def build_counters(
    life: Sequence[Stretch],
    until_s: int,
    *,
    unread: Sequence[tuple[int, int]] = (),
    lost: Sequence[tuple[int, int]] = (),
    begun_s: int = 0,
    step_s: int = STEP_S,
) -> dict[tuple[str, str], list[float | None]]:
    """Each counter's value at every scrape from 0 on; None where no scrape came through.

    What no stretch covers is up. ``unread`` are stretches without a scrape; ``lost`` ones
    that an agent had counted and, after a power cut at their end, enters as unknown.
    ``begun_s`` (mostly negative) is when the books began.
    """
    pairs = [(v.value, c.value if c else "none") for v, causes in CAUSES.items()
             for c in causes or (None,)]  # fmt: skip
    series: dict[tuple[str, str], list[float | None]] = {pair: [] for pair in pairs}
    for at_s in range(0, until_s + 1, step_s):
        if at_s < begun_s or any(start <= at_s < end for start, end in unread):
            for values in series.values():
                values.append(None)
            continue
        totals = dict.fromkeys(pairs, 0.0)
        told = [(("unknown", "agent"), start, end) for start, end in lost if at_s >= end] + [
            ((verdict, cause), start, end) for verdict, cause, start, end in life
        ]
        covered: list[tuple[int, int]] = []
        for pair, from_s, to_s in told:
            start, end = max(from_s, begun_s), min(to_s, at_s)
            overlap = sum(max(0, min(end, e) - max(start, s)) for s, e in covered)
            totals[pair] += max(0, end - start - overlap) if end > start else 0
            if end > start:
                covered.append((start, end))
        totals["up", "none"] = (
            at_s - begun_s - sum(value for pair, value in totals.items() if pair != ("up", "none"))
        )
        for pair, value in totals.items():
            series[pair].append(value)
    return series


def build_input(
    inventory: Inventory,
    site_id: str,
    counters: Mapping[tuple[str, str], Sequence[float | None]],
    *,
    life: Sequence[Stretch] = (),
    step_s: int = STEP_S,
) -> list[dict[str, str]]:
    """Promtool's series for one site: counters, the present verdict, since when, and `up`."""
    labels = {**build_labels(inventory.site(site_id)), "instance": site_id, "job": "netwatch"}
    lines = [
        _series("netwatch_link_seconds_total", values, verdict=verdict, cause=cause, **labels)
        for (verdict, cause), values in counters.items()
    ]
    read = [value is not None for value in counters["up", "none"]]
    now = [_at(life, number * step_s) for number in range(len(read))]
    for verdict in ("up", "degraded", "down", "unknown"):
        present = [
            float(stretch[0] == verdict) if known else None
            for stretch, known in zip(now, read, strict=True)
        ]
        lines.append(_series("netwatch_link_verdict", present, verdict=verdict, **labels))
    since = [float(s[2]) if known else None for s, known in zip(now, read, strict=True)]
    lines.append(_series("netwatch_link_changed_timestamp_seconds", since, **labels))
    lines.append(_series("up", [float(known) for known in read], **labels))
    return lines


def _at(life: Sequence[Stretch], at_s: int) -> Stretch:
    ended = max((end for _, _, _, end in life if end <= at_s), default=0)
    return next((each for each in life if each[2] <= at_s < each[3]), ("up", "none", ended, 0))


def _series(name: str, values: Iterable[float | None], **labels: str) -> dict[str, str]:
    selector = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    return {
        "series": f"{name}{{{selector}}}",
        "values": " ".join("_" if value is None else f"{value:.3f}" for value in values),
    }


def run_promtool(
    folder: Path,
    inventory: Inventory,
    series: Sequence[dict[str, str]],
    *,
    expressions: Sequence[tuple[int, str, Mapping[str, float]]] = (),
    alerts: Sequence[tuple[int, str, Sequence[Mapping[str, object]]]] = (),
    holidays: Mapping[str, frozenset[date]] | None = None,
    step_s: int = STEP_S,
) -> None:
    """Evaluate the inventory's rules over the series, and hold what is expected.

    An expression is (at, PromQL, {labels as promtool writes them: value}); an alert (at,
    its name, what fires). Raises AssertionError with promtool's own words.
    """
    files = build_rules(inventory, holidays or {}, YEARS)
    write_rules(folder, files)
    document = {
        "rule_files": list(files),
        "evaluation_interval": f"{step_s}s",
        "group_eval_order": [
            "netwatch-inventory", "netwatch-counters", "netwatch-windows",
            "netwatch-incidents", "netwatch-alerts",
        ],
        "tests": [
            {
                "interval": f"{step_s}s",
                "input_series": list(series),
                "promql_expr_test": [
                    {
                        "expr": expression,
                        "eval_time": f"{at_s}s",
                        "exp_samples": [
                            {"labels": labels, "value": value} for labels, value in wanted.items()
                        ],
                    }
                    for at_s, expression, wanted in expressions
                ],
                "alert_rule_test": [
                    {"eval_time": f"{at_s}s", "alertname": name, "exp_alerts": list(wanted)}
                    for at_s, name, wanted in alerts
                ],
            }
        ],
    }  # fmt: skip
    (folder / "test.yml").write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "TZ": "UTC"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
