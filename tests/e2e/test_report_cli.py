"""`netwatch report`, `verify`, `maintenance`, `incident`, `export` over a real store.

Every figure expected here follows by hand from the story of `described_month`.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from netwatch.agent.monthly import gather_inputs
from netwatch.cli.main import main
from netwatch.config.load import load_settings
from netwatch.report.build import build_report
from tests.e2e.described_month import HOUR, fill_store, utc, write_settings
from tests.report.test_mail import Mailbox, certificate, mailbox, server

__all__ = ["certificate", "mailbox", "server"]  # fixtures, used by their names

#: report.json as any reader has it.
Figures = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests, entries that name nobody are by "tester"."""
    monkeypatch.setenv("USER", "tester")
    monkeypatch.delenv("SUDO_USER", raising=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and the described store."""
    folder = tmp_path_factory.mktemp("site")
    fill_store(folder / "netwatch.db")
    write_settings(folder)
    return folder


@pytest.fixture(scope="module")
def folder(site: Path) -> Path:
    """October 2024 in all four formats, by the command."""
    output = site / "october"
    assert run(site, "report", "--month", "2024-10", "--output", str(output)) == 0
    return output


@pytest.fixture(scope="module")
def october(folder: Path) -> Figures:
    figures: Figures = json.loads((folder / "report.json").read_bytes())
    return figures


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The described store once more, for a test that enters things."""
    fill_store(tmp_path / "netwatch.db")
    write_settings(tmp_path)
    return tmp_path


def run(site: Path, command: str, *arguments: str) -> int:
    """A command line with the site's configuration; ``group sub`` is one command."""
    return main([*command.split(), "--config", str(site / "agent.toml"), *arguments])


def hours(number: float) -> int:
    return int(number * HOUR)


def test_every_form_and_the_bundle_are_written(folder: Path) -> None:
    """Pages and PDF in both languages, tables with their schemas, JSON, and the bundle."""
    names = {path.name for path in folder.iterdir()}
    assert {"report.fr.html", "report.en.html", "report.fr.pdf", "report.en.pdf"} <= names
    assert {"report.json", "ledger.csv", "rtt.csv", "bandwidth.csv", "contract.toml"} <= names
    assert (folder / "report.fr.pdf").read_bytes()[:5] == b"%PDF-"
    with zipfile.ZipFile(folder / "netwatch-ecole-jaures-2024-10.zip") as archive:
        assert names - set(archive.namelist()) == {"netwatch-ecole-jaures-2024-10.zip"}


def test_the_ledger_adds_up_to_745_hours(october: Figures) -> None:
    """8 h down by three causes, 30 min degraded, 3.5 h not watched; the rest was up."""
    assert october["period"]["start"] == "2024-09-30T22:00:00Z"
    assert october["period"]["end"] == "2024-10-31T23:00:00Z"
    assert october["period"]["complete"] is True
    assert october["ledger"] == {
        "up_ms": hours(733),
        "degraded_ms": hours(0.5),
        "down_ms": hours(8),
        "unknown_ms": hours(3.5),
        "down_by_cause_ms": {"access": hours(5), "dns": hours(1), "upstream": hours(2)},
        "degraded_by_cause_ms": {"latency": hours(0.5)},
        "unknown_by_cause_ms": {"agent": hours(2.5), "local": hours(1)},
        "unknown_by_reason_ms": {
            "carrier": hours(1), "crashed": hours(0.5), "stopped": hours(2),
        },
    }  # fmt: skip
    assert len(october["series"]["hours"]) == 745


def test_availability_with_its_bounds_and_after_exclusions(october: Figures) -> None:
    """Time not watched counts for nobody; overlapping exclusions are taken out once."""
    figures = october["availability"]
    assert figures["measured"] == pytest.approx(733.5 / 741.5)
    assert figures["low"] == pytest.approx(733.5 / 745)
    assert figures["high"] == pytest.approx(737 / 745)
    assert figures["coverage"] == pytest.approx(741.5 / 745)
    assert figures["excluded_ms"] == hours(1.5)
    assert figures["contractual"] == pytest.approx(737 / 743.5)
    assert (figures["target"], figures["met"]) == (0.9985, False)


def test_incidents_with_deadlines_tickets_and_what_lies_beyond_the_month(october: Figures) -> None:
    """The first is late by 15 min in spite of its pause; the last ends in November."""
    first, second, third = october["incidents"]
    assert (first["id"], first["ticket"]) == ("20241006T071500Z", "T-48213")
    assert (first["clock_from"], first["restore_deadline"]) == ("reported", "2024-10-06T12:00:00Z")
    assert (first["restore_met"], first["counted_ms"]) == (False, hours(4.5))
    assert first["annotations"][0]["author"] == "marie"
    assert (second["cause"], second["restore_deadline"]) == ("upstream", "2024-10-24T06:30:00Z")
    assert (second["restore_met"], second["counted_ms"]) == (True, hours(0.5))
    assert (third["cause"], third["ended_at"]) == ("dns", "2024-11-01T01:00:00Z")
    assert (third["duration_ms"], third["in_period_ms"]) == (hours(3), hours(1))


def test_the_contract_year_goes_on_from_before_the_month(october: Figures) -> None:
    """2 h in September and 6.5 h after exclusions, of the 13 h allowed."""
    yearly = october["yearly_interruption"]
    assert yearly["start"] == "2024-08-31T22:00:00Z"
    assert (yearly["used_before_ms"], yearly["used_ms"]) == (hours(2), hours(8.5))
    assert yearly["allowed_ms"] == hours(13)


def test_penalties_line_by_line(october: Figures) -> None:
    """10 % of 300 € for 99.13 %, and one hour begun beyond the restoration time: 10 €."""
    lines = {line["rule"]: line["amount"]["amount"] for line in october["penalties"]}
    assert lines == {"tiers": "30.00", "restoration": "10.00"}
    assert october["penalties_total"] == {"amount": "40.00", "currency": "EUR"}


def test_throughput_counts_valid_tests_alone(october: Figures) -> None:
    """Two of three valid tests reach 100 Mbit/s; the busy one and the skipped are told."""
    down = october["throughput"]["down"]
    assert (down["tests"], down["valid"], down["median"]) == (4, 3, 12_500_000)
    assert (down["share_met"], down["met"]) == (pytest.approx(2 / 3), False)
    assert october["invalid"] == {"busy_link": 1}
    assert october["skipped"] == {"busy_link": 2, "quiet_hours": 1}


def test_latency_is_that_of_available_time(october: Figures, folder: Path) -> None:
    """The 100 probes of an outage are in the evidence and in no percentile; DNS is no latency."""
    (alpha,) = october["latency"]["targets"]
    assert (alpha["name"], alpha["address"]) == ("alpha", "9.9.9.0/24")
    assert (alpha["sent"], alpha["lost"], alpha["minimum_us"]) == (100, 2, 20_001)
    rows = list(csv.DictReader(io.StringIO((folder / "rtt.csv").read_text(encoding="utf-8"))))
    assert [
        (row["start"], row["available"], int(row["answered"]) + int(row["lost"])) for row in rows
    ] == [
        ("2024-10-01T22:00:00Z", "true", 100),
        ("2024-10-06T07:15:00Z", "false", 100),
    ]


def test_exclusions_say_who_when_and_whether_after_the_fact(october: Figures) -> None:
    """Each names those it overlaps; one that was taken back excludes nothing and stays."""
    withdrawn, first, second = october["exclusions"]
    assert (withdrawn["id"], withdrawn["withdrawn_at"]) == ("X3", "2024-10-08T00:00:00Z")
    assert (first["author"], first["after_the_fact"], first["overlaps"]) == ("marie", False, ["X2"])
    assert first["notice_at"] == "2024-10-14T00:00:00Z"
    assert (second["after_the_fact"], second["overlaps"]) == (True, ["X1"])
    assert (second["reason"], second["kind"]) == ("prolonged", "force_majeure")
    assert first["kind"] == "maintenance"


def test_the_bundle_is_sound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every figure follows from the tables."""
    bundle = folder / "netwatch-ecole-jaures-2024-10.zip"
    assert main(["verify", str(bundle)]) == 0
    assert capsys.readouterr().out.endswith(
        "every figure of ecole-jaures 2024-10 follows from them\nIt is not signed.\n"
    )


def test_one_row_changed_is_found_and_the_figures_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A minute of the outage made available: the file, and each figure that no longer follows."""
    bundle = tmp_path / "netwatch-ecole-jaures-2024-10.zip"
    row = "2024-10-06T08:00:00Z,2024-10-06T08:01:00Z,down,access,"
    with (
        zipfile.ZipFile(folder / bundle.name) as source,
        zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            data = source.read(name)
            if name == "ledger.csv":
                assert data.decode().count(row) == 1
                data = data.decode().replace(row, row.replace("down,access", "up,")).encode()
            target.writestr(name, data)
    assert main(["verify", str(bundle)]) == 1
    printed = capsys.readouterr().out
    assert "ledger.csv was changed" in printed
    assert (
        f"ledger.down_ms: the report says {hours(8)}, the evidence gives {hours(8) - 60_000}"
        in printed
    )
    assert "availability.measured: the report says" in printed
    assert main(["verify", str(bundle), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["sound"] is False
    assert "ledger.down_by_cause_ms.access" in {each["where"] for each in found["problems"]}


def test_a_signed_bundle_is_checked_against_the_key_given(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the right key exit 0, by another exit 1."""
    for name in ("ours", "other"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(make, check=True)
    done = run(
        site, "report", "--month", "2024-10", "--format", "csv,json", "--output",
        str(tmp_path / "out"), "--sign", str(tmp_path / "ours"), "--json",
    )  # fmt: skip
    bundle = json.loads(capsys.readouterr().out)["bundle"]
    assert done == 0
    assert main(["verify", bundle, "--key", str(tmp_path / "ours.pub")]) == 0
    assert "Signed by the key given" in capsys.readouterr().out
    assert main(["verify", bundle, "--key", str(tmp_path / "other.pub")]) == 1
    assert "not by the key given" in capsys.readouterr().out


def test_a_contract_that_changed_in_mid_month_is_judged_part_by_part(
    site: Path, tmp_path: Path
) -> None:
    """The old terms charge their 360 h of 745, the new ones their 385."""
    more = """
[[circuit.earlier]]
availability = 0.9
monthly_fee = "240.00 EUR"
[[circuit.earlier.penalty]]
kind = "availability_tier"
name = "old"
tiers = [[0.995, 0.10]]
"""
    write_settings(tmp_path, since='since = "2024-10-16"\n', more=more)
    (tmp_path / "netwatch.db").symlink_to(site / "netwatch.db")
    out = tmp_path / "out"
    assert run(tmp_path, "report", "--month", "2024-10", "--format", "csv,json", "--output", str(out)) == 0  # fmt: skip
    report = json.loads((out / "report.json").read_bytes())
    assert [part["end"] for part in report["contract"]["versions"]] == [
        "2024-10-15T22:00:00Z", "2024-10-31T23:00:00Z",
    ]  # fmt: skip
    # 240 × 10 % × 360/745, and 300 × 5 % × 385/745 for 1.5 h of 383.5 h.
    lines = {line["rule"]: line["amount"]["amount"] for line in report["penalties"]}
    assert (lines["old"], lines["tiers"]) == ("11.60", "7.75")
    assert main(["verify", str(out / "netwatch-ecole-jaures-2024-10.zip")]) == 0


def test_march_without_a_record_is_743_hours_of_nothing(site: Path, tmp_path: Path) -> None:
    """A month before the agent came is a report of 0 % coverage, not an error and not 100 %."""
    out = tmp_path / "out"
    assert run(site, "report", "--month", "2024-03", "--format", "html,csv,json", "--output", str(out)) == 0  # fmt: skip
    report = json.loads((out / "report.json").read_bytes())
    assert report["ledger"]["unknown_ms"] == hours(743)
    figures = report["availability"]
    assert (figures["coverage"], figures["measured"], figures["met"]) == (0, None, None)
    assert report["incidents"] == []
    assert main(["verify", str(out / "netwatch-ecole-jaures-2024-03.zip")]) == 0


def test_a_month_that_is_not_over_gives_a_partial_report_that_says_so(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On its first page, in its JSON and in the terminal."""
    now = datetime.now(UTC)
    month, out = f"{now:%Y-%m}", tmp_path / "out"
    assert run(site, "report", "--month", month, "--format", "html,csv,json", "--lang", "en", "--output", str(out)) == 0  # fmt: skip
    assert f"{month} is not over: a partial report, up to " in capsys.readouterr().err
    assert json.loads((out / "report.json").read_bytes())["period"]["complete"] is False
    assert "Partial report" in (out / "report.en.html").read_text(encoding="utf-8")


def test_a_partial_report_ends_with_the_newest_commit_of_a_running_agent(site: Path) -> None:
    """What the agent has seen but not written yet is not held against it as unwatched."""
    settings = load_settings(site / "agent.toml")
    inputs = gather_inputs(settings, (2024, 11), utc(11, 5, 0, 3))
    report = build_report(inputs)
    assert report.period.until == "2024-11-05T00:00:00Z"
    assert report.ledger.unknown_ms == 0
    later = build_report(gather_inputs(settings, (2024, 11), utc(11, 5, 6)))
    assert later.ledger.unknown_by_reason_ms == {"silent": hours(6)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--month", "2999-01"], "2999-01: that month has not begun: the last that is over is 2"),
        (["--month", "october"], "--month: must be a year and a month like 2026-10, got 'october'"),
        (["--format", "docx"], "--format: must be of html, pdf, csv, json, got 'docx'"),
        (["--lang", ","], "--lang: must name at least one of fr, en"),
        (["--mail"], "--mail: the configuration has no [mail]"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    site: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, nothing written."""
    assert run(site, "report", *arguments) == 2
    assert capsys.readouterr().err.startswith(message)


def test_a_missing_library_is_one_sentence_with_its_remedy(site: Path, tmp_path: Path) -> None:
    """An agent without the extra: no traceback, and what to install."""
    code = (
        "import sys; sys.modules['weasyprint'] = None\n"
        "from netwatch.cli.main import main\n"
        f"sys.exit(main(['report', '--config', {str(site / 'agent.toml')!r}, '--month', '2024-10',"
        f" '--output', {str(tmp_path / 'out')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "weasyprint is not installed, which the report needs: pip install 'netwatch[report]', "
        "or leave pdf out of --format\n",
    )


def test_maintenance_is_entered_listed_and_taken_back(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the site's time, with its author; entered afterwards it is marked."""
    enter = ["--author", "marie", "--from", "2024-10-06 09:15", "--to", "2024-10-06 10:15"]
    assert run(copy, "maintenance add", *enter, "--reason", "roof works") == 0
    printed = capsys.readouterr()
    assert printed.out == (
        "X4: 2024-10-06 09:15:00 +0200 to 2024-10-06 10:15:00 +0200 is excluded: roof works\n"
    )
    assert "entered after it had begun" in printed.err
    assert run(copy, "maintenance list", "--json") == 0
    entry = json.loads(capsys.readouterr().out)[3]
    assert (entry["from"], entry["author"]) == ("2024-10-06T07:15:00Z", "marie")
    assert entry["after_the_fact"] is True
    settings = load_settings(copy / "agent.toml")
    now_ms = utc(12, 1)
    with_it = build_report(gather_inputs(settings, (2024, 10), now_ms)).availability
    assert with_it.excluded_ms == hours(2.5)
    assert run(copy, "maintenance remove", "X4", "--author", "paul", "--reason", "no") == 0
    without = build_report(gather_inputs(settings, (2024, 10), now_ms)).availability
    assert without.excluded_ms == hours(1.5)
    capsys.readouterr()
    assert run(copy, "maintenance remove", "X4", "--author", "paul") == 2
    assert capsys.readouterr().err.startswith("X4 was taken back before, by paul")
    assert run(copy, "maintenance list") == 0
    assert "roof works" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2024-10-27 02:30", "2024-10-27 04:00",
         '--from: 2024-10-27 02:30 comes twice in Europe/Paris: the clocks were put back then: '
         'write "2024-10-27 02:30+02:00" or "2024-10-27 02:30+01:00"\n'),
        ("2024-03-31 02:30", "2024-03-31 04:00",
         "--from: 2024-03-31 02:30 does not exist in Europe/Paris: the clocks were put forward "
         "then\n"),
        ("2024-10-02 02:30", "2024-10-01 04:00",
         "an exclusion ends after it begins: --to must be later than --from\n"),
        ("tomorrow", "2024-10-01 04:00",
         "--from: must be a date and time like \"2026-10-24 03:00\", got 'tomorrow'\n"),
    ],
)  # fmt: skip
def test_a_time_that_is_no_instant_is_refused(
    site: Path, start: str, end: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is guessed about the hours of a clock change."""
    enter = ["--from", start, "--to", end, "--reason", "why", "--author", "marie"]
    assert run(site, "maintenance add", *enter) == 2
    assert capsys.readouterr().err == message


def test_an_incident_is_listed_and_annotated(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entries add up: the last word on each thing, and all pauses."""
    assert run(copy, "incident list", "--month", "2024-10", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["cause"] for each in listed] == ["access", "upstream", "dns"]
    assert (listed[0]["ticket"], listed[1]["ticket"]) == ("T-48213", None)
    enter = [
        "20241024T010000Z", "--author", "paul", "--ticket", "T-50001",
        "--reported", "2024-10-24 03:10", "--closed", "2024-10-24 05:30",
        "--pause", "2024-10-24 04:30/2024-10-24 04:40/no access", "--answer", "a cut cable",
    ]  # fmt: skip
    assert run(copy, "incident annotate", *enter) == 0
    settings = load_settings(copy / "agent.toml")
    second = build_report(gather_inputs(settings, (2024, 10), utc(12, 1))).incidents[1]
    assert (second.ticket, second.reported_at) == ("T-50001", "2024-10-24T01:10:00Z")
    # 03:10 local, less what is excluded up to 04:30 and the pause after it.
    assert second.restore_deadline == "2024-10-24T06:40:00Z"
    assert second.counted_ms == hours(0.5) - 600_000
    capsys.readouterr()
    assert run(copy, "incident annotate", "20241024T020000Z", "--ticket", "x") == 2
    assert "no incident begins then" in capsys.readouterr().err
    assert run(copy, "incident list", "--month", "2024-10") == 0
    assert "T-50001" in capsys.readouterr().out


def test_the_books_of_people_cannot_be_edited(copy: Path) -> None:
    """Neither a changed nor a deleted row is taken by the database itself."""
    with closing(sqlite3.connect(copy / "netwatch.db")) as connection:
        for statement in (
            "UPDATE exclusion SET to_ms = to_ms + 1",
            "DELETE FROM exclusion_removal",
            "UPDATE incident_annotation SET ticket = 'x'",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_entries_go_in_while_the_agent_is_writing(copy: Path) -> None:
    """Another connection that holds a transaction for a moment is waited for."""
    with closing(
        sqlite3.connect(copy / "netwatch.db", isolation_level=None, check_same_thread=False)
    ) as agent:
        agent.execute("BEGIN IMMEDIATE")
        commit = threading.Timer(0.3, agent.execute, ["COMMIT"])
        commit.start()
        enter = ["--from", "2024-10-07 09:15", "--to", "2024-10-07 10:15", "--author", "marie"]
        assert run(copy, "maintenance add", *enter, "--reason", "x") == 0
        commit.join()


@pytest.mark.parametrize(("what", "rows"), [("observations", 200), ("ledger", 1), ("bandwidth", 0)])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_raw_records_are_exported(
    site: Path, what: str, rows: int, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day of observations, of ledger and of tests, in both forms."""
    day = ["--from", "2024-10-02T00:00:00Z", "--to", "2024-10-03T00:00:00Z"]
    assert run(site, "export", *day, "--what", what, "--format", form) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == rows + (form == "csv")
    if form == "jsonl" and what == "observations":
        assert json.loads(lines[2]) == {
            "due_at": "2024-10-02T00:01:00Z", "check": "alpha", "outcome": "answered",
            "reason": None, "late_ms": 0, "elapsed_ms": 20, "measures": {"rtt_us": 20_001},
        }  # fmt: skip


def test_a_cap_per_quarter_knows_what_the_quarter_was_charged(site: Path, tmp_path: Path) -> None:
    """October leaves 3 € of the quarter's 63 €: November's 30 € are held to them."""
    more = """
[[circuit.contract.penalty]]
kind = "per_time"
name = "fault"
per = "hour"
divisor = 30
grace = "0s"
rounding = "up"
cap = 0.07
cap_per = "quarter"
"""
    write_settings(tmp_path, more=more)
    (tmp_path / "netwatch.db").symlink_to(site / "netwatch.db")
    settings = load_settings(tmp_path / "agent.toml")
    amounts = {}
    for month in ((2024, 10), (2024, 11)):
        report = build_report(gather_inputs(settings, month, utc(12, 1)))
        lines = [line for line in report.penalties if line.rule == "fault"]
        amounts[month] = [str(line.amount.amount) for line in lines if line.amount]
    # 7 % of 900 € is 63 €: October takes 50 (4.5 h) and 10 (0.5 h), November's 30 meets 3.
    assert amounts == {(2024, 10): ["50.00", "10.00"], (2024, 11): ["3.00"]}


def test_a_report_is_mailed_once_however_often_it_is_made(
    copy: Path,
    server: Controller,
    certificate: tuple[Path, Path],
    mailbox: Mailbox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Made anew it says the same, so nobody gets it again; a changed one is another."""
    (copy / "password").write_text("secret\n", encoding="utf-8")
    more = f"""
[mail]
host = "127.0.0.1"
port = {server.port}
sender = "Ville <reseau@ville.example>"
recipients = ["mairie@ville.example"]
user = "jules"
password_file = "password"
certificate_authority = "{certificate[0]}"
"""
    write_settings(copy, more=more)
    send = ["--month", "2024-10", "--format", "html,csv,json", "--lang", "fr", "--mail"]
    out = ["--output", str(copy / "out")]
    for told in ("sent", "had this version of 2024-10 before; not sent again"):
        assert run(copy, "report", *send, *out) == 0
        assert capsys.readouterr().out.endswith(f"mairie@ville.example: {told}\n")
    ((recipient, message),) = mailbox.taken
    assert recipient == "mairie@ville.example"
    names = [part.get_filename() for part in message.walk() if part.get_filename()]
    assert names == ["report.fr.html", "netwatch-ecole-jaures-2024-10.zip"]
    taken = ["--author", "marie", "--reason", "no"]
    assert run(copy, "maintenance remove", "X2", *taken) == 0
    assert run(copy, "report", *send, *out) == 0
    assert len(mailbox.taken) == 2
