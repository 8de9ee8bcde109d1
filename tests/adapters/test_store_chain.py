"""The chain of days over real files: what is closed cannot be changed without being named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.core.chain import DAY_MS, DIGEST_BYTES, encode_record, hash_records, name_day
from netwatch.records import Cause, Verdict
from netwatch.store.annals import Annals
from netwatch.store.chain import CLOSE_AFTER_MS, close_days, read_chain
from netwatch.store.chain_verify import verify_chain
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.retention import prune
from netwatch.store.throughput import BandwidthRow, append_skip, append_test
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

HOUR_MS = 3_600_000
FIRST_DAY = OFFSET_MS // DAY_MS
KEEP_MS = 400 * DAY_MS
NO_LIMIT = 10**12


def name(number: int) -> str:
    return name_day(FIRST_DAY + number)


def open_books(path: Path) -> sqlite3.Connection:
    return open_database(path, set_aside=lambda: SET_ASIDE).connection


def make_days(path: Path, days: int = 3, rows_a_day: int = 6) -> None:
    """Books of some days from 2026-10-01 on: one outage over each midnight, and rows."""
    with closing(open_books(path)) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        journal.append(batch(1, checks=(check(),), observations=(answered("box", 0),)))
        up_from = 0
        for day in range(days):
            for row in range(rows_a_day):
                at_ms = day * DAY_MS + row * HOUR_MS + 10
                seen = (answered("box", at_ms), lost("box", at_ms + 5_000))
                journal.append(batch(at_ms + 60_000, observations=seen))
            midnight = (day + 1) * DAY_MS
            down_from, down_to = midnight - HOUR_MS, midnight + HOUR_MS // 2
            journal.append(
                batch(
                    down_to,
                    span(up_from, down_from),
                    span(down_from, down_to, Verdict.DOWN, Cause.ACCESS),
                )
            )
            up_from = down_to
        append_test(
            connection,
            BandwidthRow(
                run_id=1,
                started_mono_ms=5_000,
                started_ms=OFFSET_MS + 5_000,
                engine="iperf3",
                down_bytes_per_second=12_000_000,
            ),
        )
        append_skip(
            connection, run_id=1, due_mono_ms=9_000, due_ms=OFFSET_MS + 9_000, reason="quiet_hours"
        )
        end_ms = days * DAY_MS + 2 * HOUR_MS
        journal.append(batch(end_ms, span(up_from, end_ms)))
    Annals(path).enter_exclusion(
        from_ms=OFFSET_MS,
        to_ms=OFFSET_MS + HOUR_MS,
        reason="works",
        author="town",
        entered_ms=OFFSET_MS + HOUR_MS,
    )


def close_all(path: Path, days: int) -> None:
    with closing(open_books(path)) as connection:
        while close_days(connection, OFFSET_MS + days * DAY_MS + 2 * HOUR_MS):
            pass


def closed_books(path: Path, days: int = 3) -> None:
    make_days(path, days)
    close_all(path, days)


def tamper(path: Path, *statements: str, triggers: bool = False) -> None:
    """Edit as someone with the file and the sqlite3 shell would; by default without our triggers."""
    with closing(sqlite3.connect(path)) as connection, connection:
        if not triggers:
            for (trigger,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)


def kinds(path: Path) -> list[tuple[str | None, str]]:
    return [(problem.day, problem.kind) for problem in verify_chain(path)]


def test_each_finished_day_is_closed_once_and_verifies(tmp_path: Path) -> None:
    """Three days give three linked entries; closing again gives none; nothing is found."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(open_books(path)) as connection:
        entries = read_chain(connection)
        assert close_days(connection, OFFSET_MS + 90 * DAY_MS) == []
    assert [entry.day for entry in entries] == ["2026-10-01", "2026-10-02", "2026-10-03"]
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert [entry.rows for entry in entries] == [7, 6, 6]
    assert verify_chain(path) == []


def test_a_day_is_closed_only_an_hour_after_its_end_by_what_the_books_have_seen(
    tmp_path: Path,
) -> None:
    """Neither an early call nor a clock gone ahead closes a day that can still change."""
    path = tmp_path / "netwatch.db"
    with closing(open_books(path)) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        journal.append(batch(DAY_MS + CLOSE_AFTER_MS - 1, span(0, DAY_MS)))
        assert close_days(connection, OFFSET_MS + 50 * DAY_MS) == []
        journal.append(batch(DAY_MS + CLOSE_AFTER_MS))
        assert close_days(connection, OFFSET_MS + DAY_MS + CLOSE_AFTER_MS - 1) == []
        assert len(close_days(connection, OFFSET_MS + DAY_MS + CLOSE_AFTER_MS)) == 1


def test_one_call_does_a_bounded_number_of_days(tmp_path: Path) -> None:
    """Ten days wait: each call closes at most as many as it is told to."""
    path = tmp_path / "netwatch.db"
    make_days(path, days=10, rows_a_day=1)
    with closing(open_books(path)) as connection:
        counts = []
        while closed := close_days(connection, OFFSET_MS + 90 * DAY_MS, full_days=4):
            counts.append(len(closed))
    assert counts == [4, 4, 2]


def test_days_without_the_agent_are_closed_too(tmp_path: Path) -> None:
    """A week in which nobody watched has its entries: nothing can be added to it quietly."""
    path = tmp_path / "netwatch.db"
    with closing(open_books(path)) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        journal.append(batch(HOUR_MS, span(0, HOUR_MS)))
        later = anchor(OFFSET_MS + 9 * DAY_MS, boot_id="boot-b")
        journal.begin_run("boot-b", 1, "0.1.0", 0, later)
        journal.append(batch(HOUR_MS, span(0, HOUR_MS), run_id=2, anchored=later))
        closed = close_days(connection, OFFSET_MS + 90 * DAY_MS)
    assert [entry.day for entry in closed] == [name(day) for day in range(9)]
    tamper(
        path,
        f"INSERT INTO span VALUES (1, 'link', {HOUR_MS}, {3 * DAY_MS}, {OFFSET_MS + HOUR_MS},"
        " 'up', NULL, NULL)",
        f"UPDATE run SET ended_ms = {OFFSET_MS + 3 * DAY_MS}, ended_mono_ms = {3 * DAY_MS}"
        " WHERE id = 1",
    )
    assert kinds(path) == [(name(day), "records") for day in range(4)]


def test_nothing_is_closed_while_rows_of_this_boot_wait_for_their_instant(tmp_path: Path) -> None:
    """What may still enter a day by being stamped keeps it open."""
    path = tmp_path / "netwatch.db"
    make_days(path)
    with closing(open_books(path)) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 4 * DAY_MS, None)
        journal.append(
            batch(4 * DAY_MS + 5, span(4 * DAY_MS, 4 * DAY_MS + 5), run_id=2, anchored=None)
        )
        assert close_days(connection, OFFSET_MS + 90 * DAY_MS) == []
        journal.append(batch(4 * DAY_MS + 9, run_id=2))
        assert len(close_days(connection, OFFSET_MS + 90 * DAY_MS)) == 3


SPAN_CHANGES = {
    "verdict": "verdict = 'up'",
    "cause": "cause = 'upstream'",
    "reason": "reason = 'x'",
    "layer": "layer = 'dns'",
    "run": "run_id = 2",
    "start": "start_ms = start_ms + 1",
    "start_mono": "start_mono_ms = start_mono_ms + 1",
    "end": "end_mono_ms = end_mono_ms - 1",
    "stamp": "start_ms = NULL",
}


@pytest.mark.parametrize("change", SPAN_CHANGES.values(), ids=SPAN_CHANGES.keys())
def test_a_changed_span_is_found(tmp_path: Path, change: str) -> None:
    """Any column of a verdict of a closed day, changed behind the agent's back, is named by day."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    tamper(path, f"UPDATE span SET {change} WHERE start_mono_ms = {2 * DAY_MS - HOUR_MS}")
    assert (name(1), "records") in kinds(path) or (name(2), "records") in kinds(path)


@pytest.mark.parametrize("change", SPAN_CHANGES.values(), ids=SPAN_CHANGES.keys())
def test_a_change_that_leaves_the_triggers_alone_is_named_as_late(
    tmp_path: Path, change: str
) -> None:
    """The same through SQL alone enters itself, before and after it is closed over."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    tamper(
        path,
        f"UPDATE span SET {change} WHERE start_mono_ms = {2 * DAY_MS - HOUR_MS}",
        triggers=True,
    )
    before = kinds(path)
    assert {kind for _, kind in before} == {"late"}
    close_all(path, 3)
    assert kinds(path) == before


CHANGES: dict[str, tuple[str, tuple[int, str]]] = {
    "span removed": (f"DELETE FROM span WHERE start_mono_ms = {DAY_MS - HOUR_MS}", (0, "records")),
    "span added": (
        f"INSERT INTO span VALUES (1, 'dns', {DAY_MS}, {DAY_MS + 9}, {OFFSET_MS + DAY_MS},"
        " 'down', 'dns', NULL)",
        (1, "records"),
    ),
    "run's end": ("UPDATE run SET ended_ms = ended_ms - 86400000", (2, "records")),
    "run's start": ("UPDATE run SET started_ms = started_ms + 1", (0, "records")),
    "anchor": ("UPDATE anchor SET offset_ms = offset_ms + 1", (0, "records")),
    "what a check was": ("UPDATE check_definition SET target = '192.0.2.9'", (0, "records")),
    "test": ("UPDATE bandwidth_test SET down_bytes_per_second = 1", (0, "records")),
    "skip": ("DELETE FROM bandwidth_skip", (0, "records")),
    "exclusion": ("UPDATE exclusion SET to_ms = to_ms + 1", (0, "records")),
    "block": (
        "UPDATE observation_minute SET block = (SELECT block FROM observation_minute"
        f" WHERE key > 1 << 40) WHERE start_ms = {OFFSET_MS + DAY_MS + 10}",
        (1, "observations"),
    ),
    "row's instant": (
        f"UPDATE observation_minute SET start_ms = start_ms + 1 WHERE start_ms > {OFFSET_MS + DAY_MS}",
        (1, "observations"),
    ),
    "row removed": (
        f"DELETE FROM observation_minute WHERE start_ms = {OFFSET_MS + DAY_MS + 10}",
        (1, "observations"),
    ),
    "day's rows removed": (
        f"DELETE FROM observation_minute WHERE start_ms >= {OFFSET_MS + DAY_MS}",
        (1, "observations"),
    ),
    "row added": (
        "INSERT INTO observation_minute (key, start_ms, block)"
        f" SELECT key + 1, start_ms + 1, block FROM observation_minute WHERE start_ms = {OFFSET_MS + 10}",
        (0, "observations"),
    ),
    "entry removed": ("DELETE FROM day_chain WHERE number = 2", (2, "missing")),
    "last entry removed": ("DELETE FROM day_chain WHERE number = 3", (1, "missing")),
    "digests": (
        "UPDATE day_chain SET digests = zeroblob(length(digests)) WHERE number = 2",
        (1, "entry"),
    ),
    "end of closed time": ("UPDATE chain_end SET until_ms = until_ms - 86400000", (2, "missing")),
    **{
        f"chain's {column}": (f"UPDATE day_chain SET {column} = {value} WHERE number = 2", (1, "entry"))
        for column, value in {
            "records": "replace(records, substr(records, 1, 1), 'x')",
            "rows": "rows + 1",
            "first_key": "first_key + 1",
            "last_key": "last_key + 1",
            "observations": "hash",
            "late": "late + 1",
            "closed_ms": "closed_ms + 1",
            "version": "'9'",
            "previous": "hash",
            "hash": "previous",
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_is_named_with_its_day(
    tmp_path: Path, change: str, found: tuple[int, str]
) -> None:
    """Whatever is changed, removed or added in closed days or in the chain itself is found."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    tamper(path, change)
    day, kind = found
    assert (name(day), kind) in kinds(path)


def test_every_changed_byte_of_a_block_is_found(tmp_path: Path) -> None:
    """One flipped bit in any byte of a raw row is named with its day and key."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(sqlite3.connect(path)) as connection:
        key, block = connection.execute(
            "SELECT key, block FROM observation_minute WHERE start_ms > ? LIMIT 1",
            (OFFSET_MS + DAY_MS,),
        ).fetchone()
        for trigger in ("late_raw", "late_new_raw"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for position in range(len(block)):
            changed = bytearray(block)
            changed[position] ^= 1
            with connection:
                connection.execute(
                    "UPDATE observation_minute SET block = ? WHERE key = ?", (bytes(changed), key)
                )
            assert [problem.text for problem in verify_chain(path)] == [
                f"{name(1)}: raw row {key} is not what was recorded"
            ]


def test_every_changed_byte_of_the_kept_digests_is_found(tmp_path: Path) -> None:
    """One flipped bit in any of them is named with its day."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(sqlite3.connect(path)) as connection:
        digests = connection.execute("SELECT digests FROM day_chain WHERE number = 2").fetchone()[0]
        assert len(digests) == 6 * DIGEST_BYTES
        for position in range(len(digests)):
            changed = bytearray(digests)
            changed[position] ^= 128
            with connection:
                connection.execute(
                    "UPDATE day_chain SET digests = ? WHERE number = 2", (bytes(changed),)
                )
            assert (name(1), "entry") in kinds(path)


def test_a_chain_hashed_anew_from_a_changed_day_on_has_another_last_hash(tmp_path: Path) -> None:
    """Who rewrites it all is found by comparing one hash that was kept elsewhere."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(open_books(path)) as connection:
        told = read_chain(connection)[-1].hash
        for statement in (
            "DELETE FROM day_chain",
            "DELETE FROM chain_end",
            f"UPDATE span SET cause = 'dns' WHERE start_mono_ms = {DAY_MS - HOUR_MS}",
        ):
            connection.execute(statement)
    close_all(path, 3)
    assert verify_chain(path) == []
    with closing(open_books(path)) as connection:
        assert read_chain(connection)[-1].hash != told


def _late_span(journal: Journal) -> None:
    journal.append(
        batch(
            3 * DAY_MS + 2 * HOUR_MS + 5,
            span(DAY_MS + 5 * HOUR_MS, DAY_MS + 6 * HOUR_MS, Verdict.DOWN, Cause.DNS, layer="dns"),
        )
    )


def _late_row(journal: Journal) -> None:
    journal.append(
        batch(3 * DAY_MS + 2 * HOUR_MS + 5, observations=(answered("box", DAY_MS + 9 * HOUR_MS),))
    )


@pytest.mark.parametrize("enter", [_late_span, _late_row])
def test_late_data_enters_its_day_as_a_correction(
    tmp_path: Path, enter: Callable[[Journal], None]
) -> None:
    """What the agent itself writes into a closed day is kept, closed over and always named."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(open_books(path)) as connection:
        journal = Journal(connection)
        journal.resume_run(1, "boot-a", 1, "0.1.0", 0)
        enter(journal)
        assert kinds(path) == [(name(1), "late")]
        closed = close_days(connection, OFFSET_MS + 3 * DAY_MS + 3 * HOUR_MS)
        assert [(entry.number, entry.day, entry.is_correction) for entry in closed] == [
            (4, name(1), True)
        ]
        assert close_days(connection, OFFSET_MS + 3 * DAY_MS + 3 * HOUR_MS) == []
    assert kinds(path) == [(name(1), "late")]
    tamper(path, "DELETE FROM late_entry")
    assert (name(1), "records") in kinds(path)


def test_an_open_span_that_grows_over_closed_days_is_not_late(tmp_path: Path) -> None:
    """A line that is up for days is one row, moved every minute: its closed part stays."""
    path = tmp_path / "netwatch.db"
    with closing(open_books(path)) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        for hour in range(80):
            journal.append(batch((hour + 1) * HOUR_MS, span(0, (hour + 1) * HOUR_MS)))
            close_days(connection, OFFSET_MS + (hour + 1) * HOUR_MS)
        assert len(read_chain(connection)) == 3
        assert connection.execute("SELECT count(*) FROM late_entry").fetchone() == (0,)
    assert verify_chain(path) == []


def test_a_clock_put_back_over_midnight_is_a_correction(tmp_path: Path) -> None:
    """Time that is lived twice because the clock went back changes a closed day: it is said."""
    path = tmp_path / "netwatch.db"
    with closing(open_books(path)) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        journal.append(batch(30 * HOUR_MS, span(0, 30 * HOUR_MS)))
        assert len(close_days(connection, OFFSET_MS + 30 * HOUR_MS)) == 1
        back = anchor(OFFSET_MS - 20 * HOUR_MS, at_ms=30 * HOUR_MS)
        for hour in (31, 40, 52):
            journal.append(batch(hour * HOUR_MS, span(0, hour * HOUR_MS), anchored=back))
        while close_days(connection, OFFSET_MS + 32 * HOUR_MS):
            pass
        journal.append(batch(53 * HOUR_MS, span(0, 53 * HOUR_MS), anchored=back))
    assert set(kinds(path)) == {(name(0), "late")}


def test_what_leaves_by_its_age_is_no_fault_and_what_remains_is_still_checked(
    tmp_path: Path,
) -> None:
    """Raw rows leave from the oldest on: the rest of a day verifies, and a change in it is found."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(open_books(path)) as connection:
        for gone in range(1, 15):
            oldest = connection.execute("SELECT min(key) FROM observation_minute").fetchone()[0]
            connection.execute("DELETE FROM observation_minute WHERE key = ?", (oldest,))
            close_days(connection, OFFSET_MS + 3 * DAY_MS + 2 * HOUR_MS)
            assert verify_chain(path) == [], gone
        kept = [row[0] for row in connection.execute("SELECT digests IS NULL FROM day_chain")]
        assert kept == [1, 1, 0]
    tamper(
        path,
        "UPDATE observation_minute SET block = x'00' WHERE key = (SELECT max(key) FROM observation_minute)",
    )
    assert kinds(path) == [(name(2), "observations")]


def test_retention_itself_leaves_a_chain_that_verifies(tmp_path: Path) -> None:
    """After 13 months verdicts leave as well; the entries of their days stay, and link."""
    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(open_books(path)) as connection:
        later = anchor(OFFSET_MS + 399 * DAY_MS, boot_id="boot-b")
        journal = Journal(connection)
        journal.begin_run("boot-b", 1, "0.1.0", 0, later)
        journal.append(batch(HOUR_MS, span(0, HOUR_MS), run_id=2, anchored=later))
        pruned = prune(connection, OFFSET_MS + 500 * DAY_MS, 30 * DAY_MS, NO_LIMIT)
        assert pruned.observation_rows > 0
        assert pruned.spans > 0
        while close_days(connection, OFFSET_MS + 500 * DAY_MS):
            pass
        assert len(read_chain(connection)) == 399
    assert verify_chain(path) == []


def test_the_hashes_can_be_recomputed_with_nothing_of_netwatch(tmp_path: Path) -> None:
    """The canonical form as docs/chain.md has it, computed here by hand."""
    import json
    from hashlib import sha256

    path = tmp_path / "netwatch.db"
    closed_books(path)
    with closing(sqlite3.connect(path)) as connection:
        (number, day, records, rows, first_key, last_key, observations, digests, late, closed_ms,
         version, previous, found) = connection.execute(
            "SELECT * FROM day_chain WHERE number = 2"
        ).fetchone()  # fmt: skip
        by_hand = b"".join(
            sha256(f'[{key},{start_ms},"{sha256(block).hexdigest()}"]\n'.encode("ascii")).digest()
            for key, start_ms, block in connection.execute(
                "SELECT key, start_ms, block FROM observation_minute"
                " WHERE start_ms / 86400000 = ? ORDER BY key",
                (day,),
            )
        )
    assert by_hand == digests
    assert sha256(by_hand).hexdigest() == observations
    start, end = OFFSET_MS + DAY_MS, OFFSET_MS + 2 * DAY_MS
    half = HOUR_MS // 2
    lines = [
        f'["run",1,"boot-a",1,"0.1.0",0,{OFFSET_MS},{end},null]\n',
        f'["span",1,"link",{DAY_MS},{start},{start + half},"down","access",null]\n',
        f'["span",1,"link",{DAY_MS + half},{start + half},{end - HOUR_MS},"up",null,null]\n',
        f'["span",1,"link",{2 * DAY_MS - HOUR_MS},{end - HOUR_MS},{end},"down","access",null]\n',
        f'["check",1,"box","icmp","192.0.2.1","gateway",1,0,{OFFSET_MS}]\n',
    ]
    assert sha256("".join(sorted(lines)).encode()).hexdigest() == records
    fields = ["netwatch-chain-1", number, "2026-10-02", records, rows, first_key, last_key,
              observations, late, closed_ms, version, previous]  # fmt: skip
    line = json.dumps(fields, separators=(",", ":")) + "\n"
    assert sha256(line.encode()).hexdigest() == found


def test_records_of_any_text_have_one_line_each() -> None:
    """Line feeds and letters beyond ASCII cannot make two records look like others."""
    line = encode_record(["exclusion", 1, 'a\n"b"', "é"])
    assert line == b'["exclusion",1,"a\\n\\"b\\"","\\u00e9"]\n'
    assert hash_records([line, line]) != hash_records([line])


def test_books_of_an_earlier_version_have_no_chain_to_verify(tmp_path: Path) -> None:
    """An export or report of old books is not kept from being made."""
    from netwatch.store.schema import read_migrations

    path = tmp_path / "netwatch.db"
    opened = open_database(path, set_aside=lambda: SET_ASIDE, migrations=read_migrations()[:2])
    opened.connection.close()
    assert verify_chain(path) == []
