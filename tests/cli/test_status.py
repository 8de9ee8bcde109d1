"""`netwatch status` as a person reads it in a narrow terminal."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from netwatch.agent.service import read_token
from netwatch.cli.status import (
    AgentUnreachable,
    build_agent,
    build_status,
    build_targets,
    read_status,
)
from netwatch.config.model import Http
from netwatch.errors import NetwatchError
from netwatch.web.notices import NOTICES

WINDOW = {"median_us": 20_450, "p95_us": 31_000, "sent": 60, "lost": 0}
TARGET = {
    "name": "a-rather-long-name",
    "role": "first_hop",
    "address": "2001:db8:ffff:ffff::1234:5678",
    "answered": True,
    "window": WINDOW,
}
AGENT = {
    "version": "0.1.0",
    "uptime_ms": 1_000,
    "clock_synchronised": True,
    "icmp": "raw",
    "store": {"bytes": None},
    "notices": ["first_hop_unknown", "later_word"],
}


def show(what: object) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(what)
    return out.getvalue()


def test_an_address_is_never_shown_in_part() -> None:
    """In eighty columns it goes on in the next line."""
    target = {**TARGET, "name": "[red]x", "window": {**WINDOW, "median_us": 30}}
    text = show(build_targets([TARGET, target]))
    assert "…" not in text
    assert "2001:db8:" in text
    assert "5678" in text
    assert "[red]x" in text
    assert "0.03 ms" in text


def test_a_notice_says_what_to_do() -> None:
    """As the page does, square brackets and all; one of a later agent is said as it is."""
    sentence, remedy = NOTICES["first_hop_unknown"]["en"]
    lines = build_agent(AGENT).splitlines()
    assert lines[-2:] == [f"notice: {sentence} {remedy}", "notice: later word"]
    answer = {
        **AGENT,
        "site": {
            "id": "x",
            "name": None,
            "operator": None,
            "reference": None,
            "timezone": "Europe/Paris",
        },
        "link": {"verdict": "up", "held_ms": 5_000, "since": None, "cause": None, "reason": None},
        "accounts": None,
        "targets": [],
    }
    assert "[[target]]" in show(build_status(answer))


def test_an_outage_says_by_when_the_contract_wants_it_restored() -> None:
    """In the site's time; after that, that it is over. An older agent says nothing of it."""
    link = {
        "verdict": "down",
        "held_ms": 5_000,
        "since": None,
        "cause": "access",
        "reason": None,
        "restore_deadline": "2026-11-24T15:00:00.000Z",
    }
    answer = {
        **AGENT,
        "at": "2026-11-24T11:00:00.000Z",
        "site": {
            "id": "x",
            "name": None,
            "operator": None,
            "reference": None,
            "timezone": "Europe/Paris",
        },
        "link": link,
        "accounts": None,
        "targets": [],
    }
    assert "\n  to be restored by 2026-11-24 16:00:00 (contract)\n" in show(build_status(answer))
    late = {**answer, "at": "2026-11-24T15:00:00.001Z"}
    assert "was to be restored by 2026-11-24 16:00:00: the contract's time is over" in show(
        build_status(late)
    )
    for older in ({**link, "restore_deadline": None}, {**link}):
        if older["restore_deadline"] is not None:
            del older["restore_deadline"]
        assert "restored" not in show(build_status({**answer, "link": older}))


def refuse_status(token: Path) -> str:
    with pytest.raises(AgentUnreachable) as refused:
        read_status(Http(token_file=str(token)))
    return str(refused.value)


def test_a_token_that_is_not_this_users_is_told_apart_from_an_agent_that_is_not_there(
    tmp_path: Path,
) -> None:
    """What would do is sudo, or the file's right name; nothing is asked of the agent."""
    token = tmp_path / "token"
    token.write_text("of-root-alone", encoding="utf-8")
    token.chmod(0)
    tmp_path.chmod(0o755)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        said = refuse_status(token)
    finally:
        if is_root:
            os.seteuid(0)
    # The folders above may be closed to others too: the kernel says the same of both.
    assert said == f"{token}: the agent's token may not be read by this user: sudo netwatch status"
    missing = tmp_path / "none"
    assert refuse_status(missing) == (
        f"{missing}: the agent's token cannot be read (No such file or directory): "
        "http.token_file names its file"
    )


def test_an_agent_without_its_token_says_where_it_belongs(tmp_path: Path) -> None:
    """Of a folder that is root's alone the kernel says no more; so neither does the agent."""
    missing, binary = tmp_path / "none", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for path, said in (
        (missing, "the token is not there, or may not be read (No such file or directory): "
                  "write it into that file"),
        (binary, "the token is no text: write it into that file"),
    ):  # fmt: skip
        with pytest.raises(NetwatchError) as refused:
            read_token(str(path))
        assert str(refused.value) == f"{path}: {said}"
