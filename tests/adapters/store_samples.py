"""What the store's tests write: short ways to make batches, and a folder on a disk of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from netwatch.clock import SystemClock
from netwatch.records import Anchor, Cause, Check, Observation, Outcome, Role, Span, Verdict
from netwatch.store.attempts import WriterState
from netwatch.store.backlog import Backlog
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.writer import Writer

#: What UTC is at monotonic 0 in these tests: 2026-10-01T00:00:00Z.
OFFSET_MS = 1_790_812_800_000
SET_ASIDE = "20261123T205500Z"


def anchor(offset_ms: int = OFFSET_MS, at_ms: int = 0, boot_id: str = "boot-a") -> Anchor:
    return Anchor(boot_id=boot_id, monotonic_ms=at_ms, offset_ms=offset_ms)


def check(name: str = "box", target: str = "192.0.2.1", role: Role = Role.GATEWAY) -> Check:
    return Check(id=name, kind="icmp", target=target, role=role, every_ms=5_000, timeout_ms=2_000)


def answered(name: str, due_ms: int, rtt_us: int = 20_000) -> Observation:
    return Observation(
        check_id=name,
        due_ms=due_ms,
        started_ms=due_ms,
        elapsed_ms=rtt_us // 1000,
        outcome=Outcome.ANSWERED,
        measures={"rtt_us": rtt_us},
    )


def lost(name: str, due_ms: int) -> Observation:
    return Observation(
        check_id=name,
        due_ms=due_ms,
        started_ms=due_ms,
        elapsed_ms=2_000,
        outcome=Outcome.FAILED,
        reason="timeout",
    )


def span(
    start_ms: int,
    end_ms: int,
    verdict: Verdict = Verdict.UP,
    cause: Cause | None = None,
    *,
    layer: str = "link",
    reason: str | None = None,
) -> LayerSpan:
    return LayerSpan(
        layer=layer,
        span=Span(verdict=verdict, cause=cause, start_ms=start_ms, end_ms=end_ms, reason=reason),
    )


def batch(
    to_ms: int,
    *spans: LayerSpan,
    run_id: int = 1,
    observations: Sequence[Observation] = (),
    counters: dict[tuple[str, str], int] | None = None,
    anchored: Anchor | None = anchor(),  # noqa: B008 - a frozen record
    checks: Sequence[Check] = (),
    sequence: int | None = None,
) -> Batch:
    return Batch(
        run_id=run_id,
        anchor=anchored,
        watched_to_mono_ms=to_ms,
        spans=spans,
        observations=tuple(observations),
        counters=counters or {},
        checks=tuple(checks),
        sequence=sequence,
    )


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """A journal with run 1 of boot-a begun at monotonic 0."""
    opened = open_database(path, set_aside=lambda: SET_ASIDE)
    with contextlib.closing(opened.connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        yield journal


def build_writer(
    path: Path, states: list[WriterState] | None = None, backlog: Backlog | None = None
) -> Writer:
    """One that does not wait long between two attempts; ``states`` hears what it says of itself."""
    return Writer(
        path,
        clock=SystemClock(trusted=True),
        set_aside=lambda: SET_ASIDE,
        on_state=None if states is None else states.append,
        backlog=backlog,
        first_retry_ms=10,
    )


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system in memory of that size, mounted on ``folder``."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "netwatch-test", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
