"""The schema's version, and the steps from one to the next.

Rule of this file: a step and its record are one transaction; a file of a later version
is not touched. It must not know what the tables mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from netwatch.errors import StoreCorrupt, StoreError, StoreTooNew
from netwatch.store.failures import explain_failure, is_corrupt

MIGRATIONS_FOLDER = Path(__file__).parent / "migrations"


def read_migrations(folder: Path = MIGRATIONS_FOLDER) -> tuple[str, ...]:
    """The text of every step, the first being that from version 0 to 1."""
    return tuple(path.read_text(encoding="utf-8") for path in sorted(folder.glob("[0-9]*.sql")))


def read_version(connection: sqlite3.Connection, path: Path) -> int | None:
    """The schema's version: 0 for an empty file, None for one that is not netwatch's.

    Raises StoreCorrupt where a version is recorded that is no number.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if not tables:
        return 0
    if "meta" not in tables:
        return None
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if row is None:
        return None
    if not str(row[0]).isdecimal():
        raise StoreCorrupt(f"{path}: it is not a sound database (schema version {row[0]!r})")
    return int(row[0])


def refuse_foreign_version(path: Path, version: int | None, newest: int) -> None:
    """Raises StoreTooNew for a later netwatch's file, StoreError for another program's."""
    if version is None:
        raise StoreError(
            f"{path}: it is the database of another program: "
            "name another file in store.path, or move this one away"
        )
    if version > newest:
        raise StoreTooNew(
            f"{path}: a later netwatch wrote it (schema {version}, this one knows {newest}): "
            "install that version, or move the file away to begin a new one"
        )


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Bring the schema to the last of ``migrations``; each step is whole or not at all.

    Raises StoreError naming the step that failed; the schema is then as before that step.
    """
    version = read_version(connection, path)
    refuse_foreign_version(path, version, len(migrations))
    assert version is not None
    for number, statements in enumerate(migrations[version:], start=version + 1):
        try:
            # executescript would commit by itself what came before it: the transaction
            # must begin and end within the script.
            connection.executescript(
                "BEGIN IMMEDIATE;\n"  # noqa: S608 - our own files and a number, no input
                "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
                " STRICT, WITHOUT ROWID;\n"
                f"{statements}\n;"
                f"INSERT INTO meta VALUES ('schema_version', '{number}')"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value;\n"
                "COMMIT;"
            )
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.rollback()
            if is_corrupt(error):
                raise explain_failure(path, error) from error
            raise StoreError(
                f"{path}: the step to schema {number} failed ({error}); nothing was changed: "
                "free some space if the disk is full, else go back to the version that ran "
                "before and report this"
            ) from error
