"""The ledger of campaigns in a real file: append-only, chained, and asked for slots."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netwatch.core.campaign import Offer
from netwatch.core.campaign_record import Campaign, Profile, plan_slots
from netwatch.errors import UsageError
from netwatch.store.campaigns import Campaigns, CampaignSlot
from netwatch.store.chain import close_days
from netwatch.store.chain_verify import read_chain_end, verify_chain
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.schema import read_migrations
from tests.adapters.store_samples import OFFSET_MS, SET_ASIDE, anchor, batch, span

DAY_MS = 86_400_000
PARIS = ZoneInfo("Europe/Paris")


def plan(profile: Profile = "proof", first_day: date = date(2026, 10, 5)) -> Campaign:
    return Campaign(
        id="not looked at", profile=profile, seed="s", first_day=first_day,
        timezone="Europe/Paris", slots=plan_slots(profile, "s", first_day, PARIS),
        down=Offer(maximum=100, normal=80), up=Offer(minimum=5), wired=True, author="marie",
        entered_ms=OFFSET_MS + 3_600_000,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Books of two days, from 2026-10-01 on."""
    found = tmp_path / "netwatch.db"
    opened = open_database(found, set_aside=lambda: SET_ASIDE)
    with closing(opened.connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "1.0", 0, anchor())
        journal.append(batch(2 * DAY_MS, span(0, 2 * DAY_MS)))
    return found


def close(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert close_days(connection, OFFSET_MS + 2 * DAY_MS)


def test_what_is_entered_comes_back_with_its_id(path: Path) -> None:
    books = Campaigns(path)
    assert books.read() == ()
    entered = [books.enter(plan()), books.enter(plan("peak", date(2026, 11, 2)))]
    assert [each.id for each in entered] == ["C1", "C2"]
    assert books.read() == tuple(entered)


def test_a_scheduler_is_told_the_slots_of_its_time_alone(path: Path) -> None:
    """In order, half-open, and none of a campaign that was withdrawn."""
    books = Campaigns(path)
    books.enter(plan())
    slots = plan().slots
    assert books.read_campaign_slots(slots[3], slots[5]) == [
        CampaignSlot(at_ms=at_ms, campaign_id="C1", profile="proof") for at_ms in slots[3:5]
    ]
    books.withdraw("C1", author="paul", entered_ms=OFFSET_MS, reason="too early")
    assert books.read_campaign_slots(slots[0], slots[-1] + 1) == []
    (kept,) = books.read()
    assert (kept.withdrawn_by, kept.withdrawal_reason) == ("paul", "too early")
    assert kept.slots == slots


def test_nothing_is_withdrawn_twice_or_unknown(path: Path) -> None:
    books = Campaigns(path)
    books.enter(plan())
    books.withdraw("C1", author="paul", entered_ms=OFFSET_MS)
    with pytest.raises(UsageError, match="C1 was withdrawn before, by paul"):
        books.withdraw("C1", author="paul", entered_ms=OFFSET_MS)
    with pytest.raises(UsageError, match="no campaign has the id 'C7'"):
        books.withdraw("C7", author="paul", entered_ms=OFFSET_MS)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE campaign SET slots = '[]'", "DELETE FROM campaign", "DELETE FROM campaign_removal"],
)
def test_the_database_refuses_to_change_what_was_entered(path: Path, statement: str) -> None:
    books = Campaigns(path)
    books.enter(plan())
    books.withdraw("C1", author="paul", entered_ms=OFFSET_MS)
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="the ledger of campaigns is append-only"),
    ):
        connection.execute(statement)


def test_a_plan_belongs_to_the_chain_of_its_day(path: Path) -> None:
    """Its day closes over it; a plan changed behind the triggers' back is named with the day."""
    Campaigns(path).enter(plan())
    close(path)
    assert verify_chain(path) == []
    end = read_chain_end(path)
    assert end is not None
    assert end.day == "2026-10-01"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER campaign_stays")
        connection.execute("UPDATE campaign SET seed = 'another'")
    (problem,) = verify_chain(path)
    assert (problem.day, problem.kind) == ("2026-10-01", "records")


def test_a_plan_that_is_slipped_into_a_closed_day_is_named(path: Path) -> None:
    close(path)
    Campaigns(path).enter(plan())
    (problem,) = verify_chain(path)
    assert (problem.day, problem.kind) == ("2026-10-01", "late")


def test_books_of_the_version_before_have_no_campaign_and_a_sound_chain(tmp_path: Path) -> None:
    """They are read as they are; the first entry brings them to this version."""
    path = tmp_path / "netwatch.db"
    opened = open_database(path, set_aside=lambda: SET_ASIDE, migrations=read_migrations()[:3])
    with closing(opened.connection) as connection:
        journal = Journal(connection)
        journal.begin_run("boot-a", 1, "1.0", 0, anchor())
        journal.append(batch(2 * DAY_MS, span(0, 2 * DAY_MS)))
        assert close_days(connection, OFFSET_MS + 2 * DAY_MS)
    assert Campaigns(path).read() == ()
    assert verify_chain(path) == []
    late = plan()
    assert Campaigns(path).enter(late).id == "C1"
    assert Campaigns(path).read()[0].slots == late.slots
