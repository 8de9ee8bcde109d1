"""`python -m dashboards [--check]`: write JSON and pictures, or say which file is not current."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.build import build_files, build_pictures

_FOLDER = Path(__file__).parent
_PICTURES = _FOLDER.parent / "docs" / "images"


def main(arguments: list[str]) -> int:
    """0 when every file is, or now is, what the program builds; 1 when ``--check`` finds another."""
    stale: list[str] = []
    built = {_FOLDER / name: text for name, text in build_files().items()}
    built |= {_PICTURES / name: text for name, text in build_pictures().items()}
    for path, text in built.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path.relative_to(_FOLDER.parent)))
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    words = "not current" if "--check" in arguments else "written"
    sys.stdout.writelines(f"{name}: {words}\n" for name in stale)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
