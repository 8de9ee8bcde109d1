"""Counters of the box and the town's lease: real servers where there are any, hostile ones too."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.agent.bandwidth_guard import OtherTraffic, is_line_busy, watch_traffic
from netwatch.agent.bandwidth_host import PortBytes
from netwatch.agent.bandwidth_lease import TownLease
from netwatch.agent.bandwidth_snmp import HC_IN, SnmpCounters, build_get, parse_response, split_ber
from netwatch.agent.bandwidth_upnp import UpnpCounters
from netwatch.clock import SystemClock
from netwatch.config.model import Bandwidth, LeaseSettings, SnmpSettings, UpnpSettings
from tests.adapters.serving import serving

_PATH = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


def find_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1_200):  # snmpd may look at its counters four times a minute
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


# -- SNMP


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnmpSettings]:
    """Debian's snmpd, with this machine's own loopback as interface 1."""
    folder = tmp_path_factory.mktemp("snmpd")
    port = find_port(socket.SOCK_DGRAM)
    (folder / "snmpd.conf").write_text(
        f"rocommunity town 127.0.0.1\nagentaddress udp:127.0.0.1:{port}\ninterface_fadeout 0\n",
        encoding="ascii",
    )
    (folder / "community").write_text("town\n", encoding="ascii")
    command = ["snmpd", "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-I", "-smux"]
    process = subprocess.Popen(
        command, env=_PATH, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    settings = SnmpSettings(
        address="127.0.0.1", interface=1, port=port, community_file=str(folder / "community")
    )
    try:
        wait_until(lambda: SnmpCounters(settings).read() is not None)
        yield settings
    finally:
        process.terminate()
        process.wait()


def test_a_real_agent_tells_its_64_bit_counters(snmpd: SnmpSettings) -> None:
    """What goes through the loopback is counted: a megabyte more is a megabyte more."""
    counters = SnmpCounters(snmpd)
    first = counters.read()
    assert first is not None
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        peer, _ = server.accept()
        with peer:
            sender = threading.Thread(target=client.sendall, args=(b"x" * 2_000_000,))
            sender.start()
            left = 2_000_000
            while left:
                left -= len(peer.recv(65_536))
            sender.join()

    def has_grown() -> bool:  # snmpd renews what it has read every few seconds
        last = counters.read()
        return last is not None and last.down - first.down >= 2_000_000

    wait_until(has_grown)


def test_a_wrong_community_or_interface_is_no_counter(snmpd: SnmpSettings) -> None:
    """No answer, or "no such instance": None, and no exception."""
    wrong = SnmpSettings(address="127.0.0.1", interface=4_711, port=snmpd.port,
                         community_file=snmpd.community_file)  # fmt: skip
    assert SnmpCounters(wrong).read() is None
    missing = SnmpSettings(
        address="127.0.0.1", interface=1, port=snmpd.port, community_file="/nonexistent"
    )
    assert SnmpCounters(missing).read() is None


@given(st.binary(max_size=200))
def test_an_answer_that_is_none_is_refused_and_nothing_else(datagram: bytes) -> None:
    """Whatever bytes come: a ValueError or a figure, never another error."""
    with contextlib.suppress(ValueError):
        parse_response(datagram, 1, [(*HC_IN, 1)])


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_question_with_one_byte_changed_is_never_taken_for_an_answer(
    place: int, value: int
) -> None:
    """Cut, bent or echoed: refused."""
    question = bytearray(build_get(b"public", 77, [(*HC_IN, 1)]))
    question[place % len(question)] = value
    with contextlib.suppress(ValueError):
        assert parse_response(bytes(question), 77, [(*HC_IN, 1)]) is None


def test_a_length_beyond_the_datagram_is_refused() -> None:
    for data in (b"\x30", b"\x30\x05\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80"):
        with pytest.raises(ValueError, match=r"cut short|that is none"):
            split_ber(data)


# -- UPnP


class FakeBox(http.server.BaseHTTPRequestHandler):
    """A stand-in for a box: answers as `answers` says for each action."""

    answers: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        action = self.headers["SOAPAction"].strip('"').rpartition("#")[2]
        self.rfile.read(int(self.headers["Content-Length"]))
        body = type(self).answers.get(action, b"")
        self.send_response(200 if body else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def box(answers: dict[str, bytes]) -> Iterator[UpnpCounters]:
    handler = type("Handler", (FakeBox,), {"answers": answers})
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        url = f"http://127.0.0.1:{port}/upnp/control/WANCommonIFC1"
        yield UpnpCounters(UpnpSettings(url=url))


def build_answer(name: str, value: str) -> bytes:
    return (
        f"<s:Envelope><s:Body><u:x><New{name}>{value}</New{name}></u:x></s:Body></s:Envelope>"
    ).encode()


def test_a_box_tells_what_it_received_and_sent() -> None:
    answers = {
        "GetTotalBytesReceived": build_answer("TotalBytesReceived", "123456789"),
        "GetTotalBytesSent": build_answer("TotalBytesSent", "4711"),
    }
    with box(answers) as counters:
        assert counters.read() == PortBytes(down=123_456_789, up=4_711)


@pytest.mark.parametrize(
    "received",
    [
        b"",  # an error
        build_answer("TotalBytesReceived", "-1"),
        build_answer("TotalBytesReceived", "1e9"),
        build_answer("TotalBytesReceived", "9" * 400),
        b"<html>please log in</html>",
        b"x" * 1_000_000 + build_answer("TotalBytesReceived", "5"),
    ],
)
def test_a_box_that_says_something_else_says_nothing(received: bytes) -> None:
    answers = {
        "GetTotalBytesReceived": received,
        "GetTotalBytesSent": build_answer("TotalBytesSent", "4711"),
    }
    with box(answers) as counters:
        assert counters.read() is None


def test_a_box_that_is_not_there_says_nothing() -> None:
    url = f"http://127.0.0.1:{find_port()}/control"
    assert UpnpCounters(UpnpSettings(url=url)).read() is None


# -- what follows from them


class FakeCounters:
    name = "snmp"
    look_ms = 10

    def __init__(self, *readings: PortBytes | None) -> None:
        self._readings = list(readings)

    def read(self) -> PortBytes | None:
        return self._readings.pop(0)


def test_what_cannot_be_seen_is_no_reason_against_a_test() -> None:
    """A box that answers once, never, or whose counter began anew: not known, not busy."""
    one = PortBytes(down=10**9, up=10**9)
    for pair in ((one, None), (None, one), (one, PortBytes(down=0, up=0))):
        seen = watch_traffic(FakeCounters(*pair), SystemClock())
        assert seen.rate is None
        assert not is_line_busy(seen, committed_down=1, committed_up=1, bandwidth=Bandwidth())


def test_either_direction_makes_a_line_busy() -> None:
    for rate in (PortBytes(down=200, up=0), PortBytes(down=0, up=200)):
        seen = OtherTraffic(counters="port", rate=rate)
        assert is_line_busy(seen, committed_down=1_000, committed_up=1_000, bandwidth=Bandwidth())
        assert not is_line_busy(
            seen, committed_down=10_000, committed_up=10_000, bandwidth=Bandwidth()
        )


# -- the lease


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The nginx of deploy/town-server has it: a folder in which folders may be made."""
    folder = tmp_path_factory.mktemp("town")
    (folder / "lease").mkdir()
    port = find_port()
    (folder / "nginx.conf").write_text(
        f"""
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1; user root;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /lease/ {{ root {folder}; dav_methods MKCOL DELETE; client_max_body_size 1; }}
  }}
}}
""",
        encoding="ascii",
    )
    process = subprocess.Popen(
        ["nginx", "-c", str(folder / "nginx.conf")], env=_PATH, stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_until(answers)
        yield f"http://127.0.0.1:{port}/lease"
    finally:
        process.terminate()
        process.wait()


def test_one_site_at_a_time_has_the_towns_server(town: str) -> None:
    """The second is refused while the first tests, and served as soon as it is over."""
    clock = SystemClock()
    first = TownLease(LeaseSettings(url=town), holder="ecole-a", clock=clock)
    second = TownLease(LeaseSettings(url=town), holder="ecole-b", clock=clock)
    with first.held() as ours:
        assert ours
        with second.held() as theirs:
            assert not theirs
    with second.held() as theirs:
        assert theirs


def test_of_many_sites_at_once_exactly_one_gets_it(town: str) -> None:
    """However they race: making a folder is the server's own atomic act."""
    clock, begin, got = SystemClock(), threading.Barrier(8), []
    over = threading.Barrier(8)

    def try_it(number: int) -> None:
        lease = TownLease(LeaseSettings(url=town), holder=f"ecole-{number}", clock=clock)
        begin.wait()
        with lease.held() as ours:
            got.append(ours)
            over.wait()

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count(True) == 1
    assert len(got) == 8


def test_a_server_that_is_away_keeps_nobody_from_testing() -> None:
    """That it is away is what the test is to find out."""
    lease = TownLease(
        LeaseSettings(url=f"http://127.0.0.1:{find_port()}/lease"), holder="a", clock=SystemClock()
    )
    with lease.held() as ours:
        assert ours
