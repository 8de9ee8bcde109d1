"""72 hours without the server, then all of it there, each once, as the books have it.

The hours are simulated: the books grow minute by minute, the pump tries whenever it is due
and finds nobody, and then a real VictoriaMetrics begins to listen at that address. What it
has is compared row by row with the ledger and the minutes of latency, read by another way
than the push reads them.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC
from fractions import Fraction
from pathlib import Path

from netwatch.agent.line_source import LineSource
from netwatch.agent.push import IDLE_MS, LAST_RETRY_MS, Push
from netwatch.agent.push_parts import build_outlet
from netwatch.config.model import Influx
from netwatch.core.calendars import civil_date
from netwatch.core.ledger import build_ledger, build_minutes, find_incidents
from netwatch.core.line_points import build_tags
from netwatch.records import CAUSES, Cause, Observation, PushReason, Verdict
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.chain import close_days, read_chain
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.queries import Reader
from netwatch.store.spool import Spool
from netwatch.store.throughput import BandwidthRow, append_test
from tests.adapters.hostile import free_port
from tests.adapters.influx_server import TOKEN
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
from tests.adapters.victoria import Row, victoria

MINUTE = 60_000
HOUR = 60 * MINUTE
HOURS = 72
MARGIN = 2 * MINUTE
#: The agent is off for 40 minutes and 7 seconds: killed in one boot, started in another.
KILLED = 31 * HOUR + 17_000
STARTED = KILLED + 40 * MINUTE + 7_000
TARGETS = ("box", "quad9", "ent")
TAGS = build_tags("ecole-jaures", "FTTH-0042", "Opérateur A")
#: Verdict, cause, beginning, end: of the line, of the resolvers, of its quality.
LINK = (
    (Cause.ACCESS, 3 * HOUR + 14_250, 5 * HOUR + 1_001),
    (Cause.GATEWAY, 23 * HOUR + 55 * MINUTE, 24 * HOUR + 7 * MINUTE + 3),  # over midnight
    (Cause.UPSTREAM, 50 * HOUR + 59_999, 50 * HOUR + 61_000),
)
DNS = ((Cause.DNS, 60 * HOUR + 1_500, 60 * HOUR + 9_750),)
QUALITY = ((Cause.LOSS, 40 * HOUR, 40 * HOUR + 6 * MINUTE),)


class Site:
    """Books that grow as an agent's would; monotonic 0 of both lives is `OFFSET_MS`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._journal = Journal(connection)
        self._dice = random.Random(72)
        self._checks = tuple(check(name) for name in TARGETS)
        self._run_id = 0
        self._began_ms = 0
        self.now_ms = 0
        self.begin("boot-a", 0)

    def begin(self, boot_id: str, at_ms: int) -> None:
        self._run_id, _ = self._journal.begin_run(boot_id, 1, "1", at_ms, anchor(at_ms=at_ms))
        self._began_ms = at_ms

    def grow_to(self, to_ms: int) -> None:
        """All that was measured up to then, in batches of a minute."""
        batches: list[Batch] = []
        while self.now_ms < to_ms:
            from_ms, self.now_ms = self.now_ms, min(self.now_ms + MINUTE, to_ms)
            if KILLED <= from_ms < STARTED:
                continue
            batches.append(self._measure(from_ms, self.now_ms))
        self._journal.append_all(batches)

    def live(self, hours: int) -> None:
        """So many hours on, with the kill and the new start in between."""
        to_ms = self.now_ms + hours * HOUR
        if self.now_ms < KILLED <= to_ms:
            self.grow_to(KILLED)
            self.now_ms = STARTED
            self.begin("boot-b", STARTED)
        self.grow_to(to_ms)
        close_days(self.connection, OFFSET_MS + to_ms)

    def _measure(self, from_ms: int, to_ms: int) -> Batch:
        return batch(
            to_ms,
            *self._list_spans(to_ms),
            run_id=self._run_id,
            anchored=anchor(at_ms=to_ms),
            checks=self._checks if from_ms == self._began_ms else (),
            observations=[
                self._probe(name, due_ms + 211 * number)
                for number, name in enumerate(TARGETS)
                for due_ms in range(from_ms, to_ms - 1_000, 10_000)
            ],
        )

    def _probe(self, name: str, due_ms: int) -> Observation:
        down = any(start <= due_ms < end for _, start, end in LINK) and name != "box"
        if down or self._dice.random() < 0.05:
            return lost(name, due_ms)
        return answered(name, due_ms, self._dice.randrange(400, 120_000))

    def _list_spans(self, to_ms: int) -> list[LayerSpan]:
        at_ms = self._began_ms
        spans: list[LayerSpan] = []
        for cause, start_ms, end_ms in LINK:
            if end_ms <= self._began_ms or start_ms >= to_ms:
                continue
            spans += [
                span(at_ms, start_ms),
                span(start_ms, min(end_ms, to_ms), Verdict.DOWN, cause),
            ]
            at_ms = end_ms
        if at_ms < to_ms:
            spans.append(span(at_ms, to_ms))
        for layer, verdict, told in (
            ("dns", Verdict.DOWN, DNS),
            ("quality", Verdict.DEGRADED, QUALITY),
        ):
            spans += [
                span(start_ms, min(end_ms, to_ms), verdict, cause, layer=layer)
                for cause, start_ms, end_ms in told
                if self._began_ms <= start_ms < to_ms
            ]
        return spans[-4:]  # what cannot change any more was entered before

    def test_throughput(self, number: int) -> None:
        append_test(self.connection, build_test(self._run_id, number, self.now_ms - 30_000))


def build_test(run_id: int, number: int, at_ms: int) -> BandwidthRow:
    return BandwidthRow(
        run_id=run_id,
        started_mono_ms=at_ms,
        started_ms=OFFSET_MS + at_ms,
        engine="librespeed",
        server="https://test.example.fr/backend",
        down_bytes_per_second=None if number % 5 == 0 else 11_000_000 + number,
        down_bytes=120_000_000,
        down_invalid="busy_link" if number % 5 == 0 else None,
        idle_rtt_us=9_000 + number,
    )


class FakeClock:
    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


def make_push(path: Path, site: Site, url: str, clock: FakeClock) -> Push:
    token = path.with_name("influx.token")
    token.write_text(TOKEN, encoding="ascii")
    influx = Influx(url=url, org="ville", bucket="netwatch", token_file=str(token))

    def call(work: Callable[[sqlite3.Connection], None]) -> None:
        work(site.connection)

    return Push(
        spool=Spool(path, "influx", call=call, margin_ms=MARGIN),
        source=LineSource(path, TAGS),
        outlet=build_outlet(influx, clock),
        monotonic_ms=clock,
        draw=random.Random(4).random,
    )


def test_72_hours_without_the_server_and_then_every_row_is_there_once(tmp_path: Path) -> None:
    """100 % of ledger, latency, tests, incidents and hashes: values and instants to the last."""
    path = tmp_path / "netwatch.db"
    port = free_port()
    clock = FakeClock()
    with closing(open_database(path, set_aside=lambda: SET_ASIDE).connection) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        site = Site(connection)
        push = make_push(path, site, f"http://127.0.0.1:{port}", clock)
        due_ms = 0
        for hour in range(HOURS):
            site.live(1)
            if hour % 6 == 2:
                site.test_throughput(hour)
            while due_ms <= site.now_ms:
                clock.now_ms = max(clock.now_ms, due_ms)
                due_ms = clock.now_ms + push.step()
        waiting = (HOURS * HOUR - MARGIN) // MINUTE
        state = push.state
        assert (state.ok, state.minutes, state.oldest_ms) == (False, waiting, OFFSET_MS)
        assert (state.accepted, state.rejected) == (0, 0)
        assert state.problem is not None
        assert state.problem.reason is PushReason.CONNECTION_REFUSED
        # Doubled up to five minutes, half to whole of it: no hammering, and no giving up.
        assert HOURS * HOUR // LAST_RETRY_MS <= state.failed <= 3 * HOURS * HOUR // LAST_RETRY_MS
        with victoria(tmp_path / "victoria", port=port) as server:
            while push.step() != IDLE_MS or push.state.minutes:
                assert push.state.ok, push.state
            push.close()
            found = server.read_rows()
        assert max(found.values()) == 1
        compare(found, path, connection)
    # Ledger, latency, nothing refused: a minute of the ledger for each that waited.
    assert push.state.rejected == 0
    assert push.state.accepted == sum(
        1 for name, *_ in found if name.endswith(("_ledger_up_ms", "_rtt_sent", "_duration_ms"))
    ) + sum(1 for name, *_ in found if name.endswith(("_bandwidth_down_bytes", "_chain_number")))


def compare(found: Counter[Row], path: Path, connection: sqlite3.Connection) -> None:
    """Each kind of point with the books, by what `web` and `report` read of them."""
    base = {name: value for name, value in TAGS.items() if value is not None}
    by_name: dict[str, dict[tuple[str, int], int]] = {}
    for name, labels, at_ms, value in found:
        told = dict(labels)
        assert base.items() <= told.items()
        assert value == int(value)
        key = told.get("target", told.get("hash", told.get("cause", "")))
        by_name.setdefault(name, {})[key, at_ms] = int(value)
    end_ms = OFFSET_MS + HOURS * HOUR - MARGIN
    compare_ledger(by_name, path, end_ms)
    compare_latency(by_name, path, end_ms)
    entries = {(each.hash, each.closed_ms): each.number for each in read_chain(connection)}
    assert len({civil_date(at_ms, UTC) for _, at_ms in entries}) == 2
    assert by_name["netwatch_chain_number"] == entries
    tests = {
        ("", OFFSET_MS + (hour + 1) * HOUR - 30_000): hour for hour in range(HOURS) if hour % 6 == 2
    }
    assert by_name["netwatch_bandwidth_idle_rtt_us"] == {
        key: 9_000 + hour for key, hour in tests.items()
    }
    assert by_name["netwatch_bandwidth_down_bytes_per_second"] == {
        key: 11_000_000 + hour for key, hour in tests.items() if hour % 5
    }


def compare_ledger(by_name: dict[str, dict[tuple[str, int], int]], path: Path, end_ms: int) -> None:
    """Every minute and cause, and every incident, from one ledger of the whole time."""
    reader = Reader(path)
    after_ms = end_ms + 10_000
    layers = {
        layer: reader.read_spans(OFFSET_MS, after_ms, layer) for layer in ("link", "dns", "quality")
    }
    spans = build_ledger(layers, reader.read_runs(0, after_ms), OFFSET_MS, after_ms)
    minutes = [each for each in build_minutes(spans) if each.start_ms < end_ms]
    assert len(minutes) == (end_ms - OFFSET_MS) // MINUTE
    for verdict in Verdict:
        for cause in (None, *CAUSES[verdict]):
            name = "_".join(part.value for part in (verdict, cause) if part is not None)
            assert by_name[f"netwatch_ledger_{name}_ms"] == {
                ("", minute.start_ms): sum(
                    entry.duration_ms
                    for entry in minute.entries
                    if entry.verdict is verdict and cause in (None, entry.cause)
                )
                for minute in minutes
            }
    held = sum(sum(by_name[f"netwatch_ledger_{verdict.value}_ms"].values()) for verdict in Verdict)
    assert held == end_ms - OFFSET_MS
    incidents = find_incidents(spans, now_ms=after_ms)
    assert len(incidents) == len(LINK) + len(DNS)
    assert by_name["netwatch_incident_duration_ms"] == {
        (each.cause.value, each.start_ms): (each.end_ms or 0) - each.start_ms for each in incidents
    }


def compare_latency(
    by_name: dict[str, dict[tuple[str, int], int]], path: Path, end_ms: int
) -> None:
    """Every minute and target, from the raw observations one by one."""
    sent: Counter[tuple[str, int]] = Counter()
    missed: Counter[tuple[str, int]] = Counter()
    times: dict[tuple[str, int], list[int]] = {}
    for due_ms, each in Reader(path).read_observations(OFFSET_MS, end_ms):
        key = (each.check_id, due_ms // MINUTE * MINUTE)
        sent[key] += 1
        rtt_us = each.measures.get("rtt_us")
        if rtt_us is None:
            missed[key] += 1
        else:
            times.setdefault(key, []).append(rtt_us)
    assert by_name["netwatch_rtt_sent"] == sent
    assert by_name["netwatch_rtt_lost"] == {key: missed[key] for key in sent}
    assert by_name["netwatch_rtt_min"] == {key: min(each) for key, each in times.items()}
    assert by_name["netwatch_rtt_max"] == {key: max(each) for key, each in times.items()}
    assert by_name["netwatch_rtt_mean"] == {
        key: int(Fraction(sum(each), len(each)) + Fraction(1, 2)) for key, each in times.items()
    }
    for percent in (50, 95, 99):
        ranks = {key: -(-percent * count // 100) for key, count in sent.items()}
        assert by_name[f"netwatch_rtt_p{percent}"] == {
            key: sorted(each)[ranks[key] - 1]
            for key, each in times.items()
            if ranks[key] <= len(each)
        }
