"""Blocks of Prometheus for a whole fleet, from the block of a few sites.

Rule of this file: the documented format of index and chunks (Prometheus, tsdb/docs/format),
read as promtool wrote it and written with the labels of other sites. Every site gets bytes
of its own on the disk; what is in them is its model's. promtool takes 3 s of a core for a
million samples, and a fleet's month has hundreds of them.
"""

from __future__ import annotations

import json
import secrets
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]
#: A series' labels -> those of the series that are written in its place.
Copies = Callable[[Labels], Iterable[Labels]]

_INDEX_MAGIC, _INDEX_VERSION = 0xBAAAD700, 2
_CHUNKS_HEAD = struct.pack(">IB3x", 0x85BD40DD, 1)
_SEGMENT_BYTES = 512 << 20
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Chunk(NamedTuple):
    """One chunk: first and last instant (ms), and segment << 32 | offset."""

    begin_ms: int
    end_ms: int
    reference: int


class Series(NamedTuple):
    """One series of a block."""

    labels: Labels
    chunks: tuple[Chunk, ...]


def copy_block(source: Path, target: Path, copies: Copies) -> int:
    """Write ``source`` into a new block below ``target``, each series as its copies; their number."""
    block = target / _build_ulid()
    (block / "chunks").mkdir(parents=True)
    segments = {
        int(path.name) - 1: path.read_bytes() for path in sorted((source / "chunks").iterdir())
    }
    writer = _SegmentWriter(block / "chunks")
    written: list[Series] = []
    models = list(read_series((source / "index").read_bytes()))
    for series in models:
        data, starts = _cut(segments, series.chunks)
        for labels in copies(series.labels):
            base = writer.append(data)
            written.append(
                Series(tuple(sorted(labels)), tuple(
                    chunk._replace(reference=base + start)
                    for chunk, start in zip(series.chunks, starts, strict=True)
                ))
            )  # fmt: skip
    writer.close()
    written.sort(key=lambda each: each.labels)
    (block / "index").write_bytes(build_index(written))
    meta = json.loads((source / "meta.json").read_text(encoding="ascii"))
    meta["ulid"] = block.name
    meta["compaction"]["sources"] = [block.name]
    meta["stats"] = {
        "numSamples": meta["stats"]["numSamples"] * len(written) // len(models),
        "numSeries": len(written),
        "numChunks": sum(len(each.chunks) for each in written),
    }
    (block / "meta.json").write_text(json.dumps(meta), encoding="ascii")
    return len(written)


def _build_ulid() -> str:
    return "01" + "".join(secrets.choice(_CROCKFORD) for _ in range(24))


# -- chunks ----------------------------------------------------------------------------------


def _cut(segments: dict[int, bytes], chunks: tuple[Chunk, ...]) -> tuple[bytes, list[int]]:
    """The bytes of these chunks one behind the other, and where each begins in them."""
    pieces, starts, at = [], [], 0
    for chunk in chunks:
        segment, offset = segments[chunk.reference >> 32], chunk.reference & 0xFFFFFFFF
        length, after = _read_uvarint(segment, offset)
        end = after + 1 + length + 4  # encoding, data, checksum
        pieces.append(segment[offset:end])
        starts.append(at)
        at += end - offset
    return b"".join(pieces), starts


class _SegmentWriter:
    """Segment files one behind the other; a series' chunks are in one of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._open()

    def _open(self) -> None:
        self._number += 1
        self._file = (self._folder / f"{self._number:06}").open("wb")
        self._file.write(_CHUNKS_HEAD)

    def append(self, data: bytes) -> int:
        """The reference of the first of these bytes."""
        if self._file.tell() + len(data) > _SEGMENT_BYTES:
            self._file.close()
            self._open()
        reference = (self._number - 1) << 32 | self._file.tell()
        self._file.write(data)
        return reference

    def close(self) -> None:
        self._file.close()


# -- index -----------------------------------------------------------------------------------


def read_series(index: bytes) -> Iterator[Series]:
    """Every series of an index of version 2."""
    symbols_at, series_at, labels_at = struct.unpack_from(">QQQ", index, len(index) - 52)
    (count,) = struct.unpack_from(">I", index, symbols_at + 4)
    symbols, at = [], symbols_at + 8
    for _ in range(count):
        length, at = _read_uvarint(index, at)
        symbols.append(index[at : at + length].decode())
        at += length
    at = series_at
    while at + 16 <= labels_at:
        at = -(-at // 16) * 16
        if at >= labels_at:
            return
        length, at = _read_uvarint(index, at)
        end = at + length + 4
        pairs, at = _read_uvarint(index, at)
        labels = []
        for _ in range(pairs):
            name, at = _read_uvarint(index, at)
            value, at = _read_uvarint(index, at)
            labels.append((symbols[name], symbols[value]))
        yield Series(tuple(labels), tuple(_read_chunks(index, at)))
        at = end


def _read_chunks(index: bytes, at: int) -> Iterator[Chunk]:
    count, at = _read_uvarint(index, at)
    end_ms = reference = 0
    for number in range(count):
        if number == 0:
            begin_ms, at = _read_varint(index, at)
        else:
            gap, at = _read_uvarint(index, at)
            begin_ms = end_ms + gap
        lasts, at = _read_uvarint(index, at)
        end_ms = begin_ms + lasts
        if number == 0:
            reference, at = _read_uvarint(index, at)
        else:
            step, at = _read_varint(index, at)
            reference += step
        yield Chunk(begin_ms, end_ms, reference)


def build_index(series: list[Series]) -> bytes:
    """The index of these series, which are in the order of their labels."""
    out = bytearray(struct.pack(">IB", _INDEX_MAGIC, _INDEX_VERSION))
    names = sorted({text for each in series for pair in each.labels for text in pair})
    place = {text: number for number, text in enumerate(names)}
    symbols_at = len(out)
    body = b"".join(_uvarint(len(each.encode())) + each.encode() for each in names)
    out += _framed(struct.pack(">I", len(names)) + body)
    _align(out, 16)
    series_at = len(out)
    postings: dict[tuple[str, str], list[int]] = {("", ""): []}
    for each in series:
        _align(out, 16)
        number = len(out) // 16
        postings["", ""].append(number)
        for pair in each.labels:
            postings.setdefault(pair, []).append(number)
        body = _build_entry(each, place)
        out += _uvarint(len(body)) + body + _checksum(body)
    labels_at = len(out)
    _align(out, 4)
    postings_at = len(out)
    offsets: list[tuple[tuple[str, str], int]] = []
    for pair in sorted(postings):
        _align(out, 4)
        offsets.append((pair, len(out)))
        references = postings[pair]
        out += _framed(struct.pack(f">I{len(references)}I", len(references), *references))
    tables = []
    # Indices of labels are of version 1: readers of version 2 take postings for all of it.
    for entries in ([], offsets):
        tables.append(len(out))
        rows = [
            b"\x02" + _text(name) + _text(value) + _uvarint(offset)
            for (name, value), offset in entries
        ]
        out += _framed(struct.pack(">I", len(rows)) + b"".join(rows))
    toc = struct.pack(
        ">QQQQQQ", symbols_at, series_at, labels_at, tables[0], postings_at, tables[1]
    )
    return bytes(out + toc + _checksum(toc))


def _build_entry(series: Series, place: dict[str, int]) -> bytes:
    out = bytearray(_uvarint(len(series.labels)))
    for name, value in series.labels:
        out += _uvarint(place[name]) + _uvarint(place[value])
    out += _uvarint(len(series.chunks))
    before: Chunk | None = None
    for chunk in series.chunks:
        lasts = _uvarint(chunk.end_ms - chunk.begin_ms)
        if before is None:
            out += _varint(chunk.begin_ms) + lasts + _uvarint(chunk.reference)
        else:
            out += _uvarint(chunk.begin_ms - before.end_ms) + lasts
            out += _varint(chunk.reference - before.reference)
        before = chunk
    return bytes(out)


def _align(out: bytearray, size: int) -> None:
    out.extend(b"\x00" * (-len(out) % size))


def _text(text: str) -> bytes:
    data = text.encode()
    return _uvarint(len(data)) + data


def _framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body + _checksum(body)


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", build_crc32c(data))


def _build_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _build_table()


def build_crc32c(data: bytes) -> int:
    """The checksum of Castagnoli (RFC 3720, B.4), which zlib does not have.

    >>> hex(build_crc32c(b"123456789"))
    '0xe3069283'
    """
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(value: int) -> bytes:
    return _uvarint(value << 1 if value >= 0 else ~(value << 1))


def _read_uvarint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value, at = _read_uvarint(data, at)
    return value >> 1 ^ -(value & 1), at
