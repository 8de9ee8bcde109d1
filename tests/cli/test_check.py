"""`netwatch check`: each finding, its state and its remedy."""

from __future__ import annotations

import io
import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from netwatch.agent.bandwidth_trial import Trial
from netwatch.agent.once import OnceReport, OnceResult
from netwatch.cli.examination import (
    Examined,
    State,
    World,
    build_json,
    examine,
    examine_rights,
    examine_secret,
)
from netwatch.cli.examination_store import examine_store
from netwatch.cli.examination_table import print_findings
from netwatch.cli.machine import check_database, open_door, read_free_bytes
from netwatch.config.model import Http, Settings
from netwatch.errors import NetwatchError, StoreTooNew
from netwatch.records import Check, Finding, HostFacts, Outcome, Role
from tests.adapters.store_samples import small_disk

GOOD = HostFacts(
    interface="eth0", carrier=True, address=True, default_route=True, port_speed_mbit=100
)


def result(name: str, role: Role, reason: str | None = None) -> OnceResult:
    """A probe that was answered, or was not for this reason."""
    check = Check(
        id=name, kind="icmp", target="192.0.2.1", role=role, every_ms=5_000, timeout_ms=2_000
    )
    if reason is None:
        finding = Finding(outcome=Outcome.ANSWERED, measures={"rtt_us": 1_234})
    else:
        finding = Finding(outcome=Outcome.FAILED, reason=reason)
    return OnceResult(check=check, finding=finding)


ALL = tuple(
    result(name, role)
    for name, role in (
        ("gateway", Role.GATEWAY),
        ("first-hop", Role.FIRST_HOP),
        ("resolver", Role.RESOLVER),
        ("quad9", Role.INTERNET),
    )
)


def make_world(
    *,
    facts: HostFacts = GOOD,
    icmp: str = "raw",
    results: tuple[OnceResult, ...] = ALL,
    synchronised: bool = True,
    free_bytes: int = 10**10,
    open_door: Callable[[Http], None] = lambda http: None,  # noqa: ARG005 - a door that opens
    is_agent: bool = False,
    modules: tuple[str, ...] = ("influxdb_client",),
) -> World:
    """A machine on which all is well, but for what is given."""

    def probe(settings: Settings) -> OnceReport:  # noqa: ARG001 - the world's signature
        return OnceReport(facts=facts, icmp=icmp, results=results)

    return World(
        probe=probe,
        synchronised=lambda settings: synchronised,  # noqa: ARG005 - the world's signature
        free_bytes=lambda folder: free_bytes,  # noqa: ARG005 - the world's signature
        check_database=check_database,
        open_door=open_door,
        is_agent=lambda http: is_agent,  # noqa: ARG005 - the world's signature
        has_module=lambda name: name in modules,
        try_push=lambda settings, influx: None,  # noqa: ARG005 - a point that is taken
        try_engine=lambda counterpart: Trial(engine=counterpart.engine, said="takes tests"),
        find_lease_fault=lambda settings: None,  # noqa: ARG005 - a lease that is had
        is_right_circuit=lambda settings: True,  # noqa: ARG005 - the contract's
        read_last_rates=lambda settings: (None, None),  # noqa: ARG005 - never tested
        now_ms=lambda: 1_795_474_800_000,  # 2026-11-24T00:00 in Paris
    )


def write_config(folder: Path, more: str = "") -> Path:
    file = folder / "agent.toml"
    file.write_text(f'[site]\nid = "a"\n[store]\npath = "n.db"\n{more}', encoding="utf-8")
    return file


def find(folder: Path, world: World, subject: str, more: str = "") -> list[Examined]:
    """What is said of one subject."""
    findings, usable = examine(write_config(folder, more), world)
    assert usable
    return [finding for finding in findings if finding.subject == subject]


def test_a_sound_machine_has_nothing_but_ok(tmp_path: Path) -> None:
    """Each subject is named, and none has a remedy."""
    findings, usable = examine(write_config(tmp_path), make_world())
    assert usable
    assert {(finding.state, finding.remedy) for finding in findings} == {(State.OK, None)}
    assert [finding.subject for finding in findings] == [
        "configuration",
        "rights",
        "network",
        "target gateway",
        "target first-hop",
        "target resolver",
        "target quad9",
        "clock",
        "store",
        "page",
        "bandwidth",
    ]


def test_a_refused_configuration_is_all_that_is_told(tmp_path: Path) -> None:
    """Every problem of the file, and nothing that would rest on it."""
    file = tmp_path / "agent.toml"
    file.write_text("[dns]\ninterval = 5\n", encoding="utf-8")
    findings, usable = examine(file, make_world())
    assert not usable
    assert [finding.message for finding in findings] == [
        f'{file}: dns.interval: needs a unit, got 5: write "5s"',
        f"{file}: site: is missing: write [site]",
    ]
    assert {finding.state for finding in findings} == {State.PROBLEM}


def test_a_configuration_can_be_examined_alone(tmp_path: Path) -> None:
    """Where it is written for a device that is not this one: nothing else is looked at."""
    findings, usable = examine(write_config(tmp_path), make_world(), configuration_only=True)
    assert usable
    assert [finding.subject for finding in findings] == ["configuration"]


def test_missing_rights_come_with_their_remedies() -> None:
    """The sentence that the agent's start says, parted where its remedies begin."""
    message = "icmp: the kernel allows neither (no CAP_NET_RAW; group 0, range is 1 0): grant it, or admit"
    finding = examine_rights(OnceReport(facts=GOOD, icmp=message, results=()))
    assert finding == Examined(
        subject="rights",
        state=State.PROBLEM,
        message="icmp: the kernel allows neither (no CAP_NET_RAW; group 0, range is 1 0)",
        remedy="grant it, or admit",
    )


def test_no_carrier_is_a_problem_of_the_cable(tmp_path: Path) -> None:
    """The nearest fault is told, not its consequences."""
    facts = HostFacts(interface="eth0", carrier=False, address=False, default_route=False)
    (finding,) = find(tmp_path, make_world(facts=facts), "network")
    assert (finding.message, finding.remedy) == (
        "eth0: no carrier",
        "plug the cable in, at both ends",
    )


def test_what_auto_did_not_find_is_a_warning(tmp_path: Path) -> None:
    """The agent measures without it, and says less."""
    results = tuple(each for each in ALL if each.check.role is not Role.FIRST_HOP)
    (finding,) = find(tmp_path, make_world(results=results), "target first-hop")
    assert finding.state is State.WARNING
    assert finding.message == "no first hop was found"


def test_one_silent_target_is_a_warning_and_a_silent_internet_a_problem(tmp_path: Path) -> None:
    """One dead server is no fault of the configuration."""
    results = (*ALL[:3], result("quad9", Role.INTERNET, "timeout"))
    world = make_world(results=results)
    (finding,) = find(tmp_path, world, "target quad9")
    assert finding.state is State.WARNING
    assert finding.message == "192.0.2.1 does not answer: timeout"
    (finding,) = find(tmp_path, world, "internet")
    assert finding.state is State.PROBLEM


def test_a_clock_that_nobody_keeps_is_a_warning_unless_trusted(tmp_path: Path) -> None:
    """Without the time all is entered as unknown, which is worth knowing before."""
    world = make_world(synchronised=False)
    (finding,) = find(tmp_path, world, "clock")
    assert finding.state is State.WARNING
    assert finding.remedy is not None
    assert "timedatectl set-ntp true" in finding.remedy
    (finding,) = find(tmp_path, world, "clock", "[clock]\ntrusted = true\n")
    assert finding.state is State.OK


def test_a_card_that_is_read_only_is_not_taken_for_a_want_of_rights(tmp_path: Path) -> None:
    """Nobody may write there, root neither; the agent's log says the same."""
    with small_disk(tmp_path / "card", "1m") as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        (finding,) = examine_store(folder / "netwatch.db", make_world())
    assert (finding.state, finding.message, finding.remedy) == (
        State.PROBLEM,
        f"{folder}: its file system is read-only",
        "look at `dmesg`, mount it read-write; a card that fails must be replaced",
    )


@pytest.mark.parametrize(
    ("free_bytes", "state"),
    [(10_000_000, State.PROBLEM), (100_000_000, State.WARNING), (10**9, State.OK)],
)
def test_a_full_disk_is_told_before_it_is_full(
    free_bytes: int, state: State, tmp_path: Path
) -> None:
    """Room for a year of books, or at least to begin."""
    (finding,) = find(tmp_path, make_world(free_bytes=free_bytes), "store")
    assert finding.state is state


def test_a_store_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    """It is looked into by the agent's own code."""
    (tmp_path / "n.db").write_bytes(b"this is no database" * 100)
    problem = find(tmp_path, make_world(), "store")[-1]
    assert problem.state is State.PROBLEM
    assert str(tmp_path / "n.db") in problem.message


def test_a_port_in_use_is_a_problem_unless_an_agent_has_it(tmp_path: Path) -> None:
    """The real listener is opened, on a port that is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        more = f'[http]\nlisten = "127.0.0.1:{port}"\n'
        (finding,) = find(tmp_path, make_world(open_door=open_door), "page", more)
        assert finding.state is State.PROBLEM
        world = make_world(open_door=open_door, is_agent=True)
        (finding,) = find(tmp_path, world, "page", more)
        assert finding.message == f"127.0.0.1:{port}: an agent serves it already"


def test_a_page_for_everyone_is_a_warning(tmp_path: Path) -> None:
    """`insecure = true` is allowed, and said."""
    (finding,) = find(
        tmp_path, make_world(), "page", '[http]\nlisten = "0.0.0.0:0"\ninsecure = true\n'
    )
    assert finding.state is State.WARNING


def test_secrets_must_exist_be_filled_and_be_kept(tmp_path: Path) -> None:
    """Missing and empty are problems, readable by everyone is a warning."""
    secret = tmp_path / "token"
    assert examine_secret("token", secret).message == f"{secret}: No such file or directory"
    secret.write_text(" \n", encoding="utf-8")
    assert examine_secret("token", secret).state is State.PROBLEM
    secret.write_text("s3cret\n", encoding="utf-8")
    secret.chmod(0o644)
    finding = examine_secret("token", secret)
    assert finding.state is State.WARNING
    assert finding.remedy == f"chmod 640 {secret}, and chown it to the agent's user"
    secret.chmod(0o640)
    assert examine_secret("token", secret).state is State.OK


def test_json_has_the_five_fields_of_each_finding() -> None:
    """As other programs read it."""
    finding = Examined(subject="clock", state=State.WARNING, message="m", remedy="r")
    assert json.loads(build_json([finding])) == {
        "findings": [
            {
                "subject": "clock",
                "state": "warning",
                "message": "m",
                "remedy": "r",
                "reason": None,
            }
        ]
    }


def test_the_table_shows_text_as_it_is() -> None:
    """Square brackets are no markup: messages hold paths like target[0]."""
    out = io.StringIO()
    finding = Examined(
        subject="configuration", state=State.PROBLEM, message="target[0].name [bold]", remedy="do"
    )
    print_findings([finding], Console(file=out, width=100))
    assert "target[0].name [bold]" in out.getvalue()
    assert "→ do" in out.getvalue()
    assert "problem" in out.getvalue()


def test_the_machines_own_answers_are_real(tmp_path: Path) -> None:
    """Free space is a number of the file system, and a certificate that is none is refused."""
    assert read_free_bytes(tmp_path) > 0
    (tmp_path / "c").write_text("no certificate", encoding="utf-8")
    with pytest.raises(NetwatchError):
        open_door(
            Http(listen="127.0.0.1:0", certificate=str(tmp_path / "c"), key=str(tmp_path / "c"))
        )


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """By the store's own rule, before anything is touched."""
    import sqlite3

    from netwatch.store.db import open_database

    path = tmp_path / "n.db"
    open_database(path, set_aside=lambda: "now").connection.close()
    check_database(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE meta SET value = 9999 WHERE key = 'schema_version'")
    connection.close()
    with pytest.raises(StoreTooNew):
        check_database(path)
