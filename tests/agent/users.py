"""Another user of this machine, for the length of a block.

Rule of this file: the effective user alone is changed, and given back whatever happens. Tests
that are not run as root are such a user already.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NOBODY = 65_534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """The block runs as a user that owns nothing. The whole process: no threads meanwhile."""
    before = os.geteuid()
    if before != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
