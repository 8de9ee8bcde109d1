"""Latency by target and UTC minute, with every sample: what a minute's summary is made of.

Rule of this file: a lost probe has None, one that was skipped, not trusted, or sent in a
time that the caller leaves out is in nothing. Reads only; it must not know what the summary
says.
"""

from __future__ import annotations

from netwatch.core.intervals import EMPTY, Intervals, contains
from netwatch.core.line_points import RttMinute
from netwatch.core.minute_columns import unpack_latency
from netwatch.records import MINUTE_MS, Outcome
from netwatch.store.queries import Reader
from netwatch.store.tail import Tail


def read_rtt_minutes(
    reader: Reader,
    from_ms: int,
    to_ms: int,
    tail: Tail | None = None,
    *,
    without: Intervals = EMPTY,
) -> list[RttMinute]:
    """The minutes of ``[from_ms, to_ms)`` in which a target was probed, by start and target.

    ``tail`` has what is not in the database yet. Both bounds are whole minutes. What was due
    in ``without`` (UTC) is in no count and no time; a minute of which nothing is left is not
    there. An hour lived twice, because a clock was put back, counts in one. Raises StoreError.
    """
    names = {check.number: check.check_id for check in reader.read_checks()}
    samples: dict[tuple[int, str], list[tuple[int, int | None]]] = {}
    untimed: dict[tuple[int, str], int] = {}
    for block in reader.read_blocks(from_ms, to_ms):
        for series in unpack_latency(block.packed):
            if series.outcome not in (Outcome.ANSWERED, Outcome.FAILED):
                continue
            name = names.get(series.check_number, f"check {series.check_number}")
            times = series.rtt_us if series.outcome is Outcome.ANSWERED else ()
            for index, due_ms in enumerate(series.due_ms):
                at_ms = due_ms + block.offset_ms
                if not from_ms <= at_ms < to_ms or contains(without, at_ms):
                    continue
                key = (at_ms // MINUTE_MS * MINUTE_MS, name)
                if series.outcome is Outcome.ANSWERED and not times:
                    untimed[key] = untimed.get(key, 0) + 1
                    continue
                samples.setdefault(key, []).append((at_ms, times[index] if times else None))
    for at_ms, each in () if tail is None else tail.list_observations(from_ms, to_ms):
        if contains(without, at_ms):
            continue
        key = (at_ms // MINUTE_MS * MINUTE_MS, each.check_id)
        rtt_us = each.measures.get("rtt_us")
        if each.outcome is Outcome.FAILED:
            samples.setdefault(key, []).append((at_ms, None))
        elif each.outcome is Outcome.ANSWERED and rtt_us is None:
            untimed[key] = untimed.get(key, 0) + 1
        elif each.outcome is Outcome.ANSWERED:
            samples.setdefault(key, []).append((at_ms, rtt_us))
    return [
        RttMinute(
            target=name,
            start_ms=start_ms,
            rtt_us=tuple(
                rtt_us for _, rtt_us in sorted(samples.get((start_ms, name), ()), key=_sent)
            ),
            untimed=untimed.get((start_ms, name), 0),
        )
        for start_ms, name in sorted(samples.keys() | untimed.keys())
    ]


def _sent(sample: tuple[int, int | None]) -> int:
    return sample[0]
