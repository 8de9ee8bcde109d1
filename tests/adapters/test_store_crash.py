"""Kills and torn writes: what was committed is there, once, and the file is sound."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

from netwatch.core.packing import unpack_minute
from netwatch.store.books import Books, Life
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from tests.adapters.store_samples import SET_ASIDE, anchor, answered, batch, check, span

KILLS = 20


def kill_a_writer(path: Path, how: str, after_s: float) -> int:
    """Let a writer work for a while and kill it; returns the last batch that it said was in."""
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.store_victim", str(path), how],
        stdout=subprocess.PIPE,
        text=True,
    )
    with victim:
        assert victim.stdout is not None
        said = int(victim.stdout.readline())
        threading.Event().wait(after_s)
        victim.kill()
        for line in victim.stdout:
            if line.endswith("\n"):
                said = int(line)
    return said


def assert_books_add_up(path: Path) -> dict[int, int]:
    """The file is sound and its parts agree; returns the last batch of each run."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        entered: dict[int, int] = dict(
            connection.execute("SELECT id, last_sequence FROM run").fetchall()
        )
        rows = connection.execute("SELECT run_id, block FROM observation_minute ORDER BY key")
        slots: dict[int, list[int]] = {run_id: [] for run_id in entered}
        for run_id, block in rows:
            slots[run_id] += [each.due_ms for each in unpack_minute(block, {1: "box"})]
        counters = dict(connection.execute("SELECT name, value FROM counter").fetchall())
        spans = connection.execute(
            "SELECT run_id, (end_mono_ms - start_mono_ms) / 1000 FROM span"
        ).fetchall()
    for run_id, last in entered.items():
        assert len(slots[run_id]) == len(set(slots[run_id])) == 50 * last
    assert counters.get("batches", 0) == sum(entered.values())
    assert counters.get("probes", 0) == 50 * sum(entered.values())
    assert dict(spans) == {run_id: last for run_id, last in entered.items() if last}
    return entered


def test_a_killed_writer_loses_no_committed_batch(tmp_path: Path) -> None:
    """Over many kills at random instants: nothing in the database lost or doubled, the file sound."""
    path = tmp_path / "netwatch.db"
    chance = random.Random(20261123)
    for run_id in range(1, KILLS + 1):
        said = kill_a_writer(path, "flush", chance.uniform(0.0, 0.12))
        entered = assert_books_add_up(path)
        assert len(entered) == run_id
        assert entered[run_id] >= said


def test_a_killed_writer_loses_no_batch_that_was_safe(tmp_path: Path) -> None:
    """Over many kills: what was in the daybook alone is in the database after the next start, once."""
    path = tmp_path / "netwatch.db"
    chance = random.Random(20261124)
    for _ in range(KILLS):
        said = kill_a_writer(path, "secure", chance.uniform(0.0, 0.12))
        books = Books(path, lambda: SET_ASIDE)
        begun = books.begin(
            Life(boot_id="boot-z", pid=1, version="0.1.0", monotonic_ms=0, anchor=None)
        )
        books.leave(0, None)
        books.close()
        assert begun.previous is not None
        assert assert_books_add_up(path)[begun.previous.id] >= said


def test_a_torn_log_keeps_whole_batches(tmp_path: Path) -> None:
    """A log cut anywhere by a power failure, or with garbage behind the cut, leaves whole batches."""
    path = tmp_path / "live" / "netwatch.db"
    opened = open_database(path, set_aside=lambda: SET_ASIDE)
    with closing(opened.connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        for number in range(1, 21):
            end = number * 1_000
            journal.append(
                batch(
                    end,
                    span(0, end),
                    observations=[answered("box", end - 1_000 + each * 20) for each in range(50)],
                    counters={("batches", ""): 1, ("probes", "box"): 50},
                    checks=[check()],
                    sequence=number,
                )
            )
        log = path.with_name("netwatch.db-wal").read_bytes()
        database = path.read_bytes()
    chance = random.Random(5)
    lasts: list[int] = []
    begun = _first_length_with_a_run(tmp_path, database, log)
    for number, length in enumerate(sorted(chance.sample(range(begun, len(log)), 40))):
        folder = tmp_path / f"torn-{number}"
        folder.mkdir()
        (folder / "netwatch.db").write_bytes(database)
        garbage = chance.randbytes(chance.choice([0, 0, 7, 4_000]))
        (folder / "netwatch.db-wal").write_bytes(log[:length] + garbage)
        opened = open_database(folder / "netwatch.db", set_aside=lambda: SET_ASIDE)
        opened.connection.close()
        assert opened.notice is None
        lasts.append(assert_books_add_up(folder / "netwatch.db")[1])
        shutil.rmtree(folder)
    assert lasts == sorted(lasts)
    assert len(set(lasts)) > 10


def _first_length_with_a_run(tmp_path: Path, database: bytes, log: bytes) -> int:
    """From which length of the log on the run's beginning is in it."""
    low, high = 0, len(log)
    while low < high:
        middle = (low + high) // 2
        folder = tmp_path / "probe"
        folder.mkdir()
        (folder / "netwatch.db").write_bytes(database)
        (folder / "netwatch.db-wal").write_bytes(log[:middle])
        with closing(
            open_database(folder / "netwatch.db", set_aside=lambda: SET_ASIDE).connection
        ) as connection:
            known = connection.execute("SELECT count(*) FROM run").fetchone()[0]
        shutil.rmtree(folder)
        low, high = (low, middle) if known else (middle + 1, high)
    return low
