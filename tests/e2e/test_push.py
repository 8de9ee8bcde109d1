"""The push from real books to a real VictoriaMetrics, compared row by row."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from netwatch import __version__
from netwatch.agent.line_source import LineSource
from netwatch.agent.push import IDLE_MS, Push
from netwatch.agent.push_parts import build_push
from netwatch.clock import SystemClock
from netwatch.config.model import Circuit, Influx, Settings, Site, StoreSettings
from netwatch.core.line_points import build_tags
from netwatch.records import Cause, Verdict
from netwatch.store.chain import close_days, read_chain
from netwatch.store.throughput import BandwidthRow, append_test
from netwatch.store.writer import Writer
from tests.adapters.influx_server import TAKEN, TOKEN, InfluxServer, answer
from tests.adapters.store_samples import (
    OFFSET_MS,
    SET_ASIDE,
    anchor,
    answered,
    batch,
    check,
    lost,
    span,
)
from tests.adapters.victoria import Row, Victoria, split_line, victoria

MINUTE = 60_000
HOUR = 3_600_000
OPERATOR = "Opérateur A, filiale=1"
TAGS = build_tags("ecole-jaures", "FTTH-0042", OPERATOR)
#: 27 hours: a midnight, so that a day is closed, an outage over it, and hours beside.
HOURS = 27
MARGIN = 2 * MINUTE


@contextmanager
def kept_books(folder: Path) -> Iterator[tuple[Settings, Writer]]:
    """Books of 27 hours: every kind of record, and their writer, open."""
    settings = Settings(
        site=Site(id="ecole-jaures"),
        circuit=Circuit(operator=OPERATOR, reference="FTTH-0042"),
        store=StoreSettings(path=str(folder / "netwatch.db")),
    )
    writer = Writer(settings.store.path, clock=SystemClock(), set_aside=lambda: SET_ASIDE)
    writer.begin_run(boot_id="boot-a", pid=1, version=__version__, monotonic_ms=0, anchor=anchor())
    try:
        fill(writer)
        yield settings, writer
    finally:
        writer.close(monotonic_ms=HOURS * HOUR, anchor=anchor(at_ms=HOURS * HOUR))


def fill(writer: Writer) -> None:
    drawn = random.Random(7)
    midnight = 24 * HOUR
    down = (midnight - 17 * MINUTE - 123, midnight + 65 * MINUTE + 456)
    link = [
        span(0, down[0]),
        span(*down, Verdict.DOWN, Cause.ACCESS),
        span(down[1], HOURS * HOUR),
    ]
    dns = span(5 * HOUR - 2_000, 5 * HOUR + 2_000, Verdict.DOWN, Cause.DNS, layer="dns")
    checks = (check("box"), check("quad 9, dns=yes"))
    for hour in range(HOURS):
        writer.submit(
            batch(
                (hour + 1) * HOUR,
                *(each for each in (*link, dns) if each.span.start_ms < (hour + 1) * HOUR),
                anchored=anchor(at_ms=(hour + 1) * HOUR),
                checks=checks if hour == 0 else (),
            )
        )
        for due in range(hour * HOUR, (hour + 1) * HOUR, 2 * MINUTE):
            writer.submit(
                batch(
                    (hour + 1) * HOUR,
                    anchored=anchor(at_ms=(hour + 1) * HOUR),
                    observations=[
                        lost(each.id, at_ms)
                        if down[0] <= at_ms < down[1] or drawn.random() < 0.1
                        else answered(each.id, at_ms, drawn.randrange(1_000, 90_000))
                        for each in checks
                        for at_ms in range(due, due + 2 * MINUTE, 10_000)
                    ],
                )
            )
    assert writer.flush(60_000)
    for hour in (3, 9, 15):
        row = BandwidthRow(
            run_id=1,
            started_mono_ms=hour * HOUR + 12_345,
            started_ms=OFFSET_MS + hour * HOUR + 12_345,
            engine="iperf3",
            server="test.example.fr",
            down_bytes_per_second=hour * 1_000_000,
            down_bytes=hour * 10_000_000,
            up_invalid="busy_link" if hour == 9 else None,
        )
        writer.call(lambda books, row=row: append_test(books, row))  # type: ignore[misc] # a default binds it
    closed_ms = OFFSET_MS + (HOURS - 1) * HOUR
    assert writer.call(lambda books: len(close_days(books, closed_ms))) == 1


def push_to(url: str, settings: Settings, writer: Writer, folder: Path) -> Push:
    token = folder / "influx.token"
    token.write_text(f"{TOKEN}\n", encoding="ascii")
    influx = Influx(url=url, org="ville", bucket="netwatch", token_file=str(token))
    return build_push(settings, influx, writer=writer, clock=SystemClock())


def drain(push: Push) -> None:
    """Until nothing waits; a failure is tried again at once."""
    for _ in range(500):
        if push.step() == IDLE_MS and push.state.minutes == 0:
            return
    raise AssertionError(push.state)


def expected_rows(settings: Settings) -> Counter[Row]:
    """Everything that the books say, each once, from one reading of the whole range."""
    minutes = LineSource(settings.store.path, TAGS).read_minutes(
        OFFSET_MS, OFFSET_MS + HOURS * HOUR - MARGIN
    )
    return Counter(row for minute in minutes for line in minute.lines for row in split_line(line))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Victoria]:
    with victoria(tmp_path / "victoria") as running:
        yield running


def test_every_row_is_there_once_and_says_what_the_books_say(
    tmp_path: Path, server: Victoria
) -> None:
    """27 hours with every kind of record, drained, read back and compared row by row."""
    with kept_books(tmp_path) as (settings, writer):
        push = push_to(server.url, settings, writer, tmp_path)
        drain(push)
        push.stop()
        expected = expected_rows(settings)
        chain = writer.call(read_chain)
    found = server.read_rows()
    assert found == expected
    names = Counter(name for name, *_ in found)
    minutes = HOURS * 60 - 2
    assert names["netwatch_ledger_up_ms"] == minutes
    assert names["netwatch_rtt_sent"] == 2 * minutes
    assert names["netwatch_bandwidth_down_bytes_per_second"] == 3
    totals: Counter[int] = Counter()
    for name, _, at_ms, value in found:
        if name in {f"netwatch_ledger_{verdict.value}_ms" for verdict in Verdict}:
            totals[at_ms] += int(value)
    assert set(totals.values()) == {MINUTE}
    incidents = {
        (dict(labels)["cause"], at_ms, value)
        for name, labels, at_ms, value in found
        if name == "netwatch_incident_duration_ms"
    }
    outage_ms = 82 * MINUTE + 579
    began_ms = OFFSET_MS + 24 * HOUR - 17 * MINUTE - 123
    assert incidents == {
        ("access", began_ms, outage_ms),
        ("dns", OFFSET_MS + 5 * HOUR - 2_000, 4_000),
    }
    [links] = [dict(labels) for name, labels, *_ in found if name == "netwatch_chain_number"]
    assert (links["day"], links["hash"]) == ("2026-10-01", chain[0].hash)
    assert links["operator"] == OPERATOR


def test_sending_everything_twice_changes_nothing(tmp_path: Path, server: Victoria) -> None:
    """The cursor lost, all is sent again, and each row is there once."""
    with kept_books(tmp_path) as (settings, writer):
        drain(push_to(server.url, settings, writer, tmp_path))
        again = push_to(server.url, settings, writer, tmp_path)
        drain(again)
        assert again.state.accepted > 0
        assert server.read_rows() == expected_rows(settings)


def test_a_cursor_that_was_saved_sends_next_to_nothing_twice(
    tmp_path: Path, server: Victoria
) -> None:
    """After a stop and a start only the minute goes again into which a day's hash came late."""
    with kept_books(tmp_path) as (settings, writer):
        first = push_to(server.url, settings, writer, tmp_path)
        first.start()
        _wait_until_drained(first)
        first.stop()
        second = push_to(server.url, settings, writer, tmp_path)
        drain(second)
        assert second.state.accepted == 4  # ledger, two targets, the hash
        assert server.read_rows() == expected_rows(settings)


def test_a_server_that_fails_in_every_way_gets_each_line_once_it_is_well(tmp_path: Path) -> None:
    """400 on one line, 401, 404, 413, 429, 500, 503, a cut, a login page: all of it arrives."""
    drawn = random.Random(3)
    bad: set[str] = set()
    moods: list[bytes | None] = [
        answer("401 Unauthorized"),
        answer("404 Not Found"),
        answer("413 Request Entity Too Large"),
        answer("429 Too Many Requests", "", "Retry-After: 1"),
        answer("500 Internal Server Error"),
        answer("503 Service Unavailable"),
        answer("200 OK", "<html>", kind="text/html"),
        None,
    ]

    def decide(lines: list[str]) -> bytes | None:
        if not bad:
            bad.add(lines[len(lines) // 2])
        if drawn.random() < 0.5:
            return drawn.choice(moods)
        return answer("400 Bad Request", "bad line") if bad & set(lines) else TAKEN

    with kept_books(tmp_path) as (settings, writer), InfluxServer(decide) as failing:
        push = push_to(failing.url, settings, writer, tmp_path)
        drain(push)
        push.stop()
        expected = expected_rows(settings)
    rejected = {row for line in bad for row in split_line(line)}
    found = {row for line in failing.kept for row in split_line(line)}
    assert found | rejected == set(expected)
    assert push.state.rejected >= 1


def test_the_newest_minutes_arrive_first(tmp_path: Path) -> None:
    """What a dashboard shows comes before what it has missed."""
    with kept_books(tmp_path) as (settings, writer), InfluxServer(lambda _: TAKEN) as server:
        push = push_to(server.url, settings, writer, tmp_path)
        push.step()
        push.stop()
        instants = [at_ms for line in server.kept for _, _, at_ms, _ in split_line(line)]
    newest = OFFSET_MS + HOURS * HOUR - MARGIN
    assert instants[0] == newest - MINUTE
    assert min(instants) >= newest - 5 * MINUTE


def _wait_until_drained(push: Push) -> None:
    while push.state.ok is None or push.state.minutes:
        assert push.state.ok is not False, push.state
        time.sleep(0.05)


def test_a_drain_leaves_memory_flat(tmp_path: Path) -> None:
    """What the second half of a backlog takes is not more than a few megabytes."""
    with kept_books(tmp_path) as (settings, writer), InfluxServer(lambda _: TAKEN) as server:
        push = push_to(server.url, settings, writer, tmp_path)
        for _ in range(8):
            push.step()
        server.kept.clear()
        before = _read_resident_bytes()
        for _ in range(12):
            push.step()
            server.kept.clear()
        push.stop()
    assert _read_resident_bytes() - before < 8_000_000
    assert msgspec.structs.asdict(push.state)["accepted"] > 3_000


def _read_resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")
