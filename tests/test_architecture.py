"""Who may import whom, read from the source with `ast` (DESIGN.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "netwatch"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: A layer may import those before it; siblings within one never each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("records", "errors"),
    ("core",),
    ("snapshot",),
    ("clock", "config", "probes", "bandwidth", "store", "outlets", "web", "report"),
    ("agent", "fleet"),
    ("cli",),
)
FORBIDDEN_IN_CORE = {
    "asyncio",
    "http",
    "logging",
    "os",
    "pathlib",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
    "urllib",
}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc"}
#: Asking for now, by whatever name.
NOW = {"now", "utcnow", "today", "monotonic", "time_ns", "perf_counter"}
#: Reading the wall clock, from whichever library.
WALL_CLOCK = re.compile(r"time\.time(_ns)?|((dt|datetime)\.)?(datetime|date)\.(now|utcnow|today)")


def layer_of(name: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if name in layer)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[str, int, int]]:
    """Each imported module's name, the line, and the level (0: absolute)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base, node.lineno, node.level
            yield from ((f"{base}.{alias.name}", node.lineno, node.level) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_the_layers_below_its_own(path: Path) -> None:
    """Absolute imports, downwards, never from a sibling."""
    if path == PACKAGE / "__init__.py":
        assert not [name for name, _, _ in imports_of(path) if name.startswith("netwatch.")]
        return
    part = part_of(path)
    for name, line, level in imports_of(path):
        where = f"{path.relative_to(ROOT)}:{line}"
        assert level == 0, f"{where}: relative import"
        if not name.startswith("netwatch."):
            continue
        other = name.split(".")[1]
        if other in (part, "__version__"):
            continue
        assert layer_of(other) < layer_of(part), f"{where}: {part} may not import {other}"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: path.name
)
def test_core_touches_no_world_and_never_asks_for_now(path: Path) -> None:
    """Instants come in as arguments."""
    for name, line, _ in imports_of(path):
        assert name.split(".")[0] not in FORBIDDEN_IN_CORE, f"{path.name}:{line}: {name}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in NOW, f"{path.name}:{node.lineno}: asks for now"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_its_rule_and_has_a_name_that_says_what_it_is(path: Path) -> None:
    """Every file with code in it opens with a docstring; none is called helpers."""
    text = path.read_text(encoding="utf-8")
    assert path.stem not in FORBIDDEN_NAMES
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{path.relative_to(ROOT)}: no docstring"


def test_the_clock_is_read_in_one_file() -> None:
    """Only clock.py reads the wall clock; everything else is handed a Clock."""
    readers = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and WALL_CLOCK.fullmatch(ast.unparse(node))
    }
    assert readers <= {"netwatch/clock.py"}
