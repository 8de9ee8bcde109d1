"""One heavy test at a time on this device, whoever asks for it.

Rule of this file: a lock that ends with its process, however that ends. It can be asked
about without being touched, so that the agent knows of a test that a person runs beside
it. The file beside the database holds nothing. It must not know what is tested.

Open file description locks (fcntl(2)): flock(2) can only be tried, and a try is a lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

# struct flock on 64-bit and, with large files, on 32-bit Linux: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")


class NoLock(Exception):
    """Nobody can tell whether another test runs: the sentence says what is in the way."""


@contextlib.contextmanager
def held_alone(store_path: Path | str) -> Iterator[bool]:
    """True while no other process of this device tests; False at once where one does.

    Where the file system keeps no locks, or the file cannot be made, the test is made: a
    folder that cannot be written has no books to share either. Raises NoLock for a file that
    is there and that this user may not open: two users would test at once and not know it.
    """
    descriptor = _open(Path(store_path))
    if descriptor is None and not is_usable(store_path):
        raise NoLock(
            f"{_name(Path(store_path))}: may not be opened by this user, so that whether another "
            "test runs cannot be told: delete it, the next test makes it anew"
        )
    if descriptor is None:
        yield True
        return
    try:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
        except OSError as error:
            yield error.errno not in (errno.EAGAIN, errno.EACCES)
        else:
            yield True
    finally:
        os.close(descriptor)


def is_held(store_path: Path | str) -> bool:
    """Whether somebody tests at this moment, the asking process too. Touches nothing."""
    try:
        descriptor = os.open(_name(Path(store_path)), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_RDLCK, 0, 0, 0, 0))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def is_usable(store_path: Path | str) -> bool:
    """Whether the lock is not there yet, or may be opened by this user. Touches nothing."""
    lock = _name(Path(store_path))
    try:
        lock.stat()
    except OSError:  # in a folder that may not be entered there are no books either
        return True
    return os.access(lock, os.R_OK | os.W_OK, effective_ids=True)


def _open(store_path: Path) -> int | None:
    """For writing, as a lock needs; made so that root and the agent's user can both hold it."""
    lock = _name(store_path)
    with contextlib.suppress(OSError):
        return os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        with contextlib.suppress(OSError):
            folder = store_path.parent.stat()
            os.fchown(descriptor, -1, folder.st_gid)
            os.fchmod(descriptor, 0o660)
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                os.fchown(descriptor, store_path.parent.stat().st_uid, -1)
        return descriptor
    return None


def _name(store_path: Path) -> Path:
    return store_path.with_name(f"{store_path.name}-bandwidth")
