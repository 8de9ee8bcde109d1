"""The centre's configuration, in the terminal.

Rule of this file: rendering of what `/api/v1/status` says; pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def build_central_lines(central: Mapping[str, Any] | None) -> list[str]:
    """Which is in force, then what stands in the way of a newer one; none without a centre.

    >>> build_central_lines({"version": 7, "taken": "2026-11-24T03:00:00.000Z", "trial": False,
    ...     "refused_version": None, "refused_why": None, "refused_problem": None,
    ...     "asked": "2026-11-24T04:00:00.000Z", "answered": "2026-11-24T04:00:00.000Z",
    ...     "reason": None, "problem": None})
    ['configuration: version 7 of the centre, taken 2026-11-24T03:00:00.000Z']
    """
    if central is None:
        return []
    if central["version"] is None:
        lines = ["configuration: this device's own file; none of the centre's is in force"]
    else:
        trial = ", on trial until the agent is up with it" if central["trial"] else ""
        lines = [
            f"configuration: version {central['version']} of the centre, "
            f"taken {central['taken']}{trial}"
        ]
    if central["refused_version"] is not None:
        problems = central["refused_problem"].splitlines()
        lines += [f"configuration refused: {line}" for line in problems]
    if central["problem"] is not None:
        lines.append(f"configuration: {central['problem']}")
        if central["answered"] is not None:
            lines.append(f"  last answered {central['answered']}")
    elif central["asked"] is None:
        lines.append("  the centre has not been asked yet: netwatch configure")
    return lines
