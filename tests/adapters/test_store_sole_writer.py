"""One agent at a time keeps the books."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netwatch.clock import SystemClock
from netwatch.errors import StoreError
from netwatch.store.books import BegunRun
from netwatch.store.queries import Reader
from netwatch.store.writer import Writer
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, batch, span


def make_writer(path: Path) -> Writer:
    return Writer(path, clock=SystemClock(trusted=True), set_aside=lambda: SET_ASIDE)


def begin(writer: Writer) -> BegunRun:
    return writer.begin_run(
        boot_id="boot-a", pid=1, version="0.1.0", monotonic_ms=0, anchor=anchor()
    )


def test_a_second_agent_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    """What the first has in its daybook stays there, no run is entered, and the message says why."""
    path = tmp_path / "netwatch.db"
    first = make_writer(path)
    begin(first)
    first.submit(batch(5_000, span(0, 5_000)))
    assert first.wait_safe(10_000)
    daybook = path.with_name("netwatch.db-daybook").read_bytes()
    with pytest.raises(StoreError) as refused:
        begin(make_writer(path))
    assert str(refused.value) == (
        f"{path}: another agent keeps these books: stop it (`systemctl stop netwatch-agent`), "
        "or give this one a store.path of its own"
    )
    assert path.with_name("netwatch.db-daybook").read_bytes() == daybook
    assert [run.id for run in Reader(path).read_runs(0, 2 * OFFSET_MS)] == [1]
    assert first.close(monotonic_ms=6_000, anchor=anchor())


def test_the_books_are_free_once_their_agent_has_gone(tmp_path: Path) -> None:
    """After a leave, and after a kill that nobody could clean up behind."""
    path = tmp_path / "netwatch.db"
    first = make_writer(path)
    begin(first)
    first.close(monotonic_ms=1_000, anchor=anchor())
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.store_victim", str(path), "flush"],
        stdout=subprocess.PIPE,
    )
    with victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"1\n"
        with pytest.raises(StoreError, match="another agent keeps these books"):
            begin(make_writer(path))
        victim.kill()
    third = make_writer(path)
    assert begin(third).run_id == 3
    third.close(monotonic_ms=2_000, anchor=anchor())
