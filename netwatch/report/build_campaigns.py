"""The campaigns that fall into a month, as the report tells them.

Rule of this file: `core.campaign_verdict` judges; here it becomes the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from netwatch.core.campaign_record import CampaignBooks
from netwatch.core.campaign_verdict import judge_campaign
from netwatch.report.identity import iso_utc
from netwatch.report.model import CampaignEntry, CampaignProblem, CampaignTest


def build_campaigns(books: Iterable[CampaignBooks], now_ms: int) -> tuple[CampaignEntry, ...]:
    """Every campaign as it stands at ``now_ms`` (UTC), in the order of their entry."""
    return tuple(_build(each, now_ms) for each in books)


def _build(books: CampaignBooks, now_ms: int) -> CampaignEntry:
    campaign = books.campaign
    verdict = judge_campaign(books, ZoneInfo(campaign.timezone), now_ms)
    return CampaignEntry(
        id=campaign.id,
        profile=campaign.profile,
        state=verdict.state if campaign.withdrawn_ms is None else "withdrawn",
        first_day=campaign.first_day.isoformat(),
        seed=campaign.seed,
        author=campaign.author,
        entered_at=iso_utc(campaign.entered_ms),
        withdrawn_at=None if campaign.withdrawn_ms is None else iso_utc(campaign.withdrawn_ms),
        withdrawn_by=campaign.withdrawn_by,
        withdrawal_reason=campaign.withdrawal_reason,
        wired=campaign.wired,
        slots=len(campaign.slots),
        measured=verdict.measured,
        lines=verdict.lines,
        problems=tuple(
            CampaignProblem(
                code=each.code,
                at=None if each.at_ms is None else iso_utc(each.at_ms),
                found=each.found,
                required=each.required,
            )
            for each in verdict.problems
        ),
        tests=tuple(_list_tests(books)),
    )


def _list_tests(books: CampaignBooks) -> Iterator[CampaignTest]:
    for test in books.tests:
        yield CampaignTest(
            slot=iso_utc(test.slot_ms),
            at=None if test.at_ms is None else iso_utc(test.at_ms),
            down=test.down,
            up=test.up,
            down_invalid=test.down_invalid,
            up_invalid=test.up_invalid,
        )
