"""Which report went to whom: what keeps one from being sent twice.

Rule of this file: the newest row of a recipient and version counts; a mark that was taken
back is a later row. It must not know how a message is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from netwatch.store.second_writer import opened_for_entry


class DispatchBook:
    """Marks by site, month, version of the report and recipient; on disk when a call returns.

    ``now_ms`` tells the time of each entry (UTC). Methods raise StoreError.
    """

    def __init__(self, path: Path | str, now_ms: Callable[[], int]) -> None:
        self._path = Path(path)
        self._now_ms = now_ms

    def is_marked(self, site: str, month: str, version: str, recipient: str) -> bool:
        """Whether it was marked and the mark not taken back."""
        with opened_for_entry(self._path) as connection:
            row = connection.execute(
                "SELECT sent FROM sent_report WHERE site = ? AND month = ? AND version = ?"
                " AND recipient = ? ORDER BY id DESC LIMIT 1",
                (site, month, version, recipient),
            ).fetchone()
        return row is not None and bool(row[0])

    def mark(self, site: str, month: str, version: str, recipient: str, *, sent: bool) -> None:
        """Enter that it is being sent, or that it was refused after all."""
        with opened_for_entry(self._path) as connection:
            connection.execute(
                "INSERT INTO sent_report (site, month, version, recipient, sent, entered_ms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (site, month, version, recipient, int(sent), self._now_ms()),
            )
