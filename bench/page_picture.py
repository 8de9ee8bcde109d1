"""docs/images/page.png and page.fr.png: the real page of a simulated month, by headless Chromium.

Rule of this file: a picture is of the program as it is; only the site and its month
are made up, and the page's head says so.
"""

from __future__ import annotations

import base64
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from netwatch.outlets.prometheus import render_metrics
from netwatch.web.app import build_routes
from netwatch.web.server import Server, build_server
from tests.adapters.web_world import SITE, World, build_world

_FOLDER = Path(__file__).parents[1] / "docs" / "images"
IMAGES = {"en": _FOLDER / "page.png", "fr": _FOLDER / "page.fr.png"}
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


@contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """A headless Chromium with an empty profile, which logs the network and the console."""
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
        browser = webdriver.Chrome(options=options, service=service)
        try:
            yield browser
        finally:
            browser.quit()


@contextmanager
def serve_world(world: World, *, name: str | None = None) -> Iterator[Server]:
    """The real server with the real pages of a made-up site."""
    server = build_server(
        "127.0.0.1:0",
        build_routes(
            get_snapshot=lambda: world.snapshot,
            books=world.books,
            site=msgspec.structs.replace(SITE, name=name or SITE.name),
            is_alive=lambda: True,
            render_metrics=render_metrics,
        ),
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
    )
    server.serve()
    try:
        yield server
    finally:
        server.stop()


def show(
    browser: webdriver.Chrome, url: str, *, width: int, dark: bool = False, whole: bool = True
) -> None:
    """Open a page at a width, as tall as it is if ``whole``."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)
    if whole:
        size["height"] = browser.execute_script("return document.documentElement.scrollHeight")
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def main() -> None:
    """Write the pictures."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        serve_world(build_world("down"), name="École Jean-Jaurès (simulation)") as server,
        open_browser() as browser,
    ):
        for language, image in IMAGES.items():
            show(browser, f"{server.url}?lang={language}", width=1_100)
            bottom = browser.execute_script(
                "return document.getElementById('events').closest('section')"
                ".getBoundingClientRect().top"
            )
            picture = browser.execute_cdp_cmd(
                "Page.captureScreenshot",
                {"clip": {"x": 0, "y": 0, "width": 1_100, "height": bottom, "scale": 1}},
            )
            image.write_bytes(base64.b64decode(picture["data"]))
            print(f"{image.name}: {image.stat().st_size} bytes")


if __name__ == "__main__":
    main()
