"""What people enter: exclusions, and what they know of incidents.

The law of this file: nothing entered is ever changed; what is taken back is a later
entry with its own author and time. It must not know contracts or how a figure follows.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from netwatch.core.incidents import Annotation, Pause
from netwatch.core.sla import Exclusion
from netwatch.errors import UsageError
from netwatch.store.db import opened_read_only
from netwatch.store.second_writer import opened_for_entry

#: Why time is taken out; each needs its reason in words too.
KINDS = ("maintenance", "customer", "force_majeure")
_TABLES_SINCE = 2


class ExclusionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One exclusion as it stands: the entry, its kind, and who took it back."""

    entry: Exclusion
    kind: str
    withdrawn_by: str | None = None
    withdrawal_reason: str | None = None


class Annals:
    """The ledgers of exclusions and incidents in one database file.

    Reading does not hold up the agent; each entry is one short transaction beside it.
    Every method raises StoreError where the books cannot be read or written.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def enter_exclusion(
        self,
        *,
        from_ms: int,
        to_ms: int,
        reason: str,
        author: str,
        entered_ms: int,
        kind: str = "maintenance",
        notice_ms: int | None = None,
    ) -> Exclusion:
        """Take ``[from_ms, to_ms)`` (UTC) out of the contract's time; returns the entry.

        Raises UsageError for a stretch that ends before it begins.
        """
        if to_ms <= from_ms:
            raise UsageError("an exclusion ends after it begins: --to must be later than --from")
        with opened_for_entry(self._path) as connection:
            number = connection.execute(
                "INSERT INTO exclusion (from_ms, to_ms, kind, reason, author, entered_ms, notice_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (from_ms, to_ms, kind, reason, author, entered_ms, notice_ms),
            ).fetchone()[0]
        return Exclusion(
            id=name_exclusion(number),
            start_ms=from_ms,
            end_ms=to_ms,
            reason=reason,
            author=author,
            entered_ms=entered_ms,
            notice_ms=notice_ms,
        )

    def withdraw_exclusion(
        self, exclusion_id: str, *, author: str, entered_ms: int, reason: str | None = None
    ) -> ExclusionRecord:
        """Take an entry back; it stays in the ledger and excludes nothing from then on.

        Raises UsageError for an id that is not there, or was taken back before.
        """
        record = next(
            (each for each in self.read_exclusions() if each.entry.id == exclusion_id), None
        )
        if record is None:
            raise UsageError(
                f"no exclusion has the id {exclusion_id!r}: see `netwatch maintenance list`"
            )
        if record.entry.withdrawn_ms is not None:
            raise UsageError(
                f"{exclusion_id} was taken back before, by {record.withdrawn_by}: "
                "nothing is left to take back"
            )
        with opened_for_entry(self._path) as connection:
            connection.execute(
                "INSERT INTO exclusion_removal VALUES (?, ?, ?, ?)",
                (int(exclusion_id.removeprefix("X")), author, entered_ms, reason),
            )
        return msgspec.structs.replace(
            record,
            entry=msgspec.structs.replace(record.entry, withdrawn_ms=entered_ms),
            withdrawn_by=author,
            withdrawal_reason=reason,
        )

    def read_exclusions(self) -> tuple[ExclusionRecord, ...]:
        """Every entry, those taken back too, in the order in which they were entered."""
        with opened_read_only(self._path) as connection:
            if not has_tables(connection):
                return ()
            rows = connection.execute(
                "SELECT exclusion.id, from_ms, to_ms, exclusion.reason, exclusion.author,"
                " exclusion.entered_ms, notice_ms, kind, removal.entered_ms, removal.author,"
                " removal.reason FROM exclusion LEFT JOIN exclusion_removal AS removal"
                " ON removal.exclusion_id = exclusion.id ORDER BY exclusion.id"
            ).fetchall()
        return tuple(
            ExclusionRecord(
                entry=Exclusion(
                    id=name_exclusion(number),
                    start_ms=from_ms,
                    end_ms=to_ms,
                    reason=reason,
                    author=author,
                    entered_ms=entered_ms,
                    notice_ms=notice_ms,
                    withdrawn_ms=withdrawn_ms,
                ),
                kind=kind,
                withdrawn_by=withdrawn_by,
                withdrawal_reason=why,
            )
            for number, from_ms, to_ms, reason, author, entered_ms, notice_ms, kind,
            withdrawn_ms, withdrawn_by, why in rows
        )  # fmt: skip

    def enter_annotation(self, annotation: Annotation) -> None:
        """Add what somebody knows of an incident; what it leaves out stays as it was."""
        pauses = msgspec.json.encode(annotation.pauses).decode() if annotation.pauses else None
        with opened_for_entry(self._path) as connection:
            connection.execute(
                "INSERT INTO incident_annotation (incident_id, author, entered_ms, ticket,"
                " reported_ms, closed_ms, pauses, answer, note, parent)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    annotation.incident_id,
                    annotation.author,
                    annotation.entered_ms,
                    annotation.ticket,
                    annotation.reported_ms,
                    annotation.closed_ms,
                    pauses,
                    annotation.answer,
                    annotation.note,
                    annotation.parent,
                ),
            )

    def read_annotations(self) -> tuple[Annotation, ...]:
        """Every entry, in the order in which they were entered."""
        with opened_read_only(self._path) as connection:
            if not has_tables(connection):
                return ()
            rows = connection.execute(
                "SELECT incident_id, author, entered_ms, ticket, reported_ms, closed_ms, pauses,"
                " answer, note, parent FROM incident_annotation ORDER BY id"
            ).fetchall()
        return tuple(
            Annotation(
                incident_id=incident_id,
                author=author,
                entered_ms=entered_ms,
                ticket=ticket,
                reported_ms=reported_ms,
                closed_ms=closed_ms,
                pauses=msgspec.json.decode(pauses or "[]", type=tuple[Pause, ...]),
                answer=answer,
                note=note,
                parent=parent,
            )
            for incident_id, author, entered_ms, ticket, reported_ms, closed_ms, pauses,
            answer, note, parent in rows
        )  # fmt: skip


def name_exclusion(number: int) -> str:
    """What an exclusion is called from its row's number.

    >>> name_exclusion(12)
    'X12'
    """
    return f"X{number}"


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether the books are of a version that has these tables; earlier ones hold nothing of it."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return row is not None and int(row[0]) >= _TABLES_SINCE
