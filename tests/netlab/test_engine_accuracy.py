"""What ndt7 and iperf3 say of a line whose rate is known: a veth shaped by tbf.

The truth is the shaped rate less headers: of each frame of 1514 bytes that the shaper
counts, 1448 are TCP's payload (Ethernet 14, IPv4 20, TCP 20, timestamps 12).
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest

from netwatch.bandwidth.base import Counterpart, Engine, EngineFinding, Plan
from netwatch.bandwidth.iperf3 import Iperf3Engine
from netwatch.bandwidth.ndt7 import Ndt7Engine
from tests.adapters.hostile import StreamServer
from tests.adapters.iperf3_server import iperf3_server
from tests.adapters.ndt7_server import answer_ndt7
from tests.netlab import namespaces

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(120)]

PLAN = Plan(streams=4, warm_up_ms=1_000, measure_ms=4_000)
SERVER = "192.0.2.1"
PAYLOAD_SHARE = Fraction(1_448, 1_514)
LOWEST, HIGHEST = Fraction(97, 100), Fraction(101, 100)


class Line:
    """Two namespaces and the shaped line between them; gone with the ``with`` block."""

    def __init__(self, near: str, far: str) -> None:
        self.near, self.far = near, far

    def shape(self, rate_bits: int) -> None:
        """The same rate both ways, with a queue of 50 ms."""
        for name in (self.near, self.far):
            rate = ("rate", f"{rate_bits}bit", "burst", "16kb", "latency", "50ms")
            namespaces.run(
                "tc", "-n", name, "qdisc", "replace", "dev", "line", "root", "tbf", *rate
            )


@contextlib.contextmanager
def build_line() -> Iterator[Line]:
    prefix = f"nwacc-{secrets.token_hex(3)}"
    line = Line(f"{prefix}-near", f"{prefix}-far")
    with contextlib.ExitStack() as undo:
        for name in (line.near, line.far):
            namespaces.add_namespace(name)
            undo.callback(namespaces.remove_namespace, name)
        namespaces.configure(
            line.near, [f"link add line type veth peer name line netns {line.far}"]
        )
        for name, address in ((line.near, "192.0.2.2"), (line.far, SERVER)):
            # Loss-based, as on the devices, and the one that every namespace may choose.
            namespaces.set_sysctls(name, {"ipv4/tcp_congestion_control": "reno"})
            namespaces.configure(
                name, [f"address add {address}/24 dev line", "link set line up", "link set lo up"]
            )
            namespaces.disable_offloads(name, "line")
        yield line


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with build_line() as built:
        yield built


Serve = Callable[[Line], contextlib.AbstractContextManager[Engine]]


@contextlib.contextmanager
def serve_ndt7(line: Line) -> Iterator[Engine]:
    server = namespaces.call_in(line.far, lambda: StreamServer(answer_ndt7(), SERVER))
    with server:
        yield Ndt7Engine(Counterpart(engine="ndt7", url=f"ws://{SERVER}:{server.port}"))


@contextlib.contextmanager
def serve_iperf3(line: Line) -> Iterator[Engine]:
    def popen(command: list[str], **options: object) -> object:
        return namespaces.popen(line.far, command, **options)

    with iperf3_server(5201, address=SERVER, popen=popen):  # type: ignore[arg-type]  # a Popen
        yield Iperf3Engine(Counterpart(engine="iperf3", host=SERVER, port=5201))


@pytest.mark.parametrize("rate_bits", [10_000_000, 100_000_000], ids=["10 Mbit/s", "100 Mbit/s"])
@pytest.mark.parametrize("serve", [serve_ndt7, serve_iperf3], ids=["ndt7", "iperf3"])
def test_the_rate_found_is_the_line_s(line: Line, serve: Serve, rate_bits: int) -> None:
    """Each direction within 0.97 and 1.01 of the truth."""
    line.shape(rate_bits)

    def measure() -> EngineFinding:
        with serve(line) as engine:
            return engine.measure(PLAN, lambda _: None)

    finding = namespaces.call_in(line.near, measure)
    assert [found.direction for found in finding.directions] == ["down", "up"]
    truth = Fraction(rate_bits, 8) * PAYLOAD_SHARE
    for found in finding.directions:
        assert found.reason is None, found.detail
        assert found.bytes_per_second is not None
        ratio = found.bytes_per_second / truth
        print(f"{finding.engine} {found.direction}: {float(ratio):.4f}")  # seen with -s
        assert LOWEST <= ratio <= HIGHEST, f"{found.direction}: {float(ratio):.4f}"
        assert found.moved_bytes <= truth * 6
