"""Writing beside the running agent: one short transaction of another program.

Rule of this file: the agent owns the database; whoever else writes waits for its lock,
is whole or not at all, and never sets a file aside, checks or creates it. It must not
know what is written.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from netwatch.errors import StoreError
from netwatch.store.db import BUSY_MS
from netwatch.store.failures import explain_failure
from netwatch.store.schema import migrate, read_migrations


@contextlib.contextmanager
def opened_for_entry(path: Path | str) -> Iterator[sqlite3.Connection]:
    """A connection within one transaction, committed at the end, rolled back on any error.

    Books of an earlier version are brought to this one's first. Waits up to 5 s for the
    agent's own commit. Raises StoreError where there is no database, or it is refused.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"{path}: there is no database yet: start the agent with `netwatch run`")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=BUSY_MS / 1000,
        )
    except sqlite3.Error as error:
        raise explain_failure(path, error) from error
    with contextlib.closing(connection):
        try:
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection, path, read_migrations())
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise explain_failure(path, error) from error
        finally:
            # What failed within the block, or a COMMIT that did.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
