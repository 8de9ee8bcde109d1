"""By when the line must be restored, in the agent: from settings, snapshot and public holidays."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from netwatch.agent.public_holidays import PublicHolidays
from netwatch.agent.restore_deadline import RestoreDeadline
from netwatch.config.contract_terms import build_versions
from netwatch.config.model import Circuit, ContractSettings, Milliseconds, Settings, Site
from netwatch.core.calendars import CoveredHours, build_calendar
from netwatch.core.incidents import settle_incidents
from netwatch.core.outages import find_outages
from netwatch.records import Cause, Verdict
from netwatch.snapshot import Snapshot
from tests.adapters.web_world import build_snapshot
from tests.agent.clock_world import EPOCH_MS, FakeClock, Life

PARIS = ZoneInfo("Europe/Paris")
HOUR = 3_600_000
#: A child that never ends.
HANGS = [sys.executable, "-c", "import time; time.sleep(600)"]


def at(text: str) -> int:
    """An instant of Paris' local clock as UTC ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()) * 1000


def make_settings(calendar: str | tuple[str, ...] = "S2", **terms: object) -> Settings:
    contract = ContractSettings(calendar=calendar, restore_within_ms=Milliseconds(4 * HOUR))
    contract = msgspec.structs.replace(contract, **terms)
    return Settings(site=Site(id="school"), circuit=Circuit(contract=contract))


def make_outage(since: str, cause: Cause = Cause.ACCESS) -> Snapshot:
    """The verdict is of its present cause, which may be younger than the outage."""
    begun_ms = at(since)
    return build_snapshot(
        verdict=Verdict.DOWN, cause=cause, since_ms=begun_ms + HOUR, outage_since_ms=begun_ms
    )


class FakeHolidays:
    """Known from the second question on."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def find(self, year: int) -> frozenset[date] | None:
        self.asked.append(year)
        return frozenset({date(2026, 11, 11)}) if len(self.asked) > 1 else None

    def stop(self) -> None:
        pass


def build_deadline(settings: Settings, holidays: FakeHolidays) -> RestoreDeadline:
    return RestoreDeadline(settings, monotonic_ms=lambda: 0, build_holidays=lambda: holidays)


def test_around_the_clock_it_is_known_at_once_and_nobody_asks_for_holidays() -> None:
    """From the beginning of the outage, whatever its cause is now."""
    holidays = FakeHolidays()
    deadline = build_deadline(make_settings("24/7"), holidays)
    shown = deadline.add_to(make_outage("2026-10-25T01:00", Cause.UPSTREAM))
    assert shown.restore_deadline_ms == at("2026-10-25T04:00")  # the night has an hour more
    assert holidays.asked == []


def test_in_hours_that_rest_on_holidays_it_is_known_once_these_are() -> None:
    """Absent until then; reckoned once, not at every scrape."""
    holidays = FakeHolidays()
    deadline = build_deadline(make_settings("S1"), holidays)
    outage = make_outage("2026-11-10T17:00")
    shown = [deadline.add_to(outage).restore_deadline_ms for _ in range(4)]
    assert shown == [None, *[at("2026-11-12T11:00")] * 3]
    assert holidays.asked == [2026, 2026]


def test_the_next_outage_has_its_own() -> None:
    """And after it none is left."""
    deadline = build_deadline(make_settings(), FakeHolidays())
    for begun, by in (
        ("2026-11-10T17:00", "2026-11-10T21:00"),
        ("2026-11-12T08:00", "2026-11-12T12:00"),
    ):
        assert deadline.add_to(make_outage(begun)).restore_deadline_ms == at(by)
        assert deadline.add_to(build_snapshot()).restore_deadline_ms is None


@pytest.mark.parametrize(
    ("settings", "outage"),
    [
        (make_settings(restore_within_ms=None), make_outage("2026-11-10T17:00")),
        (make_settings(counted_causes=(Cause.ACCESS,)), make_outage("2026-11-10T17:00", Cause.DNS)),
        (make_settings(since="2026-11-11"), make_outage("2026-11-10T17:00")),
        (make_settings(), build_snapshot()),
        (
            make_settings(),
            build_snapshot(verdict=Verdict.DOWN, cause=Cause.ACCESS, since_ms=None),
        ),
    ],
    ids=["no such term", "a cause that is not counted", "before the contract", "up", "no clock"],
)
def test_where_the_contract_says_nothing_it_is_absent(settings: Settings, outage: Snapshot) -> None:
    assert build_deadline(settings, FakeHolidays()).add_to(outage).restore_deadline_ms is None


def test_an_outage_is_judged_by_the_terms_in_force_when_it_began() -> None:
    """The earlier version's, until the day on which the present one holds."""
    contract = ContractSettings(since="2026-11-11", restore_within_ms=Milliseconds(HOUR))
    earlier = ContractSettings(restore_within_ms=Milliseconds(8 * HOUR))
    settings = Settings(
        site=Site(id="school"), circuit=Circuit(contract=contract, earlier=(earlier,))
    )
    deadline = build_deadline(settings, FakeHolidays())
    for begun, by in (
        ("2026-11-10T23:59", "2026-11-11T07:59"),
        ("2026-11-11T00:00", "2026-11-11T01:00"),
    ):
        assert deadline.add_to(make_outage(begun)).restore_deadline_ms == at(by)


def test_beyond_the_years_whose_holidays_are_known_nothing_is_claimed() -> None:
    """A day in the week, and a term of more than a year of them."""
    settings = make_settings(("fri 08:00-09:00",), restore_within_ms=Milliseconds(55 * HOUR))
    deadline = build_deadline(settings, FakeHolidays())
    for begun, known in (("2026-12-21T12:00", False), ("2026-11-13T00:00", True)):
        deadline.add_to(make_outage(begun))
        assert (deadline.add_to(make_outage(begun)).restore_deadline_ms is not None) is known


def test_a_running_agents_deadline_is_that_of_the_report(tmp_path: Path) -> None:
    """Of an outage that it sees itself; none before, none after."""
    settings = make_settings()
    deadline = build_deadline(settings, FakeHolidays())
    life = Life(tmp_path / "a.db", FakeClock("boot", EPOCH_MS, synchronised=True))
    life.live(90, silent=range(20, 60), look_at=(10, 50, 85))
    shown = [deadline.add_to(each).restore_deadline_ms for each in life.snapshots[:3]]
    (outage,) = find_outages(life.ledgers[1])
    versions = build_versions(settings.circuit, PARIS)
    always = CoveredHours(calendar=build_calendar("S2"), zone=PARIS)
    (account,) = settle_incidents([outage], (), versions, lambda _: always)
    assert account.deadline_ms == outage.start_ms + 4 * HOUR
    assert shown == [None, account.deadline_ms, None]


def test_a_clock_that_cannot_date_the_outage_gives_no_deadline(tmp_path: Path) -> None:
    """Once it can, the deadline is that of the outage's true beginning."""
    clock = FakeClock("boot", EPOCH_MS, synchronised=False)

    def learn_the_time() -> None:
        clock.kernel = True

    life = Life(tmp_path / "a.db", clock)
    life.live(90, silent=range(20, 200), look_at=(50, 80), at={60: learn_the_time})
    deadline = build_deadline(make_settings(), FakeHolidays())
    shown = [deadline.add_to(each).restore_deadline_ms for each in life.snapshots[:2]]
    (outage,) = find_outages(life.ledgers[1])
    assert shown == [None, outage.start_ms + 4 * HOUR]


# -- the public holidays themselves


def wait_for(holidays: PublicHolidays, year: int) -> frozenset[date]:
    while (days := holidays.find(year)) is None:
        time.sleep(0.02)
    return days


def test_the_holidays_are_those_of_the_report_for_the_year_and_those_beside_it() -> None:
    """From a process of its own, with the site's own closed days."""
    site = Site(id="school", holidays="FR-Alsace-Moselle", extra_holidays=("2026-05-15",))
    holidays = PublicHolidays(site, monotonic_ms=lambda: 0)
    assert holidays.find(2026) is None
    days = wait_for(holidays, 2026)
    assert {date(2026, 12, 26), date(2026, 5, 15), date(2025, 12, 25), date(2027, 1, 1)} <= days
    assert {day.year for day in days} == {2025, 2026, 2027}
    assert holidays.find(2026) == days
    assert date(2028, 7, 14) in wait_for(holidays, 2027)


def test_a_site_without_public_holidays_needs_no_other_process() -> None:
    """Only its own closed days."""
    site = Site(id="school", holidays=None, extra_holidays=("2026-05-15",))
    holidays = PublicHolidays(site, monotonic_ms=lambda: 0, command=["/nonexistent"])
    assert holidays.find(2026) == frozenset({date(2026, 5, 15)})


@pytest.mark.parametrize(
    ("command", "is_able", "sentence"),
    [
        (None, False, "the library is not installed: pip install 'netwatch[report]'"),
        (["/nonexistent/python"], True, "No such file or directory"),
        ([sys.executable, "-c", "print('2026-11-31')"], True, "day is out of range for month"),
        ([sys.executable, "-c", "import sys; sys.exit('no room')"], True, "no room"),
        ([sys.executable, "-c", "pass"], True, "it ended without a word"),
        (HANGS, True, "no answer within 0.05 s"),
    ],
)
def test_what_fails_is_said_once(
    command: list[str] | None,
    is_able: bool,
    sentence: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However often a scrape asks."""
    holidays = PublicHolidays(
        Site(id="school"),
        monotonic_ms=lambda: 0,
        command=command,
        longest_s=0.05 if command is HANGS else 60,
        is_able=lambda: is_able,
    )
    with caplog.at_level(logging.WARNING):
        assert holidays.find(2026) is None
        while not caplog.messages:
            time.sleep(0.02)
        assert [holidays.find(2026) for _ in range(3)] == [None] * 3
    assert caplog.messages == [
        f"public holidays of FR: {sentence}; no deadline of a restoration is shown"
    ]


def test_after_a_failure_they_are_asked_for_again_ten_minutes_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No sooner, and the same failure is not said twice."""
    program = (
        "import pathlib, sys; runs = pathlib.Path(sys.argv[1]);"
        "runs.write_text(runs.read_text() + 'x'); sys.exit('no room') "
        "if len(runs.read_text()) < 3 else print('2026-11-11')"
    )
    runs = tmp_path / "runs"
    runs.write_text("")
    now_ms = 0
    holidays = PublicHolidays(
        Site(id="school"),
        monotonic_ms=lambda: now_ms,
        command=[sys.executable, "-c", program, str(runs)],
    )
    with caplog.at_level(logging.WARNING):
        assert holidays.find(2026) is None
        while not caplog.messages:
            time.sleep(0.02)
        now_ms = 599_999
        assert (holidays.find(2026), runs.read_text()) == (None, "x")
        while (days := holidays.find(2026)) is None:
            now_ms += 600_000
            time.sleep(0.02)
    assert (days, runs.read_text()) == (frozenset({date(2026, 11, 11)}), "xxx")
    assert len(caplog.messages) == 1


def test_an_unknown_region_is_said_in_the_librarys_words(caplog: pytest.LogCaptureFixture) -> None:
    """The sentence that `netwatch check` has for it."""
    holidays = PublicHolidays(Site(id="school", holidays="FR-Atlantis"), monotonic_ms=lambda: 0)
    with caplog.at_level(logging.WARNING):
        holidays.find(2026)
        while not caplog.messages:
            time.sleep(0.02)
    assert "site.holidays: FR has no subdivision 'Atlantis'" in caplog.messages[0]


def test_a_process_that_is_at_work_ends_with_the_agent(caplog: pytest.LogCaptureFixture) -> None:
    """It is nobody's any more."""
    holidays = PublicHolidays(Site(id="school"), monotonic_ms=lambda: 0, command=HANGS)
    holidays.find(2026)
    with caplog.at_level(logging.WARNING):
        holidays.stop()
        while not caplog.messages:
            time.sleep(0.02)
    assert "it ended without a word" in caplog.messages[0]


def test_the_agents_process_never_holds_the_library_of_holidays() -> None:
    """Nor what the report is made with, after a deadline in hours that rest on holidays."""
    program = (
        "import sys, time; import netwatch.agent.service;"
        "from tests.agent.test_restore_deadline import *;"
        "deadline = RestoreDeadline(make_settings('S1'), monotonic_ms=lambda: 0);"
        "outage = make_outage('2026-11-10T17:00')\n"
        "while (shown := deadline.add_to(outage)).restore_deadline_ms is None: time.sleep(0.02)\n"
        "assert shown.restore_deadline_ms == at('2026-11-12T11:00'), shown\n"
        "print([name for name in ('holidays', 'dateutil', 'babel', 'matplotlib') "
        "if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
