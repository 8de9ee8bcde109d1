"""A Grafana that cannot be used: one line that says what was given and what would do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netwatch.cli.main import main
from tests.fleet.grafana_server import GrafanaState, Raw, fake_grafana

LOG = ": see Grafana's log, or that of what stands before it"
RUNS = ": does Grafana run, and is fleet.grafana.url right?"
ADMIN = "Admin (or Editor, with fleet.grafana.data_sources = false)"


class World:
    """An inventory, a token and a Grafana."""

    def __init__(self, folder: Path, state: GrafanaState, url: str) -> None:
        self.state, self.url = state, url
        self.token = folder / "grafana.token"
        self.token.write_text("glsa_admin")
        self.config = folder / "fleet.toml"
        self.write(f'url = "{url}"\ntoken_file = "grafana.token"')

    def write(self, grafana: str) -> None:
        self.config.write_text(
            f"""[fleet.grafana]
{grafana}
[[operator]]
name = "A"
[[site]]
id = "mairie"
address = "10.0.0.2"
[site.circuit]
operator = "A"
"""
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = GrafanaState()
    with fake_grafana(state) as url:
        yield World(tmp_path, state, url)


Refused = Callable[..., str]


@pytest.fixture
def refused(world: World, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs push; what it says on standard error, without Grafana's address before it."""

    def run(*options: str, command: str = "push", code: int = 1) -> str:
        arguments = ["fleet", "dashboards", command, "--config", str(world.config), *options]
        assert main(arguments) == code
        streams = capsys.readouterr()
        assert streams.out == ""
        assert "Traceback" not in streams.err
        assert "glsa_" not in streams.err
        assert streams.err.count("\n") == 1
        return streams.err.rstrip("\n").removeprefix(f"{world.url}: ")

    return run


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("9.5.21", "Grafana 9.5.21 is too old: the dashboards need 10.1 or later, update it"),
        ("10.0.13", "Grafana 10.0.13 is too old: the dashboards need 10.1 or later, update it"),
        ("custom", 'tells no version that can be read, got "custom"'),
    ],
)
def test_too_old_a_grafana_is_named_before_anything_is_written(
    world: World, refused: Refused, version: str, message: str
) -> None:
    """Also where it hides its version from those who have not signed in."""
    world.state.version = version
    for hides in (False, True):
        world.state.hides_version = hides
        assert refused() == message
        assert world.state.writes == []


def test_a_read_only_token_is_named_before_anything_is_written(
    world: World, refused: Refused
) -> None:
    """A Viewer's."""
    world.state.roles["glsa_admin"] = "Viewer"
    assert refused() == (
        f"the token of {world.token} may only read: give its service account the role {ADMIN}; "
        "nothing was written"
    )
    assert world.state.writes == []
    assert refused(command="diff") == (
        f"the token of {world.token} lacks datasources:read: give its service account the role "
        f"{ADMIN}"
    )


def test_an_editors_token_lacks_the_data_sources(world: World, refused: Refused) -> None:
    """The way round is named with it."""
    world.state.roles["glsa_admin"] = "Editor"
    assert refused() == (
        f"the token of {world.token} lacks datasources:read: give its service account the role "
        f"{ADMIN}"
    )
    assert world.state.writes == []


def test_a_token_that_may_not_save_one_part_stops_all_of_it(world: World, refused: Refused) -> None:
    """Rights of a custom role: all that is missing is in the line."""
    rights = {"dashboards:read": [], "datasources:read": [], "folders:create": []}
    world.state.before = lambda _method, path: (
        Raw(body=json.dumps(rights).encode()) if path.endswith("/permissions") else None
    )
    assert refused() == (
        f"the token of {world.token} lacks datasources:create, dashboards:create: give its "
        f"service account the role {ADMIN}; nothing was written"
    )
    assert world.state.writes == []


def test_a_wrong_token_is_named_by_its_file(world: World, refused: Refused) -> None:
    """And where a right one is made."""
    world.token.write_text("glsa_other")
    assert refused() == (
        f"the token of {world.token} is refused (HTTP 401: Invalid API key): make one in Grafana "
        "under Administration, Service accounts, and write it into that file"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        ("", "is empty, or more than one line"),
        ("a\nb", "is empty, or more than one line"),
        ("clé", "is not a token"),
    ],
)
def test_a_token_file_that_holds_none_is_refused_unasked(
    world: World, refused: Refused, content: str | None, message: str
) -> None:
    """A mistake in the configuration: exit code 2."""
    world.token.unlink()
    if content is not None:
        world.token.write_text(content, encoding="utf-8")
    assert refused(code=2) == f"fleet.grafana.token_file {world.token}: {message}"
    assert world.state.asked == []


def test_without_a_token_file_it_is_said_how_to_get_one(world: World, refused: Refused) -> None:
    """The first thing that everybody meets."""
    world.write(f'url = "{world.url}"')
    assert refused(code=2) == (
        "fleet.grafana.token_file is missing: make a token in Grafana under Administration, "
        "Service accounts, with the role Admin, and name the file that holds it"
    )


def test_nobody_there(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world.write(f'url = "http://127.0.0.1:{port}/grafana/"\ntoken_file = "grafana.token"')
    assert main(["fleet", "dashboards", "push", "--config", str(world.config)]) == 1
    assert capsys.readouterr().err == f"http://127.0.0.1:{port}/grafana: connection refused{RUNS}\n"


PAGE = b"<!DOCTYPE html>\n<html><title>Grafana</title>message</html>"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            Raw(body=PAGE, headers={"Content-Type": "text/html"}),
            "answers with a web page where Grafana's API should be: fleet.grafana.url must be the "
            "address of Grafana itself, without a login page before its /api",
        ),
        (
            Raw(302, headers={"Location": "https://sso.example.fr/login?state=geheim"}),
            "sends on to https://sso.example.fr/login (HTTP 302): fleet.grafana.url must be the "
            "address of Grafana itself, without a login page before its /api",
        ),
        (Raw(body=b"pong"), "answers, but not with JSON: is this Grafana?"),
        (
            Raw(body=b'{"status": "UP"}'),
            "answers, but not as Grafana does: is fleet.grafana.url right?",
        ),
        (Raw(body=b"[1]"), 'answers "/health" in a form that Grafana\'s API has not'),
        (Raw(502, PAGE, {"Content-Type": "text/html"}),  "HTTP 502" + LOG),
        (Raw(500, b'"message"'), 'HTTP 500: "message"' + LOG),
        (Raw(500, b"null"), "HTTP 500: null" + LOG),
        (Raw(503, b'{"database": "failing"}'), 'HTTP 503: {"database": "failing"}' + LOG),
            (Raw(404, b"404 page not found"), "does not know what was asked for (HTTP 404: 404 page "
         "not found): is fleet.grafana.url right?"),
        (Raw(body=b"{", headers={"Content-Length": "100"}), "broke off in mid-answer" + RUNS),
        (Raw(body=b" " * 8_000_001), "answers with more than 8000 kB" + RUNS),
        (Raw(drips=True), "no answer within 0.5 s: see Grafana's log, or wait longer with --timeout"),
    ],
    ids=["page", "redirect", "text", "other", "list", "gateway", "string", "null", "database",
         "404", "broken", "huge", "drip"],
)  # fmt: skip
def test_what_is_no_grafana_is_one_line(
    world: World, refused: Refused, raw: Raw, message: str
) -> None:
    """The token follows no redirection; no answer is waited for, or read, without end."""
    world.state.before = lambda _method, _path: raw
    assert refused("--timeout", "0.5") == message
    assert len(world.state.asked) == 1


def test_a_token_that_is_said_back_is_not_shown(world: World, refused: Refused) -> None:
    """And nothing that a terminal would obey."""
    world.state.before = lambda _method, path: (
        Raw(500, b'{"message": "bad glsa_admin \\u001b[31m"}') if path != "/api/health" else None
    )
    assert refused() == "HTTP 500: bad … \\x1b[31m" + LOG


def test_a_failure_on_the_way_says_what_is_written_and_what_not(
    world: World, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the next push goes on from there."""

    def fail(method: str, _path: str) -> Raw | None:
        saved = len(world.state.dashboards)
        return Raw(500, b'{"message": "disk full"}') if method == "POST" and saved == 2 else None

    world.state.before = fail
    assert refused() == (
        f'HTTP 500: disk full{LOG}; written: folder "netwatch", data source "netwatch Prometheus", '
        "dashboard netwatch-agents-fr, dashboard netwatch-bandwidth-fr; not written: dashboard "
        "netwatch-fleet-fr, dashboard netwatch-site-fr, dashboard netwatch-sla-fr; "
        "`netwatch fleet dashboards push` goes on from there"
    )
    world.state.before = lambda _method, _path: None
    assert main(["fleet", "dashboards", "push", "--config", str(world.config)]) == 0
    words = re.findall(r": (\w+)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert words == ["unchanged"] * 4 + ["created"] * 3


def test_a_write_without_an_answer_is_perhaps_written(world: World, refused: Refused) -> None:
    """Nobody can know from here."""
    world.state.before = lambda method, path: (
        Raw(cut_off=True) if (method, path) == ("POST", "/api/datasources") else None
    )
    assert refused().startswith(
        f"remote end closed connection without response{RUNS}; "
        'written: folder "netwatch"; perhaps written: data source "netwatch Prometheus"; '
        "not written: dashboard netwatch-agents-fr, "
    )


def test_an_interruption_says_what_is_written(world: World) -> None:
    """As any other failure on the way."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from netwatch.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    pids: list[int] = []

    def interrupt(method: str, path: str) -> Raw | None:
        if (method, path) != ("POST", "/api/dashboards/db"):
            return None
        os.kill(pids[0], signal.SIGINT)
        return Raw(drips=True)

    world.state.before = interrupt
    with subprocess.Popen(
        [sys.executable, "-c", program, "fleet", "dashboards", "push", "--config",
         str(world.config)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        pids.append(running.pid)
        out, err = running.communicate(timeout=120)
    assert (running.returncode, out) == (1, "")
    assert err.startswith(
        f'{world.url}: interrupted; written: folder "netwatch", data source "netwatch '
        'Prometheus"; perhaps written: dashboard netwatch-agents-fr; not written: dashboard '
    )


def test_a_title_that_is_taken_is_named_before_anything_is_written(
    world: World, refused: Refused
) -> None:
    """A folder, a data source, or before version 12 a dashboard of the same title."""
    state = world.state
    state.folders["abc"] = {"id": 1, "uid": "abc", "title": "netwatch", "version": 1}
    assert refused() == (
        'a folder "netwatch" is there already, under another uid (abc): rename it, or give '
        "fleet.grafana.folder another title"
    )
    state.folders["abc"]["title"] = "x"
    state.sources["def"] = {"uid": "def", "name": "netwatch Prometheus"}
    assert refused() == (
        'a data source "netwatch Prometheus" is there already, under another uid (def): rename '
        "it, or give it the uid netwatch-prometheus"
    )
    state.sources.clear()
    state.folders["netwatch"] = {"id": 2, "uid": "netwatch", "title": "netwatch", "version": 1}
    document = {"title": "netwatch · Parc", "uid": "copy", "version": 1}
    state.dashboards["copy"] = {"id": 1, "folder": "netwatch", "document": document,
                                "versions": [], "provisioned": False}  # fmt: skip
    assert refused() == (
        'a dashboard "netwatch · Parc" is in the folder already, under another uid (copy): '
        "rename it"
    )
    assert state.writes == []
    state.version = "12.0.0"
    assert main(["fleet", "dashboards", "push", "--config", str(world.config)]) == 0


def test_a_secret_that_cannot_be_read_is_refused_unasked(world: World, refused: Refused) -> None:
    """The password of the data source."""
    missing = world.token.parent / "p"
    world.write(f'url = "{world.url}"\ntoken_file = "grafana.token"\nprometheus_user = "a"\n'
                'prometheus_password_file = "p"')  # fmt: skip
    assert refused(code=2) == f"file {missing}: No such file or directory"
    assert world.state.asked == []


def test_mistakes_in_the_settings_are_told_in_one_run(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """As everywhere in the inventory."""
    world.write(
        'url = "grafana"\nlanguages = ["de"]\nsources = []\nprometheus_user = "a"\nfoldre = 1'
    )
    assert main(["fleet", "dashboards", "push", "--config", str(world.config)]) == 2
    lines = capsys.readouterr().err.replace(f"{world.config}: ", "").splitlines()
    assert lines == [
        'fleet.grafana.url: must be a URL like "https://ent.example.fr/health", got "grafana": '
        "begin with https:// or http://",
        'fleet.grafana.languages[0]: must be one of "fr", "en", got "de"',
        "fleet.grafana.sources: must name at least one",
        "fleet.grafana.prometheus_user: needs its password: write prometheus_password_file "
        "beside it, or remove it",
        'fleet.grafana.foldre: unknown key (did you mean folder?)',
    ]  # fmt: skip
