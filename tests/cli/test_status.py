"""`netwatch status` as a person reads it in a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from netwatch.cli.status import build_agent, build_status, build_targets
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
