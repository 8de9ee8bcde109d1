"""The outlet against servers that answer badly: each is one clear line, and no good line is lost."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from netwatch.core.push_problems import format_problem
from netwatch.outlets.influx import MOST_LINES, InfluxOutlet
from netwatch.outlets.influx_client import InfluxConnection, explain_silence
from netwatch.records import PushReason, Receipt
from tests.adapters.hostile import FullListener, StreamServer, dribble, free_port, saying
from tests.adapters.influx_server import TAKEN, TOKEN, InfluxServer, answer
from tests.adapters.servers import Authority, nginx

LINES = [f"m,site=a x={number}i {number}000000" for number in range(100)]
NONE = Receipt(accepted=0, rejected=0)


@contextmanager
def outlet_to(
    url: str, *, authority: Path | None = None, silence_ms: int = 400
) -> Iterator[InfluxOutlet]:
    connection = InfluxConnection(
        url=url,
        org="ville",
        bucket="netwatch",
        read_token=lambda: TOKEN,
        timeouts_ms=(300, silence_ms),
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
        certificate_authority=None if authority is None else str(authority),
    )
    outlet = InfluxOutlet(connection, url=url, org="ville", bucket="netwatch")
    try:
        yield outlet
    finally:
        outlet.close()


def send(server: InfluxServer, lines: list[str]) -> Receipt:
    with outlet_to(server.url) as outlet:
        return outlet.send(lines)


def tell(receipt: Receipt) -> str:
    """The problem as the log has it."""
    assert receipt.problem is not None
    return format_problem(receipt.problem)


def test_lines_arrive_in_order_with_the_token_and_nanoseconds() -> None:
    """The address, the token and the bodies are those of the v2 write API."""
    many = [f"m x={number}i {number}" for number in range(2 * MOST_LINES + 1)]
    with InfluxServer(lambda _: TAKEN) as server:
        receipt = send(server, many)
    assert receipt == Receipt(accepted=len(many), rejected=0)
    assert server.kept == many
    assert server.sizes == [MOST_LINES, MOST_LINES, 1]
    assert set(server.paths) == {"/api/v2/write?org=ville&bucket=netwatch&precision=ns"}
    assert server.tokens == {f"Token {TOKEN}"}


def test_nothing_to_send_asks_nobody() -> None:
    """No line, no request."""
    with InfluxServer(lambda _: TAKEN) as server:
        assert send(server, []) == NONE
    assert server.sizes == []


PAGE = "text/html; charset=utf-8"
REFUSALS = {
    "wrong_token": (
        answer("401 Unauthorized", '{"code":"unauthorized"}'),
        "the token is refused (401): put one that may write to bucket 'netwatch' in the file that "
        'influx.token_file names; it says: {"code":"unauthorized"}',
    ),
    "forbidden": (
        answer("403 Forbidden"),
        "the token may not write there (403): give it the right to write to bucket 'netwatch', or "
        "put another in the file that influx.token_file names",
    ),
    "no_bucket": (
        answer("404 Not Found", '{"message":"bucket not found"}'),
        "there is no bucket 'netwatch' of organisation 'ville' there (404): create it, or check "
        "influx.url, influx.org and influx.bucket; it says: bucket not found",
    ),
    "no_bucket on a web page": (
        answer("404 Not Found", "<head><title>404 Not Found</title></head><h1>No</h1>", kind=PAGE),
        "there is no bucket 'netwatch' of organisation 'ville' there (404): create it, or check "
        "influx.url, influx.org and influx.bucket; it says: 404 Not Found",
    ),
    "forbidden with more than a sentence": (
        answer("403 Forbidden", '{"error":"no","data":"row 2"}'),
        "the token may not write there (403): give it the right to write to bucket 'netwatch', or "
        "put another in the file that influx.token_file names; "
        'it says: {"error":"no","data":"row 2"}',
    ),
    "busy": (
        answer("429 Too Many Requests", "", "Retry-After: 7"),
        "it asks to wait (429): the points stay and are sent later",
    ),
    "busy in other words": (
        answer("503 Service Unavailable"),
        "it asks to wait (503): the points stay and are sent later",
    ),
    "server_error": (
        answer("500 Internal Server Error", "\x1b[31mpanic\n"),
        "it failed (500): the points stay and are sent later; it says: [31mpanic",
    ),
    "server_error in bytes": (
        b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x80",
        "it failed (500): the points stay and are sent later; it says: �� �",
    ),
    "html_answer": (
        answer("200 OK", "<html>log in</html>", kind="text/html; charset=utf-8"),
        "a web page answers, and no InfluxDB (200 with text/html where 204 is due): look for a "
        "proxy or a login page in between, or correct influx.url",
    ),
    "no_influxdb": (
        answer("200 OK", "{}"),
        "whoever answers is no InfluxDB (200 with application/json where 204 is due): look for a "
        "proxy in between, or correct influx.url",
    ),
    "redirect": (
        answer("307 Temporary Redirect", "", "Location: https://portal.example/login"),
        "it redirects to https://portal.example/login (307): write the final address in influx.url",
    ),
    "no_influxdb by method": (
        answer("405 Method Not Allowed", kind="text/plain"),
        "whoever answers is no InfluxDB (405 with text/plain where 204 is due): look for a proxy "
        "in between, or correct influx.url",
    ),
    "proxy_login": (
        answer("407 Proxy Authentication Required"),
        "a proxy in between wants a login (407): let this machine through it",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_one_clear_line_and_everything_stays(name: str) -> None:
    """One request, nothing accepted, nothing rejected, and what would do."""
    said, sentence = REFUSALS[name]
    with InfluxServer(lambda _: said) as server:
        receipt = send(server, LINES)
    assert tell(receipt) == f"{server.url}: {sentence}"
    assert receipt.problem is not None
    assert receipt.problem.reason.value == name.partition(" ")[0]
    assert (receipt.accepted, receipt.rejected) == (0, 0)
    assert receipt.retry_after_ms == (7_000 if name == "busy" else None)
    assert server.sizes == [len(LINES)]


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere() -> None:
    """Where it points to is never asked."""
    with InfluxServer(lambda _: TAKEN) as other:
        said = answer("307 Temporary Redirect", "", f"Location: {other.url}/api/v2/write")
        with InfluxServer(lambda _: said) as server:
            assert send(server, LINES).accepted == 0
    assert other.sizes == []


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
def test_bad_lines_are_rejected_and_the_good_ones_kept(status: str) -> None:
    """A server that refuses a whole request for one line gets the others without it."""
    bad = {LINES[3], LINES[4], LINES[77]}

    def decide(lines: list[str]) -> bytes:
        return answer(status, "unable to parse") if bad & set(lines) else TAKEN

    with InfluxServer(decide) as server:
        receipt = send(server, LINES)
    assert (receipt.accepted, receipt.rejected) == (97, 3)
    assert tell(receipt) == (
        f"{server.url}: 3 of 100 points were refused for good: read what it says of the first, "
        "and tell whoever keeps that bucket; it says: unable to parse"
    )
    assert server.kept == [line for line in LINES if line not in bad]


def test_a_server_that_lies_about_a_partial_write_is_not_believed() -> None:
    """It says that one line was dropped and the others kept, and kept none: they are sent again."""
    kept: set[str] = set()

    def decide(lines: list[str]) -> bytes:
        if LINES[50] in lines:
            return answer("400 Bad Request", '{"message":"partial write: dropped=1"}')
        kept.update(lines)
        return TAKEN

    with InfluxServer(decide) as server:
        receipt = send(server, LINES)
    assert (receipt.accepted, receipt.rejected) == (99, 1)
    assert kept == set(LINES) - {LINES[50]}


def test_a_server_that_refuses_every_line_rejects_none() -> None:
    """Not the lines are bad then: they stay, and it is asked a few times only."""
    with InfluxServer(lambda _: answer("400 Bad Request", "no")) as server:
        receipt = send(server, LINES)
        assert (receipt.accepted, receipt.rejected) == (0, 0)
        assert tell(receipt) == (
            f"{server.url}: it refuses every point (400): check influx.url, influx.org and "
            "influx.bucket; it says: no"
        )
        assert len(server.sizes) < 30
        assert send(server, LINES[:1]).rejected == 0


def test_what_is_too_large_is_halved_until_it_fits() -> None:
    """413: smaller requests from then on, and every line arrives once."""

    def decide(lines: list[str]) -> bytes:
        return answer("413 Request Entity Too Large") if len(lines) > 30 else TAKEN

    with InfluxServer(decide) as server:
        assert send(server, LINES) == Receipt(accepted=100, rejected=0)
    assert server.kept == LINES
    assert server.sizes[:3] == [100, 50, 25]


def test_a_failure_in_between_keeps_what_was_accepted_before_it() -> None:
    """The receipt covers the first lines and no others."""
    many = [f"m x={number}i {number}" for number in range(MOST_LINES + 10)]
    said = iter([TAKEN, answer("503 Service Unavailable", "", "Retry-After: 120")])
    with InfluxServer(lambda _: next(said)) as server:
        receipt = send(server, many)
    assert (receipt.accepted, receipt.rejected) == (MOST_LINES, 0)
    assert receipt.retry_after_ms == 120_000


def hang(stream: socket.socket) -> None:
    """Takes everything and says nothing."""
    while stream.recv(65_536):
        pass


ENDLESS = b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n"
SILENCES: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "hang": (hang, "it did not answer in time: the points stay and are sent later"),
    "cut": (
        saying(),
        "the connection was cut before its answer: the points stay and are sent later",
    ),
    "cut in the head": (
        saying(b"HTTP/1.1 20"),
        "the connection was cut before its answer: the points stay and are sent later",
    ),
    "no http": (
        saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "the connection was cut before its answer: the points stay and are sent later",
    ),
    "cut in mid-body": (
        saying(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n<html>"),
        "the connection was cut before its answer: the points stay and are sent later",
    ),
    "endless": (dribble(ENDLESS), "it failed (500): the points stay and are sent later"),
}


@pytest.mark.parametrize("name", SILENCES)
def test_no_answer_is_one_clear_line_and_everything_stays(name: str) -> None:
    """Hanging, hanging up, nonsense, and an answer without end."""
    handle, sentence = SILENCES[name]
    with StreamServer(handle) as server, outlet_to(f"http://127.0.0.1:{server.port}") as outlet:
        receipt = outlet.send(LINES)
    assert tell(receipt).startswith(f"http://127.0.0.1:{server.port}: {sentence}")
    assert (receipt.accepted, receipt.rejected) == (0, 0)


def test_nobody_there_is_told_apart_from_nobody_answering() -> None:
    """A closed port, and one that drops what comes."""
    port = free_port()
    with outlet_to(f"http://127.0.0.1:{port}") as outlet:
        assert tell(outlet.send(LINES)) == (
            f"http://127.0.0.1:{port}: nothing listens there: start the server, "
            "or correct influx.url"
        )
    with FullListener() as full, outlet_to(f"http://127.0.0.1:{full.port}") as outlet:
        assert tell(outlet.send(LINES)) == (
            f"http://127.0.0.1:{full.port}: it cannot be reached (no answer in time): "
            "the points stay and are sent later"
        )


def test_a_name_that_nobody_knows_is_told_apart() -> None:
    """Whatever the resolver's error is wrapped in."""
    wrapped = OSError("wrapped")
    wrapped.__cause__ = socket.gaierror(-2, "Name or service not known")
    problem = explain_silence("http://nobody.example:8086", wrapped)
    assert format_problem(problem) == (
        "http://nobody.example:8086: its name is not known: check the name in influx.url, or "
        "this machine's resolver"
    )


def test_after_a_cut_the_next_sending_gets_through() -> None:
    """A connection that broke is not used again."""
    said: Iterator[bytes | None] = iter([TAKEN, None, TAKEN])
    with InfluxServer(lambda _: next(said)) as server, outlet_to(server.url) as outlet:
        assert [outlet.send(LINES).accepted for _ in range(3)] == [100, 0, 100]


def serve_tls(folder: Path, certificate: Path, key: Path) -> AbstractContextManager[str]:
    """A server that takes everything, under that certificate; gives its address."""
    port = free_port()
    body = (
        f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate};"
        f" ssl_certificate_key {key}; location / {{ return 204; }}"
    )

    @contextmanager
    def serve() -> Iterator[str]:
        with nginx(folder, port, body):
            yield f"https://127.0.0.1:{port}"

    return serve()


CERTIFICATES = {
    "certificate_expired": "its certificate has expired: renew it on the server",
    "certificate_not_yet": "its certificate is not valid yet: check this machine's clock, then the "
    "certificate",
    "certificate_untrusted": "its certificate is of an authority that this machine does not trust: "
    "name that authority's certificate in influx.certificate_authority if it is yours",
    "certificate_self_signed": "its certificate is signed by itself: name that certificate in "
    "influx.certificate_authority if it is yours, or put one of a known authority on the server",
    "certificate_name": "its certificate is made out to another name: write the name that the "
    "certificate has in influx.url",
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_is_not_good_is_named(tmp_path: Path, name: str) -> None:
    """Each mistake has its own sentence, and the points stay."""
    authority = Authority(tmp_path)
    begins = {"certificate_expired": "-9d", "certificate_not_yet": "+9d"}.get(name, "+0d")
    subject = "DNS:other.example" if name == "certificate_name" else "IP:127.0.0.1"
    certificate, key = authority.sign("influx", subject, days=1, begins=begins)
    if name == "certificate_self_signed":
        certificate, key = authority.path, tmp_path / "authority.key"
    known = None if name in ("certificate_untrusted", "certificate_self_signed") else authority.path
    with serve_tls(tmp_path, certificate, key) as url, outlet_to(url, authority=known) as outlet:
        receipt = outlet.send(LINES)
    assert tell(receipt) == f"{url}: {CERTIFICATES[name]}"
    assert receipt.problem is not None
    assert receipt.problem.reason is PushReason(name)
    assert (receipt.accepted, receipt.rejected) == (0, 0)


def test_an_authority_of_the_towns_own_is_trusted(tmp_path: Path) -> None:
    """With influx.certificate_authority its certificate is as good as any."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("influx")
    with (
        serve_tls(tmp_path, certificate, key) as url,
        outlet_to(url, authority=authority.path) as outlet,
    ):
        assert outlet.send(LINES) == Receipt(accepted=100, rejected=0)


def test_a_certificate_that_signs_itself_is_trusted_where_it_is_named(tmp_path: Path) -> None:
    """As a town's own server has it: the same file on both sides."""
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    made = ("req", "-x509", "-nodes", "-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-newkey", "rsa:2048", "-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", *made, *files], check=True, capture_output=True)
    with serve_tls(tmp_path, certificate, key) as url:
        with outlet_to(url) as outlet:
            problem = outlet.send(LINES).problem
            assert problem is not None
            assert problem.reason is PushReason.CERTIFICATE_SELF_SIGNED
        with outlet_to(url, authority=certificate) as outlet:
            assert outlet.send(LINES) == Receipt(accepted=100, rejected=0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), ("no certificate\n", "no certificate in PEM")],
)
def test_an_authority_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    """The file, and what it must hold; nobody is asked."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="ascii")
    with (
        InfluxServer(lambda _: TAKEN) as server,
        outlet_to(server.url, authority=path) as outlet,
    ):
        assert tell(outlet.send(LINES)) == (
            f"{path}: the certificate authority cannot be read ({problem}): name a PEM file that "
            "the agent's user can read in influx.certificate_authority"
        )
    assert server.sizes == []


def test_plain_http_on_the_other_side_of_https_is_named() -> None:
    """The scheme of the address is wrong."""
    with (
        StreamServer(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        outlet_to(f"https://127.0.0.1:{server.port}") as outlet,
    ):
        assert tell(outlet.send(LINES)) == (
            f"https://127.0.0.1:{server.port}: it does not speak TLS as we do: "
            "is it http:// rather than https:// in influx.url?"
        )


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "ftp://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:9/?org=ville",
        "http://127.0.0.1:9/#write",
    ],
)
def test_an_address_that_cannot_be_is_a_problem_and_no_crash(url: str) -> None:
    """Whatever stands in influx.url."""
    with outlet_to(url) as outlet:
        receipt = outlet.send(LINES)
    assert tell(receipt).startswith(f"{url}: that is no address of a server (")
    assert tell(receipt).endswith("): write it as https://HOST:8086 in influx.url")
    assert receipt.problem is not None
    assert receipt.problem.reason is PushReason.URL


def test_an_address_with_a_path_is_kept() -> None:
    """Behind a reverse proxy, or wrong: then the server's 404 says so."""
    with InfluxServer(lambda _: TAKEN) as server, outlet_to(f"{server.url}/influx/") as outlet:
        assert outlet.send(LINES).accepted == 100
    assert server.paths == ["/influx/api/v2/write?org=ville&bucket=netwatch&precision=ns"]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (answer("404 Not Found", "404 page not found", kind="text/plain"), "404"),
        (answer("405 Method Not Allowed"), "405"),
        (answer("400 Bad Request", "unsupported path requested"), "400"),
        (answer("200 OK", "<html>", kind="text/html"), "200"),
    ],
)
def test_a_path_under_which_nothing_takes_points_is_named(said: bytes, status: str) -> None:
    """The address of the server's own page, or of its write API, was copied: it says what to write."""
    with (
        InfluxServer(lambda _: said) as server,
        outlet_to(f"{server.url}/orgs/0a1b") as outlet,
    ):
        assert tell(outlet.send(LINES)).startswith(
            f"{server.url}/orgs/0a1b: nothing takes points under the path /orgs/0a1b ({status}): "
            "write the server's address without it in influx.url, or the path under which a proxy "
            "passes /api/v2/write on"
        )


def test_a_bucket_that_is_missing_behind_a_path_is_no_fault_of_the_path() -> None:
    """The server has understood what was wanted."""
    said = answer("404 Not Found", '{"message":"bucket \\"netwatch\\" not found"}')
    with InfluxServer(lambda _: said) as server, outlet_to(f"{server.url}/influx") as outlet:
        problem = outlet.send(LINES).problem
    assert problem is not None
    assert problem.reason is PushReason.NO_BUCKET


def test_a_token_that_was_mended_is_read_again_without_a_restart() -> None:
    """After a refusal the next sending has the new one."""
    tokens = iter(["old", "new"])

    def decide(_: list[str]) -> bytes:
        return TAKEN if server.tokens == {"Token old", "Token new"} else answer("401 No")

    server = InfluxServer(decide)
    connection = InfluxConnection(
        url=server.url,
        org="ville",
        bucket="netwatch",
        read_token=lambda: next(tokens),
        timeouts_ms=(300, 400),
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
    )
    outlet = InfluxOutlet(connection, url=server.url, org="ville", bucket="netwatch")
    with server:
        assert [outlet.send(LINES).accepted for _ in range(2)] == [0, 100]
        outlet.close()


@pytest.mark.parametrize("keeps_the_good", [True, False])
def test_influxdb_3_names_the_bad_lines_and_every_good_one_is_accepted(
    *, keeps_the_good: bool
) -> None:
    """Its answer to a partial write, whether it has kept the others or only says so."""
    bad = {LINES[7], LINES[60]}
    kept: set[str] = set()

    def decide(lines: list[str]) -> bytes:
        wrong = [number for number, line in enumerate(lines, 1) if line in bad]
        if not wrong or keeps_the_good:
            kept.update(set(lines) - bad)
        if not wrong:
            return TAKEN
        errors = ",".join(
            f'{{"error_message":"invalid column type","line_number":{number},"original_line":"m"}}'
            for number in wrong
        )
        return answer(
            "400 Bad Request",
            f'{{"error":"partial write of line protocol occurred","data":[{errors}]}}',
        )

    with InfluxServer(decide) as server:
        receipt = send(server, LINES)
    assert (receipt.accepted, receipt.rejected) == (98, 2)
    assert kept == set(LINES) - bad


def test_the_client_is_imported_by_the_first_sending_alone() -> None:
    """An agent without a push, or with nothing sent yet, does not pay its 30 MB."""
    program = (
        "import sys, netwatch.agent.push, netwatch.agent.push_parts\n"
        "print([name for name in ('influxdb_client', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
