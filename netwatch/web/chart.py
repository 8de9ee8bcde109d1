"""The latency graph: from points to SVG paths.

Rule of this file: pure geometry in a box of 1000 by 100, y downwards. A step in
which nothing answered ends the line: nothing is drawn across it, and nothing made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from netwatch.web.books import RttPoint

WIDTH = 1_000
HEIGHT = 100


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """All targets of one step taken together, in microseconds."""

    start_ms: int
    low_us: int
    median_us: int
    high_us: int


class LatencyChart(msgspec.Struct, frozen=True, kw_only=True):
    """Paths for ``d=``; ``top_us`` is the value at y = 0."""

    line: str
    band: str
    top_us: int
    steps: int
    lowest_us: int  # of the medians
    highest_us: int


def merge_targets(points: Iterable[RttPoint]) -> list[Step]:
    """One step for each instant at which any target answered: the middle target's figures.

    Of an even number the upper middle is taken: a figure that was measured, not a mean.
    """
    by_start: dict[int, list[RttPoint]] = {}
    for point in points:
        by_start.setdefault(point.start_ms, []).append(point)
    steps = []
    for start_ms, group in sorted(by_start.items()):
        low, median, high = (
            _middle(getattr(point, field) for point in group)
            for field in ("min_us", "median_us", "p95_us")
        )
        if median is not None:
            steps.append(
                Step(
                    start_ms=start_ms,
                    median_us=median,
                    low_us=median if low is None else min(low, median),
                    high_us=median if high is None else max(high, median),
                )
            )
    return steps


def _middle(values: Iterable[int | None]) -> int | None:
    """The upper middle of the values that are known.

    >>> _middle([3, None, 1, 2])
    2
    """
    known = sorted(value for value in values if value is not None)
    return known[len(known) // 2] if known else None


def choose_top(steps: Sequence[Step]) -> int:
    """A round value above every median, and above the band unless its spikes would flatten the rest.

    >>> choose_top([Step(start_ms=0, low_us=9_000, median_us=12_000, high_us=17_000)])
    20000
    """
    highs = sorted(step.high_us for step in steps)
    usual = highs[len(highs) // 2]
    highest_median = max(step.median_us for step in steps)
    wanted = max(min(highs[-1], 4 * usual), highest_median, 1_000)
    size = 1_000
    while True:
        for factor in (1, 2, 3, 4, 6, 8):
            if size * factor >= wanted:
                return size * factor
        size *= 10


def build_latency_chart(
    points: Iterable[RttPoint], start_ms: int, end_ms: int, step_ms: int
) -> LatencyChart | None:
    """The graph of ``[start_ms, end_ms)``; None when nothing answered in it."""
    steps = [step for step in merge_targets(points) if start_ms <= step.start_ms < end_ms]
    if not steps:
        return None
    top_us = choose_top(steps)

    def place_x(instant_ms: int) -> str:
        return f"{min((instant_ms - start_ms) * WIDTH / (end_ms - start_ms), WIDTH):.1f}"

    def place_y(value_us: int) -> str:
        return f"{HEIGHT - min(value_us, top_us) * HEIGHT / top_us:.1f}"

    lines: list[str] = []
    bands: list[str] = []
    for run in _split_runs(steps, step_ms):
        # A step is as wide as its time: it reaches from its start to its end.
        xs = [place_x(step.start_ms + step_ms // 2) for step in run]
        xs[0] = place_x(run[0].start_ms)
        xs.append(place_x(run[-1].start_ms + step_ms))
        padded = [*run, run[-1]]
        line = [f"{x} {place_y(s.median_us)}" for x, s in zip(xs, padded, strict=True)]
        upper = [f"{x} {place_y(s.high_us)}" for x, s in zip(xs, padded, strict=True)]
        lower = [f"{x} {place_y(s.low_us)}" for x, s in zip(xs, padded, strict=True)]
        lines.append("M" + "L".join(line))
        bands.append("M" + "L".join(upper + lower[::-1]) + "Z")
    medians = [step.median_us for step in steps]
    return LatencyChart(
        line="".join(lines),
        band="".join(bands),
        top_us=top_us,
        steps=len(steps),
        lowest_us=min(medians),
        highest_us=max(medians),
    )


def _split_runs(steps: Sequence[Step], step_ms: int) -> list[list[Step]]:
    """Steps without a hole between them.

    >>> steps = [Step(start_ms=at, low_us=1, median_us=1, high_us=1) for at in (0, 5, 15)]
    >>> [len(run) for run in _split_runs(steps, 5)]
    [2, 1]
    """
    runs: list[list[Step]] = []
    for step in steps:
        if runs and step.start_ms == runs[-1][-1].start_ms + step_ms:
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs
