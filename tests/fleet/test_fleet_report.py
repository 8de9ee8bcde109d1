"""The month of a fleet: what is written, and what becomes of a site or a store that fails."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from netwatch.cli.main import main
from netwatch.fleet.inventory import read_inventory
from netwatch.fleet.report import Asked, report_fleet
from netwatch.fleet.site_report import SiteFigures, SiteOutcome, Wanted, find_period
from netwatch.fleet.sources.base import SiteMonth
from netwatch.fleet.sources.inputs import build_month_inputs
from netwatch.fleet.summary import build_summaries
from netwatch.fleet.summary_files import render_page
from netwatch.fleet.summary_tables import SITES, TABLES
from netwatch.records import Cause, Span, Verdict
from netwatch.report.publish import publish_report
from netwatch.report.tables import read_table
from netwatch.web.evidence_route import EvidenceBundle, FindEvidence, NoBundle
from tests.adapters.serving import serving
from tests.fleet.month_world import NOW_MS, write_fleet
from tests.fleet.prometheus_server import fill, prometheus
from tests.fleet.stores import serving_agent

MONTH = ["--month", "2024-10"]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def build_spans(
    *down: tuple[str, str], cause: Cause = Cause.UPSTREAM, since: str = "2024-09-30T22:00Z"
) -> list[Span]:
    """Up all October but for these outages."""
    spans, begun_ms = [], at(since)
    for start, end in down:
        spans.append(Span(verdict=Verdict.UP, cause=None, start_ms=begun_ms, end_ms=at(start)))
        spans.append(Span(verdict=Verdict.DOWN, cause=cause, start_ms=at(start), end_ms=at(end)))
        begun_ms = at(end)
    end_ms = at("2024-10-31T23:00Z")
    return [*spans, Span(verdict=Verdict.UP, cause=None, start_ms=begun_ms, end_ms=end_ms)]


def make_bundle(folder: Path, site: str, spans: Sequence[Span]) -> bytes:
    """The month's bundle as that site's agent would have it."""
    inventory = read_inventory(write_fleet(folder, [(site, "127.0.0.1:1")]))
    wanted = Wanted(year=2024, month=10, now_ms=NOW_MS)
    period = find_period(inventory, inventory.site(site), wanted)
    found = SiteMonth(
        site=site, source="agents", where="", edge_ms=0, spans=tuple(spans), exclusions=()
    )
    inputs = build_month_inputs(inventory, inventory.site(site), period, found)
    made = folder / "made"
    published = publish_report(made, inputs, (), languages=(), formats=("csv", "json"))
    assert published.bundle is not None
    body = published.bundle.read_bytes()
    shutil.rmtree(made)
    return body


def giving(body: bytes) -> FindEvidence:
    return lambda _year, _month: EvidenceBundle(name="bundle.zip", body=body)


@contextmanager
def fleet(folder: Path, answers: dict[str, FindEvidence]) -> Iterator[Path]:
    """An inventory of agents with these answers."""
    with ExitStack() as stack:
        sites = [
            (site, f"127.0.0.1:{stack.enter_context(serving_agent(find, site)).port}")
            for site, find in answers.items()
        ]
        yield write_fleet(folder, sites)


def report(config: Path, output: Path, *more: str) -> int:
    return main(["fleet", "report", "--config", str(config), *MONTH, "--output", str(output),
                 "--workers", "1", "--timeout", "5", *more])  # fmt: skip


def read_summary(output: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (output / "operators" / "operateur-a" / "summary.json").read_text()
    )
    return found


def test_a_months_report_has_each_site_and_one_summary_for_the_operator(tmp_path: Path) -> None:
    """Worst first; what two sites had together; too little watched apart; nothing left beside it."""
    outage = ("2024-10-07T02:30Z", "2024-10-07T08:00Z")
    later = ("2024-10-07T02:30:40Z", "2024-10-07T08:10Z")
    answers = {
        "quiet": giving(make_bundle(tmp_path, "quiet", build_spans())),
        "ecole": giving(make_bundle(tmp_path, "ecole", build_spans(outage))),
        "mairie": giving(make_bundle(tmp_path, "mairie", build_spans(later))),
        "new": giving(make_bundle(tmp_path, "new", build_spans(since="2024-10-20T00:00Z"))),
    }
    output = tmp_path / "out" / "october"
    with fleet(tmp_path, answers) as config:
        assert report(config, output) == 0
    summary = msgspec.convert(read_summary(output), dict)
    assert [row["site"] for row in summary["league"]] == ["mairie", "ecole", "quiet"]
    assert [row["site"] for row in summary["inconclusive"]] == ["new"]
    assert summary["league"][0]["down_ms"] == (5 * 60 + 39) * 60_000 + 20_000
    totals = summary["totals"]
    assert (totals["restore_missed"], totals["missed"], totals["kept"]) == (2, 2, 1)
    assert (totals["sites"], totals["reported"], totals["inconclusive"]) == (4, 4, 1)
    [shared] = summary["shared"]
    assert (shared["cause"], shared["sites"], shared["started_at"], shared["ended_at"]) == (
        "upstream", 2, "2024-10-07T02:30:00Z", "2024-10-07T08:10:00Z",
    )  # fmt: skip
    assert sorted(path.name for path in (output / "sites" / "ecole").iterdir()) == [
        "netwatch-ecole-2024-10.zip", "report.en.html", "report.fr.html", "report.json",
    ]  # fmt: skip
    folder = output / "operators" / "operateur-a"
    text = (folder / "sites.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["site"], row["status"]) for row in rows] == [
        ("mairie", "reported"), ("ecole", "reported"), ("quiet", "reported"),
        ("new", "inconclusive"),
    ]  # fmt: skip
    french = (folder / "summary.fr.html").read_text(encoding="utf-8")
    assert '<html lang="fr">' in french
    assert "Site ecole, Site mairie" in french
    assert '<h2>Sites trop peu observés pour conclure</h2>\n<p class="note">Moins de 95' in french
    assert "Beginnings and ends" not in (folder / "summary.en.html").read_text(encoding="utf-8")
    assert [path.name for path in output.parent.iterdir()] == ["october"]


def test_each_table_has_its_schema_and_the_page_shows_bounds_of_its_own_figure(
    tmp_path: Path,
) -> None:
    """Every cell is of its column's type; the contractual figure is never outside its bounds."""
    answers = {"ecole": giving(make_bundle(tmp_path, "ecole", build_spans()))}
    answers["new"] = giving(make_bundle(tmp_path, "new", build_spans(since="2024-10-20T00:00Z")))
    answers["other"] = answers["ecole"]  # gives another site's bundle
    output = tmp_path / "october"
    with fleet(tmp_path, answers) as config:
        assert report(config, output) == 1
    folder = output / "operators" / "operateur-a"
    for table in TABLES:
        schema = json.loads((folder / table.schema_name).read_text(encoding="utf-8"))
        head, *_ = (folder / table.file_name).read_text(encoding="utf-8").splitlines()
        assert [each["name"] for each in schema["fields"]] == head.split(",")
        assert all(each["description"] for each in schema["fields"])
    with (folder / "sites.csv").open("rb") as stream:
        rows = {str(row["site"]): row for row in read_table(stream, SITES)}
    assert [rows[each]["status"] for each in ("ecole", "new", "other")] == [
        "reported", "inconclusive", "failed",
    ]  # fmt: skip
    assert rows["new"]["availability_contractual"] == "1.0"
    assert float(str(rows["new"]["availability_contractual_low"])) < 0.4
    french = (folder / "summary.fr.html").read_text(encoding="utf-8")
    assert "(Europe/Paris)</p>" in french
    assert '<br><span class="small">FTTH-0042</span>' in french
    assert "netwatch verify" in french
    assert '<td lang="en">the agent there gave the bundle of site' in french


def test_bounds_on_the_page_are_those_of_the_contractual_figure(tmp_path: Path) -> None:
    """With an exclusion, bounds of the measured figure would lie beside it."""
    figures = SiteFigures(
        site="a", name="A", commune=None, operator="Opérateur A", circuit=None, contract="c",
        timezone="Europe/Paris", complete=True, measured=Fraction(97, 100),
        low=Fraction(96, 100), high=Fraction(97, 100), contractual=Fraction(9990, 10000),
        contractual_low=Fraction(9950, 10000), coverage=Fraction(99, 100), target=None, met=None,
        up_ms=1, degraded_ms=0, down_ms=0, unknown_ms=0, counted_ms=0, incidents=0,
        restore_missed=0, ims_used_ms=0, ims_allowed_ms=None, ims_coverage=None,
        throughput_down_met=None, throughput_up_met=None, penalties=None, source="agents",
        where="", edge_ms=0,
    )  # fmt: skip
    inventory = read_inventory(write_fleet(tmp_path, [("a", "127.0.0.1:1")]))
    outcome = SiteOutcome(site="a", figures=figures)
    [summary] = build_summaries(inventory, inventory.sites, [outcome], "2024-10", NOW_MS)
    page = render_page(summary, "en")
    assert "bounds 99.5% – 99.9%" in page
    assert "96" not in page.partition("<main>")[2]


def test_a_report_of_chosen_sites_does_not_take_the_place_of_the_whole_fleets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One failed site asked again must not cost the evidence of the others."""
    body = make_bundle(tmp_path, "ecole", build_spans())
    answers = {
        "ecole": giving(body),
        "mairie": giving(make_bundle(tmp_path, "mairie", build_spans())),
    }
    output = tmp_path / "october"
    with fleet(tmp_path, answers) as config:
        assert report(config, output) == 0
        assert report(config, output, "--site", "ecole") == 2
        assert capsys.readouterr().err.endswith(
            f"{output}: holds the fleet report of 2 sites, and --site would leave the chosen ones "
            "alone in it: give --output another folder\n"
        )
        assert (output / "sites" / "mairie").is_dir()
        assert report(config, output, "--site", "ecole", "--site", "mairie") == 0
        assert report(config, tmp_path / "one", "--site", "ecole") == 0
        assert report(config, tmp_path / "one", "--site", "ecole") == 0
        assert report(config, tmp_path / "one", "--site", "mairie") == 2


def test_sites_that_fail_are_named_and_do_not_stop_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another site's id, a changed bundle, no bundle, nobody there: each in its own words."""
    sound = make_bundle(tmp_path, "ecole", build_spans())
    answers = {
        "ecole": giving(sound),
        "mairie": giving(sound),
        "stade": giving(make_bundle(tmp_path, "stade", build_spans())[:-40]),
        "musee": lambda _y, _m: NoBundle(status=404, sentence="2024-10: that month has not begun"),
        "poste": lambda _y, _m: NoBundle(status=503, sentence="busy", retry_after_s=1),
    }  # fmt: skip
    with fleet(tmp_path, answers) as config:
        text = config.read_text(encoding="utf-8")
        site = '[[site]]\nid = "ferme"\naddress = "127.0.0.1:1"\ncircuit.operator = "Opérateur A"\n'
        config.write_text(text + site, encoding="utf-8")
        assert report(config, tmp_path / "out", "--wait", "1") == 1
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "  ferme: no report: connection refused",
        '  mairie: no report: the agent there gave the bundle of site "ecole": correct the '
        "address in fleet.toml, or site.id in that agent's configuration",
        '  musee: no report: HTTP 404: {"error":"2024-10: that month has not begun"}',
        "  poste: no report: the agent was still making the bundle after 1 s",
        f"  stade: no report: its bundle is not sound: {_place(tmp_path)}/stade/netwatch-stade-"
        "2024-10.zip: not a whole zip file, perhaps cut short on its way (File is not a zip file)",
    ]
    assert [path.name for path in (tmp_path / "out" / "sites").iterdir()] == ["ecole"]
    english = (tmp_path / "out/operators/operateur-a/summary.en.html").read_text(encoding="utf-8")
    assert '<th scope="row">ferme</th><td>connection refused</td>' in english


def _place(folder: Path) -> str:
    """Where the site's files were made: gone by now."""
    summary = msgspec.convert(read_summary(folder / "out"), dict)
    said: str = next(each["problem"] for each in summary["failed"] if each["site"] == "stade")
    return said.removeprefix("its bundle is not sound: ").partition("/stade/")[0]


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    """Byte for byte, but for the instant of asking."""
    answers = {site: giving(make_bundle(tmp_path, site, build_spans())) for site in ("a", "b", "c")}
    with fleet(tmp_path, answers) as config:
        assert report(config, tmp_path / "one") == 0
        assert report(config, tmp_path / "two", "--workers", "2") == 0
    for path in (tmp_path / "one").rglob("*.zip"):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )
    assert len(list((tmp_path / "two").rglob("*.zip"))) == 3


def test_an_agent_with_another_contract_is_reported_with_a_remark(tmp_path: Path) -> None:
    """The figures are the agent's; that they rest on other terms is said."""
    body = make_bundle(tmp_path, "ecole", build_spans())
    with fleet(tmp_path, {"ecole": giving(body)}) as config:
        config.write_text(config.read_text().replace("0.9985", "0.9"), encoding="utf-8")
        assert report(config, tmp_path / "out") == 0
    summary = msgspec.convert(read_summary(tmp_path / "out"), dict)
    assert summary["league"][0]["notes"] == ["contract_differs"]


def test_a_folder_with_other_things_is_left_alone_and_a_report_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person keeps there is not thrown away."""
    output = tmp_path / "out"
    output.mkdir()
    (output / "letter.txt").write_text("dear operator")
    with fleet(tmp_path, {"a": giving(make_bundle(tmp_path, "a", build_spans()))}) as config:
        assert report(config, output) == 2
        assert capsys.readouterr().err == (
            f"{output}: holds other things: give --output a new folder, or that of a fleet report\n"
        )
        (output / "letter.txt").rename(output / "fleet.json")
        assert report(config, output) == 0
        assert report(config, output, "--site", "b") == 2
        assert capsys.readouterr().err == "--site: the inventory has no site 'b'\n"
    assert sorted(path.name for path in output.iterdir()) == ["fleet.json", "operators", "sites"]


# -- stores ----------------------------------------------------------------------------------


def test_a_site_that_the_store_does_not_know_and_one_that_only_it_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is named; the site that is known has its report."""

    def samples() -> Iterator[tuple[str, dict[str, str], float, int]]:
        for site in ("ecole", "forgotten"):
            for at_s in range(at("2024-09-30T00:00Z") // 1000, at("2024-11-02T00:00Z") // 1000, 60):
                labels = {"site": site, "verdict": "up", "cause": "none"}
                yield "netwatch_link_seconds", labels, float(at_s - 1_700_000_000), at_s

    (tmp_path / "store").mkdir()
    fill(tmp_path / "store", samples())
    with prometheus(tmp_path / "store") as server:
        more = f'prometheus.url = "{server.url}"'
        sites = [("ecole", "127.0.0.1:1"), ("mairie", "127.0.0.1:2")]
        config = write_fleet(tmp_path, sites, more)
        assert report(config, tmp_path / "out", "--source", "prometheus") == 1
        assert capsys.readouterr().err == (
            f"  mairie: no report: {server.url} has nothing of netwatch_link_seconds_total"
            '{site="mairie"} in 2024-10: is the site a target, under this id?\n'
            "not in the inventory, and left out: forgotten\n"
        )
    summary = msgspec.convert(read_summary(tmp_path / "out"), dict)
    [row] = summary["league"]
    assert (row["site"], row["coverage"], row["contractual"], row["edge_ms"]) == ("ecole", 1, 1, 0)


class FakeStore(BaseHTTPRequestHandler):
    """Answers about its sites, with nothing; hangs from the third question on."""

    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]  # counted on the server
        if self.server.asked > 2:  # type: ignore[attr-defined]  # counted on the server
            time.sleep(2)
            return
        body = b'{"status":"success","data":["ecole"]}'
        if "query" in self.path:
            body = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def fake_store() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeStore)
    server.asked = 0  # type: ignore[attr-defined]  # counted here
    with serving(server) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_store_that_times_out_half_way_is_named_and_leaves_no_half_a_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The site's row says so; its folder is not there."""
    with fake_store() as url:
        config = write_fleet(tmp_path, [("ecole", "127.0.0.1:1")], f'prometheus.url = "{url}"')
        more = ["--source", "prometheus", "--timeout", "0.3"]
        assert report(config, tmp_path / "out", *more) == 1
    assert capsys.readouterr().err == f"  ecole: no report: {url}: no answer within 0.3 s\n"
    assert not (tmp_path / "out" / "sites" / "ecole").exists()


def test_a_store_that_stopped_answering_is_not_asked_for_all_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five times in a row are enough; every site has its row all the same."""
    with fake_store() as url:
        sites = [(f"s{number}", f"127.0.0.1:{number}") for number in range(1, 9)]
        config = write_fleet(tmp_path, sites, f'prometheus.url = "{url}"')
        more = ["--source", "prometheus", "--timeout", "0.2"]
        assert report(config, tmp_path / "out", *more) == 1
    silent = [f"  s{number}: no report: {url}: no answer within 0.2 s" for number in range(1, 6)]
    rest = [
        f"  s{number}: no report: not asked: the store had not answered 5 times running"
        for number in range(6, 9)
    ]
    assert capsys.readouterr().err.splitlines()[:8] == [*silent, *rest]


def test_a_store_that_is_not_there_stops_the_command_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, no folder."""
    config = write_fleet(tmp_path, [("a", "127.0.0.1:1")], 'prometheus.url = "http://127.0.0.1:1"')
    assert report(config, tmp_path / "out", "--source", "prometheus") == 1
    assert capsys.readouterr().err == "http://127.0.0.1:1: connection refused\n"
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.toml"]


def test_a_month_that_has_not_begun_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anybody is asked."""
    config = write_fleet(tmp_path, [("a", "127.0.0.1:1")])
    assert report(config, tmp_path / "out", "--month", "2100-01") == 2
    assert capsys.readouterr().err == "2100-01: that month has not begun\n"


def test_an_interruption_leaves_the_old_report_and_nothing_beside_it(tmp_path: Path) -> None:
    """Half a fleet is no report; agents that are slow are not waited for."""
    answers: dict[str, FindEvidence] = {
        "a": giving(make_bundle(tmp_path, "a", build_spans())),
        "slow": lambda _y, _m: NoBundle(status=503, sentence="busy", retry_after_s=60),
    }
    output = tmp_path / "out" / "october"
    output.mkdir(parents=True)
    (output / "fleet.json").write_text("the old one")
    asked = Asked(wanted=Wanted(year=2024, month=10, now_ms=NOW_MS), source="agents")

    def interrupt(_outcome: SiteOutcome) -> None:
        raise KeyboardInterrupt

    with fleet(tmp_path, answers) as config, pytest.raises(KeyboardInterrupt):
        report_fleet(read_inventory(config), asked, output, interrupt)
    assert [path.name for path in output.parent.iterdir()] == ["october"]
    assert [path.read_text() for path in output.iterdir()] == ["the old one"]
