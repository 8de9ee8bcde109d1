"""The README's figures are those that the benches measured."""

from __future__ import annotations

import json
from pathlib import Path

from bench.figures import BEGIN, END, replace_figures

ROOT = Path(__file__).parent.parent


def test_the_readme_says_what_the_results_say() -> None:
    """The table between the marks is the one that `python -m bench --publish` writes."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    results = json.loads((ROOT / "docs/figures.json").read_text(encoding="utf-8"))
    assert BEGIN in readme
    assert END in readme
    assert readme == replace_figures(readme, results)


def test_every_page_that_the_readme_names_is_there() -> None:
    """No dead link to a file of this repository."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [part.split(")")[0] for part in readme.split("](")[1:]]
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []
