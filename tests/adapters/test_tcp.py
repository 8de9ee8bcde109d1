"""The TCP probe against real listeners, full queues and networks without a way."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import msgspec
import pytest

from netwatch.probes.connect import open_first, parse_endpoint
from netwatch.probes.deadline import Deadline
from netwatch.probes.tcp import TcpProbe, carries_traffic, connect_many
from netwatch.records import Check, Finding, Outcome, Role
from tests.adapters.hostile import FullListener, StreamServer, free_port
from tests.adapters.servers import dnsmasq, ip, namespace


def check(target: str, port: int, timeout_ms: int = 5_000) -> Check:
    return Check(
        id="t",
        kind="tcp",
        target=target,
        role=Role.SERVICE,
        every_ms=60_000,
        timeout_ms=timeout_ms,
        params={"port": port},
    )


def hang_up(_stream: socket.socket) -> None:
    """What a server does that only lets itself be connected to."""


def measure_in(name: str, *checks: Check) -> list[Finding]:
    """Findings of a TCP probe that lives in another network namespace."""
    program = (
        "import sys, msgspec; from netwatch.probes.tcp import TcpProbe; "
        "from netwatch.records import Check; probe = TcpProbe(); "
        "checks = msgspec.json.decode(sys.argv[1], type=list[Check]); "
        "print(msgspec.json.encode([probe.measure(check) for check in checks]).decode())"
    )
    done = subprocess.run(
        ["ip", "netns", "exec", name, sys.executable, "-c", program, msgspec.json.encode(checks)],
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=list[Finding])


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_listener_is_answered_with_the_kernels_round_trip_time(address: str) -> None:
    with StreamServer(hang_up, address) as server:
        finding = TcpProbe().measure(check(address, server.port))
    assert finding.outcome is Outcome.ANSWERED
    assert finding.reason is None
    assert 0 < finding.measures["rtt_us"] <= finding.measures["connect_us"]
    assert carries_traffic(finding)


def test_a_refusal_fails_and_yet_proves_that_the_path_carries_traffic() -> None:
    finding = TcpProbe().measure(check("127.0.0.1", free_port()))
    assert (finding.outcome, finding.reason) == (Outcome.FAILED, "refused")
    assert finding.measures["connect_us"] > 0
    assert "rtt_us" not in finding.measures
    assert carries_traffic(finding)


def test_silence_is_a_timeout_and_proves_nothing() -> None:
    with FullListener() as listener:
        finding = TcpProbe().measure(check(listener.address, listener.port, 200))
    assert (finding.outcome, finding.reason) == (Outcome.FAILED, "timeout")
    assert finding.measures == {}
    assert not carries_traffic(finding)


@pytest.mark.parametrize(
    ("target", "port"), [("127.0.0.1", 0), ("127.0.0.1", 70_000), ("fe80::1%no-such-port", 443)]
)
def test_what_cannot_be_a_target_is_unknown_and_ours(target: str, port: int) -> None:
    finding = TcpProbe().measure(check(target, port))
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, "bad_target")


def test_a_name_is_looked_up_with_the_resolvers_that_are_handed_in() -> None:
    with (
        dnsmasq("127.81.0.1", 53, "--address=/ent.example/127.0.0.1"),
        StreamServer(hang_up) as server,
    ):
        probe = TcpProbe(resolvers=lambda: ("127.81.0.1",))
        known = probe.measure(check("ent.example", server.port))
        unknown = probe.measure(check("ent.invalid", server.port))
    assert known.outcome is Outcome.ANSWERED
    assert (unknown.outcome, unknown.reason) == (Outcome.FAILED, "resolve_failed")


def test_without_a_resolver_a_name_is_unknown() -> None:
    finding = TcpProbe(resolvers=tuple).measure(check("ent.example", 443))
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, "no_resolver")


@pytest.mark.lab
def test_no_way_out_is_a_finding_of_our_own_and_unreachable_is_the_networks() -> None:
    """Without a route nothing was sent (unknown); a router's word on the way is a failure."""
    with (
        namespace("a", "link set lo up") as router,
        namespace("b", "link set lo up") as school,
    ):
        ip(
            "-n",
            school,
            "link",
            "add",
            "out",
            "type",
            "veth",
            "peer",
            "name",
            "in",
            "netns",
            router,
        )
        for name, end, address in ((school, "out", "10.9.0.2"), (router, "in", "10.9.0.1")):
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
        ip("-n", school, "route", "add", "198.51.100.0/25", "via", "10.9.0.1")
        ip("-n", school, "route", "add", "blackhole", "203.0.113.0/24")
        ip("-n", school, "route", "add", "prohibit", "192.0.2.0/24")
        ip("-n", router, "route", "add", "unreachable", "198.51.100.0/24")
        subprocess.run(
            ["ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True
        )
        targets = ("198.51.100.1", "198.51.100.200", "203.0.113.1", "192.0.2.1", "2001:db8::1")
        findings = measure_in(school, *(check(target, 443) for target in targets))
    assert [(finding.outcome, finding.reason) for finding in findings] == [
        (Outcome.FAILED, "unreachable"),
        (Outcome.UNKNOWN, "no_route"),
        (Outcome.UNKNOWN, "no_route"),
        (Outcome.UNKNOWN, "refused_local"),
        (Outcome.UNKNOWN, "no_route"),
    ]
    assert not any(carries_traffic(finding) for finding in findings)


def test_many_are_connected_to_at_once_and_told_in_their_order() -> None:
    with FullListener() as silent, StreamServer(hang_up) as server:
        findings = connect_many(
            [
                ("127.0.0.1", server.port),
                (silent.address, silent.port),
                ("127.0.0.1", free_port()),
                ("ent.example", 443),
                ("127.0.0.1", server.port),
            ],
            300,
        )
    assert [finding.reason for finding in findings] == [
        None,
        "timeout",
        "refused",
        "bad_target",
        None,
    ]
    assert [carries_traffic(finding) for finding in findings] == [True, False, True, False, True]


def test_nothing_to_connect_to_is_no_finding() -> None:
    assert connect_many([], 300) == []


@pytest.mark.lab
def test_corroborating_costs_a_single_syn_for_each_address() -> None:
    """950 ms end before the kernel repeats a SYN: counted by a firewall that drops them."""
    rules = (
        "table ip t { counter syns {}; chain c { type filter hook input priority 0; "
        "tcp flags syn counter name syns drop; }; }"
    )
    program = (
        "from netwatch.probes.tcp import connect_many; "
        "print([f.reason for f in connect_many([('127.0.0.1', 443), ('127.0.0.2', 443)], 950)])"
    )
    with namespace("s", "link set lo up") as name:
        inside = ["ip", "netns", "exec", name]
        subprocess.run([*inside, "nft", rules], check=True)
        done = subprocess.run(
            [*inside, sys.executable, "-c", program], capture_output=True, text=True
        )
        counted = subprocess.run(
            [*inside, "nft", "list", "counter", "ip", "t", "syns"], capture_output=True, text=True
        )
    assert done.stdout.strip() == "['timeout', 'timeout']", done.stderr
    assert "packets 2 " in counted.stdout


def test_of_several_addresses_the_first_that_answers_is_taken() -> None:
    """A silent address and a closed one do not stand in the way of a third."""
    with FullListener() as silent, StreamServer(hang_up) as server:
        ports = (silent.port, free_port(), server.port)
        attempt = open_first(
            [parse_endpoint("127.0.0.1", port) for port in ports],
            Deadline(5_000, time.monotonic_ns),
        )
        assert attempt.socket is not None
        assert attempt.socket.getpeername()[1] == server.port
        attempt.close()
