"""Kills of the real agent at random instants, and what its books say after each.

Rule of this file: it kills and counts; what must hold is in `Tally`, judged by whoever
asks. What was committed is known from a reader of its own, which looks at the books all
the time as the page's readers do; what was safe in the daybook, from the daybook's own
file at the instant of the kill.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import random
import shutil
import sqlite3
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from netwatch.agent.ledger_books import AgentBooks
from netwatch.agent.recorder import format_key, parse_key
from netwatch.core.ledger import build_minutes, find_incidents, sum_spans
from netwatch.records import Cause, Span, Verdict
from netwatch.store.counted import COUNTED, INCIDENTS, LINK_MS
from netwatch.store.daybook import Daybook
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.queries import Reader
from tests.e2e.agent_process import GATEWAY, TARGETS, AgentProcess, lone_network, write_config
from tests.netlab import namespaces

#: Beside the commit interval: a turn of the runner, a slow card, the start itself.
GAP_MARGIN_MS = 15_000
#: The first life's own start is in the ledger and in no total.
TOTALS_APART_MS = 1_000
#: So many of the kills come while the agent starts: it enters what the daybook has then.
EARLY_KILLS = 0.2
#: So many of the kills come when an outage is known, or was a moment ago.
KILLS_IN_OUTAGES = 0.2
#: An outage is on, or over, for as many seconds: some last for several lives.
TURN_S = (3.0, 9.0)


class Tally(msgspec.Struct, kw_only=True):
    """What a campaign found; the lists must be empty."""

    kills: int = 0
    kills_before_ready: int = 0
    runs: int = 0
    observations: int = 0
    incidents: int = 0
    seen_rows: int = 0  # raw rows that the reader beside the agent was shown before a kill
    largest_gap_ms: int = 0
    allowed_gap_ms: int = 0
    lost: list[str] = []
    doubled: list[str] = []
    unsound: list[str] = []
    not_adding_up: list[str] = []
    wrong_gaps: list[str] = []
    wrong_totals: list[str] = []

    @property
    def faults(self) -> list[str]:
        return [
            *self.lost,
            *self.doubled,
            *self.unsound,
            *self.not_adding_up,
            *self.wrong_gaps,
            *self.wrong_totals,
        ]


class Seen(msgspec.Struct):
    """The most that anybody has been shown as committed."""

    sequences: dict[int, int] = {}
    counters: dict[tuple[str, str], int] = {}
    rows: dict[int, int] = {}  # raw rows: key, checksum of the block

    def look(self, path: Path) -> None:
        """One consistent look; nothing where the books cannot be read at this instant."""
        with contextlib.suppress(sqlite3.Error):
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute("BEGIN")
                sequences = dict(connection.execute("SELECT id, last_sequence FROM run").fetchall())
                counters = {
                    (name, label): value
                    for name, label, value in connection.execute(
                        "SELECT * FROM counter WHERE name <> ?", (COUNTED,)
                    )
                }
                rows = connection.execute(
                    "SELECT key, block FROM observation_minute WHERE key > ?",
                    (max(self.rows, default=-1),),
                ).fetchall()
            self.sequences, self.counters = sequences, counters
            self.rows |= {key: zlib.crc32(block) for key, block in rows}


def kill_again_and_again(
    folder: Path, kills: int, *, seed: int, longest_life_s: float, commit_interval_s: int = 1
) -> Tally:
    """So many lives of the agent under load on one set of books, each ended by SIGKILL.

    Most live for up to ``longest_life_s`` once they are ready; the others die while they start.
    """
    chance = random.Random(seed)
    tally = Tally(allowed_gap_ms=commit_interval_s * 1_000 + GAP_MARGIN_MS)
    path, seen = folder / "netwatch.db", Seen()
    config = write_config(
        folder,
        path,
        latency={"interval": "1s", "burst_interval": "200ms", "timeout": "190ms"},
        store={"commit_interval": f"{commit_interval_s}s"},
    )
    killed_ms: dict[int, float] = {}  # by the run that was going on
    in_daybook: dict[int, int] = {}
    with lone_network() as network, contextlib.ExitStack() as until_the_end:
        until_the_end.enter_context(interrupting(network, seed))
        for _ in range(kills):
            with AgentProcess(network, config) as agent:
                with watching(path, seen), asking(agent):
                    if chance.random() < EARLY_KILLS:
                        time.sleep(chance.uniform(0.02, 0.6))
                    else:
                        agent.await_ready()
                        if chance.random() < KILLS_IN_OUTAGES:
                            await_verdict(agent, "down")
                        time.sleep(chance.uniform(0, longest_life_s))
                    assert agent.process.poll() is None, agent.read_log()[-3000:]
                    at_ms = agent.kill()
                tally.kills += 1
                tally.kills_before_ready += not any("READY" in text for _, text in agent.told)
            tally.seen_rows = max(tally.seen_rows, len(seen.rows))
            last_run = inspect(folder, seen, in_daybook, tally)
            # One that came before its run was entered says nothing of the run before.
            killed_ms.setdefault(last_run, at_ms)
        # The last life has a line, and ends in good order.
        until_the_end.close()
        with AgentProcess(network, config) as agent:
            agent.await_ready()
            await_verdict(agent, "up")
            assert agent.end() == 0
    inspect(folder, seen, in_daybook, tally)
    judge_whole(path, killed_ms, tally)
    judge_totals(path, tally)
    return tally


def await_verdict(agent: AgentProcess, verdict: str) -> None:
    agent.wait_for(lambda: agent.read_status()["link"]["verdict"] == verdict, f"is not {verdict}")


def watching(path: Path, seen: Seen) -> contextlib.AbstractContextManager[None]:
    """A reader beside the agent, again and again."""

    def watch() -> None:
        if path.exists():
            seen.look(path)

    return repeating(watch, 0.03)


def asking(agent: AgentProcess) -> contextlib.AbstractContextManager[None]:
    """Load: page and metrics are asked for all the time."""

    def ask() -> None:
        for page in ("/metrics", "/"):
            # It may not listen yet, or no longer.
            with contextlib.suppress(OSError, http.client.HTTPException):
                agent.get(page)

    return repeating(ask, 0.1)


@contextlib.contextmanager
def repeating(work: Callable[[], None], pause_s: float) -> Iterator[None]:
    """The same again and again, in a thread beside, with a pause before each."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(pause_s):
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def interrupting(network: str, seed: int) -> Iterator[None]:
    """The line goes and comes back at random: everything beyond the box, or the box with it."""
    chance, stop = random.Random(seed), threading.Event()
    beyond = ", ".join(TARGETS)

    def apply(rules: str) -> None:
        command = ("ip", "netns", "exec", network, "nft", "-f", "-")
        namespaces.run(*command, given=rules + "\n")

    def interrupt() -> None:
        while not stop.wait(chance.uniform(*TURN_S)):
            silent = chance.choice((beyond, f"{beyond}, {GATEWAY}"))
            apply(f"add rule inet cut way ip daddr {{ {silent} }} drop")
            stop.wait(chance.uniform(*TURN_S))
            apply("flush chain inet cut way")

    apply("add table inet cut")
    apply("add chain inet cut way { type filter hook input priority 0; }")
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def inspect(folder: Path, seen: Seen, in_daybook: dict[int, int], tally: Tally) -> int:
    """After a kill: a copy of the files, opened as the next start would; the last run's number."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("netwatch.db", "netwatch.db-wal", "netwatch.db-daybook"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(folder / name, copy / name)
    books = copy / "netwatch.db"
    last_run = 0
    # A kill may come before there are any books at all.
    if books.exists() and books.stat().st_size:
        found = Seen()
        with contextlib.closing(sqlite3.connect(books)) as connection:
            sound = connection.execute("PRAGMA integrity_check").fetchall()
        if sound != [("ok",)]:
            tally.unsound.append(f"after kill {tally.kills}: {sound}")
        found.look(books)
        compare(found, seen, tally)
        safe: dict[int, int] = {}
        for batch in Daybook(copy / "netwatch.db-daybook").read():
            safe[batch.run_id] = max(safe.get(batch.run_id, 0), batch.sequence or 0)
        for run_id, sequence in in_daybook.items():
            # It may wait there still: a start that is killed has not taken it over yet.
            if max(found.sequences.get(run_id, 0), safe.get(run_id, 0)) < sequence:
                tally.lost.append(f"batch {sequence} of run {run_id} was safe in the daybook")
        in_daybook.clear()
        in_daybook.update(safe)
        last_run = max(found.sequences, default=0)
        # The next commit may not reach the database before the next kill.
        seen.sequences, seen.counters = found.sequences, found.counters
        seen.rows |= found.rows
    shutil.rmtree(copy)
    return last_run


def compare(found: Seen, seen: Seen, tally: Tally) -> None:
    """Everything that was seen is still there, unchanged."""
    for run_id, sequence in seen.sequences.items():
        if found.sequences.get(run_id, -1) < sequence:
            tally.lost.append(f"run {run_id}: batch {sequence} was seen")
    for key, value in seen.counters.items():
        if found.counters.get(key, 0) < value:
            tally.lost.append(f"{key}: {value} was seen")
    for number, checksum in seen.rows.items():
        if found.rows.get(number) != checksum:
            tally.lost.append(f"raw row {number} was seen")


def judge_whole(path: Path, killed_ms: dict[int, float], tally: Tally) -> None:
    """All lives together: each observation once, each minute whole, each gap ours."""
    reader = Reader(path)
    now_ms = round(time.time() * 1000)
    runs = reader.read_runs(0, now_ms)
    observed = Counter(
        (observation.check_id, observation.due_ms, observation.started_ms)
        for _, observation in reader.read_observations(now_ms - 86_400_000, now_ms)
    )
    tally.runs, tally.observations = len(runs), sum(observed.values())
    tally.doubled += [f"{what}: {count} times" for what, count in observed.items() if count > 1]
    first_ms, last_ms = runs[0].started_ms, runs[-1].ended_ms
    assert first_ms is not None
    assert last_ms is not None
    ledger = AgentBooks(reader, dict, lambda: None).read_ledger(first_ms, last_ms)
    held_ms = sum(entry.end_ms - entry.start_ms for entry in ledger)
    if held_ms != last_ms - first_ms:
        tally.not_adding_up.append(f"{held_ms} ms of {last_ms - first_ms}")
    edges = [entry.end_ms for entry in ledger[:-1]], [entry.start_ms for entry in ledger[1:]]
    if edges[0] != edges[1]:
        tally.not_adding_up.append("the ledger has a hole or an overlap")
    for minute in build_minutes(ledger)[1:-1]:
        total_ms = sum(entry.duration_ms for entry in minute.entries)
        if total_ms != 60_000:
            tally.not_adding_up.append(f"the minute from {minute.start_ms} has {total_ms} ms")
    for before, after in itertools.pairwise(runs):
        if before.clean or before.ended_ms is None or after.started_ms is None:
            tally.wrong_gaps.append(f"run {before.id}: {before}")
            continue
        if before.id in killed_ms:
            gap_ms = round(killed_ms[before.id]) - before.ended_ms
            tally.largest_gap_ms = max(tally.largest_gap_ms, gap_ms)
            if gap_ms > tally.allowed_gap_ms:
                tally.wrong_gaps.append(f"run {before.id}: {gap_ms} ms before its kill are lost")
        for entry in ledger:
            if entry.start_ms < after.started_ms and entry.end_ms > before.ended_ms:
                told = (entry.verdict, entry.cause, entry.reason)
                if told != (Verdict.UNKNOWN, Cause.AGENT, "crashed"):
                    tally.wrong_gaps.append(f"after run {before.id}: {told}")


def judge_totals(path: Path, tally: Tally) -> None:
    """The counters, with what the next life would add to them, say what the ledger says."""
    with contextlib.closing(
        open_database(path, set_aside=lambda: "aside").connection
    ) as connection:
        journal = Journal(connection)
        run_id, _ = journal.begin_run("none", 0, "0", 0, None)
        told = journal.read_told(run_id)
        counters = journal.read_counters()
    totals = {parse_key(label): ms for (name, label), ms in counters.items() if name == LINK_MS}
    for key, ms in told.uncounted.items():
        totals[key] = totals.get(key, 0) + ms
    reader = Reader(path)
    first_ms = reader.read_first_ms()
    assert first_ms is not None
    assert told.end_ms is not None
    spans = AgentBooks(reader, dict, lambda: None).read_ledger(first_ms, told.end_ms)
    ledger = sum_spans(spans)
    for key in totals.keys() | ledger.keys():
        apart_ms = totals.get(key, 0) - ledger.get(key, 0)
        if abs(apart_ms) > TOTALS_APART_MS:
            tally.wrong_totals.append(f"{format_key(key)}: {apart_ms:+d} ms beside the ledger")
    counted = Counter(
        {Cause(label): number for (name, label), number in counters.items() if name == INCIDENTS}
    )
    counted.update(told.incidents)
    tally.incidents = counted.total()
    judge_incidents(counted, spans, tally)


def judge_incidents(counted: Counter[Cause], ledger: Sequence[Span], tally: Tally) -> None:
    """Every outage of the ledger is counted once, under the cause that it began with."""
    first_causes = {span.start_ms: span.cause for span in ledger}
    begun = Counter(first_causes[incident.start_ms] for incident in find_incidents(ledger))
    for cause in counted.keys() | begun.keys():
        if counted[cause] != begun[cause]:
            tally.wrong_totals.append(
                f"{cause}: {counted[cause]} incidents are counted, {begun[cause]} are in the ledger"
            )
