"""What `netwatch check` says of the books: the folder, the room, the file itself.

Rule of this file: it looks and writes nothing; what has to be opened, the `World` opens.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from netwatch.cli.examination import Examined, World, build_ok, build_problem, build_warning
from netwatch.errors import StoreCorrupt, StoreError

_SCARCE_BYTES = 500_000_000
_TOO_LITTLE_BYTES = 50_000_000


def examine_store(path: Path, world: World) -> Iterator[Examined]:
    """Whether the agent can write its books there, and for how long."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    subject = "store"
    # Asked first: rights cannot be had there, and are not what is missing.
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield build_problem(
            subject,
            f"{folder}: its file system is read-only",
            "look at `dmesg`, mount it read-write; a card that fails must be replaced",
        )
        return
    if not _may(folder, os.W_OK | os.X_OK) or (path.exists() and not _may(path, os.W_OK)):
        blocked = path if path.exists() and _may(folder, os.W_OK | os.X_OK) else folder
        yield build_problem(
            subject,
            f"{blocked}: may not be written by this user",
            "run as the agent's user, or name another file in store.path",
        )
        return
    free_bytes = world.free_bytes(folder)
    free = f"{path}: {free_bytes // 1_000_000} MB free"
    if free_bytes < _TOO_LITTLE_BYTES:
        yield build_problem(subject, free, "make room: a year of books takes some 500 MB")
    elif free_bytes < _SCARCE_BYTES:
        yield build_warning(subject, free, "make room: a year of books takes some 500 MB")
    else:
        yield build_ok(subject, free)
    if path.exists():
        try:
            world.check_database(path)
        except StoreCorrupt as error:
            remedy = "the agent sets it aside when it starts, and begins a new one: keep a copy"
            yield build_problem(subject, str(error), remedy)
        except StoreError as error:
            yield build_problem(subject, str(error), None)


def _may(path: Path, mode: int) -> bool:
    with contextlib.suppress(OSError):
        return os.access(path, mode, effective_ids=True)
    return False
