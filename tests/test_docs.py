"""The documentation is complete, held against the code (DESIGN.md, Tests)."""

from __future__ import annotations

import re
from pathlib import Path

from netwatch.config.schema import list_settings

DOCS = Path(__file__).parent.parent / "docs"
_ROW = re.compile(r"\| `(?P<path>[a-z0-9_.\[\]]+)` \|(?P<cells>.*)\|")


def read_documented_settings() -> dict[str, list[str]]:
    """Setting -> the cells of its row: meaning, unit, default, range."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    rows = {}
    for match in _ROW.finditer(text):
        cells = [cell.strip() for cell in match["cells"].split("|")]
        if len(cells) == 4:
            assert match["path"] not in rows, f"{match['path']} is documented twice"
            rows[match["path"]] = cells
    return rows


def test_every_setting_is_documented_and_nothing_else() -> None:
    """docs/configuration.md has a row for each setting of the model, and no other."""
    assert set(read_documented_settings()) == {path for path, _, _ in list_settings()}


def test_every_documented_default_is_the_models() -> None:
    """The default that a reader sees is the one that the program has."""
    documented = read_documented_settings()
    shown = {path: documented[path][2].strip("`") for path, _, _ in list_settings()}
    assert shown == {path: default or "none" for path, _, default in list_settings()}


def test_every_setting_has_a_meaning_and_a_unit() -> None:
    """No row of the documentation is a stub."""
    for path, (meaning, unit, _, _) in read_documented_settings().items():
        assert len(meaning) > 3, path
        assert unit, path
