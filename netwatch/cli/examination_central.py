"""What `netwatch check` says of the centre's configuration.

Rule of this file: what is known here already; the centre is not asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from netwatch.cli.examination import Examined, State, examine_secret
from netwatch.config.central_state import find_folder, read_state
from netwatch.config.model import Central, Settings


def examine_central(settings: Settings, central: Central) -> Iterator[Examined]:
    """Which is in force, what stands in the way of a newer one, and whether it could be taken."""
    folder = find_folder(settings)
    state = read_state(folder)
    name = "the centre's configuration"
    if state.refused is not None:
        yield Examined(
            subject="central",
            state=State.WARNING,
            message="refused: " + "; ".join(state.refused.problem.splitlines()),
            remedy="publish it anew once it is mended, or mend this device's file",
        )
    if state.problem is not None:
        yield Examined(
            subject="central",
            state=State.WARNING,
            message=state.problem,
            remedy="netwatch configure asks again",
        )
    elif state.asked_ms is None:
        yield Examined(
            subject="central",
            state=State.WARNING,
            message="the centre has not been asked yet",
            remedy="netwatch configure asks it; systemctl enable --now netwatch-configure.timer",
        )
    elif state.in_force is not None:
        yield Examined(
            subject="central",
            state=State.OK,
            message=f"version {state.in_force.version} of {name} lies over this device's file",
        )
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        yield Examined(
            subject="central",
            state=State.PROBLEM,
            message=f"{folder}: may not be written by this user",
            remedy="run as the agent's user, or give the folder to it",
        )
    if central.token_file is not None:
        yield examine_secret("central.token_file", Path(central.token_file))
