"""`netwatch speedtest`: one bandwidth test by a person, shown live, stored like any other.

Rule of this file: thin. Options in, the agent's own conduct called, a screen or one line
of JSON out. Budget and lock hold for a person as for the plan; quiet hours do not, and a
line in use may be tested all the same when that is asked for.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwatch.cli.options import config_option, json_option
from netwatch.config.load import load_settings
from netwatch.config.model import Bandwidth, Settings
from netwatch.errors import UsageError

if TYPE_CHECKING:
    from netwatch.agent.bandwidth_asking import Done, Refused
    from netwatch.agent.bandwidth_run import MadeTest
    from netwatch.bandwidth.base import Counterpart
    from netwatch.core.throughput import Direction

_ENGINES = ("librespeed", "iperf3", "ndt7", "speedtest")


@click.command()
@config_option
@json_option
@click.option("--engine", type=click.Choice(_ENGINES), help="This one; else as configured.")
@click.option("--down", "only", flag_value="down", help="Towards the building alone.")
@click.option("--up", "only", flag_value="up", help="Towards the internet alone.")
@click.option(
    "--anyway", is_flag=True, help="Though the line is in use; the test is marked and not counted."
)
def speedtest(
    config: Path, *, as_json: bool, engine: str | None, only: str | None, anyway: bool
) -> int:
    """Make one bandwidth test now. Exit 1 where it was refused, or a direction failed."""
    settings = load_settings(config)
    counterparts = choose_counterparts(settings.bandwidth, engine)
    directions: tuple[Direction, ...] = ("down", "up")
    if only is not None:
        directions = ("down",) if only == "down" else ("up",)
    made = make_test(settings, counterparts, directions, although_busy=anyway, show=not as_json)
    return report(settings, made, as_json=as_json)


def choose_counterparts(bandwidth: Bandwidth, engine: str | None) -> tuple[Counterpart, ...]:
    """What is tested against. Raises UsageError where nothing is set up for it.

    >>> [each.engine for each in choose_counterparts(Bandwidth(), "ndt7")]
    ['ndt7']
    >>> choose_counterparts(Bandwidth(), "iperf3")
    Traceback (most recent call last):
    netwatch.errors.UsageError: iperf3 is not set up: add [bandwidth.iperf3] with its server to the configuration
    """
    from netwatch.agent.bandwidth_world import build_counterpart, list_counterparts

    if engine is None:
        found = list_counterparts(bandwidth)
        if not found:
            raise UsageError(
                "no engine is set up: add [bandwidth.librespeed] or [bandwidth.iperf3] to the "
                "configuration (docs/bandwidth.md), or name one that finds a server by itself: "
                "--engine ndt7 or --engine speedtest"
            )
        return found
    needed = {"librespeed": "url", "iperf3": "server"}.get(engine)
    if needed is not None and getattr(bandwidth, engine) is None:
        raise UsageError(
            f"{engine} is not set up: add [bandwidth.{engine}] with its {needed} "
            "to the configuration"
        )
    return (build_counterpart(engine, bandwidth),)


def make_test(
    settings: Settings,
    counterparts: tuple[Counterpart, ...],
    directions: tuple[Direction, ...],
    *,
    although_busy: bool,
    show: bool,
) -> Done | Refused:
    """One test by the agent's own conduct, entered beside the agent. Raises StoreError."""
    import msgspec

    from netwatch.agent.bandwidth_asking import Asking
    from netwatch.agent.bandwidth_parts import build_conduct
    from netwatch.cli.speedtest_screen import Screen
    from netwatch.clock import SystemClock
    from netwatch.config.targets import complete_targets
    from netwatch.store.bandwidth_books import read_newest_run
    from netwatch.store.second_writer import opened_for_entry

    settings = msgspec.structs.replace(settings, target=complete_targets(settings))
    clock = SystemClock(trusted=settings.clock.trusted)
    path = settings.store.path
    with opened_for_entry(path) as connection:
        newest = read_newest_run(connection)
    # Of another boot, the run's monotonic scale is not ours: number 0 is nobody's.
    run_id = newest[0] if newest is not None and newest[1] == clock.boot_id else 0

    def enter(work: Callable[[sqlite3.Connection], None]) -> None:
        with opened_for_entry(path) as connection:
            work(connection)

    given_up = threading.Event()
    conduct = build_conduct(
        settings,
        counterparts,
        clock=clock,
        run_id=lambda: run_id,
        enter=enter,
        pause=given_up.wait,
    )
    before = signal.signal(signal.SIGINT, lambda _number, _frame: given_up.set())
    try:
        with Screen(settings, directions, clock=clock, show=show) as screen:
            return conduct.make_test(
                Asking(
                    asked_by="person",
                    directions=directions,
                    although_busy=although_busy,
                    tell=screen.tell,
                    say=screen.say,
                    cancelled=given_up.is_set,
                    watch=screen.watch,
                )
            )
    finally:
        signal.signal(signal.SIGINT, before)


def report(settings: Settings, made: Done | Refused, *, as_json: bool) -> int:
    """Say what came of it; the exit code."""
    from netwatch.agent.bandwidth_asking import Refused
    from netwatch.cli.speedtest_screen import build_result

    if isinstance(made, Refused):
        if as_json:
            click.echo(json.dumps({"refused": made.reason, "sentence": made.sentence}))
        else:
            hint = "; --anyway tests all the same" if made.reason == "busy_link" else ""
            click.echo(f"No test: {made.sentence}{hint}.", err=True)
        return 1
    last = made.tests[-1]
    if as_json:
        click.echo(json.dumps(build_json(made.tests), ensure_ascii=False))
    else:
        from rich.console import Console

        Console().print(build_result(settings, made.tests))
    row = last.row
    failed = row.down_bytes_per_second is None and row.down_invalid is not None
    failed = failed or (row.up_bytes_per_second is None and row.up_invalid is not None)
    return 1 if failed else 0


def build_json(tests: tuple[MadeTest, ...]) -> dict[str, object]:
    """The last test as one object, with the engines that failed before it."""
    from netwatch.core.bufferbloat import add_delay, grade_test
    from netwatch.report.identity import iso_utc

    *others, last = tests
    row, around = last.row, last.around

    def direction(name: str) -> dict[str, object] | None:
        rate = getattr(row, f"{name}_bytes_per_second")
        invalid = getattr(row, f"{name}_invalid")
        if rate is None and invalid is None:
            return None
        loaded_us = getattr(row, f"{name}_loaded_rtt_us")
        return {
            "bytes_per_second": rate,
            "bytes": getattr(row, f"{name}_bytes"),
            "loaded_rtt_us": loaded_us,
            "added_delay_us": add_delay(row.idle_rtt_us, loaded_us),
            "invalid": invalid,
            "reason": getattr(around, f"{name}_reason"),
            "detail": getattr(around, f"{name}_detail"),
        }

    return {
        "at": None if row.started_ms is None else iso_utc(row.started_ms),
        "engine": row.engine,
        "server": row.server,
        "down": direction("down"),
        "up": direction("up"),
        "idle_rtt_us": row.idle_rtt_us,
        "responsiveness_rpm": row.responsiveness_rpm,
        "grade": grade_test(
            row.idle_rtt_us, {"down": row.down_loaded_rtt_us, "up": row.up_loaded_rtt_us}
        ),
        "port_speed_mbit": around.port_speed_mbit,
        "tried": [
            {
                "engine": each.row.engine,
                "reason": each.around.down_reason or each.around.up_reason,
                "detail": each.around.down_detail or each.around.up_detail,
            }
            for each in others
        ],
    }
