"""What `netwatch speedtest` shows: each direction as it runs, and the result.

Rule of this file: from what is told to lines of a terminal. It measures nothing. Where the
output is no terminal nothing moves: the result alone is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from netwatch.core.bufferbloat import add_delay, grade_delay, grade_test

if TYPE_CHECKING:
    from netwatch.agent.bandwidth_rtt import RttWatch
    from netwatch.agent.bandwidth_run import MadeTest
    from netwatch.bandwidth.base import Progress
    from netwatch.clock import Clock
    from netwatch.config.model import Settings
    from netwatch.core.throughput import Direction

_NAMES = {"down": "↓ down", "up": "↑ up"}
_PHASES = {"connect": "connecting", "warm_up": "warming up", "measure": "measuring"}
#: What a direction takes: warm-up and measurement (`bandwidth.base.Plan`).
_LENGTH_MS = 12_000
_LATELY_MS = 2_000
#: Words of the books in those of a person.
INVALID = {
    "device_limited": "this device was the limit, not the line",
    "busy_link": "the line was in use by others",
    "wrong_circuit": "this was not the contract's circuit",
    "clock_unsynced": "the clock is not set",
    "test_server_failed": "the test server failed",
    "test_failed": "the test failed on this device",
    "data_budget": "the month's data is used up",
}


class Screen:
    """Shows a test while it runs; a context manager. Every method may be called at any time."""

    def __init__(
        self,
        settings: Settings,
        directions: Sequence[Direction],
        *,
        clock: Clock,
        show: bool,
        console: Console | None = None,
    ) -> None:
        self._console = console or Console(stderr=False)
        self._settings = settings
        self._directions = directions
        self._clock = clock
        self._show = show and self._console.is_terminal
        self._newest: dict[str, Progress] = {}
        self._began_ms: dict[str, int] = {}
        self._rtt: RttWatch | None = None
        self._idle_from_ms = 0
        self._idle_us: int | None = None
        self._loaded_us: dict[str, int | None] = {}
        self._sentence = ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._show:
            self._live = Live(
                self._build(), console=self._console, auto_refresh=False, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def watch(self, rtt: RttWatch) -> None:
        """The round trips of this test: asked while it runs."""
        self._rtt = rtt
        self._idle_from_ms = self._clock.monotonic_ms()

    def say(self, sentence: str) -> None:
        """What is done now, or did not work."""
        self._sentence = sentence
        if sentence.startswith("testing") and self._rtt is not None and self._idle_us is None:
            now_ms = self._clock.monotonic_ms()
            self._idle_us, _ = self._rtt.find_high(self._idle_from_ms, now_ms)
        self._refresh()

    def tell(self, progress: Progress) -> None:
        """How far a direction has come."""
        name = progress.direction
        self._newest[name] = progress
        self._began_ms.setdefault(name, progress.at_ms)
        if self._rtt is not None and progress.phase == "measure":
            now_ms = self._clock.monotonic_ms()
            lately, _ = self._rtt.find_high(now_ms - _LATELY_MS, now_ms)
            self._loaded_us[name] = lately
        self._refresh()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._build(), refresh=True)

    def _build(self) -> Group:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        for _ in range(3):
            table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        for name in self._directions:
            table.add_row(*self._build_row(name))
        head = Text(self._settings.site.name or self._settings.site.id, style="bold")
        idle = "" if self._idle_us is None else f"  idle round trip {show_rtt(self._idle_us)}"
        return Group(head, Text(f"{self._sentence}{idle}", style="dim"), table)

    def _average(self, name: str) -> int:
        """Of a direction that is over: from its beginning, warm-up too; the result has no such."""
        newest = self._newest[name]
        return newest.moved_bytes * 1000 // max(1, newest.at_ms - self._began_ms[name])

    def _build_row(self, name: str) -> tuple[Text | ProgressBar | str, ...]:
        newest = self._newest.get(name)
        if newest is None:
            return Text(_NAMES[name], style="dim"), ProgressBar(100, 0, width=24), "", "", "", ""
        share = min(100.0, 100 * (newest.at_ms - self._began_ms[name]) / _LENGTH_MS)
        over = newest is not list(self._newest.values())[-1]
        added = add_delay(self._idle_us, self._loaded_us.get(name))
        return (
            Text(_NAMES[name], style="bold"),
            ProgressBar(100, 100 if over else share, width=24),
            Text(show_rate(self._average(name) if over else newest.bytes_per_second), style="cyan"),
            f"{newest.moved_bytes / 1e6:.0f} MB",
            "" if added is None else f"+{show_rtt(added)} {grade_delay(added)}",
            "" if over else _PHASES.get(newest.phase, newest.phase),
        )


def build_result(settings: Settings, tests: Sequence[MadeTest]) -> Group:
    """The result: rates against the guarantee, delay under load, bytes; failures before it."""
    *others, last = tests
    row, around = last.row, last.around
    contract = settings.circuit.contract
    lines: list[Text | Table] = [
        Text(f"{each.row.engine} failed: {_why(each)}", style="yellow") for each in others
    ]
    server = f"  {row.server}" if row.server else ""
    lines.append(Text.assemble((row.engine, "bold"), server))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for heading in ("goodput", "moved", "under load", "added"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for name, guaranteed in (("down", contract.guaranteed_down), ("up", contract.guaranteed_up)):
        rate = getattr(row, f"{name}_bytes_per_second")
        invalid = getattr(row, f"{name}_invalid")
        if rate is None and invalid is None:
            continue
        loaded_us = getattr(row, f"{name}_loaded_rtt_us")
        added = add_delay(row.idle_rtt_us, loaded_us)
        table.add_row(
            Text(_NAMES[name], style="bold"),
            Text("no figure", style="red") if rate is None else Text(show_rate(rate), style="bold"),
            f"{getattr(row, f'{name}_bytes') / 1e6:.0f} MB",
            "" if loaded_us is None else show_rtt(loaded_us),
            "" if added is None else f"+{show_rtt(added)}",
            _comment(rate, invalid, guaranteed, getattr(around, f"{name}_detail")),
        )
    lines.append(table)
    grade = grade_test(
        row.idle_rtt_us, {"down": row.down_loaded_rtt_us, "up": row.up_loaded_rtt_us}
    )
    said = []
    if row.idle_rtt_us is not None:
        said.append(f"idle round trip {show_rtt(row.idle_rtt_us)}")
    if grade is not None:
        said.append(f"delay under load: grade {grade}")
    if row.responsiveness_rpm is not None:
        said.append(f"responsiveness {row.responsiveness_rpm} RPM")
    said.append("entered in the books")
    lines.append(Text(" · ".join(said), style="dim"))
    return Group(*lines)


def _why(test: MadeTest) -> str:
    around = test.around
    return around.down_detail or around.up_detail or around.down_reason or around.up_reason or "?"


def _comment(
    rate: int | None, invalid: str | None, guaranteed: int | None, detail: str | None
) -> Text:
    if rate is None:
        word = INVALID.get(invalid or "", (invalid or "").replace("_", " "))
        return Text(f"{word}{f': {detail}' if detail else ''}", style="red")
    if invalid is not None:
        word = INVALID.get(invalid, invalid.replace("_", " "))
        return Text(f"does not count: {word}", style="yellow")
    if guaranteed is None:
        return Text("")
    if rate >= guaranteed:
        return Text(f"✓ {show_rate(guaranteed)} guaranteed", style="green")
    return Text(f"✕ below the {show_rate(guaranteed)} guaranteed", style="bold red")


def show_rate(bytes_per_second: int) -> str:
    """
    Mbit/s with three figures.

    >>> [show_rate(each) for each in (117_012_000, 11_737_500, 62_000)]
    ['936 Mbit/s', '93.9 Mbit/s', '0.50 Mbit/s']
    """
    mbit = bytes_per_second * 8 / 1e6
    places = 0 if mbit >= 100 else 1 if mbit >= 1 else 2
    return f"{mbit:.{places}f} Mbit/s"


def show_rtt(rtt_us: int) -> str:
    """A round trip with its unit.

    >>> show_rtt(20_450), show_rtt(340)
    ('20.4 ms', '0.34 ms')
    """
    return f"{rtt_us / 1000:.{1 if rtt_us >= 1_000 else 2}f} ms"
