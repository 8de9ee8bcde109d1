"""The speedtest engine: the real speedtest-cli against a server of its legacy protocol."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import msgspec
import pytest

from netwatch.bandwidth.base import (
    REASONS,
    Counterpart,
    DirectionFinding,
    EngineFinding,
    Job,
    Plan,
    Progress,
)
from netwatch.bandwidth.speedtest import SpeedtestEngine
from tests.adapters.hostile import FullListener, StreamServer, free_port
from tests.adapters.speedtest_server import SpeedtestServer, drop, read_body, say

pytestmark = pytest.mark.timeout(60)

SHORT = Plan(streams=2, warm_up_ms=100, measure_ms=400, grace_ms=2_000)
DOWN = msgspec.structs.replace(SHORT, directions=("down",))
UP = msgspec.structs.replace(SHORT, directions=("up",))
#: speedtest-cli takes 175 MB by itself for a fast line; given back, uploads keep it below.
CHILD_LIMIT_BYTES = 120_000_000
CHILD = """
import sys
import netwatch.bandwidth.speedtest as engine
if len(sys.argv) > 1:
    engine.SpeedtestEngine.__init__.__kwdefaults__["memory_bytes"] = int(sys.argv[1])
from netwatch.bandwidth.child import main
main()
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


def measure(url: str | None, plan: Plan, **options: object) -> EngineFinding:
    counterpart = Counterpart(engine="speedtest", url=url)
    return SpeedtestEngine(counterpart, **options).measure(plan, lambda _: None)  # type: ignore[arg-type]  # of the engine


def measure_one(url: str | None, plan: Plan = DOWN, **options: object) -> DirectionFinding:
    (found,) = measure(url, plan, **options).directions
    assert (found.bytes_per_second is None) is (found.reason is not None)
    assert found.reason is None or found.reason in REASONS
    return found


def run_child(url: str, *arguments: str) -> tuple[EngineFinding, int]:
    """In a process of its own: the finding, and the most that it had resident in bytes."""
    counterpart = Counterpart(engine="speedtest", url=url)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        input=msgspec.json.encode(Job(counterpart=counterpart, plan=SHORT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    *_, finding, most = done.stdout.splitlines()
    return msgspec.json.decode(finding, type=EngineFinding), int(most) * 1_024


def test_a_mini_server_gives_both_directions_without_asking_speedtest_net() -> None:
    """The library's constructor would ask for a configuration even so."""
    told: list[Progress] = []
    with SpeedtestServer() as server:
        counterpart = Counterpart(engine="speedtest", url=server.url)
        finding = SpeedtestEngine(counterpart).measure(SHORT, told.append)
    assert finding.engine == "speedtest"
    assert finding.server == f"{server.url}/speedtest/upload.php"
    for found in finding.directions:
        assert found.reason is None, found.detail
        assert found.bytes_per_second
        assert found.streams == 2
        assert found.moved_bytes > 1_000_000
        assert found.loaded_from_ms is not None
        assert found.loaded_to_ms is not None
        assert found.loaded_from_ms < found.loaded_to_ms
    assert {line.phase for line in told} == {"measure"}
    assert not [path for path in server.asked if "config" in path or "servers" in path]


def test_the_nearest_of_speedtest_net_s_list_is_taken() -> None:
    with SpeedtestServer() as server:
        finding = measure(None, SHORT, service_url=server.url)
    assert finding.server == f"lab:{server.port}"
    assert [found.reason for found in finding.directions] == [None, None]
    assert server.asked[:3] == [
        "/speedtest-config.php",
        "/speedtest-servers-static.php",
        "/speedtest/latency.txt",
    ]


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speedtest", None)
    found = measure_one("http://127.0.0.1:9")
    assert found.reason == "no_program"
    assert found.detail == (
        "speedtest-cli is not installed; pip install 'netwatch[speedtest]' does it"
    )


@pytest.mark.parametrize("plan", [DOWN, UP], ids=["down", "up"])
def test_a_budget_cuts_it_off_in_the_middle(plan: Plan) -> None:
    """No new request is begun, and those under way stop at their next piece."""
    plan = msgspec.structs.replace(plan, measure_ms=3_000, budget_bytes=2_000_000)
    with SpeedtestServer() as server:
        found = measure_one(server.url, plan)
    assert found.reason == "budget"
    assert found.detail == "the 2000000 bytes allowed were used up"
    assert found.moved_bytes < 2_100_000


def test_memory_is_given_back_and_bounded() -> None:
    with SpeedtestServer() as server:
        finding, most_bytes = run_child(server.url)
    assert [found.reason for found in finding.directions] == [None, None]
    assert most_bytes <= CHILD_LIMIT_BYTES


def test_too_little_memory_is_its_own_reason() -> None:
    with SpeedtestServer() as server:
        finding, _ = run_child(server.url, "2000000")
    assert {found.reason for found in finding.directions} <= {"memory"}


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        read_body(request)
        request.send_response(code)
        if 300 <= code < 400:
            # Another name for this machine: as good as another site.
            request.send_header("Location", f"http://localhost:{request.server.server_address[1]}/")  # type: ignore[attr-defined]  # a handler's server
        request.end_headers()

    return answer


def page(request: BaseHTTPRequestHandler) -> None:
    say(request, b"<html>please log in</html>" * 2_000, "text/html")


def short(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "9000000")
    request.end_headers()
    request.wfile.write(bytes(50_000))


def stall(request: BaseHTTPRequestHandler) -> None:
    short(request)
    request.rfile.read(1)


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b" " * 65_536)


def text(body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda request: say(request, body, "text/xml")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(403), "refused"),
        (status(404), "refused"),
        (status(503), "no_capacity"),
        (status(302), "login_page"),
        (page, "login_page"),
        (short, "closed_early"),
        (drop, "closed_early"),
        (stall, "stalled"),
    ],
)
def test_a_download_that_goes_wrong_has_its_reason(
    answer: Callable[[BaseHTTPRequestHandler], None], reason: str
) -> None:
    with SpeedtestServer({".jpg": answer}) as server:
        found = measure_one(server.url, stall_ms=300)
    assert found.reason == reason, found.detail
    assert found.detail


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(status(403), "refused"), (status(503), "no_capacity"), (drop, "closed_early")],
)
def test_an_upload_that_goes_wrong_has_its_reason(
    answer: Callable[[BaseHTTPRequestHandler], None], reason: str
) -> None:
    with SpeedtestServer({"upload.php": answer}) as server:
        found = measure_one(server.url, UP, stall_ms=300)
    assert found.reason == reason, found.detail


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(403), "refused"),
        (text(b"<html>"), "answer_invalid"),
        (text(b"<settings/>"), "answer_invalid"),
        (text(b"\x1f\x8b nonsense"), "answer_invalid"),
        (endless, "answer_invalid"),
        (drop, "closed_early"),
    ],
)
def test_a_directory_that_goes_wrong_has_its_reason(
    answer: Callable[[BaseHTTPRequestHandler], None], reason: str
) -> None:
    with SpeedtestServer({"speedtest-config.php": answer}) as server:
        found = measure_one(None, service_url=server.url)
    assert found.reason == reason, found.detail


def test_a_directory_without_servers_has_no_capacity() -> None:
    empty = text(b"<settings><servers/></settings>")
    with SpeedtestServer({"servers-static.php": empty}) as server:
        found = measure_one(None, service_url=server.url)
    assert (found.reason, found.detail) == ("no_capacity", "no server of speedtest.net answers")


def test_a_port_that_is_closed_or_drops_is_told_apart() -> None:
    port = free_port()
    found = measure_one(f"http://127.0.0.1:{port}")
    assert found.reason == "unreachable"
    assert found.detail == "no connection to 127.0.0.1: Connection refused"
    with FullListener() as full:
        found = measure_one(f"http://127.0.0.1:{full.port}", stall_ms=200)
    assert found.reason == "stalled"


def test_a_server_that_drips_is_left_behind_at_the_deadline() -> None:
    """A header that comes by the byte keeps the library waiting for as long as it lasts."""

    def drip(stream: socket.socket) -> None:
        while True:
            stream.sendall(b"a")
            time.sleep(0.02)

    plan = msgspec.structs.replace(DOWN, grace_ms=500)
    with StreamServer(drip) as server:
        found = measure_one(f"http://127.0.0.1:{server.port}", plan)
    assert found.reason == "timeout"
    assert found.detail == "speedtest-cli was not over when it had to be"
