"""The lab for people: its refusal without root, its door for a browser, its screen."""

from __future__ import annotations

import io
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from rich.console import Console

from tests.netlab.agent import Entry
from tests.netlab.forwarder import Forwarder
from tests.netlab.lab import Lab
from tests.netlab.scenario import Result, Story, Stretch
from tests.netlab.screen import View, draw, draw_results, draw_verdict, list_keys

_ROOT = Path(__file__).parents[2]
_NOBODY = 65_534
_SERVER = """
import http.server, sys
server = http.server.ThreadingHTTPServer(("127.0.0.1", 10779), http.server.SimpleHTTPRequestHandler)
print("ready", flush=True)
server.serve_forever()
"""


def test_without_root_it_says_so_and_what_would_do() -> None:
    program = (
        "import os, sys; from tests.netlab.__main__ import main;"
        f" os.setuid({_NOBODY}); sys.exit(main(['--script']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "make lab: network namespaces can only be made by root, and this is user 65534:"
        " run `sudo make lab`\n"
    )


@pytest.mark.lab
def test_a_browser_outside_reaches_the_page_inside(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("x" * 300_000)
    with Lab() as lab, Forwarder(lab.names["school"], 10_779) as forwarder:
        server = lab.popen(
            [sys.executable, "-c", _SERVER],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with server:
            assert server.stdout is not None
            server.stdout.readline()
            with urllib.request.urlopen(forwarder.address + "page", timeout=10) as answer:
                assert len(answer.read()) == 300_000
            server.kill()


def render(drawn: object) -> str:
    console = Console(width=150, file=io.StringIO())
    console.print(drawn)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_screen_shows_faults_verdict_and_what_was_found() -> None:
    text = render(
        draw(
            View(
                page="http://127.0.0.1:10779/",
                link={"verdict": "down", "cause": "access", "reason": None, "since": "now"},
                active={"fibre_cut": 1.0},
                found={"fibre_cut": "down/access, start +210 ms"},
            )
        )
    )
    for word in ("DOWN · access", "═╳╳═", "start +210 ms", "http://127.0.0.1:10779/"):
        assert word in text


def test_an_agent_that_does_not_answer_is_not_taken_for_down() -> None:
    assert draw_verdict(None).plain == "the agent does not answer"


def test_every_fault_has_its_key_and_none_is_taken() -> None:
    assert not set(list_keys()) & {"q", "0"}


def test_a_wrong_ledger_is_told_in_the_table() -> None:
    story, truth = Story("cut", "fibre_cut", 3, "down", "access"), (Stretch(1_000.0, 4_000.0),)
    right = Result(story, truth, (Entry("down", "access", None, 1_100, 4_200),), None, ())
    wrong = Result(story, truth, (), None, ("down/access was not found",))
    text = render(draw_results([right, wrong]))
    assert "+100 ms" in text
    assert "+200 ms" in text
    assert "NO: down/access was not found" in text
