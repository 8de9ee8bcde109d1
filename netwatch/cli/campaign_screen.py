"""How `netwatch campaign` shows a plan, how far it is, and its verdict.

Rule of this file: what was read or judged in, lines or JSON out. It enters nothing, and asks
neither the clock nor the books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import msgspec

from netwatch.cli.civil_time import show_instant
from netwatch.report.identity import iso_utc

if TYPE_CHECKING:
    from netwatch.core.campaign_record import Campaign, CampaignBooks, SlotTest
    from netwatch.report.model import CampaignEntry

#: Slots to come that are shown each; the others are counted.
_SHOWN_NEXT = 5


def describe_plan(planned: Campaign) -> dict[str, object]:
    """A plan as JSON has it: instants in UTC, rates in bytes per second."""
    return {
        "id": planned.id,
        "profile": planned.profile,
        "seed": planned.seed,
        "first_day": planned.first_day.isoformat(),
        "timezone": planned.timezone,
        "wired": planned.wired,
        "author": planned.author,
        "entered_at": iso_utc(planned.entered_ms),
        "withdrawn_at": None if planned.withdrawn_ms is None else iso_utc(planned.withdrawn_ms),
        "down": msgspec.structs.asdict(planned.down),
        "up": msgspec.structs.asdict(planned.up),
        "slots": [iso_utc(slot_ms) for slot_ms in planned.slots],
    }


def describe_status(books: CampaignBooks, now_ms: int) -> dict[str, object]:
    """The same with what was measured, what is to come, and how the verdict stands now."""
    from netwatch.core.campaign_verdict import judge_campaign

    verdict = judge_campaign(books, ZoneInfo(books.campaign.timezone), now_ms)
    done = [test for test in books.tests if _is_due(test, now_ms)]
    return describe_plan(books.campaign) | {
        "state": "withdrawn" if books.campaign.withdrawn_ms is not None else verdict.state,
        "measured": verdict.measured,
        "done": [
            {
                "slot": iso_utc(test.slot_ms),
                "at": None if test.at_ms is None else iso_utc(test.at_ms),
                "down": test.down,
                "up": test.up,
                "down_invalid": test.down_invalid,
                "up_invalid": test.up_invalid,
            }
            for test in done
        ],
        "next": [iso_utc(slot_ms) for slot_ms in _list_next(books.campaign, now_ms)],
    }


def print_status(books: CampaignBooks, zone: ZoneInfo, now_ms: int) -> None:
    """A line for the plan, one for each slot that is over, and the next ones."""
    planned = books.campaign
    figures = describe_status(books, now_ms)
    click.echo(
        f"{planned.id}: {planned.profile}, {str(figures['state']).replace('_', ' ')}, "
        f"{figures['measured']} of {len(planned.slots)} slots measured"
    )
    for test in books.tests:
        if not _is_due(test, now_ms):
            continue
        if test.at_ms is None:
            click.echo(f"  {show_instant(test.slot_ms, zone)}  no test")
            continue
        words = [
            invalid.replace("_", " ") if invalid is not None else f"{name} {show_rate(rate)}"
            for name, rate, invalid in (
                ("down", test.down, test.down_invalid),
                ("up", test.up, test.up_invalid),
            )
        ]
        click.echo(f"  {show_instant(test.at_ms, zone)}  {', '.join(dict.fromkeys(words))}")
    coming = _list_next(planned, now_ms)
    for slot_ms in coming[:_SHOWN_NEXT]:
        click.echo(f"  {show_instant(slot_ms, zone)}  to come")
    if len(coming) > _SHOWN_NEXT:
        click.echo(f"  … and {len(coming) - _SHOWN_NEXT} more")


def print_report(entry: CampaignEntry, timezone: str) -> None:
    """Each condition with what was found, what stands in the way, and the verdict."""
    from netwatch.report.campaign_words import tell_campaign
    from netwatch.report.language import Language

    told = tell_campaign(entry, Language("en", timezone=timezone))
    click.echo(f"{entry.id}: {told.title}")
    for line in told.lines:
        word = {True: "kept", False: "not kept", None: "no verdict"}[line.met]
        sign = "at most" if line.at_most else "at least"
        click.echo(f"  {line.condition}: {line.found} ({sign} {line.required}): {word}")
    for problem in told.problems:
        click.echo(f"  {problem}")
    click.echo(told.verdict)


def show_rate(bytes_per_second: int | None) -> str:
    """Megabits per second, to a tenth.

    >>> show_rate(12_654_321), show_rate(None)
    ('101.2 Mbit/s', 'not measured')
    """
    if bytes_per_second is None:
        return "not measured"
    return f"{bytes_per_second * 8 / 1_000_000:.1f} Mbit/s"


def print_json(value: object) -> None:
    """Any of these as JSON, for a program."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _is_due(test: SlotTest, now_ms: int) -> bool:
    return test.at_ms is not None or test.slot_ms < now_ms


def _list_next(planned: Campaign, now_ms: int) -> list[int]:
    if planned.withdrawn_ms is not None:
        return []
    return [slot_ms for slot_ms in planned.slots if slot_ms >= now_ms]
