"""`python -m dashboards [--check]`: write the JSON, or say which file is not current."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.build import build_files

_FOLDER = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """0 when every file is, or now is, what the program builds; 1 when ``--check`` finds another."""
    stale: list[str] = []
    for name, text in build_files().items():
        path = _FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(name))
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    words = "not current" if "--check" in arguments else "written"
    sys.stdout.writelines(f"{name}: {words}\n" for name in stale)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
