"""Opening the books: rights, versions, damaged files, and what is said of each."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from netwatch.errors import StoreError, StoreTooNew
from netwatch.store import db
from netwatch.store.db import open_database, opened_read_only, set_database_aside
from netwatch.store.journal import Journal
from netwatch.store.schema import read_migrations, read_version
from tests.adapters.store_samples import SET_ASIDE, answered, batch, span

NEVER: Callable[[], str] = lambda: pytest.fail("a sound file was set aside")  # noqa: E731 - one line

NEWEST = len(read_migrations())


def make_books(path: Path, minutes: int = 200, *, clean: bool = False) -> None:
    """Books of some minutes, closed, as a run that crashed or ended left them."""
    opened = open_database(path, set_aside=NEVER)
    with closing(opened.connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, None)
        for minute in range(minutes):
            journal.append(
                batch(
                    minute * 60_000 + 60_000,
                    span(0, minute * 60_000 + 60_000),
                    observations=[
                        answered("box", minute * 60_000 + due) for due in range(0, 60_000, 500)
                    ],
                    counters={("probes", "box"): 1},
                )
            )
        if clean:
            journal.end_run(1, minutes * 60_000, None)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_folder_is_made_for_the_agent_alone(tmp_path: Path) -> None:
    """The folder is made with 0750, the file with 0640, whatever the umask gives on top."""
    path = tmp_path / "var" / "netwatch.db"
    opened = open_database(path, set_aside=NEVER)
    with closing(opened.connection):
        assert opened.notice is None
        assert mode_of(path.parent) == 0o750
        assert mode_of(path) == 0o640
        assert mode_of(path.with_name("netwatch.db-wal")) == 0o640


def test_the_pragmas_hold(tmp_path: Path) -> None:
    """Write-ahead log, full synchronisation, the measured page size, a small cache."""
    opened = open_database(tmp_path / "netwatch.db", set_aside=NEVER)
    with closing(opened.connection) as connection:
        got = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "page_size", "wal_autocheckpoint")
        }
    assert got == {
        "journal_mode": "wal",
        "synchronous": 2,
        "page_size": db.PAGE_BYTES,
        "wal_autocheckpoint": db.CHECKPOINT_PAGES,
    }


def test_a_pragma_that_does_not_take_stops_the_start() -> None:
    """Where SQLite does not obey, the start stops with what to do."""
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(StoreError) as caught:
        # A database in memory has no write-ahead log, and SQLite says nothing about it.
        db._set_pragma(connection, Path("netwatch.db"), "journal_mode", "wal")
    assert str(caught.value) == (
        "netwatch.db: SQLite refuses journal_mode = wal (it is memory): "
        "name a file on a local file system (ext4, f2fs …) in store.path"
    )


def test_books_are_found_again(tmp_path: Path) -> None:
    """What was entered is there after closing and opening, with nothing said."""
    path = tmp_path / "netwatch.db"
    make_books(path, minutes=3)
    opened = open_database(path, set_aside=NEVER)
    with closing(opened.connection) as connection:
        assert opened.notice is None
        assert Journal(connection).read_counters() == {("probes", "box"): 3}


def test_a_later_version_is_refused_untouched(tmp_path: Path) -> None:
    """A file with a later schema raises StoreTooNew, and not a byte of it changes."""
    path = tmp_path / "netwatch.db"
    make_books(path, minutes=3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = ?", (str(NEWEST + 1),))
    before = path.read_bytes()
    with pytest.raises(StoreTooNew) as caught:
        open_database(path, set_aside=NEVER)
    assert str(caught.value) == (
        f"{path}: a later netwatch wrote it (schema {NEWEST + 1}, this one knows {NEWEST}): "
        "install that version, or move the file away to begin a new one"
    )
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    """A sound database without our tables is not ours to change."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        open_database(path, set_aside=NEVER)
    assert str(caught.value) == (
        f"{path}: it is the database of another program: "
        "name another file in store.path, or move this one away"
    )
    assert path.read_bytes() == before


def test_a_failing_step_leaves_the_old_schema(tmp_path: Path) -> None:
    """A migration that fails half-way leaves neither its first half nor its record."""
    path = tmp_path / "netwatch.db"
    make_books(path, minutes=3)
    broken = "CREATE TABLE novelty (id INTEGER) STRICT; INSERT INTO nowhere VALUES (1);"
    with pytest.raises(StoreError) as caught:
        open_database(path, set_aside=NEVER, migrations=(*read_migrations(), broken))
    assert str(caught.value).startswith(
        f"{path}: the step to schema {NEWEST + 1} failed (no such table: nowhere); nothing was changed: "
    )
    opened = open_database(path, set_aside=NEVER)
    with closing(opened.connection) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        assert "novelty" not in tables
        assert read_version(connection, path) == NEWEST
        assert Journal(connection).read_counters() == {("probes", "box"): 3}


def test_steps_are_applied_once_in_order(tmp_path: Path) -> None:
    """An older file is brought up to date, and a second opening finds nothing to do."""
    path = tmp_path / "netwatch.db"
    make_books(path, minutes=3)
    steps = (
        *read_migrations(),
        "CREATE TABLE novelty (id INTEGER) STRICT;",
        "ALTER TABLE novelty ADD COLUMN outlet TEXT;",
    )
    for _ in range(2):
        opened = open_database(path, set_aside=NEVER, migrations=steps)
        with closing(opened.connection) as connection:
            assert read_version(connection, path) == len(steps)
            assert connection.execute("SELECT outlet FROM novelty").fetchall() == []


def test_a_folder_in_the_way_is_said(tmp_path: Path) -> None:
    """A path that is a folder gives one clear sentence."""
    with pytest.raises(StoreError) as caught:
        open_database(tmp_path, set_aside=NEVER)
    assert str(caught.value) == (
        f"{tmp_path}: it cannot be opened or created (Is a directory): let the agent's user "
        "write there, or name another file in store.path"
    )


def test_reading_before_the_first_start_is_said(tmp_path: Path) -> None:
    """A reader that comes before the agent is told so."""
    path = tmp_path / "netwatch.db"
    with pytest.raises(StoreError) as caught, opened_read_only(path):
        pass
    assert str(caught.value) == (
        f"{path}: there is no database yet: start the agent with `netwatch run`"
    )


def _garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(50_000))


def _text(path: Path) -> None:
    path.write_text("this is a letter, not a database\n" * 500, encoding="ascii")


def _short_garbage(path: Path) -> None:
    path.write_bytes(b"\0\1\2")


def _half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _one_page(path: Path) -> None:
    os.truncate(path, db.PAGE_BYTES)


def _torn_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 700)


def _header(path: Path) -> None:
    _overwrite(path, 0, b"\xff" * 16)


def _schema(path: Path) -> None:
    _overwrite(path, 100, b"\xff" * 400)


def _every_page(path: Path) -> None:
    chance = random.Random(3)
    for page in range(1, path.stat().st_size // db.PAGE_BYTES):
        position = page * db.PAGE_BYTES + chance.randrange(100)
        _overwrite(path, position, chance.randbytes(8))


def _zeroed_pages(path: Path) -> None:
    for page in range(2, path.stat().st_size // db.PAGE_BYTES, 3):
        _overwrite(path, page * db.PAGE_BYTES, b"\0" * db.PAGE_BYTES)


def _version_of_words(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'x1'")


def _overwrite(path: Path, position: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


DAMAGES = (
    _garbage,
    _text,
    _half,
    _one_page,
    _torn_page,
    _header,
    _schema,
    _every_page,
    _zeroed_pages,
    _version_of_words,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """A damaged file is kept byte for byte under the new name, the notice names it, work goes on."""
    path = tmp_path / "netwatch.db"
    make_books(path)
    damage(path)
    before = path.read_bytes()
    opened = open_database(path, set_aside=lambda: SET_ASIDE)
    kept = tmp_path / f"netwatch.db.corrupt-{SET_ASIDE}"
    with closing(opened.connection) as connection:
        assert opened.notice is not None
        assert opened.notice.startswith(f"{path}: it is not a sound database (")
        assert opened.notice.endswith(f"; it is kept as {kept.name}, and a new one was begun")
        assert kept.read_bytes() == before
        journal = Journal(connection)
        assert journal.begin_run("boot-a", 1, "0.1.0", 0, None) == (1, None)
        journal.append(batch(60_000, span(0, 60_000)))


def test_a_file_of_three_bytes_is_set_aside_or_begun(tmp_path: Path) -> None:
    """A stub of a file does not stop the agent."""
    path = tmp_path / "netwatch.db"
    _short_garbage(path)
    opened = open_database(path, set_aside=lambda: SET_ASIDE)
    with closing(opened.connection) as connection:
        assert Journal(connection).begin_run("boot-a", 1, "0.1.0", 0, None) == (1, None)


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    """A file of no bytes, as a power cut at creation leaves it, is begun without a word."""
    path = tmp_path / "netwatch.db"
    path.touch()
    opened = open_database(path, set_aside=NEVER)
    with closing(opened.connection):
        assert opened.notice is None


@pytest.mark.parametrize("length", [1, 31, 32, 5_000, 100_000])
def test_garbage_in_the_log_file_costs_nothing(tmp_path: Path, length: int) -> None:
    """A log file of garbage is ignored: the books are those of the last checkpoint."""
    path = tmp_path / "netwatch.db"
    make_books(path, minutes=3)
    path.with_name("netwatch.db-wal").write_bytes(random.Random(length).randbytes(length))
    opened = open_database(path, set_aside=NEVER)
    with closing(opened.connection) as connection:
        assert opened.notice is None
        assert Journal(connection).read_counters() == {("probes", "box"): 3}


def test_after_a_clean_end_a_large_file_is_not_read_through(tmp_path: Path) -> None:
    """A leaf that rotted is not looked for after a clean end, unless the caller distrusts."""
    path = tmp_path / "netwatch.db"
    make_books(path, clean=True)
    with closing(sqlite3.connect(path)) as connection:
        page = (
            connection.execute(
                "SELECT max(pageno) FROM dbstat WHERE name = 'observation_minute'"
                " AND pagetype = 'leaf'"
            ).fetchone()[0]
            if _has_dbstat(connection)
            else path.stat().st_size // db.PAGE_BYTES
        )
    _overwrite(path, (page - 1) * db.PAGE_BYTES, b"\xff" * 64)
    opened = open_database(path, set_aside=NEVER)
    opened.connection.close()
    opened = open_database(path, set_aside=lambda: SET_ASIDE, distrust=True)
    with closing(opened.connection):
        assert opened.notice is not None


def _has_dbstat(connection: sqlite3.Connection) -> bool:
    options = {row[0] for row in connection.execute("PRAGMA compile_options")}
    return "ENABLE_DBSTAT_VTAB" in options


def test_beyond_the_limit_the_small_tables_are_checked(tmp_path: Path) -> None:
    """A file too large to be read through still has its ledger checked after a crash."""
    path = tmp_path / "netwatch.db"
    make_books(path)
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'counter'"
        ).fetchone()[0]
    _overwrite(path, (root - 1) * db.PAGE_BYTES + 8, b"\xff" * 60)
    opened = open_database(path, set_aside=lambda: SET_ASIDE, full_check_bytes=0)
    with closing(opened.connection):
        assert opened.notice is not None


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    """Two damaged files of one second are both kept, each with its log."""
    path = tmp_path / "netwatch.db"
    names = []
    for content in (b"first", b"second"):
        path.write_bytes(content)
        path.with_name("netwatch.db-wal").write_bytes(content)
        names.append(set_database_aside(path, SET_ASIDE).name)
    assert names == [f"netwatch.db.corrupt-{SET_ASIDE}", f"netwatch.db.corrupt-{SET_ASIDE}-2"]
    assert [(tmp_path / f"{name}-wal").read_bytes() for name in names] == [b"first", b"second"]
