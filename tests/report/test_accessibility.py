"""The pages in a real browser under axe-core, and the tags of the PDF."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from selenium import webdriver

from netwatch.report.model import Report
from netwatch.report.render import build_language, render_html, render_pdf
from tests.report.axe_core import install_axe, run_axe
from tests.report.sample_report import make_partial_report, make_report, make_unwatched_report

REPORTS = {
    "full": make_report,
    "partial": make_partial_report,
    "unwatched": make_unwatched_report,
}


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The pinned axe-core."""
    return install_axe(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--force-prefers-reduced-motion",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(flag)
    service = webdriver.ChromeService(
        executable_path=shutil.which("chromedriver"), log_output=os.devnull
    )
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize(
    ("name", "code"), [("full", "fr"), ("full", "en"), ("partial", "fr"), ("unwatched", "en")]
)
def test_axe_finds_no_violation(  # noqa: PLR0917 -- fixtures and parameters
    browser: webdriver.Chrome, axe: str, tmp_path: Path, name: str, code: str, width: int
) -> None:
    """Every rule of axe-core, best practices included, on a desk and on a telephone."""
    page = tmp_path / "report.html"
    page.write_text(render_html(REPORTS[name](), code), encoding="utf-8")  # type: ignore[arg-type]  # parametrised
    browser.set_window_size(width, 900)
    browser.get(page.as_uri())
    result = run_axe(browser, axe)
    assert result["violations"] == []
    assert result["passed"] >= 20
    overflow = browser.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow == 0
    fetched = browser.execute_script(
        "return performance.getEntriesByType('resource')"
        ".map(entry => entry.name).filter(name => !name.startsWith('data:'))"
    )
    assert fetched == []


def structure(pdf: pikepdf.Pdf) -> Iterator[tuple[str, pikepdf.Dictionary]]:
    """Every element of the tag tree with its type, in reading order."""
    waiting = [pdf.Root.StructTreeRoot.K]
    while waiting:
        node = waiting.pop()
        if isinstance(node, pikepdf.Array):
            waiting.extend(reversed(list(node)))
        elif isinstance(node, pikepdf.Dictionary) and "/S" in node:
            yield str(node.S).removeprefix("/"), node
            if "/K" in node:
                waiting.append(node.K)


@pytest.fixture(scope="module", params=["fr", "en"])
def tagged(request: pytest.FixtureRequest) -> tuple[str, Report, bytes]:
    report = make_report()
    return request.param, report, render_pdf(report, request.param)


def test_the_pdf_says_that_it_is_pdf_ua(tagged: tuple[str, Report, bytes]) -> None:
    """PDF/UA-1 in its metadata, marked, with language and title, embedded fonts."""
    code, _, data = tagged
    with pikepdf.open(BytesIO(data)) as pdf:
        with pdf.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
            assert "École Jean-Jaurès" in metadata["dc:title"]
        assert str(pdf.Root.Lang) == code
        assert bool(pdf.Root.MarkInfo.Marked)
        assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
        for page in pdf.pages:
            for font in page.Resources.get("/Font", {}).values():
                descriptor = font.DescendantFonts[0].FontDescriptor
                assert "/FontFile2" in descriptor or "/FontFile3" in descriptor


def test_every_heading_table_header_and_figure_is_tagged(
    tagged: tuple[str, Report, bytes],
) -> None:
    """As many as the page has: h1 to h3, th with cells that name them, drawings with their words."""
    code, report, data = tagged
    html = render_html(report, code, for_pdf=True)  # type: ignore[arg-type]  # parametrised
    with pikepdf.open(BytesIO(data)) as pdf:
        elements = list(structure(pdf))
        kinds = [kind for kind, _ in elements]
        for level in ("1", "2", "3"):
            assert kinds.count(f"H{level}") == html.count(f"<h{level}")
        headings = [int(kind[1]) for kind in kinds if kind in ("H1", "H2", "H3")]
        assert headings[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(headings))
        assert kinds.count("Caption") >= html.count("<caption")
        # A table's head is repeated on each page that it reaches.
        assert kinds.count("TH") >= html.count("<th ")
        figures = [element for kind, element in elements if kind == "Figure"]
        assert len(figures) == html.count("<svg") == 4
        for figure in figures:
            assert len(str(figure.Alt)) > 60
        cells = [element for kind, element in elements if kind == "TD"]
        identifiers = {str(e.ID) for kind, e in elements if kind == "TH" and "/ID" in e}
        assert cells
        for cell in cells:
            named = {str(header) for header in cell.A.get("/Headers", [])}
            assert named
            assert named <= identifiers


def test_poppler_reads_the_tags_too(tagged: tuple[str, Report, bytes], tmp_path: Path) -> None:
    """What pdfinfo -struct, a reader that is not ours, sees: the headings in the page's order."""
    code, report, data = tagged
    path = tmp_path / "report.pdf"
    path.write_bytes(data)
    done = subprocess.run(
        ["pdfinfo", "-struct-text", str(path)], capture_output=True, text=True, check=True
    )
    title = build_language(report, code).gettext("2. Availability")  # type: ignore[arg-type]  # parametrised
    assert "Tagged" not in done.stderr
    order = [done.stdout.index(word) for word in ("H1 (block)", title, "Figure")]
    assert order == sorted(order)


def test_nothing_of_a_page_lies_outside_its_margins(
    tagged: tuple[str, Report, bytes], tmp_path: Path
) -> None:
    """No clipped table: the outer 10 mm of every printed page are white but for the running lines."""
    _, _, data = tagged
    path = tmp_path / "report.pdf"
    path.write_bytes(data)
    subprocess.run(["pdftoppm", "-r", "50", "-gray", str(path), str(tmp_path / "p")], check=True)
    pages = sorted(tmp_path.glob("p-*.pgm"))
    assert 5 <= len(pages) <= 14
    for page in pages:
        _magic, size, _depth, pixels = page.read_bytes().split(b"\n", 3)
        width, height = (int(word) for word in size.split())
        margin = round(50 * 10 / 25.4)
        for row in range(height):
            line = pixels[row * width : (row + 1) * width]
            assert min(line[:margin]) > 250
            assert min(line[-margin:]) > 250
