"""Entries of the chain of days from a number on, for whoever tells the centre of them.

Rule of this file: reads only, and each entry once. It must not know where they go.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from netwatch.core.chain import DayHash, name_day
from netwatch.store.db import opened_read_only

_FIELDS = DayHash.__struct_fields__


def read_entries_after(path: Path | str, number: int) -> list[DayHash]:
    """The entries with a higher number, oldest first. Raises StoreError."""
    with opened_read_only(path) as connection:
        rows = connection.execute(
            f"SELECT {', '.join(_FIELDS)} FROM day_chain WHERE number > ? ORDER BY number",  # noqa: S608 - our own names
            (number,),
        ).fetchall()
    entries = (dict(zip(_FIELDS, row, strict=True)) for row in rows)
    return [msgspec.convert({**entry, "day": name_day(entry["day"])}, DayHash) for entry in entries]
