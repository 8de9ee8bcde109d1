"""What the refusals of SQLite and of the kernel mean to a person, and what would do.

Rule of this file: it translates; it decides nothing and touches no file. A refusal that may
end by itself or by a hand at the disk is a `StoreFailing`; rights and names are not.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from netwatch.errors import StoreCorrupt, StoreError, StoreFailing
from netwatch.records import StoreFault

#: What the kernel says while a disk refuses whoever asks.
_FAULTS: dict[int, StoreFault] = {
    errno.ENOSPC: StoreFault.FULL,
    errno.EDQUOT: StoreFault.FULL,
    errno.EROFS: StoreFault.READ_ONLY,
    errno.EIO: StoreFault.IO_ERROR,
    errno.ENXIO: StoreFault.IO_ERROR,
    errno.ENODEV: StoreFault.IO_ERROR,
    errno.EUCLEAN: StoreFault.IO_ERROR,  # ext4 has found itself damaged
    errno.ESTALE: StoreFault.IO_ERROR,
    errno.ETIMEDOUT: StoreFault.IO_ERROR,
}
_WORDS: dict[StoreFault, tuple[str, str]] = {
    StoreFault.FULL: ("the disk is full", "free some space there"),
    StoreFault.READ_ONLY: (
        "its file system is read-only",
        "look at `dmesg`, mount it read-write; a card that fails must be replaced",
    ),
    StoreFault.IO_ERROR: (
        "the device failed to read or write",
        "look at `dmesg`; a card that fails must be replaced",
    ),
}
_FAULTS_OF_CODES: dict[int, StoreFault] = {
    sqlite3.SQLITE_FULL: StoreFault.FULL,
    sqlite3.SQLITE_IOERR: StoreFault.IO_ERROR,
}
_REMEDIES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_READONLY: (
        "it is read-only",
        "mount its file system read-write and let the agent's user write the file",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "let the agent's user read and write the file and its folder",
    ),
    sqlite3.SQLITE_BUSY: ("another program holds it locked", "end the program that has it open"),
    sqlite3.SQLITE_LOCKED: ("another program holds it locked", "end the program that has it open"),
    sqlite3.SQLITE_PERM: ("access was refused", "let the agent's user read and write the file"),
}
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the file itself is unsound, so that trying again is of no use."""
    return _primary_code(error) in _CORRUPT


def lacks_reason(error: StoreError) -> bool:
    """Whether SQLite only said that a file cannot be opened or written, and not why.

    >>> lacks_reason(StoreError("n.db: written by a later version"))
    False
    """
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and _primary_code(cause) in (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    )


def explain_failure(path: Path, error: sqlite3.Error) -> StoreError:
    """The error to raise: where, what is wrong, what would do.

    >>> str(explain_failure(Path("netwatch.db"), sqlite3.OperationalError("disk I/O error")))
    'netwatch.db: disk I/O error'
    """
    if is_corrupt(error):
        return StoreCorrupt(f"{path}: it is not a sound database ({error})")
    fault = _FAULTS_OF_CODES.get(_primary_code(error))
    if fault is not None:
        return _explain_fault(path, fault, str(error))
    remedy = _REMEDIES.get(_primary_code(error))
    if remedy is None:
        return StoreError(f"{path}: {error}")
    what, what_would_do = remedy
    return StoreError(f"{path}: {what} ({error}): {what_would_do}")


def explain_refusal(path: Path, error: OSError, otherwise: tuple[str, str]) -> StoreError:
    """The same for the kernel's refusal; ``otherwise`` is what it is and what would do else.

    >>> full = OSError(errno.ENOSPC, "No space left on device")
    >>> str(explain_refusal(Path("netwatch.db"), full, ("", "")))
    'netwatch.db: the disk is full (No space left on device): free some space there'
    >>> refused = OSError(errno.EACCES, "Permission denied")
    >>> str(explain_refusal(Path("n.db"), refused, ("it cannot be opened", "let the agent in")))
    'n.db: it cannot be opened (Permission denied): let the agent in'
    """
    fault = _FAULTS.get(error.errno or 0)
    if fault is not None:
        return _explain_fault(path, fault, error.strerror or str(error))
    what, what_would_do = otherwise
    return StoreError(f"{path}: {what} ({error.strerror}): {what_would_do}")


def _explain_fault(path: Path, fault: StoreFault, said: str) -> StoreFailing:
    what, what_would_do = _WORDS[fault]
    return StoreFailing(f"{path}: {what} ({said}): {what_would_do}", fault)


def _primary_code(error: sqlite3.Error) -> int:
    # Errors raised by the module itself rather than by SQLite carry no code.
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
