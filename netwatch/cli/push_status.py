"""How the push goes, in the terminal.

Rule of this file: rendering of what `/api/v1/status` says; pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def build_push_lines(push: Mapping[str, Any] | None) -> list[str]:
    """A line for what waits; what stands in the way, and what would do; none without a push.

    >>> build_push_lines({"ok": True, "waiting_minutes": 0, "oldest": None, "accepted": 12,
    ...                   "rejected": 0, "problem": None, "remedy": None})
    ['push works, nothing waits, 12 points accepted']
    """
    if push is None:
        return []
    state = {None: "has not been tried yet", True: "works", False: "fails"}[push["ok"]]
    parts = [f"push {state}"]
    waiting = push["waiting_minutes"]
    if waiting == 0:
        parts.append("nothing waits")
    elif waiting is not None:
        parts.append(f"{waiting} min wait since {push['oldest']}")
    parts.append(f"{push['accepted']} points accepted")
    if push["rejected"]:
        parts.append(f"{push['rejected']} rejected")
    lines = [", ".join(parts)]
    if push["problem"] is not None:
        lines += [f"push: {push['problem']}", f"  → {push['remedy']}"]
    return lines
