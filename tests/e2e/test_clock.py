"""The clock under the real process: stepped with libfaketime, late, and never there at all."""

from __future__ import annotations

import itertools
import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netwatch.agent.month_books import MonthBooks
from netwatch.core.ledger import build_minutes, sum_spans
from netwatch.records import MINUTE_MS, Cause, Span, Verdict
from netwatch.store.queries import Reader
from tests.e2e.agent_process import AgentProcess, lone_network, write_config
from tests.netlab.agent import parse_instant_ms

HOUR_MS = 3_600_000
#: What the newest rounds have not settled.
UNSETTLED_MS = 20_000
LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.fixture
def network() -> Iterator[str]:
    with lone_network() as name:
        yield name


def set_wall_clock(stamp: Path, seconds: int) -> None:
    """The clock of the process is so far ahead of this machine's, from now on."""
    fresh = stamp.with_suffix(".new")
    fresh.write_text(f"{seconds:+d}\n", encoding="ascii")
    fresh.rename(stamp)


def under_faketime(stamp: Path) -> tuple[str, ...]:
    """A process whose wall clock a file moves; its monotonic clock is the kernel's."""
    assert LIBFAKETIME is not None, "libfaketime is missing: apt-get install faketime"
    return (
        "env",
        f"LD_PRELOAD={LIBFAKETIME}",
        "DONT_FAKE_MONOTONIC=1",
        "FAKETIME_NO_CACHE=1",
        f"FAKETIME_TIMESTAMP_FILE={stamp}",
    )


def in_a_sandbox(folder: Path, *, boot_id: str | None = None) -> tuple[str, ...]:
    """No adjtimex, a /run of its own where no service has said a word, another boot."""
    mounts = "mount -t tmpfs none /run"
    if boot_id is not None:
        file = folder / f"boot-{boot_id}"
        file.write_text(f"{boot_id}\n", encoding="ascii")
        mounts += f" && mount --bind {file} /proc/sys/kernel/random/boot_id"
    launcher = str(Path(__file__).with_name("sandboxed_clock.py"))
    return ("unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh", sys.executable, launcher)


def read_ledger(agent: AgentProcess, from_ms: int, to_ms: int) -> list[dict[str, Any]]:
    status, body = agent.get(f"/api/v1/ledger?from={from_ms}&to={to_ms}")
    assert status == 200, body
    answer = json.loads(body)
    spans: list[dict[str, Any]] = answer["spans"]
    assert sum(span["duration_ms"] for span in spans) == answer["duration_ms"]
    assert all(span["duration_ms"] > 0 for span in spans)
    assert all(one["end"] == two["start"] for one, two in itertools.pairwise(spans))
    return spans


def is_up(agent: AgentProcess) -> bool:
    return bool(agent.read_status()["link"]["verdict"] == "up")


def is_told_up(agent: AgentProcess, from_ms: int) -> bool:
    """Whether the ledger says up of some time since then."""
    now_ms = parse_instant_ms(agent.read_status()["at"])
    return now_ms > from_ms and any(
        span["verdict"] == "up" for span in read_ledger(agent, from_ms, now_ms)
    )


def read_books(path: Path, from_ms: int, to_ms: int) -> list[Span]:
    """The ledger as reports read it; every minute of it adds up."""
    spans = MonthBooks(str(path)).read_ledger(from_ms, to_ms)
    for minute in build_minutes(spans):
        assert sum(entry.duration_ms for entry in minute.entries) == MINUTE_MS
    assert sum(span.duration_ms for span in spans) == to_ms - from_ms
    return spans


def test_steps_of_the_wall_clock_while_it_runs(tmp_path: Path, network: str) -> None:
    """An hour forward, an hour back, killed and started again: all adds up, page and books."""
    books, stamp = tmp_path / "netwatch.db", tmp_path / "stamp"
    set_wall_clock(stamp, 0)
    config = write_config(tmp_path, books)
    with AgentProcess(network, config, before=under_faketime(stamp)) as agent:
        agent.await_ready()
        agent.wait_for(lambda: is_up(agent), "is not up")
        began = agent.read_status()
        from_ms = parse_instant_ms(began["at"]) - began["uptime_ms"] - 1_000
        for seconds, sign in ((3_600, "+"), (0, "-")):
            set_wall_clock(stamp, seconds)
            wanted = re.compile(rf"put right by \{sign}(\d+) ms")
            agent.wait_for(lambda found=wanted: found.search(agent.read_log()), "heeds no step")
            found = wanted.search(agent.read_log())
            assert found is not None
            assert abs(int(found[1]) - HOUR_MS) < 1_000
            stepped_ms = parse_instant_ms(agent.read_status()["at"])
            agent.wait_for(
                lambda since=stepped_ms: is_told_up(agent, since), "tells nothing after a step"
            )
        now_ms = parse_instant_ms(agent.read_status()["at"])
        # Of the hour ahead what was seen in it is kept, though it is in the future now.
        seen = [span["cause"] or span["verdict"] for span in read_ledger(agent, from_ms, now_ms)]
        assert "up" in seen
        assert "down" not in seen
        metrics = agent.get("/metrics")[1]
        total = re.search(r'cause="clock",verdict="unknown"\} ([\d.]+)', metrics)
        assert total is not None
        assert abs(float(total[1]) - 3_600) < 1
        agent.kill()
    with AgentProcess(network, config, before=under_faketime(stamp)) as agent:
        agent.await_ready()
        agent.wait_for(lambda: is_up(agent), "is not up again")
        assert agent.end() == 0
    whole = read_books(books, from_ms, from_ms + 2 * HOUR_MS)
    reasons = [span.reason for span in whole if span.cause is Cause.CLOCK]
    assert set(reasons) == {"stepped"}
    assert Verdict.DOWN not in {span.verdict for span in whole}
    late_ms = sum(
        span.duration_ms
        for span in whole
        if span.verdict is Verdict.UP and span.start_ms > from_ms + HOUR_MS // 2
    )
    assert late_ms > 0


def test_what_was_measured_before_a_service_told_the_time_is_dated_then(
    tmp_path: Path, network: str
) -> None:
    """No word of the kernel, none of timesyncd; then its file is there, and all has a date."""
    config = write_config(tmp_path, tmp_path / "netwatch.db", clock={"trusted": False})
    with AgentProcess(network, config, before=in_a_sandbox(tmp_path)) as agent:
        agent.await_ready()
        agent.wait_for(lambda: is_up(agent), "is not up")
        before = agent.read_status()
        assert before["clock_synchronised"] is False
        assert before["link"]["since"] is None
        assert "clock_unsynchronised" in before["notices"]
        assert "The clock is not synchronised" in agent.get("/?lang=en")[1]
        assert before["accounts"]["last_24h"]["by_cause_ms"]["unknown"]["clock"] > 0
        word = Path(f"/proc/{agent.process.pid}/root/run/systemd/timesync/synchronized")
        word.parent.mkdir(parents=True)
        word.touch()
        agent.wait_for(lambda: agent.read_status()["clock_synchronised"], "heeds no word")
        after = agent.read_status()
        assert after["clock_held_ms"] is None
        assert "clock_unsynchronised" not in after["notices"]
        now_ms = parse_instant_ms(after["at"])
        began_ms = now_ms - after["uptime_ms"]
        assert began_ms <= parse_instant_ms(after["link"]["since"]) < now_ms
        seen = read_ledger(agent, began_ms, now_ms)
        assert {span["cause"] for span in seen} <= {None, "agent"}
        assert "up" in {span["verdict"] for span in seen}
        # The word is taken back: the records keep their dates by the last good tie.
        word.unlink()
        agent.wait_for(lambda: agent.read_status()["clock_held_ms"] is not None, "holds nothing")
        held = agent.read_status()
        assert held["link"]["since"] == after["link"]["since"]
        assert "clock_held" in held["notices"]
        assert "netwatch_clock_held_seconds" in agent.get("/metrics")[1]
        assert agent.end() == 0
    spans = Reader(tmp_path / "netwatch.db").read_spans(began_ms - HOUR_MS, now_ms, "link")
    assert spans[0].start_ms >= began_ms - 5_000


def test_a_boot_that_nobody_told_the_time_is_unknown_by_the_clock(
    tmp_path: Path, network: str
) -> None:
    """Three boots, the one in the middle without a clock: as long as it watched is the clock's."""
    books = tmp_path / "netwatch.db"
    trusting = write_config(tmp_path, books)
    ends: list[int] = []
    for index, trusted in enumerate((True, False, True)):
        config = write_config(tmp_path, books, clock={"trusted": trusted})
        sandbox = in_a_sandbox(tmp_path, boot_id=str(uuid.UUID(int=index + 1)))
        with AgentProcess(network, config, before=sandbox) as agent:
            agent.await_ready()
            agent.wait_for(lambda running=agent: is_up(running), "is not up")
            ends.append(parse_instant_ms(agent.read_status()["at"]))
            agent.kill()
    assert trusting.exists()
    lives = Reader(books).read_lives(ends[0], ends[2])
    assert [life.started_ms is None for life in lives] == [False, True, False]
    watched_ms = lives[1].ended_mono_ms - lives[1].started_mono_ms
    assert watched_ms > 0
    assert lives[0].ended_ms is not None
    assert lives[2].started_ms is not None
    hole = read_books(books, lives[0].ended_ms, lives[2].started_ms)
    assert sum_spans(hole)[Verdict.UNKNOWN, Cause.CLOCK] == watched_ms
    assert [(span.cause, span.reason) for span in hole] == [
        (Cause.AGENT, "power_loss"),
        (Cause.CLOCK, "unsynchronised"),
    ]


def test_a_later_life_of_the_same_boot_dates_what_an_earlier_one_left(
    tmp_path: Path, network: str
) -> None:
    """Killed before it knew the time, started again when it is known: nothing is lost."""
    books = tmp_path / "netwatch.db"
    for trusted in (False, True):
        config = write_config(tmp_path, books, clock={"trusted": trusted})
        with AgentProcess(network, config, before=in_a_sandbox(tmp_path)) as agent:
            agent.await_ready()
            agent.wait_for(lambda running=agent: is_up(running), "is not up")
            now_ms = parse_instant_ms(agent.read_status()["at"])
            if trusted:
                ledger = read_ledger(agent, now_ms - 60_000, now_ms)
            agent.kill()
    assert [life.started_ms is None for life in Reader(books).read_lives(0, now_ms)] == [False] * 2
    reasons = [span["reason"] for span in ledger]
    assert "crashed" in reasons
    assert Cause.CLOCK.value not in {span["cause"] for span in ledger}
