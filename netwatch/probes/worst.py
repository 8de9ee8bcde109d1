"""The worst of the last minute, in a bounded room.

Rule of this file: arithmetic; instants come in as arguments.
"""

from __future__ import annotations

from collections import deque


class WorstOfWindow:
    """The greatest of the values noted in the last ``window_ms``, to a sixtieth of it.

    >>> worst = WorstOfWindow(60_000)
    >>> worst.note(0, 7); worst.note(30_000, 3); worst.worst(30_000)
    7
    >>> worst.worst(70_000), worst.worst(200_000)
    (3, None)
    """

    def __init__(self, window_ms: int) -> None:
        self._step_ms = window_ms // 60
        self._steps: deque[tuple[int, int]] = deque(maxlen=61)

    def note(self, now_ms: int, value: int) -> None:
        step = now_ms // self._step_ms
        if self._steps and self._steps[-1][0] == step:
            step, before = self._steps.pop()
            value = max(before, value)
        self._steps.append((step, value))

    def worst(self, now_ms: int) -> int | None:
        oldest = now_ms // self._step_ms - 60
        while self._steps and self._steps[0][0] <= oldest:
            self._steps.popleft()
        return max((value for _, value in self._steps), default=None)
