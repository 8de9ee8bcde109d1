"""The evidence bundle: written with the same bytes each time, opened with suspicion.

Rule of this file: it knows names, bytes and hashes, and must not know what the
figures in them mean; `verify` does. A bundle is flat, its names are plain, its
timestamps are fixed, so that the same month gives the same file on any machine.
"""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from netwatch.errors import EvidenceError
from netwatch.report.identity import ChainEnd

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
#: A file without which there is nothing to recompute.
REQUIRED = ("contract.toml", "ledger.csv", MANIFEST, "report.json")

MAX_FILES = 64
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_TOTAL_BYTES = 1024 * 1024 * 1024
#: The books of a quiet month shrink by 40 to 60; what shrinks more is a bomb.
MAX_RATIO = 250
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024  # manifest, report.json, contract.toml: read whole
_RATIO_FROM_BYTES = 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,98}[a-z0-9]")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip can tell
_ATTRIBUTES = (stat.S_IFREG | 0o644) << 16


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file as the manifest lists it; ``rows`` is given for tables, without their header."""

    name: str
    sha256: str
    bytes: int
    rows: int | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the bundle holds and what made it; ``created_at`` is the report's ``generated_at``."""

    bundle_version: int
    site: str
    month: str
    created_at: str
    netwatch_version: str
    rule_version: str
    files: tuple[FileEntry, ...]
    chain: ChainEnd | None = None  # of the store's days: whoever keeps it can tell a rewritten one


def build_bundle_name(site: str, month: str) -> str:
    """The name under which a month's evidence is kept and sent.

    >>> build_bundle_name("ecole-jaures", "2026-10")
    'netwatch-ecole-jaures-2026-10.zip'
    """
    return f"netwatch-{site}-{month}.zip"


def build_manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as it is hashed and signed: sorted by name, two spaces, one line feed."""
    ordered = msgspec.structs.replace(
        manifest, files=tuple(sorted(manifest.files, key=lambda entry: entry.name))
    )
    return msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n"


def read_entry(path: Path, name: str, rows: int | None = None) -> FileEntry:
    """Hash a file without holding it in memory."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(name=name, sha256=digest.hexdigest(), bytes=size, rows=rows)


def write_bundle(
    target: Path,
    files: Mapping[str, Path],
    manifest: Manifest,
    *,
    key: Ed25519PrivateKey | None = None,
) -> Manifest:
    """Write the bundle, whole or not at all; return its manifest with the entries filled in.

    ``files`` maps each name to where its content stands. ``manifest.files`` gives the
    row counts that are known (other fields of these entries are computed anew).
    Raises ``EvidenceError`` for a name that a bundle cannot hold, ``OSError`` for the disk.
    """
    rows = {entry.name: entry.rows for entry in manifest.files}
    for name in files:
        if not _NAME.fullmatch(name) or name in (MANIFEST, SIGNATURE):
            raise EvidenceError(f"{name!r}: not a name for a file of a bundle")
    entries = tuple(read_entry(files[name], name, rows.get(name)) for name in sorted(files))
    filled = msgspec.structs.replace(manifest, files=entries)
    text = build_manifest_bytes(filled)
    documents = {MANIFEST: text}
    if key is not None:
        from netwatch.report.sign import build_signature  # noqa: PLC0415 -- a library that only a signature pays for

        documents[SIGNATURE] = build_signature(text, key)
    partial = target.with_name(target.name + ".partial")
    try:
        with zipfile.ZipFile(partial, "x", allowZip64=False) as archive:
            for name in sorted([*files, *documents]):
                with archive.open(_new_info(name), "w") as into:
                    if name in documents:
                        into.write(documents[name])
                    else:
                        with files[name].open("rb") as stream:
                            while chunk := stream.read(_CHUNK_BYTES):
                                into.write(chunk)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return filled


def _new_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, wherever it is written
    info.external_attr = _ATTRIBUTES
    return info


class Bundle:
    """An opened bundle whose shape was found safe; its content is not yet believed."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self._infos = {info.filename: info for info in archive.infolist()}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._infos))

    def open(self, name: str) -> IO[bytes]:
        """The content as a stream. Raises ``EvidenceError`` when there is no such file."""
        if name not in self._infos:
            raise EvidenceError(f"{self.path}: {name} is missing from the bundle")
        try:
            return self._archive.open(name)
        except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
            raise EvidenceError(f"{self.path}: {name} cannot be unpacked ({error})") from error

    def read(self, name: str) -> bytes:
        """A document, whole. Raises ``EvidenceError`` when absent, damaged or above 16 MiB."""
        info = self._infos.get(name)
        if info is not None and info.file_size > MAX_DOCUMENT_BYTES:
            raise EvidenceError(
                f"{self.path}: {name} is {info.file_size} bytes, at most {MAX_DOCUMENT_BYTES} are read"
            )
        with self.open(name) as stream, self.explained(name):
            return stream.read()

    def hash(self, name: str) -> tuple[str, int]:
        """SHA-256 and size of the content. Raises ``EvidenceError`` when it is damaged."""
        digest = hashlib.sha256()
        size = 0
        with self.open(name) as stream, self.explained(name):
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return digest.hexdigest(), size

    @contextmanager
    def explained(self, name: str) -> Iterator[None]:
        """Turn what zlib and zipfile say of a damaged stream into a sentence."""
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise EvidenceError(f"{self.path}: {name} is damaged ({error})") from error

    def find_repacking(self) -> str | None:
        """What of the container is not as netwatch writes it; None when every byte has its place.

        Content is guarded by its hashes; this is for the bytes between.
        """
        infos = sorted(self._archive.infolist(), key=lambda info: info.header_offset)
        if [info.filename for info in infos] != sorted(self._infos) or self._archive.comment:
            return "its order or its comment"
        expected = 0
        stream = self._archive.fp
        assert stream is not None
        directory = 0
        for info in infos:
            plain = _new_info(info.filename)
            plain.CRC, plain.file_size = info.CRC, info.file_size
            plain.compress_size = info.compress_size
            if info.compress_type == zipfile.ZIP_STORED or info.header_offset != expected:
                return f"the header of {info.filename}"
            header = plain.FileHeader(zip64=False)
            stream.seek(info.header_offset)
            if stream.read(len(header)) != header:
                return f"the header of {info.filename}"
            expected += len(header) + info.compress_size
            directory += 46 + len(info.filename)
        stream.seek(expected)
        wanted = b"".join(_directory_entry(info) for info in infos)
        wanted += struct.pack(
            "<4s4H2LH", b"PK\5\6", 0, 0, len(infos), len(infos), directory, expected, 0
        )
        return None if stream.read() == wanted else "its directory"


def _directory_entry(info: zipfile.ZipInfo) -> bytes:
    """The central directory's record of one file (APPNOTE 6.3.10, 4.3.12), as netwatch writes it."""
    name = info.filename.encode()
    head = struct.pack(
        "<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, zipfile.ZIP_DEFLATED, 0, 0x21,
        info.CRC, info.compress_size, info.file_size, len(name), 0, 0, 0, 0,
        _ATTRIBUTES, info.header_offset,
    )  # fmt: skip
    return head + name


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a bundle after checking that nothing in its shape can harm.

    Raises ``EvidenceError`` with one sentence: not there, no zip, cut short, too many
    or too large files, names that are not plain, twice the same, links, encryption.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read ({error.strerror})") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise EvidenceError(
            f"{path}: not a whole zip file, perhaps cut short on its way ({error})"
        ) from error
    with archive:
        _check_shape(path, archive.infolist())
        yield Bundle(path, archive)


def _check_shape(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_FILES:
        raise EvidenceError(f"{path}: holds {len(infos)} files, a bundle has at most {MAX_FILES}")
    seen: set[str] = set()
    total = 0
    for info in infos:
        name = info.filename
        # orig_filename: zipfile cuts a name at a NUL and swaps separators.
        if not _NAME.fullmatch(name) or info.orig_filename != name:
            raise EvidenceError(
                f"{path}: {info.orig_filename!r} is not a plain file name; a bundle is flat, "
                "and a path in it could climb out of where it is unpacked"
            )
        if name in seen:
            raise EvidenceError(f"{path}: holds {name} twice; which is meant cannot be told")
        seen.add(name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise EvidenceError(f"{path}: {name} is a link or a special file, not a plain one")
        if info.flag_bits & 0x1:
            raise EvidenceError(f"{path}: {name} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise EvidenceError(f"{path}: {name} is packed in a way that a bundle does not use")
        total += info.file_size
        if info.file_size > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
            raise EvidenceError(
                f"{path}: would unpack to more than {MAX_TOTAL_BYTES // 1024**2} MiB "
                f"(or {MAX_FILE_BYTES // 1024**2} MiB in one file); nothing was unpacked"
            )
        too_dense = info.file_size > max(info.compress_size, 1) * MAX_RATIO
        if info.file_size > _RATIO_FROM_BYTES and too_dense:
            raise EvidenceError(
                f"{path}: {name} would grow from {info.compress_size} to {info.file_size} bytes, "
                f"more than {MAX_RATIO} times; nothing was unpacked"
            )
    for name in REQUIRED:
        if name not in seen:
            raise EvidenceError(f"{path}: {name} is missing from the bundle")
