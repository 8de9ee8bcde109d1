"""The store over years: what it does at each commit leaves nothing behind in the interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: As many commits as an agent makes in two weeks; names fill the table of a small process in one.
COMMITS = 20_000
#: Far less than the smallest table that could be made anew, far more than one measuring takes.
MOST_BYTES = 100_000


def test_measuring_the_books_at_each_commit_fills_no_table_of_names(tmp_path: Path) -> None:
    """A path that is made anew each time enters its names anew: then a megabyte came at once."""
    command = [sys.executable, "-m", "tests.adapters.store_names", str(tmp_path), str(COMMITS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < MOST_BYTES
