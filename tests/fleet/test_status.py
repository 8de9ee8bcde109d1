"""`netwatch fleet status` over real agents' servers, and over servers that are none."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from netwatch.cli.fleet_table import build_fleet_table
from netwatch.cli.main import main
from netwatch.errors import AgentUnreachable
from netwatch.fleet.asking import Patience, read_json
from netwatch.fleet.inventory import read_inventory
from netwatch.fleet.model import FleetCircuit, FleetSite
from netwatch.fleet.status import build_status, collect_status, read_fleet_status
from netwatch.records import Cause, Verdict
from tests.adapters.hostile import FullListener, StreamServer, dribble, free_port, saying
from tests.adapters.servers import Authority
from tests.fleet.agents import agent, write_inventory

PATIENCE = Patience(timeout_s=20)
HASTE = Patience(timeout_s=0.4)


def site(port: int, **more: object) -> FleetSite:
    return FleetSite(
        id="a", address=f"127.0.0.1:{port}", circuit=FleetCircuit(operator="A"), **more
    )  # type: ignore[arg-type] # a test's shorthand


def ask(where: FleetSite, patience: Patience = PATIENCE) -> str:
    """The sentence with which asking fails."""
    with pytest.raises(AgentUnreachable) as refused:
        read_json(where, "/api/v1/status", patience)
    return str(refused.value)


def test_sites_are_shown_worst_first_with_what_their_agents_say(tmp_path: Path) -> None:
    """Down, then an agent of another site, one that is not there, unknown, degraded, up."""
    with (
        agent("mairie") as up,
        agent("ecole", verdict=Verdict.DOWN, cause=Cause.ACCESS) as down,
        agent("stade", verdict=Verdict.DEGRADED, cause=Cause.LATENCY) as slow,
        agent("autre") as other,
        agent("musee", verdict=Verdict.UNKNOWN, cause=Cause.LOCAL, reason="carrier") as blind,
    ):
        inventory = read_inventory(
            write_inventory(
                tmp_path,
                [
                    ("mairie", f'address = "127.0.0.1:{up.port}"'),
                    ("ecole", f'address = "{down.url}"'),
                    ("gymnase", f'address = "127.0.0.1:{free_port()}"'),
                    ("stade", f'address = "127.0.0.1:{slow.port}"'),
                    ("creche", f'address = "127.0.0.1:{other.port}"'),
                    ("musee", f'address = "127.0.0.1:{blind.port}"'),
                ],
            )
        )
        rows = read_fleet_status(inventory, PATIENCE)
    assert [(row.site, row.state) for row in rows] == [
        ("ecole", "down"), ("creche", "wrong_site"), ("gymnase", "unreachable"),
        ("musee", "unknown"), ("stade", "degraded"), ("mairie", "up"),
    ]  # fmt: skip
    ecole, creche, gymnase, musee, _, mairie = rows
    assert (ecole.cause, ecole.version, ecole.clock_synchronised) == ("access", "0.1.0", True)
    assert creche.problem == 'the agent there says that it is "autre"'
    assert creche.cause is creche.version is creche.coverage_today is None
    assert gymnase.problem == "connection refused"
    assert (musee.cause, musee.reason) == ("local", "carrier")
    assert mairie.coverage_today is not None
    assert 0 < mairie.coverage_today < 1
    assert mairie.down_today_ms == 19 * 60_000
    assert mairie.down_month_ms is not None
    assert mairie.down_month_ms > mairie.down_today_ms


def test_the_table_has_every_site_and_no_availability_without_its_coverage(tmp_path: Path) -> None:
    """What a person reads, to the line; square brackets in names are no markup."""
    with agent("mairie") as up:
        inventory = read_inventory(
            write_inventory(
                tmp_path,
                [
                    ("mairie", f'address = "127.0.0.1:{up.port}"'),
                    ("ecole", f'address = "127.0.0.1:{free_port()}"'),
                ],
            )
        )
        rows = read_fleet_status(inventory, PATIENCE)
    out = io.StringIO()
    Console(file=out, width=200).print(
        build_fleet_table(rows, datetime(2026, 11, 26, 16, 37, tzinfo=UTC))
    )
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[0] == "2026-11-26 16:37:00  2 sites: ∅ 1 unreachable  ● 1 up"
    assert lines[2].split() == (
        [
            "site",
            "operator",
            "state",
            "for",
            "why",
            "today",
            "watched",
            "down",
            "today",
            "down",
            "month",
            "queue",
            "agent",
        ]
    )
    assert lines[3].split() == (
        [
            "ecole",
            "Opérateur",
            "A",
            "∅",
            "unreachable",
            "—",
            "connection",
            "refused",
            "—",
            "—",
            "—",
            "—",
            "—",
        ]
    )
    assert lines[4].startswith("mairie  Opérateur A  ● up")
    assert "97.99 %" in lines[4]  # available
    assert "95.18 %" in lines[4]  # watched


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (200, None),
        (120, "queue"),
        (80, "operator, down today, down month, queue, agent"),
        (60, "operator, today, watched, down today, down month, queue, agent"),
    ],
)
def test_a_narrow_terminal_loses_whole_columns_and_says_which(
    width: int, left_out: str | None
) -> None:
    """Never the site or the reason, and availability only together with its coverage."""
    with agent("ecole", verdict=Verdict.DOWN, cause=Cause.ACCESS) as down:
        fine = build_status(site(down.port), read_json(site(down.port), "/api/v1/status", PATIENCE))
    row = msgspec.structs.replace(
        fine, site="ecole-jean-jaures", operator="Opérateur A", problem="the token is refused"
    )
    out = io.StringIO()
    at = datetime(2026, 11, 26, 16, 37, tzinfo=UTC)
    Console(file=out, width=width).print(build_fleet_table([row], at))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[3].startswith("ecole-jean-jaures  ")
    assert "the token is refused" in lines[3]
    assert ("today" in lines[2]) == ("watched" in lines[2])
    said = " ".join(lines[4:]).strip()
    assert said == ("" if left_out is None else f"left out of {width} columns: {left_out}")


def test_json_and_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 while every line carries traffic, degraded or not; 1 when one does not or does not say."""
    with agent("a") as up, agent("b", verdict=Verdict.DEGRADED, cause=Cause.LOSS) as slow:
        sites = [("a", f'address = "{up.url}"'), ("b", f'address = "{slow.url}"')]
        config = str(write_inventory(tmp_path, sites))
        assert main(["fleet", "status", "--config", config, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["states"] == {"degraded": 1, "up": 1}
        assert [each["site"] for each in document["sites"]] == ["b", "a"]
        sites.append(("c", f'address = "127.0.0.1:{free_port()}"'))
        config = str(write_inventory(tmp_path, sites))
        assert main(["fleet", "status", "--config", config]) == 1
        assert "unreachable" in capsys.readouterr().out
    assert main(["fleet", "status", "--config", config, "--json", "--watch", "2"]) == 2
    assert capsys.readouterr().err == (
        "--watch is for a person, --json for a program: give one of them\n"
    )


def test_tokens_and_certificates_are_held_to(tmp_path: Path) -> None:
    """A token goes with the request; a certificate is believed only from its authority and name."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    token = tmp_path / "fleet.token"
    token.write_text("s3cret\n", encoding="ascii")
    with agent("a", token="s3cret", tls=authority.sign("agent")) as server:
        url = server.url
        secure = FleetSite(
            id="a", address=url, circuit=FleetCircuit(operator="A"),
            token_file=str(token), ca=str(authority.path),
        )  # fmt: skip
        assert read_json(secure, "/api/v1/status", PATIENCE)["site"]["id"] == "a"
        import msgspec

        replace = msgspec.structs.replace
        assert ask(replace(secure, token_file=None)) == (
            "asks for a token: give token_file (HTTP 401)"
        )
        token.write_text("other\n", encoding="ascii")
        assert ask(secure) == "the token is refused (HTTP 401)"
        token.write_text("\n", encoding="ascii")
        assert ask(secure) == f"token_file {token}: is empty, or more than one line"
        assert ask(replace(secure, token_file=None, ca=str(stranger.path))).startswith(
            "its certificate is not trusted: "
        )
        assert ask(replace(secure, token_file=None, ca=str(tmp_path / "none.pem"))) == (
            f"ca {tmp_path}/none.pem: cannot be used: No such file or directory"
        )
    with agent("a", tls=authority.sign("other", "DNS:other.example.fr")) as server:
        wrong = FleetSite(
            id="a", address=server.url, circuit=FleetCircuit(operator="A"), ca=str(authority.path)
        )
        assert ask(wrong) == (
            "its certificate is not trusted: "
            "IP address mismatch, certificate is not valid for '127.0.0.1'."
        )


def test_what_waits_to_be_pushed_and_why_is_shown() -> None:
    """Ninety minutes wait, for a token that is refused; an agent that pushes nowhere has a dash."""
    from netwatch.cli.fleet_table import say_agent

    answer: dict[str, object] = {
        "site": {"id": "a"}, "link": {"verdict": "up"}, "version": "0.1.0",
        "clock_synchronised": False, "notices": ["clock_unsynchronised", "disk_full"],
        "push": {"waiting_minutes": 90, "reason": "token_refused"},
    }  # fmt: skip
    row = build_status(site(1), answer)
    assert (row.queued_minutes, row.push_problem) == (90, "token_refused")
    assert say_agent(row) == "0.1.0, clock not synchronised, push: token refused, disk full"
    assert build_status(site(1), {**answer, "push": None}).queued_minutes is None


def test_watching_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    """One table after another where it is piped; an interruption ends it as shells expect."""
    with agent("a") as up:
        config = write_inventory(tmp_path, [("a", f'address = "{up.url}"')])
        # Whoever runs this in the background may have had interruptions ignored.
        command = ["env", "--default-signal=INT",
                   sys.executable, "-m", "netwatch.cli.main", "fleet", "status",
                   "--config", str(config), "--watch", "1"]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            tables = 0
            for line in process.stdout:
                tables += " 1 site: ● 1 up" in line
                if tables == 2:
                    break
            process.send_signal(signal.SIGINT)
            process.stdout.read()
    assert (tables, process.returncode) == (2, 130)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
         "answers, but not with JSON: is this netwatch?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
         "answers with JSON that is no object: is this netwatch?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}", "broke off in mid-answer"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP (BadStatusLine)"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://198.51.100.1/\r\nContent-Length: 0\r\n\r\n",
         "HTTP 302"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\n\x1b[2J", "HTTP 503: \\x1b[2J"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n" + bytes(2_100_000),
         "answers with more than 2000 kB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60_000,
         "answers, but not with JSON: is this netwatch?"),
    ],
)  # fmt: skip
def test_who_is_no_agent_is_named(said: bytes, sentence: str) -> None:
    """Other servers, broken ones and hostile ones are one sentence each."""
    with StreamServer(saying(said)) as server:
        assert ask(site(server.port)) == sentence


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{"]
)
def test_a_server_that_drips_is_left_at_the_deadline(start: bytes) -> None:
    """A byte now and then, before the head, in it or in the body: the deadline is for all."""
    with StreamServer(dribble(start)) as server:
        assert ask(site(server.port), HASTE) == "no answer within 0.4 s"


def test_a_server_that_takes_no_connection_is_left_at_the_deadline() -> None:
    """Nobody accepts: no answer, in words."""
    with FullListener() as full:
        assert ask(site(full.port), HASTE) == "no answer within 0.4 s"


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"site": None}, {"site": {"id": "a"}, "link": []},
        {"site": {"id": "a"}, "link": {"verdict": "splendid"}},
        {"site": {"id": "a"}, "link": {"verdict": "up", "since": "yesterday"}},
        {"site": {"id": "a"}, "link": {"verdict": "up", "held_ms": "long"}},
        {"site": {"id": "a"}, "link": {"verdict": "up"}, "accounts": [1]},
        {"site": {"id": "a"}, "link": {"verdict": "up"}, "notices": 3},
        {"site": {"id": "a"}, "link": {"verdict": "up"}, "push": {"waiting_minutes": "many"}},
    ],
)  # fmt: skip
def test_an_answer_of_another_form_is_no_status(answer: dict[str, object]) -> None:
    """JSON that is not an agent's is refused as a whole."""
    with pytest.raises(AgentUnreachable, match="answers, but not as netwatch does"):
        build_status(site(1), answer)


def test_no_more_agents_are_asked_at_once_than_allowed() -> None:
    """Two hundred sites, eight threads."""
    import threading

    busy, most, lock = 0, 0, threading.Lock()

    def fake_ask(where: FleetSite) -> dict[str, object]:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        with lock:
            busy -= 1
        return {"site": {"id": where.id}, "link": {"verdict": "up"}}

    sites = [
        FleetSite(id=f"s{number}", address="192.0.2.1", circuit=FleetCircuit(operator="A"))
        for number in range(200)
    ]
    rows = collect_status(sites, fake_ask, at_once=8)
    assert len({row.site for row in rows}) == 200
    assert 1 <= most <= 8
