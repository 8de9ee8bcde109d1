"""A real agent in the lab's school, and its ledger as read from outside.

Rule of this file: it starts and stops the program as a person would, and reads what the
program says over HTTP. It knows no fault and judges nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from netwatch.clock import read_offset_ns
from tests.netlab.lab import Lab
from tests.netlab.namespaces import LabError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROGRAM = Path(sys.executable).with_name("netwatch")


class Entry(NamedTuple):
    """A span of the ledger, on the monotonic clock (ms) of this machine."""

    verdict: str
    cause: str | None
    reason: str | None
    start_ms: float
    end_ms: float

    @property
    def label(self) -> str:
        """``down/access``, ``up``.

        >>> Entry("down", "access", None, 0, 1).label
        'down/access'
        """
        return f"{self.verdict}/{self.cause}" if self.cause else self.verdict


class Agent:
    """``netwatch run`` in a lab's school; use it in a ``with`` statement.

    What it prints goes to ``agent.log`` beside the configuration.
    """

    def __init__(self, lab: Lab, config: Path, *, program: Path = _PROGRAM) -> None:
        self.lab = lab
        self._arguments = [str(program), "run", "--config", str(config)]
        self._log = config.with_name("agent.log")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self._log.open("a", encoding="utf-8") as log:
            self._process = self.lab.popen(self._arguments, stdout=log, stderr=log)
        try:
            self.wait_until(lambda: self.lab.get("/healthz")[0] == 200, 30, "does not answer")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the running agent."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Ends the agent as systemd would: SIGTERM, and SIGKILL if it does not obey."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def wait_until(self, condition: Callable[[], bool], seconds: float, complaint: str) -> None:
        """Until ``condition()`` is true, no answer counting as false; LabError with the log's end."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if condition():
                    return
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                what = "has ended" if ended else f"{complaint} after {seconds:g} s"
                tail = "\n".join(self.read_log().splitlines()[-15:])
                raise LabError(f"the agent {what}; the end of its log:\n{tail}")
            time.sleep(0.2)

    def read_log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def read_link(self) -> dict[str, Any]:
        """The present verdict: ``verdict``, ``cause``, ``reason``, ``since``, ``ipv6``."""
        link: dict[str, Any] = self.lab.read_status()["link"]
        return link

    def is_settled(self) -> bool:
        """Whether the verdict is up and every target has answered its newest probe."""
        status = self.lab.read_status()
        answered = all(target["answered"] for target in status["targets"])
        return answered and status["link"]["verdict"] == "up"

    def read_ledger(self, from_ms: float, to_ms: float) -> list[Entry]:
        """The ledger between two monotonic instants."""
        offset_ms = read_offset_ns() / 1_000_000
        query = f"from={round(from_ms + offset_ms)}&to={round(to_ms + offset_ms)}"
        return [
            Entry(
                span["verdict"],
                span["cause"],
                span["reason"],
                parse_instant_ms(span["start"]) - offset_ms,
                parse_instant_ms(span["end"]) - offset_ms,
            )
            for span in self.lab.read_json(f"/api/v1/ledger?{query}")["spans"]
        ]


def parse_instant_ms(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 instant.

    >>> parse_instant_ms("1970-01-01T00:00:01.250Z")
    1250
    """
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
