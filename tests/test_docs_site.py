"""The documentation as a site: it builds strictly, and what it teaches works as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from netwatch.probes.base import Probe
from netwatch.records import Check, Finding, Outcome, Role
from tests.adapters.hostile import StreamServer, free_port

ROOT = Path(__file__).parent.parent
_CODE = re.compile(r"```python\n(?P<code>\"\"\"The SMTP probe.*?)```", re.DOTALL)


def test_every_link_and_anchor_of_the_site_leads_somewhere(tmp_path: Path) -> None:
    """In strict mode the site builds: a dead link, anchor or page out of place fails."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "fr" / "index.html").is_file()


def test_no_page_of_the_site_asks_others_for_anything(tmp_path: Path) -> None:
    """Fonts, scripts, styles and pictures come with the site: a reader is told to nobody."""
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
        timeout=120,
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    loaded = re.compile(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//|<link[^>]+href=\"//")
    sheets = re.compile(r"<link[^>]+rel=\"(?:stylesheet|preconnect|icon)\"[^>]+href=\"https?://")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not loaded.search(text), page.name
        assert not sheets.search(text), page.name


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("install.md", "install.md"),
        ("page.md", "page.md"),
        ("report.md", "rapport.md"),
        ("privacy.md", "vie-privee.md"),
        ("dashboards.md", "tableaux-de-bord.md"),
    ],
)
def test_each_page_of_a_user_is_in_french_too(english: str, french: str) -> None:
    """Both are there, and the French one is in the site's list."""
    assert (ROOT / "docs" / english).is_file()
    assert (ROOT / "docs" / "fr" / french).is_file()
    assert f"fr/{french}" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def build_printed_probe() -> Probe:
    """The class that docs/probes.md prints, made from the text of the page."""
    page = (ROOT / "docs" / "probes.md").read_text(encoding="utf-8")
    match = _CODE.search(page)
    assert match is not None
    names: dict[str, Any] = {"__name__": "printed"}
    exec(match["code"], names)
    probe: Probe = names["SmtpProbe"]()
    return probe


def measure(port: int) -> Finding:
    return build_printed_probe().measure(
        Check(
            id="mail",
            kind="smtp",
            target="127.0.0.1",
            role=Role.SERVICE,
            every_ms=60_000,
            timeout_ms=2_000,
            params={"port": port},
        )
    )


@contextmanager
def serve_mail() -> Iterator[int]:
    """A real SMTP server on a free port."""
    port = free_port()
    controller = Controller(Sink(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def test_the_printed_probe_finds_a_mail_server() -> None:
    """The probe that the page has a newcomer write works as printed."""
    with serve_mail() as port:
        finding = measure(port)
    assert finding.outcome is Outcome.ANSWERED
    assert finding.measures["greeting_us"] > 0


def test_the_printed_probe_names_what_is_no_mail_server() -> None:
    """Refused, and an answer that is no greeting, each by its word."""
    assert measure(free_port()).reason == "refused"
    with StreamServer(lambda stream: stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        assert measure(server.port).reason == "bad_answer"
