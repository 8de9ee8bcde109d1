"""``python -m tests.netlab``: the lab to try the agent in.

Without an option it is interactive. ``--script`` plays a fixed story and prints truth
against ledger (exit 1 if anything is wrong); ``--all`` plays every fault so;
``--soak MINUTES`` counts false outages under 5 % loss and with a dead host, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from tests.netlab.interactive import run_interactively
from tests.netlab.namespaces import LabError
from tests.netlab.scenario import Result, Story, Suite, play_suite
from tests.netlab.screen import draw_path, draw_results
from tests.netlab.soak import soak
from tests.netlab.stories import SUITES

_SHORT = Suite(
    "story",
    (
        Story("fibre cut, 10 s", "fibre_cut", 10, "down", "access"),
        Story("box off", "box_off", 8, "down", "gateway"),
        Story("core down", "core_down", 8, "down", "upstream"),
        Story("cable out", "cable_out", 8, "unknown", "local", reason="carrier"),
        Story("resolver down", "resolver_down", 8, "down", "dns"),
        Story("one host down", "one_host_down", 10, "up"),
    ),
)


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 fine, 1 the ledger is wrong, 2 the lab cannot be had."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.netlab", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--script", action="store_true", help="play a short story and judge it")
    mode.add_argument("--all", action="store_true", help="play every fault and judge them")
    mode.add_argument("--soak", type=float, metavar="MINUTES", help="count false outages")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write(
            "make lab: network namespaces can only be made by root, and this is user"
            f" {os.geteuid()}: run `sudo make lab`\n"
        )
        return 2
    try:
        if options.script or options.all:
            return play_and_judge(SUITES if options.all else (_SHORT,))
        if options.soak is not None:
            sys.stdout.write(json.dumps(soak(options.soak), indent=2) + "\n")
            return 0
        run_interactively()
    except LabError as error:
        sys.stderr.write(f"make lab: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def play_and_judge(suites: Sequence[Suite]) -> int:
    """Plays suites side by side, at most three, and prints the table; 1 if any is wrong."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(draw_path([]))

    def play_one(suite: Suite) -> list[Result]:
        results = []
        with tempfile.TemporaryDirectory(prefix="netwatch-lab-") as folder:
            for result in play_suite(suite, Path(folder)):
                results.append(result)
                console.print(f"played: {result.story.name}")
        return results

    with ThreadPoolExecutor(3) as pool:
        results = [result for played in pool.map(play_one, suites) for result in played]
    console.print(draw_results(results))
    return 1 if any(result.problems for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
