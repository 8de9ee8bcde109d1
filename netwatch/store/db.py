"""Opening the database: sound, migrated and set up for few and certain writes, or a clear refusal.

Rule of this file: an unsound file is set aside whole, never repaired and never deleted;
anything else that fails stops the start. It must not know what is kept in the tables,
beyond which of them are small.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from netwatch.errors import StoreCorrupt, StoreError, StoreFailing
from netwatch.store.failures import explain_failure, explain_refusal, lacks_reason
from netwatch.store.schema import migrate, read_migrations, read_version, refuse_foreign_version

#: Chosen by measurement, as is the number of pages: docs/decisions/0004-store.md.
PAGE_BYTES = 2048
CHECKPOINT_PAGES = 250
#: After a long backlog the log file is given back down to this; below it stays, since a
#: file that is overwritten in place costs no entry in the file system's journal.
_LOG_BYTES = 4_000_000
_CACHE_KIB = 1024
#: How long to wait for another program's lock.
BUSY_MS = 5_000
#: Up to this size the whole file is checked after an unclean end (some seconds on a card).
FULL_CHECK_BYTES = 32_000_000
_SMALL_TABLES = ("meta", "run", "anchor", "check_definition", "counter", "span")
_PRAGMAS = (
    ("journal_mode", "wal"),
    ("synchronous", 2),  # FULL: a commit is on the card when it returns
    ("wal_autocheckpoint", CHECKPOINT_PAGES),
    ("journal_size_limit", _LOG_BYTES),
    ("cache_size", -_CACHE_KIB),
    ("secure_delete", 0),  # pruned rows need not be written over
)


class OpenedDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database ready for use by the thread that opened it."""

    connection: sqlite3.Connection  # autocommit: transactions are begun by hand
    notice: str | None  # what a person should know: a file that was set aside


def open_database(
    path: Path | str,
    *,
    set_aside: Callable[[], str],
    distrust: bool = False,
    migrations: Sequence[str] | None = None,
    full_check_bytes: int = FULL_CHECK_BYTES,
) -> OpenedDatabase:
    """Open or create the books at ``path``.

    The folder is made with mode 0750 where it is missing, the file with 0640. After a
    run that did not take its leave the file is checked: whole up to ``full_check_bytes``, beyond
    that the tables of verdicts and totals and the newest raw rows; always whole with
    ``distrust``. A file that is no sound database is renamed, with its -wal and -shm,
    to ``NAME.corrupt-TEXT`` with the text that ``set_aside()`` returns
    (``20261123T205500Z``), a new one is begun, and ``notice`` names it.

    Raises StoreTooNew for a later version's file (untouched), StoreFailing where the disk
    refuses for now, StoreError for whatever else stands in the way, saying what to do.
    """
    path = Path(path)
    try:
        return _open_database(
            path,
            set_aside=set_aside,
            distrust=distrust,
            steps=read_migrations() if migrations is None else migrations,
            full_check_bytes=full_check_bytes,
        )
    except StoreError as error:
        if lacks_reason(error):  # why a log could not be made: the kernel says it again
            make_file(path.with_name(f"{path.name}-wal"))
        raise


def _open_database(
    path: Path,
    *,
    set_aside: Callable[[], str],
    distrust: bool,
    steps: Sequence[str],
    full_check_bytes: int,
) -> OpenedDatabase:
    make_file(path)
    try:
        checked_whole = None if distrust else full_check_bytes
        return OpenedDatabase(connection=_open_sound(path, steps, checked_whole), notice=None)
    except StoreCorrupt as error:
        kept = set_database_aside(path, set_aside())
        notice = f"{error}; it is kept as {kept.name}, and a new one was begun"
    try:
        make_file(path)
        return OpenedDatabase(connection=_open_sound(path, steps, full_check_bytes), notice=notice)
    except StoreFailing as error:  # the next opening finds nothing to be said of the old file
        raise StoreFailing(f"{notice}; {error}", error.kind) from error


def set_database_aside(path: Path, text: str) -> Path:
    """Rename the file and its -wal and -shm to ``NAME.corrupt-TEXT…``; returns the new path.

    A name that is taken already gets a number behind it. Raises StoreError.
    """
    kept = path.with_name(f"{path.name}.corrupt-{text}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.corrupt-{text}-{number}")
    try:
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{path}{suffix}", f"{kept}{suffix}")  # noqa: PTH104 - a suffix to the whole name
        path.rename(kept)
        _sync_folder(path.parent)
    except OSError as error:
        otherwise = (
            "it is not a sound database and cannot be set aside",
            "move it away by hand",
        )
        raise explain_refusal(path, error, otherwise) from error
    return kept


@contextlib.contextmanager
def opened_read_only(path: Path | str) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write and does not hold up the writer; closed at the end.

    Raises StoreError where there is no database yet or it cannot be read, also for
    what fails within the block.
    """
    path = Path(path)
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=BUSY_MS / 1000,
            check_same_thread=False,  # a generator may be closed by another thread
        )
    except sqlite3.Error as error:
        raise _explain_opening(path, error) from error
    try:
        with contextlib.closing(connection):
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            yield connection
    except sqlite3.Error as error:
        raise explain_failure(path, error) from error
    except UnicodeDecodeError as error:  # the module cannot say what SQLite says of a damaged name
        raise StoreCorrupt(
            f"{path}: it is not a sound database (a name in it is no text)"
        ) from error


def _explain_opening(path: Path, error: sqlite3.Error) -> StoreError:
    if not path.exists():
        return StoreError(f"{path}: there is no database yet: start the agent with `netwatch run`")
    return explain_failure(path, error)


def make_file(path: Path) -> None:
    """Make the folder (mode 0750) and an empty file (0640) where they are missing.

    Raises StoreError, StoreFailing where the disk refuses for now.
    """
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
    except OSError as error:
        otherwise = (
            "it cannot be opened or created",
            "let the agent's user write there, or name another file in store.path",
        )
        raise explain_refusal(path, error, otherwise) from error


def _open_sound(
    path: Path, migrations: Sequence[str], full_check_bytes: int | None
) -> sqlite3.Connection:
    # Read-only first: a later version's file must not be changed by as much as a pragma.
    with opened_read_only(path) as reading:
        refuse_foreign_version(path, read_version(reading, path), len(migrations))
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
    try:
        if path.stat().st_size == 0:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        for name, value in _PRAGMAS:
            _set_pragma(connection, path, name, value)
        migrate(connection, path, migrations)
        _check(connection, path, full_check_bytes)
    except sqlite3.Error as error:
        connection.close()
        raise explain_failure(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def _set_pragma(connection: sqlite3.Connection, path: Path, name: str, value: str | int) -> None:
    connection.execute(f"PRAGMA {name} = {value}").fetchall()
    got = connection.execute(f"PRAGMA {name}").fetchone()
    if got is None or got[0] != value:
        raise StoreError(
            f"{path}: SQLite refuses {name} = {value} (it is {got[0] if got else 'unknown'}): "
            "name a file on a local file system (ext4, f2fs …) in store.path"
        )


def _check(connection: sqlite3.Connection, path: Path, full_check_bytes: int | None) -> None:
    """Always and whole where there is no limit; else after a run that did not take its leave."""
    last = connection.execute("SELECT clean FROM run ORDER BY id DESC LIMIT 1").fetchone()
    if full_check_bytes is not None and (last is None or last[0]):
        return
    if full_check_bytes is None or path.stat().st_size <= full_check_bytes:
        problems = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    else:
        problems = [
            row[0]
            for table in _SMALL_TABLES
            for row in connection.execute(f"PRAGMA quick_check({table})")
        ]
        connection.execute(
            "SELECT sum(length(block)) FROM"
            " (SELECT block FROM observation_minute ORDER BY key DESC LIMIT 100)"
        ).fetchone()
    unsound = [problem for problem in problems if problem != "ok"]
    if unsound:
        first = " ".join(unsound[0].split())
        raise StoreCorrupt(f"{path}: it is not a sound database ({first})")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
