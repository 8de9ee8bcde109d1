"""The centre's part of a configuration, laid over the device's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_origin

import msgspec
import pytest

from netwatch.config.central import is_local
from netwatch.config.load import load_own_settings, load_under, parse_settings
from netwatch.config.model import Settings
from netwatch.config.notes import Refused
from netwatch.config.rules import RULES
from netwatch.errors import ConfigError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
CENTRAL = f'[central]\nurl = "https://centre.example.fr/n"\npublic_key = "{KEY}"\n'


def under(folder: Path, own: str, centres: str) -> Settings:
    path = folder / "agent.toml"
    path.write_text(f'[site]\nid = "mairie"\n{own}\n{CENTRAL}')
    head = '[published]\nversion = 3\n[site]\nid = "mairie"\n'
    return load_under(path, (head + centres).encode(), "version 3")


def list_paths(
    struct: type[msgspec.Struct] = Settings, at: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Callable[[object], None] | None]]:
    """Every setting's path with its rule."""
    found = []
    for info in msgspec.structs.fields(struct):
        path = (*at, info.encode_name)
        kinds = [info.type, *get_args(info.type)]
        tables = [
            kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        ]
        if tables and get_origin(info.type) is not tuple and RULES.get((struct, info.name)) is None:
            found += list_paths(tables[0], path)
        else:
            found.append((path, RULES.get((struct, info.name))))
    return found


def test_every_file_that_a_device_reads_is_its_own() -> None:
    """No path comes from the centre, of the settings that there are and of those to come."""
    paths = []
    for path, rule in list_paths():
        try:
            if rule is not None:
                rule("/etc/")
        except Refused as refused:
            if "must be a file, not a folder" in str(refused):
                paths.append(path)
        except (AssertionError, TypeError):
            continue
    assert ("http", "token_file") in paths
    assert [path for path in paths if not is_local(path)] == []


def test_the_circuit_and_lists_are_taken_whole_and_other_tables_by_key(tmp_path: Path) -> None:
    """No term of an older contract stays behind; the device's own timeout does."""
    settings = under(
        tmp_path,
        '[circuit]\nreference = "OLD"\n[circuit.contract]\navailability = 0.9\n'
        '[latency]\ntimeout = "1s"\n[bandwidth]\nquiet_hours = ["mon 08:00-09:00"]',
        '[circuit]\noperator = "A"\n[latency]\ninterval = "4s"\n[bandwidth]\nquiet_hours = []\n',
    )
    assert settings.circuit.reference is None
    assert settings.circuit.contract.availability is None
    assert (settings.latency.interval_ms, settings.latency.timeout_ms) == (4_000, 1_000)
    assert settings.bandwidth.quiet_hours == ()


def test_a_secret_waits_for_what_the_centre_says_of_its_use(tmp_path: Path) -> None:
    """The device has the token alone; without the centre there is no push, and no mistake."""
    own = '[influx]\ntoken_file = "influx.token"\n[mail]\npassword_file = "mail.password"\n'
    settings = under(
        tmp_path, own, '[influx]\nurl = "https://m.example.fr"\norg = "v"\nbucket = "n"\n'
    )
    assert settings.influx is not None
    assert settings.influx.token_file == str(tmp_path / "influx.token")
    assert settings.mail is None
    alone = load_own_settings(tmp_path / "agent.toml")
    assert (alone.influx, alone.mail) == (None, None)


@pytest.mark.parametrize(
    ("centres", "said"),
    [
        ("= 3", "version 3: is not TOML: line 5, column 1: Invalid statement"),
        (
            '[central]\nurl = "https://other.example"\n[clock]\ntrusted = true\n',
            "version 3: central.url: is the device's own: it belongs into its agent.toml\n"
            "version 3: clock.trusted: is the device's own: it belongs into its agent.toml",
        ),
        (
            "[latency]\nintervall = 3\n",
            "version 3 over FOLDER/agent.toml: latency.intervall: unknown key "
            "(did you mean interval?)",
        ),
    ],
)
def test_what_the_centre_may_not_say_is_refused_by_its_name(
    tmp_path: Path, centres: str, said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        under(tmp_path, "", centres)
    assert str(raised.value).replace(str(tmp_path), "FOLDER") == said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            f'url = "http://centre.example.fr"\npublic_key = "{KEY}"',
            'a: central.url: must begin with https://, got "http://centre.example.fr": a '
            "configuration that anyone may read on the way tells him what is watched",
        ),
        (
            'url = "https://centre.example.fr"',
            'a: central.public_key: is missing: write public_key = "ssh-ed25519 AAAA…", the .pub '
            "of the key that the centre signs with",
        ),
        (
            'url = "https://centre.example.fr"\npublic_key = "ssh-rsa AAAA"',
            'a: central.public_key: must be an Ed25519 key like "ssh-ed25519 AAAA…" (the .pub of '
            'ssh-keygen), got "ssh-rsa AAAA"',
        ),
        (
            f'url = "https://centre.example.fr"\npublic_key = "{KEY}"\nevery = "1m"',
            "a: central.every: must be from 15m to 7d, got 1m",
        ),
    ],
)
def test_a_mistake_in_central_is_said_in_words(lines: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_settings(f'[site]\nid = "a"\n[central]\n{lines}\n', "a")
    assert str(raised.value) == said


def test_plain_http_is_for_this_machine_alone() -> None:
    """A proxy on the device may do the encryption."""
    text = f'[site]\nid = "a"\n[central]\nurl = "http://127.0.0.1:8000/n"\npublic_key = "{KEY}"\n'
    settings = parse_settings(text, "a")
    assert settings.central is not None
    assert settings.central.every_ms == 3_600_000
