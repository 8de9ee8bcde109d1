"""Raw latency probes out of the books, in the order of sending."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from netwatch.records import Observation, Outcome
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.probes import read_probes
from netwatch.store.queries import Reader
from tests.adapters.store_samples import OFFSET_MS, anchor, answered, batch, check, lost

MINUTE = 60_000


def make_reader(folder: Path, *batches: tuple[int, Sequence[Observation], int]) -> Reader:
    """Books of batches: until when, what was observed, the offset of the clock."""
    opened = open_database(folder / "netwatch.db", set_aside=lambda: "never")
    with closing(opened.connection):
        journal = Journal(opened.connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        for to_ms, observations, offset_ms in batches:
            journal.append(
                batch(
                    to_ms,
                    observations=observations,
                    anchored=anchor(offset_ms, to_ms),
                    checks=[check("box"), check("far")],
                )
            )
    return Reader(folder / "netwatch.db")


def test_a_probe_settled_late_stands_where_it_was_sent(tmp_path: Path) -> None:
    """It was written with the next minute's, and comes before what was written earlier."""
    late = lost("far", 58_000)
    reader = make_reader(
        tmp_path,
        (MINUTE, [answered("box", 57_000), answered("box", 59_000)], OFFSET_MS),
        (2 * MINUTE, [late, answered("box", 61_000)], OFFSET_MS),
    )
    found = list(read_probes(reader, OFFSET_MS, OFFSET_MS + 2 * MINUTE, {"box", "far"}))
    assert [(at - OFFSET_MS, name, rtt) for at, name, rtt in found] == [
        (57_000, "box", 20_000), (58_000, "far", None), (59_000, "box", 20_000),
        (61_000, "box", 20_000),
    ]  # fmt: skip


def test_only_what_tells_latency_is_given(tmp_path: Path) -> None:
    """Not another check's, nor what was skipped or not to be trusted, nor beyond the range."""
    unsure = msgspec.structs.replace(lost("box", 3_000), outcome=Outcome.UNKNOWN, reason="stalled")
    unmeasured = msgspec.structs.replace(answered("box", 4_000), measures={})
    reader = make_reader(
        tmp_path,
        (
            MINUTE,
            [answered("box", 1_000), answered("far", 2_000), unsure, unmeasured,
             answered("box", 50_000)],
            OFFSET_MS,
        ),
    )  # fmt: skip
    found = read_probes(reader, OFFSET_MS, OFFSET_MS + 50_000, {"box"})
    assert list(found) == [(OFFSET_MS + 1_000, "box", 20_000)]


def test_an_hour_lived_twice_is_told_once_and_in_order(tmp_path: Path) -> None:
    """After the clock was put back by two hours, the first reading of them stands."""
    minutes = range(360)
    back = OFFSET_MS - 120 * MINUTE
    reader = make_reader(
        tmp_path,
        *(
            (
                (number + 1) * MINUTE,
                [answered("box", number * MINUTE, 1_000 + number)],
                OFFSET_MS if number < 180 else back,
            )
            for number in minutes
        ),
    )
    found = list(read_probes(reader, OFFSET_MS, OFFSET_MS + 400 * MINUTE, {"box"}))
    instants = [at for at, _, _ in found]
    assert instants == sorted(instants)
    assert len(set(instants)) >= 238
    # A few minutes around the step may be told twice; of the hours before it no more.
    assert len(instants) <= 240 + 35
    first_reading = [rtt for at, _, rtt in found if at == OFFSET_MS + 100 * MINUTE]
    assert first_reading == [1_100]
