"""The agent's own process: what `netwatch run` turns into once the configuration is sound.

Rule of this file: memory is a feature. The command line and the reading of the
configuration are left behind by exec(2); the settings come through a file in memory.
The process keeps its number, so that systemd and shells see one program.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

import msgspec

from netwatch.agent.lean_start import LEAN_HEAP, build_lean_command, list_folders
from netwatch.config.handover import HANDOVER_VARIABLE, encode_settings
from netwatch.config.model import Settings
from netwatch.config.targets import complete_targets


def become_agent(settings: Settings, *, verbose: bool) -> NoReturn:
    """Replace this process by the agent's; returns never."""
    complete = msgspec.structs.replace(settings, target=complete_targets(settings))
    descriptor = os.memfd_create("netwatch-settings", 0)  # not closed by exec
    os.write(descriptor, encode_settings(complete))
    os.lseek(descriptor, 0, os.SEEK_SET)
    environment = {
        **os.environ,
        **LEAN_HEAP,
        HANDOVER_VARIABLE: str(descriptor),
        "PYTHONPATH": os.pathsep.join(list_folders()),
    }
    command = build_lean_command("from netwatch.agent.main import main; main()")
    with contextlib.suppress(OSError):
        os.execve(sys.executable, [*command, *(["--verbose"] if verbose else [])], environment)  # noqa: S606 -- our own interpreter, no shell
    # Who was given this program by root may be refused the interpreter a second time
    # (a Python below /root): then the agent runs here, in more memory.
    os.environ[HANDOVER_VARIABLE] = str(descriptor)
    from netwatch.agent.main import main  # noqa: PLC0415 -- not needed when all is well

    main()
