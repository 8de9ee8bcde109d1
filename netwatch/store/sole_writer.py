"""One agent at a time keeps the books: a lock that ends with its process, however that ends.

Rule of this file: it locks and refuses. It must not know what is written. The daybook is
what is locked: a second agent would empty it, and unlike the database it is never renamed.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from netwatch.errors import StoreError


def lock_books(path: Path, daybook: Path) -> int | None:
    """A descriptor that holds the books at ``path`` until it is closed.

    None where the file system keeps no locks or the daybook cannot be made: whatever is
    wrong there is told by whoever writes. Raises StoreError while another agent has them.
    """
    try:
        descriptor = os.open(daybook, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise StoreError(
            f"{path}: another agent keeps these books: stop it (`systemctl stop netwatch-agent`), "
            "or give this one a store.path of its own"
        ) from None
    return descriptor
