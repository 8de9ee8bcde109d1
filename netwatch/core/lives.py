"""The lives of the agent on one line of time: which of them speaks, and why nobody does.

The law of this file: an instant belongs to the life that told it first, so that two boots
never interleave and an hour that a clock repeats counts once. Between two lives somebody
may have watched without knowing the time: so much of the hole is unknown by the clock, and
is laid at its end, for nothing says where it was (docs/decisions/0007-the-clock.md).

Pure; UTC milliseconds, but for what is named ``mono``. It knows no store and no span.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from netwatch.core.clockline import Tie, find_offset, is_step, split_at_steps
from netwatch.core.intervals import Interval, Intervals, clip, difference, normalise
from netwatch.records import Cause, Run, Span, Verdict

#: Further than any instant of the books.
FOREVER_MS = 2**62

#: A piece of a life: the run's number, and where it begins (monotonic).
PieceKey = tuple[int, int]


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing was recorded in ``[start_ms, end_ms)``."""

    start_ms: int
    end_ms: int
    cause: Cause
    reason: str


def cut_life(run: Run, ties: Sequence[Tie]) -> list[Run]:
    """A run in the pieces between two steps of its clock; one without ties has no place.

    >>> run = Run(id=1, boot_id="b", version="1", started_ms=None, ended_ms=None, clean=True,
    ...           started_mono_ms=0, ended_mono_ms=900)
    >>> [(piece.started_ms, piece.ended_ms, piece.clean)
    ...  for piece in cut_life(run, [(0, 1_000), (500, 9_000)])]
    [(1000, 1500, False), (9500, 9900, True)]
    """
    offset_ms = find_offset(run.started_mono_ms, ties)
    if offset_ms is None:
        return [msgspec.structs.replace(run, started_ms=None, ended_ms=None)]
    parts = split_at_steps(
        run.started_mono_ms, run.ended_mono_ms, run.started_mono_ms + offset_ms, ties
    )
    return [
        msgspec.structs.replace(
            run,
            started_mono_ms=start_mono_ms,
            ended_mono_ms=end_mono_ms,
            started_ms=start_ms,
            ended_ms=end_ms,
            clean=run.clean and end_mono_ms == run.ended_mono_ms,
        )
        for start_mono_ms, end_mono_ms, start_ms, end_ms in parts
    ]


def find_taken(pieces: Sequence[Run]) -> dict[PieceKey, Intervals]:
    """What others had told before, of the time that a piece is dated to; most have no entry.

    ``pieces`` in the order of recording. The pauses between two runs of one boot belong to
    that boot: what a later one says of them was dated by a clock that was put back.

    >>> def life(number, boot, start, end):
    ...     return Run(id=number, boot_id=boot, version="1", clean=False, started_ms=start,
    ...                ended_ms=end, started_mono_ms=start, ended_mono_ms=end)
    >>> find_taken([life(1, "a", 0, 40), life(2, "a", 60, 100), life(3, "b", 30, 110)])
    {(3, 30): ((30, 100),)}
    """
    taken: dict[PieceKey, Intervals] = {}
    told: list[Interval] = []
    for group in _group_steady(pieces):
        for piece in group:
            start_ms, end_ms = _reach(piece)
            if told and told[-1][1] > start_ms:
                parts = clip(tuple(told), start_ms, end_ms)
                if parts:
                    taken[piece.id, piece.started_mono_ms] = parts
        claim = (_reach(group[0])[0], _reach(group[-1])[1])
        if not told or claim[0] > told[-1][1]:
            told += normalise([claim])
        else:
            told = list(normalise([*told, claim]))
    return taken


def find_piece(run_id: int, mono_ms: int, pieces: Sequence[Run]) -> PieceKey:
    """Which piece of a run an instant (monotonic) lies in.

    >>> find_piece(1, 5, [])
    (1, 0)
    """
    starts = (piece.started_mono_ms for piece in pieces if piece.id == run_id)
    return run_id, max((each for each in starts if each <= mono_ms), default=0)


def leave_taken(start_ms: int, end_ms: int, taken: Intervals | None) -> Intervals:
    """The parts of a stretch that nobody had told before; None: nothing was.

    >>> leave_taken(0, 10, ((4, 6),))
    ((0, 4), (6, 10))
    """
    if taken is None:
        return ((start_ms, end_ms),)
    return difference(normalise([(start_ms, end_ms)]), taken)


def explain_silence(runs: Sequence[Run]) -> list[Silence]:
    """Why nothing was recorded, of all time: what there is to say where no span covers it.

    Between two runs: `stopped` after a clean end, `power_loss` when the next run is of
    another boot, `crashed` otherwise. Within a run: `unrecorded`. Before the first and
    after the last: `absent`, or `stopped` / `silent` by how the last one ended. These are
    the agent's. By the clock: `stepped` where it leaped, `unsynchronised` where a boot
    watched that never learned the time.

    ``runs`` in the order of recording, those without a place among them (`cut_life`).
    """
    laid, undated = _lay(runs)
    found: list[Silence] = []
    at_ms = -FOREVER_MS
    earlier: Run | None = None
    for run in laid:
        start_ms, end_ms = _reach(run)
        if start_ms > at_ms:
            since = 0 if earlier is None else earlier.id
            clock_ms = sum(ms for number, ms in undated.items() if since < number < run.id)
            found += _split_hole((at_ms, start_ms), clock_ms, _explain_hole(earlier, run))
            at_ms = start_ms
        if end_ms > at_ms:
            found.append(_silence(at_ms, end_ms, (Cause.AGENT, "unrecorded")))
            at_ms = end_ms
        earlier = run
    newest = max((run.id for run in laid), default=0)
    if any(number > newest for number in undated):
        word = (Cause.CLOCK, "unsynchronised")
    else:
        word = _explain_hole(earlier, None)
    return [
        each for each in (*found, _silence(at_ms, FOREVER_MS, word)) if each.start_ms < each.end_ms
    ]


def build_unknown(start_ms: int, end_ms: int, silences: Sequence[Silence]) -> list[Span]:
    """One hole of the ledger as unknown spans; ``silences`` as `explain_silence` gives them.

    >>> [span.reason for span in build_unknown(0, 10, explain_silence([]))]
    ['absent']
    """
    return [
        Span(
            verdict=Verdict.UNKNOWN,
            cause=each.cause,
            reason=each.reason,
            start_ms=max(each.start_ms, start_ms),
            end_ms=min(each.end_ms, end_ms),
        )
        for each in silences
        if each.start_ms < end_ms and each.end_ms > start_ms
    ]


def _reach(piece: Run) -> Interval:
    assert piece.started_ms is not None
    ended_ms = piece.started_ms if piece.ended_ms is None else piece.ended_ms
    return piece.started_ms, max(piece.started_ms, ended_ms)


def _group_steady(pieces: Sequence[Run]) -> list[list[Run]]:
    """Pieces with a place, those of one boot together as long as its clock was not stepped."""
    groups: list[list[Run]] = []
    for piece in pieces:
        if piece.started_ms is None:
            continue
        if groups:
            last = groups[-1][-1]
            before_ms = _reach(last)[1] - last.ended_mono_ms
            if (
                last.boot_id == piece.boot_id != "unknown"
                and last.id != piece.id
                and not is_step(before_ms, piece.started_ms - piece.started_mono_ms)
            ):
                groups[-1].append(piece)
                continue
        groups.append([piece])
    return groups


def _lay(runs: Sequence[Run]) -> tuple[list[Run], Mapping[int, int]]:
    """The pieces with the time that is theirs, in order of time and disjoint, and by run how
    long those watched that have no place at all.
    """
    taken = find_taken(runs)
    laid: list[Run] = []
    placed: set[int] = set()
    watched: dict[int, int] = {}
    for run in runs:
        length_ms = max(0, run.ended_mono_ms - run.started_mono_ms)
        watched[run.id] = watched.get(run.id, 0) + length_ms
        if run.started_ms is None:
            continue
        parts = taken.get((run.id, run.started_mono_ms))
        start_ms, end_ms = _reach(run)
        if parts is None:
            laid.append(run)
            placed.add(run.id)
            continue
        free = leave_taken(start_ms, end_ms, parts)
        for from_ms, until_ms in free:
            placed.add(run.id)
            clean = run.clean and until_ms == end_ms
            laid.append(
                msgspec.structs.replace(run, started_ms=from_ms, ended_ms=until_ms, clean=clean)
            )
    undated = {number: ms for number, ms in watched.items() if number not in placed and ms}
    return sorted(laid, key=_reach), undated


def _explain_hole(earlier: Run | None, later: Run | None) -> tuple[Cause, str]:
    if earlier is None:
        return Cause.AGENT, "absent"
    if later is not None and earlier.id >= later.id:  # its clock leaped, or was put back
        return Cause.CLOCK, "stepped"
    if earlier.clean:
        return Cause.AGENT, "stopped"
    if later is None:
        return Cause.AGENT, "silent"
    return Cause.AGENT, "crashed" if earlier.boot_id == later.boot_id else "power_loss"


def _split_hole(hole: Interval, clock_ms: int, word: tuple[Cause, str]) -> list[Silence]:
    """A hole, of which ``clock_ms`` were watched by who did not know the time."""
    start_ms, end_ms = hole
    from_ms = max(start_ms, end_ms - clock_ms)
    return [
        _silence(start_ms, from_ms, word),
        _silence(from_ms, end_ms, (Cause.CLOCK, "unsynchronised")),
    ]


def _silence(start_ms: int, end_ms: int, word: tuple[Cause, str]) -> Silence:
    return Silence(start_ms=start_ms, end_ms=end_ms, cause=word[0], reason=word[1])
