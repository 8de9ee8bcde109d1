"""The file that `netwatch init` writes."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.config.load import parse_settings
from netwatch.config.model import Settings, Site
from netwatch.config.schema import list_settings
from netwatch.config.targets import complete_targets
from netwatch.config.write import Detected, build_config

_TEXT = st.one_of(st.none(), st.text(), st.sampled_from(["192.0.2.1", "fe80::1%eth0", "UTC"]))
_DETECTED = st.builds(
    Detected,
    host_name=_TEXT,
    timezone=_TEXT,
    interface=_TEXT,
    gateway=_TEXT,
    gateway_ipv6=_TEXT,
    resolvers=st.lists(st.text(), max_size=3).map(tuple),
    first_hop=_TEXT,
    clock_kept_by_host=st.booleans(),
)


def uncomment(text: str) -> str:
    """The same file with every default and example switched on."""
    return re.sub(r"(?m)^#(?=\S)", "", text)


@settings(deadline=None)
@given(_DETECTED, st.one_of(st.none(), st.just("/var/lib/a b\\c.db")))
def test_the_file_loads_whatever_was_detected(detected: Detected, store: str | None) -> None:
    """As it is, and with all that is behind a # switched on."""
    text = build_config(detected, store_path=store)
    settings = parse_settings(text, "agent.toml")
    assert settings.clock.trusted is detected.clock_kept_by_host
    assert store is None or settings.store.path == store
    parse_settings(uncomment(text), "agent.toml")


def test_the_file_of_a_machine_that_tells_nothing_means_the_defaults() -> None:
    """What is not switched on changes nothing."""
    settings = parse_settings(build_config(Detected()), "agent.toml")
    bare = Settings(site=Site(id="site"))
    assert complete_targets(settings) == complete_targets(bare)
    assert settings.latency == bare.latency
    assert settings.bandwidth == bare.bandwidth
    assert settings.circuit == bare.circuit


def test_every_setting_is_shown() -> None:
    """The file is a complete list of what can be set."""

    def walk(value: object, path: str) -> set[str]:
        if isinstance(value, dict):
            return {found for key, inner in value.items() for found in walk(inner, f"{path}.{key}")}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return {found for inner in value for found in walk(inner, f"{path}[]")}
        return {path.removeprefix(".")}

    document = tomllib.loads(uncomment(build_config(Detected())))
    assert walk(document, "") == {path for path, _, _ in list_settings()}


def test_what_was_found_is_told_in_comments_and_left_to_the_machine() -> None:
    """An address that the machine knows better is not frozen into the file."""
    text = build_config(
        Detected(
            interface="eth0", gateway="192.0.2.1", resolvers=("192.0.2.53",), first_hop="100.64.0.1"
        )
    )
    assert '# found: 192.0.2.1 on eth0\naddress = "auto"' in text
    assert "# found: 192.0.2.53\n" in text
    assert "# found: 100.64.0.1\n" in text


@pytest.mark.parametrize(("name", "expected"), [("École Jaurès", "ecole-jaures"), ("…", "site")])
def test_the_host_name_becomes_the_site_id(name: str, expected: str) -> None:
    """Brought to the form that the fleet takes."""
    assert parse_settings(build_config(Detected(host_name=name)), "a").site.id == expected
