"""`netwatch campaign`, its section of the report and its evidence, over a real store.

The store is that of `described_month`, with a proof campaign from 14 October 2024 on whose
tests each test of this file enters.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from netwatch.cli.main import main
from netwatch.core.campaign import Offer
from netwatch.core.campaign_record import Campaign, list_windows, plan_slots
from netwatch.report.evidence import open_bundle
from netwatch.report.recompute import recompute_report
from netwatch.report.verify import build_differences
from netwatch.store.campaigns import Campaigns
from netwatch.store.second_writer import opened_for_entry
from netwatch.store.throughput import BandwidthRow, append_test
from tests.e2e.described_month import MINUTE, fill_store, utc, write_settings

PARIS = ZoneInfo("Europe/Paris")
FIRST = date(2024, 10, 14)
#: 100 Mbit/s at most, 80 normally, 50 at least; up nothing is promised.
DOWN = Offer(maximum=12_500_000, normal=10_000_000, minimum=6_250_000)


@pytest.fixture(autouse=True)
def _no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "tester")
    monkeypatch.delenv("SUDO_USER", raising=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a configuration, the described store and the plan of a campaign."""
    fill_store(tmp_path / "netwatch.db")
    write_settings(tmp_path)
    Campaigns(tmp_path / "netwatch.db").enter(
        Campaign(
            id="", profile="proof", seed="a school", first_day=FIRST, timezone="Europe/Paris",
            slots=SLOTS, down=DOWN, up=Offer(), wired=True, author="marie",
            entered_ms=utc(10, 12),
        )
    )  # fmt: skip
    return tmp_path


SLOTS = plan_slots("proof", "a school", FIRST, PARIS)


def enter_tests(site: Path, tests: Iterable[tuple[int, int | None]]) -> None:
    """Tests as (begun in UTC ms, Mbit/s down or None where the server failed)."""
    with opened_for_entry(site / "netwatch.db") as connection:
        for at_ms, megabits in tests:
            rate = None if megabits is None else megabits * 125_000
            row = BandwidthRow(
                run_id=2, started_mono_ms=at_ms - utc(9, 1), started_ms=at_ms, engine="iperf3",
                down_bytes_per_second=rate, up_bytes_per_second=rate,
                down_invalid="test_server_failed" if rate is None else None,
                up_invalid="test_server_failed" if rate is None else None,
            )  # fmt: skip
            append_test(connection, row)


def run(site: Path, command: str, *arguments: str) -> int:
    return main([*command.split(), "--config", str(site / "agent.toml"), *arguments])


def read_report(
    site: Path, capsys: pytest.CaptureFixture[str], *, exit_code: int
) -> dict[str, Any]:
    capsys.readouterr()
    assert run(site, "campaign report", "--json") == exit_code
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_a_breach_is_found_and_told_line_by_line(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four measurements below the normal rate, on one day below the minimum: exit 1."""
    enter_tests(site, ((slot, 40 if slot in SLOTS[:4] else 95) for slot in SLOTS))
    assert run(site, "campaign report") == 1
    assert capsys.readouterr().out.replace("\u00a0", " ").splitlines() == [
        "C1: Proof campaign (30 measurements on 3 days, after the German rule of 2021)",
        "  Download: 90% of the maximum (100 Mbit/s) reached at least once, "
        "on at least 2 of the 3 days: 3 (at least 2): kept",
        "  Download: the normal rate (80 Mbit/s) reached in at least 27 measurements: "
        "26 (at least 27): not kept",
        "  Download: below the minimum (50 Mbit/s) on 1 day at most: 1 (at most 1): kept",
        "A breach follows from the measurements.",
    ]
    figures = read_report(site, capsys, exit_code=1)
    assert (figures["state"], figures["measured"], figures["problems"]) == ("breach", 30, [])


def test_no_breach_is_told_too(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tests of the usual schedule, however slow, are no measurements of the campaign."""
    enter_tests(site, ((slot, 95) for slot in SLOTS))
    enter_tests(site, ((slot + 5 * MINUTE + 1, 1) for slot in SLOTS[4::5]))
    figures = read_report(site, capsys, exit_code=0)
    assert figures["state"] == "no_breach"
    assert {line["met"] for line in figures["lines"]} == {True}


def test_an_incomplete_schedule_proves_nothing(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However bad the 28 that were made: one slot had no test, and one test failed."""
    enter_tests(site, ((slot, 10) for slot in SLOTS[1:]))
    with opened_for_entry(site / "netwatch.db") as connection:
        connection.execute(
            "UPDATE bandwidth_test SET down_bytes_per_second = NULL, down_invalid ="
            " 'test_server_failed' WHERE started_ms = ?",
            (SLOTS[7],),
        )
    figures = read_report(site, capsys, exit_code=0)
    assert (figures["state"], figures["measured"]) == ("unproven", 29)
    assert [(each["code"], each["found"]) for each in figures["problems"]] == [
        ("per_day", 9), ("not_measured", None),
    ]  # fmt: skip
    assert {line["met"] for line in figures["lines"]} == {None}
    assert run(site, "campaign report") == 0
    out = capsys.readouterr().out
    assert "9 measurements on the day of 14 Oct 2024" in out
    assert out.endswith("Nothing is proven: the schedule was not kept.\n")


def test_measurements_too_close_to_one_another_prove_nothing(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that began four minutes late leaves too little time before the next."""
    gaps = [after - before for before, after in pairwise(SLOTS)]
    first = next(number for number, gap in enumerate(gaps) if gap < 9 * MINUTE)
    late = SLOTS[first] + 4 * MINUTE
    enter_tests(
        site, ((late if number == first else slot, 10) for number, slot in enumerate(SLOTS))
    )
    figures = read_report(site, capsys, exit_code=0)
    (problem,) = figures["problems"]
    assert figures["state"] == "unproven"
    assert (problem["code"], problem["required"]) == ("gap", 5 * MINUTE)
    assert problem["found"] == SLOTS[first + 1] - late < 5 * MINUTE


def test_status_shows_each_slot_with_what_was_measured(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enter_tests(site, [(SLOTS[0] + 1_000, 95), (SLOTS[1], None)])
    assert run(site, "campaign status") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "C1: proof, unproven, 2 of 30 slots measured"
    assert lines[1].endswith("down 95.0 Mbit/s, up 95.0 Mbit/s")
    assert lines[2].endswith("  test server failed")
    assert lines[3].endswith("  no test")
    assert len(lines) == 31
    assert run(site, "campaign status", "--json") == 0
    (figures,) = json.loads(capsys.readouterr().out)
    assert (figures["id"], figures["measured"], figures["next"]) == ("C1", 2, [])
    assert len(figures["done"]) == 30


def test_the_month_shows_the_campaign_and_its_evidence_gives_the_same_verdict(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Page, JSON and table; `verify` makes the verdict anew, and names it when a test is changed."""
    enter_tests(site, ((slot, 40 if slot in SLOTS[:4] else 95) for slot in SLOTS))
    output = site / "october"
    assert run(site, "report", "--month", "2024-10", "--lang", "en", "--output", str(output)) == 0
    (campaign,) = json.loads((output / "report.json").read_bytes())["campaigns"]
    assert (campaign["state"], campaign["measured"]) == ("breach", 30)
    assert [line["met"] for line in campaign["lines"]] == [True, False, True]
    page = (output / "report.en.html").read_text(encoding="utf-8")
    assert "A breach follows from the measurements." in page
    assert "Simulation" not in page
    bundle = output / "netwatch-ecole-jaures-2024-10.zip"
    with zipfile.ZipFile(bundle) as archive:
        text = archive.read("campaigns.csv").decode()
        manifest = json.loads(archive.read("manifest.json"))
        assert "campaigns.schema.json" in archive.namelist()
    assert len(list(csv.DictReader(io.StringIO(text)))) == 30
    assert manifest["chain"] is None  # these books closed no day
    assert main(["verify", str(bundle)]) == 0
    assert "sound" in capsys.readouterr().out
    changed = site / "changed.zip"
    replace_in(bundle, changed, "campaigns.csv", ",5000000,5000000,", ",11875000,5000000,")
    with open_bundle(bundle) as sound, open_bundle(changed) as tampered:
        differences = list(build_differences(recompute_report(sound), recompute_report(tampered)))
    assert ("campaigns[0].state", '"breach"', '"no_breach"') in differences


def replace_in(source: Path, target: Path, name: str, old: str, new: str) -> None:
    """A copy of an archive in which one file says something else, once."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for info in archive.infolist():
            data = archive.read(info)
            if info.filename == name:
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode(), 1)
            copy.writestr(info, data)


def test_a_month_without_a_slot_has_no_campaign(site: Path) -> None:
    """September knows nothing of it, and its bundle has no such table."""
    output = site / "september"
    arguments = ("--format", "csv,json", "--month", "2024-09", "--output", str(output))
    assert run(site, "report", *arguments) == 0
    assert json.loads((output / "report.json").read_bytes())["campaigns"] == []
    assert not (output / "campaigns.csv").exists()


def test_start_enters_a_plan_from_the_contracts_rates(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tomorrow's first day keeps the rule; what is guaranteed is the minimum."""
    day = datetime.now(UTC).date() + timedelta(days=40)
    assert (
        run(site, "campaign start", "--profile", "proof", "--from", day.isoformat(), "--json") == 0
    )
    plan = json.loads(capsys.readouterr().out)
    assert (plan["id"], plan["first_day"], len(plan["slots"])) == ("C2", day.isoformat(), 30)
    assert plan["down"] == {"maximum": None, "normal": None, "minimum": 12_500_000}
    assert plan["author"] == "tester"
    assert run(site, "campaign start", "--profile", "peak", "--from", day.isoformat()) == 2
    assert "C2 has slots until" in capsys.readouterr().err
    assert run(site, "campaign withdraw", "C2", "--reason", "too early") == 0
    assert run(
        site, "campaign start", "--profile", "peak", "--from", day.isoformat(),
        "--normal-down", "200 Mbit/s",
    ) == 0  # fmt: skip
    (_, withdrawn, peak) = Campaigns(site / "netwatch.db").read()
    assert withdrawn.withdrawn_by == "tester"
    assert (peak.down, peak.up) == (Offer(normal=25_000_000), Offer())
    assert len(list_windows(peak, PARIS)) == 42
    capsys.readouterr()
    assert run(site, "campaign report") == 0
    assert capsys.readouterr().out.endswith("It has not begun.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--profile", "proof", "--from", "2024-10-14"),
         "--from: the first slot, 2024-10-14 "),
        (("--profile", "proof", "--from", "soon"),
         "--from: must be a date like \"2026-10-05\", got 'soon'"),
        (("--profile", "proof", "--normal-down", "fast"), "--normal-down: must be a rate like"),
        (("--profile", "peak", "--minimum-down", "1 Mbit/s"),
         "--profile peak: judges by --normal-down and --normal-up alone"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_is_refused(
    site: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    """Above all one that would begin before it was entered: its measurements could be chosen."""
    assert run(site, "campaign start", *arguments) == 2
    assert capsys.readouterr().err.startswith(sentence)
    assert len(Campaigns(site / "netwatch.db").read()) == 1


def test_without_any_rate_there_is_nothing_to_judge_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_store(tmp_path / "netwatch.db")
    path = write_settings(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("guaranteed_down")]
    path.write_text("\n".join(kept), encoding="utf-8")
    assert run(tmp_path, "campaign report") == 2
    assert capsys.readouterr().err.startswith("there is no campaign: see")
    assert run(tmp_path, "campaign start", "--profile", "proof") == 2
    assert capsys.readouterr().err == (
        "a campaign needs a rate to judge by: give --normal-down, or write guaranteed_down "
        "into [circuit.contract]\n"
    )
