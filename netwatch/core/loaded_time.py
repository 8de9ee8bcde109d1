"""When the line was loaded by our own tests, so that latency then is not called the line's.

Rule of this file: stretches of one time scale, kept for a while. It must not know what
loads the line, nor what is left out because of it.
"""

from __future__ import annotations

from collections import deque

#: Longer than any sample waits to be judged.
KEPT_MS = 30 * 60_000


class LoadedTime:
    """The stretches ``[from_ms, to_ms)``; the newest may still be going on.

    >>> loaded = LoadedTime()
    >>> loaded.begin(1_000)
    >>> loaded.covers(999), loaded.covers(5_000)
    (False, True)
    >>> loaded.end(6_000)
    >>> loaded.covers(5_999), loaded.covers(6_000)
    (True, False)
    """

    def __init__(self) -> None:
        self._ended: deque[tuple[int, int]] = deque()
        self._since_ms: int | None = None

    def begin(self, at_ms: int) -> None:
        """Load begins; while one goes on already, nothing changes."""
        if self._since_ms is None:
            self._since_ms = at_ms

    def end(self, at_ms: int) -> None:
        """Load ends; without a beginning, nothing changes."""
        if self._since_ms is None:
            return
        self._ended.append((self._since_ms, at_ms))
        self._since_ms = None
        while self._ended and self._ended[0][1] < at_ms - KEPT_MS:
            self._ended.popleft()

    def covers(self, at_ms: int) -> bool:
        """Whether the line was loaded at that instant."""
        if self._since_ms is not None and at_ms >= self._since_ms:
            return True
        return any(from_ms <= at_ms < to_ms for from_ms, to_ms in self._ended)
