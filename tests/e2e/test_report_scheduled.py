"""`netwatch report --scheduled`, as the timer has it made."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from netwatch.cli.main import main
from tests.e2e.described_month import fill_store, write_settings
from tests.report.test_mail import Mailbox, certificate, mailbox, server

__all__ = ["certificate", "mailbox", "server"]  # fixtures, used by their names

OCTOBER = ["--month", "2024-10", "--format", "csv,json", "--lang", "fr"]


def make(site: Path) -> int:
    return main(["report", "--config", str(site / "agent.toml"), "--scheduled", *OCTOBER])


def test_the_scheduled_report_lies_beside_the_store_and_asks_for_no_mail(tmp_path: Path) -> None:
    """A configuration without [mail] is no mistake of the timer's."""
    fill_store(tmp_path / "netwatch.db")
    write_settings(tmp_path)
    assert make(tmp_path) == 0
    folder = tmp_path / "reports/netwatch-ecole-jaures-2024-10"
    assert (folder / "netwatch-ecole-jaures-2024-10.zip").is_file()


def test_the_scheduled_report_is_mailed_where_the_configuration_says_to_whom(
    tmp_path: Path,
    server: Controller,
    certificate: tuple[Path, Path],
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its password may be a credential of the service."""
    fill_store(tmp_path / "netwatch.db")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "secrets_password").write_text("secret\n", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    more = f"""
[mail]
host = "127.0.0.1"
port = {server.port}
sender = "Ville <reseau@ville.example>"
recipients = ["mairie@ville.example"]
user = "jules"
password_file = "secrets/password"
certificate_authority = "{certificate[0]}"
"""
    write_settings(tmp_path, more=more)
    assert make(tmp_path) == 0
    assert make(tmp_path) == 0
    ((recipient, _),) = mailbox.taken
    assert recipient == "mairie@ville.example"
