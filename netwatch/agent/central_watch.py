"""The running agent's part in the centre's configurations: it shows them, vouches, makes way.

Rule of this file: it reads what `netwatch configure` has left and never asks the network. A
configuration has proved good once the agent is up with it: a round of probes is complete, and
the time in which the watchdog would have killed it is over. Another one in force is reason to
begin again; how is the composition root's.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from netwatch.config.central_state import (
    STATE,
    CentralState,
    find_folder,
    hold_state,
    read_sound_state,
    read_state,
    shorten_problem,
)
from netwatch.config.handover import DIGEST_VARIABLE
from netwatch.config.model import Central, Settings
from netwatch.errors import NetwatchError
from netwatch.snapshot import CentralView

_LOG = logging.getLogger(__name__)

LOOK_EVERY_MS = 5_000
_DAY_MS = 86_400_000


def build_watch(
    settings: Settings,
    central: Central,
    environment: Mapping[str, str],
    *,
    watchdog_ms: int | None,
    monotonic_ms: Callable[[], int],
    make_way: Callable[[], None],
) -> CentralWatch:
    """The watch of an agent that began with these settings."""
    folder = find_folder(settings)
    digest = environment.get(DIGEST_VARIABLE)
    if digest is None:
        in_force = read_state(folder).in_force
        digest = None if in_force is None else in_force.digest
    return CentralWatch(
        folder,
        digest or None,
        trial_ms=(watchdog_ms or 0) * 3 // 2,
        every_ms=central.every_ms,
        monotonic_ms=monotonic_ms,
        make_way=make_way,
    )


def note_failure(settings: Settings, problem: str) -> None:
    """What an agent said that did not come up: the reason, should its configuration be gone back from."""
    with contextlib.suppress(NetwatchError), hold_state(find_folder(settings)) as keeper:
        if keeper.state.trial_starts is not None:
            keeper.change(trial_problem=shorten_problem(problem))


class CentralWatch:
    """``digest`` is of the configuration that this agent runs with; None: of none.

    ``make_way`` is called once, from the thread that looks, when another one is in force.
    """

    def __init__(
        self,
        folder: Path,
        digest: str | None,
        *,
        trial_ms: int,
        every_ms: int,
        monotonic_ms: Callable[[], int],
        make_way: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._digest = digest
        self._trial_ms = trial_ms
        self._silent_ms = max(_DAY_MS, 3 * every_ms)
        self._monotonic_ms = monotonic_ms
        self._make_way = make_way
        self._began_ms = monotonic_ms()
        self._seen: tuple[int, int] | None = None
        self._state = CentralState()
        #: Whether another configuration is to be run with.
        self.outdated = False
        self._read()

    def look(self, rounds: int) -> None:
        """Every few seconds, with the number of rounds of probes that are complete."""
        self._read()
        if self.outdated or self._seen is None:
            return
        in_force = self._state.in_force
        if (None if in_force is None else in_force.digest) != self._digest:
            self.outdated = True
            version = "the device's own" if in_force is None else f"version {in_force.version}"
            _LOG.info("another configuration is in force (%s): beginning again with it", version)
            self._make_way()
        elif (
            self._state.trial_starts is not None
            and rounds > 0
            and self._monotonic_ms() - self._began_ms >= self._trial_ms
        ):
            self._change_trial(None)
            _LOG.info("the agent is up with it: the centre's configuration has proved good")

    def leave(self) -> None:
        """The agent ends because it was told to: that start did not fail."""
        starts = self._state.trial_starts
        if starts and not self.outdated:
            self._change_trial(starts - 1)

    def view(self) -> CentralView:
        """What is to be shown."""
        state = self._state
        in_force, refused = state.in_force, state.refused
        return CentralView(
            version=None if in_force is None else in_force.version,
            taken_ms=None if in_force is None else in_force.taken_ms,
            trial=state.trial_starts is not None,
            refused_version=None if refused is None else refused.version,
            refused_why=None if refused is None else refused.why,
            refused_problem=None if refused is None else refused.problem,
            asked_ms=state.asked_ms,
            answered_ms=state.answered_ms,
            reason=state.problem_reason,
            problem=state.problem,
        )

    def list_notices(self, now_ms: int) -> tuple[str, ...]:
        """Keys of the sentences of the page. A centre that is away for hours is none."""
        state = self._state
        found = []
        if state.refused is not None:
            found.append("configuration_refused")
        if state.problem_reason == "untrusted":
            found.append("configuration_untrusted")
        elif state.problem_reason == "unreachable" and (
            state.answered_ms is None or now_ms - state.answered_ms > self._silent_ms
        ):
            found.append("configuration_unreachable")
        return tuple(found)

    def _read(self) -> None:
        """The state, when its file is another one than was read last; else what was known."""
        try:
            status = (self._folder / STATE).stat()
        except OSError:
            return
        seen = (status.st_ino, status.st_mtime_ns)
        if seen == self._seen:
            return
        state = read_sound_state(self._folder)
        if state is not None:
            self._state, self._seen = state, seen

    def _change_trial(self, starts: int | None) -> None:
        """A disk that refuses is said by others; then the start is counted as it was."""
        try:
            with hold_state(self._folder) as keeper:
                in_force = keeper.state.in_force
                if in_force is not None and in_force.digest == self._digest:
                    self._state = keeper.change(trial_starts=starts)
        except NetwatchError as error:
            _LOG.warning("%s", error)
