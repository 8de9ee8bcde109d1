"""With which configuration an agent starts: the centre's, the one before it, or its own.

Rule of this file: measuring goes first. A configuration of the centre's with which the agent
did not come up, or which this program does not read, is gone back from; the device's own
file is what remains at the end. Every start with one that has not proved good is counted.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from netwatch.config.central_state import (
    Held,
    Refusal,
    StateKeeper,
    find_folder,
    hold_state,
    name_judge,
    read_held,
    read_state,
    shorten_problem,
)
from netwatch.config.load import load_own_settings, load_settings, load_under
from netwatch.config.model import Settings
from netwatch.errors import ConfigError, NetwatchError

_LOG = logging.getLogger(__name__)

#: So many starts without coming up, and it is gone back from.
MOST_STARTS = 3


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The settings to start with, and of what is in force, for the watch over it; None: nothing."""

    settings: Settings
    digest: str | None


def choose_settings(config: Path, *, now_ms: int) -> Chosen:
    """What to start with; what is found unfit is gone back from, for all commands.

    Raises ConfigError for the device's own file alone.
    """
    own = load_own_settings(config)
    if own.central is None:
        return Chosen(settings=own, digest=None)
    try:
        with hold_state(find_folder(own)) as keeper:
            return _choose(keeper, config, own, now_ms)
    except NetwatchError as error:
        # A disk that refuses stops nothing: what was in force is read, and not counted.
        _LOG.warning("%s", error)
    in_force = read_state(find_folder(own)).in_force
    digest = None if in_force is None else in_force.digest
    try:
        return Chosen(settings=load_settings(config), digest=digest)
    except ConfigError as error:
        _LOG.error("%s", error)
        return Chosen(settings=own, digest=digest)


def _choose(keeper: StateKeeper, config: Path, own: Settings, now_ms: int) -> Chosen:
    starts = keeper.state.trial_starts
    if keeper.state.in_force is not None and starts is not None and starts >= MOST_STARTS:
        name = _name(keeper.state.in_force)
        problem = f"{name}: the agent did not come up with it, {starts} times"
        if keeper.state.trial_problem is not None:
            problem += f": {keeper.state.trial_problem}"
        _go_back(keeper, config, "start", problem, now_ms)
    while (held := keeper.state.in_force) is not None:
        content = read_held(keeper.folder, held)
        if content is None:
            _LOG.error("version %d of the centre's configuration is damaged here", held.version)
            keeper.change(
                in_force=keeper.state.previous, previous=None, trial_starts=None, etag=None
            )
            continue
        try:
            settings = load_under(config, content, _name(held))
        except ConfigError as error:
            _go_back(keeper, config, "check", str(error), now_ms)
            continue
        if keeper.state.trial_starts is not None:
            keeper.change(trial_starts=keeper.state.trial_starts + 1, trial_problem=None)
        return Chosen(settings=settings, digest=held.digest)
    return Chosen(settings=own, digest=None)


def _go_back(keeper: StateKeeper, config: Path, why: str, problem: str, now_ms: int) -> None:
    held, previous = keeper.state.in_force, keeper.state.previous
    assert held is not None  # asked by the caller
    instead = "the device's own file" if previous is None else f"version {previous.version}"
    _LOG.error("%s; going on with %s", problem, instead)
    keeper.change(
        in_force=previous,
        previous=None,
        trial_starts=None,
        trial_problem=None,
        refused=Refusal(
            digest=held.digest,
            version=held.version,
            why="start" if why == "start" else "check",
            problem=shorten_problem(problem),
            judged_by=name_judge(config),
            at_ms=now_ms,
        ),
    )


def _name(held: Held) -> str:
    return f"version {held.version} of the centre's configuration"
