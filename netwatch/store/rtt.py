"""From packed observations to points of latency.

Rule of this file: a lost probe has no time; it counts, and sorts as infinite
(STANDARDS.md, 2). A step's samples are let go as soon as no later row can add to it.
Pure; it knows no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netwatch.core.intervals import EMPTY, Intervals, contains
from netwatch.core.minute_columns import Latency, unpack_latency
from netwatch.records import Outcome, RttPoint

#: A row may speak of a time that much before the one recorded before it.
_LATEST_MS = 600_000


class _Samples:
    """What one target had in one step."""

    __slots__ = ("answered", "lost", "rtt_us")

    def __init__(self) -> None:
        self.rtt_us: list[int] = []
        self.answered = 0
        self.lost = 0


def build_rtt_points(
    blocks: Iterable[tuple[int, bytes]],
    names: Mapping[int, str],
    from_ms: int,
    to_ms: int,
    step_ms: int,
    *,
    without: Intervals = EMPTY,
) -> list[RttPoint]:
    """Points of ``[from_ms, to_ms)`` in steps from ``from_ms`` on, by start and target.

    ``blocks`` are packed rows, each with the offset that makes its instants UTC, in the
    order of recording. What was due in ``without`` (UTC) is in no point. Raises
    StoreCorrupt for a row that is not sound.
    """
    open_steps: dict[tuple[int, str], _Samples] = {}
    points: dict[tuple[int, str], RttPoint] = {}
    newest = -1
    for offset_ms, packed in blocks:
        for series in unpack_latency(packed):
            if series.outcome not in (Outcome.ANSWERED, Outcome.FAILED):
                continue
            name = names.get(series.check_number, f"check {series.check_number}")
            for index, start, end in _split_by_step(
                series, from_ms, to_ms, step_ms, offset_ms=offset_ms, without=without
            ):
                newest = max(newest, index)
                samples = open_steps.get((index, name))
                if samples is None:
                    samples = open_steps[index, name] = _Samples()
                _add(samples, series, start, end)
        settled = newest - _LATEST_MS // step_ms - 1
        if open_steps and next(iter(open_steps))[0] < settled:
            for key in [key for key in open_steps if key[0] < settled]:
                _settle(points, key, open_steps.pop(key), from_ms, step_ms)
    for key, samples in open_steps.items():
        _settle(points, key, samples, from_ms, step_ms)
    return [points[key] for key in sorted(points)]


def rank_percentile(ordered: list[int], sent: int, percent: int) -> int | None:
    """The nearest-rank percentile of ``sent`` samples of which ``ordered`` came back.

    None when the rank falls among those that did not. The same as
    `netwatch.core.stats.percentile`, without fractions: a month has 80 000 of these.

    >>> rank_percentile([10, 20, 30], 4, 50), rank_percentile([10, 20, 30], 4, 95)
    (20, None)
    """
    rank = max(1, -(-percent * sent // 100))
    return ordered[rank - 1] if rank <= len(ordered) else None


def _split_by_step(
    series: Latency,
    from_utc_ms: int,
    to_utc_ms: int,
    step_ms: int,
    *,
    offset_ms: int,
    without: Intervals,
) -> list[tuple[int, int, int]]:
    """Index of the step, and from which to which sample."""
    due_ms = series.due_ms
    from_ms, to_ms = from_utc_ms - offset_ms, to_utc_ms - offset_ms
    first, last = due_ms[0], due_ms[-1]
    left_out = tuple(
        (start_ms - offset_ms, end_ms - offset_ms)
        for start_ms, end_ms in without
        if start_ms - offset_ms <= last and end_ms - offset_ms > first
    )
    if first >= from_ms and last < to_ms and not left_out:
        step = (first - from_ms) // step_ms
        if (last - from_ms) // step_ms == step:
            return [(step, 0, len(due_ms))]
    parts: list[tuple[int, int, int]] = []
    for position, due in enumerate(due_ms):
        if not from_ms <= due < to_ms or contains(left_out, due):
            continue
        step = (due - from_ms) // step_ms
        if parts and parts[-1][0] == step and parts[-1][2] == position:
            parts[-1] = (step, parts[-1][1], position + 1)
        else:
            parts.append((step, position, position + 1))
    return parts


def _add(samples: _Samples, series: Latency, start: int, end: int) -> None:
    if series.outcome is Outcome.FAILED:
        samples.lost += end - start
        return
    samples.answered += end - start
    samples.rtt_us += series.rtt_us[start:end]


def _settle(
    points: dict[tuple[int, str], RttPoint],
    key: tuple[int, str],
    samples: _Samples,
    from_ms: int,
    step_ms: int,
) -> None:
    index, target = key
    ordered = sorted(samples.rtt_us)
    counted = len(ordered) + samples.lost  # an answer without a time has no place among times
    sent, lost = samples.answered + samples.lost, samples.lost
    before = points.get(key)
    if before is not None:
        # A clock that was put back by more than _LATEST_MS: that hour was lived twice.
        # The first reading stands, as in the ledger; the counts are of both.
        sent, lost = sent + before.sent, lost + before.lost
        points[key] = RttPoint(
            target=target,
            start_ms=before.start_ms,
            sent=sent,
            lost=lost,
            min_us=before.min_us,
            median_us=before.median_us,
            p95_us=before.p95_us,
            max_us=before.max_us,
        )
        return
    points[key] = RttPoint(
        target=target,
        start_ms=from_ms + index * step_ms,
        sent=sent,
        lost=lost,
        min_us=ordered[0] if ordered else None,
        median_us=rank_percentile(ordered, counted, 50) if counted else None,
        p95_us=rank_percentile(ordered, counted, 95) if counted else None,
        max_us=ordered[-1] if ordered else None,
    )
