"""Columns of integers as few bytes that compress well.

Rule of this file: each value is stored less the smallest of its check, all in as many
bytes as the largest needs, the lowest bytes of all values first: what the values of one
target share becomes a row of zeros. Pure; it does not know what the integers mean.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain

import msgspec


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Integers of several checks, one behind the other."""

    bases: list[int]  # the smallest value of each check
    width: int  # bytes of what exceeds it
    planes: bytes  # the lowest bytes of all values, then the next …


def pack_column(by_check: Sequence[Sequence[int]]) -> Column:
    r"""The values of all checks as one column.

    >>> pack_column([[7, 7], [300, 301]])
    Column(bases=[7, 300], width=1, planes=b'\x00\x00\x00\x01')
    """
    bases = [min(values, default=0) for values in by_check]
    excess = list(
        chain.from_iterable(
            [value - base for value in values] for values, base in zip(by_check, bases, strict=True)
        )
    )
    width = (max(excess, default=0).bit_length() + 7) // 8
    if width == 0:
        return Column(bases, 0, b"")
    code, size = _integer_of(width)
    raw = struct.pack(f"<{len(excess)}{code}", *excess)
    return Column(bases, width, b"".join(raw[plane::size] for plane in range(width)))


def unpack_column(column: Column, counts: Sequence[int]) -> list[tuple[int, ...]]:
    """The values by check, each with so many; ValueError where the parts do not fit together.

    >>> unpack_column(pack_column([[7, 7], [300, 301]]), [2, 2])
    [(7, 7), (300, 301)]
    """
    length = sum(counts)
    if len(column.bases) != len(counts) or len(column.planes) != length * column.width:
        raise ValueError("a column's length is wrong")
    if column.width == 0:  # as due times are, for the most part
        return [(base,) * count for base, count in zip(column.bases, counts, strict=True)]
    excess: Sequence[int] = column.planes
    if column.width != 1:
        code, size = _integer_of(column.width)
        raw = bytearray(length * size)
        for plane in range(column.width):
            raw[plane::size] = column.planes[plane * length : (plane + 1) * length]
        excess = struct.unpack(f"<{length}{code}", raw)
    if len(counts) == 1:
        base = column.bases[0]
        return [tuple([base + value for value in excess])]
    columns: list[tuple[int, ...]] = []
    start = 0
    for count, base in zip(counts, column.bases, strict=True):
        columns.append(tuple([base + value for value in excess[start : start + count]]))
        start += count
    return columns


def _integer_of(width: int) -> tuple[str, int]:
    """The struct code of the smallest unsigned integer that holds so many bytes, and its size."""
    for code, size in (("B", 1), ("H", 2), ("I", 4), ("Q", 8)):
        if 0 < width <= size:
            return code, size
    raise ValueError(f"a column of {width} bytes")
