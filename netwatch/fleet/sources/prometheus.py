"""A site's month from the counters that Prometheus scraped.

Rule of this file: which readings are needed, and no more. Whole days in which nothing but
up was booked need their two ends; where anything else was booked the hour is looked for,
and in it every raw sample. What follows from the readings is `core.counter_ledger`'s.

The agent's counters survive restarts and outages, so what could not be scraped is in them
all the same: sums are exact between the first reading and the last, to the millisecond, and
only when something happened can be uncertain, by no more than the time between two scrapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from netwatch.core.counter_ledger import (
    Reading,
    build_steps,
    date_readings,
    measure_doubt,
    place_steps,
)
from netwatch.core.ledger import Key
from netwatch.core.throughput import Direction, ThroughputTest
from netwatch.errors import SourceFailed
from netwatch.fleet.model import FleetSite
from netwatch.fleet.series import COUNTER
from netwatch.fleet.sources.base import Period, SiteMonth
from netwatch.fleet.sources.promql import PromqlStore, Series
from netwatch.records import Cause, Verdict

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
#: Up to where a reading before a day, and one after it, are looked for: what a store reaches back.
_REACH_MS = 300_000
#: More than this at once is asked for in pieces: a store has a limit of points.
_MOST_STEPS = 5_000
_UP: Key = (Verdict.UP, None)


class Prometheus:
    """Reads from Prometheus or whatever answers as it does."""

    def __init__(self, store: PromqlStore) -> None:
        self._store = store

    def list_sites(self, from_ms: int, to_ms: int) -> tuple[str, ...] | None:
        """Every value of the label ``site`` of the counters in this time."""
        return self._store.list_values("site", COUNTER, from_ms, to_ms)

    def read(self, site: FleetSite, period: Period, _folder: Path) -> SiteMonth:
        """Ledger and throughput tests; the store knows no exclusion."""
        selector = f'{COUNTER}{{site="{site.id}"}}'
        readings = self._read_counters(selector, period)
        if not readings:
            raise SourceFailed(
                f"{self._store.url} has nothing of {selector} in {period.name}: "
                "is the site a target, under this id?"
            )
        self._refuse_others(site.id, period)
        dated = date_readings(readings)
        steps = list(build_steps(dated))
        spans = place_steps(steps, period.first_ms, period.last_ms)
        first_ms = dated[0].at_ms
        return SiteMonth(
            site=site.id,
            source="prometheus",
            where=self._store.url,
            edge_ms=measure_doubt(
                step
                for step in steps
                if step.end_ms > period.start_ms and step.start_ms < period.end_ms
            ),
            spans=tuple(span for span in spans if span.end_ms > first_ms),
            tests=self._read_tests(site.id, period),
        )

    def _refuse_others(self, site: str, period: Period) -> None:
        """Counters of another site's agent, scraped under this one's name, are no month of it."""
        # Beside the target's label the agent's own word for its site is kept as this one.
        told = self._store.list_values(
            "exported_site",
            f'netwatch_build_info{{site="{site}"}}',
            period.start_ms,
            period.until_ms,
        )
        others = [each for each in told if each != site]
        if others:
            raise SourceFailed(
                f"{self._store.url}: under {site} the agent of another site answered in "
                f"{period.name}, {', '.join(others)}: set the site's address right; "
                "the agents' own books are whole (--source agents)"
            )

    # -- the ledger's counters ---------------------------------------------------------------

    def _read_counters(self, selector: str, period: Period) -> list[Reading]:
        """Every reading that is needed, in order."""
        found: dict[int, Reading] = {}
        self._refine(selector, period.first_ms, period.last_ms, DAY_MS, found)
        return [found[at_ms] for at_ms in sorted(found)]

    def _refine(
        self, selector: str, from_ms: int, to_ms: int, step_ms: int, found: dict[int, Reading]
    ) -> None:
        """Readings at every step of the range; where they leave a question, finer ones too."""
        ends = list(self._read_coarsely(selector, from_ms, to_ms, step_ms))
        found.update((each.at_ms, each) for each in ends)
        if not ends and step_ms == DAY_MS:
            # Scraped at noon alone, say: nothing within reach of any midnight.
            self._refine(selector, from_ms, to_ms, HOUR_MS, found)
        for start_ms, end_ms in _join(_list_open(ends, from_ms, to_ms, step_ms), DAY_MS):
            if step_ms == DAY_MS and end_ms - start_ms > HOUR_MS:
                self._refine(selector, start_ms, end_ms, HOUR_MS, found)
            else:
                raw = self._read_raw(selector, start_ms - 1, end_ms)
                found.update((each.at_ms, each) for each in raw)

    def _read_coarsely(
        self, selector: str, from_ms: int, to_ms: int, step_ms: int
    ) -> Iterator[Reading]:
        """The newest reading at each step, with the instant at which it was made."""
        at_ms = from_ms
        while at_ms <= to_ms:
            until_ms = min(to_ms, at_ms + (_MOST_STEPS - 1) * step_ms)
            totals = self._store.read_range(
                f"max by (verdict, cause) ({selector})", at_ms, until_ms, step_ms
            )
            made = self._store.read_range(
                f"max by (verdict, cause) (timestamp({selector}))", at_ms, until_ms, step_ms
            )
            yield from _build_readings(totals, made)
            at_ms += _MOST_STEPS * step_ms

    def _read_raw(self, selector: str, from_ms: int, to_ms: int) -> list[Reading]:
        """Every scrape of the range, with the verdict that the line then had."""
        site = selector.removeprefix(COUNTER)
        totals = _collect(self._store.read_samples(selector, from_ms, to_ms))
        since = _read_values(
            self._store.read_samples(
                f"netwatch_link_changed_timestamp_seconds{site}", from_ms, to_ms
            )
        )
        verdicts: dict[int, Verdict] = {}
        for series in self._store.read_samples(f"netwatch_link_verdict{site}", from_ms, to_ms):
            for at_ms, value in series.samples:
                if value == 1 and series.labels.get("verdict") in set(Verdict):
                    verdicts[at_ms] = Verdict(series.labels["verdict"])
        return [
            Reading(
                at_ms=at_ms,
                totals=each,
                since=(verdicts[at_ms], round(since[at_ms] * 1000))
                if at_ms in verdicts and at_ms in since
                else None,
            )
            for at_ms, each in sorted(totals.items())
        ]

    # -- throughput --------------------------------------------------------------------------

    def _read_tests(self, site: str, period: Period) -> tuple[ThroughputTest, ...]:
        """The tests that counted: of two within an hour the later, for a gauge has the newest."""
        chosen = f'{{site="{site}"}}'
        at = (period.start_ms + HOUR_MS, period.until_ms, HOUR_MS)
        if at[0] > at[1]:
            return ()
        begun = _read_values(
            self._store.read_range(f"netwatch_bandwidth_test_timestamp_seconds{chosen}", *at)
        )
        tests: dict[tuple[int, Direction], ThroughputTest] = {}
        for series in self._store.read_range(f"netwatch_throughput_bytes_per_second{chosen}", *at):
            for direction in ("down", "up"):
                if series.labels.get("direction") != direction:
                    continue
                for at_ms, value in series.samples:
                    begun_ms = round(begun[at_ms] * 1000) if at_ms in begun else None
                    if begun_ms is not None and period.start_ms <= begun_ms < period.until_ms:
                        tests[begun_ms, direction] = ThroughputTest(
                            at_ms=begun_ms, direction=direction, bytes_per_second=round(value)
                        )
        return tuple(tests[key] for key in sorted(tests))


def _list_open(
    ends: list[Reading], from_ms: int, to_ms: int, step_ms: int
) -> Iterator[tuple[int, int]]:
    """The stretches of which more must be known than their two ends."""
    if not ends:
        return
    # Before the first reading and after the last there may be others, nearer to the edge.
    beyond_ms = step_ms + _REACH_MS
    if ends[0].at_ms > from_ms:
        yield max(from_ms, ends[0].at_ms - beyond_ms), ends[0].at_ms
    for before, after in pairwise(ends):
        grown = [key for key in after.totals if after.totals[key] != before.totals.get(key, 0)]
        booked_ms = after.booked_ms - before.booked_ms
        slipped_ms = abs(after.at_ms - before.at_ms - booked_ms)
        if grown != [_UP] or booked_ms < 0 or slipped_ms > _REACH_MS:
            yield before.at_ms, after.at_ms
    if ends[-1].at_ms < to_ms:
        yield ends[-1].at_ms, min(to_ms, ends[-1].at_ms + beyond_ms)


def _join(stretches: Iterable[tuple[int, int]], most_ms: int) -> Iterator[tuple[int, int]]:
    """Neighbours made one, and long ones cut: raw samples are asked for by the day.

    >>> list(_join([(0, 2), (2, 3), (5, 6)], 2))
    [(0, 2), (2, 3), (5, 6)]
    """
    joined: list[list[int]] = []
    for start_ms, end_ms in stretches:
        if joined and joined[-1][1] >= start_ms:
            joined[-1][1] = end_ms
        else:
            joined.append([start_ms, end_ms])
    for start_ms, end_ms in joined:
        for at_ms in range(start_ms, end_ms, most_ms):
            yield at_ms, min(end_ms, at_ms + most_ms)


def _build_readings(totals: list[Series], made: list[Series]) -> Iterator[Reading]:
    instants = {
        at_ms: round(value * 1000)
        for series in made
        for at_ms, value in series.samples
        if not math.isnan(value)
    }
    before_ms = None
    for at_ms, each in sorted(_collect(totals).items()):
        made_ms = instants.get(at_ms, at_ms)
        if made_ms != before_ms:
            yield Reading(at_ms=made_ms, totals=each)
        before_ms = made_ms


def _collect(series: list[Series]) -> dict[int, dict[Key, int]]:
    """Totals in milliseconds by instant; of two series of one pair the larger."""
    found: dict[int, dict[Key, int]] = {}
    for each in series:
        key = _parse_key(each.labels)
        if key is None:
            continue
        for at_ms, value in each.samples:
            if not math.isnan(value):
                totals = found.setdefault(at_ms, {})
                totals[key] = max(totals.get(key, 0), round(value * 1000))
    return found


def _parse_key(labels: Mapping[str, str]) -> Key | None:
    """The pair of a series; None for one that this version does not know.

    >>> _parse_key({"verdict": "down", "cause": "dns"}) == (Verdict.DOWN, Cause.DNS)
    True
    >>> _parse_key({"verdict": "sideways", "cause": "none"}) is None
    True
    """
    try:
        cause = labels.get("cause", "none")
        return Verdict(labels["verdict"]), None if cause in ("none", "") else Cause(cause)
    except (KeyError, ValueError):
        return None


def _read_values(series: list[Series]) -> dict[int, float]:
    """The samples of the one series that is expected; of several the largest."""
    found: dict[int, float] = {}
    for each in series:
        for at_ms, value in each.samples:
            if not math.isnan(value):
                found[at_ms] = max(value, found.get(at_ms, value))
    return found
