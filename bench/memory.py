"""Does the agent's memory grow? Two simulated days of it, and the slope of what it holds.

Rule of this file: it runs `bench.memory_child` in a process of its own, as the agent is
run, and does the arithmetic. The slope is that of the hourly means after the warm-up, by
least squares; its interval is the t-distribution's at 95 %, the spread taken with the
correlation of neighbouring hours (Newey and West, Econometrica 55, 1987, two lags).
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

HOURS = 48
#: Until the day that the page draws is full.
WARM_UP_HOURS = 24
#: M_TOP_PAD of glibc and a page: by so much the heap grows at once.
ALLOCATOR_STEP_BYTES = 132 * 1024
_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
_ROOT = Path(__file__).resolve().parent.parent
#: The 97.5 % quantile of Student's t for 30 degrees and more, to the safe side.
_T = 2.04
_LAGS = 2


def run(hours: int = HOURS, warm_up_hours: int = WARM_UP_HOURS) -> dict[str, Any]:
    """Slope of resident memory over so many simulated hours after the warm-up, in KiB a day.

    Twice, side by side: scraped every 15 s, and with a look at the page every half hour as
    well. A change within what the allocator takes from the kernel at a time is none.
    """
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda page: simulate(warm_up_hours + hours, page=page), (False, True))
        scraped, looked_at = (judge(samples, warm_up_hours) for samples in both)
    return {
        "goal": "no slope: zero within its 95 % interval, or less than one step of the "
        f"allocator ({ALLOCATOR_STEP_BYTES // 1024} KiB) in all that time",
        "hours": hours,
        "warm_up_hours": warm_up_hours,
        **scraped,
        "with_page": looked_at,
        "reached": scraped["flat"] and looked_at["flat"],
    }


def judge(samples: list[tuple[float, int]], warm_up_hours: int) -> dict[str, Any]:
    """The slope of the hourly means after the warm-up, with its 95 % interval."""
    last = int(samples[-1][0])
    hourly = [mean(held for at, held in samples if hour < at <= hour + 1) for hour in range(last)]
    settled = hourly[warm_up_hours:]
    slope, error = fit_slope(settled)
    low, high = (24 * (slope + sign * _T * error) / 1024 for sign in (-1, 1))
    return {
        "slope_kib_per_day": round(24 * slope / 1024, 1),
        "low_kib_per_day": round(low, 1),
        "high_kib_per_day": round(high, 1),
        "first_hour_kib": round(settled[0] / 1024),
        "last_hour_kib": round(settled[-1] / 1024),
        "largest_kib": round(max(held for _, held in samples) / 1024),
        "flat": low <= 0 <= high or abs(slope) * len(settled) <= ALLOCATOR_STEP_BYTES,
    }


def simulate(hours: float, *, page: bool = True) -> list[tuple[float, int]]:
    """Resident bytes at each tenth of an hour."""
    # In memory, where there is such a place: nobody waits for a disk here.
    shared = Path("/dev/shm")
    place = shared if shared.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="netwatch-bench-", dir=place) as folder:
        command = [sys.executable, "-OO", "-m", "bench.memory_child", str(hours), folder]
        done = subprocess.run(
            [*command, *([] if page else ["--no-page"])],
            env={**os.environ, **_MALLOC},
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    lines = (line.split() for line in done.stdout.splitlines())
    return [(float(at), int(held)) for at, held in lines if at[0].isdigit()]


def fit_slope(values: Sequence[float]) -> tuple[float, float]:
    """Slope per step by least squares, and its standard error (Newey-West, two lags).

    >>> fit_slope([5.0, 7.0, 9.0, 11.0])
    (2.0, 0.0)
    >>> slope, error = fit_slope([1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0])
    >>> abs(slope) < error
    True
    """
    count = len(values)
    centre, mean = (count - 1) / 2, sum(values) / count
    away = [index - centre for index in range(count)]
    spread = sum(each * each for each in away)
    slope = sum(at * (value - mean) for at, value in zip(away, values, strict=True)) / spread
    scores = [at * (value - mean - slope * at) for at, value in zip(away, values, strict=True)]
    variance = sum(each * each for each in scores)
    for lag in range(1, _LAGS + 1):
        weight = 1 - lag / (_LAGS + 1)
        variance += 2 * weight * sum(a * b for a, b in zip(scores, scores[lag:], strict=False))
    # Where neighbours cancel each other out the spread alone counts.
    variance = max(variance, sum(each * each for each in scores))
    return slope, math.sqrt(variance) / spread * math.sqrt(count / max(1, count - 2))
