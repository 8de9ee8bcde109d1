"""What a committed dashboard asks an InfluxDB, with its variables filled in as Grafana does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from tests.fleet.dashboard_queries import list_panels, parse_span, read_pages

#: A graph as wide as a screen has so many points.
_POINTS = 1_000
_STEPS_S = (1, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800, 43_200, 86_400)


class AskedInflux(msgspec.Struct, frozen=True, kw_only=True):
    """One query of one panel or mark; ``step_s`` is the panel's least step."""

    page: str
    panel: str
    kind: str
    table: bool
    query: str
    columns: tuple[str, ...]
    step_s: int
    begin: str
    end: str


def list_asked(language: str = "en") -> Iterator[AskedInflux]:
    """Every query of every panel and mark, as it is committed."""
    for name, document in read_pages("influx", language).items():
        begin, end = document["time"]["from"], document["time"]["to"]
        for panel in list_panels(document):
            for target in panel["targets"]:
                yield AskedInflux(
                    page=name,
                    panel=panel["title"],
                    kind=panel["type"],
                    table=target["resultFormat"] == "table",
                    query=target["query"],
                    columns=list_columns(panel),
                    step_s=parse_span(panel.get("interval", "1s")),
                    begin=panel.get("timeFrom", begin),
                    end="now" if "timeFrom" in panel else end,
                )
        for mark in document["annotations"]["list"]:
            if "query" in mark:
                yield AskedInflux(
                    page=name, panel=f"mark {mark['name']}", kind="mark", table=True,
                    query=mark["query"], columns=(), step_s=1, begin=begin, end=end,
                )  # fmt: skip


def list_columns(panel: dict[str, object]) -> tuple[str, ...]:
    """The fields that a table arranges, by their names in the store."""
    transformations = panel.get("transformations", [])
    assert isinstance(transformations, list)
    return tuple(
        name for each in transformations if each["id"] == "organize"
        for name in each["options"]["renameByName"]
    )  # fmt: skip


def find_instant(text: str, now_ms: int, *, end: bool = False) -> int:
    """Milliseconds of ``now``, ``now-24h`` and the like; ``now-1M/M`` is the month before, UTC.

    >>> noon_ms = 1730376000000  # 2024-10-31T12:00:00Z
    >>> [find_instant(each, noon_ms) for each in ("now", "now-1h", "now-1M/M")]
    [1730376000000, 1730372400000, 1725148800000]
    """
    if (months := re.fullmatch(r"now-(\d)M/M", text)) is not None:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        number = now.year * 12 + now.month - 1 - int(months[1]) + end
        first = datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
        return int(first.timestamp() * 1000) - end
    return now_ms - (parse_span(text.removeprefix("now-")) * 1000 if text != "now" else 0)


def fill_in(
    query: str, *, from_ms: int, to_ms: int, step_s: int = 1,
    site: Sequence[str] | str = ".*", operator: Sequence[str] | str = ".*",
) -> str:  # fmt: skip
    r"""The query with Grafana's variables and the page's replaced.

    Of a variable several values become ``(a|b)``, each escaped for a regular expression; "all"
    is its pattern as it is.

    >>> fill_in("/^$site$/ time($__interval) ${__to}", from_ms=0, to_ms=3600000, site=("a/b", "c"))
    '/^(a\\/b|c)$/ time(5s) 3600000'
    """
    least_s = max(step_s, (to_ms - from_ms) // 1000 / _POINTS)
    interval_s = next(each for each in _STEPS_S if each >= least_s)
    values = {
        "timeFilter": f"time >= {from_ms}ms and time <= {to_ms}ms",
        "__interval": f"{interval_s}s",
        "__from": str(from_ms),
        "__to": str(to_ms),
        "site": _as_pattern(site),
        "operator": _as_pattern(operator),
    }
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda match: values[match[1] or match[2]], query)


def _as_pattern(chosen: Sequence[str] | str) -> str:
    if isinstance(chosen, str):
        return chosen
    escaped = [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", each) for each in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
