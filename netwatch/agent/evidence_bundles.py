"""Bundles for whoever asks the agent: made one at a time, elsewhere, and kept for a while.

Rule of this file: the agent never waits for a bundle and never holds what makes one: a
child process does (`evidence_child`), bounded in time. A bundle that was made answers
until settings or books have changed; the folder beside the store holds a few at most.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import netwatch
from netwatch.agent.lean_start import ONE_HEAP, build_child_environment, build_lean_command
from netwatch.config.handover import encode_settings
from netwatch.config.model import Settings
from netwatch.core.calendars import month_window
from netwatch.errors import StoreError
from netwatch.store.books_state import read_books_state
from netwatch.web.evidence_route import EvidenceBundle, NoBundle

_LOG = logging.getLogger(__name__)

#: As long as a Pi with a tenth of a core may take, with PDFs.
_LONGEST_S = 600
_RETRY_AFTER_S = 10
#: Of a month that is not over, or only just, a bundle is good for so long.
_FRESH_MS = 900_000
#: Kept at most; a year of bundles with their PDFs would be some 30 MB.
_KEPT = 3
_LARGEST_BYTES = 32_000_000
#: A failure is told for so long before the next attempt.
_SULK_MS = 60_000


def build_command() -> list[str]:
    """The child's command line: as lean a start as the agent's own."""
    return build_lean_command("from netwatch.agent.evidence_child import main; main()")


def has_report() -> bool:
    """Whether what makes a bundle is installed: the extra ``report``."""
    return importlib.util.find_spec("babel") is not None


class EvidenceBundles:
    """Asked from one thread; ``stop`` ends a child that is at work."""

    def __init__(
        self,
        settings: Settings,
        *,
        wall_ms: Callable[[], int],
        command: Sequence[str] | None = None,
        longest_s: float = _LONGEST_S,
        is_able: Callable[[], bool] = has_report,
    ) -> None:
        self._settings = settings
        self._wall_ms = wall_ms
        self._command = list(build_command() if command is None else command)
        self._longest_s = longest_s
        self._is_able = is_able
        self._folder = Path(f"{settings.store.path}.evidence")
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._failed: tuple[Path, int, str] | None = None

    def find(self, year: int, month: int) -> EvidenceBundle | NoBundle:
        """The month's bundle; the first who asks is told to come again."""
        name = f"{year:04}-{month:02}"
        if not self._is_able():
            return NoBundle(
                status=501,
                sentence=f"{name}: this agent makes no bundles: pip install 'netwatch[report]'",
            )
        now_ms = self._wall_ms()
        start_ms, end_ms = month_window(year, month, ZoneInfo(self._settings.site.timezone))
        if now_ms < start_ms:
            return NoBundle(status=404, sentence=f"{name}: that month has not begun")
        try:
            target = self._place(name, now_ms, end_ms)
        except StoreError as error:
            return NoBundle(status=503, sentence=str(error), retry_after_s=_RETRY_AFTER_S)
        with contextlib.suppress(FileNotFoundError):
            if target.stat().st_size > _LARGEST_BYTES:
                return NoBundle(
                    status=507,
                    sentence=f"{name}: the bundle is too large to be sent by the agent: "
                    f"netwatch report --month {name} writes it",
                )
            bundle = f"netwatch-{self._settings.site.id}-{name}.zip"
            return EvidenceBundle(name=bundle, body=target.read_bytes())
        with self._lock:
            if self._child is not None:
                return _come_again("a bundle is being made")
            if self._failed is not None and self._failed[0] == target:
                _, failed_ms, sentence = self._failed
                if 0 <= now_ms - failed_ms < _SULK_MS:
                    return NoBundle(status=500, sentence=f"{name}: {sentence}")
            return self._begin(name, target, [year, month, target, now_ms])

    def stop(self) -> None:
        """End what is under way; nobody will ask for it."""
        with self._lock:
            if self._child is not None:
                self._child.kill()

    def _place(self, name: str, now_ms: int, end_ms: int) -> Path:
        """Where the bundle is kept: under a name that says of what settings and books it is."""
        state = hashlib.sha256(encode_settings(self._settings))
        state.update(
            f"{netwatch.__version__} {read_books_state(self._settings.store.path)}".encode()
        )
        if now_ms < end_ms + _FRESH_MS:
            state.update(f" {now_ms // _FRESH_MS}".encode())
        return self._folder / f"{name}-{state.hexdigest()[:16]}.zip"

    def _begin(self, name: str, target: Path, arguments: Sequence[object]) -> NoBundle:
        try:
            self._folder.mkdir(exist_ok=True)
            child = subprocess.Popen(  # noqa: S603 -- our own interpreter, no shell
                [*self._command, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=build_child_environment(ONE_HEAP),
            )
        except OSError as error:
            return NoBundle(
                status=500, sentence=f"{name}: the bundle cannot be made: {error.strerror}"
            )
        self._child = child
        threading.Thread(
            target=self._see_through, args=(child, target), name="evidence", daemon=True
        ).start()
        return _come_again("the bundle is being made")

    def _see_through(self, child: subprocess.Popen[bytes], target: Path) -> None:
        with child:
            try:
                _, errors = child.communicate(encode_settings(self._settings), self._longest_s)
                lines = errors.decode(errors="replace").strip().splitlines()
                sentence = lines[-1] if lines else "it ended without a word"
            except subprocess.TimeoutExpired:
                child.kill()
                sentence = f"it was not made within {self._longest_s:g} s"
        with self._lock:
            self._child = None
            self._failed = None
            if not target.exists():
                _LOG.error("%s: the bundle could not be made: %s", target.stem[:7], sentence)
                self._failed = (
                    target,
                    self._wall_ms(),
                    f"the bundle could not be made: {sentence}",
                )
            self._tidy(target)

    def _tidy(self, newest: Path) -> None:
        """Keep the few newest; what an ended child left goes too."""
        with contextlib.suppress(OSError):
            bundles = sorted(
                self._folder.glob("*.zip"), key=lambda path: path.stat().st_mtime_ns, reverse=True
            )
            for old in [path for path in bundles if path != newest][_KEPT - 1 :]:
                old.unlink(missing_ok=True)
            for left in self._folder.glob(".making-*"):
                for file in left.iterdir():
                    file.unlink(missing_ok=True)
                left.rmdir()


def _come_again(what: str) -> NoBundle:
    return NoBundle(
        status=503,
        sentence=f"{what}: ask again in {_RETRY_AFTER_S} s",
        retry_after_s=_RETRY_AFTER_S,
    )
