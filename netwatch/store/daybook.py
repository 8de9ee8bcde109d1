"""The daybook: a small file in which a batch is safe before the database has it.

The law of this file: a block that holds something not yet in the database is never
written over, so that a torn write costs at most the batch that was being written. A
database commit a minute wears the card by 60 MB a day, one block written in place by
half of that (docs/decisions/0004-store.md). It knows no database.

The file has a fixed size, and blocks of 4 KiB. A record fills as many as it needs from
the start of one: ``magic, CRC-32, length`` and a compressed MessagePack `Batch`. What an
earlier round left in the blocks behind is told apart by run and sequence, which the
database knows.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from netwatch.errors import StoreError
from netwatch.store.batch import Batch
from netwatch.store.failures import explain_refusal

BLOCK_BYTES = 4096
BLOCKS = 64
_FILE_BYTES = BLOCKS * BLOCK_BYTES
_HEADER = struct.Struct("<4sII")
_MAGIC = b"nwd1"
#: A batch of a day at full speed; what says it is larger is no record of ours.
_MAX_PLAIN_BYTES = 64_000_000


class Daybook:
    """Made by the thread that uses it. Every method raises StoreError when the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._next_block = 0
        self._encoder = msgspec.msgpack.Encoder()

    def read(self) -> list[Batch]:
        """Every sound record, by run and sequence; those of earlier rounds among them."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._explained(error) from error
        found = _find_records(content)
        return sorted(found, key=lambda batch: (batch.run_id, batch.sequence or 0))

    def begin(self) -> None:
        """Make the file at its full size, and empty: what it held must be in the database."""
        self.close()
        with self._explaining():
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                # What was read of it lies in the page cache in large pieces, and newer kernels
                # count each as written whole for a block of it: block by block they are small.
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                # Blocks that hold nothing yet must exist, or each record would be entered
                # in the file system's journal too.
                empty = bytes(BLOCK_BYTES)
                written = sum(
                    os.pwrite(descriptor, empty, at) for at in range(0, _FILE_BYTES, BLOCK_BYTES)
                )
                os.ftruncate(descriptor, _FILE_BYTES)
                os.fsync(descriptor)
            except OSError:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        self._next_block = 0 if written == _FILE_BYTES else BLOCKS

    @property
    def is_open(self) -> bool:
        """Whether the file was begun, and is held."""
        return self._descriptor is not None

    def append(self, batch: Batch) -> bool:
        """Make a batch safe; False when there is no room, until `clear`."""
        if self._descriptor is None:
            return False
        record = build_record(self._encoder.encode(batch))
        blocks = -(-len(record) // BLOCK_BYTES)
        if self._next_block + blocks > BLOCKS:
            return False
        with self._explaining():
            os.pwrite(self._descriptor, record, self._next_block * BLOCK_BYTES)
            os.fdatasync(self._descriptor)
        self._next_block += blocks
        return True

    def clear(self) -> None:
        """All that was appended is in the database: begin again at the first block."""
        self._next_block = 0

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._explained(error) from error

    def _explained(self, error: OSError) -> StoreError:
        otherwise = ("it cannot be read or written", "let the agent's user read and write it")
        return explain_refusal(self._path, error, otherwise)


def build_record(plain: bytes) -> bytes:
    """Header and compressed content.

    >>> len(build_record(b"")) > _HEADER.size
    True
    """
    packed = zlib.compress(plain, 6)
    return _HEADER.pack(_MAGIC, zlib.crc32(packed), len(packed)) + packed


def _find_records(content: bytes) -> Iterator[Batch]:
    decoder = msgspec.msgpack.Decoder(Batch)
    for position in range(0, len(content) - _HEADER.size, BLOCK_BYTES):
        magic, checksum, length = _HEADER.unpack_from(content, position)
        packed = content[position + _HEADER.size : position + _HEADER.size + length]
        if magic != _MAGIC or len(packed) != length or zlib.crc32(packed) != checksum:
            continue
        # A record of a later version, or a chance in four thousand million: not ours to read.
        with contextlib.suppress(zlib.error, msgspec.DecodeError, UnicodeDecodeError):
            plain = zlib.decompressobj().decompress(packed, _MAX_PLAIN_BYTES)
            batch = decoder.decode(plain)
            yield msgspec.structs.replace(batch, observations=tuple(batch.observations))
