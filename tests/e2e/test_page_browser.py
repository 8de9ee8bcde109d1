"""The page as a person gets it: in headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from bench.page_picture import open_browser, serve_world, show
from netwatch.core.push_problems import explain_problem
from netwatch.records import PushProblem, PushReason
from netwatch.snapshot import PushState
from tests.adapters.web_world import NOW_MS, World, build_world
from tests.report.axe_core import install_axe, run_axe

TITLES = {
    ("up", "fr"): "La ligne fonctionne",
    ("down", "fr"): "La ligne est coupée",
    ("degraded", "fr"): "La ligne fonctionne mal",
    ("unknown", "fr"): "La ligne n’est pas mesurée",
    ("up", "en"): "The line works",
    ("down", "en"): "The line is down",
    ("degraded", "en"): "The line works poorly",
    ("unknown", "en"): "The line is not being measured",
}

# WCAG 2.2, 1.4.3: the contrast of every piece of text against the nearest opaque ground.
CONTRAST = """
const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
const light = ([r, g, b]) => { const f = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
const faint = [];
for (const e of document.querySelectorAll("body *")) {
  const text = [...e.childNodes].filter(n => n.nodeType === 3 && n.textContent.trim()).map(n => n.textContent.trim()).join(" ");
  if (!text || ["TITLE", "title", "desc"].includes(e.tagName)) continue;
  const style = getComputedStyle(e);
  const ink = parse(e.namespaceURI.endsWith("svg") ? style.fill : style.color);
  const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
  if ((a + .05) / (b + .05) < 4.5) faint.push(text + " " + ((a + .05) / (b + .05)).toFixed(2));
}
return faint;
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with open_browser() as opened:
        opened.get("about:blank")  # away from the browser's own first page and its requests
        yield opened


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return install_axe(tmp_path_factory.mktemp("axe"))


#: A push that fails, in the longest words that there are for it.
FAILING = PushState(
    ok=False,
    minutes=43_200,
    oldest_ms=NOW_MS - 43_200 * 60_000,
    accepted=1_234_567,
    attempts=40,
    failed=39,
    problem=PushProblem(
        reason=PushReason.NO_BUCKET,
        where="https://metrologie.agglomeration-de-la-vallee.example.fr:8086/influx",
        fills={"bucket": "'netwatch'", "org": "'ville'", "status": "404"},
        said='{"code":"not found","message":"bucket \\"netwatch\\" not found"}',
    ),
)
#: Verdict, and how the push fares: None is a device without one.
PAGES: tuple[tuple[str, PushState | None], ...] = (
    ("up", PushState(ok=True, minutes=0, accepted=7, attempts=1)),
    ("down", FAILING),
    ("degraded", PushState(ok=True, minutes=90, oldest_ms=NOW_MS - 90 * 60_000, attempts=3)),
    ("unknown", PushState()),
    ("fresh", None),
)


def build_pushing(state: str, push: PushState | None) -> World:
    world = build_world(state)
    return msgspec.structs.replace(
        world, snapshot=msgspec.structs.replace(world.snapshot, push=push)
    )


@pytest.mark.parametrize(("state", "lang"), TITLES)
def test_the_verdict_is_seen_at_once_and_nothing_is_asked_of_anybody_else(
    browser: webdriver.Chrome, state: str, lang: str
) -> None:
    """The verdict stands in the first screen; no console message; only the page itself is fetched."""
    with serve_world(build_world(state)) as server:
        browser.get_log("performance")
        browser.get_log("browser")
        show(browser, f"{server.url}?lang={lang}", width=1_100, whole=False)
        title = browser.find_element(By.ID, "verdict")
        assert title.text == TITLES[state, lang]
        assert title.is_displayed()
        assert title.rect["y"] + title.rect["height"] < 400
        assert browser.get_log("browser") == []
        requested = [
            message["params"]["request"]["url"]
            for entry in browser.get_log("performance")
            if (message := json.loads(entry["message"])["message"])["method"]
            == "Network.requestWillBeSent"
        ]
        assert f"{server.url}?lang={lang}" in requested
        elsewhere = [url for url in requested if not url.startswith((server.url, "data:"))]
        assert elsewhere == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("state", ["up", "down", "degraded", "unknown", "fresh"])
def test_every_text_has_contrast_enough(browser: webdriver.Chrome, state: str, dark: bool) -> None:
    """Each piece of text has at least 4.5 to 1 against its ground, light and dark."""
    with serve_world(build_world(state)) as server:
        show(browser, f"{server.url}?lang=fr", width=1_100, dark=dark, whole=False)
        assert browser.execute_script(CONTRAST) == []


@pytest.mark.parametrize("width", [1_200, 360])
@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize(("state", "push"), PAGES)
def test_axe_finds_no_violation(  # noqa: PLR0917 -- fixtures and parameters
    browser: webdriver.Chrome, axe: str, state: str, push: PushState | None, lang: str, width: int
) -> None:
    """Every rule of axe-core over the whole page, the panel of the push in each of its states.

    Over the page that stands still: the other offers it by a link (WCAG 2.2, 2.2.1).
    """
    with serve_world(build_pushing(state, push)) as server:
        show(browser, f"{server.url}?lang={lang}&refresh=no", width=width)
        result = run_axe(browser, axe)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        panels = browser.find_elements(By.CSS_SELECTOR, "section.push")
    assert result["violations"] == []
    assert result["passed"] >= 20
    assert wide <= width
    assert len(panels) == (push is not None)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_a_push_that_fails_is_read_without_effort(
    browser: webdriver.Chrome, lang: str, dark: bool
) -> None:
    """What is wrong, what to do and that nothing is lost, each with contrast enough."""
    with serve_world(build_pushing("up", FAILING)) as server:
        show(browser, f"{server.url}?lang={lang}", width=1_100, dark=dark, whole=False)
        panel = browser.find_element(By.CSS_SELECTOR, "section.push")
        assert browser.execute_script(CONTRAST) == []
        text = panel.text
    explained = explain_problem(FAILING.problem, lang) if FAILING.problem else None
    assert explained is not None
    for words in (explained.sentence, explained.remedy):
        assert words.replace("\N{NO-BREAK SPACE}", " ") in text
    assert {"fr": "Rien ne part.", "en": "Nothing leaves."}[lang] in text


def test_unknown_time_is_hatched_and_down_is_solid(browser: webdriver.Chrome) -> None:
    """The ribbon tells unknown, degraded and down apart by pattern, not by colour alone."""
    with serve_world(build_world("up")) as server:
        show(browser, server.url, width=1_100, whole=False)
        fills = {
            verdict: browser.execute_script(
                f"return getComputedStyle(document.querySelector('.day .m-{verdict}')).fill"
            )
            for verdict in ("up", "degraded", "down", "unknown")
        }
    assert fills["unknown"] == 'url("#p-unknown")'
    assert fills["degraded"] == 'url("#p-degraded")'
    assert fills["down"].startswith("rgb")
    assert fills["up"].startswith("rgb")
    assert len(set(fills.values())) == 4


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_a_phone_needs_no_sideways_scrolling(
    browser: webdriver.Chrome, width: int, lang: str
) -> None:
    """WCAG 2.2, 1.4.10: from 320 px on the page fits; wide tables scroll in their own box."""
    with serve_world(build_world("down")) as server:
        show(browser, f"{server.url}?lang={lang}", width=width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_browsers_language_is_spoken_and_the_other_is_a_click_away(
    browser: webdriver.Chrome,
) -> None:
    """Accept-Language decides; the link leads to the other language, and the month is kept."""
    with serve_world(build_world("up")) as server:
        for asked, word in (("fr-FR", "La ligne fonctionne"), ("en-GB", "The line works")):
            browser.execute_cdp_cmd("Network.enable", {})
            browser.execute_cdp_cmd(
                "Network.setUserAgentOverride", {"userAgent": "test", "acceptLanguage": asked}
            )
            browser.get(server.url)
            assert browser.find_element(By.ID, "verdict").text == word
        browser.get(f"{server.url}?month=2026-10")
        browser.find_element(By.LINK_TEXT, "Français").click()
        assert "octobre 2026" in browser.find_element(By.ID, "month").text


def test_the_page_is_read_without_scripts(browser: webdriver.Chrome) -> None:
    """With scripting off the page says the same."""
    with serve_world(build_world("down")) as server:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            browser.get(f"{server.url}?lang=en")
            assert "The line is down" in browser.page_source
        finally:
            browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
