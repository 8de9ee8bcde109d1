"""Raw latency probes of a range, one after another in the order of sending.

Rule of this file: memory stays flat whatever the range; a probe that was answered has its
time, a lost one has None, and one that was skipped or is not to be trusted is in neither.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import itemgetter

from netwatch.core.minute_columns import unpack_latency
from netwatch.records import Outcome
from netwatch.store.queries import Reader

#: Probes are recorded when they are settled, so the order of recording is off by a timeout
#: at most; an hour lived twice, because a clock was put back, is off by more.
_WINDOW_MS = 120_000
#: So much is put in order at a time.
_TOGETHER_MS = 1_800_000
_ORDER = itemgetter(0, 1)
_SENT = itemgetter(0)

#: Sent (UTC ms), name of the check, round trip in µs or None when lost.
SentProbe = tuple[int, str, int | None]


def read_probes(
    reader: Reader, from_ms: int, to_ms: int, check_ids: Collection[str]
) -> Iterator[SentProbe]:
    """The probes of these checks due in ``[from_ms, to_ms)`` (UTC), in that order.

    An answer without a measured time is left out. Of an hour that was lived twice the
    first reading stands. Raises StoreError.
    """
    return chain.from_iterable(_read_pieces(reader, from_ms, to_ms, check_ids))


def _read_pieces(
    reader: Reader, from_ms: int, to_ms: int, check_ids: Collection[str]
) -> Iterator[list[SentProbe]]:
    """The same in pieces: a month has millions, and each is touched as rarely as can be."""
    names = {
        check.number: check.check_id
        for check in reader.read_checks()
        if check.check_id in check_ids
    }
    waiting: list[SentProbe] = []
    given_ms = from_ms
    newest_ms = sorted_ms = from_ms
    for block in reader.read_blocks(from_ms, to_ms):
        offset_ms = block.offset_ms
        for series in unpack_latency(block.packed):
            name = names.get(series.check_number)
            if name is None:
                continue
            times: Iterable[int | None]
            if series.outcome is Outcome.ANSWERED and series.rtt_us:
                times = series.rtt_us
            elif series.outcome is Outcome.FAILED:
                times = repeat(None)
            else:
                continue
            sent_ms = [due_ms + offset_ms for due_ms in series.due_ms]
            waiting += zip(sent_ms, repeat(name), times)
            newest_ms = max(newest_ms, sent_ms[-1])
        if newest_ms - sorted_ms < _TOGETHER_MS:
            continue
        sorted_ms = newest_ms
        waiting.sort(key=_ORDER)
        settled_ms = min(newest_ms - _WINDOW_MS, to_ms)
        yield waiting[_find(waiting, given_ms) : _find(waiting, settled_ms)]
        given_ms = max(given_ms, settled_ms)
        del waiting[: _find(waiting, settled_ms)]
    waiting.sort(key=_ORDER)
    yield waiting[_find(waiting, given_ms) : _find(waiting, to_ms)]


def _find(probes: Sequence[SentProbe], at_ms: int) -> int:
    """Where in an ordered list those of an instant begin."""
    return bisect_left(probes, at_ms, key=_SENT)
