"""Whether the way out is the contract's circuit, on a real path of routers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netwatch.agent.bandwidth_world import LineWorld
from netwatch.clock import SystemClock
from netwatch.config.model import Bandwidth, Settings, Site, Target
from netwatch.records import Role
from tests.adapters import icmp_lab
from tests.adapters.icmp_lab import IcmpLab
from tests.netlab import namespaces


@pytest.fixture(scope="module")
def lab() -> Iterator[IcmpLab]:
    with IcmpLab() as built:
        yield built


def is_right(lab: IcmpLab, *, target: str | None = None, named: tuple[str, ...] = ()) -> bool:
    """As a test sees it: with an address of the first hop as a target, or named for tests."""
    hop = Target(name="hop", role=Role.FIRST_HOP, address=target or "auto")
    internet = Target(name="far", role=Role.INTERNET, address=icmp_lab.INTERNET)
    other = Target(name="far6", role=Role.INTERNET, address=icmp_lab.INTERNET6)
    settings = Settings(
        site=Site(id="ecole"), target=(hop, internet, other), bandwidth=Bandwidth(first_hop=named)
    )
    return namespaces.call_in(lab.agent, LineWorld(settings, SystemClock()).is_right_circuit)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("target", "named", "right"),
    [
        (None, (), True),  # what `auto` finds is the way out that there is
        (icmp_lab.OPERATOR, (), True),
        (icmp_lab.DEAD, (), False),  # somebody else's router, or one that is not reached
        (icmp_lab.DEAD, (icmp_lab.OPERATOR,), True),  # what is named for tests goes first
        (icmp_lab.OPERATOR, (icmp_lab.DEAD,), False),
        (None, (icmp_lab.DEAD, icmp_lab.OPERATOR), True),
        (None, (icmp_lab.OPERATOR6,), True),  # the first internet target is of the other IP
        (None, (icmp_lab.DEAD6,), False),
    ],
)
def test_the_first_hop_that_a_person_named_is_the_contracts(
    lab: IcmpLab, target: str | None, named: tuple[str, ...], *, right: bool
) -> None:
    assert is_right(lab, target=target, named=named) is right


@pytest.mark.lab
def test_a_routers_other_address_is_the_router_for_a_target_and_not_for_a_name(
    lab: IcmpLab,
) -> None:
    """It answers from a few hops away, though traceroute shows the side that faces us."""
    other = icmp_lab.INTERNET  # stands behind the operator's router, three hops away
    assert is_right(lab, target=other)
    assert not is_right(lab, named=(other,))
