"""Secrets that belong to root alone, found by a service among its credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwatch.config.load import parse_settings
from netwatch.config.secrets import VARIABLE, find_secret, place_secrets

CONFIG = """\
[site]
id = "a"
[http]
token_file = "/nowhere/secrets/http.token"
certificate = "/nowhere/http.crt"
key = "/nowhere/secrets/http.key"
[influx]
url = "https://metrics.example.fr"
org = "o"
bucket = "b"
token_file = "/nowhere/secrets/influx.token"
[mail]
host = "smtp.example.fr"
sender = "a@example.fr"
recipients = ["b@example.fr"]
user = "a"
password_file = "/nowhere/secrets/mail.password"
"""


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """What systemd makes of /nowhere/secrets."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in ("http.token", "http.key", "influx.token", "mail.password"):
        (folder / f"secrets_{name}").write_text("secret", encoding="utf-8")
    return folder


def test_every_secret_that_cannot_be_read_is_its_credential(credentials: Path) -> None:
    """Token of the page, its key, token of the push, password of the mail; nothing else."""
    settings = place_secrets(parse_settings(CONFIG, "agent.toml"), {VARIABLE: str(credentials)})
    assert settings.influx is not None
    assert settings.mail is not None
    assert settings.http.token_file == str(credentials / "secrets_http.token")
    assert settings.http.key == str(credentials / "secrets_http.key")
    assert settings.http.certificate == "/nowhere/http.crt"
    assert settings.influx.token_file == str(credentials / "secrets_influx.token")
    assert settings.mail.password_file == str(credentials / "secrets_mail.password")


def test_without_credentials_nothing_changes() -> None:
    """Who runs by hand, or was given none, has the files of the configuration."""
    settings = parse_settings(CONFIG, "agent.toml")
    assert place_secrets(settings, {}) == settings
    assert place_secrets(settings, {VARIABLE: ""}) == settings


def test_a_file_that_can_be_read_goes_before_its_credential(
    credentials: Path, tmp_path: Path
) -> None:
    """The file is what was configured; the copy stands in where there is none to be read."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "http.token").write_text("mended since the start", encoding="utf-8")
    readable = str(folder / "http.token")
    assert find_secret(readable, credentials) == readable


def test_a_secret_that_is_nowhere_keeps_its_path(credentials: Path) -> None:
    """So that the complaint names what the configuration names."""
    assert find_secret("/nowhere/secrets/other", credentials) == "/nowhere/secrets/other"
    assert find_secret("/nowhere/else/http.token", credentials) == "/nowhere/else/http.token"
