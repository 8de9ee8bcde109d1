"""The ledger of campaigns: what was planned, by whom, before it was measured.

The law of this file: nothing entered is ever changed; a campaign that is withdrawn stays
in the ledger with who withdrew it. Whether a plan is kept is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from netwatch.core.campaign import Offer
from netwatch.core.campaign_record import Campaign, Profile
from netwatch.errors import UsageError
from netwatch.store.db import opened_read_only
from netwatch.store.second_writer import opened_for_entry

_TABLES_SINCE = 4


class CampaignSlot(msgspec.Struct, frozen=True, kw_only=True):
    """When a campaign wants a test to begin (UTC ms)."""

    at_ms: int
    campaign_id: str
    profile: Profile


class Campaigns:
    """The campaigns in one database file.

    Every method raises StoreError where the books cannot be read or written.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def enter(self, campaign: Campaign) -> Campaign:
        """Enter a plan; returns it with the id that it got (its own is not looked at)."""
        with opened_for_entry(self._path) as connection:
            return msgspec.structs.replace(campaign, id=append_campaign(connection, campaign))

    def withdraw(
        self, campaign_id: str, *, author: str, entered_ms: int, reason: str | None = None
    ) -> Campaign:
        """Take a plan back; it stays in the ledger.

        Raises UsageError for an id that is not there, or was withdrawn before.
        """
        campaign = next((each for each in self.read() if each.id == campaign_id), None)
        if campaign is None:
            raise UsageError(
                f"no campaign has the id {campaign_id!r}: see `netwatch campaign status`"
            )
        if campaign.withdrawn_ms is not None:
            raise UsageError(
                f"{campaign_id} was withdrawn before, by {campaign.withdrawn_by}: "
                "nothing is left to take back"
            )
        with opened_for_entry(self._path) as connection:
            connection.execute(
                "INSERT INTO campaign_removal VALUES (?, ?, ?, ?)",
                (int(campaign_id.removeprefix("C")), author, entered_ms, reason),
            )
        return msgspec.structs.replace(
            campaign, withdrawn_ms=entered_ms, withdrawn_by=author, withdrawal_reason=reason
        )

    def read(self) -> tuple[Campaign, ...]:
        """Every entry, those withdrawn too, in the order in which they were entered."""
        with opened_read_only(self._path) as connection:
            row = connection.execute(
                "SELECT value FROM meta WHERE key = 'schema_version'"
            ).fetchone()
            if row is None or int(row[0]) < _TABLES_SINCE:
                return ()
            rows = connection.execute(
                "SELECT campaign.id, profile, seed, first_day, timezone, slots, offers, wired,"
                " campaign.author, campaign.entered_ms, removal.entered_ms, removal.author,"
                " removal.reason FROM campaign LEFT JOIN campaign_removal AS removal"
                " ON removal.campaign_id = campaign.id ORDER BY campaign.id"
            ).fetchall()
        return tuple(_build(row) for row in rows)

    def read_campaign_slots(self, from_ms: int, to_ms: int) -> list[CampaignSlot]:
        """When tests are to begin in ``[from_ms, to_ms)`` (UTC), in order.

        What a bandwidth scheduler asks; a withdrawn campaign wants none.
        """
        slots = [
            CampaignSlot(at_ms=at_ms, campaign_id=campaign.id, profile=campaign.profile)
            for campaign in self.read()
            if campaign.withdrawn_ms is None
            for at_ms in campaign.slots
            if from_ms <= at_ms < to_ms
        ]
        return sorted(slots, key=lambda slot: (slot.at_ms, slot.campaign_id))


def append_campaign(connection: sqlite3.Connection, campaign: Campaign) -> str:
    """Enter a plan within the caller's transaction; returns its id. Raises sqlite3.Error."""
    number = connection.execute(
        "INSERT INTO campaign (profile, seed, first_day, timezone, slots, offers, wired, author,"
        " entered_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            campaign.profile,
            campaign.seed,
            campaign.first_day.isoformat(),
            campaign.timezone,
            msgspec.json.encode(campaign.slots).decode(),
            msgspec.json.encode((campaign.down, campaign.up)).decode(),
            int(campaign.wired),
            campaign.author,
            campaign.entered_ms,
        ),
    ).fetchone()[0]
    return name_campaign(number)


def name_campaign(number: int) -> str:
    """What a campaign is called from its row's number.

    >>> name_campaign(3)
    'C3'
    """
    return f"C{number}"


def _build(row: Sequence[Any]) -> Campaign:
    (number, profile, seed, first_day, timezone, slots, offers, wired, author, entered_ms,
     withdrawn_ms, withdrawn_by, reason) = row  # fmt: skip
    down, up = msgspec.json.decode(offers, type=tuple[Offer, Offer])
    return Campaign(
        id=name_campaign(number),
        profile=profile,
        seed=seed,
        first_day=date.fromisoformat(first_day),
        timezone=timezone,
        slots=msgspec.json.decode(slots, type=tuple[int, ...]),
        down=down,
        up=up,
        wired=bool(wired),
        author=author,
        entered_ms=entered_ms,
        withdrawn_ms=withdrawn_ms,
        withdrawn_by=withdrawn_by,
        withdrawal_reason=reason,
    )
