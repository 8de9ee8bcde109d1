"""October 2024 of one school, entered in a real store through the journal.

The month has 745 hours in Paris. What happened, in UTC:

    09-15 00:00  first start (boot-a)
    09-20 00:00  2 h down, access: in the contract year, before the month
    10-06 07:15  5 h down, access
    10-10 10:00  the program crashes, 30 min until it is back
    10-12 00:00  1 h without a cable in the device
    10-15 12:00  30 min degraded by latency
    10-24 01:00  2 h down, upstream; 01:00-02:30 are excluded by two entries that overlap
    10-28 00:00  stopped on purpose, started again (boot-b) after 2 h
    10-31 22:00  3 h down, dns: 1 h of it in October
    11-05 00:00  the books end
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from netwatch.core.incidents import Annotation, Pause
from netwatch.records import Anchor, Cause, Check, Observation, Outcome, Role, Span, Verdict
from netwatch.store.annals import Annals
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.second_writer import opened_for_entry
from netwatch.store.throughput import BandwidthRow, append_skip, append_test

MINUTE, HOUR = 60_000, 3_600_000

SETTINGS = """\
[site]
id = "ecole-jaures"
name = "École Jean-Jaurès"
timezone = "Europe/Paris"

[circuit]
operator = "Opérateur A"
reference = "FTTH-0042"
monthly_fee = "300.00 EUR"
[circuit.contract]
{since}starts = "2023-09-01"
availability = 0.9985
calendar = "S2"
restore_within = "4h"
yearly_interruption = "13h"
guaranteed_down = "100 Mbit/s"
guaranteed_share = 0.9
[[circuit.contract.penalty]]
kind = "availability_tier"
name = "tiers"
tiers = [[0.9999, 0.05], [0.995, 0.10], [0.99, 0.20]]
[[circuit.contract.penalty]]
kind = "per_time"
name = "restoration"
per = "hour"
divisor = 30
{more}
[store]
path = "netwatch.db"
"""


def utc(month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """2024, as UTC milliseconds."""
    return int(datetime(2024, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def write_settings(folder: Path, *, since: str = "", more: str = "") -> Path:
    path = folder / "agent.toml"
    path.write_text(SETTINGS.format(since=since, more=more), encoding="utf-8")
    return path


def fill_store(path: Path) -> None:
    """The whole story, through the ways by which the agent and people enter things."""
    opened = open_database(path, set_aside=lambda: "never")
    with closing(opened.connection):
        journal = Journal(opened.connection)
        begin(journal, "boot-a", utc(9, 15))
        append(
            journal, 1, utc(9, 15), utc(10, 10, 10),
            link(
                (utc(9, 15), Verdict.UP, None),
                (utc(9, 20), Verdict.DOWN, Cause.ACCESS),
                (utc(9, 20, 2), Verdict.UP, None),
                (utc(10, 6, 7, 15), Verdict.DOWN, Cause.ACCESS),
                (utc(10, 6, 12, 15), Verdict.UP, None),
                until=utc(10, 10, 10),
            ),
            probes=[*probes(utc(10, 2), lost_every=50), *probes(utc(10, 6, 8), lost_every=1)],
        )  # fmt: skip
        begin(journal, "boot-a", utc(10, 10, 10, 30))
        append(
            journal, 2, utc(10, 10, 10, 30), utc(10, 28),
            [
                *link(
                    (utc(10, 10, 10, 30), Verdict.UP, None),
                    (utc(10, 12), Verdict.UNKNOWN, Cause.LOCAL),
                    (utc(10, 12, 1), Verdict.UP, None),
                    (utc(10, 24, 1), Verdict.DOWN, Cause.UPSTREAM),
                    (utc(10, 24, 3), Verdict.UP, None),
                    until=utc(10, 28),
                ),
                entry("quality", utc(10, 15, 12), utc(10, 15, 12, 30), Verdict.DEGRADED,
                      Cause.LATENCY),
            ],
        )  # fmt: skip
        journal.end_run(2, utc(10, 28) - utc(9, 1), anchor("boot-a"))
        begin(journal, "boot-b", utc(10, 28, 2))
        append(
            journal, 3, utc(10, 28, 2), utc(11, 5),
            [
                entry("link", utc(10, 28, 2), utc(11, 5), Verdict.UP, None),
                entry("dns", utc(10, 31, 22), utc(11, 1, 1), Verdict.DOWN, Cause.DNS),
            ],
            boot="boot-b",
        )  # fmt: skip
    enter_tests(path)
    enter_people(path)


def enter_tests(path: Path) -> None:
    """Four tests in the month, one of them not valid, and one after it; skipped slots."""
    rates = {
        utc(10, 3, 4): (13_000_000, None),
        utc(10, 4, 4): (12_500_000, None),
        utc(10, 5, 4): (12_000_000, None),
        utc(10, 7, 4): (20_000_000, "busy_link"),
        utc(11, 2, 4): (1_000_000, None),
    }
    with opened_for_entry(path) as connection:
        for at_ms, (rate, invalid) in rates.items():
            row = BandwidthRow(
                run_id=1, started_mono_ms=at_ms - utc(9, 1), started_ms=at_ms, engine="iperf3",
                server="test.example.fr", down_bytes_per_second=rate, down_invalid=invalid,
            )  # fmt: skip
            append_test(connection, row)
            append_test(connection, row)
        for number, (at_ms, reason) in enumerate(
            [
                (utc(10, 8), "busy_link"),
                (utc(10, 9), "busy_link"),
                (utc(10, 9, 12), "quiet_hours"),
                (utc(11, 2), "busy_link"),
            ]
        ):
            append_skip(connection, run_id=1, due_mono_ms=number, due_ms=at_ms, reason=reason)


def enter_people(path: Path) -> None:
    """Two exclusions that overlap, one of them entered beforehand, one taken back; a ticket."""
    annals = Annals(path)
    annals.enter_exclusion(
        from_ms=utc(10, 24, 1), to_ms=utc(10, 24, 2), reason="maintenance announced",
        author="marie", entered_ms=utc(10, 20), notice_ms=utc(10, 14),
    )  # fmt: skip
    annals.enter_exclusion(
        from_ms=utc(10, 24, 1, 30), to_ms=utc(10, 24, 2, 30), reason="prolonged",
        author="paul", entered_ms=utc(10, 25), kind="force_majeure",
    )  # fmt: skip
    mistaken = annals.enter_exclusion(
        from_ms=utc(10, 6), to_ms=utc(10, 7), reason="a mistake", author="paul",
        entered_ms=utc(10, 5),
    )  # fmt: skip
    annals.withdraw_exclusion(mistaken.id, author="marie", entered_ms=utc(10, 8))
    annals.enter_annotation(
        Annotation(
            incident_id="20241006T071500Z", author="marie", entered_ms=utc(10, 6, 9),
            ticket="T-48213", reported_ms=utc(10, 6, 7, 30),
            pauses=(Pause(start_ms=utc(10, 6, 8), end_ms=utc(10, 6, 8, 30), reason="no access"),),
        )
    )  # fmt: skip


def anchor(boot: str) -> Anchor:
    return Anchor(boot_id=boot, monotonic_ms=0, offset_ms=utc(9, 1))


def begin(journal: Journal, boot: str, at_ms: int) -> None:
    journal.begin_run(boot, 1, "0.1.0", at_ms - utc(9, 1), anchor(boot))


def append(
    journal: Journal,
    run_id: int,
    from_ms: int,
    to_ms: int,
    spans: list[LayerSpan],
    *,
    probes: list[Observation] | None = None,
    boot: str = "boot-a",
) -> None:
    checks = (
        Check(id="alpha", kind="icmp", target="9.9.9.9", role=Role.INTERNET, every_ms=MINUTE,
              timeout_ms=2_000),
        Check(id="resolver", kind="dns", target="192.168.1.1", role=Role.RESOLVER,
              every_ms=MINUTE, timeout_ms=2_000),
    )  # fmt: skip
    journal.append(
        Batch(
            run_id=run_id,
            anchor=anchor(boot),
            watched_to_mono_ms=to_ms - utc(9, 1),
            spans=tuple(spans),
            observations=tuple(probes or ()),
            checks=checks,
        )
    )
    assert from_ms < to_ms


def link(*changes: tuple[int, Verdict, Cause | None], until: int) -> list[LayerSpan]:
    """Spans of the link from one change to the next."""
    ends = [*(change[0] for change in changes[1:]), until]
    return [
        entry("link", start, end, verdict, cause)
        for (start, verdict, cause), end in zip(changes, ends, strict=True)
    ]


def entry(
    layer: str, start_ms: int, end_ms: int, verdict: Verdict, cause: Cause | None
) -> LayerSpan:
    reason = "carrier" if cause is Cause.LOCAL else None
    span = Span(
        verdict=verdict, cause=cause, reason=reason,
        start_ms=start_ms - utc(9, 1), end_ms=end_ms - utc(9, 1),
    )  # fmt: skip
    return LayerSpan(layer=layer, span=span)


def probes(from_ms: int, *, lost_every: int) -> Iterator[Observation]:
    """A hundred to each check, one a minute; every so-and-so-many-th of alpha's is lost."""
    for number in range(100):
        due_ms = from_ms - utc(9, 1) + number * MINUTE
        lost = number % lost_every == 0
        yield Observation(
            check_id="alpha", due_ms=due_ms, started_ms=due_ms, elapsed_ms=20,
            outcome=Outcome.FAILED if lost else Outcome.ANSWERED,
            reason="timeout" if lost else None,
            measures={} if lost else {"rtt_us": 20_000 + number},
        )  # fmt: skip
        yield Observation(
            check_id="resolver", due_ms=due_ms, started_ms=due_ms, elapsed_ms=5,
            outcome=Outcome.ANSWERED, measures={"rtt_us": 5_000},
        )  # fmt: skip
