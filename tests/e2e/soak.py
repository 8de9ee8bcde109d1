"""``make soak``: what only time shows, in a table of what held.

Rule of this file: it runs the campaigns one after another, each to its end or to the
common limit, and judges by what they count. Needs root.

    python -m tests.e2e.soak [--kills 200] [--watch-minutes 20] [--limit-minutes 75] [--only NAME]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench import memory
from tests.e2e.kill_campaign import kill_again_and_again
from tests.netlab.soak import soak as watch

#: With the commit interval of 60 s by default: the promise is 75.
_DEFAULT_COMMIT_S, _DEFAULT_KILLS, _DEFAULT_LIFE_S = 60, 4, 130.0


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    what: str
    holds: bool
    found: str


class OutOfTime(Exception):
    """The common limit is reached."""


def soak_kills(kills: int) -> list[Held]:
    """SIGKILL at random instants, the books inspected after each."""
    with tempfile.TemporaryDirectory(prefix="netwatch-soak-") as folder:
        tally = kill_again_and_again(Path(folder), kills, seed=kills, longest_life_s=2.5)
    few = tally.faults[:3]
    return [
        Held(what=f"{kills} kills: committed records lost", holds=not tally.lost, found=str(len(tally.lost))),
        Held(what="records entered twice", holds=not tally.doubled, found=f"{len(tally.doubled)} of {tally.observations}"),
        Held(what="failed integrity checks", holds=not tally.unsound, found=str(len(tally.unsound))),
        Held(what="minutes that do not add up", holds=not tally.not_adding_up, found=str(len(tally.not_adding_up))),
        Held(what="totals that are not the ledger's", holds=not tally.wrong_totals, found="; ".join(tally.wrong_totals) or "0"),
        Held(what="gaps that are not ours, or too long", holds=not tally.wrong_gaps, found=f"{len(tally.wrong_gaps)} of {tally.runs - 1}; longest {tally.largest_gap_ms} ms {few or ''}"),
    ]  # fmt: skip


def soak_gap() -> list[Held]:
    """What a kill costs with the commit interval as it is by default."""
    with tempfile.TemporaryDirectory(prefix="netwatch-soak-") as folder:
        tally = kill_again_and_again(
            Path(folder),
            _DEFAULT_KILLS,
            seed=75,
            longest_life_s=_DEFAULT_LIFE_S,
            commit_interval_s=_DEFAULT_COMMIT_S,
        )
    found = f"{tally.largest_gap_ms / 1000:.1f} s at most over {_DEFAULT_KILLS} kills"
    holds = not tally.faults and tally.largest_gap_ms <= 75_000
    return [Held(what="time lost by a kill at defaults, at most 75 s", holds=holds, found=found)]


def soak_watch(minutes: float) -> list[Held]:
    """A lossy line and a dead host are no outage, however long."""
    return [
        Held(
            what=f"false outages in {figure['minutes']} min of {fault.replace('_', ' ')}",
            holds=not figure["false_downs"],
            found=str(figure["false_downs"]),
        )
        for fault, figure in watch(minutes).items()
    ]


def soak_memory() -> list[Held]:
    """Two simulated days after the third."""
    figures = memory.run()
    what = f"growth of resident memory over {figures['hours']} simulated hours"
    return [
        Held(
            what=what + beside,
            holds=bool(found["flat"]),
            found=f"{found['slope_kib_per_day']} KiB a day "
            f"({found['low_kib_per_day']} to {found['high_kib_per_day']}), "
            f"{found['held_kib_per_day'][0]} KiB and {found['held_objects_per_day'][0]} objects held",
        )
        for beside, found in (("", figures), (", page looked at", figures["with_page"]))
    ]


def main(arguments: list[str] | None = None) -> int:
    """0 when everything held, 1 when something did not or there was no time for it."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--watch-minutes", type=float, default=20)
    parser.add_argument("--limit-minutes", type=float, default=75)
    parser.add_argument(
        "--only",
        action="append",
        choices=("memory", "kills", "gap", "watch"),
        help="again for more",
    )
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write(
            "make soak: it makes network namespaces, which only root may: sudo make soak\n"
        )
        return 2
    signal.signal(signal.SIGALRM, _end_time)
    signal.alarm(round(options.limit_minutes * 60))
    steps: dict[str, Callable[[], list[Held]]] = {
        "kills": lambda: soak_kills(options.kills),
        "gap": soak_gap,
        "watch": lambda: soak_watch(options.watch_minutes),
        # Last, for it takes its ten minutes however short the others are made.
        "memory": soak_memory,
    }
    table = Table("what", "held", "found", "took", title="soak")
    all_held = True
    for name in options.only or steps:
        step = steps[name]
        sys.stderr.write(f"{name} …\n")
        started = time.monotonic()
        try:
            lines = step()
        except OutOfTime:
            lines = [Held(what=name, holds=False, found="the time was over before it ended")]
        took = f"{time.monotonic() - started:.0f} s"
        for line in lines:
            table.add_row(line.what, "yes" if line.holds else "NO", line.found, took)
            all_held, took = all_held and line.holds, ""
    signal.alarm(0)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0 if all_held else 1


def _end_time(_signal: int, _frame: object) -> None:
    signal.alarm(1)  # the steps that are left end as soon as they begin
    raise OutOfTime


if __name__ == "__main__":
    sys.exit(main())
