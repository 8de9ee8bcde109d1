"""Which of the centre's configurations is in force on this device, kept through power cuts.

Rule of this file: a folder beside the books; files are written whole and made durable before
the one that names them, ``state.json``, takes its new form in one rename. So at any instant
it names what is there, complete. It checks neither signatures nor settings, and asks nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from netwatch import __version__
from netwatch.config.model import Settings
from netwatch.errors import ConfigError, NetwatchError

FOLDER = "central"
STATE = "state.json"
_LOCK = "lock"
_DAMAGED = "state.json.damaged"
_MODE = 0o640
_LONGEST_PROBLEM = 2_000


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration of the centre's that is kept here."""

    digest: str  # SHA-256 of its bytes
    version: int
    taken_ms: int  # UTC, by the wall clock


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that was signed, and is not used."""

    digest: str
    version: int
    why: Literal["check", "start"]  # settings that will not do; or the agent did not come up
    problem: str
    judged_by: str  # program and device's file: with others it is worth another try
    at_ms: int


class CentralState(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of the centre's configurations; replaced as a whole."""

    highest: int | None = None  # version of the newest that bore the right signature
    highest_digest: str | None = None
    in_force: Held | None = None  # None: the device's own file alone
    previous: Held | None = None  # to go back to: the newest with which the agent was up
    trial_starts: int | None = None  # starts with what is in force so far; None: it has proved good
    trial_problem: str | None = None  # what the newest of these said when it failed
    refused: Refusal | None = None
    etag: str | None = None  # of the file that was dealt with last
    etag_url: str | None = None
    asked_ms: int | None = None
    answered_ms: int | None = None
    problem: str | None = None  # of the newest asking
    problem_reason: Literal["unreachable", "untrusted"] | None = None


def find_folder(settings: Settings) -> Path:
    """Beside the books, where alone the service may write; paths are absolute already."""
    return Path(settings.store.path).parent / FOLDER


def compute_digest(content: bytes) -> str:
    """The SHA-256 of a configuration's bytes, in hexadecimal.

    >>> compute_digest(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def name_judge(config: Path) -> str:
    """Program and device's file: what may make of a refused configuration an acceptable one.

    Raises ConfigError where the file cannot be read.
    """
    try:
        content = config.read_bytes()
    except OSError as error:
        raise ConfigError([f"{config}: cannot be read: {error.strerror}"]) from None
    return hashlib.sha256(f"{__version__}\n".encode() + content).hexdigest()[:16]


def shorten_problem(text: str) -> str:
    """A message that is kept: its beginning, if it is very long.

    >>> len(shorten_problem("x" * 5_000))
    2001
    """
    return text if len(text) <= _LONGEST_PROBLEM else f"{text[:_LONGEST_PROBLEM]}…"


def read_state(folder: Path) -> CentralState:
    """What is known; of a damaged or missing file what the names of those beside it tell."""
    try:
        return _decode_state(folder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # No older version is taken than those that lie here.
        versions = [path.name.partition("-")[0] for path in folder.glob("*-*.toml")]
        return CentralState(
            highest=max((int(text) for text in versions if text.isdigit()), default=None)
        )


def read_sound_state(folder: Path) -> CentralState | None:
    """The same, or None of a file that is missing, damaged or cannot be read for now."""
    try:
        return msgspec.json.decode((folder / STATE).read_bytes(), type=CentralState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _decode_state(folder: Path) -> CentralState:
    """Raises msgspec.DecodeError or UnicodeDecodeError for what is not from here."""
    try:
        content = (folder / STATE).read_bytes()
    except OSError:
        return CentralState()
    return msgspec.json.decode(content, type=CentralState)


def read_held(folder: Path, held: Held) -> bytes | None:
    """The bytes of a configuration, or None where they are not those that were taken."""
    try:
        content = (folder / name_file(held)).read_bytes()
    except OSError:
        return None
    return content if compute_digest(content) == held.digest else None


def name_file(held: Held) -> str:
    """The file's name.

    >>> name_file(Held(digest="e3b0c44298fc1c14", version=7, taken_ms=0))
    '7-e3b0c44298fc.toml'
    """
    return f"{held.version}-{held.digest[:12]}.toml"


@contextlib.contextmanager
def hold_state(folder: Path) -> Iterator[StateKeeper]:
    """The state under a lock, to be changed; the folder is made where it is missing.

    Raises NetwatchError where the disk refuses.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            _give_away(folder, folder.parent)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            _give_away(folder / _LOCK, folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield StateKeeper(folder)
        finally:
            os.close(lock)
    except OSError as error:
        raise NetwatchError(
            f"{error.filename or folder}: cannot be written: {error.strerror or error}"
        ) from None


class StateKeeper:
    """The state while nobody else changes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = read_state(folder)
        try:
            _decode_state(folder)
        except (msgspec.DecodeError, UnicodeDecodeError):
            (folder / STATE).replace(folder / _DAMAGED)

    def change(self, **changes: object) -> CentralState:
        """Have these hold from now on, through a power cut too. Raises OSError."""
        changed = msgspec.structs.replace(self.state, **changes)
        if changed != self.state or not (self.folder / STATE).exists():
            write_durably(self.folder / STATE, msgspec.json.encode(changed))
            self.state = changed
        return changed

    def keep_file(self, held: Held, content: bytes) -> None:
        """Put a configuration beside the others. Raises OSError."""
        write_durably(self.folder / name_file(held), content)

    def sweep(self) -> None:
        """Remove what the state no longer names, and what a power cut left half-written."""
        kept = {name_file(held) for held in (self.state.in_force, self.state.previous) if held}
        for path in [*self.folder.glob("*-*.toml"), *self.folder.glob(".writing-*")]:
            if path.name not in kept:
                path.unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """The whole file or the old one, on the card when this returns; under the lock. Raises OSError."""
    beside = path.with_name(f".writing-{path.name}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _give_away(beside, path.parent)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _give_away(path: Path, like: Path) -> None:
    """What root writes here by hand belongs to whom the folder does: the agent."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
