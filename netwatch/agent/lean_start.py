"""How an interpreter of ours is started lean: its options, its folders, its heap.

Rule of this file: memory is a feature, and what a child finds around it is ours alone. It
starts nothing, and must not know what the process is for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

import netwatch

#: One heap for all threads: less waste, and no thread here is in a hurry.
ONE_HEAP: Mapping[str, str] = {"MALLOC_ARENA_MAX": "1"}
#: And what is free of it is given back at once.
LEAN_HEAP: Mapping[str, str] = {**ONE_HEAP, "MALLOC_TRIM_THRESHOLD_": "131072"}


def build_lean_command(start: str) -> list[str]:
    """The command line of an interpreter that runs the text ``start``.

    -OO leaves docstrings and assertions behind; these state what is always so. -S leaves
    out what other packages have put into every start of this interpreter, -P what lies in
    the folder it is started from.

    >>> build_lean_command("pass")[1:]
    ['-P', '-S', '-OO', '-c', 'pass']
    """
    return [sys.executable, "-P", "-S", "-OO", "-c", start]


def list_folders() -> list[str]:
    """Where this program and its libraries are installed: one folder, or two of a checkout."""
    found = (str(Path(str(module.__file__)).parents[1]) for module in (netwatch, msgspec))
    return list(dict.fromkeys(found))


def build_child_environment(heap: Mapping[str, str]) -> dict[str, str]:
    """What a child finds: our own folders, where its files may go, no proxy, one language.

    ``heap`` is `ONE_HEAP` or `LEAN_HEAP`. Of our own environment only PATH, TMPDIR and HOME
    are handed on, where they are set.
    """
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(list_folders()),
        **heap,
    }
