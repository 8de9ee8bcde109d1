"""What SQLite's refusals mean to a person, and what would do.

Rule of this file: it translates; it decides nothing and touches no file.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from netwatch.errors import StoreCorrupt, StoreError

_REMEDIES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space there"),
    sqlite3.SQLITE_READONLY: (
        "it is read-only",
        "mount its file system read-write and let the agent's user write the file",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "let the agent's user read and write the file and its folder",
    ),
    sqlite3.SQLITE_IOERR: (
        "the device failed to read or write",
        "look at `dmesg`; a card that fails must be replaced",
    ),
    sqlite3.SQLITE_BUSY: ("another program holds it locked", "end the program that has it open"),
    sqlite3.SQLITE_LOCKED: ("another program holds it locked", "end the program that has it open"),
    sqlite3.SQLITE_PERM: ("access was refused", "let the agent's user read and write the file"),
}
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the file itself is unsound, so that trying again is of no use."""
    return _primary_code(error) in _CORRUPT


def explain_failure(path: Path, error: sqlite3.Error) -> StoreError:
    """The error to raise: where, what is wrong, what would do.

    >>> str(explain_failure(Path("netwatch.db"), sqlite3.OperationalError("disk I/O error")))
    'netwatch.db: disk I/O error'
    """
    if is_corrupt(error):
        return StoreCorrupt(f"{path}: it is not a sound database ({error})")
    remedy = _REMEDIES.get(_primary_code(error))
    if remedy is None:
        return StoreError(f"{path}: {error}")
    what, what_would_do = remedy
    return StoreError(f"{path}: {what} ({error}): {what_would_do}")


def _primary_code(error: sqlite3.Error) -> int:
    # Errors raised by the module itself rather than by SQLite carry no code.
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
