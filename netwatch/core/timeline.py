"""From changes of verdict to spans without hole or overlap.

Rule of this file: a timeline is a run of spans, each beginning where the one before
ends; a change dated back replaces what was said of the time after it, never what was
settled before. Pure; on monotonic milliseconds. It knows no store: the caller takes
the spans that have moved and hands them on.
"""

from __future__ import annotations

from collections.abc import Iterable

from netwatch.core.linkstate import Change
from netwatch.records import Span


class Timeline:
    """One line's spans, from its beginning to the instant that was last watched.

    >>> from netwatch.records import Verdict
    >>> timeline = Timeline(Change(at_ms=0, verdict=Verdict.UNKNOWN, cause=None))
    >>> timeline.apply([Change(at_ms=40, verdict=Verdict.UP, cause=None)])
    >>> timeline.extend(100)
    >>> [(span.verdict.value, span.start_ms, span.end_ms) for span in timeline.take_moved()]
    [('unknown', 0, 40), ('up', 40, 100)]
    """

    def __init__(self, first: Change) -> None:
        self._changes: list[Change] = [first]
        self._end_ms = first.at_ms
        self._moved_from = 0  # index of the first change whose span has moved since it was taken

    @property
    def current(self) -> Change:
        return self._changes[-1]

    @property
    def end_ms(self) -> int:
        return self._end_ms

    def apply(self, changes: Iterable[Change]) -> None:
        """Enter changes, each dated at or after the first change of what is kept.

        A change at the instant of an earlier one replaces it; one that says what is
        said already is no change. Raises ValueError for one dated before all that is
        kept (a defect of the caller: settled time must not be rewritten).
        """
        for change in changes:
            if change.at_ms < self._changes[0].at_ms:
                raise ValueError(
                    f"a change at {change.at_ms} would rewrite what was settled "
                    f"at {self._changes[0].at_ms}"
                )
            while len(self._changes) > 1 and self._changes[-1].at_ms >= change.at_ms:
                self._changes.pop()
            if self._changes[-1].at_ms == change.at_ms:
                self._changes[-1] = change
                if len(self._changes) > 1 and _same(self._changes[-2], change):
                    self._changes.pop()
            elif not _same(self._changes[-1], change):
                self._changes.append(change)
            self._moved_from = min(self._moved_from, max(0, len(self._changes) - 2))
            self._end_ms = max(self._end_ms, change.at_ms)

    def extend(self, to_ms: int) -> None:
        """The present verdict held until ``to_ms``; an earlier instant changes nothing."""
        self._end_ms = max(self._end_ms, to_ms)

    def take_moved(self) -> list[Span]:
        """The spans that were begun, ended or extended since the last call.

        Each is named by its start; a span taken again with a later end replaces the
        former. What was taken but for the last two spans is let go of, so that years
        of running keep no memory.
        """
        spans = [
            Span(
                verdict=change.verdict,
                cause=change.cause,
                reason=change.reason,
                start_ms=change.at_ms,
                end_ms=end_ms,
            )
            for change, end_ms in self._bounds(self._moved_from)
            if end_ms > change.at_ms
        ]
        keep = 2
        if len(self._changes) > keep:
            del self._changes[: len(self._changes) - keep]
        self._moved_from = len(self._changes) - 1
        return spans

    def _bounds(self, first: int) -> Iterable[tuple[Change, int]]:
        for index in range(first, len(self._changes)):
            last = index + 1 == len(self._changes)
            yield self._changes[index], self._end_ms if last else self._changes[index + 1].at_ms


def _same(left: Change, right: Change) -> bool:
    return (left.verdict, left.cause, left.reason) == (right.verdict, right.cause, right.reason)
