"""`netwatch check` with a push: one clear line for each mistake, from real servers, to the letter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.once import OnceReport
from netwatch.cli.examination import Examined, State, World, examine
from netwatch.cli.machine import build_world
from netwatch.config.load import load_settings
from netwatch.config.model import Settings
from netwatch.core.push_problems import explain_problem
from netwatch.records import HostFacts, PushProblem, PushReason
from tests.adapters.hostile import FullListener, free_port
from tests.adapters.influx_server import TAKEN, TOKEN, InfluxServer, answer
from tests.adapters.servers import Authority, nginx
from tests.adapters.victoria import victoria


def make_world(*, modules: tuple[str, ...] = ("influxdb_client",)) -> World:
    """The machine as it is, but for probes that would leave it."""

    def probe(settings: Settings) -> OnceReport:  # noqa: ARG001 - the world's signature
        facts = HostFacts(interface="eth0", carrier=True, address=True, default_route=True)
        return OnceReport(facts=facts, icmp="raw", results=())

    return msgspec.structs.replace(
        build_world(), probe=probe, has_module=lambda name: name in modules
    )


def check_push(
    folder: Path, url: str, *, token: bytes | None = TOKEN.encode(), more: str = ""
) -> list[Examined]:
    """What is said of the push and of its files."""
    secret = folder / "influx.token"
    if token is not None:
        secret.write_bytes(token)
        secret.chmod(0o640)
    config = folder / "agent.toml"
    config.write_text(
        '[site]\nid = "a"\n[store]\npath = "n.db"\n[influx]\n'
        f'url = "{url}"\norg = "ville"\nbucket = "netwatch"\ntoken_file = "influx.token"\n{more}',
        encoding="utf-8",
    )
    findings, usable = examine(config, make_world())
    assert usable
    return [each for each in findings if each.subject.startswith("influx")]


def expect(finding: Examined, reason: str, message: str, remedy: str) -> None:
    assert finding == Examined(
        subject="influx", state=State.PROBLEM, message=message, remedy=remedy, reason=reason
    )


def test_a_server_that_takes_points_is_fine(tmp_path: Path) -> None:
    """One point of a measurement of its own is sent, and nothing is left to do."""
    with InfluxServer(lambda _: TAKEN) as server:
        findings = check_push(tmp_path, server.url)
    assert [(each.subject, each.state, each.remedy) for each in findings] == [
        ("influx", State.OK, None),
        ("influx.token_file", State.OK, None),
    ]
    assert findings[0].message == f"{server.url}: takes points into bucket 'netwatch'"
    [line] = server.kept
    assert line.startswith("netwatch_check,site=a ok=1i ")


def test_a_victoria_metrics_under_another_path_is_named_as_that(tmp_path: Path) -> None:
    """It answers 400 and repeats the address, bucket and all: it speaks of no bucket."""
    with victoria(tmp_path / "victoria") as server:
        finding = check_push(tmp_path, f"{server.url}/some/where")[0]
    assert finding.reason == "url_path"
    where = f"{server.url}/some/where: nothing takes points under the path /some/where (400)"
    assert finding.message.startswith(f"{where}; it says: ")


def test_the_point_is_no_row_of_any_graph(tmp_path: Path) -> None:
    """A real VictoriaMetrics has the trial under its own name alone."""
    with victoria(tmp_path / "victoria") as server:
        (finding, _) = check_push(tmp_path, server.url)
        assert finding.state is State.OK
        assert {name for name, *_ in server.read_rows()} == {"netwatch_check_ok"}


ANSWERS = {
    "wrong_token": (
        answer("401 Unauthorized", '{"code":"unauthorized"}'),
        "",
        'the token is refused (401); it says: {"code":"unauthorized"}',
        "put one that may write to bucket 'netwatch' in the file that influx.token_file names",
    ),
    "no_bucket": (
        answer("404 Not Found", '{"message":"bucket \\"netwatch\\" not found"}'),
        "",
        "there is no bucket 'netwatch' of organisation 'ville' there (404); it says: "
        'bucket "netwatch" not found',
        "create it, or check influx.url, influx.org and influx.bucket",
    ),
    "url_path": (
        answer("404 Not Found", "page not found", kind="text/plain"),
        "/orgs/0a1b",
        "nothing takes points under the path /orgs/0a1b (404); it says: page not found",
        "write the server's address without it in influx.url, or the path under which a proxy "
        "passes /api/v2/write on",
    ),
    "html_answer": (
        answer("200 OK", "<html>log in</html>", kind="text/html"),
        "",
        "a web page answers, and no InfluxDB (200 with text/html where 204 is due)",
        "look for a proxy or a login page in between, or correct influx.url",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_server_that_refuses_is_one_line_with_what_to_do(tmp_path: Path, name: str) -> None:
    """The token's file has its own line, for there it is not at fault."""
    said, path, message, remedy = ANSWERS[name]
    with InfluxServer(lambda _: said) as server:
        findings = check_push(tmp_path, server.url + path)
    expect(findings[0], name, f"{server.url}{path}: {message}", remedy)
    assert len(findings) == 2


@contextmanager
def serve_tls(folder: Path, mistake: str) -> Iterator[tuple[str, str]]:
    """A TLS server under that certificate; its address and the settings to trust it."""
    authority = Authority(folder)
    begins = "-9d" if mistake == "certificate_expired" else "+0d"
    certificate, key = authority.sign("influx", days=1, begins=begins)
    more = f'certificate_authority = "{authority.path.name}"\n'
    if mistake == "certificate_self_signed":
        certificate, key, more = authority.path, folder / "authority.key", ""
    port = free_port()
    body = (
        f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate};"
        f" ssl_certificate_key {key}; location / {{ return 204; }}"
    )
    with nginx(folder, port, body):
        yield f"https://127.0.0.1:{port}", more


CERTIFICATES = {
    "certificate_expired": ("its certificate has expired", "renew it on the server"),
    "certificate_self_signed": (
        "its certificate is signed by itself",
        "name that certificate in influx.certificate_authority if it is yours, or put one of a "
        "known authority on the server",
    ),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_is_not_good_is_one_line(tmp_path: Path, name: str) -> None:
    """What is wrong with it, and who mends it."""
    with serve_tls(tmp_path, name) as (url, more):
        findings = check_push(tmp_path, url, more=more)
    message, remedy = CERTIFICATES[name]
    expect(findings[0], name, f"{url}: {message}", remedy)


def test_an_authority_named_in_the_configuration_is_trusted(tmp_path: Path) -> None:
    """Relative to the configuration, as every path."""
    with serve_tls(tmp_path, "none") as (url, more):
        assert check_push(tmp_path, url, more=more)[0].state is State.OK


def test_a_host_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    """A closed port, and one that drops what comes."""
    with ExitStack() as stack:
        full = stack.enter_context(FullListener())
        cases = [
            (
                f"http://127.0.0.1:{free_port()}",
                "connection_refused",
                "nothing listens there",
                "start the server, or correct influx.url",
            ),
            (
                f"http://127.0.0.1:{full.port}",
                "unreachable",
                "it cannot be reached (no answer in time)",
                "the points stay and are sent later",
            ),
        ]
        for url, reason, message, remedy in cases:
            expect(check_push(tmp_path, url)[0], reason, f"{url}: {message}", remedy)


TOKENS: dict[str, tuple[bytes | None, str, str]] = {
    "token_unreadable": (
        None,
        "the token cannot be read (No such file or directory)",
        "put it there, readable by the agent's user, or correct influx.token_file",
    ),
    "token_empty": (b"\n", "the token file is empty", "write the token into it"),
    "token_malformed": (
        b"abc\ndef\n",
        "the token file holds more than one token",
        "write one token into it, on one line, and nothing else",
    ),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_file_that_holds_none_is_one_line(tmp_path: Path, name: str) -> None:
    """Said once, and nobody is asked."""
    content, message, remedy = TOKENS[name]
    with InfluxServer(lambda _: TAKEN) as server:
        (finding,) = check_push(tmp_path, server.url, token=content)
    expect(finding, name, f"{tmp_path / 'influx.token'}: {message}", remedy)
    assert server.sizes == []


def test_a_token_that_everyone_may_read_is_a_warning_of_its_own(tmp_path: Path) -> None:
    """Beside a push that works."""
    (tmp_path / "influx.token").write_bytes(TOKEN.encode())
    (tmp_path / "influx.token").chmod(0o644)
    with InfluxServer(lambda _: TAKEN) as server:
        outlet, secret = check_push(tmp_path, server.url, token=None)
    assert (outlet.state, secret.state) == (State.OK, State.WARNING)


def test_without_the_client_that_is_the_line(tmp_path: Path) -> None:
    """The extra of the package is named."""
    config = tmp_path / "agent.toml"
    config.write_text(
        '[site]\nid = "a"\n[influx]\nurl = "http://127.0.0.1:9"\norg = "o"\nbucket = "b"\n'
        'token_file = "token"\n',
        encoding="utf-8",
    )
    findings, _ = examine(config, make_world(modules=()))
    expect(
        next(each for each in findings if each.subject == "influx"),
        "no_client",
        "http://127.0.0.1:9: influxdb-client is not installed",
        "pip install 'netwatch[influx]'",
    )
    assert load_settings(config).influx is not None


def test_check_page_and_metric_have_the_same_word(tmp_path: Path) -> None:
    """The reason is of the closed list, and the sentence is that of the table."""
    with InfluxServer(lambda _: answer("403 Forbidden")) as server:
        finding = check_push(tmp_path, server.url)[0]
    assert finding.reason == PushReason.FORBIDDEN
    said = explain_problem(
        PushProblem(
            reason=PushReason.FORBIDDEN,
            where=server.url,
            fills={"status": "403", "bucket": "'netwatch'"},
        )
    )
    assert (finding.message, finding.remedy) == (said.sentence, said.remedy)
