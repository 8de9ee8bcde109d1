"""Does the agent's memory grow? Two simulated days of it, and the slopes of what it holds.

Rule of this file: it runs `bench.memory_child` in a process of its own, as the agent is
run, and does the arithmetic. Two questions, for each hides what the other shows: how many
objects and bytes are held (places that were freed and could not be given back left out; a
leak that fills them shows at once), and how much memory resides (those places counted).
A slope is by least squares, over the hourly means of what resides and the counts of every
quarter of a day of what is held, after the warm-up; its interval is the t-distribution's at
95 %, the spread taken with the correlation of neighbours (Newey and West, Econometrica 55,
1987, two lags).
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
from typing import Any, NamedTuple

HOURS = 48
#: SQLite's cache is full after 30 hours, the day that the page draws after 24; what was
#: freed then finds its use within another day.
WARM_UP_HOURS = 72
#: M_TOP_PAD of glibc and a page: by so much the heap grows at once.
ALLOCATOR_STEP_BYTES = 132 * 1024
#: An interval that does not tell a leak of so many bytes a minute from none shows nothing.
SMALLEST_LEAK_BYTES = 128
#: Python's sqlite3 keeps a weak reference to each cursor, and sweeps the dead ones at the
#: two-hundredth (Connection.cursors): so many objects come and go with the hour of counting.
HELD_SLACK_OBJECTS = 256
#: A few long texts under way, and four of SQLite's pages.
HELD_SLACK_BYTES = 16 * 1024
_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
_ROOT = Path(__file__).resolve().parent.parent
#: The 97.5 % quantile of Student's t by degrees of freedom, each for so many and more.
_T = ((1, 12.71), (2, 4.31), (3, 3.19), (4, 2.78), (5, 2.58), (6, 2.45), (7, 2.37), (8, 2.31),
      (10, 2.23), (15, 2.14), (20, 2.09), (30, 2.05))  # fmt: skip
_LAGS = 2
_DAY_HOURS = 24
_DAY_MINUTES = 1_440


class Held(NamedTuple):
    """What was held at an hour: small objects of the interpreter, bytes of malloc."""

    hour: float
    objects: int
    malloc_bytes: int


class Course(NamedTuple):
    """What one run of the child told."""

    resident: list[tuple[float, int]]  # hour and bytes, ten times an hour
    held: list[Held]


class Slope(NamedTuple):
    """A slope per day, and its 95 % interval."""

    per_day: float
    low: float
    high: float

    def is_flat(self, days: float, slack: float, seen_per_day: float) -> bool:
        """Whether it is none: zero within an interval that shows something, or too little in all.

        >>> Slope(5.0, -10.0, 20.0).is_flat(2, slack=1, seen_per_day=30)
        True
        >>> Slope(5.0, -90.0, 100.0).is_flat(2, slack=1, seen_per_day=30)  # too wide to tell
        False
        >>> Slope(5.0, 4.0, 6.0).is_flat(2, slack=10, seen_per_day=30)
        True
        """
        if abs(self.per_day) * days <= slack:
            return True
        return self.low <= 0 <= self.high and self.high < seen_per_day


def run(
    hours: int = HOURS, warm_up_hours: int = WARM_UP_HOURS, leak_bytes_a_minute: int = 0
) -> dict[str, Any]:
    """Slopes over so many simulated hours after the warm-up.

    Twice, side by side: scraped every 15 s, and with a look at the page every half hour as
    well. ``leak_bytes_a_minute`` are held on to by the simulation, to show that it is seen.
    """
    simulate(0)  # what has not been compiled yet is, and does not count as the agent's

    def judge_one(page: bool) -> dict[str, Any]:
        course = simulate(warm_up_hours + hours, page=page, leak_bytes_a_minute=leak_bytes_a_minute)
        return judge(course, warm_up_hours)

    with ThreadPoolExecutor(2) as pool:
        scraped, looked_at = pool.map(judge_one, (False, True))
    return {
        "goal": "no slope: zero within its 95 % interval, which would show a leak of "
        f"{SMALLEST_LEAK_BYTES} bytes a minute, or less than one step of the allocator "
        f"({ALLOCATOR_STEP_BYTES // 1024} KiB) in all that time; and no more objects or bytes held",
        "hours": hours,
        "warm_up_hours": warm_up_hours,
        **scraped,
        "with_page": looked_at,
        "reached": scraped["flat"] and looked_at["flat"],
    }


def judge(course: Course, warm_up_hours: int) -> dict[str, Any]:
    """The slopes after the warm-up, with their 95 % intervals, and whether each is none.

    ``flat`` is that of all three.
    """
    last = int(course.resident[-1][0])
    hourly = [
        mean(held for at, held in course.resident if hour < at <= hour + 1) for hour in range(last)
    ]
    settled = hourly[warm_up_hours:]
    counts = [each for each in course.held if each.hour >= warm_up_hours]
    every_hours = counts[1].hour - counts[0].hour
    resident = measure_slope(settled, 1)
    objects = measure_slope([each.objects for each in counts], every_hours)
    held = measure_slope([each.malloc_bytes for each in counts], every_hours)
    days = len(settled) / _DAY_HOURS
    leak = SMALLEST_LEAK_BYTES * _DAY_MINUTES
    resident_flat = resident.is_flat(days, ALLOCATOR_STEP_BYTES, leak)
    held_flat = objects.is_flat(days, HELD_SLACK_OBJECTS, _DAY_MINUTES) and held.is_flat(
        days, HELD_SLACK_BYTES, leak
    )
    return {
        "slope_kib_per_day": round(resident.per_day / 1024, 1),
        "low_kib_per_day": round(resident.low / 1024, 1),
        "high_kib_per_day": round(resident.high / 1024, 1),
        "first_hour_kib": round(settled[0] / 1024),
        "last_hour_kib": round(settled[-1] / 1024),
        "largest_kib": round(max(each for _, each in course.resident) / 1024),
        "resident_flat": resident_flat,
        "held_objects": counts[-1].objects,
        "held_objects_per_day": [round(each, 1) for each in objects],
        "held_kib": round(counts[-1].malloc_bytes / 1024),
        "held_kib_per_day": [round(each / 1024, 2) for each in held],
        "held_flat": held_flat,
        "flat": resident_flat and held_flat,
    }


def simulate(hours: float, *, page: bool = True, leak_bytes_a_minute: int = 0) -> Course:
    """One run of the child: resident bytes at each tenth of an hour, what is held at each sixth hour."""
    # In memory, where there is such a place: nobody waits for a disk here.
    shared = Path("/dev/shm")
    place = shared if shared.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="netwatch-bench-", dir=place) as folder:
        command = [sys.executable, "-OO", "-m", "bench.memory_child", str(hours), folder]
        command += [f"--leak-bytes-a-minute={leak_bytes_a_minute}"]
        done = subprocess.run(
            [*command, *([] if page else ["--no-page"])],
            env={**os.environ, **_MALLOC},
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    return parse_course(done.stdout)


def parse_course(text: str) -> Course:
    r"""What the child printed; lines of other things are passed over.

    >>> parse_course("0.0 4096\nheld 0 12 345\n0.1 8192\nincidents 3\n")
    Course(resident=[(0.0, 4096), (0.1, 8192)], held=[Held(hour=0.0, objects=12, malloc_bytes=345)])
    """
    course = Course(resident=[], held=[])
    for line in text.splitlines():
        name, *figures = line.split()
        if name == "held":
            hour, objects, malloc_bytes = figures
            course.held.append(Held(float(hour), int(objects), int(malloc_bytes)))
        elif name[0].isdigit():
            course.resident.append((float(name), int(figures[0])))
    return course


def measure_slope(values: Sequence[float], every_hours: float) -> Slope:
    """The slope per day of values that are so many hours apart; at least three of them.

    >>> measure_slope([5.0, 7.0, 9.0, 11.0], 6)
    Slope(per_day=8.0, low=8.0, high=8.0)
    """
    slope, error = fit_slope(values)
    quantile = next(each for freedom, each in reversed(_T) if len(values) - 2 >= freedom)
    steps = _DAY_HOURS / every_hours
    return Slope(*(steps * (slope + sign * quantile * error) for sign in (0, -1, 1)))


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
