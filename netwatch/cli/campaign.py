"""`netwatch campaign`: a plan of measurements, how far it is, and what it proves.

Rule of this file: words in, an entry or a verdict out. The plan is entered before its
first slot, and nothing of it can be chosen afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import click

from netwatch.cli.campaign_screen import (
    describe_plan,
    describe_status,
    print_json,
    print_report,
    print_status,
)
from netwatch.cli.civil_time import show_instant
from netwatch.cli.options import author_option, config_option, json_option
from netwatch.cli.report import load_needed
from netwatch.clock import SystemClock
from netwatch.config.load import load_settings
from netwatch.config.model import ContractSettings, Settings
from netwatch.config.notes import Refused
from netwatch.config.units import parse_rate
from netwatch.core.calendars import civil_date
from netwatch.core.campaign import Offer
from netwatch.core.campaign_record import (
    PROFILES,
    Campaign,
    list_windows,
    plan_slots,
)
from netwatch.errors import UsageError
from netwatch.store.campaigns import Campaigns

if TYPE_CHECKING:
    from netwatch.core.campaign_record import CampaignBooks

_RATES = ("maximum", "normal", "minimum")


@click.group()
def campaign() -> None:
    """Measurement campaigns: planned beforehand, judged line by line."""


def _rate_options(command: click.Command) -> click.Command:
    for direction in ("up", "down"):
        for name in reversed(_RATES):
            command.params.append(
                click.Option(
                    [f"--{name}-{direction}"],
                    metavar="RATE",
                    help=f'The {name} rate promised, {direction}load: "100 Mbit/s".',
                )
            )
    return command


@campaign.command()
@config_option
@author_option
@json_option
@click.option("--profile", type=click.Choice(PROFILES), required=True)
@click.option("--from", "first", metavar="DATE", help="The first civil day; else tomorrow.")
@click.option("--seed", help="The slots follow from it; else from the site and the instant.")
@click.option(
    "--wired/--not-wired", default=True, help="Whether the device is connected by cable, as stated."
)
def start(
    *,
    config: Path,
    author: str,
    as_json: bool,
    profile: Literal["proof", "peak"],
    first: str | None,
    seed: str | None,
    wired: bool,
    **rates: str | None,
) -> None:
    """Enter a plan: 30 measurements on 3 days (proof), or a week's evenings (peak).

    Without a rate option those of the contract are meant: guaranteed_down and guaranteed_up
    are the minimum of a proof campaign, and the committed rate (--normal-…) of a peak one.
    """
    settings = load_settings(config)
    zone = ZoneInfo(settings.site.timezone)
    now_ms = SystemClock().wall_ms()
    first_day = _parse_day(first, civil_date(now_ms, zone))
    down, up = build_offers(profile, rates, settings.circuit.contract)
    books = Campaigns(settings.store.path)
    seed = seed or f"{settings.site.id}/{now_ms}"
    planned = Campaign(
        id="",
        profile=profile,
        seed=seed,
        first_day=first_day,
        timezone=settings.site.timezone,
        slots=plan_slots(profile, seed, first_day, zone),
        down=down,
        up=up,
        wired=wired,
        author=author,
        entered_ms=now_ms,
    )
    _check_beginning(planned, books, now_ms, zone)
    planned = books.enter(planned)
    if as_json:
        print_json(describe_plan(planned))
        return
    click.echo(
        f"{planned.id}: {len(planned.slots)} slots from {show_instant(planned.slots[0], zone)} to "
        f"{show_instant(planned.slots[-1], zone)}"
    )
    click.echo("What is measured then counts, whatever it finds: see `netwatch campaign status`.")


start = _rate_options(start)


@campaign.command()
@config_option
@json_option
def status(config: Path, *, as_json: bool) -> None:
    """The next slots, and those that are over with what was measured."""
    settings = load_settings(config)
    zone = ZoneInfo(settings.site.timezone)
    now_ms = SystemClock().wall_ms()
    campaigns = _read_books(settings, now_ms)
    if as_json:
        print_json([describe_status(books, now_ms) for books in campaigns])
        return
    if not campaigns:
        click.echo("no campaign was entered: `netwatch campaign start`")
    for books in campaigns:
        print_status(books, zone, now_ms)


@campaign.command()
@config_option
@json_option
@click.option("--id", "campaign_id", metavar="ID", help="Which; else the newest.")
def report(config: Path, campaign_id: str | None, *, as_json: bool) -> int:
    """The verdict, line by line. Exit 1 when a breach is proven."""
    settings = load_settings(config)
    now_ms = SystemClock().wall_ms()
    every = _read_books(settings, now_ms)
    found = [each for each in every if campaign_id in (None, each.campaign.id)]
    if not found:
        what = f"no campaign has the id {campaign_id!r}" if campaign_id else "there is no campaign"
        raise UsageError(f"{what}: see `netwatch campaign status`")
    load_needed(("babel",))
    from netwatch.report.build_campaigns import build_campaigns

    (entry,) = build_campaigns(found[-1:], now_ms)
    if as_json:
        from netwatch.report.json_form import encode_part

        click.echo(encode_part(entry).decode(), nl=False)
    else:
        print_report(entry, settings.site.timezone)
    return 1 if entry.state == "breach" else 0


@campaign.command()
@config_option
@author_option
@click.argument("campaign_id", metavar="ID")
@click.option("--reason", help="Why it is withdrawn.")
def withdraw(config: Path, author: str, campaign_id: str, reason: str | None) -> None:
    """Take a plan back: it stays in the ledger and in the report, without a verdict."""
    settings = load_settings(config)
    taken = Campaigns(settings.store.path).withdraw(
        campaign_id, author=author, entered_ms=SystemClock().wall_ms(), reason=reason
    )
    click.echo(f"{taken.id}: withdrawn by {author}; it stays in the ledger.")


def build_offers(
    profile: str, rates: Mapping[str, str | None], contract: ContractSettings
) -> tuple[Offer, Offer]:
    """What is promised in each direction: the options', else the contract's.

    Raises UsageError for a rate that is none, and where nothing is promised at all.
    """
    given: dict[str, int] = {}
    for name, text in rates.items():
        if text is not None:
            option = f"--{name.replace('_', '-')}"
            try:
                given[name] = int(parse_rate(text))
            except Refused as refused:
                raise UsageError(f"{option}: {refused}") from None
    if not given:
        name = "minimum" if profile == "proof" else "normal"
        promised = {"down": contract.guaranteed_down, "up": contract.guaranteed_up}
        given = {f"{name}_{side}": int(rate) for side, rate in promised.items() if rate is not None}
    if profile == "peak" and any(not name.startswith("normal") for name in given):
        raise UsageError("--profile peak: judges by --normal-down and --normal-up alone")
    if not given:
        raise UsageError(
            "a campaign needs a rate to judge by: give --normal-down, or write guaranteed_down "
            "into [circuit.contract]"
        )
    down, up = (
        Offer(**{name: given.get(f"{name}_{side}") for name in _RATES}) for side in ("down", "up")
    )
    return down, up


def _parse_day(text: str | None, today: date) -> date:
    if text is None:
        return today + timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f'--from: must be a date like "2026-10-05", got {text!r}') from None


def _check_beginning(planned: Campaign, books: Campaigns, now_ms: int, zone: ZoneInfo) -> None:
    windows = list_windows(planned, zone)
    if windows[0][0] <= now_ms:
        raise UsageError(
            f"--from: the first slot, {show_instant(windows[0][0], zone)}, is over: a plan is "
            "entered before it is measured, so give a later day"
        )
    for other in books.read():
        taken = list_windows(other, ZoneInfo(other.timezone))
        overlaps = taken[0][0] < windows[-1][1] and windows[0][0] < taken[-1][1]
        if other.withdrawn_ms is None and overlaps:
            raise UsageError(
                f"{other.id} has slots until {show_instant(taken[-1][1], zone)}: begin after it, "
                f"or withdraw it: `netwatch campaign withdraw {other.id}`"
            )


def _read_books(settings: Settings, now_ms: int) -> list[CampaignBooks]:
    from netwatch.agent.month_books import MonthBooks

    books = MonthBooks(settings.store.path)
    return [books.read_campaign(each, now_ms) for each in books.campaigns.read()]
