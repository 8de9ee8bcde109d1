"""Every question of dashboards and rules, against the promise: none fails, is empty, or slow.

Rule of this file: a real Prometheus with a month of two hundred sites, which scrapes them and
evaluates the rules while it is asked. Each question is asked three times; other work on the
machine only ever adds, so the quickest counts. What a question takes of the server's CPU is
what it would take on a machine with nothing beside; its seconds by the clock are told too.
What was filled in is said with the figures.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.centre_past import fill
from bench.centre_queries import (
    Question,
    list_panel_questions,
    list_rule_questions,
    list_variables,
)
from bench.centre_sites import BOOKS_MS, SITES, build_centre_inventory, list_kinds
from bench.processes import read_cpu_s, read_resident
from bench.scrape_fleet import open_agents, read_rules, watched

_PROMISED_MS = 1_000
_TIMES = 3
#: Until every rule has been evaluated over live scrapes, and what builds on it too.
_WARM_UP_S = 200


class Answer(NamedTuple):
    """How one question went; ``problem`` is the server's own words."""

    where: str
    expression: str
    series: int
    cpu_ms: float
    clock_ms: float
    problem: str | None


def run(*, quick: bool = False) -> dict[str, Any]:
    """How many expressions, which failed or were empty, and the slowest."""
    now_s = int(time.time())
    year = time.gmtime(now_s).tm_year
    with (
        tempfile.TemporaryDirectory() as name,
        open_agents(now_s * 1_000 - BOOKS_MS, now_s * 1_000) as (port, _),
    ):
        folder = Path(name)
        inventory = build_centre_inventory(port)
        filled = fill(folder, inventory, now_s)
        # Of years that are over: somebody is told that the rules are out of date.
        years = range(year - 1, year)
        with watched(folder, inventory, years) as (url, server):
            time.sleep(_WARM_UP_S)
            before_s = read_cpu_s(server)
            asker = _Asker(url, server, 1 if quick else _TIMES)
            panels = _merge(_ask_panels(asker))
            variables = [asker.ask_series(*each) for each in list_variables()]
            now = time.time()
            rules = [asker.ask(each) for each in list_rule_questions(inventory, years, now, now_s)]
            cpu_s, resident = read_cpu_s(server) - before_s, read_resident(server)
            evaluated = read_rules(url)
    answers = [*panels, *variables, *rules]
    failed = [each for each in answers if each.problem is not None]
    empty = [each for each in answers if each.problem is None and not each.series]
    slow = [each for each in answers if each.clock_ms > _PROMISED_MS]
    slowest = sorted(answers, key=lambda each: each.cpu_ms, reverse=True)
    return {
        "goal": f"no expression fails, none is empty, none takes over {_PROMISED_MS / 1e3:g} s at "
        f"{SITES} sites and a month of data",
        "sites": SITES,
        "cores": os.cpu_count(),
        "expressions": len(answers),
        "of_panels": len(panels),
        "of_variables": len(variables),
        "of_rules": len(rules),
        "failed": [f"{each.where}: {each.problem}: {each.expression}" for each in failed],
        "empty": [f"{each.where}: {each.expression}" for each in empty],
        "slow": [f"{each.where}: {each.clock_ms:.0f} ms: {each.expression}" for each in slow],
        "median_clock_ms": round(statistics.median(each.clock_ms for each in answers), 1),
        "slowest_cpu_ms": slowest[0].cpu_ms,
        "slowest": {
            each.where: f"{each.cpu_ms} ms of CPU, {each.clock_ms:.0f} ms by the clock"
            for each in slowest[:8]
        },
        "prometheus_cpu_s": round(cpu_s, 1),
        "prometheus_mb": round(resident / 1e6),
        "evaluated": evaluated,
        "filled": filled,
        "reached": not failed and not empty and not slow and not evaluated["rules_failed"],
    }


def _ask_panels(asker: _Asker) -> Iterator[Answer]:
    kinds = list_kinds()
    # One site of each kind: a page of one site is not empty if one of them has it.
    numbers = [kinds.index(kind) for kind in dict.fromkeys(kinds)]
    for question in list_panel_questions(int(time.time())):
        chosen = numbers if question.one_site else [0]
        for number in chosen:
            expression = question.expression.replace("$site", f"site-{number:04}")
            yield asker.ask(question._replace(expression=expression))


def _merge(answers: Iterator[Answer]) -> list[Answer]:
    """Answers of one expression for several sites as one: all their series, the slowest's times."""
    found: dict[tuple[str, str], Answer] = {}
    for each in answers:
        key = (each.where, _unnamed(each.expression))
        before = found.get(key, each._replace(series=0))
        slower = max(before, each, key=lambda one: one.cpu_ms)
        found[key] = slower._replace(
            series=before.series + each.series, problem=before.problem or each.problem
        )
    return list(found.values())


def _unnamed(expression: str) -> str:
    head, *rest = expression.split('site="site-')
    return head + "".join(part[4:] for part in rest)


class _Asker:
    """Asks one server, whose CPU is looked at before and after."""

    def __init__(self, url: str, process: int, times: int) -> None:
        self._url = url
        self._times = times
        self._process = process

    def ask(self, question: Question) -> Answer:
        """An instant or a range, as Grafana asks for it."""
        if question.step_s is None:
            path, query = "query", {"time": repr(question.end_s)}
        else:
            path = "query_range"
            query = {"start": repr(question.begin_s), "end": repr(question.end_s),
                     "step": str(question.step_s)}  # fmt: skip
        query["query"] = question.expression
        return self._time(path, query, question.where, question.expression)

    def ask_series(self, where: str, selector: str) -> Answer:
        """What a page's variable is chosen from."""
        return self._time("series", {"match[]": selector}, where, selector)

    def _time(self, path: str, query: dict[str, str], where: str, expression: str) -> Answer:
        request = urllib.request.Request(
            f"{self._url}/api/v1/{path}", urllib.parse.urlencode(query).encode()
        )
        clock, cpu = [], []
        for _ in range(self._times):
            before_s, began_s = read_cpu_s(self._process), time.perf_counter()
            try:
                with urllib.request.urlopen(request, timeout=300) as answer:
                    body = answer.read()
            except urllib.error.HTTPError as error:
                body = error.read()
            clock.append((time.perf_counter() - began_s) * 1_000)
            cpu.append((read_cpu_s(self._process) - before_s) * 1_000)
        document = json.loads(body)
        data = document.get("data", [])
        series = len(data["result"] if isinstance(data, dict) else data)
        return Answer(
            where, expression, series, round(min(cpu)), round(min(clock)), document.get("error")
        )


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2))
