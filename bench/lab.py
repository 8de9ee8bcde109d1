"""The ledger against the truth: every scripted fault, and half an hour without a false outage.

Rule of this file: it plays what `tests.netlab` scripts, and gives the figures; the tests
hold them.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.netlab.scenario import Result, Suite, play_suite
from tests.netlab.soak import soak
from tests.netlab.stories import SUITES


def run() -> dict[str, Any]:
    """Each story: what was expected, what is wrong, and both ends' errors in milliseconds."""
    with ThreadPoolExecutor(2) as pool:
        results = [result for suite in pool.map(_play, SUITES) for result in suite]
    stories = {
        result.story.name: {
            "expected": result.story.expected,
            "start_error_ms": [round(start) for start, _ in result.errors_ms],
            "end_error_ms": [round(end) for _, end in result.errors_ms],
            "problems": "; ".join(result.problems) or "none",
        }
        for result in results
    }
    return {
        "goal": "the right verdict and cause; start and end within 1 s of the truth",
        "reached": not any(result.problems for result in results),
        "stories": stories,
    }


def _play(suite: Suite) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return list(play_suite(suite, Path(folder)))


def run_soak(minutes: float) -> dict[str, Any]:
    """5 % random loss, and one internet host dead, each in a lab of its own at the same time."""
    figures = soak(minutes)
    return {
        "goal": "no false down",
        "reached": all(not figure["false_downs"] for figure in figures.values()),
        "minutes": minutes,
        **figures,
    }
