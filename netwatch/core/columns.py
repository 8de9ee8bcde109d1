"""Columns of integers as few bytes that compress well.

Rule of this file: each value is stored less the smallest of its check, all in as many
bytes as the largest needs, the lowest bytes of all values first: what the values of one
target share becomes a row of zeros. Pure; it does not know what the integers mean.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import chain
from operator import add, mul

import msgspec


class Column(msgspec.Struct, frozen=True, array_like=True, gc=False):
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
    excess = unpack_planes(
        [column.planes[plane : plane + length] for plane in range(0, len(column.planes), length)]
    )
    if len(counts) == 1:
        base = column.bases[0]
        return [tuple([base + value for value in excess])]
    columns: list[tuple[int, ...]] = []
    start = 0
    for count, base in zip(counts, column.bases, strict=True):
        columns.append(tuple([base + value for value in excess[start : start + count]]))
        start += count
    return columns


def unpack_planes(planes: Sequence[bytes]) -> Sequence[int]:
    r"""The integers whose lowest bytes, next bytes … these are; ValueError beyond eight.

    >>> unpack_planes([b"\x01\x02", b"\x00\x01"])
    (1, 258)
    """
    if len(planes) == 1:
        return planes[0]
    code, size = _integer_of(len(planes))
    raw = bytearray(len(planes[0]) * size)
    for place, plane in enumerate(planes):
        raw[place::size] = plane
    return struct.unpack(f"<{len(planes[0])}{code}", raw)


def add_lanes(planes: Sequence[bytes], bases: Sequence[int], counts: Sequence[int]) -> array[int]:
    r"""The integers of these byte planes, each base added to as many of them as its count.

    >>> list(add_lanes([b"\x01\x02\x03", b"\x00\x01\x00"], [10, 20], [2, 1]))
    [11, 268, 23]
    >>> list(add_lanes([], [-7], [2]))
    [-7, -7]
    """
    lanes = array("q", bases)
    if sys.byteorder == "big":
        lanes.byteswap()
    raw = lanes.tobytes()
    pieces = [raw[at : at + 8] for at in range(0, len(raw), 8)]
    smallest = b"".join(map(mul, pieces, counts))
    excess = bytearray(len(smallest))
    for place, plane in enumerate(planes):
        excess[place::8] = plane
    values = array("q")
    if planes and min(bases, default=0) >= 0:
        # Both as one long number each, of a digit of 64 bits a value: none reaches the next.
        total = int.from_bytes(smallest, "little") + int.from_bytes(excess, "little")
        values.frombytes(total.to_bytes(len(smallest), "little"))
    else:
        values.frombytes(smallest)
        values = array("q", map(add, values, array("q", bytes(excess)))) if planes else values
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _integer_of(width: int) -> tuple[str, int]:
    """The struct code of the smallest unsigned integer that holds so many bytes, and its size."""
    for code, size in (("B", 1), ("H", 2), ("I", 4), ("Q", 8)):
        if 0 < width <= size:
            return code, size
    raise ValueError(f"a column of {width} bytes")
