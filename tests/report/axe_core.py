"""axe-core in a browser, pinned by `package-lock.json` beside this file.

Rule of this file: it fetches the rules and has them run over the page that is open. What
must hold is said by the tests.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TypedDict

from selenium import webdriver

HERE = Path(__file__).parent


class AxeResult(TypedDict):
    """How many rules passed, and each violation with where it is."""

    passed: int
    violations: list[str]


def install_axe(folder: Path) -> str:
    """The script, installed by npm into a folder of this run."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def run_axe(browser: webdriver.Chrome, axe: str) -> AxeResult:
    """Every rule, best practices included, over the page that is open."""
    browser.execute_script(axe)
    result: AxeResult = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
        ".then(result => done({passed: result.passes.length, violations: result.violations.map("
        "v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join('; '))}));"
    )
    return result
