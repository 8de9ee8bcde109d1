"""Host facts read from a real kernel, in a namespace whose cable, address and route are taken."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.probes.host import HostProbe, read_carrier, read_gateway, read_host_facts
from netwatch.probes.host_tables import (
    has_global_ipv6,
    parse_ipv4_default,
    parse_ipv6_default,
    parse_port_speed,
)
from netwatch.records import HostFacts
from tests.adapters.servers import ip, namespace

#: Reads whenever it is told to, and keeps what it remembers in between.
_PROGRAM = """
import sys, msgspec
from netwatch.probes.host import HostProbe, read_gateway
probe = HostProbe()
for _ in sys.stdin:
    answer = [probe.read(), read_gateway()]
    print(msgspec.json.encode(answer).decode(), flush=True)
"""


class Inside:
    """A `HostProbe` in a namespace with its own /sys, asked line by line."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process

    def ask(self) -> tuple[HostFacts, list[str | None]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        return msgspec.json.decode(line, type=tuple[HostFacts, list[str | None]])

    def facts(self) -> HostFacts:
        return self.ask()[0]

    def ip(self, command: str) -> None:
        ip("-n", self.name, *command.split())


@contextlib.contextmanager
def inside(name: str, *commands: str) -> Iterator[Inside]:
    with namespace(name, *commands) as full_name:
        process = subprocess.Popen(
            ["ip", "netns", "exec", full_name, sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            yield Inside(full_name, process)


CABLE = (
    "link set lo up",
    "link add wan0 type veth peer name box0",
    "link set wan0 up",
    "link set box0 up",
    "address add 10.9.1.2/24 dev wan0",
    "route add default via 10.9.1.1",
)


@pytest.mark.lab
def test_a_machine_with_cable_address_and_route_has_no_fault() -> None:
    with inside("h1", *CABLE) as here:
        facts, gateways = here.ask()
    assert facts == HostFacts(
        interface="wan0",
        carrier=True,
        address=True,
        default_route=True,
        port_speed_mbit=10_000,  # what a veth pair says of itself
    )
    assert gateways == ["10.9.1.1", None]
    assert facts.fault is None


@pytest.mark.lab
def test_each_thing_taken_is_named_and_comes_back() -> None:
    """Carrier, then address, then route, each from the kernel at once."""
    with inside("h2", *CABLE) as here:
        assert here.facts().fault is None
        here.ip("link set box0 down")
        assert (here.facts().interface, here.facts().fault) == ("wan0", "carrier")
        assert here.facts().port_speed_mbit is None
        here.ip("link set box0 up")
        assert here.facts().fault is None
        here.ip("address flush dev wan0")
        gone = here.facts()
        assert (gone.carrier, gone.address, gone.default_route) == (True, False, False)
        assert gone.fault == "address"
        here.ip("address add 10.9.1.2/24 dev wan0")
        assert here.facts().fault == "default_route"
        here.ip("route add default via 10.9.1.1")
        assert here.facts().fault is None


@pytest.mark.lab
def test_the_carrier_is_told_though_the_route_went_with_it() -> None:
    """Network managers take the route when the cable goes: the interface is remembered."""
    with inside("h3", *CABLE) as here:
        assert here.facts().fault is None
        here.ip("route del default")
        here.ip("link set box0 down")
        facts = here.facts()
        assert (facts.interface, facts.carrier, facts.default_route) == ("wan0", False, False)
        here.ip("link set wan0 down")  # reading the carrier then gives EINVAL
        assert here.facts().fault == "carrier"
        here.ip("link del wan0")  # a USB adapter that is pulled out
        assert here.facts().fault == "carrier"


@pytest.mark.lab
def test_ipv6_alone_is_a_way_out() -> None:
    with inside("h4", *CABLE[:4]) as here:
        here.ip("address add 2001:db8::2/64 dev wan0 nodad")
        here.ip("route add default via fe80::1 dev wan0")
        facts, gateways = here.ask()
        assert (facts.interface, facts.fault) == ("wan0", None)
        assert gateways == [None, "fe80::1%wan0"]
        here.ip("address del 2001:db8::2/64 dev wan0")
        assert here.facts().fault == "address"


@pytest.mark.lab
def test_a_link_local_address_is_none_to_go_out_with() -> None:
    """What a machine gives itself when DHCP is silent (RFC 3927)."""
    with inside("h5", *CABLE[:4]) as here:
        here.ip("address add 169.254.7.7/16 dev wan0")
        here.ip("route add default dev wan0")
        assert here.facts().fault == "address"


@pytest.mark.lab
def test_without_any_interface_the_facts_are_absent_and_the_route_is_missed() -> None:
    with inside("h6", "link set lo up") as here:
        facts = here.facts()
    assert facts == HostFacts(interface=None, carrier=None, address=None, default_route=False)
    assert facts.fault == "default_route"


# --- a machine made of files --------------------------------------------------------------


def test_before_there_is_a_route_the_first_wired_port_is_told(tmp_path: Path) -> None:
    """An agent that starts with its cable out says so."""
    for name, parts in (("lo", []), ("wlan7", ["device", "wireless"]), ("nwt0", ["device"])):
        for part in ("", *parts):
            (tmp_path / "sys/class/net" / name / part).mkdir(parents=True)
    (tmp_path / "sys/class/net/nwt0/carrier").write_text("0\n", encoding="ascii")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/route").write_text("Iface\tDestination\n", encoding="ascii")
    facts = read_host_facts(str(tmp_path / "sys"), str(tmp_path / "proc"))
    assert (facts.interface, facts.fault) == ("nwt0", "carrier")


def test_what_cannot_be_read_is_absent_and_no_fault(tmp_path: Path) -> None:
    nowhere = str(tmp_path)
    facts = read_host_facts(nowhere, nowhere)
    assert facts == HostFacts(interface=None, carrier=None, address=None, default_route=None)
    assert facts.fault is None
    assert read_gateway(nowhere) == (None, None)
    assert read_carrier("lo", nowhere) is None


def test_the_speed_of_the_port_is_read_once_a_minute(tmp_path: Path) -> None:
    port = tmp_path / "class/net/nwt0"
    port.mkdir(parents=True)
    (port / "carrier").write_text("1\n", encoding="ascii")
    (port / "speed").write_text("100\n", encoding="ascii")
    now_ns = [0]
    probe = HostProbe(
        sys_root=str(tmp_path),
        proc_root=str(tmp_path),
        last_interface="nwt0",
        read_address=lambda _: "192.0.2.1",
        monotonic_ns=lambda: now_ns[0],
    )
    assert probe.read().port_speed_mbit == 100
    (port / "speed").write_text("1000\n", encoding="ascii")
    now_ns[0] = 59_000_000_000
    assert probe.read().port_speed_mbit == 100
    now_ns[0] = 60_000_000_000
    assert probe.read().port_speed_mbit == 1_000


@given(st.text(), st.text(max_size=8))
def test_no_text_makes_a_table_raise(text: str, word: str) -> None:
    for table in (text, f"eth0 00000000 {word} {word} 0 0 {word} 00000000 0 0 0"):
        parse_ipv4_default(table)
        parse_port_speed(table)
    zero = "0" * 32
    parse_ipv6_default(f"{zero} 00 {zero} 00 {word} {word} 1 1 {word} eth0\n{text}")
    has_global_ipv6(f"{zero} 02 40 00 {word} eth0\n{text}", "eth0")


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["0001", "0003", "0000", "0201"]))))
def test_the_usable_default_route_of_lowest_metric_is_the_way_out(
    routes: list[tuple[int, str]],
) -> None:
    lines = [
        f"if{number} 00000000 010200C0 {flags} 0 0 {metric} 00000000 0 0 0"
        for number, (metric, flags) in enumerate(routes)
    ]
    usable = [
        (metric, number)
        for number, (metric, flags) in enumerate(routes)
        if flags in ("0001", "0003")
    ]
    found = parse_ipv4_default("\n".join(lines))
    assert (found and found.interface) == (f"if{min(usable)[1]}" if usable else None)
