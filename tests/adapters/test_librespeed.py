"""The librespeed engine against sound servers: nginx, and a backend written for the tests."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.bandwidth_child import build_command
from netwatch.bandwidth.base import Counterpart, EngineFinding, Job, Plan, Progress
from netwatch.bandwidth.librespeed import LibrespeedEngine
from tests.adapters.hostile import free_port
from tests.adapters.librespeed_server import LibrespeedServer
from tests.adapters.servers import Authority, nginx

pytestmark = pytest.mark.timeout(60)

PLAN = Plan(streams=2, warm_up_ms=200, measure_ms=1_200, grace_ms=4_000)
ROOT = Path(__file__).parents[2]


def measure(
    url: str, plan: Plan = PLAN, *, upload_url: str | None = None, authority: Path | None = None
) -> EngineFinding:
    counterpart = Counterpart(
        engine="librespeed",
        url=url,
        upload_url=upload_url,
        certificate_authority=None if authority is None else str(authority),
    )
    return LibrespeedEngine(counterpart).measure(plan, lambda _: None)


def hold_both(finding: EngineFinding) -> None:
    assert [each.reason for each in finding.directions] == [None, None], finding
    for each in finding.directions:
        assert each.bytes_per_second is not None
        assert each.bytes_per_second > 100_000


class Web:
    """nginx with files and a place to upload to, over TCP and TLS."""

    def __init__(self, port: int, tls_port: int, authority: Path) -> None:
        self.port, self.tls_port, self.authority = port, tls_port, authority
        self.url = f"http://127.0.0.1:{port}"
        self.tls_url = f"https://127.0.0.1:{tls_port}"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    port, tls_port = free_port(), free_port()
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server", "IP:127.0.0.1")
    for name, mebibytes in (("large.bin", 64), ("small.bin", 3)):
        (tmp_path / name).write_bytes(os.urandom(2**20) * mebibytes)
    (tmp_path / "page.html").write_text("<html>")
    server = f"""
        listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {key};
        root {tmp_path}; sendfile on; keepalive_requests 100000;
        types {{ application/octet-stream bin; text/html html; }}
        location = /sink {{ client_max_body_size 64m; return 200; }}
        location = /narrow {{ client_max_body_size 2m; return 200; }}
        location = /brief {{ client_max_body_size 64m; keepalive_timeout 0; return 200; }}
        location = /brief.bin {{ alias {tmp_path}/large.bin; keepalive_timeout 0; }}
        location = /there.bin {{ return 302 /large.bin; }}
        location = /elsewhere.bin {{ return 302 http://192.0.2.1/login; }}
    """
    with nginx(tmp_path, port, server):
        yield Web(port, tls_port, authority.path)


@pytest.mark.parametrize("file", ["large.bin", "small.bin", "brief.bin", "there.bin"])
def test_any_large_file_and_a_place_to_upload_to(web: Web, file: str) -> None:
    """Ended and asked for again, on the same connection or another, redirected on the host."""
    hold_both(measure(f"{web.url}/{file}", upload_url=f"{web.url}/sink"))


def test_a_file_that_is_redirected_elsewhere_is_a_log_in_page(web: Web) -> None:
    finding = measure(f"{web.url}/elsewhere.bin", upload_url=f"{web.url}/sink")
    assert {each.reason for each in finding.directions} == {"login_page"}
    assert finding.directions[0].detail == ("127.0.0.1 sends elsewhere: http://192.0.2.1/login")


@pytest.mark.parametrize("place", ["narrow", "brief"])
def test_uploads_to_a_server_that_wants_small_bodies_or_closes_after_each(
    web: Web, place: str
) -> None:
    hold_both(measure(f"{web.url}/large.bin", upload_url=f"{web.url}/{place}"))


def test_a_page_in_place_of_the_file_is_a_log_in_page_and_the_upload_is_tried(web: Web) -> None:
    down, up = measure(f"{web.url}/page.html", upload_url=f"{web.url}/sink").directions
    assert down.reason == "login_page"
    assert up.reason is None


def test_a_missing_file_is_refused(web: Web) -> None:
    down, _ = measure(f"{web.url}/none.bin", upload_url=f"{web.url}/sink").directions
    assert (down.reason, down.detail) == ("refused", "127.0.0.1 answered HTTP 404")


def test_over_tls_with_the_certificate_verified(web: Web) -> None:
    """Both directions, bytes of TLS itself left out."""
    hold_both(
        measure(
            f"{web.tls_url}/large.bin",
            upload_url=f"{web.tls_url}/sink",
            authority=web.authority,
        )
    )


def test_a_certificate_that_nobody_here_trusts_is_no_test(web: Web) -> None:
    finding = measure(f"{web.tls_url}/large.bin", upload_url=f"{web.tls_url}/sink")
    assert [each.reason for each in finding.directions] == ["tls", "tls"]
    assert finding.directions[0].detail == (
        "127.0.0.1: certificate: unable to get local issuer certificate"
    )


def test_tls_asked_of_a_port_without_it_is_no_test(web: Web) -> None:
    finding = measure(f"https://127.0.0.1:{web.port}/large.bin", upload_url=f"{web.url}/sink")
    assert finding.directions[0].reason == "tls"


@pytest.mark.parametrize(
    ("prefix", "suffix", "base"),
    [
        ("/backend/", ".php", "/backend"),
        ("/backend/", ".php", "/backend/"),
        ("/backend/", ".php", ""),
        ("/speed/", "", "/speed"),
        ("/", ".php", "/"),
        ("/x/backend/", "", "/x"),
    ],
)
def test_a_backend_is_found_by_its_base(prefix: str, suffix: str, base: str) -> None:
    """With LibreSpeed's names or without the extension, in the base or in /backend below it."""
    with LibrespeedServer(prefix, suffix) as server:
        hold_both(measure(f"http://127.0.0.1:{server.port}{base}"))


def test_a_backend_that_closes_after_each_answer() -> None:
    with LibrespeedServer(keep_alive=False) as server:
        hold_both(measure(f"http://127.0.0.1:{server.port}/backend"))


def test_uploaded_bytes_are_those_that_the_server_received() -> None:
    """Acknowledged, not handed over: never more than arrived, and nearly all of it."""
    with LibrespeedServer() as server:
        plan = msgspec.structs.replace(PLAN, directions=("up",))
        (up,) = measure(f"http://127.0.0.1:{server.port}/backend", plan).directions
    assert server.received_bytes * 0.9 < up.moved_bytes < server.received_bytes + 20_000_000


def test_requests_ask_for_something_new_each_time() -> None:
    """Against caches: no two targets alike."""
    with LibrespeedServer() as server:
        hold_both(measure(f"http://127.0.0.1:{server.port}/backend"))
        assert len(server.requests) > 10
        assert len(set(server.requests)) == len(server.requests)


def test_responsiveness_is_told_after_a_test_long_enough() -> None:
    with LibrespeedServer() as server:
        plan = msgspec.structs.replace(PLAN, directions=("down",), measure_ms=4_000)
        finding = measure(f"http://127.0.0.1:{server.port}/backend", plan)
    assert finding.responsiveness_rpm is not None
    assert finding.responsiveness_rpm > 60


def test_nothing_is_left_of_the_budget_for_the_second_direction() -> None:
    with LibrespeedServer() as server:
        plan = msgspec.structs.replace(PLAN, budget_bytes=5_000_000)
        down, up = measure(f"http://127.0.0.1:{server.port}/backend", plan).directions
    assert (down.reason, up.reason) == ("budget", "budget")
    assert (up.detail, up.moved_bytes) == ("no bytes are left for this direction", 0)


@pytest.mark.parametrize("url", ["ftp://192.0.2.1/", "http://", "speed.example", "", None])
def test_what_is_no_url_is_named(url: str | None) -> None:
    finding = LibrespeedEngine(Counterpart(engine="librespeed", url=url)).measure(
        PLAN, lambda _: None
    )
    assert [each.reason for each in finding.directions] == ["name", "name"]
    assert finding.directions[0].detail == f"{url!r} is not an http or https URL"


def run_child(job: Job) -> tuple[list[Progress], EngineFinding, int]:
    """The test process as the agent starts it: (progress, finding, peak resident KiB)."""
    site = Path(str(msgspec.__file__)).parents[1]
    child = subprocess.Popen(
        build_command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{site}"},
    )
    peak = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.05):
            for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        with child:
            assert child.stdin is not None
            assert child.stdout is not None
            with child.stdin:
                child.stdin.write(msgspec.json.encode(job))
            lines = child.stdout.read().splitlines()
            stop.set()
            thread.join()
    finally:
        stop.set()
    *progress, finding = [msgspec.json.decode(one, type=Progress | EngineFinding) for one in lines]
    assert child.returncode == 0
    assert isinstance(finding, EngineFinding)
    return [each for each in progress if isinstance(each, Progress)], finding, peak


def test_the_child_says_one_line_after_another_and_stays_small() -> None:
    """At whatever loopback carries: 30 MiB at most, and only JSON on its output."""
    with LibrespeedServer() as server:
        url = f"http://127.0.0.1:{server.port}/backend"
        job = Job(counterpart=Counterpart(engine="librespeed", url=url), plan=PLAN)
        progress, finding, peak_kib = run_child(job)
    hold_both(finding)
    assert [line.direction for line in progress] == sorted(line.direction for line in progress)
    assert {line.phase for line in progress} <= {"connect", "warm_up", "measure"}
    assert 0 < peak_kib <= 30 * 1_024
    assert json.loads(msgspec.json.encode(finding))["type"] == "finding"
