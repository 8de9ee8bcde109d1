"""The past of the centre's bench: what Prometheus would hold of each kind of site.

Rule of this file: one model of each kind, as OpenMetrics text that promtool makes a block of;
the other sites are copies of their kind's model under their own labels. Raw series are the
agent's own text, read at the instants at which something changes, counters in straight lines
between. Recorded series are what their rules say, worked out from the books.
"""

from __future__ import annotations

import json
import subprocess
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.blocks import copy_block
from bench.centre_copies import MINUTE_S, MONTH_DAYS, OF, Copier, list_constants
from bench.centre_sites import BOOKS_MS, Site, build_kinds
from bench.fleet_life import TEST_EVERY_MS, State, build_agent, sum_link
from netwatch.fleet.model import Inventory
from netwatch.fleet.series import (
    ADDED_DELAY,
    BOOKED,
    COUNTER,
    HELD,
    HOURLY,
    LIVE,
    RESPONSIVENESS,
    SITE,
    TESTED,
    WINDOW,
)
from netwatch.fleet.windows import WINDOWS
from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.records import CAUSES, Verdict

PAST_DAYS, DAY_HOURS = 66, 26
SCRAPE_S = 30
#: Raw series of which a page reads a month, or a week.
LONG = (
    "netwatch_bandwidth_test_timestamp_seconds",
    "netwatch_throughput_bytes_per_second",
    "netwatch_loaded_rtt_seconds",
    "netwatch_idle_rtt_seconds",
    "netwatch_responsiveness_rpm",
    "netwatch_snapshot_timestamp_seconds",
)
_PAIRS = tuple(
    (verdict, cause) for verdict, causes in CAUSES.items() for cause in causes or (None,)
)
_PROMISED = 0.999
_RESTORE_S = 4 * 3_600
#: Raw series -> what is recorded of them, at the end of each hour.
_HOURLY = {
    "netwatch_loaded_rtt_seconds": ADDED_DELAY,
    "netwatch_responsiveness_rpm": RESPONSIVENESS,
}


def fill(folder: Path, inventory: Inventory, now_s: int) -> dict[str, object]:
    """Blocks below ``folder/data`` up to ``now_s``; what was filled, in words and numbers."""
    source = folder / "past.txt"
    with source.open("w", encoding="utf-8") as file:
        for name, kind in build_kinds(now_s * 1_000).items():
            for lines in _Model(name, kind, now_s).list_series():
                file.writelines(lines)
        file.writelines(list_constants(inventory, now_s))
        file.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet",
         "--max-block-duration=2304h", str(source), str(folder / "model")],
        check=True, capture_output=True,
    )  # fmt: skip
    source.unlink()
    copier = Copier(inventory)
    series = total = 0
    for block in (folder / "model").iterdir():
        # What is in an older block goes on in the newest, which has all.
        series = max(series, copy_block(block, folder / "data", copier))
    for meta in (folder / "data").glob("*/meta.json"):
        total += json.loads(meta.read_text(encoding="ascii"))["stats"]["numSamples"]
    return {
        "series": series,
        "samples_million": round(total / 1e6),
        f"{MONTH_DAYS}_days_every_{SCRAPE_S}_s": f"{HELD} of the many, and of them {', '.join(LONG)}",
        f"{MONTH_DAYS}_days_every_{MINUTE_S}_s": f"{TESTED} of the many, {SITE}, contracts",
        f"{DAY_HOURS}_hours_every_{SCRAPE_S}_s": "all that an agent exports; verdicts, causes",
        f"{DAY_HOURS}_hours_every_{MINUTE_S}_s": "all figures of windows; at the last month's end too",
        f"{PAST_DAYS}_days": f"{HOURLY}, what load does, each hour; incidents and time to restore while they lasted",
        "live": "every agent scraped and every rule evaluated by this Prometheus since",
    }  # fmt: skip


class _Model:
    """One kind's series over the past."""

    def __init__(self, name: str, kind: Site, now_s: int) -> None:
        self._site = f"@{name}"
        self._state: State = kind.state
        self._many = name.startswith("plain-")
        self._now_s = now_s
        self._end_s = now_s - kind.silent_min * 60
        self._began_ms = now_s * 1_000 - BOOKS_MS
        day_s = now_s - DAY_HOURS * 3_600
        self._day = range(day_s, self._end_s, SCRAPE_S)
        self._month = range(now_s - MONTH_DAYS * 86_400, self._end_s, SCRAPE_S)

    def list_series(self) -> Iterator[list[str]]:
        """Every series, each with all of its lines."""
        yield from self._list_raw()
        yield from self._list_counters()
        yield from self._list_windows()
        yield from self._list_present()
        yield from self._list_outages()

    def _write(
        self, name: str, of: str, labels: Iterable[tuple[str, str]],
        values: Iterable[tuple[int, float]],
    ) -> list[str]:  # fmt: skip
        said = ",".join(f'{key}="{value}"' for key, value in labels)
        head = f'{name}{{site="{self._site}",{OF}="{of}"{"," if said else ""}{said}}}'
        return [f"{head} {value!r} {at_s}\n" for at_s, value in values]

    # -- the agent's own -------------------------------------------------------------------

    def _list_raw(self) -> Iterator[list[str]]:
        begin_s = self._month[0] if self._many else self._day[0]
        changes = {begin_s, self._end_s, self._day[0], *range(
            begin_s // 21_600 * 21_600 + 21_600, self._end_s, TEST_EVERY_MS // 1_000)}  # fmt: skip
        for change_ms in (
            self._state.since_ms, self._state.books_since_ms, self._state.waits_since_ms,
        ):  # fmt: skip
            if begin_s * 1_000 < change_ms < self._end_s * 1_000:
                changes |= {change_ms // 1_000 - 1, change_ms // 1_000}
        marks = sorted(changes)
        texts = [self._read(at_s) for at_s in marks]
        for key in {key for text in texts for key in text}:
            name = key.partition("{")[0]
            if name == COUNTER:
                continue
            instants = self._month if self._many and name in LONG else self._day
            grows = name.endswith(("_total", "_bucket", "_rows"))
            values = []
            for at_s in instants:
                place = bisect_right(marks, at_s) - 1
                before = texts[place].get(key)
                if before is None:
                    continue
                value = before
                after = texts[place + 1].get(key, before) if place + 1 < len(marks) else before
                if name == "netwatch_snapshot_timestamp_seconds":
                    value = float(at_s)
                elif grows and after > before:
                    whole = (at_s - marks[place]) / (marks[place + 1] - marks[place])
                    value = before + (after - before) * whole
                values.append((at_s, value))
            labels = key.partition("{")[2].rstrip("}")
            if name in _HOURLY:
                record = _HOURLY[name]
                head = f'{record}{{site="{self._site}",{OF}="line"{"," if labels else ""}{labels}}}'
                yield [
                    f"{head} {value!r} {at_s}\n" for at_s, value in values if at_s % 3_600 >= 3_570
                ]
            if name == "netwatch_throughput_bytes_per_second":
                # The rule's, a minute apart and for half an hour from each test.
                head = f'{TESTED}{{site="{self._site}",{OF}="line",{labels}}}'
                yield [
                    f"{head} {value!r} {at_s}\n"
                    for at_s, value in values
                    if at_s % 21_600 < 1_800 and at_s % 60 < SCRAPE_S
                ]
            head = f'{name}{{site="{self._site}",{OF}="target"{"," if labels else ""}{labels}}}'
            yield [f"{head} {value!r} {at_s}\n" for at_s, value in values]
        yield self._write("up", "target", (), ((at_s, 1.0) for at_s in self._day))
        if self._end_s < self._now_s:
            silent = range(self._end_s + 120, self._now_s, SCRAPE_S)
            yield self._write("up", "target", (), ((at_s, 0.0) for at_s in silent))
            yield self._write("netwatch:site_silent", "target", (), ((at, 1.0) for at in silent))

    def _read(self, at_s: int) -> dict[str, float]:
        snapshot = build_agent(0, self._state, at_s * 1_000, self._began_ms)
        text = MetricsRenderer()(snapshot)[0].decode()
        pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {key: float(value) for key, _, value in pairs}

    # -- the books -------------------------------------------------------------------------

    def _sum(self, at_s: int) -> dict[tuple[str, str], float]:
        """Seconds by verdict and cause, as the counters have them."""
        at_ms, began_ms = at_s * 1_000, self._began_ms
        if at_ms >= self._state.books_since_ms:
            began_ms = max(began_ms, self._state.books_since_ms)
        held = sum_link(self._state, at_ms, began_ms)
        return {
            (verdict.value, cause.value if cause else "none"): held.get((verdict, cause), 0) / 1_000
            for verdict, cause in _PAIRS
        }

    def _list_counters(self) -> Iterator[list[str]]:
        recent_s = self._now_s - 4 * 86_400
        month_s = self._now_s - 30 * 86_400
        held = [
            at_s
            for at_s in self._month
            if self._many or at_s > recent_s or abs(at_s - month_s) < 7_200
        ]
        hours = [
            at_s
            for at_s in range(self._now_s - PAST_DAYS * 86_400, self._end_s, SCRAPE_S)
            if at_s % 3_600 >= 3_570
        ]
        by_verdict: dict[str, list[tuple[int, float]]] = {}
        for at_s in hours:
            for (verdict, _), value in self._sum(at_s).items():
                values = by_verdict.setdefault(verdict, [])
                before = values.pop()[1] if values and values[-1][0] == at_s else 0.0
                values.append((at_s, before + value))
        for verdict, values in by_verdict.items():
            yield self._write(HOURLY, "site", (("verdict", verdict),), values)
        for name, of, instants in (
            (COUNTER, "target", self._day), (LIVE, "site", self._day), (HELD, "site", held),
        ):  # fmt: skip
            sums = [(at_s, self._sum(at_s)) for at_s in instants]
            for verdict, cause in sums[0][1]:
                yield self._write(
                    name, of, (("verdict", verdict), ("cause", cause)),
                    ((at_s, each[verdict, cause]) for at_s, each in sums),
                )  # fmt: skip
        yield self._write(
            BOOKED, "site", (), ((at_s, sum(self._sum(at_s).values())) for at_s in self._day)
        )

    def _list_windows(self) -> Iterator[list[str]]:
        # The pages of commitments look at the end of the last civil month.
        ended_s = _begin_of_month(self._now_s)
        instants = sorted(
            {*range(ended_s - 3_600, ended_s + 1, MINUTE_S),
             *range(self._day[0], self._end_s, MINUTE_S)}
        )  # fmt: skip
        for window, window_s in WINDOWS.items():
            grown: dict[tuple[str, str], list[tuple[int, float]]] = {}
            shares: dict[str, list[tuple[int, float]]] = {}
            for at_s in instants:
                now, before = self._sum(at_s), self._sum(at_s - window_s)
                increase = {pair: max(0.0, now[pair] - before[pair]) for pair in now}
                for pair, value in increase.items():
                    if value > 0:
                        grown.setdefault(pair, []).append((at_s, value))
                for name, value in _share(increase).items():
                    shares.setdefault(name, []).append((at_s, value))
            for (verdict, cause), values in grown.items():
                labels = (("window", window), ("verdict", verdict), ("cause", cause))
                yield self._write(WINDOW, "site", labels, values)
            for name, values in shares.items():
                of = "site" if name.endswith(":window") else "line"
                yield self._write(name, of, (("window", window),), values)

    # -- what is so ------------------------------------------------------------------------

    def _list_present(self) -> Iterator[list[str]]:
        since_s, state = self._state.since_ms // 1_000, self._state
        before = [at_s for at_s in self._day if at_s < since_s or not since_s]
        after = [at_s for at_s in self._day if since_s and at_s >= since_s]
        for verdict, instants in ((Verdict.UP.value, before), (state.verdict.value, after)):
            values = ((at_s, 1.0) for at_s in instants)
            yield self._write("netwatch:site_verdict", "line", (("verdict", verdict),), values)
        if state.cause is not None:
            labels = (("verdict", state.verdict.value), ("cause", state.cause.value))
            values = ((at_s, 1.0) for at_s in after)
            yield self._write("netwatch:site_cause", "line", labels, values)

    def _list_outages(self) -> Iterator[list[str]]:
        """An hour down every ninth day of the books, and the one that lasts."""
        nine_s = 9 * 86_400
        began_s = self._began_ms // 1_000
        outages = [
            (end_s - 3_600, end_s) for end_s in range(began_s + nine_s, self._end_s, nine_s)
            if end_s > self._now_s - PAST_DAYS * 86_400
        ]  # fmt: skip
        if self._state.verdict is Verdict.DOWN:
            outages.append((self._state.since_ms // 1_000, self._end_s))
        lasted = [
            (at_s, start_s)
            for start_s, end_s in outages
            for at_s in range(start_s + 30, end_s, SCRAPE_S)
        ]
        start = "netwatch:incident_start_timestamp_seconds"
        used = "netwatch:restore_used_ratio"
        yield self._write(start, "site", (), ((at_s, float(start_s)) for at_s, start_s in lasted))
        yield self._write(
            used, "line", (), ((at_s, (at_s - start_s) / _RESTORE_S) for at_s, start_s in lasted)
        )


def _begin_of_month(now_s: int) -> int:
    """00:00 UTC of the first of the present month."""
    now = datetime.fromtimestamp(now_s, UTC)
    return int(datetime(now.year, now.month, 1, tzinfo=UTC).timestamp())


def _share(increase: dict[tuple[str, str], float]) -> dict[str, float]:
    """As `recording_rules.build_share_rules` has them."""
    booked = sum(increase.values())
    known = sum(value for (verdict, _), value in increase.items() if verdict != "unknown")
    counted = sum(value for (verdict, _), value in increase.items() if verdict == "down")
    if booked <= 0:
        return {}
    figures = {
        "netwatch:booked_seconds:window": booked,
        "netwatch:known_seconds:window": known,
        "netwatch:counted_seconds:window": counted,
        "netwatch:availability_low_ratio": (known - counted) / booked,
        "netwatch:coverage_ratio": known / booked,
    }
    if known > 0:
        figures["netwatch:availability_ratio"] = 1 - counted / known
        figures["netwatch:burn_rate"] = counted / known / (1 - _PROMISED)
    return figures
