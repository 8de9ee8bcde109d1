"""The lab at a terminal: keys switch faults, the screen shows what the agent makes of them.

Rule of this file: keys in, screen out; building, playing and drawing are elsewhere.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import sys
import tempfile
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from tests.netlab.agent import Agent
from tests.netlab.forwarder import Forwarder
from tests.netlab.lab import AGENT_PORT, Lab, now_ms
from tests.netlab.namespaces import LabError
from tests.netlab.screen import View, draw, list_keys

_REFRESH_S = 0.5


class Desk:
    """The state behind the screen: what was switched, and what the ledger said of it."""

    def __init__(self, lab: Lab, agent: Agent, page: str) -> None:
        self._lab = lab
        self._agent = agent
        self._page = page
        self._found: dict[str, str] = {}

    def press(self, key: str) -> bool:
        """Obeys a key; False when it says to leave. Unknown keys do nothing."""
        if key in ("q", "\x03", "\x04", ""):
            return False
        if key == "0":
            self._lab.clear()
        fault = list_keys().get(key)
        if fault is not None:
            if fault in self._lab.active:
                self._lab.off(fault)
            else:
                self._found.pop(fault, None)
                self._lab.on(fault)
        return True

    def look(self) -> View:
        """Asks the agent, and notes the start error of whatever it has just entered."""
        link = None
        with contextlib.suppress(OSError, http.client.HTTPException, LabError):
            link = self._agent.read_link()
            self._note_entries()
        return View(self._page, link, self._lab.active, self._found)

    def _note_entries(self) -> None:
        for fault, on_ms in self._lab.active.items():
            if fault in self._found:
                continue
            for entry in self._agent.read_ledger(on_ms - 10_000, now_ms()):
                # Not what the agent has not entered yet, nor what a fault before this one left.
                fresh = entry.end_ms > on_ms and entry.start_ms > on_ms - 5_000
                if fresh and entry.verdict != "up" and entry.cause != "agent":
                    self._found[fault] = f"{entry.label}, start {entry.start_ms - on_ms:+.0f} ms"


def run_interactively() -> None:
    """Until somebody leaves; LabError when the lab or the agent cannot be had."""
    console = Console()
    console.print("building the network and starting the agent …")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netwatch-lab-")))
        lab = stack.enter_context(Lab())
        agent = stack.enter_context(Agent(lab, lab.write_config(folder)))
        forwarder = stack.enter_context(Forwarder(lab.names["school"], AGENT_PORT))
        desk = Desk(lab, agent, forwarder.address)
        if not sys.stdin.isatty():
            console.print(draw(desk.look()))
            for line in sys.stdin:
                if not all(desk.press(key) for key in line.strip()):
                    return
                console.print(draw(desk.look()))
            return
        stack.enter_context(read_single_keys())
        live = stack.enter_context(Live(draw(desk.look()), console=console, screen=True))
        while True:
            if select.select([sys.stdin], [], [], _REFRESH_S)[0] and not desk.press(
                sys.stdin.read(1)
            ):
                return
            live.update(draw(desk.look()))


@contextlib.contextmanager
def read_single_keys() -> Iterator[None]:
    """The terminal hands over each key at once, and is given back as it was."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
