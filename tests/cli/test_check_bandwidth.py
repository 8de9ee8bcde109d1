"""`netwatch check` of the throughput tests: real servers, and one clear line for each fault."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.bandwidth_lock import held_alone
from netwatch.agent.bandwidth_trial import try_engine
from netwatch.bandwidth.base import Counterpart
from netwatch.cli.examination import Examined, State, examine
from netwatch.cli.examination_bandwidth import examine_certificate, examine_lock
from netwatch.cli.machine import build_world
from netwatch.config.model import Settings, Site, StoreSettings
from netwatch.records import HostFacts
from tests.adapters.hostile import FullListener, StreamServer, free_port, saying
from tests.adapters.iperf3_server import iperf3_server
from tests.adapters.librespeed_server import LibrespeedServer
from tests.adapters.ndt7_server import answer_locate, answer_ndt7
from tests.adapters.servers import Authority, nginx
from tests.agent.users import as_nobody, shared_folder
from tests.cli.test_check import GOOD, make_world, write_config

PARIS_DAY_MS = 1_795_474_800_000
DAY_MS = 86_400_000


def told(folder: Path, more: str, **changes: object) -> dict[str, list[Examined]]:
    """What is said, by subject, of a machine on which all else is well."""
    world = msgspec.structs.replace(make_world(), **changes)
    findings, usable = examine(write_config(folder, more), world)
    assert usable
    found: dict[str, list[Examined]] = {}
    for each in findings:
        if each.subject.startswith("bandwidth"):
            found.setdefault(each.subject, []).append(each)
    return found


def real_trial() -> dict[str, object]:
    return {"try_engine": build_world().try_engine}


# -- the servers ---------------------------------------------------------------------------


def test_a_librespeed_backend_that_answers_is_fine_and_loaded_with_nothing(tmp_path: Path) -> None:
    """Three small requests: the empty page, the head of the download, an upload of one byte."""
    with LibrespeedServer() as server:
        more = f'[bandwidth.librespeed]\nurl = "http://127.0.0.1:{server.port}/backend"\n'
        [finding] = told(tmp_path, more, **real_trial())["bandwidth.librespeed"]
        assert finding == Examined(
            subject="bandwidth.librespeed",
            state=State.OK,
            message=f"127.0.0.1:{server.port} answers, for download and upload",
        )
        methods = [each.split("?")[0] for each in server.requests]
        assert methods == [
            "GET /backend/empty.php",
            "HEAD /backend/garbage.php",
            "POST /backend/empty.php",
        ]
        assert server.received_bytes == 1


LIBRESPEED = {
    "login_page": (
        saying(b"HTTP/1.1 302 Found\r\nLocation: http://192.168.1.1/login\r\n\r\n"),
        "127.0.0.1 sends elsewhere: http://192.168.1.1/login",
        "look for a login page in between, or correct the address",
    ),
    "refused": (
        saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        None,
        "does the path of the URL exist there, and may it be used from here?",
    ),
    "answer_invalid": (
        saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        None,
        "is it the server that the engine wants, and is there a proxy in between?",
    ),
}


@pytest.mark.parametrize("reason", LIBRESPEED)
def test_a_backend_that_is_none_is_one_line_with_what_to_do(tmp_path: Path, reason: str) -> None:
    handle, message, remedy = LIBRESPEED[reason]
    with StreamServer(handle) as server:
        more = f'[bandwidth.librespeed]\nurl = "http://127.0.0.1:{server.port}/backend"\n'
        [finding] = told(tmp_path, more, **real_trial())["bandwidth.librespeed"]
    assert (finding.state, finding.reason, finding.remedy) == (State.PROBLEM, reason, remedy)
    if message is not None:
        assert finding.message == message


def test_a_server_that_is_off_is_one_line(tmp_path: Path) -> None:
    port = free_port()
    more = f'[bandwidth.librespeed]\nurl = "http://127.0.0.1:{port}/backend"\n'
    [finding] = told(tmp_path, more, **real_trial())["bandwidth.librespeed"]
    assert finding == Examined(
        subject="bandwidth.librespeed",
        state=State.PROBLEM,
        message=f"no connection to 127.0.0.1:{port}: Connection refused",
        remedy="is the server running, and does a firewall let it through?",
        reason="unreachable",
    )


def test_a_file_that_cannot_be_posted_to_is_told(tmp_path: Path) -> None:
    """The download may be fine and the upload not: the line names it."""
    port = free_port()
    (tmp_path / "large.bin").write_bytes(b"x" * 10_000_000)
    body = f"listen 127.0.0.1:{port}; root {tmp_path}; location = /up {{ return 403; }}"
    with nginx(tmp_path, port, body):
        url = f"http://127.0.0.1:{port}"
        more = f'[bandwidth.librespeed]\nurl = "{url}/large.bin"\nupload_url = "{url}/up"\n'
        [finding] = told(tmp_path, more, **real_trial())["bandwidth.librespeed"]
    assert finding.reason == "refused"
    assert finding.message == "127.0.0.1 answers 403 to the upload (/up)"


def serve_https(folder: Path, port: int, certificate: Path, key: Path) -> str:
    (folder / "large.bin").write_bytes(b"x" * 100_000)
    return (
        f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate};"
        f" ssl_certificate_key {key}; root {folder}; location = /up {{ return 204; }}"
    )


@pytest.mark.parametrize(("days", "lines"), [(5, 2), (60, 1)])
def test_a_certificate_near_its_end_has_a_line_of_its_own(
    tmp_path: Path, days: int, lines: int
) -> None:
    """The tests go on, and one morning they would not."""
    authority, port = Authority(tmp_path), free_port()
    body = serve_https(tmp_path, port, *authority.sign("town", days=days))
    with nginx(tmp_path, port, body):
        url = f"https://127.0.0.1:{port}"
        more = (
            f'[bandwidth.librespeed]\nurl = "{url}/large.bin"\nupload_url = "{url}/up"\n'
            f'certificate_authority = "{authority.path}"\n'
        )
        findings = told(tmp_path, more, now_ms=build_world().now_ms, **real_trial())
    found = findings["bandwidth.librespeed"]
    assert [each.state for each in found] == [State.OK, State.WARNING][:lines]
    if lines == 2:
        assert "the test server's certificate ends on " in found[1].message
        assert found[1].message.endswith(f"in {days - 1} days")


def test_the_day_on_which_a_certificate_ends_is_named() -> None:
    [finding] = examine_certificate("x", PARIS_DAY_MS + 7 * DAY_MS, PARIS_DAY_MS)
    assert finding.message == "the test server's certificate ends on 2026-11-30, in 7 days"
    assert finding.remedy == "renew it on the server: after that every test fails (tls)"
    assert not list(examine_certificate("x", PARIS_DAY_MS + 21 * DAY_MS, PARIS_DAY_MS))


def test_a_certificate_that_is_not_trusted_is_a_problem(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    body = serve_https(tmp_path, port, *authority.sign("town"))
    with nginx(tmp_path, port, body):
        url = f"https://127.0.0.1:{port}"
        more = f'[bandwidth.librespeed]\nurl = "{url}/large.bin"\nupload_url = "{url}/up"\n'
        [finding] = told(tmp_path, more, **real_trial())["bandwidth.librespeed"]
    assert finding.reason == "tls"
    assert "unable to get local issuer certificate" in finding.message


def iperf3_table(port: int) -> str:
    return f'[bandwidth.iperf3]\nserver = "127.0.0.1"\nport = {port}\n'


def test_an_iperf3_server_is_tried_by_the_program_itself(tmp_path: Path) -> None:
    """Again and again: the server takes the next one, and is not worn out by it."""
    port = free_port()
    with iperf3_server(port):
        for _ in range(7):
            [finding] = told(tmp_path, iperf3_table(port), **real_trial())["bandwidth.iperf3"]
            assert finding.state is State.OK, finding
    assert finding.message.startswith(f"127.0.0.1:{port} takes tests (iperf 3.")


def test_an_iperf3_server_that_is_busy_is_a_warning(tmp_path: Path) -> None:
    port = free_port()
    with iperf3_server(port) as server:
        client = subprocess.Popen(
            ["iperf3", "-c", "127.0.0.1", "-p", str(port), "-t", "20", "-b", "1M", "--forceflush"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        try:
            for line in client.stdout:
                if "connected to" in line:
                    break
            [finding] = told(tmp_path, iperf3_table(port), **real_trial())["bandwidth.iperf3"]
        finally:
            client.kill()
            client.communicate()
            server.kill()
    assert (finding.state, finding.reason) == (State.WARNING, "no_capacity")
    assert "the server is busy" in finding.message
    assert finding.remedy is not None
    assert "the lease, or a port each" in finding.remedy


def test_an_iperf3_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    port = free_port()
    [finding] = told(tmp_path, iperf3_table(port), **real_trial())["bandwidth.iperf3"]
    assert (finding.state, finding.reason) == (State.PROBLEM, "unreachable")
    assert finding.message.startswith(f"127.0.0.1 port {port}: ")


def test_a_server_that_takes_no_more_connections_ends_in_time(tmp_path: Path) -> None:
    with FullListener() as full:
        more = iperf3_table(full.port)
        [finding] = told(tmp_path, more, **real_trial())["bandwidth.iperf3"]
    assert finding.reason in ("unreachable", "timeout")


def test_a_missing_program_comes_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [finding] = told(tmp_path, iperf3_table(5201), **real_trial())["bandwidth.iperf3"]
    assert (finding.message, finding.remedy) == (
        "iperf3 is not installed",
        "sudo apt-get install iperf3",
    )


def test_an_ndt7_server_of_ones_own_is_connected_to_and_not_tested(tmp_path: Path) -> None:
    requests: list[dict[str, str]] = []
    with StreamServer(answer_ndt7(requests=requests)) as server:
        more = f'[bandwidth.ndt7]\nurl = "http://127.0.0.1:{server.port}"\n'
        [finding] = told(tmp_path, more, **real_trial())["bandwidth.ndt7"]
    assert (finding.state, finding.message) == (
        State.OK,
        f"127.0.0.1:{server.port} takes connections",
    )
    assert requests == []


def test_mlab_is_asked_for_a_server_once() -> None:
    """By a locate service of our own: the real one is asked the same."""
    requests: list[dict[str, str]] = []
    with StreamServer(answer_ndt7()) as server:
        bases = [f"ws://127.0.0.1:{server.port}"]
        with StreamServer(answer_locate(bases, requests)) as locate:
            trial = try_engine(
                Counterpart(engine="ndt7"),
                has_module=lambda _: False,
                locate_url=f"http://127.0.0.1:{locate.port}/v2/nearest/ndt/ndt7",
            )
    assert (trial.reason, trial.server) == (None, "machine-0")
    assert trial.said == "M-Lab names it, and it takes connections"
    assert len(requests) == 1


def test_a_missing_library_comes_with_the_command_that_installs_it(tmp_path: Path) -> None:
    def try_without(counterpart: Counterpart) -> object:
        return try_engine(counterpart, has_module=lambda _: False)

    [finding] = told(tmp_path, "[bandwidth.speedtest]\n", try_engine=try_without)[
        "bandwidth.speedtest"
    ]
    assert (finding.message, finding.remedy) == (
        "speedtest-cli is not installed",
        "pip install 'netwatch[speedtest]'",
    )


def test_without_a_network_no_server_is_tried(tmp_path: Path) -> None:
    """The cable has its own line: a server that cannot be reached says nothing more."""

    def refuse(_: Counterpart) -> object:
        raise AssertionError("a server was tried")

    facts = msgspec.structs.replace(GOOD, carrier=False)
    world = msgspec.structs.replace(make_world(facts=facts), try_engine=refuse)
    findings, _ = examine(write_config(tmp_path, iperf3_table(5201)), world)
    [finding] = [each for each in findings if each.subject == "bandwidth.iperf3"]
    assert finding.message == "not tried: there is no network"


# -- budget, quiet hours -------------------------------------------------------------------

CONTRACT = (
    '[circuit]\nreference = "r"\n[circuit.contract]\n'
    'guaranteed_down = "500 Mbit/s"\nguaranteed_up = "100 Mbit/s"\n'
)


def budget(folder: Path, lines: str, **changes: object) -> Examined:
    more = f"{CONTRACT}[bandwidth]\n{lines}\n{iperf3_table(5201)}"
    [finding] = told(folder, more, **changes)["bandwidth.monthly_budget"]
    return finding


def test_a_budget_that_carries_all_tests_says_how_many(tmp_path: Path) -> None:
    finding = budget(tmp_path, 'per_day = 2\nmonthly_budget = "60 GB"')
    assert finding == Examined(
        subject="bandwidth.monthly_budget",
        state=State.OK,
        message="60 GB carry 66 tests a month of 900 MB each, by the guaranteed rates; "
        "62 are planned",
    )


def test_a_budget_that_does_not_says_what_would(tmp_path: Path) -> None:
    finding = budget(tmp_path, 'per_day = 4\nmonthly_budget = "60 GB"')
    assert finding == Examined(
        subject="bandwidth.monthly_budget",
        state=State.WARNING,
        message="60 GB carry 66 tests a month of 900 MB each, by the guaranteed rates; "
        "124 are planned: the others are skipped (data_budget)",
        remedy='bandwidth.monthly_budget = "112 GB" carries them all, '
        "bandwidth.per_day = 2 takes fewer",
    )


def test_a_budget_below_one_test_is_a_problem(tmp_path: Path) -> None:
    finding = budget(tmp_path, 'monthly_budget = "500 MB"')
    assert finding.state is State.PROBLEM
    assert finding.message.startswith("500 MB carry 0 tests a month")


def test_what_was_measured_counts_before_what_is_guaranteed(tmp_path: Path) -> None:
    """A line that is faster than its guarantee takes more of the budget."""
    finding = budget(tmp_path, "per_day = 1", read_last_rates=lambda _: (125_000_000, 125_000_000))
    assert "20 tests a month of 3 GB each, by the last test's rates" in finding.message


def test_without_any_rate_nothing_is_reckoned(tmp_path: Path) -> None:
    facts = HostFacts(interface="eth0", carrier=True, address=True, default_route=True)
    world = make_world(facts=facts)
    findings, _ = examine(write_config(tmp_path, iperf3_table(5201)), world)
    [finding] = [each for each in findings if each.subject == "bandwidth.monthly_budget"]
    assert finding.state is State.OK
    assert "is known after the first" in finding.message


QUIET = {
    '["mon-fri 08:30-11:30"]': (State.OK, "leave time for every test of the next seven days"),
    '["mon-sun 00:00-24:00"]': (
        State.PROBLEM,
        "leave no time for any test of the next seven days",
    ),
}


@pytest.mark.parametrize("hours", QUIET)
def test_quiet_hours_that_leave_no_time_are_told(tmp_path: Path, hours: str) -> None:
    state, message = QUIET[hours]
    more = f"[bandwidth]\nquiet_hours = {hours}\n{iperf3_table(5201)}"
    [finding] = told(tmp_path, more)["bandwidth.quiet_hours"]
    assert (finding.state, finding.message) == (state, message)


def test_quiet_hours_that_leave_some_parts_no_time_are_counted(tmp_path: Path) -> None:
    """With 24 tests a day, an hour's part lies whole within the school's morning."""
    more = f'[bandwidth]\nper_day = 24\nquiet_hours = ["mon-fri 08:00-12:00"]\n{iperf3_table(5201)}'
    [finding] = told(tmp_path, more)["bandwidth.quiet_hours"]
    assert finding.state is State.WARNING
    assert finding.message.endswith("of the 168 tests of the next seven days")


# -- lease, lock, circuit ------------------------------------------------------------------


def nginx_lease(port: int, location: str) -> str:
    return f"listen 127.0.0.1:{port}; location /lease/ {{ {location} }}"


LEASES: dict[str, tuple[Callable[[Path], str], str]] = {
    "no folder": (
        lambda folder: f"root {folder}/none; dav_methods MKCOL DELETE;",
        "there is no such folder (409)",
    ),
    "no DAV": (
        lambda folder: f"root {folder};",
        "it makes no folders (405): is DAV switched on (MKCOL)?",
    ),
    "not allowed": (lambda _: "return 403;", "it may not write there (403)"),
}


@pytest.mark.parametrize("name", LEASES)
def test_a_town_server_that_keeps_no_leases_is_a_problem(tmp_path: Path, name: str) -> None:
    """By a real nginx: while it is so, no site tests; and that is said here."""
    location, message = LEASES[name]
    port = free_port()
    with nginx(tmp_path, port, nginx_lease(port, location(tmp_path))):
        more = f'{iperf3_table(5201)}[bandwidth.lease]\nurl = "http://127.0.0.1:{port}/lease"\n'
        found = told(tmp_path, more, find_lease_fault=build_world().find_lease_fault)
    [finding] = found["bandwidth.lease"]
    assert finding.state is State.PROBLEM
    assert finding.message.startswith(f"http://127.0.0.1:{port}/lease: no lease can be had: ")
    assert message in finding.message
    assert finding.remedy is not None
    assert "no test is made" in finding.remedy


def test_a_town_server_that_is_away_is_a_warning(tmp_path: Path) -> None:
    """Tests go on without it: that it is away is what they find out."""
    port = free_port()
    more = f'{iperf3_table(5201)}[bandwidth.lease]\nurl = "http://127.0.0.1:{port}/lease"\n'
    found = told(tmp_path, more, find_lease_fault=build_world().find_lease_fault)
    assert found["bandwidth.lease"] == [
        Examined(
            subject="bandwidth.lease",
            state=State.WARNING,
            message=f"http://127.0.0.1:{port}/lease: no lease can be had: no answer",
            remedy="is the server running? Tests are made without a lease meanwhile, several at "
            "once",
        )
    ]


def test_the_way_out_is_compared_with_the_contracts(tmp_path: Path) -> None:
    more = f'[bandwidth]\nfirst_hop = ["100.64.0.1"]\n{iperf3_table(5201)}'
    [fine] = told(tmp_path, more)["bandwidth.first_hop"]
    assert fine.message == "the way out is the contract's (100.64.0.1)"
    [finding] = told(tmp_path, more, is_right_circuit=lambda _: False)["bandwidth.first_hop"]
    assert finding.state is State.WARNING
    assert finding.message == ("the way out is not by 100.64.0.1: no test is made (wrong_circuit)")


def test_a_lock_of_another_user_is_told() -> None:
    """Nothing while it may be opened; then its path, and what to do."""
    with shared_folder() as folder:
        path = folder / "netwatch.db"
        with held_alone(path) as alone:
            assert alone
        settings = Settings(site=Site(id="a"), store=StoreSettings(path=str(path)))
        assert not list(examine_lock(settings))
        path.with_name("netwatch.db-bandwidth").chmod(0o600)
        with as_nobody():
            [finding] = examine_lock(settings)
    assert finding == Examined(
        subject="bandwidth",
        state=State.PROBLEM,
        message=f"{path}-bandwidth: may not be opened by this user, so that whether another test "
        "runs cannot be told: delete it, the next test makes it anew",
        remedy="run this as the agent's user to be sure; no test is made meanwhile (no_lock)",
    )
