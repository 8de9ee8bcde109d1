"""Lines to an InfluxDB, synchronously, and what became of each.

The law of this file: a line counts as accepted only under an answer that says so (204),
and as rejected only where the server took others of the same sending and refuses this
one alone. A server that refuses everything has refused the sender, not the lines: they
stay. It must not know where lines come from, and keeps none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netwatch.outlets.influx_answers import (
    Answer,
    explain_answer,
    read_retry_after_ms,
)
from netwatch.outlets.influx_client import NoAnswer
from netwatch.records import PushProblem, PushReason, Receipt

#: Lines of one request: about 300 kB, 20 kB packed.
MOST_LINES = 1_000
#: So many refusals in a row with nothing accepted, and it is not the lines.
PATIENCE = 24
_BAD_LINES = (400, 422)


class Connection(Protocol):
    """`influx_client.InfluxConnection`."""

    def write(self, body: str) -> Answer:
        """Send a body; raises NoAnswer."""

    def close(self) -> None:
        """Close the connection."""


class _Refusal(Exception):
    """The rest of this sending is of no use now."""

    def __init__(self, problem: PushProblem, retry_after_ms: int | None = None) -> None:
        self.problem = problem
        self.retry_after_ms = retry_after_ms
        super().__init__(problem.reason)


class InfluxOutlet:
    """Sends lines over a connection; ``url``, ``org`` and ``bucket`` are for the sentences."""

    def __init__(self, connection: Connection, *, url: str, org: str, bucket: str) -> None:
        self._connection = connection
        self._url = url
        self._org = org
        self._bucket = bucket
        self._most_lines = MOST_LINES  # halved by each 413, and slowly more again
        self._accepted = self._rejected = self._refused = 0
        self._refusal: PushProblem | None = None  # of the first line rejected

    def send(self, lines: Sequence[str]) -> Receipt:
        """Send all, in order, and say how many of the first are done with.

        The problem is why the rest stays, or why some were rejected. May be called again
        with the same lines: nothing changes at the server.
        """
        self._accepted = self._rejected = self._refused = 0
        self._refusal = None
        problem: PushProblem | None = None
        retry_after_ms: int | None = None
        try:
            at = 0
            while at < len(lines):
                piece = lines[at : at + self._most_lines]
                if self._send_piece(piece):
                    at += len(piece)
        except _Refusal as refusal:
            problem, retry_after_ms = refusal.problem, refusal.retry_after_ms
        except NoAnswer as silence:
            problem = silence.problem
            self._connection.close()
        if self._accepted == 0 and self._rejected:
            # Nobody vouches for these rejections: the lines stay.
            problem = problem or self._refusal
            return Receipt(accepted=0, rejected=0, problem=problem, retry_after_ms=retry_after_ms)
        if problem is None and self._rejected:
            problem = PushProblem(
                reason=PushReason.POINTS_REJECTED,
                where=self._url,
                fills={"rejected": str(self._rejected), "sent": str(len(lines))},
                said=None if self._refusal is None else self._refusal.said,
            )
        return Receipt(
            accepted=self._accepted,
            rejected=self._rejected,
            retry_after_ms=retry_after_ms,
            problem=problem,
        )

    def close(self) -> None:
        self._connection.close()

    def _send_piece(self, lines: Sequence[str]) -> bool:
        """True when the piece is done with; False when it must be sent in smaller ones."""
        answer = self._connection.write("\n".join(lines))
        problem = explain_answer(answer, url=self._url, org=self._org, bucket=self._bucket)
        if problem is None:
            self._accepted += len(lines)
            if len(lines) == self._most_lines:
                self._most_lines = min(self._most_lines + 1 + self._most_lines // 8, MOST_LINES)
            return True
        if answer.status == 413 and len(lines) > 1:
            self._most_lines = max(len(lines) // 2, 1)
            return False
        if answer.status in (401, 403):
            self._connection.close()  # the next one reads the token again: it may be mended
        if answer.status not in (*_BAD_LINES, 413):
            raise _Refusal(problem, read_retry_after_ms(answer.headers))
        self._refused += 1
        if self._accepted == 0 and self._refused >= PATIENCE:
            raise _Refusal(problem)
        if len(lines) == 1:
            self._rejected += 1
            self._refusal = self._refusal or problem
            return True
        # Which of them is bad is found by halving; what it says of it is not relied on, nor
        # that it kept the good ones: a line sent twice changes nothing.
        middle = len(lines) // 2
        for half in (lines[:middle], lines[middle:]):
            at = 0
            while at < len(half):
                piece = half[at : at + self._most_lines]
                if self._send_piece(piece):
                    at += len(piece)
        return True
