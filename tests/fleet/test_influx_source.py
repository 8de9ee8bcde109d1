"""What the centre makes of an InfluxDB that says no, or is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwatch.core.ledger import build_minutes
from netwatch.core.line_points import format_ledger_minute
from netwatch.records import Cause, Span, Verdict
from tests.fleet.influx_server import fake_influx
from tests.fleet.month_world import write_fleet
from tests.fleet.test_fleet_report import FakeStore, at, fake_store, read_summary, report


def list_lines(site: str) -> list[str]:
    """An hour of the month, the second half of it down."""
    begun_ms = at("2024-10-07T08:00Z")
    spans = [
        Span(verdict=Verdict.UP, cause=None, start_ms=begun_ms, end_ms=begun_ms + 1_830_000),
        Span(verdict=Verdict.DOWN, cause=Cause.ACCESS, start_ms=begun_ms + 1_830_000,
             end_ms=begun_ms + 3_600_000),
    ]  # fmt: skip
    return [format_ledger_minute(each, {"site": site}) for each in build_minutes(spans)]


def test_a_site_without_a_point_is_named_and_the_other_has_what_its_points_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One hour of the month is known; the rest is unknown, so nothing is concluded."""
    (tmp_path / "token").write_text("s3cret\n")
    with fake_influx(list_lines("ecole"), token="s3cret") as url:
        more = f'influx.url = "{url}"\ninflux.token_file = "token"'
        sites = [("ecole", "127.0.0.1:1"), ("mairie", "127.0.0.1:2")]
        config = write_fleet(tmp_path, sites, more)
        assert report(config, tmp_path / "out", "--source", "influx") == 1
    assert capsys.readouterr().err == (
        f"  mairie: no report: {url} has no point of netwatch_ledger with site=mairie in the "
        "bucket netwatch in 2024-10: does the agent push to it?\n"
    )
    [row] = read_summary(tmp_path / "out")["inconclusive"]  # type: ignore[misc]  # one
    assert (row["site"], row["down_ms"], row["up_ms"]) == ("ecole", 1_770_000, 1_830_000)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('influx.token_file = "token"', "the token is refused (HTTP 401)"),
        ('influx.bucket = "other"', 'HTTP 404: failed to initialize: could not find bucket "other"'),
    ],
)  # fmt: skip
def test_a_refusal_stops_the_command_in_the_servers_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, said: str
) -> None:
    """Nothing is written."""
    (tmp_path / "token").write_text("wrong\n")
    with fake_influx([], token="s3cret" if "token" in more else None) as url:
        config = write_fleet(tmp_path, [("a", "127.0.0.1:1")], f'influx.url = "{url}"\n{more}')
        assert report(config, tmp_path / "out", "--source", "influx") == 1
    assert capsys.readouterr().err == f"{url}: {said}\n"
    assert not (tmp_path / "out").exists()


def test_an_influxdb_that_is_not_there_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence."""
    config = write_fleet(tmp_path, [("a", "127.0.0.1:1")], 'influx.url = "http://127.0.0.1:1"')
    assert report(config, tmp_path / "out", "--source", "influx") == 1
    assert capsys.readouterr().err == "http://127.0.0.1:1: connection refused\n"


def test_something_else_at_its_address_is_no_influxdb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that knows no such question."""
    assert not hasattr(FakeStore, "do_POST")
    with fake_store() as url:
        config = write_fleet(tmp_path, [("a", "127.0.0.1:1")], f'influx.url = "{url}"')
        assert report(config, tmp_path / "out", "--source", "influx") == 1
        assert capsys.readouterr().err.startswith(f"{url}: HTTP 501: ")
