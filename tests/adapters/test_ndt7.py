"""The ndt7 engine against a server that speaks the protocol as v0.11 describes it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from netwatch.bandwidth.base import Counterpart, EngineFinding, Job, Plan, Progress
from netwatch.bandwidth.ndt7 import Ndt7Engine
from netwatch.bandwidth.ndt7_locate import parse_located
from tests.adapters.ndt7_server import Upload, answer_locate, answer_ndt7, build_context, serve
from tests.adapters.servers import Authority

pytestmark = pytest.mark.timeout(60)

SHORT = Plan(warm_up_ms=100, measure_ms=400, grace_ms=3_000)
#: What the bandwidth child may have resident, whatever the rate.
CHILD_LIMIT_BYTES = 30_000_000
#: The test process, and then its most resident memory in KiB.
CHILD = """
from netwatch.bandwidth.child import main
main()
status = open("/proc/self/status").read()
print(status.split("VmHWM:")[1].split()[0])
"""


def measure(url: str | None, plan: Plan = SHORT, **options: object) -> EngineFinding:
    counterpart = Counterpart(engine="ndt7", url=url)
    return Ndt7Engine(counterpart, **options).measure(plan, lambda _: None)  # type: ignore[arg-type]  # of the engine


def test_both_directions_have_a_rate_and_say_when_they_loaded_the_line() -> None:
    """Download by our count, upload by the server's; the measured stretch lies within the test."""
    told: list[Progress] = []
    with serve(answer_ndt7()) as server:
        url = f"ws://127.0.0.1:{server.port}"
        finding = Ndt7Engine(Counterpart(engine="ndt7", url=url)).measure(SHORT, told.append)
    assert finding.engine == "ndt7"
    assert finding.server == f"127.0.0.1:{server.port}"
    assert [direction.direction for direction in finding.directions] == ["down", "up"]
    for direction in finding.directions:
        assert direction.reason is None, direction.detail
        assert direction.bytes_per_second
        assert direction.streams == 1
        assert direction.loaded_from_ms is not None
        assert direction.loaded_to_ms is not None
        loaded_ms = direction.loaded_to_ms - direction.loaded_from_ms
        assert 100 <= loaded_ms <= 450
        assert direction.moved_bytes * 1_000 >= direction.bytes_per_second * loaded_ms
    assert {progress.direction for progress in told} == {"down", "up"}
    assert all(progress.phase in ("warm_up", "measure") for progress in told)


def test_messages_grow_as_the_protocol_says_and_each_has_a_mask_of_its_own() -> None:
    """From 2^13, doubling, at most 2^20; no key twice; at the end a Close with status 1000."""
    upload = Upload()
    with serve(answer_ndt7(upload=upload)) as server:
        measure(f"ws://127.0.0.1:{server.port}", msgspec.structs.replace(SHORT, directions=("up",)))
    assert upload.reader is not None
    sizes, keys = upload.reader.sizes, upload.reader.keys
    assert sizes[0] == 2**13
    assert max(sizes) <= 2**20
    sent = 0
    for before, after in itertools.pairwise(sizes):
        sent += before
        assert after in (before, before * 2)
        assert after == before or before * 16 < sent
    assert len(set(keys)) == len(keys)
    assert upload.closed_with == b"\x03\xe8"


def test_the_request_names_subprotocol_client_and_version() -> None:
    requests: list[dict[str, str]] = []
    with serve(answer_ndt7(requests=requests)) as server:
        measure(
            f"ws://127.0.0.1:{server.port}/", msgspec.structs.replace(SHORT, directions=("up",))
        )
    (request,) = requests
    assert request["request"].startswith("GET /ndt/v7/upload?client_name=netwatch&client_version=")
    assert request["sec-websocket-protocol"] == "net.measurementlab.ndt.v7"
    assert request["user-agent"].startswith("netwatch/")


@pytest.mark.parametrize("application", [True, False])
def test_over_tls_with_the_town_s_own_authority(tmp_path: Path, application: bool) -> None:
    """Certificates are verified; TCPInfo alone is enough for an upload."""
    authority = Authority(tmp_path)
    context = build_context(*authority.sign("server"))
    with serve(answer_ndt7(upload=Upload(application=application), context=context)) as server:
        counterpart = Counterpart(
            engine="ndt7",
            url=f"wss://127.0.0.1:{server.port}",
            certificate_authority=str(authority.path),
        )
        finding = Ndt7Engine(counterpart).measure(SHORT, lambda _: None)
        unknown = measure(f"wss://127.0.0.1:{server.port}")
    assert [direction.reason for direction in finding.directions] == [None, None], finding
    assert [direction.reason for direction in unknown.directions] == ["tls", "tls"]
    assert unknown.directions[0].detail == (
        "127.0.0.1: certificate: unable to get local issuer certificate"
    )


def test_servers_come_from_the_locate_service_with_their_tokens() -> None:
    """The first that takes us is used for both directions; one that is gone is passed over."""
    asked: list[dict[str, str]] = []
    requests: list[dict[str, str]] = []
    with serve(answer_ndt7(requests=requests)) as server:
        bases = ["ws://127.0.0.1:9", f"ws://127.0.0.1:{server.port}"]
        with serve(answer_locate(bases, asked)) as locate:
            url = f"http://127.0.0.1:{locate.port}/v2/nearest/ndt/ndt7"
            finding = measure(None, locate_url=url)
    assert finding.server == "machine-1"
    assert [direction.reason for direction in finding.directions] == [None, None]
    assert len(asked) == 1
    assert asked[0]["user-agent"].startswith("netwatch/")
    assert [request["request"].split("&")[0] for request in requests] == [
        "GET /ndt/v7/download?access_token=t1",
        "GET /ndt/v7/upload?access_token=t1",
    ]
    assert "client_name=netwatch" in requests[0]["request"]


def test_no_more_than_four_servers_are_taken() -> None:
    urls = {f"wss:///ndt/v7/{way}": f"wss://h/{way}" for way in ("download", "upload")}
    body = msgspec.json.encode({"results": [{"machine": str(n), "urls": urls} for n in range(9)]})
    assert [server.name for server in parse_located(body)] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("direction", ["down", "up"])
def test_the_budget_is_kept_to_what_is_already_under_way(direction: str) -> None:
    """No more than a read or a write beyond the budget and the kernel's buffers."""
    plan = msgspec.structs.replace(SHORT, directions=(direction,), budget_bytes=2_000_000)
    with serve(answer_ndt7()) as server:
        (found,) = measure(f"ws://127.0.0.1:{server.port}", plan).directions
    assert found.reason == "budget"
    assert found.bytes_per_second is None
    assert found.detail == "the 2000000 bytes allowed were used up"
    assert found.moved_bytes < 40_000_000


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_the_test_process_stays_within_its_memory(tmp_path: Path, scheme: str) -> None:
    """At whatever rate loopback has, both directions: 30 MB."""
    authority = Authority(tmp_path)
    context = build_context(*authority.sign("server")) if scheme == "wss" else None
    with serve(answer_ndt7(context=context)) as server:
        counterpart = Counterpart(
            engine="ndt7",
            url=f"{scheme}://127.0.0.1:{server.port}",
            certificate_authority=str(authority.path),
        )
        job = msgspec.json.encode(Job(counterpart=counterpart, plan=SHORT))
        done = subprocess.run(
            [sys.executable, "-c", CHILD], input=job, stdout=subprocess.PIPE, check=True
        )
    *_, finding, most = done.stdout.splitlines()
    found = msgspec.json.decode(finding, type=EngineFinding)
    assert [direction.reason for direction in found.directions] == [None, None]
    assert int(most) * 1_024 <= CHILD_LIMIT_BYTES
