"""The agent's own process: what `netwatch run` turns into once the configuration is sound.

Rule of this file: memory is a feature. The command line and the reading of the
configuration are left behind by exec(2); the settings come through a file in memory.
The process keeps its number, so that systemd and shells see one program.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

import netwatch
from netwatch.config.handover import HANDOVER_VARIABLE, encode_settings
from netwatch.config.model import Settings
from netwatch.config.targets import complete_targets

#: One heap for all threads, given back at once: less waste, and no thread here is in a hurry.
_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}


def become_agent(settings: Settings, *, verbose: bool) -> NoReturn:
    """Replace this process by the agent's; returns never."""
    complete = msgspec.structs.replace(settings, target=complete_targets(settings))
    descriptor = os.memfd_create("netwatch-settings", 0)  # not closed by exec
    os.write(descriptor, encode_settings(complete))
    os.lseek(descriptor, 0, os.SEEK_SET)
    environment = {
        **os.environ,
        **_MALLOC,
        HANDOVER_VARIABLE: str(descriptor),
        "PYTHONPATH": os.pathsep.join(_list_folders()),
    }
    # -OO leaves docstrings and assertions behind; these state what is always so. -S leaves
    # out what other packages have put into every start of this interpreter, -P what lies in
    # the folder it is started from.
    start = "from netwatch.agent.main import main; main()"
    command = [sys.executable, "-P", "-S", "-OO", "-c", start]
    with contextlib.suppress(OSError):
        os.execve(sys.executable, [*command, *(["--verbose"] if verbose else [])], environment)  # noqa: S606 -- our own interpreter, no shell
    # Who was given this program by root may be refused the interpreter a second time
    # (a Python below /root): then the agent runs here, in more memory.
    os.environ[HANDOVER_VARIABLE] = str(descriptor)
    from netwatch.agent.main import main  # noqa: PLC0415 -- not needed when all is well

    main()


def _list_folders() -> list[str]:
    """Where this program and its libraries are installed: one folder, or two of a checkout."""
    found = (str(Path(str(module.__file__)).parents[1]) for module in (netwatch, msgspec))
    return list(dict.fromkeys(found))
