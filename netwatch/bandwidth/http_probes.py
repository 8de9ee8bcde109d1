"""Small requests during a test: how long they take is the line's responsiveness.

Rule of this file: a few round trips a second beside the load, in a thread of their own,
each bounded in time and bytes; one that fails is no sample. It knows no formula.

On new connections ("foreign") the time to connect, to shake hands and to be answered. On
one connection that was there before the load, kept for this alone, the time to be answered
("loaded"): HTTP/1.1 cannot answer anything in the middle of a download, so what waits in a
load-bearing connection's own buffers is not in it, and the line's queue is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Self

import msgspec

from netwatch.bandwidth.http_answer import parse_whole
from netwatch.bandwidth.http_connect import Connector, Opened
from netwatch.bandwidth.http_place import Place, build_request
from netwatch.bandwidth.reach import Trouble, read_some, send_all
from netwatch.core.responsiveness import LoadedDelays

_EVERY_S = 0.5
_TIMEOUT_MS = 3_000
#: After so many failures in a row the server is left in peace.
_MOST_FAILURES = 4


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """One probe; a new connection has ``tcp_us``, the one that was there has not."""

    at_ms: int
    http_us: int
    tcp_us: int | None = None
    tls_us: int | None = None


class Prober:
    """Asks from the beginning of a ``with`` block to its end."""

    def __init__(
        self,
        connector: Connector,
        place: Place,
        *,
        method: str = "GET",
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._connector, self._place, self._method = connector, place, method
        self._monotonic_ns = monotonic_ns
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._probe, name="responsiveness", daemon=True)
        self.delays: list[Delay] = []
        self._kept: Opened | None = None
        self._ready_by_ms: int | None = None

    def until(self, ready_by_ms: int) -> Self:
        """The same, which will have begun to ask by this instant."""
        self._ready_by_ms = ready_by_ms
        return self

    def __enter__(self) -> Self:
        with contextlib.suppress(Trouble, OSError):
            self._kept = self._connector.open(self._deadline_ms())
            self._ask(self._kept)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for the probe under way no longer than a moment: it ends with the process."""
        self._stop.set()
        self._thread.join(0.5)

    def pick(self, from_ms: int, to_ms: int) -> LoadedDelays:
        """The delays of the probes that began within a stretch, in microseconds."""
        picked = [delay for delay in list(self.delays) if from_ms <= delay.at_ms <= to_ms]
        foreign = [delay for delay in picked if delay.tcp_us is not None]
        return LoadedDelays(
            tcp_us=[delay.tcp_us for delay in foreign if delay.tcp_us is not None],
            tls_us=[delay.tls_us for delay in foreign if delay.tls_us is not None],
            http_us=[delay.http_us for delay in foreign],
            http_loaded_us=[delay.http_us for delay in picked if delay.tcp_us is None],
        )

    def _probe(self) -> None:
        failures = 0
        while failures < _MOST_FAILURES and not self._stop.wait(_EVERY_S):
            try:
                self._probe_foreign()
                self._probe_loaded()
            except (Trouble, OSError):
                failures += 1
            else:
                failures = 0
        if self._kept is not None:
            self._kept.stream.close()

    def _probe_foreign(self) -> None:
        at_ms = self._monotonic_ns() // 1_000_000
        opened = self._connector.open(self._deadline_ms())
        with opened.stream:
            http_us = self._ask(opened)
        self.delays.append(
            Delay(at_ms=at_ms, tcp_us=opened.tcp_us, tls_us=opened.tls_us, http_us=http_us)
        )

    def _probe_loaded(self) -> None:
        at_ms = self._monotonic_ns() // 1_000_000
        if self._kept is None:
            self._kept = self._connector.open(self._deadline_ms())
            self._ask(self._kept)
            return
        try:
            self.delays.append(Delay(at_ms=at_ms, http_us=self._ask(self._kept)))
        except (Trouble, OSError):
            self._kept.stream.close()
            self._kept = None  # closed between two: another the next time

    def _ask(self, opened: Opened) -> int:
        """One request and its whole answer; microseconds."""
        began_ns = self._monotonic_ns()
        deadline_ms = self._deadline_ms()
        fresh = self._place if "?" in self._place.path else self._place.asking(f"r={began_ns}")
        send_all(opened.stream, build_request(self._method, fresh), deadline_ms)
        said = b""
        while parse_whole(said, bodiless=self._method == "HEAD") is None:
            piece = read_some(opened.stream, deadline_ms)
            if not piece:
                raise Trouble("closed_early", "closed without an answer")
            said += piece
        return (self._monotonic_ns() - began_ns) // 1_000

    def _deadline_ms(self) -> int:
        deadline_ms = self._monotonic_ns() // 1_000_000 + _TIMEOUT_MS
        if self._ready_by_ms is not None and not self._thread.is_alive():
            return min(deadline_ms, self._ready_by_ms)
        return deadline_ms
