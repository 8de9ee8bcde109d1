"""The chain of days against random lives of an agent: nothing quiet, and no false alarm."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.chain import DAY_MS, number_day
from netwatch.records import Cause, Observation, Span, Verdict
from netwatch.store.batch import LayerSpan
from netwatch.store.chain import close_days, read_chain
from netwatch.store.chain_verify import verify_chain
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.queries import Reader
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, answered, batch, span

HOUR_MS = 3_600_000


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """What an agent does: go on, enter something that reaches back, restart, lose or move its clock."""
    kinds = [
        "go",
        "go",
        "go",
        "back",
        "row",
        "restart",
        "power",
        "blind",
        "sight",
        "clock",
        "close",
    ]
    one = st.tuples(st.sampled_from(kinds), st.integers(1, 30), st.integers(0, 40))
    return draw(st.lists(one, min_size=3, max_size=25))


def read_closed(path: Path) -> dict[str, tuple[object, ...]]:
    """What readers are told of each closed day."""
    reader = Reader(path)
    told: dict[str, tuple[object, ...]] = {}
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        days = {entry.day for entry in read_chain(connection)}
    for day in days:
        start_ms = number_day(day) * DAY_MS
        spans: list[Span] = []
        for layer in reader.read_layers():
            spans += reader.read_spans(start_ms, start_ms + DAY_MS, layer)
        rows: list[tuple[int, Observation]] = list(
            reader.read_observations(start_ms, start_ms + DAY_MS)
        )
        told[day] = (sorted(map(repr, spans)), sorted(map(repr, rows)))
    return told


@settings(max_examples=120, deadline=None)
@given(steps())
def test_what_an_agent_does_is_never_taken_for_tampering_and_never_quiet(
    story: list[tuple[str, int, int]],
) -> None:
    """Clock steps, restarts, late words: a closed day that reads otherwise is named as late, and
    nothing else is ever found.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "netwatch.db"
        connection = open_database(path, set_aside=lambda: SET_ASIDE).connection
        with closing(connection):
            journal = Journal(connection)
            boot, offset_ms, mono_ms, sighted = 0, OFFSET_MS, 0, True
            run_id, _ = journal.begin_run("boot-0", 1, "0.1.0", 0, anchor(offset_ms))
            open_from = 0
            told: dict[str, tuple[object, ...]] = {}
            changed: set[str] = set()
            for kind, hours, back in story:
                tie = anchor(offset_ms, mono_ms, f"boot-{boot}") if sighted else None
                spans: tuple[LayerSpan, ...] = ()
                rows = ()
                if kind in ("go", "back", "row"):
                    before_ms, mono_ms = mono_ms, mono_ms + hours * HOUR_MS
                    spans = (span(open_from, mono_ms),)
                    if kind == "back":
                        down_ms = max(0, before_ms - back * HOUR_MS)
                        spans = (
                            span(down_ms, mono_ms, Verdict.DOWN, Cause.ACCESS),
                            span(mono_ms, mono_ms),
                        )
                        open_from = mono_ms
                    if kind == "row":
                        rows = (answered("box", max(0, mono_ms - back * HOUR_MS)),)
                elif kind in ("restart", "power"):
                    if kind == "power":
                        boot, offset_ms = boot + 1, offset_ms + mono_ms
                        mono_ms = 0
                    tie = anchor(offset_ms, mono_ms, f"boot-{boot}") if sighted else None
                    run_id, _ = journal.begin_run(f"boot-{boot}", 1, "0.1.0", mono_ms, tie)
                    open_from = mono_ms
                elif kind in ("blind", "sight"):
                    sighted = kind == "sight"
                    tie = anchor(offset_ms, mono_ms, f"boot-{boot}") if sighted else None
                elif kind == "clock":
                    offset_ms += (back - 20) * HOUR_MS
                    tie = anchor(offset_ms, mono_ms, f"boot-{boot}") if sighted else None
                if kind == "close" and sighted:
                    for entry in close_days(connection, offset_ms + mono_ms):
                        if not entry.is_correction:
                            told[entry.day] = read_closed(path)[entry.day]
                else:
                    journal.append(
                        batch(mono_ms, *spans, run_id=run_id, anchored=tie, observations=rows)
                    )
            now = read_closed(path)
            changed = {day for day, said in told.items() if now[day] != said}
            found = verify_chain(path)
            assert {problem.kind for problem in found} <= {"late"}, found
            assert changed <= {problem.day for problem in found}
            while close_days(connection, offset_ms + mono_ms):
                pass
            again = verify_chain(path)
            assert {problem.kind for problem in again} <= {"late"}, again
            assert changed <= {problem.day for problem in again}
