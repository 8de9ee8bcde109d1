"""The lab does what it says: each fault, seen from the school by a plain observer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netlab import namespaces, sight, topology
from tests.netlab.faults import FAULTS
from tests.netlab.lab import Lab, now_ms, remove_dead_labs
from tests.netlab.relay import Relay

pytestmark = pytest.mark.lab

_BEYOND_SWITCH = sight.EVERYTHING - {"carrier"}
_BEYOND_BOX = _BEYOND_SWITCH - {"gateway"}
#: What each fault takes from the observer's sight. Loss and delay have tests of their own.
_UNSEEN = {
    "cable_out": sight.EVERYTHING,
    "box_off": _BEYOND_SWITCH,
    "fibre_cut": _BEYOND_BOX,
    "core_down": _BEYOND_BOX - {"first_hop"},
    "one_host_down": {"celeste", "tcp_celeste"},
    "resolver_down": {"dns"},
    "ipv6_dead": {"albane6", "tcp_albane6"},
    "icmp_dropped": {"first_hop", "albane", "celeste", "albane6"},
    "icmp_dropped_everywhere": {"gateway", "first_hop", "albane", "celeste", "albane6"},
    "captive_portal": {"first_hop", "albane", "celeste", "albane6", "page"},
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as built:
        yield built


@pytest.mark.parametrize("fault", sorted(_UNSEEN))
def test_a_fault_takes_away_what_it_says_and_nothing_else(lab: Lab, fault: str) -> None:
    before = now_ms()
    with lab.fault(fault) as at_ms:
        assert before <= at_ms <= now_ms()
        assert sight.look(lab) - {"portal"} == sight.EVERYTHING - _UNSEEN[fault]
        assert list(lab.active) == [fault]
    assert sight.look(lab) == sight.EVERYTHING
    assert not lab.active


def test_every_fault_is_tried_here() -> None:
    assert set(_UNSEEN) | {"loss", "delay"} == set(FAULTS)


def test_a_captive_portal_answers_in_place_of_the_page(lab: Lab) -> None:
    with lab.fault("captive_portal"):
        seen = sight.look(lab)
    assert {"portal", "dns", "gateway", "tcp_albane"} <= seen


def test_loss_takes_one_round_trip_in_twenty(lab: Lab) -> None:
    target, count, answered = topology.HOSTS["albane"], 1_000, 0
    with lab.fault("loss"), sight.open_echo_sockets(lab) as sockets:
        for first in range(0, count, 100):  # the socket's buffer holds some 250 answers
            for sequence in range(first, first + 100):
                sight.send_echo(sockets, target, sequence)
            answered += sum(1 for _ in sight.receive_echoes(sockets, 0.1))
    assert 0.025 < 1 - answered / count < 0.075


def test_delay_adds_150_ms_to_what_there_was(lab: Lab) -> None:
    target = topology.HOSTS["albane"]
    assert sight.ping(lab, [target])[target] >= 10
    with lab.fault("delay"):
        assert sight.ping(lab, [target])[target] >= 160


def test_the_instants_of_a_cut_are_the_truth(lab: Lab) -> None:
    """Probes between both instants are lost, probes well before and after are not."""
    target, sent, margin_ms = topology.HOSTS["albane"], {}, 25.0
    switches = {40: "on", 100: "off"}
    instants = {}
    with sight.open_echo_sockets(lab) as sockets:
        for sequence in range(140):
            if (what := switches.get(sequence)) is not None:
                instants[what] = (lab.on if what == "on" else lab.off)("fibre_cut")
            sent[sequence] = now_ms()
            sight.send_echo(sockets, target, sequence)
            time.sleep(0.005)
        answered = {sequence for _, sequence, _ in sight.receive_echoes(sockets, 0.3)}
    for sequence, sent_ms in sent.items():
        if instants["on"] <= sent_ms <= instants["off"] - margin_ms:
            assert sequence not in answered
        if sent_ms < instants["on"] - margin_ms or sent_ms >= instants["off"]:
            assert sequence in answered


def test_clear_ends_all_faults(lab: Lab) -> None:
    lab.on("fibre_cut")
    lab.on("resolver_down")
    lab.clear()
    assert sight.look(lab) == sight.EVERYTHING


def test_the_relay_knows_the_truth_of_each_round_trip(lab: Lab) -> None:
    """Nothing that crosses a 20 ms wire takes less, and the half of it hardly more."""
    target = topology.HOSTS["albane"]
    lab.relay.set(delay_ms=10)
    lab.relay.start_log()
    try:
        with sight.open_echo_sockets(lab) as sockets:
            for sequence in range(50):
                sight.send_echo(sockets, target, sequence)
                time.sleep(0.004)
            assert len(list(sight.receive_echoes(sockets, 0.2))) == 50
        trips = lab.relay.round_trips()
    finally:
        lab.relay.set(delay_ms=5)
    assert [trip.sequence for trip in trips] == list(range(50))
    assert {trip.target for trip in trips} == {target}
    rtts_us = sorted(trip.rtt_us for trip in trips)
    assert rtts_us[0] >= 20_000
    assert rtts_us[25] < 21_000


def test_the_relay_holds_a_rate(lab: Lab) -> None:
    """At 8 Mbit/s, frames of 1 442 bytes leave 1.442 ms apart."""
    target = topology.HOSTS["albane"]
    lab.relay.set(direction="outward", rate_bit_s=8_000_000)
    lab.relay.start_log()
    try:
        with sight.open_echo_sockets(lab) as sockets:
            for sequence in range(20):
                sockets[2].sendto(
                    b"\x08\0\0\0\0\0" + sequence.to_bytes(2) + bytes(1_392), (target, 0)
                )
            list(sight.receive_echoes(sockets, 0.3))
        requests = [c for c in lab.relay.crossings() if c.direction == "outward"]
    finally:
        lab.relay.set(unlimited=True)
    assert len(requests) == 20
    took_ms = (requests[-1].left_ns - requests[0].arrived_ns) / 1_000_000
    assert took_ms >= 20 * 1.434 + 5


def test_an_unknown_order_is_refused_and_the_wire_lives(lab: Lab) -> None:
    with pytest.raises(namespaces.LabError, match="wire: jump: unknown order 'jump'"):
        lab.relay._ask("jump")
    assert lab.relay.counts()["outward"]["in"] > 0


def test_two_labs_do_not_touch_each_other(lab: Lab) -> None:
    with Lab() as other:
        assert not set(other.names.values()) & set(lab.names.values())
        with other.fault("fibre_cut"):
            assert sight.look(lab) == sight.EVERYTHING
    assert not namespaces.find_namespaces(other.prefix)
    assert sight.look(lab) == sight.EVERYTHING


def test_the_school_has_its_own_resolver_file(lab: Lab) -> None:
    assert lab.run("cat", "/etc/resolv.conf") == f"nameserver {topology.GATEWAY}\n"


def test_what_a_killed_lab_left_is_removed() -> None:
    program = (
        "import sys, time; from tests.netlab.lab import Lab\n"
        "with Lab() as lab: print(lab.prefix, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        prefix = process.stdout.readline().strip()
        assert namespaces.find_namespaces(prefix)
        process.send_signal(signal.SIGKILL)
    removed = remove_dead_labs()
    # Another lab that was being built may have been faster.
    assert prefix in removed or not Path("/run/netwatch-lab", prefix).exists()
    assert not namespaces.find_namespaces(prefix)
    assert not list(Path("/etc/netns").glob(f"{prefix}*"))


def test_a_configuration_is_laid_over_the_labs_own(lab: Lab, tmp_path: Path) -> None:
    import tomllib

    path = lab.write_config(
        tmp_path,
        first_hop=topology.FIRST_HOP,
        ipv6=False,
        latency={"interval": "1s"},
        circuit={"contract": {"max_loss": 0.01}},
        targets=[{"name": "portal", "role": "service", "kind": "http", "address": "http://x/"}],
    )
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    assert read["latency"] == {"interval": "1s"}
    assert read["circuit"] == {"operator": "Lab operator", "contract": {"max_loss": 0.01}}
    assert [t["name"] for t in read["target"]][:3] == ["gateway", "first-hop", "resolver"]
    assert [t["name"] for t in read["target"]][3:9] == list(topology.HOSTS)
    assert json.dumps(read["target"][9:]) == json.dumps(
        [{"name": "portal", "role": "service", "kind": "http", "address": "http://x/"}]
    )


def test_a_bare_wire_can_be_laid_between_any_two_namespaces() -> None:
    """What the benches use: no lab, two namespaces, one relay; nothing is left behind."""
    import secrets

    names = [f"nwlab-{secrets.token_hex(3)}-bare-{end}" for end in "ab"]
    try:
        for name in names:
            namespaces.add_namespace(name)
        with Relay.lay(near=(names[0], "eth0"), far=(names[1], "eth0")) as relay:
            for number, name in enumerate(names, 1):
                namespaces.configure(name, [f"addr add 10.0.0.{number}/24 dev eth0"])
            with namespaces.socket_in(names[1]) as listener:
                listener.bind(("10.0.0.2", 443))
                listener.listen()
                namespaces.connect_in(names[0], ("10.0.0.2", 443)).close()
            assert relay.counts()["inward"]["out"] >= 1
            wire = relay.namespace
        assert not namespaces.find_namespaces(wire)
    finally:
        for name in names:
            namespaces.remove_namespace(name)
