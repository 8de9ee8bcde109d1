"""The site's public holidays, which another process tells when they are first needed.

Rule of this file: the agent never waits for them and never holds the library that knows
them: a short-lived child does (`holidays_child`), once for a year. It needs no network,
so that it answers in an outage.
"""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from datetime import date

from netwatch.agent.lean_start import ONE_HEAP, build_child_environment, build_lean_command
from netwatch.config.model import Site
from netwatch.report.holidays_calendar import read_holidays

_LOG = logging.getLogger(__name__)

#: As long as a Pi with a tenth of a core may take.
_LONGEST_S = 120
#: After a failure it is asked again no sooner.
_SULK_MS = 600_000


def build_command() -> list[str]:
    """The child's command line: as lean a start as the agent's own."""
    return build_lean_command("from netwatch.agent.holidays_child import main; main()")


def has_library() -> bool:
    """Whether the library that knows public holidays is installed: the extra ``report``."""
    return importlib.util.find_spec("holidays") is not None


class PublicHolidays:
    """May be asked from any thread; ``stop`` ends a child that is at work."""

    def __init__(
        self,
        site: Site,
        *,
        monotonic_ms: Callable[[], int],
        command: Sequence[str] | None = None,
        longest_s: float = _LONGEST_S,
        is_able: Callable[[], bool] = has_library,
    ) -> None:
        self._site = site
        self._monotonic_ms = monotonic_ms
        self._command = list(build_command() if command is None else command)
        self._longest_s = longest_s
        self._is_able = is_able
        self._lock = threading.Lock()
        self._known: tuple[int, frozenset[date]] | None = None
        self._child: subprocess.Popen[str] | None = None
        self._failed_ms: int | None = None
        self._said: str | None = None

    def find(self, year: int) -> frozenset[date] | None:
        """Every public holiday of a civil year and of those beside it, the site's own too.

        None while they are not known: the first who asks has them looked for.
        """
        own = read_holidays(None, (), self._site.extra_holidays)
        if self._site.holidays is None:
            return own
        with self._lock:
            if self._known is not None and self._known[0] == year:
                return self._known[1] | own
            if self._child is None and not self._is_sulking():
                self._begin(self._site.holidays, year)
        return None

    def stop(self) -> None:
        """End what is under way; nobody will ask for it."""
        with self._lock:
            if self._child is not None:
                self._child.kill()

    def _is_sulking(self) -> bool:
        failed_ms = self._failed_ms
        return failed_ms is not None and self._monotonic_ms() - failed_ms < _SULK_MS

    def _begin(self, region: str, year: int) -> None:
        if not self._is_able():
            self._fail("the library is not installed: pip install 'netwatch[report]'")
            return
        years = (year - 1, year, year + 1)  # hours past midnight may be of the year before
        try:
            self._child = child = subprocess.Popen(  # noqa: S603 -- our own interpreter, no shell
                [*self._command, region, *map(str, years)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=build_child_environment(ONE_HEAP),
            )
        except OSError as error:
            self._fail(str(error.strerror or error))
            return
        threading.Thread(
            target=self._see_through, args=(child, year), name="holidays", daemon=True
        ).start()

    def _see_through(self, child: subprocess.Popen[str], year: int) -> None:
        with child:
            try:
                answer, errors = child.communicate(timeout=self._longest_s)
            except subprocess.TimeoutExpired:
                child.kill()
                answer, errors = "", f"no answer within {self._longest_s:g} s"
        try:
            days = frozenset(date.fromisoformat(line) for line in answer.split())
        except ValueError as error:
            days, errors = frozenset(), str(error)
        with self._lock:
            self._child = None
            if child.returncode == 0 and days:
                self._known, self._failed_ms = (year, days), None
                return
            lines = errors.strip().splitlines()
            self._fail(lines[-1] if lines else "it ended without a word")

    def _fail(self, sentence: str) -> None:
        self._failed_ms = self._monotonic_ms()
        if sentence != self._said:
            self._said = sentence
            _LOG.warning(
                "public holidays of %s: %s; no deadline of a restoration is shown",
                self._site.holidays,
                sentence,
            )
