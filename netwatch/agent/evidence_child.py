"""The process that builds a bundle for the agent, and is gone when it is done.

Rule of this file: settings on standard input, month and target as arguments; the bundle in
its place, or one sentence on standard error and exit 1. It takes what the agent leaves of
the processor. The report's libraries are loaded here and not in the agent.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from netwatch.agent.monthly import gather_inputs
from netwatch.config.handover import decode_settings
from netwatch.errors import NetwatchError
from netwatch.report.publish import Format, publish_report
from netwatch.report.rtt_table import RttTable

_NICE = 15


def main() -> NoReturn:
    """``YEAR MONTH TARGET NOW`` (UTC ms); the target's folder is there."""
    with contextlib.suppress(OSError):  # a sandbox may forbid to be modest
        os.nice(_NICE)
    year, month, target, now_ms = (
        int(sys.argv[1]),
        int(sys.argv[2]),
        Path(sys.argv[3]),
        int(sys.argv[4]),
    )
    settings = decode_settings(sys.stdin.buffer.read())
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as made,
            RttTable(Path(made)) as table,
        ):
            inputs = gather_inputs(settings, (year, month), now_ms, table)
            published = publish_report(Path(made), inputs, table, formats=_list_formats())
            assert published.bundle is not None  # csv and json are among the formats
            published.bundle.replace(target)
    except NetwatchError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or target.parent}: cannot be written: {error.strerror or error}")
    sys.exit(0)


def _list_formats() -> tuple[Format, ...]:
    """With the PDF where this machine can draw one."""
    try:
        import weasyprint  # noqa: F401, PLC0415 - used elsewhere: only its import tells whether its C libraries are there
    except (ModuleNotFoundError, OSError):
        return ("html", "csv", "json")
    return ("html", "pdf", "csv", "json")
