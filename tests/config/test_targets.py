"""The full list of targets, as the agent gets it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.config.load import parse_settings
from netwatch.config.model import DEFAULT_INTERNET_TARGETS, Target
from netwatch.config.targets import complete_targets
from netwatch.records import Role


def complete(text: str) -> dict[str, Target]:
    settings = parse_settings('[site]\nid = "a"\n' + text, "agent.toml")
    return {target.name: target for target in complete_targets(settings)}


def test_no_target_means_the_default_path_and_six_internet_targets() -> None:
    """Outwards: gateway, first hop, resolver, internet."""
    targets = complete("")
    assert list(targets) == [
        "gateway",
        "first-hop",
        "resolver",
        *(name for name, _ in DEFAULT_INTERNET_TARGETS),
    ]


def test_a_file_with_a_service_alone_keeps_the_defaults_of_the_path() -> None:
    """Naming one thing must not stop the rest from being watched."""
    targets = complete('[[target]]\nname = "mail"\nrole = "service"\naddress = "192.0.2.1"\n')
    assert len(targets) == 10
    assert list(targets)[-1] == "mail"


def test_a_role_that_is_named_replaces_its_default() -> None:
    """And only that role's."""
    targets = complete('[[target]]\nname = "box"\nrole = "gateway"\naddress = "192.0.2.1"\n')
    assert "gateway" not in targets
    assert "first-hop" in targets
    assert targets["box"].address == "192.0.2.1"


def test_kinds_intervals_and_timeouts_are_filled_in() -> None:
    """Resolvers by [dns], the path by [latency], services at their own pace."""
    targets = complete(
        '[latency]\ninterval = "4s"\n[dns]\ninterval = "3s"\n'
        '[[target]]\nname = "ent"\nrole = "service"\nkind = "http"\naddress = "http://a.example/"\n'
        '[[target]]\nname = "quick"\nrole = "service"\naddress = "192.0.2.1"\ninterval = "1s"\n'
    )
    shown = {
        name: (target.kind, target.interval_ms, target.timeout_ms, target.port)
        for name, target in targets.items()
        if name in {"gateway", "resolver", "ent", "quick"}
    }
    assert shown == {
        "gateway": ("icmp", 4_000, 2_000, None),
        "resolver": ("dns", 3_000, 2_000, 53),
        "ent": ("http", 60_000, 2_000, None),
        "quick": ("icmp", 1_000, 800, None),
    }


@settings(deadline=None)
@given(interval=st.integers(200, 3_600_000), own=st.integers(200, 3_600_000))
def test_no_default_timeout_ever_reaches_the_interval(interval: int, own: int) -> None:
    """Whatever intervals the file sets, a probe is over before the next begins."""
    targets = complete(
        f'[latency]\ninterval = "{interval}ms"\n[[target]]\nname = "a"\nrole = "service"\n'
        f'address = "192.0.2.1"\ninterval = "{own}ms"\n'
    )
    for target in targets.values():
        assert target.timeout_ms is not None
        assert target.interval_ms is not None
        assert target.kind == "dns" or target.timeout_ms < target.interval_ms


def test_addresses_of_both_families_are_taken() -> None:
    """IPv6 too, with the zone that a link-local gateway needs."""
    targets = complete(
        '[[target]]\nname = "box"\nrole = "gateway"\naddress = "fe80::1%eth0"\n'
        + "".join(
            f'[[target]]\nname = "{n}"\nrole = "internet"\naddress = "2001:db8::{n}"\n'
            for n in range(1, 4)
        )
    )
    assert [target.address for target in targets.values() if target.role is Role.INTERNET] == [
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::3",
    ]
    assert targets["box"].address == "fe80::1%eth0"
