"""`fleet dashboards push` and `diff` over real HTTP, against a stand-in of Grafana's API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netwatch.cli.main import main
from tests.adapters.servers import Authority
from tests.fleet.grafana_server import GrafanaState, fake_grafana

PAGES = ("agents", "bandwidth", "fleet", "site", "sla")
ROOT = Path(__file__).parents[2]
FRENCH = [f"netwatch-{name}-fr" for name in PAGES]


class World:
    """A town with an inventory and a Grafana."""

    def __init__(self, folder: Path, state: GrafanaState, url: str) -> None:
        self.folder, self.state, self.url = folder, state, url
        self.config = folder / "fleet.toml"
        (folder / "grafana.token").write_text("glsa_admin\n")
        self.write()

    def write(self, more: str = "", store: str = "") -> None:
        self.config.write_text(
            f"""[fleet.prometheus]
url = "http://127.0.0.1:9090"
{store}
[fleet.grafana]
url = "{self.url}"
token_file = "grafana.token"
{more}
[[operator]]
name = "A"
[[site]]
id = "mairie"
address = "10.0.0.2"
[site.circuit]
operator = "A"
"""
        )

    def run(self, *arguments: str) -> int:
        command, *options = arguments
        return main(["fleet", "dashboards", command, "--config", str(self.config), *options])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = GrafanaState()
    with fake_grafana(state) as url:
        yield World(tmp_path, state, url)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def read(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def load(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read(capsys))
    return document


def retitle(document: dict[str, Any]) -> None:
    document["panels"][0]["title"] = "Chez nous"


def test_a_first_push_makes_folder_data_source_and_dashboards(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """All under their uids, in the one folder, marked as netwatch's."""
    assert world.run("push") == 0
    text = read(capsys)
    assert text.splitlines()[:3] == [
        'folder "netwatch": created',
        'data source "netwatch Prometheus": created',
        'dashboard netwatch-agents-fr "netwatch · Agents": created',
    ]
    state = world.state
    assert state.folders["netwatch"]["title"] == "netwatch"
    assert sorted(state.dashboards) == FRENCH
    assert {each["folder"] for each in state.dashboards.values()} == {"netwatch"}
    (source,) = state.sources.values()
    assert (source["uid"], source["type"], source["url"], source["access"]) == (
        "netwatch-prometheus", "prometheus", "http://127.0.0.1:9090", "proxy"
    )  # fmt: skip
    assert source["jsonData"]["timeInterval"] == "30s"
    for each in state.dashboards.values():
        assert each["versions"][0]["message"].startswith("netwatch ")


def test_a_second_push_changes_nothing_and_says_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not one request but GET."""
    assert world.run("push") == 0
    world.state.asked.clear()
    read(capsys)
    assert world.run("push") == 0
    assert world.state.writes == []
    text = read(capsys)
    assert text.endswith(f"{world.url}: nothing to do\n")
    assert "created" not in text
    assert "updated" not in text
    assert world.run("diff") == 0


@pytest.mark.parametrize("version", ["10.1.0", "11.6.0", "12.2.0+security-01"])
def test_each_supported_grafana_takes_both_languages(
    world: World, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    """Before 12 equal titles in one folder are refused: French and English are told apart."""
    world.state.version = version
    world.write('languages = ["fr", "en"]')
    assert world.run("push") == 0
    assert len(world.state.dashboards) == 10
    titles = {each["document"]["title"] for each in world.state.dashboards.values()}
    assert len(titles) == 10
    read(capsys)
    world.state.asked.clear()
    assert world.run("push") == 0
    assert world.state.writes == []


def test_what_the_town_edited_stays_and_is_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are brought up to date; --overwrite replaces it, over the very version read."""
    assert world.run("push") == 0
    world.state.edit("netwatch-fleet-fr", retitle, message="nos couleurs")
    read(capsys)
    assert world.run("diff") == 1
    lines = read(capsys).splitlines()
    at = lines.index(
        'dashboard netwatch-fleet-fr "netwatch · Parc": edited by marie at 2026-11-02T10:22:00Z, '
        '"nos couleurs"'
    )
    assert lines[at + 2] == '    panel "Chez nous": in Grafana alone'
    assert world.run("push") == 0
    streams = capsys.readouterr()
    assert '"netwatch · Parc": edited by the town, kept\n' in streams.out
    assert streams.err == "--overwrite replaces what was edited\n"
    kept = world.state.dashboards["netwatch-fleet-fr"]
    assert kept["document"]["panels"][0]["title"] == "Chez nous"
    assert world.run("push", "--overwrite") == 0
    assert '"netwatch · Parc": updated\n' in read(capsys)
    assert kept["document"]["panels"][0]["title"] != "Chez nous"
    assert all(not body.get("overwrite") for body in world.state.bodies)
    assert world.run("diff") == 0


@pytest.mark.parametrize("version", ["10.1.0", "11.6.0"])
def test_an_earlier_push_is_outdated_and_is_replaced(
    world: World, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    """What an older netwatch left, and nobody has changed, follows; and where it was moved, stays."""
    world.state.version = version
    assert world.run("push") == 0
    held = world.state.dashboards["netwatch-site-fr"]
    push_older(held)
    held["folder"] = "elsewhere"
    world.state.folders["elsewhere"] = {"id": 9, "uid": "elsewhere", "title": "x", "version": 1}
    read(capsys)
    assert world.run("diff", "--json") == 1
    (found,) = [each for each in load(capsys)["dashboards"] if each["state"] != "current"]
    assert (found["uid"], found["state"]) == ("netwatch-site-fr", "outdated")
    assert found["settings"] == ["refresh"]
    assert world.run("push") == 0
    assert 'dashboard netwatch-site-fr "netwatch · Site": updated\n' in read(capsys)
    assert held["document"]["refresh"] == "1m"
    assert held["folder"] == "elsewhere"


def push_older(held: dict[str, Any]) -> None:
    """As if an earlier netwatch, with another refresh, had been the last to save."""
    from netwatch.fleet.grafana.compare import build_fingerprint, build_mark

    document = {**held["document"], "refresh": "5m"}
    held["document"] = document
    held["versions"][-1] |= {
        "document": document,
        "message": build_mark(build_fingerprint(document)),
    }


def test_saving_again_without_a_change_is_no_edit(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when somebody moves a dashboard, or presses save."""
    assert world.run("push") == 0
    push_older(world.state.dashboards["netwatch-site-fr"])
    world.state.edit("netwatch-site-fr", lambda _document: None)
    read(capsys)
    assert world.run("push") == 0
    assert 'dashboard netwatch-site-fr "netwatch · Site": updated\n' in read(capsys)


def test_a_dashboard_that_netwatch_never_pushed_is_the_towns(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """One imported by hand from an older release has no mark: it stays."""
    assert world.run("push") == 0
    held = world.state.dashboards["netwatch-site-fr"]
    push_older(held)
    held["versions"][-1]["message"] = ""
    read(capsys)
    assert world.run("push") == 0
    assert '"netwatch · Site": edited by the town, kept\n' in read(capsys)


def test_what_grafana_keeps_in_a_form_of_its_own_is_current(world: World) -> None:
    """By the mark: the newest version is netwatch's, of this very page."""
    assert world.run("push") == 0
    world.state.dashboards["netwatch-site-fr"]["document"]["schemaVersion"] = 41
    world.state.asked.clear()
    assert world.run("push") == 0
    assert world.state.writes == []


def test_an_edit_between_reading_and_writing_is_kept(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Grafana answers 412; the rest is pushed."""
    assert world.run("push") == 0
    for name in ("netwatch-fleet-fr", "netwatch-site-fr"):
        push_older(world.state.dashboards[name])
    read(capsys)

    def edit_first(method: str, path: str) -> None:
        if (method, path) == ("POST", "/api/dashboards/db") and not edited:
            edited.append(path)
            world.state.edit("netwatch-fleet-fr", retitle)

    edited: list[str] = []
    world.state.before = edit_first
    assert world.run("push") == 0
    text = read(capsys)
    assert '"netwatch · Parc": edited while this ran, kept\n' in text
    assert '"netwatch · Site": updated\n' in text
    assert world.state.dashboards["netwatch-fleet-fr"]["document"]["panels"][0]["title"] == (
        "Chez nous"
    )


def test_a_dashboard_that_grafana_reads_from_a_file_is_left_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Current as long as it is the same; otherwise named."""
    assert world.run("push") == 0
    held = world.state.dashboards["netwatch-site-fr"]
    held["provisioned"] = True
    assert world.run("diff") == 0
    push_older(held)
    read(capsys)
    assert world.run("push", "--overwrite") == 0
    assert '"netwatch · Site": read from a file by Grafana, left alone\n' in read(capsys)
    assert world.run("diff") == 1
    assert '"netwatch · Site": provisioned: Grafana reads it from a file\n' in read(capsys)


def test_a_renamed_folder_keeps_the_towns_name(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """And gets the configured one with --overwrite."""
    assert world.run("push") == 0
    world.state.folders["netwatch"]["title"] = "Internet des écoles"
    read(capsys)
    assert world.run("diff") == 1
    assert 'folder "netwatch": edited: it is called "Internet des écoles"\n' in read(capsys)
    assert world.run("push") == 0
    assert world.state.folders["netwatch"]["title"] == "Internet des écoles"
    assert world.run("push", "--overwrite") == 0
    assert world.state.folders["netwatch"]["title"] == "netwatch"


def test_diff_names_what_of_a_panel_and_of_the_dashboard_was_changed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a person's words; a panel inside a folded row is a panel too."""

    def change(document: dict[str, Any]) -> None:
        panels = [each for each in document["panels"] if each["type"] != "row"]
        panels[0]["gridPos"]["w"] -= 1
        panels[0]["targets"][0]["expr"] = "up"
        row = next(each for each in document["panels"] if each["type"] == "row")
        row |= {"collapsed": True, "panels": [panels[1]]}
        document["panels"].remove(panels[1])
        panels[1]["description"] = "autrement"
        document["templating"]["list"][1]["label"] = "exploitant"
        document["time"]["from"] = "now-7d"
        changed.extend(panels[:2])

    changed: list[dict[str, Any]] = []
    assert world.run("push") == 0
    world.state.edit("netwatch-fleet-fr", change)
    read(capsys)
    assert world.run("diff", "--json") == 1
    (found,) = [each for each in load(capsys)["dashboards"] if each["state"] != "current"]
    words = found["changed"]
    assert words[changed[0]["title"]] == ["place", "query"]
    assert words[changed[1]["title"]] == ["description"]
    assert found["settings"] == ["variable operator", "time"]
    assert (found["only_here"], found["only_there"]) == ([], [])
    assert (found["edited_by"], found["edited_at"]) == ("marie", "2026-11-02T10:22:00Z")


# -- data sources -----------------------------------------------------------------------------


def test_a_token_goes_to_the_data_source_and_only_anew_when_its_file_is(world: World) -> None:
    """As a secret header; Grafana never gives it back, so the file's date tells."""
    token = world.folder / "prometheus.token"
    token.write_text("first-secret")
    os.utime(token, (1_700_000_000, 1_700_000_000))
    world.write(store='token_file = "prometheus.token"')
    assert world.run("push") == 0
    source = world.state.sources["netwatch-prometheus"]
    assert source["secureJsonData"] == {"httpHeaderValue1": "Bearer first-secret"}
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert "first-secret" not in json.dumps(source["jsonData"])
    assert world.run("diff") == 0
    token.write_text("second-secret")
    os.utime(token, (1_700_000_100, 1_700_000_100))
    assert world.run("push") == 0
    assert source["secureJsonData"] == {"httpHeaderValue1": "Bearer second-secret"}
    world.write()
    assert world.run("push") == 0
    assert "httpHeaderName1" not in source["jsonData"]
    assert world.run("diff") == 0


def test_over_influxdb_the_same(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Both stores beside one another; InfluxDB's own word stands before its token."""
    (world.folder / "influx.token").write_text("read-only")
    more = 'sources = ["prometheus", "influx"]\ninflux_url = "http://influxdb:8086"'
    world.write(more, '[fleet.influx]\nbucket = "town"\ntoken_file = "influx.token"')
    assert world.run("push") == 0
    assert len(world.state.dashboards) == 10
    source = world.state.sources["netwatch-influx"]
    assert (source["type"], source["url"]) == ("influxdb", "http://influxdb:8086")
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token read-only"}
    assert (source["jsonData"]["version"], source["jsonData"]["dbName"]) == ("InfluxQL", "town")
    read(capsys)
    world.state.asked.clear()
    assert world.run("push") == 0
    assert world.state.writes == []


def test_a_password_makes_basic_authentication(world: World) -> None:
    """User in the clear, password as a secret."""
    (world.folder / "p").write_text("geheim")
    world.write('prometheus_user = "reader"\nprometheus_password_file = "p"')
    assert world.run("push") == 0
    source = world.state.sources["netwatch-prometheus"]
    assert (source["basicAuth"], source["basicAuthUser"]) == (True, "reader")
    assert source["secureJsonData"] == {"basicAuthPassword": "geheim"}
    assert world.run("diff") == 0


def test_a_changed_setting_follows_and_what_the_town_added_stays(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own keys beside ours are no edit; a change of ours is."""
    assert world.run("push") == 0
    source = world.state.sources["netwatch-prometheus"]
    source["jsonData"]["queryTimeout"] = "90s"
    source["isDefault"] = True
    assert world.run("diff") == 0
    world.write('prometheus_url = "http://prometheus:9090"')
    read(capsys)
    assert world.run("diff") == 1
    assert 'data source "netwatch Prometheus": outdated: url\n' in read(capsys)
    assert world.run("push") == 0
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["queryTimeout"] == "90s"
    assert source["isDefault"] is True
    source["url"] = "http://elsewhere:9090"
    read(capsys)
    assert world.run("push") == 0
    assert 'data source "netwatch Prometheus": edited by the town, kept\n' in read(capsys)
    assert world.run("push", "--overwrite") == 0
    assert source["url"] == "http://prometheus:9090"


def test_a_data_source_from_a_file_is_left_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """As deploy/central provisions it."""
    assert world.run("push") == 0
    world.state.sources["netwatch-prometheus"] |= {
        "readOnly": True,
        "url": "http://prometheus:9090",
    }
    read(capsys)
    assert world.run("push", "--overwrite") == 0
    assert 'data source "netwatch Prometheus": read from a file' in read(capsys)


def test_without_data_sources_an_editors_token_is_enough(world: World) -> None:
    """They are the town's then, under the same uids."""
    world.state.roles["glsa_admin"] = "Editor"
    world.write("data_sources = false")
    assert world.run("push") == 0
    assert sorted(world.state.dashboards) == FRENCH
    assert world.state.sources == {}


def test_json_has_every_part_with_its_state_and_result(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """For programs; diff has no results."""
    assert world.run("diff", "--json") == 1
    before = load(capsys)
    assert before["differs"] is True
    assert {each["state"] for each in before["dashboards"]} == {"new"}
    assert "result" not in before["folder"]
    assert world.run("push", "--json") == 0
    after = load(capsys)
    assert after["folder"] == {
        "title": "netwatch", "held_title": None, "state": "new", "result": "created"
    }  # fmt: skip
    assert after["data_sources"][0]["result"] == "created"
    assert {each["result"] for each in after["dashboards"]} == {"created"}
    assert (after["schema_version"], after["url"], after["version"]) == (1, world.url, "11.6.0")


# -- the way there ----------------------------------------------------------------------------


def test_a_grafana_behind_tls_under_a_path_of_its_own(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its certificate is believed from the named authority alone."""
    state = GrafanaState(prefix="/grafana")
    with fake_grafana(state, authority.sign("grafana")) as url:
        world = World(tmp_path, state, f"{url}/")
        assert world.run("push") == 1
        assert capsys.readouterr().err.startswith(f"{url}: its certificate is not trusted: ")
        assert state.asked == []
        world.write('ca = "authority.pem"')
        assert world.run("push") == 0
        assert world.run("diff") == 0


def test_the_token_goes_with_every_request_past_the_environments_proxy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy and no password file of the environment's has a part in it."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = world.folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(netrc))
    assert world.run("push") == 0
    assert {token for _, _, token in world.state.asked} == {"Bearer glsa_admin"}


def test_without_the_library_it_is_said_what_to_install(world: World) -> None:
    """The package of a device has it not."""
    program = (
        "import sys; sys.modules['grafana_api.grafana_api'] = None; "
        "from netwatch.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    for command in ("push", "diff"):
        done = subprocess.run(
            [sys.executable, "-c", program, "fleet", "dashboards", command, "--config",
             str(world.config)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "grafana_api.grafana_api is not installed, which Grafana needs: "
            "pip install 'netwatch[fleet]'\n"
        )


@pytest.mark.slow
def test_the_package_has_the_dashboards_in_it(tmp_path: Path) -> None:
    """Built as anybody builds it, from the repository's parts: each JSON is in, once."""
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    for part in ("netwatch", "dashboards"):
        shutil.copytree(ROOT / part, source / part, symlinks=True, ignore=ignore)
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--wheel-dir", str(tmp_path), str(source)],
        check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if "/pages/" in name]
        packed = {name.partition("/pages/")[2]: archive.read(name) for name in names}
    folder = ROOT / "dashboards"
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*/*.json")}
    assert packed == files
    assert len(names) == len(packed) == 20
