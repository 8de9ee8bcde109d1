"""What Grafana would ask for the committed dashboards, and what the rules ask.

Rule of this file: the steps and variables are Grafana's own for a screen 1 920 pixels wide;
the times are those that each page opens with. It asks nothing itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bench.fleet_life import TEST_EVERY_MS
from netwatch.fleet.alerting_rules import build_alerting_groups
from netwatch.fleet.model import Inventory
from netwatch.fleet.recording_rules import build_recording_groups
from netwatch.fleet.series import ADDED_DELAY, HOURLY, RESPONSIVENESS, TESTED

_FOLDER = Path(__file__).parents[1] / "dashboards" / "prometheus" / "en"
_SCRAPE_S = 30
_TEST_EVERY_S = TEST_EVERY_MS // 1_000
_PIXELS_PER_COLUMN = 76
_MOST_POINTS = 11_000  # Prometheus refuses more
_SPANS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
#: Grafana's roundInterval: below the first, the second (both in seconds).
_ROUND = (
    (1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60),
    (210, 120), (450, 300), (750, 600), (1_050, 900), (1_500, 1_200), (2_700, 1_800),
    (5_400, 3_600), (9_000, 7_200), (16_200, 10_800), (32_400, 21_600), (86_400, 43_200),
    (604_800, 86_400),
)  # fmt: skip


class Question(NamedTuple):
    """One expression, ready to be asked; ``step_s`` is None for an instant alone."""

    where: str
    expression: str
    begin_s: float
    end_s: float
    step_s: int | None
    #: It is about the one site that a page shows.
    one_site: bool = False


def list_panel_questions(now_s: int) -> Iterator[Question]:
    """Every expression of every panel, mark and variable; ``$site`` is left where one is chosen."""
    for path in sorted(_FOLDER.glob("*.json")):
        page = json.loads(path.read_text(encoding="utf-8"))
        for panel in page["panels"]:
            begin_s, end_s = _range(page, panel, now_s)
            for target in panel.get("targets", []):
                step_s = _step(
                    end_s - begin_s,
                    panel.get("maxDataPoints") or panel["gridPos"]["w"] * _PIXELS_PER_COLUMN,
                    target.get("interval"),
                )  # fmt: skip
                if target.get("instant"):
                    begin, end, step = begin_s, end_s, None
                else:
                    begin, end = (at_s // step_s * step_s for at_s in (begin_s, end_s))
                    step = step_s
                yield Question(
                    f"{path.stem} / {panel['title']}",
                    _fill_in(target["expr"], end_s - begin_s, step_s), begin, end, step,
                    one_site='site="$site"' in target["expr"],
                )  # fmt: skip
        for mark in page["annotations"]["list"]:
            if "expr" in mark:
                begin_s, end_s = _range(page, {}, now_s)
                step_s = max(60, int((end_s - begin_s) / _MOST_POINTS) + 1)
                yield Question(
                    f"{path.stem} / mark {mark['name']}",
                    _fill_in(mark["expr"], end_s - begin_s, step_s),
                    begin_s // step_s * step_s, end_s // step_s * step_s, step_s,
                    one_site='site="$site"' in mark["expr"],
                )  # fmt: skip


def list_variables() -> Iterator[tuple[str, str]]:
    """Where, and the series whose labels Grafana asks for."""
    for path in sorted(_FOLDER.glob("*.json")):
        page = json.loads(path.read_text(encoding="utf-8"))
        for variable in page["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
                assert found is not None
                yield f"{path.stem} / variable {variable['name']}", _fill_in(found[1], 0, 0)


def list_rule_questions(
    inventory: Inventory, years: range, now_s: float, past_s: int
) -> Iterator[Question]:
    """Every recording and alerting rule's expression; those of constants alone are one.

    Asked now, but for rules that say something at some moments alone: those are asked at the
    newest such moment before ``past_s``.
    """
    hour_s = float(past_s // 3_600 * 3_600 - 15)
    test_s = float((past_s - 900) // _TEST_EVERY_S * _TEST_EVERY_S + 600)
    moments = {HOURLY: hour_s, ADDED_DELAY: hour_s, RESPONSIVENESS: hour_s, TESTED: test_s}
    groups = [
        *build_recording_groups(inventory, {}, years),
        *build_alerting_groups(inventory, years, dated=True),
    ]
    seen: set[str] = set()
    for group in groups:
        rules: Any = group["rules"]
        for rule in rules:
            if rule["expr"] not in seen:
                seen.add(rule["expr"])
                name = rule.get("record") or rule["alert"]
                at_s = moments.get(name, now_s)
                yield Question(f"rule {name}", rule["expr"], at_s, at_s, None)


def _range(page: dict[str, Any], panel: dict[str, Any], now_s: int) -> tuple[float, float]:
    """From when to when, in seconds."""
    if "timeFrom" in panel:
        # Grafana moves the beginning alone, from the page's own end.
        _, end_s = _range(page, {}, now_s)
        return end_s - parse_span(panel["timeFrom"]), end_s
    begin, end = page["time"]["from"], page["time"]["to"]
    if (begin, end) == ("now-1M/M", "now-1M/M"):
        first = datetime.fromtimestamp(now_s, UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        before = (first - timedelta(days=1)).replace(day=1)
        return before.timestamp(), first.timestamp()
    assert end == "now"
    return now_s - parse_span(begin.removeprefix("now-")), now_s


def _step(range_s: float, pixels: int, least: str | None) -> int:
    """The distance of two points, as Grafana chooses it."""
    rough_s = range_s / pixels
    rounded = next((value for bound, value in _ROUND if rough_s < bound), 604_800)
    least_s = parse_span(least) if least else _SCRAPE_S
    return max(rounded, least_s, int(range_s / _MOST_POINTS))


def parse_span(text: str) -> int:
    """Seconds of ``30s``, ``6h``, ``400d``.

    >>> parse_span("6h")
    21600
    """
    return int(text[:-1]) * _SPANS[text[-1]]


def _fill_in(expression: str, range_s: float, step_s: int) -> str:
    values = {
        "__range": f"{round(range_s)}s",
        "__rate_interval": f"{max(step_s + _SCRAPE_S, 4 * _SCRAPE_S)}s",
        "__interval": f"{step_s}s",
        "operator": ".*",
        "commune": ".*",
    }
    chosen = expression.replace('site=~"$site"', 'site=~".*"')
    return re.sub(r"\$(\w+)", lambda match: values.get(match[1], match[0]), chosen)
