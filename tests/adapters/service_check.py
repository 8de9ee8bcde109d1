"""One HTTP check as a `[[target]]` would have it, and what it finds.

Rule of this file: the real probe; where it asks is the test's.
"""

from __future__ import annotations

from netwatch.probes.http import HttpProbe
from netwatch.records import Check, Finding, Role


def measure(url: str, timeout_ms: int = 5_000, **params: str | int) -> Finding:
    """One finding of the HTTP probe of that page; ``params`` are those of the check."""
    check = Check(
        id="s",
        kind="http",
        target=url,
        role=Role.SERVICE,
        every_ms=60_000,
        timeout_ms=timeout_ms,
        params=params,
    )
    return HttpProbe().measure(check)
