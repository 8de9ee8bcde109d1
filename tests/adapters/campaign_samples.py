"""A campaign as short as one can be, for those who take its slot.

Rule of this file: one slot, and rates that any line keeps.
"""

from __future__ import annotations

from datetime import date

from netwatch.core.campaign import Offer
from netwatch.core.campaign_record import Campaign


def build_campaign(slot_ms: int, entered_ms: int) -> Campaign:
    """A plan of that one slot, entered then."""
    return Campaign(
        id="C0",
        profile="proof",
        seed="s",
        first_day=date(2026, 11, 24),
        timezone="Europe/Paris",
        slots=(slot_ms,),
        down=Offer(maximum=1),
        up=Offer(maximum=1),
        wired=True,
        author="mairie",
        entered_ms=entered_ms,
    )
