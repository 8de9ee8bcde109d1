"""The faults that the lab can play: what each does to the network, and how it is undone.

Rule of this file: a fault is two functions of the lab, each returning the instant at
which it took hold, on the monotonic clock (ms). It knows nothing of what an agent
should make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tests.netlab import namespaces, topology

if TYPE_CHECKING:
    from tests.netlab.lab import Lab

_DELAY_MS = 5.0
_ADDED_MS = 75.0  # one way: 150 ms there and back
_LOSS = 0.05
_ONE_HOST = topology.HOSTS["celeste"]


class Fault(NamedTuple):
    """Something that can be wrong with the network."""

    title: str
    on: Callable[[Lab], float]
    off: Callable[[Lab], float]


def _now_ms() -> float:
    from tests.netlab.lab import now_ms

    return now_ms()


def _port(interface: str, *, up: bool) -> Callable[[Lab], float]:
    """A port of the switch: what hangs on it loses its carrier, the others keep theirs."""

    def switch(lab: Lab) -> float:
        namespaces.set_link(lab.controls["switch"], interface, up=up)
        return _now_ms()

    return switch


def _loss(loss: float) -> Callable[[Lab], float]:
    # Half of it each way, so that a round trip is lost with the probability asked for.
    return lambda lab: lab.relay.set(loss=1 - (1 - loss) ** 0.5)


_NO_ECHO = "icmp type echo-request drop\nadd rule inet lab {chain} icmpv6 type echo-request drop"


def _no_echo(*chains: str) -> str:
    return "\n".join(
        f"add rule inet lab {chain} " + _NO_ECHO.format(chain=chain) for chain in chains
    )


def _flush(*chains: str) -> str:
    return "\n".join(f"flush chain inet lab {chain}" for chain in chains)


# The gateway's own answers still come: it is the way onward that wants a password.
_PORTAL_ON = (
    "add rule inet lab passing drop\n"
    "table inet portal { chain redirecting { type nat hook prerouting priority dstnat;"
    ' iifname "lan" tcp dport { 80, 443 } redirect to :8080; }; }'
)
_PORTAL_OFF = "flush chain inet lab passing\ndelete table inet portal"

FAULTS: Mapping[str, Fault] = {
    "cable_out": Fault(
        "the agent's own cable is pulled out", _port("school", up=False), _port("school", up=True)
    ),
    "box_off": Fault("the box is off", _port("box", up=False), _port("box", up=True)),
    "fibre_cut": Fault(
        "the fibre behind the box is cut",
        lambda lab: lab.relay.set(cut=True),
        lambda lab: lab.relay.set(cut=False),
    ),
    "core_down": Fault(
        "the operator's core is down, its first hop is not",
        lambda lab: lab.nft("operator", "add rule inet lab passing drop"),
        lambda lab: lab.nft("operator", _flush("passing")),
    ),
    "one_host_down": Fault(
        "one internet host is dead",
        lambda lab: lab.nft("internet", f"add element inet lab dead4 {{ {_ONE_HOST} }}"),
        lambda lab: lab.nft("internet", "flush set inet lab dead4"),
    ),
    # Not SIGSTOP: what was asked meanwhile would be answered at its end, and the instant blur.
    "resolver_down": Fault(
        "the resolver answers nothing",
        lambda lab: lab.nft(
            "box", "add rule inet lab own meta l4proto { tcp, udp } th dport 53 drop"
        ),
        lambda lab: lab.nft("box", _flush("own")),
    ),
    "loss": Fault("5 % of round trips are lost", _loss(_LOSS), _loss(0.0)),
    "delay": Fault(
        "round trips take 150 ms more",
        lambda lab: lab.relay.set(delay_ms=_DELAY_MS + _ADDED_MS),
        lambda lab: lab.relay.set(delay_ms=_DELAY_MS),
    ),
    "ipv6_dead": Fault(
        "IPv6 alone is dead on the access line",
        lambda lab: lab.relay.set(drop=("ipv6",)),
        lambda lab: lab.relay.set(drop=()),
    ),
    "icmp_dropped": Fault(
        "the box's firewall lets no ping through",
        lambda lab: lab.nft("box", _no_echo("passing")),
        lambda lab: lab.nft("box", _flush("passing")),
    ),
    "icmp_dropped_everywhere": Fault(
        "the box lets no ping through and answers none",
        lambda lab: lab.nft("box", _no_echo("passing", "own")),
        lambda lab: lab.nft("box", _flush("passing", "own")),
    ),
    "captive_portal": Fault(
        "a captive portal in the box takes all web traffic and drops the rest",
        lambda lab: lab.nft("box", _PORTAL_ON),
        lambda lab: lab.nft("box", _PORTAL_OFF),
    ),
}
