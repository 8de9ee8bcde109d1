"""What every commit measures of the books, again and again; prints the memory it took at most.

Rule of this file: a process of its own, whose table of names is as small as an agent's. The
interpreter makes that table anew, some hundred KiB at once, when enough names came and went.

    python -m tests.adapters.store_names FOLDER TIMES
"""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

from netwatch.store.books import Books
from netwatch.store.meter import StoreMeter


class FakeClock:
    """Stands still."""

    def monotonic_ms(self) -> int:
        return 0

    def wall_ms(self) -> int:
        return 0


def main(folder: Path, times: int) -> None:
    path = folder / "netwatch.db"
    path.touch()
    path.with_name("netwatch.db-wal").touch()
    books, meter = Books(path, lambda: "unused"), StoreMeter(FakeClock(), path)
    assert books.read_store_bytes() == 0
    meter.read()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(times):
        meter.read()
        books.read_store_bytes()
    _, most = tracemalloc.get_traced_memory()
    print(most - before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
