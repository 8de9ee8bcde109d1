"""Probes over real sockets in real namespaces: what is an answer, and what is not.

The path is agent – box – operator – internet (``icmp_lab``); nothing leaves the machine.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest

from netwatch.clock import SystemClock
from netwatch.probes.icmp_destination import parse_destination
from netwatch.probes.icmp_exchange import Exchange, Flight, Settled
from netwatch.probes.icmp_once import echo_once, ping_once
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.probes.icmp_packet import HEADER_BYTES, PAYLOAD_BYTES
from netwatch.probes.icmp_report import Counters
from netwatch.records import Finding, Outcome
from tests.adapters import icmp_lab
from tests.adapters.icmp_lab import Forger, IcmpLab, Request, build_message

pytestmark = pytest.mark.lab

TIMEOUT_MS = 5_000
SHORT_MS = 300


@pytest.fixture(scope="module")
def lab() -> Iterator[IcmpLab]:
    with IcmpLab() as built:
        yield built


@pytest.fixture
def sockets(lab: IcmpLab) -> Iterator[IcmpSockets]:
    with lab.open_sockets() as opened:
        yield opened


@pytest.fixture
def exchange(sockets: IcmpSockets) -> Exchange:
    return Exchange(sockets, SystemClock())


def probe(exchange: Exchange, address: str, timeout_ms: int, ttl: int | None = None) -> Flight:
    sent = exchange.send(parse_destination(address), timeout_ms=timeout_ms, ttl=ttl)
    assert isinstance(sent, Flight)
    return sent


def settle(exchange: Exchange, sockets: IcmpSockets) -> list[Settled]:
    """Waits until nothing is in flight."""
    ended: list[Settled] = []
    poll = select.poll()
    for opened in sockets.opened():
        poll.register(opened.fileno(), select.POLLIN)
    clock = SystemClock()
    while exchange.in_flight:
        now_ns = clock.monotonic_ns()
        ended.extend(exchange.collect())
        ended.extend(exchange.expire(now_ns))
        poll.poll(20)
    return ended


# -- the network's answers ---------------------------------------------------------


@pytest.mark.parametrize("address", [icmp_lab.INTERNET, icmp_lab.INTERNET6])
def test_an_answer_is_timed_by_the_kernel_at_both_ends(sockets: IcmpSockets, address: str) -> None:
    """A living target's round trip rests on two kernel stamps, in both families."""
    settled = echo_once(sockets, address, TIMEOUT_MS, clock=SystemClock())
    assert isinstance(settled, Settled)
    assert settled.reason is None
    assert settled.hop is None
    assert settled.kernel_timed
    assert settled.rtt_us is not None
    assert 0 < settled.rtt_us < TIMEOUT_MS * 1_000


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (icmp_lab.DEAD, "timeout"),
        (icmp_lab.DEAD6, "timeout"),
        (icmp_lab.NO_ROUTE, "no_route"),
        (icmp_lab.NO_ROUTE6, "no_route"),
        (icmp_lab.UNREACHABLE, "unreachable"),
        (icmp_lab.UNREACHABLE6, "unreachable"),
        (icmp_lab.LOOPED, "time_exceeded"),
        ("fe80::1%nosuchlink", "no_route"),
    ],
)
def test_what_the_network_does_is_a_finding(
    sockets: IcmpSockets, address: str, reason: str
) -> None:
    """Silence, a missing route and a router's refusal are failures with their reason."""
    timeout_ms = SHORT_MS if reason == "timeout" else TIMEOUT_MS
    finding = ping_once(sockets, address, timeout_ms, clock=SystemClock())
    assert (finding.outcome, finding.reason, finding.measures) == (Outcome.FAILED, reason, {})


@pytest.mark.parametrize("address", [icmp_lab.FIREWALLED, icmp_lab.FIREWALLED6])
def test_our_own_firewall_is_not_the_lines_failure(sockets: IcmpSockets, address: str) -> None:
    """A probe that this machine refuses to send is unknown, not failed."""
    finding = ping_once(sockets, address, TIMEOUT_MS, clock=SystemClock())
    assert finding == Finding(outcome=Outcome.UNKNOWN, reason="refused_local")


def test_a_name_is_refused_without_being_resolved(sockets: IcmpSockets) -> None:
    """A target must be an address; the finding says so."""
    finding = ping_once(sockets, "www.example.org", TIMEOUT_MS, clock=SystemClock())
    assert finding == Finding(
        outcome=Outcome.UNKNOWN,
        reason="bad_address",
        detail="icmp: target must be an IPv4 or IPv6 address, got 'www.example.org'",
    )


@pytest.mark.parametrize(
    ("destination", "ttl", "hop"),
    [
        (icmp_lab.INTERNET, 1, icmp_lab.BOX),
        (icmp_lab.INTERNET, 2, icmp_lab.OPERATOR),
        (icmp_lab.INTERNET6, 1, icmp_lab.BOX6),
        (icmp_lab.INTERNET6, 2, icmp_lab.OPERATOR6),
        (icmp_lab.INTERNET, 3, None),
    ],
)
def test_a_limited_probe_is_answered_by_the_router_it_ends_in(
    sockets: IcmpSockets, destination: str, ttl: int, hop: str | None
) -> None:
    """A small time to live asks the hop at that distance; the destination answers for itself."""
    settled = echo_once(sockets, destination, TIMEOUT_MS, clock=SystemClock(), ttl=ttl)
    assert isinstance(settled, Settled)
    assert (settled.hop, settled.reason) == (hop, None)
    assert settled.rtt_us is not None


def test_many_targets_share_one_socket(exchange: Exchange, sockets: IcmpSockets) -> None:
    """Answers, silence and refusals under way together each find their own probe."""
    wanted = {
        icmp_lab.INTERNET: None,
        icmp_lab.INTERNET6: None,
        icmp_lab.BOX: None,
        icmp_lab.UNREACHABLE: "unreachable",
        icmp_lab.DEAD: "timeout",
    }
    for address in wanted:
        probe(exchange, address, SHORT_MS if address == icmp_lab.DEAD else TIMEOUT_MS)
    ended = settle(exchange, sockets)
    assert {each.flight.destination.address: each.reason for each in ended} == wanted


# -- hostile and stray answers -----------------------------------------------------


def embed(request: Request, payload: bytes, destination: str = icmp_lab.FORGED) -> bytes:
    """The probe as a router would give it back, with another payload or destination."""
    header = bytearray(request.ip_packet[:20])
    header[16:20] = socket.inet_aton(destination)
    echo = struct.pack("!BBHHH", 8, 0, 0, request.identifier, request.sequence)
    return bytes(4) + bytes(header) + echo + payload


FORGERIES: dict[str, tuple[str, Callable[[Request], Sequence[tuple[str, bytes]]]]] = {
    "wrong source": ("wrong_source", lambda r: [(icmp_lab.STRANGER, r.reply())]),
    "wrong payload": ("wrong_payload", lambda r: [(icmp_lab.FORGED, r.reply(payload=bytes(16)))]),
    "truncated": ("wrong_payload", lambda r: [(icmp_lab.FORGED, r.reply(payload=r.payload[:7]))]),
    "prolonged": ("wrong_payload", lambda r: [(icmp_lab.FORGED, r.reply(payload=r.payload * 2))]),
    "empty": ("wrong_payload", lambda r: [(icmp_lab.FORGED, r.reply(payload=b""))]),
    "another sequence": (
        "unmatched",
        lambda r: [(icmp_lab.FORGED, r.reply(sequence=r.sequence ^ 0x4000))],
    ),
    "damaged": ("malformed", lambda r: [(icmp_lab.FORGED, r.reply()[:-1] + b"\x00\x00")]),
    "error about another payload": (
        "wrong_payload",
        lambda r: [(icmp_lab.STRANGER, build_message(3, 1, embed(r, bytes(16))))],
    ),
    "error about another destination": (
        "wrong_source",
        lambda r: [
            (
                icmp_lab.STRANGER,
                build_message(3, 1, embed(r, r.payload, destination=icmp_lab.DEAD)),
            )
        ],
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_answer_is_counted_and_ignored(
    lab: IcmpLab, exchange: Exchange, sockets: IcmpSockets, name: str
) -> None:
    """No forgery makes a dead target answer; the probe times out, and the count tells."""
    counter, answer = FORGERIES[name]
    with Forger(lab, answer):
        probe(exchange, icmp_lab.FORGED, SHORT_MS)
        (ended,) = settle(exchange, sockets)
    assert (ended.rtt_us, ended.reason) == (None, "timeout")
    assert getattr(exchange.counters(), counter) == 1


def test_a_true_answer_after_a_forged_one_still_counts(
    lab: IcmpLab, exchange: Exchange, sockets: IcmpSockets
) -> None:
    """A forger who is quicker than the target does not silence it."""
    with Forger(
        lab,
        lambda r: [
            (icmp_lab.STRANGER, r.reply()),
            (icmp_lab.FORGED, r.reply(payload=bytes(16))),
            (icmp_lab.FORGED, r.reply()),
        ],
    ):
        probe(exchange, icmp_lab.FORGED, TIMEOUT_MS)
        (ended,) = settle(exchange, sockets)
    assert ended.reason is None
    assert ended.rtt_us is not None


def test_another_identifier_does_not_reach_a_raw_socket(
    lab: IcmpLab, exchange: Exchange, sockets: IcmpSockets
) -> None:
    """The socket's filter keeps others' replies and errors out of its buffer."""
    with Forger(
        lab,
        lambda r: [
            (icmp_lab.FORGED, r.reply(identifier=r.identifier ^ 1)),
            (icmp_lab.FORGED, build_message(5, 1, embed(r, r.payload))),
            (icmp_lab.FORGED, build_message(8, 0, r.reply()[4:])),
            (icmp_lab.FORGED, r.reply()),
        ],
    ):
        probe(exchange, icmp_lab.FORGED, TIMEOUT_MS)
        (ended,) = settle(exchange, sockets)
    assert ended.reason is None
    assert sockets.v4 is not None
    assert sockets.v4.read_arrivals() == []
    assert exchange.counters() == Counters()


def test_a_duplicate_is_counted_once_answered(
    lab: IcmpLab, exchange: Exchange, sockets: IcmpSockets
) -> None:
    """The second copy of an answer ends nothing, whatever is in flight by then."""
    with Forger(lab, lambda r: [(icmp_lab.FORGED, r.reply())] * 3):
        probe(exchange, icmp_lab.FORGED, TIMEOUT_MS)
        first = settle(exchange, sockets)
        probe(exchange, icmp_lab.FORGED, TIMEOUT_MS)
        second = settle(exchange, sockets)
    assert [each.reason for each in (*first, *second)] == [None, None]
    assert exchange.counters().duplicate >= 2


def test_an_answer_to_a_probe_given_up_is_late(
    lab: IcmpLab, exchange: Exchange, sockets: IcmpSockets
) -> None:
    """What comes after the timeout is counted late, and does not answer a later probe."""
    held: list[Request] = []

    def hold_first(request: Request) -> Sequence[tuple[str, bytes]]:
        held.append(request)
        if len(held) == 1:
            return []
        return [(icmp_lab.FORGED, held[0].reply()), (icmp_lab.FORGED, request.reply())]

    with Forger(lab, hold_first):
        probe(exchange, icmp_lab.FORGED, SHORT_MS)
        first = settle(exchange, sockets)
        probe(exchange, icmp_lab.FORGED, TIMEOUT_MS)
        second = settle(exchange, sockets)
    assert [each.reason for each in (*first, *second)] == ["timeout", None]
    assert exchange.counters().late == 1


def test_an_answer_read_after_a_stall_counts_by_the_kernels_stamp(exchange: Exchange) -> None:
    """A process that slept past the timeout still finds the answer that came in time."""
    sent = probe(exchange, icmp_lab.INTERNET, SHORT_MS)
    select.poll().poll(SHORT_MS * 2)
    now_ns = SystemClock().monotonic_ns()
    assert now_ns > sent.deadline_ns
    (ended,) = exchange.collect()
    assert exchange.expire(now_ns) == []
    assert ended.reason is None
    assert ended.rtt_us is not None
    assert ended.rtt_us < SHORT_MS * 1_000


def test_a_flood_is_bounded_by_the_buffer(
    lab: IcmpLab, exchange: Exchange, sockets: IcmpSockets
) -> None:
    """Thousands of forgeries fill a bounded buffer, are counted, and the next probe is answered."""
    count = 3_000
    with Forger(lab, lambda r: [(icmp_lab.FORGED, r.reply(payload=bytes(16)))] * count):
        probe(exchange, icmp_lab.FORGED, 2_000)
        select.poll().poll(1_500)
        (ended,) = settle(exchange, sockets)
    probe(exchange, icmp_lab.INTERNET, TIMEOUT_MS)
    (after,) = settle(exchange, sockets)
    counters = exchange.counters()
    assert ended.reason == "timeout"
    assert after.reason is None
    assert 0 < counters.wrong_payload < count
    assert counters.overflowed > 0


# -- ourselves -----------------------------------------------------------------------


class SteppingClock:
    """The true clock, whose wall time appears to step once a probe has been sent."""

    def __init__(self, step_ns: int) -> None:
        self._clock = SystemClock()
        self._step_ns = step_ns
        self._asked = 0

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()

    def offset_ns(self) -> int:
        self._asked += 1
        return self._clock.offset_ns() + (self._step_ns if self._asked > 1 else 0)


@pytest.mark.parametrize("step_ms", [-86_400_000, -1_500, 1_500, 86_400_000])
def test_a_step_of_the_wall_clock_does_not_bend_the_round_trip(
    sockets: IcmpSockets, step_ms: int
) -> None:
    """Between sending and answer the clock steps: the time stays true, and the step is told."""
    clock = SteppingClock(step_ms * 1_000_000)
    settled = echo_once(sockets, icmp_lab.INTERNET, 1_000, clock=clock)
    assert isinstance(settled, Settled)
    assert settled.clock_stepped
    assert settled.rtt_us is not None
    assert 0 <= settled.rtt_us < 1_000_000


def test_sequences_go_around_and_skip_what_is_in_flight(
    exchange: Exchange, sockets: IcmpSockets
) -> None:
    """After 65535 comes 0; a sequence whose probe is still under way is not used again."""
    exchange._sequence = 0xFFFD
    first = [probe(exchange, icmp_lab.DEAD, SHORT_MS).sequence for _ in range(4)]
    exchange._sequence = 0xFFFD
    second = probe(exchange, icmp_lab.DEAD, SHORT_MS).sequence
    assert (first, second) == ([0xFFFE, 0xFFFF, 0, 1], 2)
    assert len(settle(exchange, sockets)) == 5


def test_each_opening_has_an_identifier_of_its_own(lab: IcmpLab) -> None:
    """A restarted agent does not look like the one before it to a firewall on the way."""
    seen = set()
    for _ in range(8):
        with lab.open_sockets() as opened:
            assert opened.v4 is not None
            seen.add(opened.v4.identifier)
    assert len(seen) > 1


def test_a_probe_is_small_and_carries_nothing_but_chance(exchange: Exchange) -> None:
    """No payload says who we are: it is random, and new for each probe."""
    flights = [probe(exchange, icmp_lab.DEAD, SHORT_MS) for _ in range(3)]
    assert len({flight.payload for flight in flights}) == 3
    assert HEADER_BYTES + PAYLOAD_BYTES == 24


# -- rights ----------------------------------------------------------------------------

CHILD = """
import json, sys
from netwatch.clock import SystemClock
from netwatch.errors import RightsError
from netwatch.probes.icmp_once import echo_once
from netwatch.probes.icmp_open import open_icmp_sockets
try:
    opened = open_icmp_sockets()
except RightsError as error:
    sys.exit(str(error))
with opened:
    for _ in range(100):  # the kernel begins to stamp a moment after it was asked to
        if echo_once(opened, "192.168.77.1", 5000, clock=SystemClock()).kernel_timed:
            break
    found = []
    for address, ttl in json.loads(sys.argv[1]):
        settled = echo_once(opened, address, 300 if "99" in address[-3:] else 5000, clock=SystemClock(), ttl=ttl)
        found.append(settled if isinstance(settled, str) else
            [settled.reason, settled.hop, settled.kernel_timed, settled.rtt_us is not None])
    print(json.dumps([opened.kind, found]))
"""


def run_without_capability(lab: IcmpLab, asked: Sequence[tuple[str, int | None]]):  # noqa: ANN201 -- the finished process, whose type is long
    """The child in the agent's namespace, as root's group but without CAP_NET_RAW."""
    limits = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    return subprocess.run(
        ["ip", "netns", "exec", lab.agent, *limits, sys.executable, "-c", CHILD, json.dumps(asked)],
        capture_output=True,
        text=True,
    )


def test_without_any_right_one_line_says_what_to_do(lab: IcmpLab) -> None:
    """No capability and no admitted group: the message names both remedies, to the letter."""
    done = run_without_capability(lab, [])
    group = os.getgid()
    assert done.returncode == 1
    assert done.stderr == (
        "icmp: the kernel allows this process neither a raw nor a datagram ICMP socket "
        f"(no CAP_NET_RAW; group {group}, net.ipv4.ping_group_range is 1 0): "
        "grant the capability (AmbientCapabilities=CAP_NET_RAW in the unit, or setcap "
        "cap_net_raw+ep on the Python that runs it), or admit the group "
        f'(sysctl -w net.ipv4.ping_group_range="{group} {group}")\n'
    )


def test_an_admitted_group_measures_through_datagram_sockets() -> None:
    """Without the capability, datagram sockets find all the same things, stamped alike."""
    with IcmpLab() as lab:
        group = os.getgid()
        subprocess.run(
            [
                "ip",
                "netns",
                "exec",
                lab.agent,
                "sysctl",
                "-qw",
                f"net.ipv4.ping_group_range={group} {group}",
            ],
            check=True,
        )
        asked: list[tuple[str, int | None]] = [
            (icmp_lab.INTERNET, None),
            (icmp_lab.INTERNET6, None),
            (icmp_lab.INTERNET, 2),
            (icmp_lab.INTERNET6, 2),
            (icmp_lab.UNREACHABLE, None),
            (icmp_lab.UNREACHABLE6, None),
            (icmp_lab.INTERNET, None),
            (icmp_lab.NO_ROUTE, None),
            (icmp_lab.FIREWALLED, None),
            (icmp_lab.DEAD, None),
        ]
        done = run_without_capability(lab, asked)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [
        "datagram",
        [
            [None, None, True, True],
            [None, None, True, True],
            [None, icmp_lab.OPERATOR, True, True],
            [None, icmp_lab.OPERATOR6, True, True],
            ["unreachable", icmp_lab.OPERATOR, False, False],
            ["unreachable", icmp_lab.OPERATOR6, False, False],
            [None, None, True, True],
            "no_route",
            "refused_local",
            ["timeout", None, False, False],
        ],
    ]
